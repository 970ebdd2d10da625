/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_reentry: every verb, from inside every callback.  Each works, or says EMISUSE because it would wait
 * for the pool it is inside of; none hangs, and nothing is lost.
 */
#include "stage.h"

#include "actor.h"
#include "platform/clock.h"

#include <stdio.h>

enum { AS_EVER = -1 };

typedef struct reentry {
	const char *name;
	void (*inside)(stage *s);
	unsigned never;
	int instead; /* what may become of the subject instead of its outcome; or AS_EVER */
} reentry;

static bool
is_here(const stage *s, unsigned traits)
{
	return (s->at->traits & traits) == traits;
}

static qpool_err
acquire(stage *s, qpool_nsec timeout, qpool_lease *lease)
{
	int64_t before = qp_clock_now();
	qpool_error error;
	qpool_err err = qpool_acquire(s->pool, timeout, lease, &error);

	CELL_SAME(qp_clock_now(), before);
	CELL_MUST((err == QPOOL_OK) == (lease->resource != NULL));
	CELL_MUST(err == QPOOL_OK || (error.code == err && error.message[0] != '\0'));
	return err;
}

/* What an acquire inside says. */
static qpool_err
says(const stage *s, qpool_err otherwise)
{
	if (is_here(s, IDLE_ONE))
		return QPOOL_OK;
	if (is_here(s, CLOSING))
		return QPOOL_ECLOSED;
	return is_here(s, NO_KEPT | NO_LINE) ? QPOOL_EDENIED : otherwise;
}

/* ---- what is done inside ---- */

static void
acquires_at_once(stage *s)
{
	unsigned opens = fake_calls(s->peer, FAKE_OPEN);
	qpool_lease lease;

	CELL_SAME(acquire(s, QPOOL_NOWAIT, &lease), says(s, QPOOL_EAGAIN));
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	if (!is_here(s, ON_WORKER))
		CELL_SAME(fake_calls(s->peer, FAKE_OPEN), opens);
}

static void
acquires_and_would_wait(stage *s)
{
	uint64_t misuses = stage_stats(s).misuses;
	qpool_lease lease;
	qpool_err err = says(s, QPOOL_EMISUSE);

	CELL_SAME(acquire(s, QPOOL_SEC(5), &lease), err);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(acquire(s, QPOOL_FOREVER, &lease), err);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(stage_stats(s).misuses - misuses, err == QPOOL_EMISUSE ? 2 : 0);
}

static int
never(void *user)
{
	(void)user;
	return 0;
}

static void
acquires_with_a_hook(stage *s)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;

	request.timeout = QPOOL_SEC(5);
	request.interrupted = never;
	request.interrupt_every = QPOOL_MSEC(1);
	CELL_SAME(qpool_acquire_with(s->pool, &request, &lease, &error), says(s, QPOOL_EMISUSE));
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

/* What it gives back it may take again, unless somebody in line is given it, or a worker has it. */
static void
releases_and_acquires(stage *s)
{
	const qpool_nsec timeouts[] = {QPOOL_NOWAIT, QPOOL_SEC(5), QPOOL_FOREVER};
	bool sure = !is_here(s, WAITS) && s->at->options == NULL;
	qpool_lease lease = s->kept;

	s->kept = (qpool_lease)QPOOL_LEASE_INIT;
	for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
		qpool_err err;
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
		err = acquire(s, timeouts[i], &lease);
		if (is_here(s, CLOSING))
			CELL_SAME(err, QPOOL_ECLOSED);
		else if (sure)
			CELL_SAME(err, QPOOL_OK);
		else if (err != QPOOL_OK)
			CELL_SAME(err, timeouts[i] == 0 ? QPOOL_EAGAIN : QPOOL_EMISUSE);
	}
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
discards(stage *s)
{
	CELL_SAME(qpool_discard(&s->kept), QPOOL_OK);
}

static void
detaches(stage *s)
{
	CELL_MUST(fake_detach(s->peer, &s->kept));
}

static void
spoils_and_labels(stage *s)
{
	CELL_SAME(qpool_spoil(&s->kept), QPOOL_OK);
	qpool_label(&s->kept, "label");
	CELL_MUST(qpool_of(&s->kept) == s->pool);
}

static void
ends_a_lease_twice(stage *s)
{
	qpool_lease stale = s->kept, again;
	uint64_t misuses = stage_stats(s).misuses;

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	again = stale;
	CELL_SAME(qpool_release(&again), QPOOL_EMISUSE);
	CELL_SAME(qpool_discard(&again), QPOOL_EMISUSE);
	CELL_SAME(qpool_spoil(&again), QPOOL_EMISUSE);
	CELL_MUST(qpool_detach(&again) == NULL);
	CELL_SAME(stage_stats(s).misuses - misuses, 4);
	qpool_label(&again, "label");
	CELL_MUST(memcmp(&again, &stale, sizeof again) == 0);
	CELL_SAME(stage_stats(s).misuses - misuses, 4);
}

static void
maintains(stage *s)
{
	CELL_SAME(qpool_maintain(s->pool), 0);
}

static void
starts(stage *s)
{
	qpool_error error;

	CELL_SAME(qpool_start(s->pool, 2, &error), is_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_OK);
}

static void
stops(stage *s)
{
	unsigned workers = stage_stats(s).workers;

	CELL_SAME(qpool_stop(s->pool), QPOOL_EMISUSE);
	CELL_SAME(stage_stats(s).workers, workers);
}

static void
closes(stage *s)
{
	const qpool_nsec timeouts[] = {QPOOL_NOWAIT, QPOOL_SEC(5), QPOOL_FOREVER};

	for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
		CELL_SAME(qpool_close(s->pool, timeouts[i]), QPOOL_EMISUSE);
}

static void
frees(stage *s)
{
	s->freed = true;
	qpool_free(s->pool);
}

static void
looks(stage *s)
{
	CELL_MUST(stage_stats(s).exact);
	CELL_MUST(strcmp(qpool_name(s->pool), "fake") == 0);
	CELL_MUST(strcmp(qpool_kind(s->pool), "fake") == 0);
}

/* Another pool's verbs may wait as long as they like. */
static void
uses_another_pool(stage *s)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	qpool_error error;
	qpool_lease lease;
	qpool *other;

	(void)s;
	CELL_SAME(qpool_create(&other, NULL, &ops, peer, &error), QPOOL_OK);
	CELL_SAME(qpool_acquire(other, QPOOL_FOREVER, &lease, &error), QPOOL_OK);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(qpool_start(other, 1, &error), QPOOL_OK);
	CELL_SAME(qpool_acquire(other, QPOOL_SEC(1), &lease, &error), QPOOL_OK);
	CELL_SAME(qpool_discard(&lease), QPOOL_OK);
	CELL_SAME(qpool_acquire(other, QPOOL_SEC(1), &lease, &error), QPOOL_OK);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(qpool_stop(other), QPOOL_OK);
	CELL_SAME(qpool_close(other, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(other);
	fake_end(peer);
}

/* ---- running the pool ---- */

static void
configures(stage *s)
{
	qpool_options o = qpool_options_init();
	qpool_err err = is_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_OK;
	qpool_error error;

	o.max_size = stage_stats(s).max_size + 1;
	CELL_SAME(qpool_configure(s->pool, &o, &error), err);
	o.max_size--;
	CELL_SAME(qpool_configure(s->pool, &o, &error), err);
	o.order = QPOOL_OLDEST_FIRST;
	CELL_SAME(
	    qpool_configure(s->pool, &o, &error), err == QPOOL_OK ? QPOOL_EINVAL : QPOOL_ECLOSED);
}

static void
renews(stage *s)
{
	qpool_renew(s->pool);
	CELL_SAME(stage_stats(s).workers > 0 ? 0 : stage_stats(s).idle, 0);
}

static void
suspects(stage *s)
{
	qpool_suspect(s->pool);
}

static void
pauses(stage *s)
{
	qpool_lease lease;

	qpool_pause(s->pool);
	CELL_SAME(
	    acquire(s, QPOOL_NOWAIT, &lease), is_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_EAGAIN);
	CELL_SAME(
	    acquire(s, QPOOL_SEC(5), &lease), is_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_EMISUSE);
	qpool_resume(s->pool);
}

static void
adopts(stage *s)
{
	fake_resource *mine = fake_make(s->peer);
	qpool_stats before = stage_stats(s);
	qpool_err err = qpool_adopt(s->pool, mine, NULL);

	CELL_SAME(err, is_here(s, CLOSING) ? QPOOL_ECLOSED
		       : before.empty > 0  ? QPOOL_OK
					   : QPOOL_EAGAIN);
	if (err != QPOOL_OK)
		fake_unmake(mine);
}

static void
waits_until_ready(stage *s)
{
	uint64_t misuses = stage_stats(s).misuses;
	qpool_error error;

	CELL_SAME(qpool_wait_ready(s->pool, 1, QPOOL_FOREVER, &error), QPOOL_EMISUSE);
	CELL_SAME(qpool_wait_ready(s->pool, 1, QPOOL_NOWAIT, &error), QPOOL_EMISUSE);
	CELL_SAME(stage_stats(s).misuses - misuses, 2);
	CELL_SAME(qpool_wait_ready(s->pool, 0, QPOOL_FOREVER, &error),
	    is_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_OK);
}

static const reentry reentries[] = {
    {"acquires at once", acquires_at_once, 0, AS_EVER},
    {"acquires and would wait", acquires_and_would_wait, 0, AS_EVER},
    {"acquires with a hook", acquires_with_a_hook, 0, AS_EVER},
    {"releases and acquires", releases_and_acquires, NO_KEPT, AS_EVER},
    {"discards", discards, NO_KEPT, AS_EVER},
    {"detaches", detaches, NO_KEPT, AS_EVER},
    {"spoils and labels", spoils_and_labels, NO_KEPT, AS_EVER},
    {"ends a lease twice", ends_a_lease_twice, NO_KEPT, AS_EVER},
    {"maintains", maintains, 0, AS_EVER},
    {"starts", starts, 0, AS_EVER},
    {"stops", stops, 0, AS_EVER},
    {"closes", closes, 0, AS_EVER},
    {"frees", frees, 0, QPOOL_ECLOSED},
    {"looks", looks, 0, AS_EVER},
    {"configures", configures, 0, AS_EVER},
    {"renews", renews, 0, AS_EVER},
    {"suspects", suspects, 0, AS_EVER},
    {"pauses", pauses, 0, AS_EVER},
    {"adopts", adopts, 0, QPOOL_OK},
    {"waits until ready", waits_until_ready, 0, AS_EVER},
    {"uses another pool", uses_another_pool, 0, AS_EVER},
};

static void
run(const void *first, const void *second)
{
	const place *at = first;
	const reentry *does = second;
	hand *subject;
	stage s;

	/* One slot is empty: an acquire that opened inside would be seen. */
	stage_set(&s, at, at->traits & FULL ? 0 : 1);
	subject = stage_subject(&s);
	s.inside = does->inside;
	stage_begin(&s);
	stage_end(&s);
	if ((int)subject->err != does->instead)
		CELL_SAME(subject->err, at->outcome);
}

int
main(int argc, char **argv)
{
	cells matrix = {NULL, 0, 0};

	for (size_t i = 0; i < places_count; i++)
		for (size_t j = 0; j < sizeof reentries / sizeof reentries[0]; j++) {
			const place *at = &places[i];
			const reentry *does = &reentries[j];
			if ((at->traits & does->never) == 0)
				cells_add(
				    &matrix, run, at, does, "in %s one %s", at->name, does->name);
		}
	return cells_run(&matrix, "reentry", argc, argv);
}
