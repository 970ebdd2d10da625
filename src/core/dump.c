/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump: the pool as text, from a signal handler, of a pool that is wedged.  So no lock, no memory, no stdio:
 * a buffer on the stack, a formatter of its own, and one way out.  It reads what others write meanwhile; what
 * it shows may then be old and new at once, and it never follows what may have gone.
 */
#include "core/backoff.h"
#include "core/pool.h"
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

/* Somebody else's text: it must not look like a line of ours. */
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

/* What is the lock's, copied without it. */
typedef struct counts {
	uint32_t fresh, max_size, waiting, workers, failures;
	int64_t failing_since_ns, next_open_ns;
	bool down, closing;
} counts;

/*
 * Plain fields, which the lock's holder may be writing.  Each is one aligned word, read once: old or new, never
 * a mixture, on every machine this runs on.  Nothing is followed but the chunks, which once seen stay as long as
 * the pool; a slot that is not set up yet is all zero, which is EMPTY.
 */
static QP_NO_TSAN counts
read_counts(const qpool *pool)
{
	const volatile qpool *now = pool;
	uint32_t there = 0;
	counts c;

	for (uint32_t i = 0; i < QP_CHUNKS && now->chunks[i] != NULL; i++)
		there += QP_CHUNK_LEAST << i;
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

void
qpool_dump(const qpool *pool, int fd)
{
	page p;
	counts c;

	p.fd = fd;
	p.is_full = false;
	p.used = 0;
	if (qp_pool_look(pool, NULL) != QPOOL_OK) {
		put(&p, "queuepool: no pool\n");
		flush(&p);
		return;
	}
	c = read_counts(pool);
	put(&p, "queuepool '");
	put_foreign(&p, pool->name);
	put(&p, "' of kind ");
	put_foreign(&p, pool->kind);
	put_count(&p, ", max_size ", c.max_size, c.closing ? ", closing\n" : "\n");
	put_states(&p, pool, &c);
	put_backoff(&p, &c, qp_clock_now());
	put_slots(&p, pool, &c);
	flush(&p);
}
