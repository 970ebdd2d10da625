/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mute: for the checks, the scenery and the bookkeeping of a scene, which no schedule may turn on.
 */
#ifndef EXPLORE_MUTE_H
#define EXPLORE_MUTE_H

#include <stdbool.h>

/* From here to the unmute that belongs to it, nothing is a scheduling point. */
void world_mute(void);
void world_unmute(void);
bool world_is_muted(void);

#endif
