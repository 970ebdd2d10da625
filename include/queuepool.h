/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool.h - the whole interface: lend costly resources to many threads and get them back.
 *
 * Shape.   A `qpool` owns up to max_size resources, made by your `qpool_ops`.  A thread holds one
 *          through a `qpool_lease`; exactly one release, discard or detach ends it.  You may move a
 *          lease (copy it and forget the old copy); ending both copies is detected.
 * Threads. Every function may be called from any thread unless its comment says otherwise.  No lock
 *          of the pool is ever held while your code (ops, events, hooks) runs.  Your code may call
 *          any function; one that would have to wait for the same pool returns EMISUSE.
 * Time.    Durations are nanoseconds on the monotonic clock.  A call turns its timeout into one
 *          absolute deadline; waking up early never starts the time again.
 * Zero.    In options 0 means "the default named beside the field"; QPOOL_ZERO and QPOOL_ZERO32
 *          mean a literal zero, QPOOL_FOREVER and QPOOL_NOLIMIT no limit.
 * Growth.  Structs that begin with `size` grow at the end only; start from their _init() value.
 * Errors.  0 is success.  A `qpool_error` is filled on failure, untouched on success, and may be
 *          NULL.  errno is preserved.
 * Fork.    A forked child finds its inherited pools empty and usable: what the parent had open is
 *          abandoned there, and nothing is sent on it.  Workers stay with the parent; counters
 *          begin anew.  (A child forked by a signal handler inside our functions may only exec.)
 * Cancel.  pthread_cancel ends a thread that waits for a resource, and the thread leaves the line.
 *          Elsewhere in this library, your callbacks included, a cancel stays pending.  A thread
 *          with asynchronous cancellation must disable it around these functions, as around most.
 */
#ifndef QUEUEPOOL_H
#define QUEUEPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QPOOL_VERSION_MAJOR 0
#define QPOOL_VERSION_MINOR 1
#define QPOOL_VERSION_PATCH 0

#if defined(__GNUC__)
#define QPOOL_API __attribute__((visibility("default")))
#define QPOOL_CHECKED __attribute__((warn_unused_result))
#define QPOOL_SCOPED __attribute__((cleanup(qpool_scope_end)))          /* ends by a release */
#define QPOOL_SCOPED_DISCARD __attribute__((cleanup(qpool_scope_fail))) /* ... by a discard */
#else
#define QPOOL_API
#define QPOOL_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- values ------------------------------------------------------------------------- */

typedef struct qpool qpool;  /* opaque; made by qpool_create */
typedef int64_t qpool_nsec;  /* a duration; negative only as a name below, else EINVAL */

#define QPOOL_DEFAULT ((qpool_nsec)-1) /* in timeouts: the pool's acquire_timeout */
/* Take what is idle now, else EAGAIN: never waits in line.  Asks the workers to open; opens on
 * this thread, within open_budget, only when the pool has no workers.  A check that is due
 * runs here, within step_budget. */
#define QPOOL_NOWAIT  ((qpool_nsec)0)
#define QPOOL_FOREVER INT64_MAX        /* also "no limit" in options */
#define QPOOL_ZERO    ((qpool_nsec)-2) /* in options: literally zero */
#define QPOOL_NOLIMIT UINT32_MAX
#define QPOOL_ZERO32  (UINT32_MAX - 1u)
#define QPOOL_MSEC(n) ((qpool_nsec)((n) * 1000000LL))
#define QPOOL_SEC(n)  ((qpool_nsec)((n) * 1000000000LL))

/* The one table of error codes: the enum, the names, the sentences and the manual come from it. */
#define QPOOL_ERRORS(X)                                                                     \
	X(QPOOL_OK,        0, "OK",       "success")                                        \
	X(QPOOL_EINVAL,    1, "EINVAL",   "an argument or option is outside its range")     \
	X(QPOOL_ENOMEM,    2, "ENOMEM",   "out of memory")                                  \
	X(QPOOL_EAGAIN,    3, "EAGAIN",   "nothing idle now, and the call may not wait")    \
	X(QPOOL_ETIMEOUT,  4, "ETIMEOUT", "no resource came free in time")                  \
	X(QPOOL_EBUSY,     5, "EBUSY",    "the line of waiters is full")                    \
	X(QPOOL_EOPEN,     6, "EOPEN",    "the resource could not be opened")               \
	X(QPOOL_EDENIED,   7, "EDENIED",  "the peer refuses: credentials, name or option")  \
	X(QPOOL_EFULL,     8, "EFULL",    "the peer has no room for another one now")       \
	X(QPOOL_ECHECK,    9, "ECHECK",   "the resource did not pass its check")            \
	X(QPOOL_ECANCEL,  10, "ECANCEL",  "the request was cancelled or interrupted")       \
	X(QPOOL_ECLOSED,  11, "ECLOSED",  "the pool is closing or closed")                  \
	X(QPOOL_EFORKED,  12, "EFORKED",  "the lease was taken before a fork, by the parent") \
	X(QPOOL_EMISUSE,  13, "EMISUSE",  "a stale, foreign or ended lease, or a wait inside a callback") \
	X(QPOOL_ENOTSUP,  14, "ENOTSUP",  "asked for something this build does not know")   \
	X(QPOOL_ESYS,     15, "ESYS",     "the operating system refused; see sys_errno")    \
	X(QPOOL_EPEER,    16, "EPEER",    "the peer answered with an error; see native")    \
	X(QPOOL_EUNKNOWN, 17, "EUNKNOWN", "the connection broke when it mattered: outcome unknown")

typedef enum {
#define QPOOL_X_(id, value, name, text) id = value,
	QPOOL_ERRORS(QPOOL_X_)
#undef QPOOL_X_
	QPOOL_ERR_FORCE_INT_ = INT32_MAX
} qpool_err;

/* Details of a failure, in the caller's memory.  This struct is frozen: it never grows. */
typedef struct qpool_error {
	qpool_err code;
	int32_t   sys_errno;    /* errno at the place of failure, or 0 */
	char      native[8];    /* the peer's own code as text: SQLSTATE, SMTP reply; or "" */
	char      message[240]; /* one sentence: the cause, then counts, then holders if they fit */
} qpool_error;

/* Why a resource was closed. */
typedef enum {
	QPOOL_WHY_IDLE = 1,  /* idle longer than max_idle */
	QPOOL_WHY_AGE,       /* open longer than max_age less its jitter */
	QPOOL_WHY_USES,      /* lent max_uses times */
	QPOOL_WHY_DISCARDED, /* its holder spoiled or discarded it */
	QPOOL_WHY_CHECK,     /* peek or check failed */
	QPOOL_WHY_RESET,     /* reset failed */
	QPOOL_WHY_RENEWED,   /* qpool_renew */
	QPOOL_WHY_SHRUNK,    /* more than max_size, or another key needed its place (keyed) */
	QPOOL_WHY_CLOSED,    /* the pool closed */
	QPOOL_WHY_FORCE_INT_ = INT32_MAX
} qpool_why;

/* ---- what a resource is ------------------------------------------------------------- */

/* What open, check and reset are told.  `budget` is the configured one, or the caller's time left
 * if that is less. */
typedef struct qpool_step {
	size_t      size;
	qpool_nsec  budget;
	const char *key;       /* the key, in a keyed pool; else NULL */
	bool        on_worker; /* false: it runs on a caller's thread, which waits for it */
} qpool_step;

/* Your code.  The pool holds no lock while it runs, and never runs two of these on one resource at
 * the same time. */
typedef struct qpool_ops {
	size_t      size;
	const char *kind; /* "postgres"...: for messages, dumps and typed accessors; static text */
	/* Open a resource.  Required.  EDENIED and EFULL are passed on; every other
	 * failure is EOPEN. */
	qpool_err (*open)(void *user, const qpool_step *step, void **out, qpool_error *error);
	/* Close a resource.  Required.  Cannot fail; must not block for long. */
	void (*close)(void *user, void *resource, qpool_why why);
	/* Before an idle resource is lent: does it look alive from here?  Sends nothing, waits for
	 * nothing.  EAGAIN: cannot tell, run check. */
	qpool_err (*peek)(void *user, void *resource, qpool_error *error);
	/* Ask the peer: after check_after idle, when peek could not tell, or when the
	 * pool suspects it.  EAGAIN: no answer within the budget, but ask again.  If the
	 * caller had less time than step_budget, a worker or a later caller then does,
	 * instead of closing the resource. */
	qpool_err (*check)(void *user, void *resource, const qpool_step *step, qpool_error *error);
	/* After a lease: make it as good as new (roll back, RSET...).  A failure closes the
	 * resource.  EAGAIN on a caller's thread: run me again on a worker. */
	qpool_err (*reset)(void *user, void *resource, const qpool_step *step, qpool_error *error);
	/* Once after open: a short name for people ("pid 4711 at db1:5432"), up to `room` bytes
	 * with the NUL.  Shown by qpool_each and qpool_dump; keep secrets out of it. */
	void (*describe)(void *user, void *resource, char *out, size_t room);
	/* In a forked child: let go of the parent's resource, sending nothing.  NULL:
	 * leave it alone. */
	void (*abandon)(void *user, void *resource);
	/* Once, after the last close: free `user`; in a forked child, its copy. */
	void (*destroy)(void *user);
} qpool_ops;

/* ---- a pool ------------------------------------------------------------------------- */

typedef struct qpool_event qpool_event;
typedef void qpool_event_fn(void *user, qpool *pool, const qpool_event *event);

enum { QPOOL_NEWEST_FIRST = 0, QPOOL_OLDEST_FIRST = 1 };            /* options.order */
enum { QPOOL_OPEN_RETRY = 0, QPOOL_OPEN_TELL = 1 };                 /* options.open_failure */
enum { QPOOL_STRICT = 1u << 0, QPOOL_RESET_ON_WORKERS = 1u << 1 };  /* options.flags */

typedef struct qpool_options {
	size_t      size;
	const char *name;            /* copied; default: ops->kind */
	uint32_t    max_size;        /* default 10, at most 65,535; ZERO32: none, acquires wait */
	uint32_t    min_idle;        /* default 0; only workers keep so many idle */
	uint32_t    max_waiters;     /* default QPOOL_NOLIMIT */
	uint32_t    max_uses;        /* default QPOOL_NOLIMIT leases of one resource */
	uint32_t    max_opening;     /* default 4: opens in flight at once */
	uint32_t    order;           /* default QPOOL_NEWEST_FIRST, which keeps the fewest open */
	uint32_t    open_failure;    /* default RETRY until the deadline; TELL: fail at once */
	uint32_t    flags;           /* default none; STRICT: misuse aborts instead of EMISUSE;
	                              * RESET_ON_WORKERS: resets run there if there are workers */
	uint32_t    age_jitter;      /* default 10: at most this percentage of max_age is taken
	                              * off, drawn at open */
	uint32_t    reserved_;       /* must be 0 */
	qpool_nsec  acquire_timeout; /* default 30 s: what QPOOL_DEFAULT means */
	qpool_nsec  max_overtake;    /* default 1.25 ms: newcomers may overtake a head of the
	                              * line that has waited for less */
	qpool_nsec  max_idle;        /* default 10 min since last release */
	qpool_nsec  max_age;         /* default 30 min since open */
	qpool_nsec  check_after;     /* default 30 s idle */
	qpool_nsec  open_budget;     /* default 10 s */
	qpool_nsec  step_budget;     /* default 1 s: check, reset */
	qpool_nsec  retry_min;       /* default 50 ms: pause after a failed open; then doubled
	                              * up to ...; ZERO: none */
	qpool_nsec  retry_max;       /* default 5 s, with full jitter; at most 100 ms while
	                              * someone waits */
	qpool_nsec  down_after;      /* default 5 s with every open failing and none open
	                              * (EDENIED: at once): then acquires fail at once with the
	                              * cause, and one probe at a time goes on */
	qpool_nsec  maintain_every;  /* default 30 s between two passes of the workers */
	qpool_nsec  held_long;       /* default QPOOL_FOREVER; past it EV_HELD_LONG is told */
	uint64_t    event_mask;      /* bits 1 << type; default: all but ACQUIRED and RELEASED */
	qpool_event_fn *on_event;    /* default none */
	void       *event_user;
	char        name_text[104];  /* used if `name` is NULL and this is not "":
	                              * nothing to keep alive */
} qpool_options;

/* The only inline functions here: they store the size that *your* compiler saw. */
#define QPOOL_INIT_(type) \
	static inline type type##_init(void) { type v; memset(&v, 0, sizeof v); v.size = sizeof v; return v; }
QPOOL_INIT_(qpool_options)
QPOOL_INIT_(qpool_ops)

/* Read options from text, as in a URL's query or an environment variable:
 * "max_size=20&max_idle=5min".  Names are the fields'.  Durations have a unit (ns us ms s min h),
 * or are 0 or forever; counts may be 0 or nolimit; a 0 here is a literal zero.
 * order=newest|oldest, open_failure=retry|tell, flags=strict,reset_on_workers,
 * event_mask=opened,closed...; %XX and + are decoded.  What the text does not name stays.  EINVAL
 * names the word and leaves *options unchanged.  NULL and "" do nothing. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_options_parse(qpool_options *options, const char *text,
    qpool_error *error);
/* Make a pool; opens nothing yet.  Copies ops and options; on OK, and only then, `user` is
 * the pool's.  NULL options: all defaults.  EINVAL names the option, its value and its
 * range.  ENOTSUP, ENOMEM, ESYS. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_create(qpool **out, const qpool_options *options,
    const qpool_ops *ops, void *user, qpool_error *error);
/* Start `count` (1 to 1024) more worker threads, named, with signals blocked.  They open,
 * close, maintain and keep min_idle; a waiter gets whichever comes first, a returned or a new
 * resource.  Callers no longer open: have one more worker than callbacks that may hang at once.
 * All or none: ESYS when the system gives no thread.  EINVAL, ENOMEM, ECLOSED; EMISUSE while
 * qpool_stop is at work. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_start(qpool *pool, unsigned count, qpool_error *error);
/* Stop and join the workers: each ends its callback, and the jobs handed to them (closes, resets,
 * checks) are done.  The pool goes on without.  EMISUSE in a callback. */
QPOOL_API qpool_err qpool_stop(qpool *pool);
/* One maintenance pass, now, on this thread: closes idle resources that are past their limits, one
 * at a time, so the pool is never emptied by it; tells of leases held long and of holders that have
 * exited.  Returns how many it closed.  Runs close. */
QPOOL_API size_t qpool_maintain(qpool *pool);
/* For readiness probes: wait until n (at most max_size) are open and idle at once.  Workers open
 * them; without workers this thread does.  ETIMEOUT with the last cause; EOPEN, EDENIED, EFULL once
 * the pool is down; ECLOSED; EINVAL; EMISUSE in a callback. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_wait_ready(qpool *pool, uint32_t n, qpool_nsec timeout,
    qpool_error *error);
/* Put a resource that you opened into an empty slot; its age and uses begin now.  On
 * failure it stays yours: EAGAIN when there is no empty slot, ECLOSED, EINVAL; in a
 * forked child also ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_adopt(qpool *pool, void *resource, qpool_error *error);
/* Change limits at run time.  Here a field that is 0 stays as it is.  All or nothing: EINVAL names
 * what is out of range, or fixed since create: name, order, open_failure, flags, on_event,
 * event_user.  Never takes a resource from its holder, so shrinking may lag (stats.over); idle
 * resources that are too many are closed now.  Tells EV_CONFIGURED.  ECLOSED; ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_configure(qpool *pool, const qpool_options *options,
    qpool_error *error);
/* Retire everything that is open now: idle resources at once (by a worker if there is one), leased
 * ones when they come back, those being opened instead of being lent.  Runs close. */
QPOOL_API void qpool_renew(qpool *pool);
/* Have every idle resource checked before its next use: its peer may just have died.  The
 * pool does so by itself after the machine was suspended: the boot clock went on, the
 * monotonic one did not. */
QPOOL_API void qpool_suspect(qpool *pool);
QPOOL_API void qpool_pause(qpool *pool);  /* acquires wait, within their deadlines */
QPOOL_API void qpool_resume(qpool *pool); /* one resume ends any number of pauses */
/* Refuse new acquires, wake waiters with ECLOSED, stop the workers, close what is idle, and wait
 * for the leases to end, until timeout (ETIMEOUT).  May be repeated.  After OK no callback runs and
 * no thread of ours lives.  EMISUSE in a callback.  A forked child does not wait for leases from
 * before the fork: their resources are abandoned when they end, and destroy runs after the last. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_close(qpool *pool, qpool_nsec timeout);
/* Close and free.  With leases out, or in a callback, it does not wait: the last one to leave frees
 * the pool.  Otherwise it waits for the workers only, as qpool_stop does.  NULL is fine.
 * Afterwards do not use the pool; its leases may still end. */
QPOOL_API void qpool_free(qpool *pool);

/* ---- a lease ------------------------------------------------------------------------ */

/* Held by one thread at a time.  All zero is the empty lease.  In a forked child, the
 * thread that forked may go on using a lease from before; ending it abandons the
 * resource and returns EFORKED. */
typedef struct qpool_lease {
	void    *resource; /* yours until the lease ends */
	void    *slot_;    /* the pool's */
	uint64_t turn_;    /* the pool's: a second end is told by it */
} qpool_lease;
#define QPOOL_LEASE_INIT { NULL, NULL, 0 }

/* Everything an acquire can be told. */
typedef struct qpool_request {
	size_t      size;
	qpool_nsec  timeout; /* QPOOL_NOWAIT (0), a duration, QPOOL_DEFAULT or QPOOL_FOREVER */
	const char *site;    /* where in the program: static text, QPOOL_SITE */
	const char *label;   /* what for: static text, or from qpool_intern */
	/* Runs on the waiting thread, with no lock held, after a signal was handled while it slept,
	 * and every `interrupt_every` (0: after signals only).  Nonzero ends the wait with ECANCEL.
	 * While it runs the place in line is kept, and what comes free goes to those behind. */
	int       (*interrupted)(void *user);
	void       *interrupt_user;
	qpool_nsec  interrupt_every;
} qpool_request;
QPOOL_INIT_(qpool_request)

/* Borrow a resource: an idle one, else a new one, else wait in line.  On failure *out is empty.
 * ETIMEOUT (with the last cause), EAGAIN, EBUSY, ECANCEL, ECLOSED; EMISUSE if it would wait in a
 * callback; EOPEN, EDENIED, EFULL as options.open_failure and down_after say; EINVAL, ENOTSUP; in a
 * forked child ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_acquire(qpool *pool, qpool_nsec timeout,
    qpool_lease *out, qpool_error *error);
QPOOL_API QPOOL_CHECKED qpool_err qpool_acquire_at(qpool *pool, qpool_nsec timeout,
    qpool_lease *out, qpool_error *error, const char *site);
QPOOL_API QPOOL_CHECKED qpool_err qpool_acquire_with(qpool *pool, const qpool_request *request,
    qpool_lease *out, qpool_error *error);
#define QPOOL_SITE_STR2_(x) #x
#define QPOOL_SITE_STR_(x)  QPOOL_SITE_STR2_(x)
#define QPOOL_SITE          __FILE__ ":" QPOOL_SITE_STR_(__LINE__)
/* The macro records where the call is; the function of the same name is for pointers and FFI. */
#define qpool_acquire(pool, timeout, out, error) \
	qpool_acquire_at((pool), (timeout), (out), (error), QPOOL_SITE)
/* Borrow n (1 to max_size), or none, into out[0] to out[n-1], under one deadline.  Callers that
 * want several are served one after the other, so they never deadlock among themselves; a thread
 * that already holds leases of this pool still can.  Each lease ends by itself.  On failure all n
 * are empty (with n above 65,535 they are not touched). */
QPOOL_API QPOOL_CHECKED qpool_err qpool_acquire_many(qpool *pool, uint32_t n,
    const qpool_request *request, qpool_lease *out, qpool_error *error);

/* Give the resource back and empty the lease.  An empty lease is a no-op.  A stale or foreign one
 * is EMISUSE and changes nothing; one from before a fork is EFORKED.  Never fails otherwise, never
 * allocates.  May run reset (within step_budget), or close. */
QPOOL_API qpool_err qpool_release(qpool_lease *lease);
/* Mark the resource as broken: the coming release closes it.  Call it on the error path. */
QPOOL_API qpool_err qpool_spoil(qpool_lease *lease);
/* Spoil and release in one. */
QPOOL_API qpool_err qpool_discard(qpool_lease *lease);
/* Take the resource out of the pool for good: you must close it (in a forked child, if it is from
 * before the fork: let go of it and send nothing).  Its slot is empty again.  NULL for an empty,
 * stale or foreign lease. */
QPOOL_API QPOOL_CHECKED void *qpool_detach(qpool_lease *lease);
/* Say what the lease is for: static text, or from qpool_intern.  No effect on a stale lease. */
QPOOL_API void qpool_label(qpool_lease *lease, const char *label);
/* A copy of text that lives as long as the pool: one copy for equal texts; NULL when there is no
 * memory.  Nothing is freed before the pool, so keep the number of different labels small. */
QPOOL_API const char *qpool_intern(qpool *pool, const char *text);
/* The resource's number, never reused in a pool; 0 for an empty, stale or foreign lease. */
QPOOL_API uint64_t qpool_resource_id(const qpool_lease *lease);
/* The pool of the lease; NULL for the empty lease. */
QPOOL_API qpool *qpool_of(const qpool_lease *lease);
/* What max_age, max_idle and max_uses are measured against, for a binding that keeps its
 * own: times as nanoseconds ago, and a count.  EMISUSE for a stale or foreign lease,
 * EINVAL for negative times. */
typedef struct qpool_times {
	size_t     size;
	qpool_nsec opened; /* for max_age: since open; setting it draws no new jitter */
	qpool_nsec used;   /* for max_idle: since the lease before this one ended, or since open */
	uint64_t   uses;   /* for max_uses: leases so far, this one included */
} qpool_times;
QPOOL_INIT_(qpool_times)
QPOOL_API QPOOL_CHECKED qpool_err qpool_get_times(const qpool_lease *lease, qpool_times *out);
QPOOL_API QPOOL_CHECKED qpool_err qpool_set_times(qpool_lease *lease, const qpool_times *times);
QPOOL_API void qpool_scope_end(qpool_lease *lease);  /* what QPOOL_SCOPED runs */
QPOOL_API void qpool_scope_fail(qpool_lease *lease); /* what QPOOL_SCOPED_DISCARD runs */

/* ---- looking ------------------------------------------------------------------------ */

typedef enum {
	QPOOL_EV_OPENED = 1, QPOOL_EV_OPEN_FAILED, QPOOL_EV_CLOSED, QPOOL_EV_ACQUIRED,
	QPOOL_EV_RELEASED, QPOOL_EV_WAITED, QPOOL_EV_TIMED_OUT,
	QPOOL_EV_REFUSED,     /* at once: line full or pool down; as stats.refusals */
	QPOOL_EV_HELD_LONG,   /* once a lease, past held_long, as a worker, qpool_maintain
	                       * or an acquire that timed out finds */
	QPOOL_EV_HELD_BACK,   /* a lease that was told as HELD_LONG has ended */
	QPOOL_EV_HOLDER_GONE, /* once a lease: its thread has exited; found as HELD_LONG */
	QPOOL_EV_DOWN, QPOOL_EV_UP, QPOOL_EV_CONFIGURED, QPOOL_EV_MISUSE,
	QPOOL_EV_FORCE_INT_ = INT32_MAX
} qpool_event_type;

/* Events of one resource come in order, those of two in any.  OPENED; for each lease ACQUIRED,
 * HELD_LONG and HOLDER_GONE if they come, HELD_BACK, RELEASED; at last CLOSED.  If a lease ends
 * while a thread tells of it, that thread finishes the lease and tells of its end. */
struct qpool_event {
	size_t             size;
	qpool_event_type   type;
	qpool_why          why;         /* CLOSED only */
	uint64_t           resource_id; /* never reused in a pool; 0 where none */
	qpool_nsec         took;        /* by type: time to open, in line, lent; CLOSED: open */
	const qpool_error *error;       /* of a failure, or of what led to a CLOSED; else NULL */
	const char        *site;        /* ACQUIRED, RELEASED, WAITED, TIMED_OUT, REFUSED;
	                                 * or NULL */
	const struct qpool_entry *entry; /* the lease: HELD_LONG, HELD_BACK, HOLDER_GONE; or NULL */
	const char        *key;         /* the key, in a keyed pool; else NULL */
};

typedef struct qpool_stats {
	size_t   size;
	uint32_t max_size, min_idle, workers, waiting;
	/* Each slot is read once.  The sum is max_size, or max_size + over while shrinking lags or,
	 * in a forked child, while leases from before the fork are out.  `exact`: two passes
	 * agreed, so the counts were true at one instant. */
	uint32_t empty, opening, idle, checking, leased, resetting, closing, over;
	uint32_t exact, down;
	/* Since creation, or since the fork; each only grows.  closes[why]; closes[0] counts
	 * detached resources and those a child abandoned.  So opens (in a child, with what it
	 * inherited) = what is open + the sum of closes. */
	uint64_t acquires, acquires_waited, timeouts, refusals, cancels;
	uint64_t opens, open_failures, checks_failed, resets_failed, misuses, closes[16];
	uint64_t wait_ns, wait_ns_max, open_ns, open_ns_max;
	uint32_t open_peak, leased_peak, waiting_peak, keys; /* keys: those of a keyed pool now */
} qpool_stats;
QPOOL_INIT_(qpool_stats)
QPOOL_API void qpool_get_stats(const qpool *pool, qpool_stats *out);

/* Durations, counted in buckets: log-linear, 16 to each doubling; every duration fits.  To merge
 * two, add them field by field (max_ns: the larger). */
typedef enum {
	QPOOL_HIST_WAIT = 1, /* in line, of acquires that waited */
	QPOOL_HIST_OPEN,     /* inside open, failed ones too */
	QPOOL_HIST_HELD,     /* of leases: the first of each slot and every 64th after it */
	QPOOL_HIST_FORCE_INT_ = INT32_MAX
} qpool_hist_kind;
#define QPOOL_HIST_BUCKETS 1024
typedef struct qpool_hist {
	size_t   size;
	uint64_t count, sum_ns, max_ns;
	uint64_t bucket[QPOOL_HIST_BUCKETS];
} qpool_hist;
QPOOL_INIT_(qpool_hist)
/* Since creation, in a forked child since the fork.  EINVAL. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_get_hist(const qpool *pool, qpool_hist_kind kind,
    qpool_hist *out);
/* The longest duration that bucket i counts; QPOOL_FOREVER from the last bucket on. */
QPOOL_API qpool_nsec qpool_hist_bound(unsigned bucket);
/* The duration that a share q (0 to 1) of them does not exceed, at most 1/16 too long;
 * 0 if none. */
QPOOL_API qpool_nsec qpool_hist_quantile(const qpool_hist *hist, double q);

/* One resource, as qpool_each shows it; texts live until the callback returns. */
typedef struct qpool_entry {
	size_t      size;
	uint64_t    resource_id; /* 0 while it is being opened */
	const char *state;       /* "idle", "leased", "opening", ... */
	const char *describe;    /* what ops.describe said, or "" */
	const char *site, *label; /* the holder's, or NULL */
	uint64_t    thread;      /* the holder's OS thread id, or 0 */
	bool        gone;        /* that thread has exited */
	qpool_nsec  age, idle, held; /* 0 where they do not apply */
	uint64_t    uses;
	const char *key;         /* the key, in a keyed pool; else NULL */
} qpool_entry;
typedef bool qpool_each_fn(void *user, const qpool_entry *entry); /* false stops */
/* Show fn every slot that is not empty, each as it was at one instant; returns how many.  No lock
 * is held while fn runs. */
QPOOL_API size_t qpool_each(qpool *pool, qpool_each_fn *fn, void *user);
/* The same, and the counts, as text to a file descriptor.  Async-signal-safe: takes no lock, works
 * on a wedged pool.  What changes meanwhile may show as a mixture of old and new. */
QPOOL_API void qpool_dump(const qpool *pool, int fd);

QPOOL_API const char *qpool_name(const qpool *pool);
QPOOL_API const char *qpool_kind(const qpool *pool);
QPOOL_API const char *qpool_err_name(qpool_err err); /* "ETIMEOUT" */
QPOOL_API const char *qpool_err_text(qpool_err err); /* the sentence; never NULL */
QPOOL_API const char *qpool_why_name(qpool_why why); /* "max age"; never NULL */
QPOOL_API const char *qpool_version(void);           /* of the loaded library */

/* ---- a pool for each key ------------------------------------------------------------- */

/* Resources of one kind for many keys (tenants, hosts): at most max_size in all and max_per_key for
 * each key.  One fair line: keys with waiters get equal shares of what is handed over, however many
 * wait for another key.  When all places are taken, the resource idle for longest, of any key, is
 * closed to make room for a key that needs one (if that key's opens fail: after its whole pause,
 * even if somebody waits).  A key exists while it has a resource, a lease or a waiter; that its
 * opens fail is remembered for retry_max after the last failure.  Leases end by the functions
 * above.  Callers open and close: there are no workers.  Back-off and down_after are each key's
 * own.  qpool_of(lease) is the pool of the lease's key: while the lease is out you may look at it,
 * maintain, renew or suspect it, and acquire one more from it.  What would change or end that pool
 * is EMISUSE, and so is an acquire once its key is gone. */
typedef struct qpool_keyed qpool_keyed;

/* Options as for qpool_create, for each key; but max_size is that of all keys together, and
 * min_idle must be 0.  max_per_key: 1 to max_size, or 0 for max_size.  ops.open, check and reset
 * are told the key by step->key.  Errors as for qpool_create. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_keyed_create(qpool_keyed **out,
    const qpool_options *options, uint32_t max_per_key, const qpool_ops *ops, void *user,
    qpool_error *error);
/* As qpool_acquire, for this key: 1 to 255 bytes, copied; else EINVAL. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_keyed_acquire(qpool_keyed *keyed, const char *key,
    qpool_nsec timeout, qpool_lease *out, qpool_error *error);
QPOOL_API QPOOL_CHECKED qpool_err qpool_keyed_acquire_with(qpool_keyed *keyed, const char *key,
    const qpool_request *request, qpool_lease *out, qpool_error *error);
QPOOL_API QPOOL_CHECKED qpool_err qpool_keyed_acquire_at(qpool_keyed *keyed, const char *key,
    qpool_nsec timeout, qpool_lease *out, qpool_error *error, const char *site);
#define qpool_keyed_acquire(keyed, key, timeout, out, error) \
	qpool_keyed_acquire_at((keyed), (key), (timeout), (out), (error), QPOOL_SITE)
/* As the functions of a pool; for one key or, with key NULL, for all (stats.down
 * then counts keys). */
QPOOL_API void qpool_keyed_renew(qpool_keyed *keyed, const char *key);
QPOOL_API void qpool_keyed_suspect(qpool_keyed *keyed, const char *key);
QPOOL_API void qpool_keyed_get_stats(const qpool_keyed *keyed, const char *key, qpool_stats *out);
QPOOL_API size_t qpool_keyed_maintain(qpool_keyed *keyed);
QPOOL_API size_t qpool_keyed_each(qpool_keyed *keyed, qpool_each_fn *fn, void *user);
QPOOL_API void qpool_keyed_dump(const qpool_keyed *keyed, int fd);
QPOOL_API QPOOL_CHECKED qpool_err qpool_keyed_close(qpool_keyed *keyed, qpool_nsec timeout);
QPOOL_API void qpool_keyed_free(qpool_keyed *keyed);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_H */
