#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh - make install into a separate folder; the installed program, its simulator, its manual
# page and its completion work
dir=$(mktemp -d) status=0
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache
program=$dir/usr/bin/gpt2rtl
passed() { echo "[       OK ] install.$1"; }
failed() { echo "[  FAILED  ] install.$1"; status=1; }
echo "[==========] Running 6 test(s)."

if make -s --no-print-directory install DESTDIR="$dir" PREFIX=/usr; then passed files; else failed files; exit 1; fi

# In another folder, where nothing of the project can be found except what was installed.
generate() { (cd / && "$program" generate --model "$dir/nano" --ids 3,77,1 --tokens 20 --temperature 1 --seed 5 "$@"); }
if "$program" random-model --config nano --seed 1 --output "$dir/nano" && generate --engine golden > "$dir/golden" 2> "$dir/log" &&
   generate --engine rtl > "$dir/rtl" 2> "$dir/log" && [ -s "$dir/rtl" ] && cmp "$dir/rtl" "$dir/golden" &&
   ! ls "$dir"/cache/gpt2rtl/*/sim 2> /dev/null; then
  passed generate
else
  tail -n 5 "$dir/log"
  failed generate
fi

# The program, and one simulator of each size, need nothing beyond the architecture's baseline; the text is the same.
if any=$dir/usr/share/gpt2rtl/build/sim/any && [ "$(ls "$any" | wc -l)" = 3 ] && ! grep -LaP 'gpt2rtl-cpu:\x00' "$any"/* | grep . &&
   GPT2RTL_SIMULATOR=$any/gpt2_top_256.so generate --engine rtl > "$dir/rtl" 2> "$dir/log" && cmp "$dir/rtl" "$dir/golden" &&
   ! { [ "$(uname -m)" = x86_64 ] && objdump -d "$any"/*.so | grep -m1 '%[yz]mm'; }; then
  passed any_processor
else
  tail -n 5 "$dir/log"
  failed any_processor
fi

page=$dir/usr/share/man/man1/gpt2rtl.1
if ! command -v man > /dev/null; then
  echo "[  SKIPPED ] install.man: man is not here to look for mistakes in the page"
elif said=$(LC_ALL=C.UTF-8 MANWIDTH=160 man --warnings -l "$page" 2>&1 > "$dir/page") && [ -z "$said" ] &&
     grep -q 'gpt2rtl compile --model' "$dir/page"; then
  passed man
else
  echo "$said" | head -n 5
  failed man
fi

words='generate / --hex --help / float / files'              # what completes these; the last
                                                             # completes to files
completions() { echo "$($1 gen) / $($1 compile --he) / $($1 generate --engine f) / $($1 generate --model no/such)"; }
said_bash() {                                                 # WORD...: what completes the last of them
  bash -c 'source "$0"; compopt() { echo files; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gpt2rtl; echo ${COMPREPLY[*]}' \
    "$dir/usr/share/bash-completion/completions/gpt2rtl" "$program" "$@"
}
said_zsh() {                                                  # functions that print replace those
                                                              # that only work in a line editor
  zsh -fc 'fpath=($0 $fpath) && autoload -Uz compinit && compinit -D && words=("$@") CURRENT=$# PREFIX=${@[-1]}
    compadd() { shift; print -r -- ${(M)@:#$PREFIX*}; }; _files() { print files; }; $_comps[gpt2rtl]' \
    "$dir/usr/share/zsh/site-functions" "$program" "$@"
}
for shell in bash zsh; do
  if ! command -v $shell > /dev/null; then
    echo "[  SKIPPED ] install.completion_$shell: $shell is not here"
  elif said=$(completions said_$shell) && [ "$said" = "$words" ]; then
    passed completion_$shell
  else
    echo "$said, expected $words"
    failed completion_$shell
  fi
done
exit $status
