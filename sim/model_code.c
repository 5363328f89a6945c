// SPDX-License-Identifier: Apache-2.0
#include "model_code.h"

#include <dlfcn.h>
#include <stddef.h>

int model_code_open(void **handle, const struct verilated_block **code, const char *path,
                    struct err *err) {
  *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!*handle) return err_set(err, "%s", dlerror());
  *code = dlsym(*handle, "verilated_block");
  if (*code) return 0;
  dlclose(*handle);
  *handle = NULL;
  return err_set(err, "%s: not a Verilated model", path);
}
