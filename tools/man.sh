#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# man.sh PROGRAM - writes the manual page gpt2rtl(1) from the --help of PROGRAM and of its commands
set -e
program=$1
text() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/'/\\\\(aq/g" -e 's/^\./\\\&./'; }
verbatim() { printf '.nf\n'; text; printf '.fi\n'; }
help=$("$program" --help)
printf '.\\" SPDX-License-Identifier: Apache-2.0\n.TH GPT2RTL 1 "" "%s" "User Commands"\n' "$("$program" --version)"
printf '.SH NAME\n'; head -n 1 <<< "$help" | text
printf '.SH SYNOPSIS\n.B gpt2rtl\n.I COMMAND\n.RI [ OPTION .\\|.\\|.]\n.SH COMMANDS\n'
sed -n '4,$p' <<< "$help" | verbatim
for command in $(sed -nE 's/^  ([a-z-]+) .*/\1/p' <<< "$help"); do
  printf '.SH %s\n' "$(tr a-z A-Z <<< "$command" | text)"
  "$program" "$command" --help | verbatim
done
printf '.SH ENVIRONMENT\n'
verbatim << 'END'
XDG_CACHE_HOME     memory images, and simulators made on first use, are kept in its folder gpt2rtl; ~/.cache otherwise; gpt2rtl
                   cache lists them
TMPDIR             where a simulator is made when it cannot be kept; /tmp otherwise
GPT2RTL_SIMULATOR  a simulator to take in place of the one for --lanes: hardware with other parameters
END
