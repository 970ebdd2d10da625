/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stop: Ctrl-C and its kin, turned into a word the waiting thread reads.  The first signal asks for an
 * orderly end; a second one, or two that come together, kill the program at once, after the emergency hook.
 */
#ifndef CLI_STOP_H
#define CLI_STOP_H

#include <stdbool.h>

#include <queuepool.h>

/* From now on SIGINT, SIGTERM and SIGHUP are caught (unless they were ignored: nohup stays nohup).  Before
 * any other thread is started: those inherit that they are not the ones disturbed.  False with errno set
 * when the system refuses. */
bool stop_catch(void);
/* Run on a second signal, by a thread of its own while all others go on.  May be NULL. */
void stop_at_once(void (*hook)(void));
/* 0, or the first signal that came. */
int stop_signal(void);
/* Before words or an end of its own, a thread comes in here.  It does not come out when the program is being
 * killed: what it would say is only what the hook has taken away beneath it. */
void stop_settle(void);
/* Sleep until a signal comes, someone nudges, or `timeout` is over.  One thread waits. */
void stop_wait(qpool_nsec timeout);
void stop_nudge(void);

#endif
