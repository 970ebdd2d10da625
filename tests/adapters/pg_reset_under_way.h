/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_under_way: the leftovers that are not over.  pg_reset_rows comes in.
 */
#ifndef PG_RESET_UNDER_WAY_H
#define PG_RESET_UNDER_WAY_H

#include "pg_reset_rows.h"

void pg_leave_copy_in(pg_stay *s);
void pg_leave_copy_in_unread(pg_stay *s);
void pg_leave_copy_in_transaction(pg_stay *s);
void pg_leave_copy_out(pg_stay *s);
void pg_leave_huge_copy_out(pg_stay *s);
void pg_leave_empty_pipeline(pg_stay *s);
void pg_leave_unsent_pipeline(pg_stay *s);
void pg_leave_unsynced_pipeline(pg_stay *s);
void pg_leave_unread_pipeline(pg_stay *s);
void pg_leave_transaction_in_pipeline(pg_stay *s);
void pg_leave_aborted_pipeline(pg_stay *s);
void pg_leave_unread(pg_stay *s);
void pg_leave_unread_error(pg_stay *s);
void pg_leave_unread_transaction(pg_stay *s);
void pg_leave_huge(pg_stay *s);
void pg_leave_huge_in_single_rows(pg_stay *s);
void pg_leave_slow(pg_stay *s);
void pg_leave_slow_in_transaction(pg_stay *s);
/* In pipeline mode: queue it, and send nothing yet. */
void pg_queue(const pg_stay *s, const char *sql);

#endif
