#compdef gpt2rtl
# SPDX-License-Identifier: Apache-2.0
#
# Completes gpt2rtl's commands and options from its own --help. One file serves bash and zsh, whose compinit reads line 1.

# Prints the words that can be the POSITION-th, after BEFORE; fails if these are folders and files.
_gpt2rtl_words() {                                            # PROGRAM COMMAND BEFORE WORD POSITION
  if [ "$5" = 1 ]; then
    "$1" --help 2> /dev/null | sed -nE 's/^  ([a-z-]+)  .*/\1/p'
    echo '--help --version'
  elif [ "$3" = --engine ]; then
    echo 'rtl golden golden-readable float'
  elif [ "$3" = --lanes ]; then
    echo '64 128 256 512 1024 2048 4096'
  elif [ "$3" = --config ]; then
    echo 'nano gpt2 gpt2-medium gpt2-large gpt2-xl'
  elif [ "${4:0:1}" = - ]; then
    "$1" "$2" --help 2> /dev/null | grep -oE '^ +--[a-z-]+'
    echo --help
  else
    return 1
  fi
}

if [ -n "$ZSH_VERSION" ]; then
  _gpt2rtl() {
    local found
    if found=$(_gpt2rtl_words "${words[1]}" "${words[2]}" "${words[CURRENT-1]}" "$PREFIX" $((CURRENT - 1))); then
      compadd -- $(echo "$found")
    else
      _files
    fi
  }
  _gpt2rtl "$@"                                               # this file was read because
                                                              # completion is wanted now
else
  _gpt2rtl() {
    local word=${COMP_WORDS[COMP_CWORD]} words
    if words=$(_gpt2rtl_words "${COMP_WORDS[0]}" "${COMP_WORDS[1]}" "${COMP_WORDS[COMP_CWORD-1]}" "$word" "$COMP_CWORD"); then
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      compopt -o filenames 2> /dev/null
    fi
  }
  complete -F _gpt2rtl gpt2rtl
fi
