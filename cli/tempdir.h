/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tempdir: one temporary folder for one database, and its certain removal: at the end, after a failure, and
 * on a signal that will not wait.
 */
#ifndef CLI_TEMPDIR_H
#define CLI_TEMPDIR_H

/* Make it, under $TMPDIR or /tmp.  EXIT_OK, or the line is said. */
int tempdir_make(void);
/* Where the database goes.  Valid until tempdir_remove. */
const char *tempdir_database(void);
/* Remove the database and what SQLite puts beside it; the folder stays. */
void tempdir_empty(void);
/* Remove all of it; nothing happens when there is none.  From any thread. */
void tempdir_remove(void);

#endif
