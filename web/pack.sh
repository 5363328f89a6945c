#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# pack.sh site | one FOLDER FILE... | sources FILE... | report - the page on standard output: with its style, script and files beside it; or
# with all in it, files as compressed base64. Or source files as one JSON object. Or the page of `gpt2rtl report`, which has the same
# style and pictures, as a string of C
set -e
page=web/page/index.html
diagram() { sed -e 's/<svg /<svg aria-hidden="true" focusable="false" /' docs/hardware.svg | grep -v SPDX; }
case $1 in
  sources)
    shift
    # Backslash, quotation mark, tab; line ends become \n. There are no other controls in the sources.
    for file in "$@"; do
      printf '%s"%s":"' "${comma:-{}" "$file"
      sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' -e 's/$/\\n/' "$file" | tr -d '\n'
      printf '"'
      comma=,
    done
    echo '}'
    ;;
  report)
    printf '// SPDX-License-Identifier: Apache-2.0\n// Made by web/pack.sh from web/page.\nstatic const char report_page[] =\n'
    while IFS= read -r line; do
      case $line in
        *'<!-- style -->') echo '<style>'; cat web/page/page.css; echo '</style>' ;;
        *'<!-- script -->') echo '<script>'; cat web/page/{base,timeline,panels,report}.js; echo '</script>' ;;
        *) printf '%s\n' "$line" ;;
      esac
    done < web/page/report.html | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/'
    echo '    "";'
    ;;
  site)
    while IFS= read -r line; do
      case $line in
        *'<!-- style -->') echo '<link rel="stylesheet" href="page.css">' ;;
        *'<!-- diagram -->'*) printf '%s\n' "${line%%<!-- diagram -->*}"; diagram; printf '%s\n' "${line#*<!-- diagram -->}" ;;
        *'<!-- assets -->') ;;
        *'<!-- script -->') echo '<script src="page.js"></script>' ;;
        *) printf '%s\n' "$line" ;;
      esac
    done < $page
    ;;
  one)
    folder=$2
    shift 2
    while IFS= read -r line; do
      case $line in
        *'<!-- style -->') echo '<style>'; cat "$folder/page.css"; echo '</style>' ;;
        *'<!-- diagram -->'*) printf '%s\n' "${line%%<!-- diagram -->*}"; diagram; printf '%s\n' "${line#*<!-- diagram -->}" ;;
        *'<!-- assets -->')
          for file in "$@"; do
            printf '<script type="application/octet-stream" id="asset-%s">' "$file"
            gzip -9nc "$folder/$file" | base64 -w 0
            echo '</script>'
          done ;;
        *'<!-- script -->') echo '<script>'; cat "$folder/page.js"; echo '</script>' ;;
        *) printf '%s\n' "$line" ;;
      esac
    done < $page
    ;;
esac
