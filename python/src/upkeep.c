/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * upkeep: the size of the qpool, its times and counters, recycling, closing, and the child of a fork.  Pool's other
 * methods come in.  It lends nothing.
 */
#include "line.h"

#include <time.h>

int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int
line_fit(line *self)
{
	qpool_options options = qpool_options_init();
	uint32_t size = (uint32_t)members_usable(self);
	qpool_error error;
	qpool_err err;
	call v;

	if (self->closing)
		return 0;
	options.max_size = size == 0 ? QPOOL_ZERO32 : size;
	call_begin(&v, self);
	err = qpool_configure(self->pool, &options, &error);
	if (call_end(&v) < 0)
		return -1;
	return err == QPOOL_OK ? 0 : line_raise(self, err, &error);
}

/* ---- times that a program assigned ---- */

bool
member_is_passed(const line *self, const member *m)
{
	int64_t now = now_ns();

	return self->at_once || (m->used_at != NOT_SET && now - m->used_at > self->idle_ns) ||
	       (m->opened_at != NOT_SET && self->age_ns != QPOOL_FOREVER &&
		   now - m->opened_at >= self->age_ns) ||
	       (m->uses != NOT_SET && self->uses != QPOOL_NOLIMIT &&
		   m->uses >= (int64_t)self->uses);
}

static void
assign(line *self, member *m, int64_t *field, int64_t value)
{
	bool any = m->opened_at != NOT_SET || m->used_at != NOT_SET || m->uses != NOT_SET;

	*field = value;
	m->opened_token++;
	m->used_token++;
	if (!any && m->standing == IDLE)
		self->assigned++;
}

static void
assign_lent(member *m)
{
	qpool_times times = qpool_times_init();

	if (qpool_get_times(&m->lease, &times) != QPOOL_OK)
		return;
	if (m->opened_at != NOT_SET)
		times.opened = now_ns() > m->opened_at ? now_ns() - m->opened_at : 0;
	if (m->uses != NOT_SET)
		times.uses = (uint64_t)m->uses;
	(void)!qpool_set_times(&m->lease, &times);
	m->opened_at = m->uses = NOT_SET;
}

/* ---- times that a program assigned to what is idle ---- */

static size_t
idle_now(const line *self)
{
	size_t idle = 0;

	for (size_t i = 0; i < self->room; i++)
		idle += self->table[i] != NULL && self->table[i]->standing == IDLE &&
		        !self->table[i]->in_hand;
	return idle;
}

/* All that are idle, newest first, as they are: no limit closes one on the way. */
static size_t
take_idle(call *v, qpool_lease *leases, size_t most)
{
	size_t got = 0;

	v->plain = true;
	while (got < most &&
	       qpool_acquire_at(v->self->pool, QPOOL_NOWAIT, &leases[got], NULL, NULL) == QPOOL_OK)
		got++;
	v->self->not_lent += got;
	return got;
}

/* All its times are ours now.  The lease is none. */
static void
read_times(line *self, member *m, const qpool_lease *lease)
{
	qpool_times times = qpool_times_init();
	int64_t now = now_ns();

	if (qpool_get_times(lease, &times) != QPOOL_OK)
		return;
	self->assigned += m->opened_at == NOT_SET && m->used_at == NOT_SET && m->uses == NOT_SET;
	if (m->used_at == NOT_SET)
		m->used_at = now - times.used;
	if (m->opened_at == NOT_SET)
		m->opened_at = now - times.opened;
	if (m->uses == NOT_SET)
		m->uses = (int64_t)times.uses - 1;
}

/* The qpool gets age and uses; its idle time begins anew, so that one stays ours. */
static void
hand_back(member *m, qpool_lease *lease)
{
	qpool_times times = qpool_times_init();
	int64_t opened = now_ns() - m->opened_at;

	times.opened = opened > 0 ? opened : 0;
	times.uses = (uint64_t)m->uses;
	(void)!qpool_set_times(lease, &times);
	m->opened_at = m->uses = NOT_SET;
	(void)qpool_release(lease);
}

void
line_hand_back(line *self, qpool_lease *lease)
{
	member *m = member_find(self, lease->resource);

	read_times(self, m, lease);
	hand_back(m, lease);
}

/* The qpool sets times of leases only: so all that are idle are leased for a moment, and go back in their order. */
static int
assign_idle(line *self)
{
	size_t most = idle_now(self), got;
	qpool_lease *leases = PyMem_Calloc(most + 1, sizeof *leases);
	call v;

	if (leases == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	if (limits_apply(self, true) < 0) {
		PyMem_Free(leases);
		return -1;
	}
	call_begin(&v, self);
	got = take_idle(&v, leases, most);
	while (got-- > 0)
		line_hand_back(self, &leases[got]);
	PyMem_Free(leases);
	if (limits_apply(self, false) < 0)
		call_keep(&v);
	return call_end(&v);
}

/* Those of `got` leases that have not passed go back in their order.  How many have: they are the first now, the oldest
 * foremost. */
static size_t
sort_out(line *self, qpool_lease *leases, size_t got)
{
	qpool_lease *passed = leases + got;

	for (size_t i = got; i-- > 0;) {
		member *m = member_find(self, leases[i].resource);
		read_times(self, m, &leases[i]);
		if (member_is_passed(self, m))
			*--passed = leases[i];
		else
			hand_back(m, &leases[i]);
	}
	got = (size_t)(leases + got - passed);
	memmove(leases, passed, got * sizeof *leases);
	return got;
}

/* By the times that are ours the qpool closes nothing: that is done here.  All limits are as they were, and all that go
 * back are back, before any hook runs. */
static int
close_assigned(line *self)
{
	size_t most = idle_now(self), got = 0;
	qpool_lease *leases = PyMem_Calloc(most + 1, sizeof *leases);
	int done;
	call v;

	if (leases == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	done = limits_apply(self, true);
	call_begin(&v, self);
	if (done == 0) {
		got = sort_out(self, leases, take_idle(&v, leases, most));
		done = limits_apply(self, false);
	}
	v.plain = false;
	while (got-- > 0)
		(void)qpool_discard(&leases[got]);
	PyMem_Free(leases);
	return call_end(&v) < 0 ? -1 : done;
}

PyObject *
line_override(PyObject *object, PyObject *args)
{
	line *self = (line *)object;
	PyObject *manager;
	const char *name;
	long long plain;
	member *m;

	if (!line_is_begun(self) ||
	    !PyArg_ParseTuple(args, "OsL:_override", &manager, &name, &plain))
		return NULL;
	m = member_find(self, manager);
	if (m == NULL || m->standing == VACANT || m->in_hand)
		Py_RETURN_NONE;
	if (strcmp(name, "_usageCount") == 0)
		assign(self, m, &m->uses, plain < 0 ? 0 : plain);
	else
		assign(self, m, strcmp(name, "_lastUsed") == 0 ? &m->used_at : &m->opened_at,
		    now_ns() - plain);
	if (m->standing == HELD)
		assign_lent(m);
	else if (assign_idle(self) < 0)
		return NULL;
	Py_RETURN_NONE;
}

typedef struct search {
	uint64_t serial;
	qpool_entry entry;
	bool found;
} search;

static bool
compare(void *user, const qpool_entry *entry)
{
	search *s = user;

	s->found = strtoull(entry->describe, NULL, 10) == s->serial;
	if (s->found)
		s->entry = *entry;
	return !s->found;
}

PyObject *
line_stamps(PyObject *object, PyObject *manager)
{
	line *self = (line *)object;
	const member *m = self->pool != NULL ? member_find(self, manager) : NULL;
	int64_t opened, used, now = now_ns();
	unsigned long long uses;
	search s = {0};
	call v;

	if (m == NULL || m->standing == VACANT)
		Py_RETURN_NONE;
	s.serial = m->serial;
	call_begin(&v, self);
	(void)qpool_each(self->pool, compare, &s);
	if (call_end(&v) < 0)
		return NULL;
	if (!s.found)
		Py_RETURN_NONE;
	opened = m->opened_at != NOT_SET ? now - m->opened_at : s.entry.age;
	used = m->used_at != NOT_SET ? now - m->used_at
	       : m->standing == HELD ? s.entry.held
	                             : s.entry.idle;
	uses = m->uses != NOT_SET ? (unsigned long long)m->uses : s.entry.uses;
	return Py_BuildValue("KKLLK", (unsigned long long)m->opened_token,
	    (unsigned long long)m->used_token, (long long)opened, (long long)used, uses);
}

/* ---- recycling ---- */

PyObject *
line_recycle(PyObject *object, PyObject *unused)
{
	line *self = (line *)object;
	call v;

	(void)unused;
	if (!line_is_begun(self))
		return NULL;
	call_begin(&v, self);
	(void)qpool_maintain(self->pool);
	if (call_end(&v) < 0)
		return NULL;
	if ((self->assigned > 0 || self->at_once) && close_assigned(self) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- looking ---- */

static int
put_number(PyObject *dict, const char *name, unsigned long long number)
{
	PyObject *value = PyLong_FromUnsignedLongLong(number);
	int done = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);

	Py_XDECREF(value);
	return done;
}

static int
put_numbers(const line *self, PyObject *dict, const qpool_stats *s)
{
	const struct {
		const char *name;
		unsigned long long number;
	} rows[] = {
	    {"members", self->count},
	    {"in_line", self->in_line},
	    {"vacant", self->in_line - (self->in_line < s->idle ? self->in_line : s->idle)},
	    {"max_size", s->max_size},
	    {"empty", s->empty},
	    {"opening", s->opening},
	    {"idle", s->idle},
	    {"checking", s->checking},
	    {"leased", s->leased},
	    {"resetting", s->resetting},
	    {"closing", s->closing},
	    {"over", s->over},
	    {"waiting", s->waiting},
	    {"acquires", s->acquires - self->not_lent},
	    {"acquires_waited", s->acquires_waited},
	    {"timeouts", s->timeouts},
	    {"refusals", s->refusals},
	    {"cancels", s->cancels},
	    {"opens", s->opens + self->reopened},
	    {"open_failures", s->open_failures - self->failed_early - self->not_tried},
	    {"checks_failed", s->checks_failed + self->failed_checks + self->failed_early},
	    {"resets_failed", s->resets_failed},
	    {"misuses", s->misuses},
	    {"wait_ns", s->wait_ns},
	    {"wait_ns_max", s->wait_ns_max},
	    {"open_ns", s->open_ns},
	    {"open_ns_max", s->open_ns_max},
	    {"open_peak", s->open_peak},
	    {"leased_peak", s->leased_peak},
	    {"waiting_peak", s->waiting_peak},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (put_number(dict, rows[i].name, rows[i].number) < 0)
			return -1;
	return 0;
}

PyObject *
line_stats(PyObject *object, PyObject *unused)
{
	line *self = (line *)object;
	qpool_stats stats = qpool_stats_init();
	PyObject *dict, *name;

	(void)unused;
	if (!line_is_begun(self))
		return NULL;
	qpool_get_stats(self->pool, &stats);
	dict = PyDict_New();
	name = PyUnicode_FromString(qpool_name(self->pool));
	if (dict == NULL || name == NULL || PyDict_SetItemString(dict, "name", name) < 0 ||
	    put_numbers(self, dict, &stats) < 0)
		Py_CLEAR(dict);
	Py_XDECREF(name);
	return dict;
}

/* ---- changing and ending ---- */

/* A new bound, and, if more are to go than are vacant, `most`.  The vacant that go end in `gone`: a finaliser of theirs
 * must find the qpool as small as its members are few. */
static int
resize(line *self, size_t bound, bool lets_go, PyObject *gone)
{
	self->bound = bound;
	self->most = 0;
	while (lets_go && self->count > bound && self->oldest != NULL) {
		if (PyList_Append(gone, self->oldest->manager) < 0)
			return -1;
		Py_XDECREF(member_remove(self, self->oldest));
	}
	if (lets_go && self->count > bound)
		self->most = bound;
	return line_fit(self);
}

PyObject *
line_resize(PyObject *object, PyObject *args)
{
	line *self = (line *)object;
	PyObject *gone;
	unsigned long bound;
	int lets_go, done;

	if (!line_is_begun(self) || !PyArg_ParseTuple(args, "kp:_resize", &bound, &lets_go))
		return NULL;
	gone = PyList_New(0);
	if (gone == NULL)
		return NULL;
	done = resize(self, bound, lets_go != 0, gone);
	Py_DECREF(gone);
	if (done < 0 || line_tell_of_room(self) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static qpool_err
close_for(call *v, int64_t deadline)
{
	const int64_t slice = QPOOL_MSEC(50); /* between two looks at signals */
	int64_t left = deadline - now_ns();
	qpool_err err;

	if (left < 0)
		left = 0;
	v->saved = PyEval_SaveThread();
	err = qpool_close(v->self->pool, left < slice ? left : slice);
	(void)call_gil(v);
	while (v->self->oldest != NULL)
		Py_XDECREF(member_remove(v->self, v->self->oldest));
	return err == QPOOL_ETIMEOUT && left > slice ? QPOOL_EAGAIN : err;
}

/* What hooks raise waits for the end; Ctrl-C is the end. */
static qpool_err
close_until(call *v, int64_t deadline)
{
	qpool_err err;

	while ((err = close_for(v, deadline)) == QPOOL_EAGAIN)
		if (PyErr_CheckSignals() < 0) {
			Py_CLEAR(v->trouble);
			call_keep(v);
			break;
		}
	return err;
}

PyObject *
line_close(PyObject *object, PyObject *patience)
{
	line *self = (line *)object;
	qpool_nsec timeout;
	int64_t now = now_ns(), deadline;
	PyObject *done;
	qpool_err err;
	call v;

	if (!line_is_begun(self) || limit_timeout(patience, &timeout) < 0)
		return NULL;
	if (call_of(self) != NULL)
		return PyErr_Format(self->known->error,
		    "pool '%s': close() in a hook of one of its managers would wait for itself",
		    qpool_name(self->pool));
	deadline = timeout < INT64_MAX - now ? now + timeout : INT64_MAX;
	self->closing = true;
	done = PyObject_CallMethodObjArgs(object, self->known->room_came, NULL);
	if (done == NULL)
		return NULL;
	Py_DECREF(done);
	call_begin(&v, self);
	err = close_until(&v, deadline);
	if (call_end(&v) < 0)
		return NULL;
	if (err == QPOOL_ETIMEOUT)
		return PyErr_Format(self->known->timeout,
		    "pool '%s': %zu managers were not put back in time; they are closed when they are",
		    qpool_name(self->pool), self->count);
	if (err != QPOOL_OK)
		return line_raise(self, err, NULL), NULL;
	Py_RETURN_NONE;
}

/* ---- fork ---- */

/* The child has the managers, not what they manage: all are vacant, and strangers to their resources, but those that the
 * forking thread itself holds (own) or has in a hook.  A holder that stayed with the parent never gives back his; his
 * reference is not ours. */
static bool
inherit(line *self, member *m, PyObject *strangers, PyObject *own)
{
	bool is_mine = m->thread == PyThread_get_thread_ident();

	if (m->stacked && hook_is_open(m->manager, self->known) == 0)
		return true;
	PyErr_Clear(); /* one that cannot say is treated as open */
	if (m->in_hand && is_mine)
		return true;
	if (m->standing == HELD && !m->in_hand) {
		if (is_mine) {
			self->forked += !m->before;
			m->before = true;
			return PyList_Append(own, m->manager) == 0;
		}
		Py_INCREF(m->manager);
	}
	self->forked -= m->before;
	m->before = false;
	if (!m->stacked)
		member_stack(self, m);
	return PyList_Append(strangers, m->manager) == 0;
}

PyObject *
line_forked(PyObject *object, PyObject *unused)
{
	line *self = (line *)object;
	PyObject *strangers = PyList_New(0), *own = PyList_New(0), *both = NULL;
	bool goes_on = strangers != NULL && own != NULL;

	(void)unused;
	if (self->pool != NULL) {
		self->forks++;
		self->putters = self->waiting = 0;
		/* The qpool counts from the fork on. */
		self->reopened = self->failed_checks = self->failed_early = self->not_lent =
		    self->not_tried = 0;
		for (size_t i = 0; i < self->room && goes_on; i++)
			if (self->table[i] != NULL)
				goes_on = inherit(self, self->table[i], strangers, own);
		goes_on = goes_on && line_fit(self) == 0;
	}
	if (goes_on && PyErr_Occurred() == NULL)
		both = PyTuple_Pack(2, strangers, own);
	Py_XDECREF(strangers);
	Py_XDECREF(own);
	return both;
}
