/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * option: the fields of qpool_pg_options and their pool_ words: reads them, and refuses what is
 * out of range or does not go together.  source comes in.  option keeps nothing.
 */
#ifndef QP_PG_OPTION_H
#define QP_PG_OPTION_H

#include "conninfo.h"

/* NULL: all defaults.  What a later version of the struct knows is ENOTSUP. */
qpool_err qp_pg_option_read(qpool_pg_options *to, const qpool_pg_options *from, qpool_error *error);
/* One word whose name begins with pool_: a field of ours, or of the pool's. */
qpool_err qp_pg_option_word(
    qpool_pg_options *options, qpool_options *pool, const qp_pg_word *word, qpool_error *error);
qpool_err qp_pg_option_check(const qpool_pg_options *options, qpool_error *error);
/* Whole milliseconds, rounded up; 0: none; -1: not given. */
int64_t qp_pg_option_msec(qpool_nsec span);

#endif
