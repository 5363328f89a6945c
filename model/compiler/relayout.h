// SPDX-License-Identifier: Apache-2.0
//
// relayout - a memory image for another number of lanes
//
// The numbers in an image do not depend on the lanes, only their places do. So whoever has one
// image has them all, without the weights that it was made from.
#ifndef GPT2RTL_RELAYOUT_H
#define GPT2RTL_RELAYOUT_H

#include "image.h"

// *to becomes what image_build would have made for `lanes` of the weights that `from` was made of,
// byte for byte, in memory that relayout_free releases (a zeroed struct too). Errors: lanes; out of
// memory.
int relayout(struct image *to, const struct image *from, uint32_t lanes, struct err *err);
void relayout_free(struct image *image);

#endif
