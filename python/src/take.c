/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * take: the way out and the way back.  Pool's take and put come in, and the ways around the hooks: pull, push, and a
 * manager that was collected while it was lent.
 *
 * Where something is in line it is tried with the GIL held; only who must wait gives it up.  A lease's bookkeeping
 * changes before the qpool may hand the manager on (in ops) or after it has lent it (here), never in between.
 */
#include "line.h"

#define LOOK_EVERY QPOOL_MSEC(50) /* at signals that the kernel gave to another thread */

/* Between signals and waits: is there an exception to raise?  Ends the wait if so. */
static int
interrupted(void *user)
{
	call *v = user;
	bool was_given_up = call_gil(v);
	int is;

	if (PyErr_CheckSignals() < 0)
		call_keep(v);
	v->forks = v->self->forks; /* if the handler forked, it was in no hook */
	is = v->trouble != NULL;
	call_ungil(v, was_given_up);
	return is;
}

/* Only there do handlers of signals run.  After a fork it is the one that forked. */
static bool
is_main_thread(call *v)
{
	PyObject *threading = PyImport_ImportModule("threading"), *main = NULL, *ident = NULL;
	bool is = true;

	if (threading != NULL)
		main = PyObject_CallMethod(threading, "main_thread", NULL);
	if (main != NULL)
		ident = PyObject_GetAttrString(main, "ident");
	if (ident != NULL && PyLong_Check(ident))
		is = PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
	call_forgive(v);
	Py_XDECREF(ident);
	Py_XDECREF(main);
	Py_XDECREF(threading);
	return is;
}

static qpool_err
wait_for(call *v, qpool_request *request, qpool_lease *lease, qpool_error *error)
{
	unsigned forks = v->self->forks;
	qpool_err err;

	if (is_main_thread(v)) {
		request->interrupted = interrupted;
		request->interrupt_user = v;
		request->interrupt_every = LOOK_EVERY;
	}
	if (v->trouble != NULL)
		return QPOOL_ECANCEL;
	v->self->waiting++;
	v->saved = PyEval_SaveThread();
	err = qpool_acquire_with(v->self->pool, request, lease, error);
	(void)call_gil(v);
	v->self->waiting -= forks == v->self->forks; /* the waiters of the parent were forgotten */
	return err;
}

static qpool_err
none_now(const line *self, qpool_error *error)
{
	snprintf(error->message, sizeof error->message,
	    "nothing is idle in pool '%s', and the call may not wait", qpool_name(self->pool));
	return QPOOL_EAGAIN;
}

/* An opener that finds no vacant manager, since one was collected at that moment, asks again. */
static qpool_err
acquire(call *v, qpool_nsec timeout, qpool_lease *lease, qpool_error *error)
{
	line *self = v->self;
	qpool_request request = qpool_request_init();
	qpool_err err;

	request.site = v->plain ? NULL : site_of_caller(self);
	do {
		v->none_vacant = false;
		request.timeout = QPOOL_NOWAIT;
		err = QPOOL_EAGAIN;
		if (self->in_line > 0 || timeout == 0)
			err = qpool_acquire_with(self->pool, &request, lease, error);
		request.timeout = timeout;
		if (err == QPOOL_EAGAIN && timeout != 0 && v->trouble == NULL)
			err = wait_for(v, &request, lease, error);
	} while (err == QPOOL_EFULL && v->none_vacant && v->trouble == NULL && timeout != 0);
	return err == QPOOL_EFULL && v->none_vacant ? none_now(self, error) : err;
}

/* What a program assigned while the manager was idle counts from now on. */
static void
apply_times(line *self, member *m, call *v)
{
	qpool_times times = qpool_times_init();

	if (qpool_get_times(&m->lease, &times) != QPOOL_OK)
		return;
	if (v->reopened) {
		times.opened = times.used = 0;
		times.uses = 1;
	}
	if (m->opened_at != NOT_SET)
		times.opened = now_ns() - m->opened_at;
	if (m->uses != NOT_SET)
		times.uses = (uint64_t)m->uses + 1;
	member_forget_times(self, m);
	if (times.opened < 0)
		times.opened = 0;
	(void)!qpool_set_times(&m->lease, &times);
}

int
line_tell_of_room(line *self)
{
	PyObject *done;

	if (self->putters == 0)
		return 0;
	done = PyObject_CallMethodObjArgs((PyObject *)self, self->known->room_came, NULL);
	Py_XDECREF(done);
	return done == NULL ? -1 : 0;
}

/* The manager with the reference that was the pool's, or NULL and back with it: a hook raised meanwhile. */
static PyObject *
lend(call *v, qpool_lease *lease)
{
	line *self = v->self;
	member *m = member_find(self, lease->resource);

	if (v->trouble != NULL) {
		self->not_lent++;
		v->plain = !v->spoiled;
		if (v->spoiled)
			(void)qpool_discard(lease);
		else
			line_hand_back(self, lease);
		return NULL;
	}
	m->lease = *lease;
	if (v->reopened || m->opened_at != NOT_SET || m->uses != NOT_SET || m->used_at != NOT_SET)
		apply_times(self, m, v);
	m->used_token++;
	m->depth = 0;
	m->in_hand = m->before = false;
	m->thread = PyThread_get_thread_ident();
	member_stand(self, m, HELD);
	return m->manager;
}

/* What was lent goes back as it is: an exception came before its taker had it. */
static void
take_back(call *v, PyObject *manager)
{
	member *m = member_find(v->self, manager);
	qpool_lease lease = m->lease;

	v->self->not_lent++;
	v->plain = true;
	member_stand(v->self, m, IDLE);
	line_hand_back(v->self, &lease);
}

static PyObject *
take(line *self, qpool_nsec timeout)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	PyObject *manager = NULL;
	qpool_error error;
	qpool_err err;
	call v;

	call_begin(&v, self);
	err = acquire(&v, timeout, &lease, &error);
	if (err == QPOOL_OK)
		manager = lend(&v, &lease);
	if (manager != NULL && line_tell_of_room(self) < 0) {
		call_keep(&v);
		take_back(&v, manager);
	}
	if (call_end(&v) < 0)
		return NULL;
	if (err != QPOOL_OK) {
		(void)line_raise(self, err, &error);
		return NULL;
	}
	return manager;
}

PyObject *
line_take(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
	line *self = (line *)object;
	qpool_nsec timeout = QPOOL_FOREVER;
	PyObject *name;

	if (!line_is_begun(self))
		return NULL;
	if (nargs != 0)
		return PyErr_Format(PyExc_TypeError,
		    "take() takes no positional arguments but %zd were given", nargs);
	if (names != NULL && PyTuple_Size(names) != 0) {
		name = PyTuple_GetItem(names, 0);
		if (PyTuple_Size(names) != 1 ||
		    PyUnicode_CompareWithASCIIString(name, "timeout") != 0)
			return PyErr_Format(PyExc_TypeError,
			    "take() got an unexpected keyword argument; it knows timeout only");
		if (limit_timeout(args[0], &timeout) < 0)
			return NULL;
	}
	return take(self, timeout);
}

/* The GIL is held from the last look at the room to the lease's end. */
static int
await_room(line *self)
{
	PyObject *done;

	if (self->bound == 0 || self->in_line < self->bound)
		return 0;
	done = PyObject_CallMethodObjArgs((PyObject *)self, self->known->await_room, Py_None, NULL);
	Py_XDECREF(done);
	return done == NULL ? -1 : 1;
}

/* The lease is from before the fork, or a hook has forked: the child has the manager, not what it managed. */
static void
let_go(line *self, PyObject *manager)
{
	member *m = member_find(self, manager);

	if (m == NULL || m->stacked || m->standing != HELD)
		return;
	hook_abandon(self, m);
	self->forked -= m->before;
	m->before = false;
	member_stack(self, m);
	if (line_fit(self) < 0)
		PyErr_WriteUnraisable((PyObject *)self);
}

static PyObject *
give_back(line *self, member *m, PyObject *manager)
{
	qpool_lease lease = m->lease;
	qpool_err err;
	call v;

	call_begin(&v, self);
	v.putting = m;
	Py_INCREF(manager); /* the pool's from now on */
	member_in_hand(m);
	member_forget_times(self, m);
	err = qpool_release(&lease); /* m may be gone by now */
	(void)call_gil(&v);          /* op_reset may have given it up */
	if (err == QPOOL_EFORKED)
		let_go(self, manager);
	if (call_end(&v) < 0)
		return NULL;
	if (err != QPOOL_OK && err != QPOOL_EFORKED) {
		(void)line_raise(self, err, NULL);
		return NULL;
	}
	Py_RETURN_NONE;
}

static PyObject *
put_twice(const line *self, PyObject *manager)
{
	PyObject *name = PyObject_Str(manager);

	if (name != NULL)
		PyErr_Format(self->known->error,
		    "manager %R was put to pool '%s', which has it already: it was put before, or a hook of it is running",
		    name, qpool_name(self->pool));
	Py_XDECREF(name);
	return NULL;
}

static PyObject *
refuse(const line *self)
{
	return PyErr_Format(
	    self->known->closed, "pool '%s' is closing or closed", qpool_name(self->pool));
}

static PyObject *
put(line *self, PyObject *manager)
{
	member *m;
	int waited;

	do {
		m = member_find(self, manager);
		if (m == NULL && self->closing)
			return refuse(self);
		if (m == NULL)
			return PyObject_CallMethodObjArgs(
			    (PyObject *)self, self->known->populate, manager, NULL);
		if (m->standing != HELD || m->in_hand)
			return put_twice(self, manager);
		waited = self->closing ? 0 : await_room(self);
		if (waited < 0)
			return NULL;
	} while (waited > 0);
	return give_back(self, m, manager);
}

PyObject *
line_put(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
	line *self = (line *)object;
	Py_ssize_t named = names != NULL ? PyTuple_Size(names) : 0;

	if (!line_is_begun(self))
		return NULL;
	if (nargs + named != 1)
		return PyErr_Format(PyExc_TypeError,
		    "put() takes one manager, and got %zd arguments", nargs + named);
	if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "r") != 0)
		return PyErr_Format(
		    PyExc_TypeError, "put() got an unexpected keyword argument; its argument is r");
	return put(self, args[0]);
}

/* ---- around the hooks ---- */

static PyObject *
raise_of_queue(const char *name)
{
	PyObject *queue = PyImport_ImportModule("queue"), *error = NULL;

	if (queue != NULL)
		error = PyObject_GetAttrString(queue, name);
	if (error != NULL)
		PyErr_SetNone(error);
	Py_XDECREF(error);
	Py_XDECREF(queue);
	return NULL;
}

/* The newest in line, and it is a member no more. */
PyObject *
line_pull(PyObject *object, PyObject *patience)
{
	line *self = (line *)object;
	qpool_lease lease = QPOOL_LEASE_INIT;
	PyObject *manager = NULL;
	qpool_nsec timeout;
	qpool_error error;
	qpool_err err;
	call v;

	if (!line_is_begun(self) || limit_timeout(patience, &timeout) < 0)
		return NULL;
	call_begin(&v, self);
	v.plain = true;
	err = acquire(&v, timeout, &lease, &error);
	self->not_lent += err == QPOOL_OK;
	if (err == QPOOL_OK && v.trouble != NULL) { /* of the close of one that had expired */
		line_hand_back(self, &lease);
	} else if (err == QPOOL_OK) {
		manager = member_remove(self, member_find(self, lease.resource));
		(void)!qpool_detach(&lease);
	}
	if (call_end(&v) < 0)
		return NULL;
	if (err == QPOOL_EAGAIN || err == QPOOL_ETIMEOUT)
		return raise_of_queue("Empty");
	if (err != QPOOL_OK) {
		(void)line_raise(self, err, &error);
		return NULL;
	}
	if (line_fit(self) < 0)
		Py_CLEAR(manager);
	else if (line_tell_of_room(self) < 0)
		PyErr_WriteUnraisable(object); /* nobody else could have the manager */
	return manager;
}

/* It is open: a slot for it.  Somebody who waits may have taken the slot first, to open; then it is what he opens. */
static int
adopt(line *self, member *m)
{
	qpool_error error;
	qpool_err err;
	call v;

	m->opened_token++;
	member_stand(self, m, IDLE);
	call_begin(&v, self);
	err = qpool_adopt(self->pool, m->manager, &error);
	if (err != QPOOL_OK)
		member_stack(self, m);
	if (call_end(&v) < 0)
		return -1;
	return err == QPOOL_OK || err == QPOOL_EAGAIN ? 0 : line_raise(self, err, &error);
}

static int
join(line *self, PyObject *manager, bool is_open)
{
	enum { MOST = 65535 };
	member *m;

	if (self->count >= MOST) {
		PyErr_Format(self->known->error, "pool '%s' has %d managers, and no pool has more",
		    qpool_name(self->pool), MOST);
		return -1;
	}
	m = member_add(self, manager);
	if (m == NULL)
		return -1;
	if (!is_open)
		member_stack(self, m);
	if (line_fit(self) < 0)
		return -1;
	return is_open ? adopt(self, m) : 0;
}

PyObject *
line_push(PyObject *object, PyObject *args)
{
	line *self = (line *)object;
	PyObject *manager, *patience, *room;
	int is_room, is_open;

	if (!line_is_begun(self) || !PyArg_ParseTuple(args, "OO:_push", &manager, &patience))
		return NULL;
	for (;;) {
		is_open = hook_is_open(manager, self->known); /* may be code */
		if (is_open < 0)
			return NULL;
		if (self->closing)
			return refuse(self);
		if (member_find(self, manager) != NULL)
			return put_twice(self, manager);
		if (self->bound == 0 || self->in_line < self->bound)
			break;
		room = PyObject_CallMethodObjArgs(object, self->known->await_room, patience, NULL);
		is_room = room == NULL ? -1 : PyObject_IsTrue(room);
		Py_XDECREF(room);
		if (is_room < 0)
			return NULL;
		if (is_room == 0)
			return raise_of_queue("Full");
	}
	if (join(self, manager, is_open > 0) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* Its holder dropped it: the place is free for a fresh one. */
PyObject *
line_gone(PyObject *object, PyObject *weak)
{
	line *self = (line *)object;
	qpool_lease lease;
	member *m = NULL;
	call v;

	for (size_t i = 0; i < self->room && m == NULL; i++)
		if (self->table[i] != NULL && self->table[i]->weak == weak)
			m = self->table[i];
	if (m == NULL || self->pool == NULL)
		Py_RETURN_NONE;
	lease = m->lease;
	(void)member_remove(self, m);
	call_begin(&v, self);
	v.plain = true;
	(void)!qpool_detach(&lease);
	if (call_end(&v) < 0 || line_fit(self) < 0)
		return NULL;
	Py_RETURN_NONE;
}
