/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress: what is going on, on stderr, for as long as it goes on.  On a terminal one line rewritten
 * in place; elsewhere plain lines: one at the start, one at the end, one every ten seconds between.
 * One thread at a time.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

/* Both texts must live until progress_end.  `doing`: "64 threads, 5 s". */
void progress_begin(const char *title, const char *doing);
/* share: 0 to 1 */
void progress_show(double share, const char *text);
/* Leaves "title  text" behind. */
void progress_end(const char *text);
/* Wipe the line in place, if there is one, so that something else can be printed. */
void progress_clear(void);

#endif
