/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notice: fills the public event and passes it on.
 */
#include "core/notice.h"

#include "core/show.h"
#include "core/steps.h"

bool
qp_notice_is_wanted(const qpool *pool, qpool_event_type type)
{
	return pool->config.on_event != NULL &&
	       (qp_load64_relaxed(&pool->dials.event_mask) >> type & 1);
}

void
qp_notice_lease(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns)
{
	qpool_event event;
	qpool_entry entry;
	qp_shown shown;

	if (!qp_notice_is_wanted(pool, type))
		return;
	(void)qp_show_slot(slot, &shown); /* it does not move, so one copy is enough */
	qp_show_entry(&shown, qp_clock_now(), &entry);
	entry.key = pool->key;
	memset(&event, 0, sizeof event);
	event.size = sizeof event;
	event.key = pool->key;
	event.type = type;
	event.resource_id = entry.resource_id;
	event.took = took_ns;
	event.entry = &entry;
	qp_step_event(pool, slot, &event);
}

void
qp_notice_slot(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns)
{
	qpool_event event;

	if (pool->config.on_event == NULL)
		return;
	memset(&event, 0, sizeof event);
	event.size = sizeof event;
	event.key = pool->key;
	event.type = type;
	event.resource_id = qp_load64_relaxed(qp_slot_resource_id(slot));
	event.took = took_ns;
	if (type != QPOOL_EV_OPENED) /* before its first lease */
		event.site = qp_loadptr_relaxed(&qp_slot_note(slot)->site);
	qp_step_event(pool, slot, &event);
}

void
qp_notice_closed(qpool *pool, qp_slot *slot, const qpool_error *cause)
{
	qpool_event event;

	if (pool->config.on_event == NULL)
		return;
	memset(&event, 0, sizeof event);
	event.size = sizeof event;
	event.key = pool->key;
	event.type = QPOOL_EV_CLOSED;
	event.why = slot->why;
	event.resource_id = qp_load64_relaxed(qp_slot_resource_id(slot));
	/* The exact clock: the coarse one may lag behind a resource just opened. */
	event.took = qp_clock_now() - qp_loadi64_relaxed(&slot->opened_ns);
	event.error = cause;
	qp_step_event(pool, slot, &event);
}

void
qp_notice_holding(qpool *pool, qp_slot *slot, qpool_event_type type, int64_t took_ns,
    const qpool_error *error, const char *site)
{
	qpool_event event;

	if (pool->config.on_event == NULL)
		return;
	memset(&event, 0, sizeof event);
	event.size = sizeof event;
	event.key = pool->key;
	event.type = type;
	event.took = took_ns;
	event.error = error;
	event.site = site;
	qp_step_event(pool, slot, &event);
}

void
qp_notice_pool(
    qpool *pool, qpool_event_type type, int64_t took_ns, const qpool_error *error, const char *site)
{
	qp_notice_holding(pool, NULL, type, took_ns, error, site);
}
