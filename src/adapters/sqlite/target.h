/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: reads a path or a "file:" URI as SQLite would, to show it and to find the file behind
 * it.  source calls in.  target opens nothing and never decides what SQLite opens: SQLite gets the
 * target as it was given.
 */
#ifndef QP_SQLITE_TARGET_H
#define QP_SQLITE_TARGET_H

#include <queuepool/sqlite.h>

/* EINVAL for a target that cannot name a database here: an empty one, or a URI with a host. */
qpool_err qp_sqlite_target_check(const char *target, qpool_error *error);
/* A copy for people: control characters are replaced, values of URI parameters that may be keys
 * are masked, and the middle is left out when the text does not fit.  false: out of memory. */
bool qp_sqlite_target_show(const char *target, char *out, size_t room);
/* The path of the file that the target names, to be freed by sqlite3_free; NULL when it names none
 * on this system: memory, temporary, or another VFS.  NULL with *out_of_memory set: no memory. */
char *qp_sqlite_target_file(
    const char *target, const char *vfs, int open_flags, bool *out_of_memory);

#endif
