/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_deeds: what a child may do with the keyed pool it inherits.
 */
#include "cell.h"
#include "keyed_scene.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
do_nothing(keyed_scene *s)
{
	(void)s;
}

static void
use_same_key(keyed_scene *s)
{
	keyed_use(s, "a");
	keyed_use_all(s);
}

static void
use_other_key(keyed_scene *s)
{
	keyed_use(s, "b");
	keyed_use(s, "a");
	keyed_count(s);
}

static void
use_new_key(keyed_scene *s)
{
	keyed_use(s, "never seen");
	keyed_use_all(s);
	keyed_use_all(s);
	keyed_count(s);
}

static void
release_held(keyed_scene *s)
{
	keyed_end_all(s);
	keyed_use_all(s);
	keyed_count(s);
}

static void
discard_held(keyed_scene *s)
{
	keyed_use_all(s);
	keyed_end(&s->lease, qpool_discard);
	keyed_use_all(s);
	keyed_end_all(s);
	keyed_count(s);
}

/* The pool of one key, got from a lease of before, is the first that the child comes to. */
static void
come_by_member(keyed_scene *s)
{
	qpool *member = qpool_of(&s->lease);
	qpool_stats now = qpool_stats_init();
	qpool_error error;
	qpool_lease lease;

	if (member != NULL && !s->is_closed) {
		qpool_get_stats(member, &now);
		keyed_must(qpool_acquire(member, QPOOL_SEC(20), &lease, &error), &error);
		CELL_MUST(keyed_is_own(&lease));
		if (s->lease.resource != NULL)
			CELL_SAME(strcmp(((wire_resource *)lease.resource)->key,
				      ((wire_resource *)s->lease.resource)->key),
			    0);
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	}
	keyed_use_all(s);
	keyed_end_all(s);
	keyed_use_all(s);
}

/* A lease of this process would be waited for; those of before the fork are not. */
static void
close_it(keyed_scene *s)
{
	if (keyed_is_own(&s->lease))
		CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	keyed_use(s, "a");
	keyed_end_all(s);
	qpool_keyed_free(s->keyed);
}

static void
free_it(keyed_scene *s)
{
	qpool_keyed_free(s->keyed);
	if (s->lease.resource != NULL)
		CELL_SAME(
		    qpool_release(&s->lease), keyed_is_own(&s->lease) ? QPOOL_OK : QPOOL_EFORKED);
	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		if (s->more[i].resource != NULL)
			CELL_SAME(qpool_release(&s->more[i]), QPOOL_EFORKED);
}

static bool
show(void *user, const qpool_entry *entry)
{
	(void)entry;
	++*(unsigned *)user;
	return true;
}

static void
look(keyed_scene *s)
{
	qpool_stats now = qpool_stats_init();
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	unsigned shown = 0;
	size_t count;

	keyed_count(s);
	qpool_keyed_dump(s->keyed, null);
	(void)close(null);
	count = qpool_keyed_each(s->keyed, show, &shown);
	CELL_SAME(count, shown);
	qpool_keyed_get_stats(s->keyed, NULL, &now);
	CELL_SAME(now.waiting, 0);
	CELL_SAME(now.idle + now.leased + now.checking, shown);
	CELL_SAME(now.empty, KEYED_TOTAL - keyed_holds_own(s) - now.idle);
	keyed_use_all(s);
}

static void
maintain(keyed_scene *s)
{
	(void)qpool_keyed_maintain(s->keyed);
	qpool_keyed_renew(s->keyed, NULL);
	qpool_keyed_suspect(s->keyed, "a");
	keyed_use_all(s);
	keyed_count(s);
}

/* With resources of its own idle, one lent, and what its parent lent. */
static void
use_and_fork_again(keyed_scene *s)
{
	qpool_lease own = QPOOL_LEASE_INIT;
	int status = 0;

	keyed_use_all(s);
	if (!s->is_closed)
		own = keyed_take(s, "a");
	s->has_forked = false;
	keyed_forks(s);
	if (s->child == 0) {
		keyed_use_all(s);
		keyed_end_all(s);
		CELL_SAME(qpool_release(&own), s->is_closed ? QPOOL_OK : QPOOL_EFORKED);
		keyed_use_all(s);
		keyed_count(s);
		_exit(0);
	}
	CELL_SAME(waitpid(s->child, &status, 0), s->child);
	CELL_SAME(status, 0);
	CELL_SAME(qpool_release(&own), QPOOL_OK);
	keyed_use_all(s);
	keyed_end_all(s);
	keyed_use_all(s);
}

static void
fork_again(keyed_scene *s)
{
	int status = 0;

	s->has_forked = false;
	keyed_forks(s);
	if (s->child == 0) {
		keyed_use_all(s);
		keyed_end_all(s);
		_exit(0);
	}
	CELL_SAME(waitpid(s->child, &status, 0), s->child);
	CELL_SAME(status, 0);
	keyed_end_all(s);
	keyed_use_all(s);
}

const keyed_deed keyed_deeds[] = {
    {"nothing", do_nothing},
    {"the same key", use_same_key},
    {"another key", use_other_key},
    {"a new key", use_new_key},
    {"release what is held", release_held},
    {"discard what is held", discard_held},
    {"by the pool of one key", come_by_member},
    {"close", close_it},
    {"free", free_it},
    {"look", look},
    {"maintain", maintain},
    {"fork again", fork_again},
    {"use, and fork again", use_and_fork_again},
};
const size_t keyed_deeds_count = sizeof keyed_deeds / sizeof keyed_deeds[0];
