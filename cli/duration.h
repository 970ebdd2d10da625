/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * duration: times as people write and read them, and the clock.  It never rounds up what it parses
 * and never accepts a number whose unit it would have to guess.
 */
#ifndef CLI_DURATION_H
#define CLI_DURATION_H

#include <stdbool.h>
#include <stddef.h>

#include <queuepool.h>

/* "5ms", "1.5s", "0": true and *out, or false and *wrong, the rest of a sentence that opens with
 * the text ("... has no unit; write 5ms or 5s").  bare: what a number without a unit counts, in
 * nanoseconds; 0 when it must have one. */
bool duration_parse(const char *text, qpool_nsec bare, qpool_nsec *out, const char **wrong);
/* "1.94 ms"; three digits that count. */
const char *duration_show(qpool_nsec duration, char *out, size_t room);
/* The monotonic clock. */
qpool_nsec duration_now(void);

#endif
