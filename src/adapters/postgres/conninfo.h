/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conninfo: the text a pool is made from, taken apart by libpq's rules: words of the form
 * name = 'value', or a postgresql:// URI and the words of its query.  source and redact come in.
 * conninfo gives no word a meaning, and its messages show no value.
 */
#ifndef QP_PG_CONNINFO_H
#define QP_PG_CONNINFO_H

#include <queuepool/postgres.h>

/* One word as it stands in the text: quotes and escapes included. */
typedef struct qp_pg_piece {
	const char *name, *value;
	size_t name_length, value_length;
} qp_pg_piece;

typedef enum {
	QP_PG_PIECE = 0,
	QP_PG_END,
	QP_PG_NO_EQUALS, /* none, or in a URI a second one */
	QP_PG_NO_QUOTE   /* the quote that ends the value is missing */
} qp_pg_found;

/* One word, decoded. */
typedef struct qp_pg_word {
	char *name, *value;
} qp_pg_word;

/* What is left for libpq, in the form it came in, and the words of both: ours are those whose names
 * begin with pool_. */
typedef struct qp_pg_conninfo {
	char *rest;
	qp_pg_word *words;
	size_t count;
} qp_pg_conninfo;

/* EINVAL says which word is malformed; ENOMEM.  *out only on success: end it by free. */
qpool_err qp_pg_conninfo_split(qp_pg_conninfo *out, const char *conninfo, qpool_error *error);
void qp_pg_conninfo_free(qp_pg_conninfo *conninfo);

/* The length of "postgresql://" or "postgres://" if the text begins with it, else 0. */
size_t qp_pg_conninfo_scheme(const char *text);
/* Where libpq sees the parts of a URI: the '@' that ends user and password (or NULL), the '/' before
 * the database and the '?' before the query (or the end of the text). */
void qp_pg_conninfo_parts(
    const char *uri, const char **userinfo_end, const char **path, const char **query);
/* The next word of either form; *at moves behind it. */
qp_pg_found qp_pg_conninfo_next(const char **at, bool is_uri, qp_pg_piece *out);
/* Decode %XX into `out` of length + 1 bytes; false: a % without two digits, or %00. */
bool qp_pg_conninfo_percent(const char *from, size_t length, char *out);
/* Has any libpq, this one or a later one, an option of this name?  Letters of either case. */
bool qp_pg_conninfo_knows(const char *name);
/* The option that is at most two letters away, which is then most likely meant; or NULL. */
const char *qp_pg_conninfo_nearest(const char *name);
bool qp_pg_conninfo_is_ours(const char *name);
/* Short, and of small letters and _ only, as all names of options are. */
bool qp_pg_conninfo_is_name(const char *text);
/* Short, and of letters, digits and _.,+- only: may stand in a message. */
bool qp_pg_conninfo_is_plain(const char *text);

#endif
