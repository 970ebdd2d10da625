/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_keyed: many threads that do anything to one keyed pool, with keys that come and go.  The fake counts
 * what is open at its own end, of all and of each key, and ends the process at one too many.  In the quiet
 * phase all faults stop: then every thread must get a lease of every key, and the capacity be whole.
 */
#include "actor.h"
#include "cell.h"
#include "chance.h"
#include "fake.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEOPLE 8u
#define KEYS   6u
#define HELD   2u

typedef struct weather {
	const char *name;
	uint32_t total, per_key, fail,
	    strangers; /* fail: one callback in so many; strangers: one key in so many is new */
	bool plain,
	    detaches; /* what is detached is still open at the peer, and not ours to count */
} weather;

static const weather weathers[] = {
    {"a place for each", 24, 0, 0, 0, true, true},
    {"one place", 1, 0, 0, 8, false, false},
    {"few places", 3, 0, 0, 8, false, false},
    {"few places, one a key", 3, 1, 0, 4, true, false},
    {"strangers only", 4, 2, 0, 1, true, false},
    {"failing", 3, 2, 4, 4, false, false},
};

typedef struct town town;

typedef struct person {
	town *in;
	pthread_t thread;
	chance luck;
	qpool_lease held[HELD];
	unsigned holds;
	uint64_t acquires;
} person;

struct town {
	const weather *in;
	fake *peer;
	qpool_keyed *keyed;
	int nowhere;
	int64_t until;
	pthread_barrier_t rest; /* once all have given back, and once faults have stopped */
	person people[PEOPLE];
};

static void
draw_key(person *p, char key[32])
{
	unsigned strangers = p->in->in->strangers;

	if (strangers != 0 && chance_one_in(&p->luck, strangers))
		(void)snprintf(key, 32, "stranger %u", chance_upto(&p->luck, 1000));
	else
		(void)snprintf(key, 32, "key %u", chance_upto(&p->luck, KEYS));
}

static int
gives_up(void *user)
{
	return chance_one_in(user, 3);
}

/* Who holds one must not wait for ever: others do the same. */
static void
borrow(person *p)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;
	char key[32];
	qpool_err err;

	draw_key(p, key);
	request.site = QPOOL_SITE;
	request.timeout = chance_one_in(&p->luck, 4) ? QPOOL_NOWAIT
	                  : p->holds > 0             ? QPOOL_MSEC(1 + chance_upto(&p->luck, 5))
	                  : chance_one_in(&p->luck, 2) && p->in->in->fail == 0 ? QPOOL_FOREVER
	                                                                       : QPOOL_MSEC(5);
	if (request.timeout != QPOOL_FOREVER && chance_one_in(&p->luck, 3)) {
		request.interrupted = gives_up;
		request.interrupt_user = &p->luck;
		request.interrupt_every = 200000;
	}
	err = qpool_keyed_acquire_with(p->in->keyed, key, &request, &lease, &error);
	if (err != QPOOL_OK) {
		CELL_MUST(err == QPOOL_EAGAIN || err == QPOOL_ETIMEOUT || err == QPOOL_ECANCEL ||
			  p->in->in->fail != 0);
		return;
	}
	CELL_SAME(strcmp(fake_of(&lease)->key, key), 0);
	fake_use(&lease);
	p->held[p->holds++] = lease;
	p->acquires++;
}

static void
give_back(person *p)
{
	qpool_lease *lease = &p->held[--p->holds], copy = *lease;

	fake_unuse(lease);
	if (!chance_one_in(&p->luck, 8))
		CELL_SAME(qpool_release(lease), QPOOL_OK);
	else if (p->in->in->detaches)
		CELL_MUST(fake_detach(p->in->peer, lease));
	else
		CELL_SAME(qpool_discard(lease), QPOOL_OK);
	if (chance_one_in(&p->luck, 16))
		CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
}

static bool
see(void *user, const qpool_entry *entry)
{
	CELL_MUST(entry->key != NULL && entry->key[0] != '\0');
	return !chance_one_in(user, 10);
}

static void
look(const town *t, const qpool_stats *s)
{
	CELL_SAME(
	    s->empty + s->opening + s->idle + s->checking + s->leased + s->resetting + s->closing,
	    t->in->total);
	CELL_SAME(s->over, 0);
}

static void
meddle(person *p)
{
	town *t = p->in;
	qpool_stats s;
	char key[32];

	draw_key(p, key);
	switch (chance_upto(&p->luck, 7)) {
	case 0:
		qpool_keyed_renew(t->keyed, chance_one_in(&p->luck, 2) ? NULL : key);
		break;
	case 1:
		qpool_keyed_suspect(t->keyed, chance_one_in(&p->luck, 2) ? NULL : key);
		break;
	case 2:
		(void)qpool_keyed_maintain(t->keyed);
		break;
	case 3:
		(void)qpool_keyed_each(t->keyed, see, &p->luck);
		break;
	case 4:
		qpool_keyed_dump(t->keyed, t->nowhere);
		break;
	case 5:
		s = stats_of_key(t->keyed, key);
		CELL_MUST(s.keys <= 1);
		break;
	default:
		s = stats_of_key(t->keyed, NULL);
		look(t, &s);
		break;
	}
}

/* Nothing fails any more: everything is to be had. */
static void
have_one_of_each(person *p)
{
	for (unsigned k = 0; k < KEYS; k++) {
		qpool_lease lease;
		qpool_error error;
		char key[32];
		(void)snprintf(key, sizeof key, "key %u", k);
		if (qpool_keyed_acquire(p->in->keyed, key, QPOOL_SEC(30), &lease, &error) !=
		    QPOOL_OK)
			cell_broken(__FILE__, __LINE__, "quiet, and yet: %s", error.message);
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	}
}

static void *
live(void *argument)
{
	person *p = argument;

	while (chance_now() < p->in->until) {
		unsigned draw = chance_upto(&p->luck, 16);
		if (draw == 0)
			meddle(p);
		else if (p->holds < HELD && draw < 9)
			borrow(p);
		else if (p->holds > 0)
			give_back(p);
	}
	while (p->holds > 0)
		give_back(p);
	(void)pthread_barrier_wait(&p->in->rest);
	if (p == p->in->people)
		fake_fail_one_in(p->in->peer, 0, 0);
	(void)pthread_barrier_wait(&p->in->rest);
	have_one_of_each(p);
	return NULL;
}

static void
settle_down(town *t)
{
	qpool_stats s;
	uint64_t opens;

	for (unsigned i = 0; i < PEOPLE; i++)
		pthread_join(t->people[i].thread, NULL);
	s = stats_of_key(t->keyed, NULL);
	look(t, &s);
	CELL_SAME(s.idle + s.empty, t->in->total);
	CELL_SAME(s.exact, 1);
	CELL_SAME(s.waiting, 0);
	CELL_SAME(s.idle, fake_live(t->peer));
	opens = s.opens;
	for (unsigned why = 0; why < 16; why++)
		s.opens -= s.closes[why];
	CELL_SAME(s.opens, s.idle);
	printf("# %" PRIu64 " acquires, %" PRIu64 " waited, %" PRIu64 " timed out, %" PRIu64
	       " opens, %" PRIu64 " ousted\n",
	    s.acquires, s.acquires_waited, s.timeouts, opens, s.closes[QPOOL_WHY_SHRUNK]);
	CELL_MUST(s.keys <= t->in->total);
	CELL_MUST(t->in->detaches || fake_live_peak(t->peer) <= t->in->total);
	CELL_MUST(s.open_peak <= t->in->total && s.leased_peak <= t->in->total);
}

static void
run(const void *first, const void *second)
{
	static town t;
	qpool_options o = qpool_options_init();
	uint64_t seed = chance_seed();
	qpool_ops ops;
	qpool_error error;

	(void)second;
	t.in = first;
	t.peer = fake_new();
	t.nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	printf("# %s: seed %" PRIu64 "\n", t.in->name, seed);
	ops = t.in->plain ? fake_ops_plain() : fake_ops();
	o.max_size = t.in->total;
	o.retry_min = 100000;
	o.retry_max = 1000000;
	fake_watch_keys(t.peer, t.in->per_key != 0 ? t.in->per_key : t.in->total);
	if (t.in->fail != 0)
		fake_fail_one_in(t.peer, t.in->fail, seed);
	if (qpool_keyed_create(&t.keyed, &o, t.in->per_key, &ops, t.peer, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	t.until = chance_now() + QPOOL_SEC(chance_seconds());
	(void)pthread_barrier_init(&t.rest, NULL, PEOPLE);
	for (unsigned i = 0; i < PEOPLE; i++) {
		t.people[i].in = &t;
		t.people[i].luck = chance_stream(seed, i);
		actor_runs(&t.people[i].thread, live, &t.people[i]);
	}
	settle_down(&t);
	CELL_SAME(qpool_keyed_close(t.keyed, QPOOL_FOREVER), QPOOL_OK);
	qpool_keyed_free(t.keyed);
	fake_end(t.peer);
	(void)pthread_barrier_destroy(&t.rest);
	(void)close(t.nowhere);
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_limit(CELL_SECONDS + 10 * chance_seconds());
	for (size_t i = 0; i < sizeof weathers / sizeof weathers[0]; i++)
		cells_add(&all, run, &weathers[i], NULL, "%s", weathers[i].name);
	return cells_run(&all, "race keyed", argc, argv);
}
