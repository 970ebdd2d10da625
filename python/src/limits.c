/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits: Python's numbers as the qpool's, and the qpool's errors as Python's.  The setters of `_maxIdleTime` and its
 * kin come in, and whoever has a timeout or an error.
 */
#include "line.h"

static bool
is_negative(PyObject *value)
{
	PyObject *zero = PyLong_FromLong(0);
	bool is = zero != NULL && PyObject_RichCompareBool(value, zero, Py_LT) == 1;

	Py_XDECREF(zero);
	return is;
}

/* A number that is not a truth value, or an exception that names it. */
static int
number(PyObject *value, const char *what, double *out)
{
	if (PyBool_Check(value) || PyComplex_Check(value) || !PyNumber_Check(value)) {
		PyErr_Format(PyExc_TypeError, "%s is %R; it must be a number or None", what, value);
		return -1;
	}
	*out = PyFloat_AsDouble(value);
	if (*out == -1.0 && PyErr_Occurred()) {
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			return -1;
		PyErr_Clear();
		*out = is_negative(value) ? -1e300 : 1e300;
		PyErr_Clear();
	}
	if (*out != *out) {
		PyErr_Format(PyExc_ValueError, "%s is nan; it must be a number or None", what);
		return -1;
	}
	return 0;
}

static qpool_nsec
nanoseconds(double seconds)
{
	return seconds < 9e9 ? (qpool_nsec)(seconds * 1e9) : QPOOL_FOREVER;
}

int
limit_seconds(PyObject *value, const char *what, qpool_nsec *out)
{
	double seconds;

	*out = QPOOL_FOREVER;
	if (value == Py_None)
		return 0;
	if (number(value, what, &seconds) < 0)
		return -1;
	*out = seconds <= 0 ? 0 : nanoseconds(seconds);
	return 0;
}

int
limit_timeout(PyObject *value, qpool_nsec *out)
{
	double seconds;

	*out = QPOOL_FOREVER;
	if (value == Py_None)
		return 0;
	if (number(value, "timeout", &seconds) < 0)
		return -1;
	if (seconds < 0) {
		PyErr_Format(PyExc_ValueError, "timeout is %R; it must not be negative", value);
		return -1;
	}
	*out = nanoseconds(seconds);
	return 0;
}

static qpool_nsec
span(qpool_nsec limit)
{
	return limit == 0 ? 1 : limit;
}

/* A limit that is none at all closes at each put: as a use of one. */
int
limits_apply(line *self, bool lifted)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool_err err;
	call v;

	options.max_idle = lifted ? QPOOL_FOREVER : span(self->idle_ns);
	options.max_age = lifted ? QPOOL_FOREVER : span(self->age_ns);
	options.max_uses = lifted ? QPOOL_NOLIMIT : self->at_once ? 1 : self->uses;
	call_begin(&v, self);
	err = self->closing ? QPOOL_OK : qpool_configure(self->pool, &options, &error);
	if (call_end(&v) < 0)
		return -1;
	return err == QPOOL_OK ? 0 : line_raise(self, err, &error);
}

static int
apply(line *self)
{
	self->at_once = self->idle_ns == 0 || self->age_ns == 0 || self->uses == 0;
	return limits_apply(self, false);
}

static int
set_span(line *self, PyObject *value, const char *what, PyObject **kept, qpool_nsec *ns)
{
	qpool_nsec new_ns;
	PyObject *old;

	if (!line_is_begun(self))
		return -1;
	if (value == NULL) {
		PyErr_Format(PyExc_AttributeError, "%s cannot be deleted; None is no limit", what);
		return -1;
	}
	if (limit_seconds(value, what, &new_ns) < 0)
		return -1;
	old = *kept; /* as late as this: `value` may be code */
	*kept = Py_NewRef(value);
	*ns = new_ns;
	Py_XDECREF(old);
	return apply(self);
}

int
limit_set_idle(PyObject *object, PyObject *value, void *unused)
{
	line *self = (line *)object;

	(void)unused;
	return set_span(self, value, "_maxIdleTime", &self->max_idle, &self->idle_ns);
}

int
limit_set_age(PyObject *object, PyObject *value, void *unused)
{
	line *self = (line *)object;

	(void)unused;
	return set_span(self, value, "_maxOpenTime", &self->max_age, &self->age_ns);
}

int
limit_set_uses(PyObject *object, PyObject *value, void *unused)
{
	line *self = (line *)object;
	double uses = 0;
	PyObject *old;

	(void)unused;
	if (!line_is_begun(self))
		return -1;
	if (value == NULL) {
		PyErr_SetString(
		    PyExc_AttributeError, "_maxUsageCount cannot be deleted; None is no limit");
		return -1;
	}
	if (value != Py_None && number(value, "_maxUsageCount", &uses) < 0)
		return -1;
	old = self->max_uses; /* as in set_span */
	self->max_uses = Py_NewRef(value);
	Py_XDECREF(old);
	if (value == Py_None || uses >= (double)QPOOL_ZERO32)
		self->uses = QPOOL_NOLIMIT;
	else
		self->uses = uses <= 0
		                 ? 0
		                 : (uint32_t)uses + ((double)(uint32_t)uses < uses); /* 2.5: at 3 */
	return apply(self);
}

static PyObject *
got(PyObject *kept)
{
	return Py_NewRef(kept != NULL ? kept : Py_None);
}

PyObject *
limit_get_idle(PyObject *self, void *unused)
{
	(void)unused;
	return got(((line *)self)->max_idle);
}

PyObject *
limit_get_age(PyObject *self, void *unused)
{
	(void)unused;
	return got(((line *)self)->max_age);
}

PyObject *
limit_get_uses(PyObject *self, void *unused)
{
	(void)unused;
	return got(((line *)self)->max_uses);
}

int
line_raise(const line *self, qpool_err err, const qpool_error *error)
{
	const lexicon *known = self->known;
	PyObject *type = known->error;

	if (err == QPOOL_ETIMEOUT || err == QPOOL_EAGAIN)
		type = known->timeout;
	else if (err == QPOOL_EBUSY)
		type = known->busy;
	else if (err == QPOOL_ECLOSED)
		type = known->closed;
	else if (err == QPOOL_ENOMEM)
		type = PyExc_MemoryError;
	PyErr_Format(type, "%s", error != NULL ? error->message : qpool_err_text(err));
	return -1;
}
