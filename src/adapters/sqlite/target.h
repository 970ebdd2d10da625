/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: reads a path or a "file:" URI as SQLite would, to show it and to find the file behind
 * it.  Opens nothing and never decides what SQLite opens: that gets the target as it was given.
 */
#ifndef QP_SQLITE_TARGET_H
#define QP_SQLITE_TARGET_H

#include <queuepool/sqlite.h>

/* EINVAL for what can name no database here: nothing, or a URI with a host. */
qpool_err qp_sqlite_target_check(const char *target, qpool_error *error);
/* A copy for people: control characters replaced, values of URI parameters that may be keys
 * masked, the middle left out when it does not fit.  False: out of memory. */
bool qp_sqlite_target_show(const char *target, char *out, size_t room);
/* The path of the file it names, to be freed by sqlite3_free; NULL when it names none on this
 * system: memory, temporary, or another VFS.  *out_of_memory tells a NULL of the other kind. */
char *qp_sqlite_target_file(
    const char *target, const char *vfs, int open_flags, bool *out_of_memory);

#endif
