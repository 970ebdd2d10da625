/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops: what the qpool calls.  Each takes the GIL if this thread gave it up, runs hooks, and answers; exceptions stay
 * with the call.  No lock is held.  Nothing here waits for a slot.
 */
#include "line.h"

/* The peer was never asked: there is no manager to open with.  As EFULL: somebody's will come back. */
static qpool_err
nobody(call *v, qpool_error *error)
{
	v->none_vacant = v->silent = true;
	v->self->not_tried++;
	snprintf(error->message, sizeof error->message, "no manager is left to open with");
	return QPOOL_EFULL;
}

/* One that could not be opened is closed, as far as it is open, and waits for another try. */
static qpool_err
failed(call *v, member *m, qpool_error *error)
{
	if (v->forks == v->self->forks)
		hook_close(v, m);
	if (!m->stacked)
		member_stack(v->self, m);
	call_say(v, error);
	return QPOOL_EOPEN;
}

/* While its hook runs it is not in line, and a fresh one may come. */
static void
leave_line(call *v, member *m)
{
	member_in_hand(m);
	if (m->standing == HELD)
		return;
	member_stand(v->self, m, HELD);
	if (line_tell_of_room(v->self) < 0)
		call_keep(v);
}

static qpool_err
begin(call *v, void **out, qpool_error *error)
{
	line *self = v->self;
	member *m = self->newest;

	v->silent = false;
	if (v->trouble != NULL) {
		v->silent = true;
		self->not_tried++;
		snprintf(
		    error->message, sizeof error->message, "a hook raised an exception before");
		return QPOOL_EOPEN;
	}
	if (m == NULL)
		return nobody(v, error);
	member_unstack(self, m);
	leave_line(v, m);
	if (!v->plain && !hook_run(v, m, self->known->take_repair, self->known->base_take_repair)) {
		self->failed_early++;
		v->silent = true;
		return failed(v, m, error);
	}
	if (!v->plain && !hook_open(v, m))
		return failed(v, m, error);
	m->in_hand = false;
	member_stand(self, m, IDLE);
	m->opened_token++;
	m->used_token++;
	*out = m->manager;
	return QPOOL_OK;
}

static qpool_err
op_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	call *v = call_of(user);
	bool was_given_up = call_gil(v);
	qpool_err err = begin(v, out, error);

	(void)step;
	call_ungil(v, was_given_up && err != QPOOL_OK); /* as in op_peek */
	return err;
}

/* It goes when it is closed: a resize let it go. */
static bool
is_surplus(const line *self)
{
	return self->most != 0 && self->count > self->most;
}

/* Leaves the pool as far as it still is one's: after the hooks, the manager is vacant, or goes for good. */
static void
op_close(void *user, void *resource, qpool_why why)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);
	member *m = member_find(self, resource);

	(void)why;
	if (!v->ends) {
		member_forget_times(self, m);
		leave_line(v, m);
		hook_close(v, m);
	}
	/* A limit closes before putRepair; the hook is called all the same. */
	if (v->putting == m && !v->repaired && !self->closing && !is_surplus(self) &&
	    v->trouble == NULL) {
		v->repaired = true;
		(void)hook_run(v, m, self->known->put_repair, self->known->base_put_repair);
	}
	if (!m->stacked)
		member_stack(self, m);
	if (is_surplus(self) || (self->closing && v->putting == m))
		Py_XDECREF(member_remove(self, m));
	call_ungil(v, was_given_up);
}

/* Sends nothing: is it open, and has its class nothing to say? */
static qpool_err
look(call *v, member *m)
{
	line *self = v->self;
	int is;

	if (v->plain || v->trouble != NULL)
		return QPOOL_OK;
	if ((self->assigned != 0 || self->at_once) && member_is_passed(self, m))
		return QPOOL_ECHECK;
	is = hook_is_open(m->manager, self->known);
	call_forgive(v);
	if (is == 1 &&
	    hook_is_skipped(v, m->manager, self->known->take_repair, self->known->base_take_repair))
		return QPOOL_OK;
	return QPOOL_EAGAIN;
}

static qpool_err
op_peek(void *user, void *resource, qpool_error *error)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);
	qpool_err err = look(v, member_find(self, resource));

	(void)error;
	/* What is fit is lent at once, and what must be asked is asked at once: the GIL is kept for that. */
	call_ungil(v, was_given_up && (err == QPOOL_ECHECK || v->forks != self->forks));
	return err;
}

/* takeRepair, once; a manager that closed itself is opened again in its place.  What failed is lent all the same, as
 * spoiled: so the exception is raised at once, and no other manager is tried in its place. */
static qpool_err
ask(call *v, member *m)
{
	line *self = v->self;
	bool was_closed;

	if (v->plain || v->trouble != NULL)
		return QPOOL_OK;
	leave_line(v, m);
	v->spoiled = !hook_run(v, m, self->known->take_repair, self->known->base_take_repair);
	was_closed = !v->spoiled && hook_is_open(m->manager, self->known) != 1;
	if (was_closed) {
		PyErr_Clear(); /* hook_open asks it again */
		v->spoiled = !hook_open(v, m);
		v->reopened = !v->spoiled;
	}
	member_stand(self, m, IDLE); /* until it is lent, which is at once */
	if (was_closed) {
		m->opened_token++;
		self->reopened += v->reopened;
		member_forget_times(self, m);
	}
	self->failed_checks += v->spoiled || v->reopened;
	m->in_hand = false;
	if (v->forks != self->forks) /* the slot is the parent's, and will be abandoned */
		member_stack(self, m);
	return QPOOL_OK;
}

static qpool_err
op_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);
	qpool_err err = ask(v, member_find(self, resource));

	(void)step;
	(void)error;
	(void)was_given_up; /* kept: what was asked is lent now */
	return err;
}

static qpool_err
op_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);
	member *m = member_find(self, resource);
	bool is_fit = true;

	(void)step;
	if (self->closing || is_surplus(self)) {
		v->repaired = true; /* it goes: nobody will use it again */
		is_fit = v->plain;
	} else if (self->at_once && !v->plain) {
		is_fit = false; /* whatever uses a program says it has; op_close calls putRepair */
	} else if (!v->plain) {
		v->repaired = true;
		is_fit = hook_run(v, m, self->known->put_repair, self->known->base_put_repair) &&
		         hook_is_open(m->manager, self->known) == 1;
		if (PyErr_Occurred())
			call_keep(v);
	}
	if (is_fit) {
		m->in_hand = false;
		m->used_token++;
		member_stand(self, m, IDLE); /* now: once we return, a waiter may have it */
	} else {
		call_say(v, error);
	}
	/* To wake somebody is a system call, and whom it wakes wants the GIL: put gives it up for that. */
	call_ungil(v, was_given_up || (v->putting == m && self->waiting > 0));
	return is_fit ? QPOOL_OK : QPOOL_ECHECK;
}

/* The number first: qpool_each finds a member by it. */
static void
op_describe(void *user, void *resource, char *out, size_t room)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);
	const member *m = member_find(self, resource);
	PyObject *name = v->plain ? NULL : PyObject_Str(m->manager), *bytes = NULL;

	if (name != NULL)
		bytes = PyUnicode_AsEncodedString(name, "utf-8", "replace");
	call_forgive(v);
	snprintf(out, room, "%llu%s%s", (unsigned long long)m->serial, bytes != NULL ? " " : "",
	    bytes != NULL ? PyBytes_AsString(bytes) : "");
	Py_XDECREF(bytes);
	Py_XDECREF(name);
	call_ungil(v, was_given_up);
}

/* line_forked has seen to the managers. */
static void
op_abandon(void *user, void *resource)
{
	(void)user;
	(void)resource;
}

const qpool_ops *
line_ops(void)
{
	static const qpool_ops ops = {
	    .size = sizeof ops,
	    .kind = "python",
	    .open = op_open,
	    .close = op_close,
	    .peek = op_peek,
	    .check = op_check,
	    .reset = op_reset,
	    .describe = op_describe,
	    .abandon = op_abandon,
	};

	return &ops;
}

static const char *
name_of(qpool_event_type type)
{
	static const char *const names[] = {"", "opened", "open_failed", "closed", "acquired",
	    "released", "waited", "timed_out", "refused", "held_long", "held_back", "holder_gone",
	    "down", "up", "configured", "misuse"};

	return (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

/* For "N".  Messages of the qpool may be cut anywhere. */
static PyObject *
text_of(const char *text)
{
	return text != NULL ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace")
	                    : Py_NewRef(Py_None);
}

/* An exception of on_event is nobody's: it is shown, and no more. */
static void
tell(line *self, const char *type, const char *why, int64_t took_ns, const char *message,
    const char *where)
{
	PyObject *kept[3], *event, *done = NULL;

	PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
	event = PyObject_CallFunction(self->event_type, "szdNN", type, why, (double)took_ns / 1e9,
	    text_of(message), text_of(where));
	if (event != NULL)
		done = PyObject_CallFunctionObjArgs(self->on_event, event, NULL);
	if (done == NULL)
		PyErr_WriteUnraisable(self->on_event);
	Py_XDECREF(done);
	Py_XDECREF(event);
	PyErr_Restore(kept[0], kept[1], kept[2]);
}

/* On the thread that caused it. */
void
line_event(void *user, qpool *pool, const qpool_event *event)
{
	line *self = user;
	call *v = call_of(self);
	bool was_given_up = call_gil(v);

	(void)pool;
	if (!v->plain && !(v->silent && event->type == QPOOL_EV_OPEN_FAILED))
		tell(self, name_of(event->type),
		    event->type == QPOOL_EV_CLOSED ? qpool_why_name(event->why) : NULL, event->took,
		    event->error != NULL ? event->error->message : NULL, event->site);
	call_ungil(v, was_given_up);
}
