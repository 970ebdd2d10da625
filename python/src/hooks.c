/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hooks: how a manager's methods are called, with the GIL and no lock.  ops and take come in.  What they raise is kept
 * by the call; nothing here is told to the qpool.
 */
#include "line.h"

int
hook_is_open(PyObject *manager, const lexicon *known)
{
	PyObject *value = PyObject_GetAttr(manager, known->is_open);
	int is;

	if (value == Py_True || value == Py_False) {
		is = value == Py_True;
		Py_DECREF(value);
		return is;
	}
	if (value == NULL)
		return -1;
	is = PyObject_IsTrue(value);
	Py_DECREF(value);
	return is;
}

int
set_open(PyObject *manager, const lexicon *known, bool is_open)
{
	return PyObject_SetAttr(manager, known->is_open, is_open ? Py_True : Py_False);
}

/* Is the hook the empty one of ResourceManager?  Programs replace methods of classes and of objects at any time. */
bool
hook_is_skipped(call *v, PyObject *manager, PyObject *name, PyObject *base)
{
	PyObject *found = PyObject_GetAttr((PyObject *)Py_TYPE(manager), name), *dict;
	bool is_base = found == base && base != NULL;

	call_forgive(v);
	Py_XDECREF(found);
	if (!is_base)
		return false;
	dict = PyObject_GenericGetDict(manager, NULL);
	is_base = dict == NULL || PyDict_GetItemWithError(dict, name) == NULL;
	call_forgive(v);
	Py_XDECREF(dict);
	return is_base;
}

/* A hook that forked returns in the child, too: there all this is the parent's. */
static bool
has_forked(call *v, member *m)
{
	if (v->forks == v->self->forks)
		return false;
	hook_abandon(v->self, m);
	PyErr_Format(v->self->known->error,
	    "the process forked inside a hook of %S: this is the child, and what the hook worked on is its parent's",
	    m->manager);
	call_keep(v);
	return true;
}

bool
hook_run(call *v, member *m, PyObject *name, PyObject *base)
{
	PyObject *result;

	if (base != NULL && hook_is_skipped(v, m->manager, name, base))
		return true;
	member_in_hand(m);
	result = PyObject_CallMethodObjArgs(m->manager, name, NULL);
	if (result == NULL)
		call_keep(v);
	Py_XDECREF(result);
	if (has_forked(v, m))
		return false;
	return result != NULL;
}

void
hook_close(call *v, member *m)
{
	int is = hook_is_open(m->manager, v->self->known);

	if (is < 0)
		call_keep(v);
	if (is == 0)
		return;
	(void)hook_run(v, m, v->self->known->close, NULL);
	if (hook_is_open(m->manager, v->self->known) != 0 &&
	    set_open(m->manager, v->self->known, false) < 0)
		call_keep(v);
	if (PyErr_Occurred())
		call_keep(v);
}

bool
hook_open(call *v, member *m)
{
	int is = hook_is_open(m->manager, v->self->known);

	if (is < 0) {
		call_keep(v);
		return false;
	}
	if (is > 0)
		return true;
	if (!hook_run(v, m, v->self->known->open, NULL))
		return false;
	is = hook_is_open(m->manager, v->self->known);
	/* A subclass need not call super().open(). */
	if (is < 0 || (is == 0 && set_open(m->manager, v->self->known, true) < 0)) {
		call_keep(v);
		return false;
	}
	return true;
}

void
hook_abandon(line *self, member *m)
{
	PyObject *dict = PyObject_GenericGetDict(m->manager, NULL);

	/* This reference is never given back: a finaliser might talk to the parent's peer. */
	if (dict == NULL || PyDict_Copy(dict) == NULL)
		PyErr_Clear();
	Py_XDECREF(dict);
	if (set_open(m->manager, self->known, false) < 0)
		PyErr_Clear();
}
