/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: one of ours into the qpool and what its callbacks leave for it.  take, upkeep and ops come in.
 *
 * The GIL.  A call begins with it.  Who will wait gives it up (`saved`), and a callback takes it back for as long as
 * it runs.  What hooks raise is kept here until the qpool has returned: the slot first, then the exception.
 */
#include "line.h"

static _Thread_local call *top;

void
call_begin(call *v, line *self)
{
	memset(v, 0, sizeof *v);
	v->self = self;
	v->forks = self->forks;
	v->below = top;
	top = v;
}

/* The nearest one of this line: a callback of one pool may be told while a thread visits another one. */
call *
call_of(const line *self)
{
	call *v = top;

	while (v != NULL && v->self != self)
		v = v->below;
	return v;
}

int
call_end(call *v)
{
	PyObject *trouble = v->trouble;

	top = v->below;
	if (trouble == NULL)
		return 0;
	v->trouble = NULL;
	PyErr_Restore(
	    Py_NewRef((PyObject *)Py_TYPE(trouble)), trouble, PyException_GetTraceback(trouble));
	return -1;
}

enum { FAR = 100 }; /* contexts; a ring of them, made by a program, must not hang us */

/* The context of an error, borrowed: the error keeps it. */
static PyObject *
context_of(PyObject *error)
{
	PyObject *context = PyException_GetContext(error);

	Py_XDECREF(context);
	return context;
}

/* The end of the contexts of `first`, or, if `error` is among them, that. */
static PyObject *
last_or(PyObject *first, const PyObject *error)
{
	PyObject *next;

	for (int i = 0; i < FAR && first != error && (next = context_of(first)) != NULL; i++)
		first = next;
	return first;
}

/* Hang `second` on the end of the contexts of `first`; its reference goes there.  Raised while the first was handled,
 * it has the first among its own contexts: they are cut there, or it were a ring. */
static void
chain(PyObject *first, PyObject *second)
{
	PyObject *last = last_or(first, second), *own = second, *next;

	if (last == second) {
		Py_DECREF(second);
		return;
	}
	for (int i = 0; i < FAR && (next = context_of(own)) != NULL; i++) {
		if (last_or(first, next) == next) {
			PyException_SetContext(own, NULL);
			break;
		}
		own = next;
	}
	PyException_SetContext(last, second);
}

void
call_keep(call *v)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (value != NULL && traceback != NULL)
		(void)PyException_SetTraceback(value, traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	if (value == NULL)
		return;
	if (v->trouble == NULL)
		v->trouble = value;
	else
		chain(v->trouble, value);
}

void
call_forgive(call *v)
{
	if (PyErr_Occurred() != NULL && !PyErr_ExceptionMatches(PyExc_Exception))
		call_keep(v); /* Ctrl-C */
	PyErr_Clear();
}

void
call_say(call *v, qpool_error *error)
{
	PyObject *type = v->trouble != NULL ? PyType_GetName(Py_TYPE(v->trouble)) : NULL;
	PyObject *text = type != NULL ? PyUnicode_FromFormat("%U: %S", type, v->trouble) : NULL;
	PyObject *bytes = text != NULL ? PyUnicode_AsEncodedString(text, "utf-8", "replace") : NULL;

	call_forgive(v);
	snprintf(error->message, sizeof error->message, "%s",
	    bytes != NULL ? PyBytes_AsString(bytes) : "a hook of the manager raised an exception");
	Py_XDECREF(bytes);
	Py_XDECREF(text);
	Py_XDECREF(type);
}

bool
call_gil(call *v)
{
	PyThreadState *saved = v->saved;

	if (saved == NULL)
		return false;
	v->saved = NULL;
	PyEval_RestoreThread(saved);
	return true;
}

void
call_ungil(call *v, bool was_given_up)
{
	if (was_given_up)
		v->saved = PyEval_SaveThread();
}
