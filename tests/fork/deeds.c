/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deeds: what a child may do with what it inherits.
 */
#include "actor.h"
#include "cell.h"
#include "core/pool.h"
#include "scene.h"

#include <sys/wait.h>
#include <unistd.h>

/* The end of what this thread holds: EFORKED where it is of the parent, and once. */
static void
end_held(scene *s, qpool_err (*end)(qpool_lease *))
{
	qpool_lease copy = s->lease;
	qpool_err expected;

	if (s->lease.resource == NULL)
		return;
	expected = scene_holds_own(s) ? QPOOL_OK : QPOOL_EFORKED;
	CELL_MUST(qpool_of(&s->lease) == s->pool);
	qpool_label(&s->lease, "of before");
	CELL_SAME(end(&s->lease), expected);
	CELL_MUST(s->lease.resource == NULL && s->lease.slot_ == NULL);
	CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	CELL_SAME(qpool_spoil(&copy), QPOOL_EMISUSE);
}

static void
do_nothing(scene *s)
{
	(void)s;
}

static void
use(scene *s)
{
	scene_use_all(s);
	scene_use_all(s);
	scene_count(s);
}

static void
release_held(scene *s)
{
	unsigned abandons = s->lease.resource != NULL && !scene_holds_own(s), before;

	scene_count(s); /* what is idle goes first */
	before = atomic_load(&s->peer.calls[WIRE_ABANDON]);
	end_held(s, qpool_release);
	CELL_SAME(atomic_load(&s->peer.calls[WIRE_ABANDON]) - before, abandons);
	use(s);
}

static void
discard_held(scene *s)
{
	use(s);
	end_held(s, qpool_discard);
	use(s);
}

static qpool_err
spoil_and_release(qpool_lease *lease)
{
	CELL_SAME(qpool_spoil(lease), QPOOL_OK);
	return qpool_release(lease);
}

static void
spoil_held(scene *s)
{
	end_held(s, spoil_and_release);
	scene_count(s);
}

/* Taken out it is the caller's, in a child as ever: nobody abandons it. */
static void
detach_held(scene *s)
{
	wire_resource *r = s->lease.resource;

	if (r != NULL) {
		CELL_MUST(qpool_detach(&s->lease) == r);
		CELL_MUST(r->client >= 0);
	}
	use(s);
}

/* A lease of this process would be waited for; those of before the fork are not. */
static void
close_it(scene *s)
{
	if (scene_holds_own(s))
		CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	use(s);
	end_held(s, qpool_release);
	qpool_free(s->pool);
}

static void
free_it(scene *s)
{
	qpool_free(s->pool);
	if (s->lease.resource != NULL)
		CELL_SAME(qpool_release(&s->lease), scene_holds_own(s) ? QPOOL_OK : QPOOL_EFORKED);
}

static void
maintain(scene *s)
{
	CELL_SAME(qpool_maintain(s->pool), 0);
	use(s);
	scene_count(s);
}

/* Who took it in the parent has another number here, if it is here at all. */
static bool
is_of_nobody(void *user, const qpool_entry *entry)
{
	(void)user;
	CELL_SAME(entry->thread, 0);
	CELL_MUST(!entry->gone);
	return true;
}

static void
look(scene *s)
{
	qpool_stats now = qpool_stats_init();
	qpool_hist hist = qpool_hist_init();

	scene_count(s);
	CELL_SAME(qpool_each(s->pool, is_of_nobody, NULL), stats_of(s->pool).leased);
	if (!s->has_used) {
		CELL_SAME(qpool_get_hist(s->pool, QPOOL_HIST_OPEN, &hist), QPOOL_OK);
		CELL_SAME(hist.count, 0);
	}
	qpool_get_stats(s->pool, &now);
	CELL_SAME(now.idle, 0);
	CELL_SAME(now.waiting, 0);
	CELL_SAME(now.workers, 0);
	if (!s->has_used)
		CELL_SAME(now.acquires, 0);
	CELL_SAME(now.empty, SCENE_SIZE);
	CELL_SAME(now.leased, now.over);
}

/* It would keep the pool from ending, or let it end too early. */
static void
nobody_else(scene *s)
{
	qp_pool_lock(s->pool);
	CELL_SAME(s->pool->visits, 0);
	CELL_SAME(s->pool->closers, 0);
	qp_pool_unlock(s->pool, NULL);
}

static void
look_first(scene *s)
{
	if (!s->is_inside) {
		look(s);
		CELL_SAME(atomic_load(&s->peer.calls[WIRE_ABANDON]), s->idle);
	}
	nobody_else(s);
	use(s);
}

#if defined(__SANITIZE_THREAD__)
#define THREADS_AFTER_COMPANY false /* gcc 12's ThreadSanitizer dies of them */
#else
#define THREADS_AFTER_COMPANY true
#endif

static void
hire(scene *s)
{
	qpool_error error;
	qpool_err err;

	if (s->has_company && !THREADS_AFTER_COMPANY) {
		use(s);
		return;
	}
	err = qpool_start(s->pool, 2, &error);
	CELL_SAME(err, s->is_closed ? QPOOL_ECLOSED : QPOOL_OK);
	use(s);
	end_held(s, qpool_release);
	CELL_SAME(qpool_stop(s->pool), QPOOL_OK);
	use(s);
}

static void
fork_again(scene *s)
{
	int status = 0;
	pid_t grandchild;

	s->has_forked = false;
	scene_forks(s);
	grandchild = s->child;
	if (grandchild == 0) {
		use(s);
		end_held(s, qpool_release);
		_exit(0);
	}
	CELL_SAME(waitpid(grandchild, &status, 0), grandchild);
	CELL_SAME(status, 0);
	use(s);
	end_held(s, qpool_discard);
}

/* With resources of its own open and lent, and one of its parent's. */
static void
use_and_fork_again(scene *s)
{
	qpool_lease own;
	qpool_error error;
	int status = 0;
	qpool_err err;

	use(s);
	err = qpool_acquire(s->pool, QPOOL_SEC(20), &own, &error);
	CELL_SAME(err, s->is_closed ? QPOOL_ECLOSED : QPOOL_OK);
	s->has_forked = false;
	scene_forks(s);
	if (s->child == 0) {
		use(s);
		end_held(s, qpool_discard);
		CELL_SAME(qpool_release(&own), s->is_closed ? QPOOL_OK : QPOOL_EFORKED);
		use(s);
		_exit(0);
	}
	CELL_SAME(waitpid(s->child, &status, 0), s->child);
	CELL_SAME(status, 0);
	CELL_SAME(qpool_release(&own), QPOOL_OK);
	use(s);
	end_held(s, qpool_release);
}

const scene_deed scene_deeds[] = {
    {"nothing", do_nothing},
    {"use", use},
    {"release what is held", release_held},
    {"discard what is held", discard_held},
    {"spoil what is held", spoil_held},
    {"detach what is held", detach_held},
    {"close", close_it},
    {"free", free_it},
    {"maintain", maintain},
    {"look", look_first},
    {"start workers", hire},
    {"fork again", fork_again},
    {"use, and fork again", use_and_fork_again},
};
const size_t scene_deeds_count = sizeof scene_deeds / sizeof scene_deeds[0];
