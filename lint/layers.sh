#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh - the C side's floors: a file includes headers of its own folder and of folders on lower floors, and nothing else.
# So there are no circles, and no call runs upwards, since each call needs its prototype.
status=0
declare -A floor=(
  [base]=0
  [model/image]=1 [model/tokenizer]=1
  [golden]=2 [model/checkpoint]=2
  [fast]=3 [sim]=3 [model/reference]=3
  [model/compiler]=4
  [model/fidelity]=5
  [cli]=6
  [bench]=7
)
folders=$(git ls-files '*.c' '*.h' 2> /dev/null | grep -vE '^(test|fuzz|tools|examples)/' | xargs -n 1 dirname | sort -u)
[ -n "$folders" ] || folders=$(find base model golden fast sim cli bench -name '*.c' -printf '%h\n' | sort -u)
echo "[==========] Running $(wc -w <<< "$folders") test(s)."
for folder in $folders; do
  echo "[ RUN      ] layers.${folder//\//.}"
  wrong=
  if [ -z "${floor[$folder]}" ]; then
    wrong="$folder has no floor in lint/layers.sh"
  else
    while IFS=: read -r file header; do
      for other in "${!floor[@]}"; do
        [ "$other" != "$folder" ] && [ -e "$other/$header" ] && [ "${floor[$other]}" -ge "${floor[$folder]}" ] &&
          wrong+="$file includes $header of $other, which is not below $folder"$'\n'
      done
    done < <(grep -oE '^#include "[^"]+"' "$folder"/*.[ch] | sed -E 's/#include "([^"]+)"/\1/')
  fi
  if [ -z "$wrong" ]; then
    echo "[       OK ] layers.${folder//\//.}"
  else
    printf '%s\n' "$wrong"
    echo "[  FAILED  ] layers.${folder//\//.}"
    status=1
  fi
done
exit $status
