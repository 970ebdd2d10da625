/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settings: how transactions run, as text for the server: in the startup parameter `options` where
 * a session can keep it, in BEGIN where it cannot.  source comes in, with checked options.
 * settings sends nothing.
 */
#ifndef QP_PG_SETTINGS_H
#define QP_PG_SETTINGS_H

#include <queuepool/postgres.h>

/* Room for the longest BEGIN. */
#define QP_PG_BEGIN_ROOM 320u

/* The startup parameter: the user's own text (or NULL), then ours; *out is NULL if there is
 * nothing to say.  false: no memory. */
bool qp_pg_settings_startup(const qpool_pg_options *options, const char *given, char **out);
/* BEGIN with these settings; 0: the pool's.  Behind a pooler all of them are in the text, else only
 * those that are asked for here. */
void qp_pg_settings_begin(const qpool_pg_options *options, uint32_t isolation_level, uint32_t flags,
    char *out, size_t room);

#endif
