/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders: finding them, and putting them into words.
 */
#include "core/holders.h"

#include "core/error.h"
#include "core/family.h"
#include "core/fork.h"

#include <inttypes.h>
#include <stdio.h>

/* Under the lock, at most so many waiters, and so many slots of all keys, are looked at. */
#define LOOKED_AT 1024u
/* Bytes of a file's name and of a label shown at most. */
#define SITE_MOST  48
#define LABEL_MOST 32

/* One holder in words: "1.2 min by worker.c:88 (import) under 'db7', thread gone". */
typedef struct words {
	char text[220];
} words;

/* Copy a text that is not ours: cut between characters, on one line. */
static void
copy_foreign(char *out, const char *text, size_t most)
{
	qpool_error scratch; /* qp_error_cut cuts */

	(void)qp_error_set(&scratch, QPOOL_OK, "%.*s", (int)most + 1, text);
	qp_error_cut(&scratch, most);
	memcpy(out, scratch.message, most + 1);
	out[most] = '\0';
	for (; *out != '\0'; out++)
		if ((unsigned char)*out < ' ' || *out == 0x7f)
			*out = '?';
}

/* ---- the look ---- */

static void
keep(qp_holder *kept, uint32_t *count, const qp_holder *found)
{
	int64_t leased_ns = found->shown.leased_ns;
	uint32_t at = *count < QP_HOLDERS ? (*count)++ : QP_HOLDERS - 1;

	for (; at > 0 && kept[at - 1].shown.leased_ns > leased_ns; at--)
		kept[at] = kept[at - 1];
	kept[at] = *found;
}

/* Would a lease that began then be among those kept? */
static bool
counts(const qp_holder *kept, uint32_t count, int64_t leased_ns)
{
	return count < QP_HOLDERS || leased_ns < kept[count - 1].shown.leased_ns;
}

/* Lent by this process: an inherited lease takes nobody's place. */
static bool
takes_a_place(const qp_slot *slot)
{
	return qp_slot_state(slot) == QP_LEASED && !qp_fork_is_inherited(slot);
}

/* `key`: the other key that the slot is of, or NULL. */
static void
consider(qp_holders *h, qp_slot *slot, uint64_t self, const char *key)
{
	const qp_note *note = qp_slot_note(slot);
	int64_t leased_ns = qp_loadi64_acquire(&note->leased_ns);
	bool is_own = qp_load_acquire(&note->thread) == self;
	qp_holder *kept = is_own ? h->own_ones : h->longest;
	uint32_t *kept_count = is_own ? &h->own_kept : &h->others_kept;
	qp_holder found;

	*(is_own ? &h->own : &h->others) += 1;
	if (!counts(kept, *kept_count, leased_ns))
		return;
	found.slot = slot;
	found.waits = false;
	found.key[0] = '\0';
	if (key != NULL)
		copy_foreign(found.key, key, QP_HOLDER_KEY);
	/* It may have been given back meanwhile: then it is counted but not named. */
	if (qp_show_slot(slot, &found.shown) && found.shown.state == QP_LEASED)
		keep(kept, kept_count, &found);
}

static void
mark_waiting_locked(qp_holders *h, const qp_waitq *line)
{
	uint32_t looked_at = 0;

	for (const qp_waiter *w = line->head; w != NULL && looked_at < LOOKED_AT; w = w->next) {
		looked_at++;
		for (uint32_t i = 0; i < h->others_kept; i++)
			h->longest[i].waits |= h->longest[i].shown.thread == w->thread;
	}
}

/* Is it a place that this key waits for? */
static bool
wants_a_place_locked(const qpool *pool)
{
	return pool->share != NULL && !qp_family_has_place(pool->share->family) &&
	       qp_pool_room_locked(pool) > 0;
}

/* The busy list is in the order of taking: the longest held come first, however many
 * keys there are. */
static void
find_of_all_locked(qpool *pool, qp_holders *h, uint64_t self)
{
	const qp_family *family = pool->share->family;
	uint32_t looked_at = 0;
	qp_slot *slot = family->idle.oldest_busy;

	for (; slot != NULL && looked_at < LOOKED_AT; slot = qp_slot_kin(slot)->newer) {
		looked_at++;
		if (takes_a_place(slot))
			consider(h, slot, self,
			    qp_slot_pool(slot) == pool ? NULL : qp_slot_pool(slot)->key);
	}
	if (slot != NULL && family->lent > h->own + h->others)
		h->others = family->lent - h->own;
}

static void
find_of_one(qpool *pool, uint32_t fresh, qp_holders *h, uint64_t self)
{
	for (uint32_t i = 0; i < fresh; i++) {
		qp_slot *slot = qp_pool_slot(pool, i);
		if (takes_a_place(slot))
			consider(h, slot, self, NULL);
	}
}

void
qp_holders_find(qpool *pool, qp_holders *h)
{
	uint64_t self = qp_thread_id();
	uint32_t fresh;

	h->own = h->others = h->own_kept = h->others_kept = 0;
	qp_pool_lock(pool);
	fresh = pool->fresh;
	if (wants_a_place_locked(pool)) {
		find_of_all_locked(pool, h, self);
		fresh = 0;
	}
	qp_pool_unlock(pool, NULL);
	find_of_one(pool, fresh, h, self);
	qp_pool_lock(pool);
	mark_waiting_locked(h, &pool->waitq);
	mark_waiting_locked(h, &pool->gate.line);
	qp_pool_unlock(pool, NULL);
}

/* ---- the words ---- */

/* "worker.c:88": the file name without its folders. */
static void
say_site(const qp_shown *shown, char out[SITE_MOST + 1])
{
	const char *slash;

	if (shown->site == NULL) {
		(void)snprintf(out, SITE_MOST, "thread %" PRIu64, shown->thread);
		return;
	}
	slash = strrchr(shown->site, '/');
	copy_foreign(out, slash != NULL ? slash + 1 : shown->site, SITE_MOST);
}

/* Three arguments: " under 'key'", or nothing. */
#define UNDER(holder)                                              \
	(holder)->key[0] != '\0' ? " under '" : "", (holder)->key, \
	    (holder)->key[0] != '\0' ? "'" : ""

static words
say_holder(const qp_holder *holder, int64_t now_ns)
{
	const qp_shown *shown = &holder->shown;
	char site[SITE_MOST + 1], label[LABEL_MOST + 1] = "";
	qpool_entry entry;
	words w;

	qp_show_entry(shown, now_ns, &entry);
	say_site(shown, site);
	if (shown->label != NULL)
		copy_foreign(label, shown->label, LABEL_MOST);
	(void)snprintf(w.text, sizeof w.text, "%s by %s%s%s%s%s%s%s%s%s",
	    qp_error_span(entry.held).text, site, label[0] != '\0' ? " (" : "", label,
	    label[0] != '\0' ? ")" : "", UNDER(holder), entry.gone ? ", thread gone" : "",
	    holder->waits ? ", which waits itself" : "");
	return w;
}

static words
say_own(const qp_holder *holder)
{
	char site[SITE_MOST + 1];
	words w;

	say_site(&holder->shown, site);
	(void)snprintf(w.text, sizeof w.text, "%s%s%s%s", site, UNDER(holder));
	return w;
}

/* " and 3 more", or nothing. */
static words
say_rest(uint32_t rest)
{
	words w;

	w.text[0] = '\0';
	if (rest > 0)
		(void)snprintf(w.text, sizeof w.text, " and %" PRIu32 " more", rest);
	return w;
}

/* Append `intro` and then items while they fit, always leaving room for " and N more". */
static void
say_all(const words *items, uint32_t kept, uint32_t all, const char *intro, size_t spare,
    qpool_error *error)
{
	const size_t room = sizeof error->message - 1 - spare;
	uint32_t said = 0;

	for (; said < kept; said++) {
		const char *before = said == 0 ? intro : ", ";
		size_t needed = strlen(error->message) + strlen(before) + strlen(items[said].text) +
		                strlen(say_rest(all - said - 1).text);
		if (needed > room)
			break;
		qp_error_add(error, "%s%s", before, items[said].text);
	}
	if (said > 0)
		qp_error_add(error, "%s", say_rest(all - said).text);
}

void
qp_holders_say(const qp_holders *h, size_t spare, qpool_error *error)
{
	int64_t now_ns = qp_clock_now();
	words items[QP_HOLDERS];
	char intro[64];

	for (uint32_t i = 0; i < h->own_kept; i++)
		items[i] = say_own(&h->own_ones[i]);
	(void)snprintf(
	    intro, sizeof intro, "; this thread itself holds %" PRIu32 " of them: ", h->own);
	say_all(items, h->own_kept, h->own, intro, spare, error);
	for (uint32_t i = 0; i < h->others_kept; i++)
		items[i] = say_holder(&h->longest[i], now_ns);
	say_all(items, h->others_kept, h->others, "; held ", spare, error);
}
