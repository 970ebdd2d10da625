/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tide: virtual time that passes only while everybody rests, from one deadline to the next, so that what a
 * test says about time is exact however slow the machine is.  Tests that link the core with its hooks open
 * come in.
 */
#ifndef HARNESS_TIDE_H
#define HARNESS_TIDE_H

#include <stdbool.h>
#include <stdint.h>

/* How many threads there are now that rest only by being parked. */
typedef unsigned tide_movers(void *of);
typedef bool tide_reached(void *of);

/* Until all of them are parked. */
void tide_still(tide_movers *movers, void *of);
/* Let this much time pass, or less if `reached` (or NULL) holds before; true: it does. */
bool tide_elapse(tide_movers *movers, tide_reached *reached, void *of, int64_t span_ns);

#endif
