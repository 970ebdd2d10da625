/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A clock that tests can step, for LD_PRELOAD.  clock_gettime tells the time since boot plus an offset, which
 * step_clock moves; the conftest of the tests loads it, and they call step_clock by ctypes.
 *
 * Deadlines that waits are given, libc's and futex(2), have been read from that clock; the kernel does not know of the
 * offset: it is taken off again here.  The clock of the wall is left alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Since then pthread_cond_t is what it is, on machines that had another one before. */
#define CONDITIONS "GLIBC_2.3.2"
#define NS         INT64_C(1000000000)
/* Since boot nobody has counted so many seconds; since 1970 everybody has. */
#define WALL_SECONDS 1000000000

static _Atomic int64_t offset_ns;

void step_clock(int64_t ns);

void
step_clock(int64_t ns)
{
	atomic_fetch_add(&offset_ns, ns);
}

static int
steppable(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE ||
	       clock == CLOCK_BOOTTIME;
}

static struct timespec
moved(const struct timespec *time, int64_t by)
{
	int64_t ns = time->tv_sec * NS + time->tv_nsec + by;
	struct timespec to;

	if (ns < 0)
		ns = 0;
	to.tv_sec = ns / NS;
	to.tv_nsec = ns % NS;
	return to;
}

/*
 * The next function of that name: libc's own.  Of two versions, the one in use: but what is not found makes the
 * loader allocate, which a sanitizer that calls syscall while it begins cannot bear.
 */
static void *
next(const char *name, const char *version)
{
	void *found = version == NULL ? NULL : dlvsym(RTLD_NEXT, name, version);

	if (found == NULL)
		found = dlsym(RTLD_NEXT, name);
	if (found == NULL)
		abort();
	return found;
}

/* All that is called by it takes integers and pointers, six at most. */
long
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header's names are reserved */
syscall(long number, ...)
{
	static _Atomic(long (*)(long, ...)) real;
	long argument[6];
	struct timespec to;
	va_list list;

	if (atomic_load(&real) == NULL)
		atomic_store(&real, (long (*)(long, ...))next("syscall", NULL));
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	/* The one futex wait with an absolute deadline. */
	if (number == SYS_futex && argument[3] != 0 &&
	    (argument[1] & (FUTEX_CMD_MASK | FUTEX_CLOCK_REALTIME)) == FUTEX_WAIT_BITSET) {
		to = moved((const struct timespec *)argument[3], -atomic_load(&offset_ns));
		argument[3] = (long)&to;
	}
	return atomic_load(&real)(
	    number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header's names are reserved */
clock_gettime(clockid_t clock, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, clock, now) != 0)
		return -1;
	if (steppable(clock))
		*now = moved(now, atomic_load(&offset_ns));
	return 0;
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header's names are reserved */
sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *deadline)
{
	int (*real)(sem_t *, clockid_t, const struct timespec *) = next("sem_clockwait", NULL);
	struct timespec to = moved(deadline, steppable(clock) ? -atomic_load(&offset_ns) : 0);

	return real(sem, clock, &to);
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header's names are reserved */
pthread_cond_clockwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline)
{
	int (*real)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *) =
	    next("pthread_cond_clockwait", NULL);
	struct timespec to = moved(deadline, steppable(clock) ? -atomic_load(&offset_ns) : 0);

	return real(cond, mutex, clock, &to);
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header's names are reserved */
pthread_cond_timedwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
	int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) =
	    next("pthread_cond_timedwait", CONDITIONS);
	struct timespec to =
	    moved(deadline, deadline->tv_sec < WALL_SECONDS ? -atomic_load(&offset_ns) : 0);

	return real(cond, mutex, &to);
}
