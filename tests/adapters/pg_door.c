/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_door: see the header.
 */
#include "pg_door.h"

#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 30 * RACE_SLOWER, PAUSE_MS = 5 };

/* ---- what is said -------------------------------------------------------------------- */

static void
must_be_discreet(const char *what, const char *text)
{
	if (text != NULL && strstr(text, DOOR_SECRET) != NULL)
		fail_msg("%s tells the password: %s", what, text);
}

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	(void)user;
	(void)pool;
	if (event->error != NULL) {
		must_be_discreet("an event", event->error->message);
		must_be_discreet("an event", event->error->native);
	}
}

static bool
on_entry(void *user, const qpool_entry *entry)
{
	door *d = user;

	must_be_discreet("a description", entry->describe);
	must_be_discreet("a label", entry->label);
	(void)snprintf(d->where, sizeof d->where, "%s", entry->describe);
	return true;
}

static void
look_around(door *d, qpool *pool)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	char dump[8192];
	ssize_t length;

	(void)qpool_each(pool, on_entry, d);
	assert_true(fd >= 0);
	qpool_dump(pool, fd);
	length = pread(fd, dump, sizeof dump - 1, 0);
	assert_in_range(length, 1, sizeof dump - 1);
	dump[length] = '\0';
	must_be_discreet("a dump", dump);
	must_be_discreet("a name", qpool_name(pool));
	(void)close(fd);
}

/* ---- a knock ------------------------------------------------------------------------- */

door
door_init(void)
{
	door d = {.options = qpool_options_init(), .pg = qpool_pg_options_init()};

	d.options.max_size = 1;
	d.options.open_failure = QPOOL_OPEN_TELL;
	d.options.event_mask = UINT64_MAX;
	d.options.on_event = on_event;
	return d;
}

static void
ask(door *d, qpool_lease *lease)
{
	qpool_pg_rows rows;
	PGresult *result;

	if (qpool_pg_one(lease, d->ask, NULL, &result, &rows, &d->error) != QPOOL_OK)
		fail_msg("%s: %s", d->ask, d->error.message);
	(void)snprintf(d->value, sizeof d->value, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

bool
door_knock(door *d, const char *conninfo)
{
	qpool *pool = load_pool(conninfo, &d->pg, &d->options, 0);
	qpool_lease lease = QPOOL_LEASE_INIT;
	int64_t begun_ns = chance_now();

	memset(&d->error, 0, sizeof d->error);
	d->where[0] = d->value[0] = '\0';
	d->err = qpool_acquire(pool, QPOOL_SEC(60), &lease, &d->error);
	d->took_ns = chance_now() - begun_ns;
	must_be_discreet("an error", d->error.message);
	look_around(d, pool);
	if (d->err == QPOOL_OK && d->ask != NULL)
		ask(d, &lease);
	if (d->err == QPOOL_OK)
		load_put(&lease);
	load_pool_end(pool);
	return d->err == QPOOL_OK;
}

void
door_must_say(const door *d, const char *words)
{
	if (strstr(d->error.message, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, d->error.message);
}

void
door_refuses(
    door *d, const char *conninfo, qpool_err expected, const char *native, const char *words)
{
	(void)door_knock(d, conninfo);
	if (d->err != expected || strcmp(d->error.native, native) != 0)
		fail_msg("not %s \"%s\" but %s \"%s\": %s", qpool_err_name(expected), native,
		    qpool_err_name(d->err), d->error.native, d->error.message);
	assert_int_equal(d->error.code, expected);
	door_must_say(d, words);
}

void
door_opens(door *d, const char *conninfo)
{
	if (!door_knock(d, conninfo))
		fail_msg("refused with \"%s\": %s", d->error.native, d->error.message);
}

void
door_until(door *d, const char *conninfo, const char *native)
{
	int64_t begun_ns = chance_now();

	while (door_knock(d, conninfo) || strcmp(d->error.native, native) != 0) {
		if (chance_now() - begun_ns > QPOOL_SEC(PATIENCE_SECONDS))
			fail_msg("never \"%s\"; at last \"%s\": %s", native, d->error.native,
			    d->error.message);
		(void)poll(NULL, 0, PAUSE_MS);
	}
}
