# SPDX-License-Identifier: Apache-2.0
#
# Completion of gpt2rtl's commands and options in bash, out of its own --help.
_gpt2rtl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    words="$("${COMP_WORDS[0]}" --help 2> /dev/null | sed -nE 's/^  ([a-z-]+)  .*/\1/p') --help --version"
  elif [ "$before" = --engine ]; then
    words='rtl golden golden-readable float'
  elif [ "$before" = --lanes ]; then
    words='64 128 256 512 1024 2048 4096'
  elif [ "$before" = --config ]; then
    words='nano gpt2 gpt2-medium gpt2-large gpt2-xl'
  elif [ "${word:0:1}" = - ]; then
    words="$("${COMP_WORDS[0]}" "$command" --help 2> /dev/null | grep -oE '^ +--[a-z-]+') --help"
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")          # folders and files
    compopt -o filenames 2> /dev/null
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _gpt2rtl gpt2rtl
