/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_wire: see the header.
 */
#include "pg_wire.h"

#include <string.h>

/* The codes that stand where a start-up message has its version. */
#define CANCEL      80877102U
#define SSL         80877103U
#define GSS_ENCRYPT 80877104U

static uint32_t
number(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The first messages have no type: a length and a code. */
static char
untyped(pg_wire *w)
{
	uint32_t code = number(w->head + 4), length = number(w->head);

	w->left = length > 8 ? length - 8 : 0;
	if (code == SSL || code == GSS_ENCRYPT) {
		w->asked_to_encrypt = true;
		return '?';
	}
	w->started = true;
	return code == CANCEL ? '-' : '!';
}

static char
typed(pg_wire *w)
{
	uint32_t length = number(w->head + 1);

	w->left = length > 4 ? length - 4 : 0;
	return (char)w->head[0];
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

void
pg_wire_from_client(pg_wire *w, const char *bytes, size_t count, pg_wire_heard *heard, void *of)
{
	while (count > 0 && !w->opaque) {
		unsigned wanted = w->started ? 5 : 8;
		size_t step = smaller(count, w->left > 0 ? w->left : wanted - w->have);

		if (w->left > 0) {
			w->left -= (uint32_t)step;
		} else {
			memcpy(w->head + w->have, bytes, step);
			w->have += (unsigned)step;
		}
		bytes += step;
		count -= step;
		if (w->have == wanted) {
			w->have = 0;
			heard(of, w->started ? typed(w) : untyped(w));
		}
	}
}

void
pg_wire_from_server(pg_wire *w, const char *bytes, size_t count)
{
	if (count == 0 || !w->asked_to_encrypt)
		return;
	w->asked_to_encrypt = false;
	w->opaque = bytes[0] == 'S' || bytes[0] == 'G';
}
