/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line.h - the engine of the Python package on the C pool: what its rooms share.
 *
 * A `line` is the base class of Pool.  Its slots, waits, limits, clocks and counters are those of one qpool; its
 * members are managers, Python objects whose hooks open, close and repair something costly.  A resource of the qpool
 * is a strong reference to a manager.  Everything below is changed with the interpreter's lock (GIL) held, which is
 * the lock of this struct; the qpool has its own, under which nothing of ours ever runs.
 *
 * Equations: in_line = managers VACANT or IDLE; the qpool's max_size = usable() = count - forked, or less while `most`
 * says that some are to go.  A manager is VACANT exactly while no slot of the qpool has it.
 */
#ifndef QUEUEPOOL_PYTHON_LINE_H
#define QUEUEPOOL_PYTHON_LINE_H

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <queuepool.h>

/* What the module knows: exceptions, names, the base hooks.  One for each interpreter. */
typedef struct lexicon {
	PyObject *error, *timeout, *busy, *closed; /* queuepool's exceptions */
	PyObject *open, *close, *take_repair, *put_repair, *is_open, *await_room, *room_came,
	    *populate, *f_lasti;
	PyObject *base_take_repair, *base_put_repair; /* of ResourceManager: need not be called */
	PyTypeObject *line_type;
} lexicon;

typedef enum { VACANT, IDLE, HELD } standing;

/*
 *            open            lend
 *   VACANT ---------> IDLE --------> HELD
 *     ^  ^             |  ^  putRepair |
 *     |  `-- close ----'  `------------|
 *     `----------- close --------------'
 */
typedef struct member {
	PyObject *
	    manager; /* a reference of ours, except while HELD: then it is the holder's, and `weak` watches */
	PyObject *weak;
	struct member *newer, *older; /* in the stack of the vacant */
	qpool_lease lease;            /* HELD */
	uint64_t serial;              /* names it to the qpool: ops.describe, qpool_each */
	uint64_t opened_token, used_token;
	int64_t opened_at, used_at, uses; /* what a program assigned; NOT_SET: the qpool's count */
	unsigned long thread;             /* the holder's, or whose hook runs */
	uint32_t depth;                   /* `with` blocks of this lease */
	uint8_t standing;
	bool in_hand; /* a hook of it runs, or is about to */
	bool stacked; /* in the stack of the vacant */
	bool before;  /* HELD since before the fork */
} member;

#define NOT_SET INT64_MIN

enum { SITES = 256 };
typedef struct site {
	PyObject *code;
	long at;
	const char *text;
} site;

typedef struct line {
	PyObject_HEAD lexicon *known;
	qpool *pool; /* NULL: not begun, or cleared */
	/* members: a table by address, half empty at least; count of them */
	member **table;
	size_t room, count, in_line, forked;
	member *newest, *oldest; /* the stack of the vacant */
	uint64_t serials;
	size_t bound, most;        /* most: members beyond it go when they become vacant; 0: none */
	unsigned putters, waiting; /* threads in put, for room; in take */
	unsigned forks;
	unsigned assigned; /* IDLE members with a time that a program set */
	/* What the qpool does not see: opens by a check, in the same slot; checks that raised, which are lent and then
	 * discarded; takeRepair of a vacant one that raised, which it takes for a failed open. */
	uint64_t reopened, failed_checks, failed_early;
	/* What it sees, and nobody asked for: leases of ours alone, and opens that were not tried. */
	uint64_t not_lent, not_tried;
	PyObject *max_idle, *max_age, *max_uses; /* as they were set; then as the qpool has them */
	qpool_nsec idle_ns, age_ns;
	uint32_t uses;
	bool at_once; /* one of them is none at all: whatever is idle has passed it */
	PyObject *on_event, *event_type, *gone;
	site sites[SITES];
	uint32_t texts; /* interned for sites */
	bool closing;
} line;

/*
 * One call of ours into the qpool, on this thread's stack; the callbacks find it by thread.  `saved` is the thread's
 * state while it has given up the GIL to wait.
 */
typedef struct call {
	struct call *below;
	line *self;
	PyThreadState *saved;
	PyObject *trouble; /* the first exception of a hook; the others hang on it */
	member *putting;
	unsigned forks;
	bool plain;    /* no hooks, but close */
	bool ends;     /* nor that: the line is garbage */
	bool spoiled;  /* what was lent is not fit */
	bool reopened; /* what was lent was opened by its check */
	bool repaired; /* putRepair has run */
	bool none_vacant;
	bool silent; /* an open that comes to nothing now is none that failed */
} call;

/* members.c */
member *member_find(const line *self, const PyObject *manager);
member *member_add(line *self, PyObject *manager); /* takes a reference; NULL with an exception */
PyObject *member_remove(line *self, member *m);    /* the reference, unless it was HELD */
void member_stack(line *self, member *m);          /* VACANT, as the newest */
void member_unstack(line *self, member *m);
void member_stand(line *self, member *m, standing to);
void member_in_hand(member *m); /* this thread's */
void member_forget_times(line *self, member *m);
size_t members_usable(const line *self);

/* call.c */
void call_begin(call *v, line *self);
call *call_of(const line *self);            /* the current one */
int call_end(call *v);                      /* -1: its trouble is raised now */
void call_say(call *v, qpool_error *error); /* its trouble, as the message */
void call_keep(call *v);                    /* the exception that is set becomes trouble */
void call_forgive(call *v);                 /* the same, but what is a mere error is dropped */
bool call_gil(call *v);                     /* take it if it was given up; true: it was */
void call_ungil(call *v, bool was_given_up);

/* hooks.c */
bool hook_run(call *v, member *m, PyObject *name, PyObject *base); /* false: trouble is kept */
int hook_is_open(PyObject *manager, const lexicon *known);         /* -1: exception */
bool hook_is_skipped(call *v, PyObject *manager, PyObject *name, PyObject *base);
void hook_close(call *v, member *m); /* if it is open; afterwards it reads as not open */
bool hook_open(call *v, member *m);  /* unless it is open */
void hook_abandon(
    line *self, member *m); /* the parent's: keep it from finalisers, and read as not open */
int set_open(PyObject *manager, const lexicon *known, bool is_open);

/* ops.c */
const qpool_ops *line_ops(void);
void line_event(void *user, qpool *pool, const qpool_event *event);

/* take.c */
PyObject *line_take(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names);
PyObject *line_put(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names);
PyObject *line_pull(PyObject *object, PyObject *patience);
PyObject *line_push(PyObject *object, PyObject *args);
PyObject *line_gone(PyObject *object, PyObject *weak);
int line_tell_of_room(line *self); /* to those that wait in put; -1: exception */

/* upkeep.c */
int line_fit(line *self);                            /* the qpool's max_size follows the members */
void line_hand_back(line *self, qpool_lease *lease); /* as if it had not been lent; it is IDLE */
PyObject *line_recycle(PyObject *object, PyObject *unused);
PyObject *line_stamps(PyObject *object, PyObject *manager);
PyObject *line_override(PyObject *object, PyObject *args);
PyObject *line_stats(PyObject *object, PyObject *unused);
PyObject *line_resize(PyObject *object, PyObject *args);
PyObject *line_close(PyObject *object, PyObject *patience);
PyObject *line_forked(PyObject *object, PyObject *unused);
bool member_is_passed(const line *self, const member *m); /* by the times that a program assigned */
int64_t now_ns(void);

/* limits.c */
int limit_seconds(PyObject *value, const char *what, qpool_nsec *out); /* None: for ever */
int limit_timeout(PyObject *value, qpool_nsec *out);
PyObject *limit_get_idle(PyObject *self, void *unused);
PyObject *limit_get_age(PyObject *self, void *unused);
PyObject *limit_get_uses(PyObject *self, void *unused);
int limit_set_idle(PyObject *object, PyObject *value, void *unused);
int limit_set_age(PyObject *object, PyObject *value, void *unused);
int limit_set_uses(PyObject *object, PyObject *value, void *unused);
int limits_apply(line *self, bool lifted); /* lifted: none, for a moment */
int line_raise(const line *self, qpool_err err, const qpool_error *error);

/* site.c */
const char *site_of_caller(line *self);
void sites_clear(line *self);

/* module.c */
bool line_is_begun(line *self); /* false: an exception is set */
PyObject *pin(PyObject *module, PyObject *object);

#endif
