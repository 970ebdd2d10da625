/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * site: where in the program a manager was taken, as "file:line".  take comes in on its fast path: a place that was
 * seen before costs a look at a small table.  The table keeps the code objects that it knows, so that an address is
 * never that of another one.
 */
#include "line.h"

enum {
	TEXTS = 4096
}; /* interned for the pool's life: programs that make code without end get no more */

static const char *
describe(line *self, PyFrameObject *frame, PyObject *code)
{
	PyObject *file = PyObject_GetAttrString(code, "co_filename"), *text = NULL, *bytes = NULL;
	const char *kept = NULL;

	if (file != NULL)
		text = PyUnicode_FromFormat("%S:%d", file, PyFrame_GetLineNumber(frame));
	if (text != NULL)
		bytes = PyUnicode_AsEncodedString(text, "utf-8", "replace");
	if (bytes != NULL && self->texts < TEXTS) {
		kept = qpool_intern(self->pool, PyBytes_AsString(bytes));
		self->texts++;
	}
	PyErr_Clear();
	Py_XDECREF(bytes);
	Py_XDECREF(text);
	Py_XDECREF(file);
	return kept;
}

const char *
site_of_caller(line *self)
{
	PyFrameObject *frame = PyEval_GetFrame();
	PyObject *code, *at;
	site *known;
	long offset;

	if (frame == NULL)
		return NULL;
	at = PyObject_GetAttr((PyObject *)frame, self->known->f_lasti);
	offset = at != NULL ? PyLong_AsLong(at) : -1;
	Py_XDECREF(at);
	code = (PyObject *)PyFrame_GetCode(frame);
	known = &self->sites[((uintptr_t)code / 64 + (uintptr_t)offset) % SITES];
	if (known->code != code || known->at != offset) {
		const char *text = describe(self, frame, code);
		PyObject *old = known->code;
		known->code = Py_NewRef(code);
		known->at = offset;
		known->text = text;
		Py_XDECREF(old);
		Py_DECREF(code);
		return text;
	}
	Py_DECREF(code);
	return known->text;
}

void
sites_clear(line *self)
{
	for (int i = 0; i < SITES; i++)
		Py_CLEAR(self->sites[i].code);
}
