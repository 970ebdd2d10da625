/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * family: two wheels and a budget.
 */
#include "core/family.h"

#include "platform/assert.h"

#include <string.h>

void
qp_family_init(qp_family *family, uint32_t total)
{
	memset(family, 0, sizeof *family);
	family->total = total;
	family->pace = QP_CREDIT; /* so that pace - credit does not wrap */
}

void
qp_share_init(qp_share *share, qp_family *family, struct qpool *pool)
{
	memset(share, 0, sizeof *share);
	share->family = family;
	share->pool = pool;
	share->left = UINT64_MAX;
}

void
qp_share_clear(qp_share *share)
{
	QP_MUST(share->want == QP_WANTS_NOTHING && !share->waits);
	share->served = 0;
	share->left = UINT64_MAX;
}

/* ---- turns ---- */

static qp_wheel *
wheel_of(qp_share *share)
{
	return share->want == QP_WANTS_OWN ? &share->family->own : &share->family->place;
}

static void
get_on(qp_share *share, qp_want want)
{
	uint32_t bucket = share->served % QP_BUCKETS;
	qp_wheel *wheel;

	share->want = want;
	wheel = wheel_of(share);
	share->next = NULL;
	share->previous = wheel->last[bucket];
	if (share->previous != NULL)
		share->previous->next = share;
	else
		wheel->first[bucket] = share;
	wheel->last[bucket] = share;
	wheel->filled |= 1u << bucket;
}

static void
get_off(qp_share *share)
{
	uint32_t bucket = share->served % QP_BUCKETS;
	qp_wheel *wheel = wheel_of(share);

	if (share->previous != NULL)
		share->previous->next = share->next;
	else
		wheel->first[bucket] = share->next;
	if (share->next != NULL)
		share->next->previous = share->previous;
	else
		wheel->last[bucket] = share->previous;
	if (wheel->first[bucket] == NULL)
		wheel->filled &= ~(1u << bucket);
	share->next = share->previous = NULL;
	share->want = QP_WANTS_NOTHING;
}

void
qp_family_stand(qp_share *share, bool waits, qp_want want)
{
	const qp_family *family = share->family;
	bool goes_on = share->waits || share->left == family->handed;
	uint64_t least = goes_on ? family->pace - QP_CREDIT : family->pace;

	QP_MUST(waits || want == QP_WANTS_NOTHING);
	if (share->want != want) {
		if (share->want != QP_WANTS_NOTHING)
			get_off(share);
		if (waits && share->served < least)
			share->served = least;
		if (want != QP_WANTS_NOTHING)
			get_on(share, want);
	} else if (waits && !share->waits && share->served < least) {
		share->served = least;
	}
	if (share->waits && !waits)
		share->left = family->handed;
	share->waits = waits;
}

/* The share with the smallest count; among equals, the first to come. */
static qp_share *
foremost(const qp_family *family, const qp_wheel *wheel)
{
	uint32_t start = (family->pace - QP_CREDIT) % QP_BUCKETS;
	uint32_t turned = (wheel->filled >> start | wheel->filled << (QP_BUCKETS - start)) & 0xffff;

	if (turned == 0)
		return NULL;
	return wheel->first[(start + (uint32_t)__builtin_ctz(turned)) % QP_BUCKETS];
}

qp_share *
qp_family_next(const qp_family *family)
{
	qp_share *own = foremost(family, &family->own);
	qp_share *place = qp_family_has_place(family) ? foremost(family, &family->place) : NULL;

	if (own == NULL || place == NULL)
		return own != NULL ? own : place;
	return own->served <= place->served + QP_SLACK ? own : place;
}

void
qp_family_charge(qp_share *share)
{
	qp_family *family = share->family;
	const qp_share *own = foremost(family, &family->own);
	const qp_share *place = foremost(family, &family->place);
	uint64_t least = own != NULL ? own->served : UINT64_MAX;
	qp_want want = share->want;

	QP_MUST(want != QP_WANTS_NOTHING);
	if (place != NULL && place->served < least)
		least = place->served;
	if (least > family->pace)
		family->pace = least;
	family->handed++;
	get_off(share);
	share->served++;
	get_on(share, want);
}

bool
qp_family_is_clear(const qp_family *family)
{
	return family->own.filled == 0 && family->place.filled == 0;
}

bool
qp_family_is_alone(const qp_share *share)
{
	const qp_family *family = share->family;
	uint32_t bucket = share->served % QP_BUCKETS;
	const qp_wheel *own = &family->own;

	return share->want == QP_WANTS_OWN && family->place.filled == 0 &&
	       own->filled == 1u << bucket && own->first[bucket] == own->last[bucket];
}

/* ---- places ---- */

bool
qp_family_has_place(const qp_family *family)
{
	return family->used < family->total || family->idle.oldest != NULL;
}

bool
qp_family_take_place(qp_family *family, qp_slot **ousted)
{
	*ousted = NULL;
	if (family->used < family->total) {
		family->used++;
		return true;
	}
	*ousted = family->idle.oldest;
	if (*ousted == NULL)
		return false;
	qp_slot_kin(*ousted)->ousted = true;
	family->ousted++;
	return true;
}

void
qp_family_leave_place(qp_family *family, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);

	if (kin->ousted)
		family->ousted--;
	else
		family->used--;
	kin->ousted = false;
}

/* ---- sums ---- */

static void
add(uint32_t *sum, uint32_t *peak, uint32_t *part, uint32_t now)
{
	*sum += now - *part;
	*part = now;
	if (*sum > *peak)
		*peak = *sum;
}

void
qp_family_count(qp_share *share, uint32_t open, uint32_t lent, uint32_t waiting)
{
	qp_family *family = share->family;

	add(&family->open, &family->open_peak, &share->open, open);
	add(&family->lent, &family->lent_peak, &share->lent, lent);
	add(&family->waiting, &family->waiting_peak, &share->waiting, waiting);
}

static bool
wheel_is_valid(const qp_family *family, const qp_wheel *wheel, qp_want want)
{
	uint64_t least = family->pace - QP_CREDIT;

	for (uint32_t b = 0; b < QP_BUCKETS; b++) {
		const qp_share *previous = NULL;
		for (const qp_share *s = wheel->first[b]; s != NULL; previous = s, s = s->next)
			if (s->previous != previous || s->want != want || !s->waits ||
			    s->served % QP_BUCKETS != b || s->served < least ||
			    s->served - least >= QP_BUCKETS)
				return false;
		if (wheel->last[b] != previous ||
		    (wheel->filled >> b & 1) != (wheel->first[b] != NULL))
			return false;
	}
	return true;
}

bool
qp_family_is_valid(const qp_family *family)
{
	return family->used <= family->total &&
	       (family->place.filled == 0 || !qp_family_has_place(family)) &&
	       wheel_is_valid(family, &family->own, QP_WANTS_OWN) &&
	       wheel_is_valid(family, &family->place, QP_WANTS_PLACE);
}
