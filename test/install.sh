#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh - tests make install into a separate folder: the installed program, its simulator,
# manual page, completion and library work, and make uninstall leaves nothing
dir=$(mktemp -d) status=0
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache
program=$dir/usr/bin/gpt2rtl
passed() { echo "[       OK ] install.$1"; }
failed() { echo "[  FAILED  ] install.$1"; status=1; }
echo "[==========] Running 12 test(s)."

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

# Behind AXI: the program makes that simulator from the installed sources, in a folder of its own.
if generate --engine rtl --bus axi:1x512 --lanes 64 > "$dir/rtl" 2> "$dir/log" && [ -s "$dir/rtl" ] && cmp "$dir/rtl" "$dir/golden" &&
   ls "$dir"/cache/gpt2rtl/*/sim/gpt2_axi_*.so > /dev/null; then
  passed bus_axi
else
  tail -n 5 "$dir/log"
  failed bus_axi
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

# No symbol but the API, which is what the header declares: of both libraries.
lib=$dir/usr/lib
api=$(grep -oE '\bgpt2rtl_[a-z_]+\(' "$dir/usr/include/gpt2rtl.h" | tr -d '(' | sort -u | while read -r name; do
  grep -qE "^GPT2RTL_API .*\b$name\(" "$dir/usr/include/gpt2rtl.h" && echo "$name"; done)
for form in so a; do
  flags=$([ $form = so ] && echo -D || echo -g)
  seen=$(nm $flags --defined-only "$lib/libgpt2rtl.$form" | awk 'NF == 3 {print $3}' | sort -u)
  if [ -n "$api" ] && [ "$seen" = "$api" ]; then
    passed symbols_$form
  else
    diff <(echo "$api") <(echo "$seen") | head -n 8
    failed symbols_$form
  fi
done

# The example against the installed library, found by pkg-config alone, in a folder where nothing else is. The
# hardware's sources are found beside the shared library; the static one is told.
export PKG_CONFIG_SYSROOT_DIR=$dir PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
embed() { (cd / && timeout 300 "$dir/embed" "$model" 'Once upon a time' "$1"); }
model=$PWD/models/demo
for form in shared static; do
  if ! command -v pkg-config > /dev/null; then
    echo "[  SKIPPED ] install.library_$form: pkg-config is not here"
    continue
  fi
  case $form in
    shared) linked="$(pkg-config --cflags --libs gpt2rtl) -Wl,-rpath,$lib" ;;
    static) linked="$(pkg-config --cflags gpt2rtl) $lib/libgpt2rtl.a $(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs gpt2rtl | sed 's/-lgpt2rtl//')" ;;
  esac
  [ $form = static ] && export GPT2RTL_ROOT=$dir/usr/share/gpt2rtl
  if ${CC:-cc} -std=c11 -Wall -Wextra -Werror examples/embed/embed.c $linked -o "$dir/embed" && embed golden > "$dir/golden" &&
     embed rtl > "$dir/rtl" && grep -q 'cycles of the hardware' "$dir/rtl" && [ "$(wc -c < "$dir/golden")" -gt 100 ] &&
     diff <(sed 's/ tokens.*/ tokens/' "$dir/rtl") "$dir/golden" > /dev/null &&
     { [ $form = static ] || ldd "$dir/embed" | grep -q "$lib/libgpt2rtl.so.0.1 "; }; then
    passed library_$form
  else
    tail -n 3 "$dir/rtl"
    failed library_$form
  fi
done

if make -s --no-print-directory uninstall DESTDIR="$dir" PREFIX=/usr > /dev/null && left=$(find "$dir/usr" ! -type d) && [ -z "$left" ]; then
  passed uninstall
else
  echo "$left" | head -n 5
  failed uninstall
fi
exit $status
