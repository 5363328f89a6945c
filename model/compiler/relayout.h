// SPDX-License-Identifier: Apache-2.0
//
// relayout - a memory image for another number of lanes
//
// The numbers in an image do not depend on the lanes; only their places do. One image therefore
// gives all of them, without the weights from which it was made.
#ifndef GPT2RTL_RELAYOUT_H
#define GPT2RTL_RELAYOUT_H

#include "image.h"

// Makes *to the image that image_build would have made for `lanes` from the weights of `from`, byte
// for byte, in memory that relayout_free releases (also for a zeroed struct). Errors: lanes; out of
// memory.
int relayout(struct image *to, const struct image *from, uint32_t lanes, struct err *err);
void relayout_free(struct image *image);

#endif
