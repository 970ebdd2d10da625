/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlstate: the code in what libpq says of a failed connect, which it shows in no other way.  Pure
 * text work, for whatever language the server speaks.
 */
#ifndef QP_PG_SQLSTATE_H
#define QP_PG_SQLSTATE_H

#include <queuepool/postgres.h>

/* In place: take the code and the LOCATION lines out of a message in verbose form; `code` is that of
 * the last error in it, or "". */
void qp_pg_sqlstate_take(char *message, char code[6]);
bool qp_pg_sqlstate_is(const char *code, const char *class_or_code);
/* How a failed connect with this code counts: EDENIED, EFULL or EOPEN. */
qpool_err qp_pg_sqlstate_of_connect(const char *code);

#endif
