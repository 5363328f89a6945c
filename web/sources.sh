#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# sources.sh OUT NAME... - puts the sources of Debian packages (PCRE2, cJSON), patched, into OUT/NAME
#
# The page's machine is compiled together with these libraries. They come from apt's own servers, in
# the newest version available. Exit status 1 if the servers cannot be reached or there is no apt.
out=$1
shift
mkdir -p "$out/lists/partial" "$out/cache" "$out/parts" && out=$(realpath "$out") || exit 1
# The system's package sources, for source packages. One-line files have "deb URI", newer ones
# "Types: deb".
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -e "$list" ] && sed -E 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$list" > "$out/parts/${list##*/}"
done
[ -e "$out/parts/sources.list" ] && mv "$out/parts/sources.list" "$out/parts/sources-list.list"
apt=(-qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$out/parts"
     -o Dir::State::Lists="$out/lists" -o Dir::Cache="$out/cache")
apt-get "${apt[@]}" update || exit 1
cd "$out" || exit 1
for name in "$@"; do
  [ -e "$name" ] && continue
  for version in $(apt-cache "${apt[@]}" madison "$name" | tr -d ' ' | cut -d'|' -f2 | sort -rVu); do
    apt-get "${apt[@]}" source --download-only "$name=$version" &&
      dpkg-source --no-check -x "${name}_${version#*:}.dsc" "$name.new" > /dev/null && mv "$name.new" "$name" && break
  done
  [ -e "$name" ] || { echo "the source of $name could not be fetched with apt-get" >&2; exit 1; }
done
