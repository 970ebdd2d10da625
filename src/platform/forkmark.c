/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forkmark: pthread_atfork and MADV_WIPEONFORK.  The generation is kept twice: `forks` is copied by a fork
 * and says how far we were; the page is wiped by one and says whether that was this process.
 *
 *   page: generation ── fork ──→ 0 ── first look ──→ COUNTING ──→ generation + 1
 *
 * Nobody can hold the new generation before it stands in the page, and `forks` has grown by then.  So a
 * child forked at any moment in between, where the page is 0 again, goes on from a number that nobody used.
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

/* Before the first watch, and where no page can be wiped. */
static qp_atomic_u32 plain;
qp_atomic_u32 *qp_forkmark_page = &plain;

/* relaxed: written by who counts, and read by those whom the page lets through, by its release. */
static qp_atomic_u32 forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* ordered by pthread_once */
static int installed;
static void (*tell)(void);
static QP_THREAD_LOCAL void (*asked)(void); /* how it gets there */

static void
count(void)
{
	qp_store_relaxed(&forks, qp_load_relaxed(&forks) + 1);
	/* release, pairs with the acquire in qp_forkmark_settle: `forks` goes first. */
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

/* The child's only thread, which may have forked anywhere: no lock, no memory, nothing another thread of the
 * parent may have held.  Handlers that ran before this one may have looked already; then it is counted. */
static void
in_child(void)
{
	if (qp_forkmark_page == &plain || qp_forkmark_now() == COUNTING)
		count();
	else
		(void)qp_forkmark_settle();
	tell();
}

/* A page that is wiped in every child; NULL where there is none to be had. */
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
	tell = asked;
	count();
	installed = pthread_atfork(NULL, NULL, in_child);
}

int
qp_forkmark_watch(void (*tells)(void))
{
	int keep = errno;

	asked = tells;
	(void)pthread_once(&once, install);
	errno = keep;
	return installed;
}
