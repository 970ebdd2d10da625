/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core: a program of somebody who has only what is installed.  It names every function of <queuepool.h>
 * once, in the common part of C99, C17 and C++17, and is built so by tests/consumer/consume.  What the
 * functions do in full is for the tests by room; here each must be there, link, and do its plainest job.
 */
#include <queuepool.h>

#include <stdio.h>

static int failures;

#define CHECK(x)                                                                \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			failures++;                                             \
		}                                                               \
	} while (0)

typedef struct workshop {
	int opened, closed, destroyed;
	int tools[4];
} workshop;

static qpool_err
tool_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	workshop *w = (workshop *)user;

	(void)error;
	CHECK(step->budget > 0);
	*out = &w->tools[w->opened % 4];
	w->opened++;
	return QPOOL_OK;
}

static void
tool_close(void *user, void *resource, qpool_why why)
{
	(void)resource;
	CHECK(qpool_why_name(why)[0] != '\0');
	((workshop *)user)->closed++;
}

static void
workshop_destroy(void *user)
{
	((workshop *)user)->destroyed++;
}

static qpool *
make_pool(workshop *w)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_error error;
	qpool *pool = NULL;

	options.name = "tools";
	options.max_size = 2;
	ops.kind = "tool";
	ops.open = tool_open;
	ops.close = tool_close;
	ops.destroy = workshop_destroy;
	CHECK(qpool_create(&pool, &options, &ops, w, &error) == QPOOL_OK);
	return pool;
}

static void
lend_each_way(qpool *pool)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_request request = qpool_request_init();
	qpool_times times = qpool_times_init();
	qpool_error error;

	CHECK(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error) == QPOOL_OK);
	CHECK(lease.resource != NULL && qpool_of(&lease) == pool);
	qpool_label(&lease, qpool_intern(pool, "the plainest job"));
	CHECK(qpool_resource_id(&lease) == 1 && qpool_get_times(&lease, &times) == QPOOL_OK);
	CHECK(times.uses == 1 && qpool_set_times(&lease, &times) == QPOOL_OK);
	CHECK(qpool_release(&lease) == QPOOL_OK && lease.resource == NULL);

	CHECK((qpool_acquire)(pool, QPOOL_DEFAULT, &lease, NULL) == QPOOL_OK);
	CHECK(qpool_spoil(&lease) == QPOOL_OK && qpool_release(&lease) == QPOOL_OK);

	CHECK(qpool_acquire_at(pool, QPOOL_SEC(1), &lease, NULL, QPOOL_SITE) == QPOOL_OK);
	CHECK(qpool_discard(&lease) == QPOOL_OK);

	request.timeout = QPOOL_MSEC(100);
	CHECK(qpool_acquire_with(pool, &request, &lease, &error) == QPOOL_OK);
	CHECK(qpool_detach(&lease) != NULL && qpool_of(&lease) == NULL);
}

static void
lend_in_scopes(qpool *pool)
{
	QPOOL_SCOPED qpool_lease kept = QPOOL_LEASE_INIT;
	QPOOL_SCOPED_DISCARD qpool_lease dropped = QPOOL_LEASE_INIT;
	qpool_lease third = QPOOL_LEASE_INIT;
	qpool_error error;

	CHECK(qpool_acquire(pool, QPOOL_SEC(1), &kept, NULL) == QPOOL_OK);
	CHECK(qpool_acquire(pool, QPOOL_SEC(1), &dropped, NULL) == QPOOL_OK);
	CHECK(qpool_acquire(pool, QPOOL_NOWAIT, &third, &error) == QPOOL_EAGAIN);
	CHECK(error.code == QPOOL_EAGAIN && error.message[0] != '\0');
}

static bool
tool_shown(void *user, const qpool_entry *entry)
{
	CHECK(entry->state[0] != '\0' && entry->describe[0] == '\0' && entry->resource_id > 0);
	++*(int *)user;
	return true;
}

/* At work, and back to what it was: one idle, of two. */
static void
change_at_work(qpool *pool, workshop *w)
{
	qpool_options options = qpool_options_init();
	qpool_request request = qpool_request_init();
	qpool_lease both[2];
	qpool_error error;

	CHECK(qpool_options_parse(&options, "max_size=3&max_idle=1min", &error) == QPOOL_OK);
	CHECK(options.max_size == 3 && options.max_idle == QPOOL_SEC(60));
	CHECK(qpool_configure(pool, &options, &error) == QPOOL_OK);
	CHECK(qpool_wait_ready(pool, 2, QPOOL_SEC(1), &error) == QPOOL_OK);
	CHECK(qpool_adopt(pool, &w->tools[w->opened % 4], &error) == QPOOL_OK);
	w->opened++;
	qpool_suspect(pool);
	CHECK(qpool_acquire_many(pool, 2, &request, both, &error) == QPOOL_OK);
	qpool_scope_end(&both[0]);
	qpool_scope_fail(&both[1]);
	qpool_pause(pool);
	CHECK(qpool_acquire(pool, QPOOL_NOWAIT, &both[0], &error) == QPOOL_EAGAIN);
	qpool_resume(pool);
	qpool_renew(pool);
	CHECK(w->closed + 1 == w->opened); /* but the one that was detached */
}

static void
lend_by_key(workshop *w)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_request request = qpool_request_init();
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_keyed *keyed = NULL;
	int shown = 0;

	options.max_size = 2;
	ops.open = tool_open;
	ops.close = tool_close;
	ops.destroy = workshop_destroy;
	CHECK(qpool_keyed_create(&keyed, &options, 1, &ops, w, NULL) == QPOOL_OK);
	CHECK(qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK);
	CHECK(qpool_release(&lease) == QPOOL_OK);
	CHECK((qpool_keyed_acquire)(keyed, "a", QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK);
	CHECK(qpool_release(&lease) == QPOOL_OK);
	CHECK(qpool_keyed_acquire_with(keyed, "b", &request, &lease, NULL) == QPOOL_OK);
	CHECK(qpool_keyed_each(keyed, tool_shown, &shown) == 2 && shown == 2);
	CHECK(qpool_release(&lease) == QPOOL_OK);
	CHECK(qpool_keyed_acquire_at(keyed, "c", 0, &lease, NULL, QPOOL_SITE) == QPOOL_OK);
	CHECK(qpool_release(&lease) == QPOOL_OK);
	qpool_keyed_suspect(keyed, NULL);
	qpool_keyed_renew(keyed, "c");
	CHECK(qpool_keyed_maintain(keyed) == 0);
	qpool_keyed_dump(keyed, -1);
	qpool_keyed_get_stats(keyed, NULL, &stats);
	CHECK(stats.opens == 3 && stats.idle == 1 && stats.keys == 1);
	CHECK(stats.closes[QPOOL_WHY_SHRUNK] == 1 && stats.closes[QPOOL_WHY_RENEWED] == 1);
	CHECK(qpool_keyed_close(keyed, QPOOL_SEC(1)) == QPOOL_OK);
	qpool_keyed_free(keyed);
}

int
main(void)
{
	int shown = 0;
	workshop w = {0, 0, 0, {0, 0, 0, 0}};
	qpool_stats stats = qpool_stats_init();
	qpool_hist hist = qpool_hist_init();
	qpool *pool = make_pool(&w);
	char version[32];

	CHECK(strcmp(qpool_name(pool), "tools") == 0 && strcmp(qpool_kind(pool), "tool") == 0);
	CHECK(strcmp(qpool_err_name(QPOOL_ETIMEOUT), "ETIMEOUT") == 0);
	CHECK(qpool_err_text(QPOOL_EFULL)[0] != '\0');
	(void)snprintf(version, sizeof version, "%d.%d.%d", QPOOL_VERSION_MAJOR,
	    QPOOL_VERSION_MINOR, QPOOL_VERSION_PATCH);
	CHECK(strcmp(qpool_version(), version) == 0);
	lend_each_way(pool);
	lend_in_scopes(pool);
	CHECK(qpool_start(pool, 1, NULL) == QPOOL_OK && qpool_stop(pool) == QPOOL_OK);
	CHECK(qpool_maintain(pool) == 0);
	qpool_get_stats(pool, &stats);
	CHECK(stats.acquires == 6 && stats.leased == 0 && stats.idle == 1 && stats.empty == 1);
	CHECK(qpool_each(pool, tool_shown, &shown) == 1 && shown == 1);
	qpool_dump(pool, -1);
	CHECK(
	    qpool_get_hist(pool, QPOOL_HIST_OPEN, &hist) == QPOOL_OK && hist.count == stats.opens);
	CHECK(qpool_hist_quantile(&hist, 1) <= (qpool_nsec)hist.max_ns && qpool_hist_bound(7) == 7);
	change_at_work(pool, &w);
	CHECK(qpool_close(pool, QPOOL_SEC(1)) == QPOOL_OK);
	qpool_free(pool);
	/* One was detached, which makes it ours and not the pool's to close. */
	CHECK(w.destroyed == 1 && w.opened == w.closed + 1);
	lend_by_key(&w);
	CHECK(w.destroyed == 2 && w.opened == w.closed + 1);
	return failures ? 1 : 0;
}
