// SPDX-License-Identifier: Apache-2.0
//
// relayout - converts a memory image to another number of lanes
//
// The numbers in an image do not depend on the lanes; only their places do. So one image gives the
// image for any number of lanes, without the weights.
#ifndef GPT2RTL_RELAYOUT_H
#define GPT2RTL_RELAYOUT_H

#include "image.h"

// Makes *to, byte for byte, the image that image_build would make for `lanes` from the weights of
// `from`. Release with relayout_free, which also accepts a zeroed struct. Errors: an invalid number
// of lanes; out of memory.
int relayout(struct image *to, const struct image *from, uint32_t lanes, struct err *err);
void relayout_free(struct image *image);

#endif
