#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# pack.sh site | one FOLDER FILE... | sources FILE... | report - writes the page to standard output
#
#   site      the page, with its style, script and files beside it
#   one       the page with everything in it, files as compressed base64
#   sources   source files as one JSON object
#   report    the page of `gpt2rtl report`, which shares style and panels, as a C string
set -e
page=web/page/index.html
diagram() { sed -e 's/<svg /<svg aria-hidden="true" focusable="false" /' docs/hardware.svg | grep -v SPDX; }
case $1 in
  sources)
    shift
    # Escapes backslashes, quotation marks, tabs and line ends. The sources have no other controls.
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
