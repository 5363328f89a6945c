// SPDX-License-Identifier: Apache-2.0
//
// make_tables - the piecewise-linear tables of exp2, reciprocal, rsqrt and GELU, for C and for
// SystemVerilog
//
//   make_tables c > build/gen/tables.h
//   make_tables sv > rtl/base/gpt2_tables_pkg.sv         (`make tables`)
//
// A segment [a, b) of f becomes base + slope * rest / 2^n: the chord moved by half of its largest
// error, which halves the error of a convex f. Falling functions store the slope positive and
// subtract it.
#include <math.h>
#include <stdio.h>
#include <string.h>

static double f_exp2(double x) { return exp2(-x); }
static double f_reciprocal(double x) { return 1 / x; }
static double f_rsqrt(double x) { return 1 / sqrt(x); }
// g(a) = a - gelu(a), gelu in the tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
static double f_gelu(double a) {
  return a - 0.5 * a * (1 + tanh(sqrt(2 / acos(-1)) * (a + 0.044715 * a * a * a)));
}

static const struct table {
  const char *name;
  double (*f)(double);
  double from, step;
  int n, frac, sign;          // segments; fraction bits of base and slope; sign of the stored slope
  int base_bits, slope_bits;  // gelu's slope is signed, two's complement; all others are unsigned
} tables[] = {
    {"exp2", f_exp2, 0, 1.0 / 64, 64, 22, -1, 23, 16},
    {"reciprocal", f_reciprocal, 1, 1.0 / 128, 128, 16, -1, 17, 10},
    {"rsqrt", f_rsqrt, 1, 1.0 / 32, 96, 17, -1, 18, 12},
    {"gelu", f_gelu, 0, 1.0 / 64, 512, 20, 1, 19, 16},
};

static double offset(const struct table *t, double a) {
  double fa = t->f(a), fb = t->f(a + t->step), low = 0, high = 0;
  for (int i = 1; i < 256; i++) {
    double x = i / 256.0, error = t->f(a + t->step * x) - (fa + (fb - fa) * x);
    low = error < low ? error : low;
    high = error > high ? error : high;
  }
  return (low + high) / 2;
}

static long base(const struct table *t, int i) {
  double a = t->from + i * t->step;
  return lround((t->f(a) + offset(t, a)) * ldexp(1, t->frac));
}

static long slope(const struct table *t, int i) {
  double a = t->from + i * t->step;
  return lround(t->sign * (t->f(a + t->step) - t->f(a)) * ldexp(1, t->frac));
}

static void print_array(const struct table *t, int sv, const char *kind,
                        long (*value)(const struct table *, int), int bits) {
  if (sv) {
    printf("  localparam logic [%d:0] %c%s%s [%d] = '{", bits - 1, t->name[0] - 'a' + 'A',
           t->name + 1, kind, t->n);
  } else {
    printf("static const int32_t %s_%s[%d] = {", t->name, kind, t->n);
  }
  for (int i = 0; i < t->n; i++) {
    long v = value(t, i);
    printf(i ? "," : "");
    printf(i % (sv ? 6 : 8) ? " " : "\n    ");  // 100 columns
    if (sv) printf("%d'd%ld", bits, v < 0 ? v + (1L << bits) : v);
    else printf("%ld", v);
  }
  printf("};\n");
}

int main(int argc, char **argv) {
  int sv = argc == 2 && !strcmp(argv[1], "sv");
  if (!sv && (argc != 2 || strcmp(argv[1], "c"))) {
    fprintf(stderr, "usage: make_tables c|sv\n");
    return 2;
  }
  printf("// SPDX-License-Identifier: Apache-2.0\n// Written by tools/make_tables.c: change it "
         "there, then `make tables`.\n");
  printf(sv ? "package gpt2_tables_pkg;\n"
            : "#ifndef GPT2RTL_TABLES_H\n#define GPT2RTL_TABLES_H\n#include <stdint.h>\n");
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    print_array(&tables[i], sv, sv ? "Base" : "base", base, tables[i].base_bits);
    print_array(&tables[i], sv, sv ? "Slope" : "slope", slope, tables[i].slope_bits);
  }
  printf(sv ? "endpackage\n" : "#endif\n");
  return 0;
}
