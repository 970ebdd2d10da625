/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forkmark: pthread_atfork and MADV_WIPEONFORK.  The generation is kept twice.  A fork copies
 * `forks`, which says how far the count has come, and wipes the page, which says whether this
 * process has counted.
 *
 *   page: generation ── fork ──→ 0 ── first look ──→ COUNTING ──→ generation + 1
 *
 * Nobody can hold the new generation before it stands in the page, and by then `forks` has grown.
 * So a child forked at any moment in between, whose page is 0 again, goes on from a number that
 * nobody used.
 */
#include "platform/forkmark.h"

#include "platform/park.h"
#include "platform/testing.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNTING UINT32_MAX

/* Used before the first watch, and where no page can be wiped. */
static qp_atomic_u32 plain;
qp_atomic_u32 *qp_forkmark_page = &plain;

/* relaxed: written by the thread that counts; other threads read it only after the page, whose
 * release publishes it. */
static qp_atomic_u32 forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int installed; /* ordered by pthread_once */
/* Written by release, pairs with the acquire in in_child: what the function needs is in place. */
static void (*_Atomic told)(void);

static void
count(void)
{
	qp_store_relaxed(&forks, qp_load_relaxed(&forks) + 1);
	/* release, pairs with the acquire in qp_forkmark_settle: `forks` is written first. */
	qp_store_release(qp_forkmark_page, qp_load_relaxed(&forks));
}

uint32_t
qp_forkmark_settle(void)
{
	uint32_t now;

	while ((now = qp_load_acquire(qp_forkmark_page)) == 0 || now == COUNTING) {
		if (now == 0 && qp_cas_acq_rel(qp_forkmark_page, 0, COUNTING))
			count();
		else
			qp_yield();
	}
	return now;
}

/* Runs on the child's only thread, which may have forked anywhere: it takes no lock and no memory,
 * nothing that another thread of the parent may have held.  An earlier fork handler may have looked
 * already; then this fork is counted. */
static void
in_child(void)
{
	void (*tell)(void) = atomic_load_explicit(&told, memory_order_acquire);

	if (qp_forkmark_page == &plain || qp_forkmark_now() == COUNTING)
		count();
	else
		(void)qp_forkmark_settle();
	if (tell != NULL)
		tell();
}

/* A page that the kernel wipes in every child; NULL where there is none to be had. */
static qp_atomic_u32 *
wiped_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int refused;

	if (page == MAP_FAILED)
		return NULL;
	refused = madvise(page, size, MADV_WIPEONFORK); /* unknown before Linux 4.14 */
#if QP_TESTING
	refused = refused != 0 || qp_testing_fault(QP_FAULT_WIPE);
#endif
	if (refused == 0)
		return page;
	(void)munmap(page, size);
	return NULL;
}

static void
install(void)
{
	qp_atomic_u32 *page = wiped_page();

	if (page != NULL)
		qp_forkmark_page = page;
	count();
	installed = pthread_atfork(NULL, NULL, in_child);
}

int
qp_forkmark_watch(void)
{
	int keep = errno;

	(void)pthread_once(&once, install);
	errno = keep;
	return installed;
}

void
qp_forkmark_tell(void (*function)(void))
{
	atomic_store_explicit(&told, function, memory_order_release);
}
