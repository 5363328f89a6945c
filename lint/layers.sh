#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh - checks that nothing depends on a higher layer. In C, a file includes headers of its
# own folder and of folders on lower layers, and nothing else. So there are no cycles, and no call
# goes upwards, since each call needs its prototype. In rtl/, whose folders are in alphabetical
# order, a module instantiates modules of its own folder and of the folders before it.
status=0
declare -A layer=(
  [base]=0 [driver]=0
  [model/image]=1 [model/tokenizer]=1 [link]=1
  [golden]=2 [model/checkpoint]=2
  [fast]=3 [sim]=3 [model/reference]=3
  [model/compiler]=4
  [model/fidelity]=5 [lib]=5
  [cli]=6 [boards]=6
  [bench]=7
  [web]=7
)
folders=$(git ls-files '*.c' '*.h' 2> /dev/null | grep -vE '^(test|fuzz|tools|examples)/' | xargs -n 1 dirname | sort -u)
[ -n "$folders" ] || folders=$(find base link model golden fast sim lib cli bench boards -name '*.c' -printf '%h\n' | sort -u)
echo "[==========] Running $(wc -w <<< "$folders rtl") test(s)."
result() {                                                    # NAME WHAT_IS_WRONG
  if [ -z "$2" ]; then
    echo "[       OK ] layers.$1"
  else
    printf '%s\n[  FAILED  ] layers.%s\n' "$2" "$1"
    status=1
  fi
}
for folder in $folders; do
  echo "[ RUN      ] layers.${folder//\//.}"
  wrong=
  if [ -z "${layer[$folder]}" ]; then
    wrong="$folder has no layer in lint/layers.sh"
  else
    while IFS=: read -r file header; do
      for other in "${!layer[@]}"; do
        [ "$other" != "$folder" ] && [ -e "$other/$header" ] && [ "${layer[$other]}" -ge "${layer[$folder]}" ] &&
          wrong+="$file includes $header of $other, which is not below $folder"$'\n'
      done
    done < <(grep -HoE '^#include "[^"]+"' "$folder"/*.[ch] | sed -E 's/#include "([^"]+)"/\1/')
  fi
  result "${folder//\//.}" "$wrong"
done

echo "[ RUN      ] layers.rtl"
wrong=
for file in rtl/*/*.sv; do
  while read -r module; do
    other=$(dirname rtl/*/"$module.sv")
    [ -e "$other/$module.sv" ] && [[ $other > $(dirname "$file") ]] && wrong+="$file instantiates $module of $other, a later folder"$'\n'
  done < <(sed -nE 's/^ *([a-z][a-z0-9_]*)( +#\(.*| +u_[a-z0-9_]+ *\(.*)$/\1/p' "$file" | sort -u)
done
result rtl "$wrong"
exit $status
