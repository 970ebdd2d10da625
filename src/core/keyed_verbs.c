/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_verbs: the public functions of keyed pools.  Each checks its arguments, finds the key's
 * pool (keyed), and goes on as the verb of an ordinary pool does.  A verb for all keys visits them
 * one after the other and never holds the lock for long; only the snapshot, whose counts must be
 * of one instant, holds it across all keys.
 */
#include "core/abi.h"
#include "core/acquire.h"
#include "core/drain.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/keyed.h"
#include "core/maintain.h"
#include "core/show.h"
#include "core/stats.h"
#include "core/watch.h"
#include "platform/alloc.h"

#include <inttypes.h>

static qpool_err
look(qpool_keyed *keyed, qpool_error *error)
{
	if (keyed == NULL)
		return qp_error_set(error, QPOOL_EINVAL, "keyed is NULL");
	if (keyed->magic != QP_KEYED_MAGIC)
		return qp_error_set(
		    error, QPOOL_EINVAL, "this is no keyed pool, or one that was freed");
	qp_fork_look(&keyed->root);
	return QPOOL_OK;
}

/* ---- create ---- */

static qpool_err
read_limits(qp_config *config, uint32_t max_per_key, qpool_error *error)
{
	if (config->min_idle != 0)
		return qp_error_set(error, QPOOL_EINVAL,
		    "min_idle is %" PRIu32 "; it must be 0 for a keyed pool: callers open, when "
		    "they need one",
		    config->min_idle);
	if (max_per_key > config->max_size)
		return qp_error_set(error, QPOOL_EINVAL,
		    "max_per_key is %" PRIu32 "; it must be 0 (max_size) or at most max_size, "
		    "which is %" PRIu32,
		    max_per_key, config->max_size);
	return QPOOL_OK;
}

static void
fill(qpool_keyed *keyed, uint32_t max_per_key, const qpool_ops *ops, void *user,
    const qp_config *config)
{
	keyed->magic = QP_KEYED_MAGIC;
	keyed->each = *config;
	if (max_per_key != 0)
		keyed->each.max_size = max_per_key;
	qp_pool_init(&keyed->root, &keyed->root, ops, user, config);
	keyed->root.keyed = keyed;
	qp_family_init(&keyed->family, config->max_size);
	qp_keys_init(&keyed->keys);
}

qpool_err
qpool_keyed_create(qpool_keyed **out, const qpool_options *options, uint32_t max_per_key,
    const qpool_ops *ops, void *user, qpool_error *error)
{
	qpool_ops known;
	qp_config config;
	qpool_keyed *keyed;
	qpool_err err;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the keyed pool");
	err = qp_pool_read_ops(&known, ops, error);
	if (err == QPOOL_OK)
		err = qp_options_read(&config, options, known.kind, error);
	if (err == QPOOL_OK)
		err = read_limits(&config, max_per_key, error);
	if (err == QPOOL_OK)
		err = qp_fork_watch(error);
	if (err != QPOOL_OK)
		return err;
	keyed = qp_alloc_zero(1, sizeof *keyed);
	if (keyed == NULL)
		return qp_error_set(
		    error, QPOOL_ENOMEM, "no memory for keyed pool '%s'", config.name);
	fill(keyed, max_per_key, &known, user, &config);
	keyed->root.name = qp_alloc_text(config.name);
	keyed->root.hists = qp_alloc_zero(1, sizeof *keyed->root.hists);
	if (keyed->root.name == NULL || keyed->root.hists == NULL) {
		err =
		    qp_error_set(error, QPOOL_ENOMEM, "no memory for keyed pool '%s'", config.name);
		qp_pool_dispose(&keyed->root);
		return err;
	}
	keyed->root.config.name = keyed->each.name = keyed->root.name;
	*out = keyed;
	return QPOOL_OK;
}

/* ---- acquire ---- */

static qpool_err
look_at_key(const char *key, size_t *length, qpool_error *error)
{
	*length = qp_keys_length(key);
	if (*length > 0)
		return QPOOL_OK;
	if (key == NULL)
		return qp_error_set(error, QPOOL_EINVAL, "key is NULL");
	return qp_error_set(error, QPOOL_EINVAL, "key is %s; it must have 1 to %u bytes",
	    key[0] == '\0' ? "empty" : "too long", QP_KEY_MOST);
}

qpool_err
qpool_keyed_acquire_with(qpool_keyed *keyed, const char *key, const qpool_request *request,
    qpool_lease *out, qpool_error *error)
{
	qp_asking asking;
	size_t length;
	qp_slot *slot;
	qpool_err err;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the lease");
	*out = (qpool_lease)QPOOL_LEASE_INIT;
	err = look(keyed, error);
	if (err == QPOOL_OK)
		err = look_at_key(key, &length, error);
	if (err == QPOOL_OK)
		err = qp_acquire_read(&asking, &keyed->root, request, error);
	if (err == QPOOL_OK)
		err = qp_keyed_enter(keyed, key, length, &asking, &slot, error);
	return err == QPOOL_OK ? qp_acquire_go_on(&asking, slot, out, error) : err;
}

qpool_err
qpool_keyed_acquire_at(qpool_keyed *keyed, const char *key, qpool_nsec timeout, qpool_lease *out,
    qpool_error *error, const char *site)
{
	qpool_request request = qpool_request_init();

	request.timeout = timeout;
	request.site = site;
	return qpool_keyed_acquire_with(keyed, key, &request, out, error);
}

qpool_err(qpool_keyed_acquire)(
    qpool_keyed *keyed, const char *key, qpool_nsec timeout, qpool_lease *out, qpool_error *error)
{
	return qpool_keyed_acquire_at(keyed, key, timeout, out, error, NULL);
}

/* ---- all keys, or one ---- */

/* The visits of one verb: they keep the root and one member alive. */
typedef struct marks {
	qp_mark root, member;
} marks;

size_t
qpool_keyed_maintain(qpool_keyed *keyed)
{
	qp_member *member = NULL;
	size_t closed = 0;
	marks m;

	if (look(keyed, NULL) != QPOOL_OK)
		return 0;
	qp_pool_visit(&keyed->root, &m.root);
	while ((member = qp_keyed_walk(keyed, member, &m.member)) != NULL) {
		closed += qp_maintain_pass(&member->pool);
		(void)qp_watch_all(&member->pool, true);
	}
	qp_keyed_reap(keyed);
	qp_pool_leave(&keyed->root, &m.root);
	return closed;
}

size_t
qpool_keyed_each(qpool_keyed *keyed, qpool_each_fn *fn, void *user)
{
	qp_member *member = NULL;
	size_t count = 0;
	bool more = true;
	marks m;

	if (look(keyed, NULL) != QPOOL_OK || fn == NULL)
		return 0;
	qp_pool_visit(&keyed->root, &m.root);
	while (more && (member = qp_keyed_walk(keyed, member, &m.member)) != NULL)
		count += qp_show_all(&member->pool, fn, user, &more);
	if (member != NULL)
		qp_keyed_leave(member, &m.member);
	qp_pool_leave(&keyed->root, &m.root);
	return count;
}

/* Call `verb` for one key, or for every key. */
static void
tell(qpool_keyed *keyed, const char *key, void (*verb)(qpool *pool))
{
	qp_member *member = NULL;
	marks m;

	if (look(keyed, NULL) != QPOOL_OK)
		return;
	qp_pool_visit(&keyed->root, &m.root);
	if (key == NULL) {
		while ((member = qp_keyed_walk(keyed, member, &m.member)) != NULL)
			verb(&member->pool);
	} else if ((member = qp_keyed_visit(keyed, key, &m.member)) != NULL) {
		verb(&member->pool);
		qp_keyed_leave(member, &m.member);
	}
	qp_pool_leave(&keyed->root, &m.root);
}

void
qpool_keyed_renew(qpool_keyed *keyed, const char *key)
{
	tell(keyed, key, qpool_renew);
}

void
qpool_keyed_suspect(qpool_keyed *keyed, const char *key)
{
	tell(keyed, key, qpool_suspect);
}

/* The snapshot of one key; all zero except the limits when there is no such key. */
static void
report_one(qpool_keyed *keyed, const char *key, qpool_stats *now)
{
	qp_mark here;
	qp_member *member = qp_keyed_visit(keyed, key, &here);

	now->max_size = now->empty = keyed->each.max_size;
	now->exact = 1;
	if (member == NULL)
		return;
	now->keys = 1;
	qp_stats_read(&member->pool, now);
	qp_keyed_leave(member, &here);
}

/* The snapshot of all keys, in one hold of the lock: places pass from key to key, and
 * the sum must be of one instant. */
static void
report_all(qpool_keyed *keyed, qpool_stats *now)
{
	const qp_family *family = &keyed->family;
	qp_stats_sum sum;
	uint32_t taken;

	memset(&sum, 0, sizeof sum);
	qp_pool_lock(&keyed->root);
	sum.tally = keyed->root.tally; /* of keys now gone */
	sum.lent = keyed->root.lent_before;
	for (const qp_member *m = qp_keyed_newest(keyed); m != NULL; m = m->made_before)
		if (m->standing != QP_SPARE)
			qp_stats_add_locked(&sum, &m->pool);
	qp_stats_report(&sum, now);
	now->max_size = family->total;
	now->keys = keyed->live;
	now->open_peak = family->open_peak;
	now->leased_peak = family->lent_peak;
	now->waiting_peak = family->waiting_peak;
	/* An ousted slot is still closing, while the slot that got its place is
	 * already OPENING: count one of them. */
	now->opening -= family->ousted;
	taken =
	    now->opening + now->idle + now->checking + now->leased + now->resetting + now->closing;
	now->empty = family->total - (taken - sum.inherited);
	now->over = sum.inherited;
	qp_pool_unlock(&keyed->root, NULL);
}

void
qpool_keyed_get_stats(const qpool_keyed *readable, const char *key, qpool_stats *out)
{
	qpool_keyed *keyed = (qpool_keyed *)(uintptr_t)readable; /* looking takes the lock */
	qpool_stats now = qpool_stats_init();

	if (out == NULL)
		return;
	if (look(keyed, NULL) == QPOOL_OK) {
		if (key != NULL)
			report_one(keyed, key, &now);
		else
			report_all(keyed, &now);
	}
	qp_abi_write(out, &now, sizeof now);
}

/* ---- the end ---- */

qpool_err
qpool_keyed_close(qpool_keyed *keyed, qpool_nsec timeout)
{
	qpool_err err = look(keyed, NULL);

	return err != QPOOL_OK ? err : qp_drain_close(&keyed->root, timeout);
}

void
qpool_keyed_free(qpool_keyed *keyed)
{
	if (look(keyed, NULL) == QPOOL_OK)
		qp_drain_free(&keyed->root);
}
