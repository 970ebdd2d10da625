/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wakeup: a descriptor that becomes readable when told to, for programs that wait in poll(2) and
 * not in the pool.  It never blocks.
 */
#ifndef QP_PLATFORM_WAKEUP_H
#define QP_PLATFORM_WAKEUP_H

typedef struct qp_wakeup {
	int fd; /* poll it for reading; never read it */
} qp_wakeup;

/* 0 or an errno. */
int qp_wakeup_open(qp_wakeup *wakeup);
void qp_wakeup_close(qp_wakeup *wakeup);
/* Make it readable.  From any thread; never blocks. */
void qp_wakeup_raise(const qp_wakeup *wakeup);
/* Make it unreadable again. */
void qp_wakeup_clear(const qp_wakeup *wakeup);

#endif
