/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump: qpool_dump, the pool as text, fit for a signal handler and for a wedged pool.  So it takes
 * no lock, no memory and no stdio: it has a buffer on the stack, a formatter of its own, and one
 * way out.  It reads what other threads are writing, so it may show old and new at once; it never
 * follows a pointer whose target may be gone.
 */
#include "core/backoff.h"
#include "core/keyed.h"
#include "core/show.h"
#include "platform/output.h"

/* More of a site or a label than this is not shown. */
#define TEXT_MOST 160u

typedef struct page {
	int fd;
	bool is_full; /* the descriptor takes no more */
	uint32_t used;
	char bytes[1024];
} page;

static void
flush(page *p)
{
	if (!p->is_full)
		p->is_full = !qp_output_write(p->fd, p->bytes, p->used);
	p->used = 0;
}

static void
put_byte(page *p, char byte)
{
	if (p->used == sizeof p->bytes)
		flush(p);
	p->bytes[p->used++] = byte;
}

static void
put(page *p, const char *text)
{
	while (*text != '\0')
		put_byte(p, *text++);
}

/* Somebody else's text, kept from looking like a line of ours. */
static void
put_foreign(page *p, const char *text)
{
	for (uint32_t i = 0; i < TEXT_MOST && text[i] != '\0'; i++)
		put_byte(p, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
}

static void
put_number(page *p, uint64_t number)
{
	char digits[20];
	uint32_t count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0)
		put_byte(p, digits[--count]);
}

/* "1.250 s". */
static void
put_span(page *p, int64_t span_ns)
{
	uint64_t ms = span_ns > 0 ? (uint64_t)span_ns / 1000000 : 0;

	put_number(p, ms / 1000);
	put_byte(p, '.');
	put_byte(p, (char)('0' + ms / 100 % 10));
	put_byte(p, (char)('0' + ms / 10 % 10));
	put_byte(p, (char)('0' + ms % 10));
	put(p, " s");
}

static void
put_count(page *p, const char *before, uint64_t count, const char *behind)
{
	put(p, before);
	put_number(p, count);
	put(p, behind);
}

/* What the lock guards, copied without it. */
typedef struct counts {
	uint32_t fresh, max_size, waiting, workers, failures;
	int64_t failing_since_ns, next_open_ns;
	bool down, closing;
} counts;

/* For how many slots there is memory.  A chunk once seen stays as long as the pool,
 * and a slot that is not set up yet is all zero, which is EMPTY.  acquire, pairs with
 * the release in qp_pool_reserve. */
static uint32_t
slots_there(const qpool *pool)
{
	uint32_t there = 0;

	for (uint32_t i = 0; i < QP_CHUNKS && qp_loadptr_acquire(&pool->chunks[i]) != NULL; i++)
		there += 1u << pool->chunk_shift << i;
	return there;
}

/*
 * Reads plain fields that the lock's holder may be writing.  Each is one aligned word, read once:
 * old or new, never a mixture, on every machine this runs on.  It follows no pointer.  Slots beyond
 * `there` are not looked at.
 */
static QP_NO_TSAN counts
read_counts(const qpool *pool, uint32_t there)
{
	const volatile qpool *now = pool;
	counts c;

	c.fresh = now->fresh;
	if (c.fresh > there)
		c.fresh = there;
	c.max_size = now->config.max_size;
	c.waiting = now->waitq.count;
	c.workers = now->crew.alive;
	c.failures = now->backoff.failures;
	c.failing_since_ns = now->backoff.since_ns;
	c.next_open_ns = now->backoff.retry_ns;
	c.down = now->backoff.told_down;
	c.closing = now->closing;
	return c;
}

static void
put_states(page *p, const qpool *pool, const counts *c)
{
	uint32_t states[QP_STATES] = {0};
	bool first = true;

	for (uint32_t i = 0; i < c->fresh; i++)
		states[qp_slot_state(qp_pool_slot(pool, i))]++;
	for (uint32_t state = QP_OPENING; state < QP_STATES; state++) {
		put_count(p, first ? "  " : ", ", states[state], " ");
		put(p, qp_slot_state_name((qp_state)state));
		first = false;
	}
	put_count(p, "; ", c->waiting, " waiting, ");
	put_number(p, c->workers);
	put(p, c->workers == 1 ? " worker\n" : " workers\n");
}

static void
put_backoff(page *p, const counts *c, int64_t now_ns)
{
	if (c->failures == 0)
		return;
	put_count(p, "  opening fails: ", c->failures, " times in ");
	put_span(p, now_ns - c->failing_since_ns);
	if (c->next_open_ns > now_ns) {
		put(p, ", next try within ");
		put_span(p, c->next_open_ns - now_ns);
	}
	put(p, c->down ? "; the pool is down\n" : "\n");
}

static void
put_holder(page *p, const qpool_entry *entry)
{
	put(p, " for ");
	put_span(p, entry->held);
	put_count(p, " by thread ", entry->thread, entry->gone ? " (gone)" : "");
	if (entry->site != NULL) {
		put(p, " at ");
		put_foreign(p, entry->site);
	}
	if (entry->label != NULL) {
		put(p, " \"");
		put_foreign(p, entry->label);
		put_byte(p, '"');
	}
}

static void
put_slot(page *p, const qpool_entry *entry)
{
	put_count(p, "  #", entry->resource_id, " ");
	put(p, entry->state);
	if (entry->thread != 0) {
		put_holder(p, entry);
	} else if (strcmp(entry->state, "idle") == 0) {
		put(p, " for ");
		put_span(p, entry->idle);
	}
	if (entry->resource_id != 0) {
		put(p, "; open for ");
		put_span(p, entry->age);
		put_count(p, ", lent ", entry->uses, entry->uses == 1 ? " time" : " times");
	}
	if (entry->describe[0] != '\0') {
		put(p, "; ");
		put_foreign(p, entry->describe);
	}
	put_byte(p, '\n');
}

static void
put_slots(page *p, const qpool *pool, const counts *c)
{
	for (uint32_t i = 0; i < c->fresh && !p->is_full; i++) {
		const qp_slot *slot = qp_pool_slot(pool, i);
		qpool_entry entry;
		qp_shown shown;
		if (qp_slot_state(slot) == QP_EMPTY)
			continue;
		(void)qp_show_slot(slot, &shown); /* a mixture is better than nothing */
		qp_show_entry(&shown, qp_clock_now(), &entry);
		put_slot(p, &entry);
	}
}

static page
page_of(int fd)
{
	page p;

	p.fd = fd;
	p.is_full = false;
	p.used = 0;
	return p;
}

/* A key's pool may be given another name meanwhile: then this is some of each, but always ends
 * in a NUL. */
static QP_NO_TSAN void
copy_name(const qpool *pool, char name[QP_KEYED_NAME])
{
	const volatile char *now = ((const volatile qpool *)pool)->name;
	uint32_t i = 0;

	while (i < QP_KEYED_NAME - 1 && (name[i] = now[i]) != '\0')
		i++;
	name[i] = '\0';
}

static void
put_title(page *p, const qpool *pool, const counts *c)
{
	char name[QP_KEYED_NAME];

	copy_name(pool, name);
	put(p, "queuepool '");
	put_foreign(p, name);
	put(p, "' of kind ");
	put_foreign(p, pool->kind);
	put_count(p, ", max_size ", c->max_size, c->closing ? ", closing\n" : "\n");
}

static void
put_pool(page *p, const qpool *pool, const counts *c)
{
	put_title(p, pool, c);
	put_states(p, pool, c);
	put_backoff(p, c, qp_clock_now());
	put_slots(p, pool, c);
}

void
qpool_dump(const qpool *pool, int fd)
{
	page p = page_of(fd);
	counts c;

	if (qp_pool_is_one(pool, NULL) == QPOOL_OK) {
		c = read_counts(pool, slots_there(pool));
		put_pool(&p, pool, &c);
	} else {
		put(&p, "queuepool: no pool\n");
	}
	flush(&p);
}

static QP_NO_TSAN bool
is_there(const qp_member *member)
{
	const volatile qpool *now = &member->pool;

	return now->key != NULL &&
	       (now->owned + now->idle.count + now->waitq.count > 0 || now->backoff.failures > 0);
}

static QP_NO_TSAN void
put_family(page *p, const qpool_keyed *keyed)
{
	const volatile qpool_keyed *now = keyed;

	put_count(p, "  ", now->live, " keys, ");
	put_count(p, "", now->family.used, " places taken, ");
	put_count(p, "", now->family.waiting, " waiting\n");
}

void
qpool_keyed_dump(const qpool_keyed *keyed, int fd)
{
	page p = page_of(fd);
	counts c;

	if (keyed == NULL || keyed->magic != QP_KEYED_MAGIC) {
		put(&p, "queuepool: no keyed pool\n");
		flush(&p);
		return;
	}
	c = read_counts(&keyed->root, 0); /* a root has no slots */
	put_title(&p, &keyed->root, &c);
	put_family(&p, keyed);
	for (const qp_member *m = qp_keyed_newest(keyed); m != NULL && !p.is_full;
	     m = m->made_before) {
		if (!is_there(m))
			continue;
		c = read_counts(&m->pool, slots_there(&m->pool));
		put_pool(&p, &m->pool, &c);
	}
	flush(&p);
}
