/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * module: queuepool._core, and the type Line: made, begun, collected.  Python comes in.  What the methods do is in the
 * other rooms.
 *
 * A line may be garbage only when no thread is inside it, as each one's frame refers to it.  Then its managers are let
 * go as a queue of them would have been: no hook is called.
 */
#include "line.h"

#include <errno.h>
#include <poll.h>

#include <stddef.h>

bool
line_is_begun(line *self)
{
	if (self->pool != NULL)
		return true;
	PyErr_SetString(self->known->error,
	    "this Pool is not made yet: call super().__init__(name, capacity, ...) first");
	return false;
}

/* ---- life ---- */

static lexicon *
lexicon_of(PyTypeObject *type)
{
	while (type != NULL) {
		PyObject *module = PyType_GetModule(type);
		if (module != NULL)
			return PyModule_GetState(module);
		PyErr_Clear(); /* a subclass made by Python */
		type = PyType_GetSlot(type, Py_tp_base);
	}
	PyErr_SetString(PyExc_SystemError, "no type of queuepool._core");
	return NULL;
}

static PyObject *
line_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	lexicon *known = lexicon_of(type);
	line *self = known != NULL ? (line *)alloc(type, 0) : NULL;

	(void)args;
	(void)names;
	if (self != NULL) {
		self->known = known;
		self->idle_ns = self->age_ns = QPOOL_FOREVER;
		self->uses = QPOOL_NOLIMIT;
	}
	return (PyObject *)self;
}

static int
line_traverse(PyObject *object, visitproc visit, void *arg)
{
	line *self = (line *)object;

	Py_VISIT(Py_TYPE(object));
	for (size_t i = 0; i < self->room; i++) {
		member *m = self->table != NULL ? self->table[i] : NULL;
		if (m == NULL)
			continue;
		if (m->standing != HELD || m->in_hand)
			Py_VISIT(m->manager);
		Py_VISIT(m->weak);
	}
	Py_VISIT(self->gone);
	Py_VISIT(self->on_event);
	Py_VISIT(self->event_type);
	Py_VISIT(self->max_idle);
	Py_VISIT(self->max_age);
	Py_VISIT(self->max_uses);
	for (int i = 0; i < SITES; i++)
		Py_VISIT(self->sites[i].code);
	return 0;
}

/* Leases that are out end here, so that the qpool is freed now. */
static void
end_pool(line *self)
{
	qpool *pool = self->pool;
	call v;

	call_begin(&v, self);
	v.plain = v.ends = true;
	self->closing = true;
	for (size_t i = 0; i < self->room; i++)
		if (self->table[i] != NULL && self->table[i]->standing == HELD &&
		    !self->table[i]->in_hand)
			(void)!qpool_detach(&self->table[i]->lease);
	qpool_free(pool);
	self->pool = NULL;
	(void)call_end(&v);
}

static int
line_clear(PyObject *object)
{
	line *self = (line *)object;
	member **table;
	size_t room;

	if (self->pool != NULL)
		end_pool(self);
	table = self->table;
	room = self->room;
	self->table = NULL;
	self->room = self->count = self->in_line = 0;
	self->newest = self->oldest = NULL;
	for (size_t i = 0; i < room; i++) {
		member *m = table[i];
		if (m == NULL)
			continue;
		Py_DECREF(m->weak);
		if (m->standing != HELD || m->in_hand)
			Py_DECREF(m->manager);
		PyMem_Free(m);
	}
	PyMem_Free(table);
	Py_CLEAR(self->gone);
	Py_CLEAR(self->on_event);
	Py_CLEAR(self->event_type);
	Py_CLEAR(self->max_idle);
	Py_CLEAR(self->max_age);
	Py_CLEAR(self->max_uses);
	sites_clear(self);
	return 0;
}

static void
line_dealloc(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	freefunc free_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
	PyObject *kept[3];

	PyObject_GC_UnTrack(object);
	PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
	(void)line_clear(object);
	PyErr_Restore(kept[0], kept[1], kept[2]);
	free_it(object);
	Py_DECREF(type);
}

/* ---- beginning ---- */

static PyMethodDef gone_def = {"_gone", line_gone, METH_O, NULL};

/* What is news to a program: not that the qpool grew with its managers, nor each lease. */
#define BIT(type) (UINT64_C(1) << (type))
#define HEARD                                                                            \
	(~(BIT(QPOOL_EV_CONFIGURED) | BIT(QPOOL_EV_ACQUIRED) | BIT(QPOOL_EV_RELEASED)) & \
	    (BIT(QPOOL_EV_MISUSE + 1) - 1))

static qpool_err
create(
    line *self, const char *name, uint32_t max_waiters, qpool_nsec max_overtake, qpool_error *error)
{
	qpool_options options = qpool_options_init();

	options.name = name;
	options.max_size = QPOOL_ZERO32;
	options.max_waiters = max_waiters;
	options.max_overtake = max_overtake == 0 ? QPOOL_ZERO : max_overtake;
	options.open_failure = QPOOL_OPEN_TELL;
	options.max_opening = UINT16_MAX;
	options.age_jitter = QPOOL_ZERO32;
	options.acquire_timeout = options.max_idle = options.max_age = options.check_after =
	    QPOOL_FOREVER;
	options.open_budget = options.step_budget = options.down_after = QPOOL_FOREVER;
	options.retry_min = options.retry_max = QPOOL_ZERO;
	if (self->on_event != NULL) {
		options.on_event = line_event;
		options.event_user = self;
		options.event_mask = HEARD;
	}
	return qpool_create(&self->pool, &options, line_ops(), self, error);
}

static int
hear(line *self, PyObject *on_event)
{
	PyObject *module;

	if (on_event == Py_None)
		return 0;
	module = PyImport_ImportModule("queuepool.pool");
	if (module != NULL)
		self->event_type = PyObject_GetAttrString(module, "Event");
	Py_XDECREF(module);
	if (self->event_type == NULL)
		return -1;
	self->on_event = Py_NewRef(on_event);
	return 0;
}

static int
waiters_of(PyObject *value, uint32_t *out)
{
	unsigned long long number;

	*out = QPOOL_NOLIMIT;
	if (value == Py_None)
		return 0;
	number = PyLong_AsUnsignedLongLong(value);
	if (number == (unsigned long long)-1 && PyErr_Occurred())
		return -1;
	*out = number == 0             ? QPOOL_ZERO32
	       : number < QPOOL_ZERO32 ? (uint32_t)number
	                               : QPOOL_NOLIMIT;
	return 0;
}

enum { NAME_MOST = 100 };

/* The name as the qpool takes one, for its messages: not empty, not long, no NUL. */
static int
short_name(PyObject *name, char out[NAME_MOST + 1])
{
	PyObject *bytes = PyUnicode_AsEncodedString(name, "utf-8", "replace");
	const char *text = bytes != NULL ? PyBytes_AsString(bytes) : NULL;
	size_t size = text != NULL ? (size_t)PyBytes_Size(bytes) : 0;
	size_t end = size < NAME_MOST ? size : NAME_MOST;

	while (end < size && ((unsigned char)text[end] & 0xC0) == 0x80)
		end--; /* within a character */
	for (size_t i = 0; i < end; i++)
		out[i] = text[i] != 0 ? text[i] : '?';
	out[end] = 0;
	if (end == 0)
		snprintf(out, NAME_MOST + 1, "unnamed");
	Py_XDECREF(bytes);
	return text != NULL ? 0 : -1;
}

static PyObject *
line_begin(PyObject *object, PyObject *args)
{
	line *self = (line *)object;
	PyObject *name, *waiters, *overtake, *on_event;
	char short_text[NAME_MOST + 1];
	qpool_nsec max_overtake;
	uint32_t max_waiters;
	unsigned long bound;
	qpool_error error;
	call v;
	qpool_err err;

	if (!PyArg_ParseTuple(
		args, "UkOOO:_begin", &name, &bound, &waiters, &overtake, &on_event) ||
	    short_name(name, short_text) < 0 || waiters_of(waiters, &max_waiters) < 0 ||
	    limit_seconds(overtake, "max_overtake", &max_overtake) < 0)
		return NULL;
	if (self->pool != NULL)
		return PyErr_Format(self->known->error,
		    "pool '%s' is made already: __init__() ran twice", qpool_name(self->pool));
	self->bound = bound;
	if (hear(self, on_event) < 0)
		return NULL;
	self->gone = PyCFunction_New(&gone_def, object);
	if (self->gone == NULL)
		return NULL;
	call_begin(&v, self);
	err = create(self, short_text, max_waiters, max_overtake, &error);
	if (call_end(&v) < 0)
		return NULL;
	if (err != QPOOL_OK)
		return line_raise(self, err, &error), NULL;
	Py_RETURN_NONE;
}

/* ---- small methods ---- */

static PyObject *
line_know(PyObject *type, PyObject *base)
{
	lexicon *known = lexicon_of((PyTypeObject *)type);
	PyObject *take = known != NULL ? PyObject_GetAttr(base, known->take_repair) : NULL;
	PyObject *put = take != NULL ? PyObject_GetAttr(base, known->put_repair) : NULL;

	if (put == NULL) {
		Py_XDECREF(take);
		return NULL;
	}
	Py_CLEAR(known->base_take_repair);
	Py_CLEAR(known->base_put_repair);
	known->base_take_repair = take;
	known->base_put_repair = put;
	Py_RETURN_NONE;
}

static PyObject *
line_owns(PyObject *object, PyObject *manager)
{
	return PyBool_FromLong(member_find((line *)object, manager) != NULL);
}

static PyObject *
line_inline(PyObject *object, PyObject *unused)
{
	(void)unused;
	return PyLong_FromSize_t(((line *)object)->in_line);
}

static PyObject *
line_putting(PyObject *object, PyObject *change)
{
	line *self = (line *)object;
	long by = PyLong_AsLong(change);

	if (by == -1 && PyErr_Occurred())
		return NULL;
	if (by > 0 || self->putters > 0) /* a fork amid the wait has forgotten it */
		self->putters += (unsigned)by;
	Py_RETURN_NONE;
}

static PyObject *
line_enter(PyObject *object, PyObject *manager)
{
	member *m = member_find((line *)object, manager);

	if (m != NULL && m->standing == HELD)
		m->depth++;
	Py_RETURN_NONE;
}

/* 0: an inner block ends; 1: the outermost one; 2: that of a lease from before the fork */
static PyObject *
line_leave(PyObject *object, PyObject *manager)
{
	member *m = member_find((line *)object, manager);
	long ends = 1;

	if (m != NULL && m->standing == HELD) {
		if (m->depth > 0)
			m->depth--;
		ends = m->depth > 0 ? 0 : 1 + m->before;
	}
	return PyLong_FromLong(ends);
}

/* Nobody is behind the bound of a pool that closes. */
static PyObject *
line_get_bound(PyObject *object, void *unused)
{
	const line *self = (line *)object;

	(void)unused;
	return PyLong_FromSize_t(self->closing ? 0 : self->bound);
}

PyObject *
pin(PyObject *module, PyObject *object)
{
	(void)module;
	Py_INCREF(object); /* for good */
	Py_RETURN_NONE;
}

/* With the GIL held: to give it up costs more than a look, and the thread that took it would have to be waited for. */
static PyObject *
wire(PyObject *module, PyObject *socket)
{
	struct pollfd look = {.events = POLLIN | POLLPRI | POLLRDHUP};
	int seen;

	(void)module;
	look.fd = PyObject_AsFileDescriptor(socket);
	if (look.fd < 0)
		return NULL;
	do
		seen = poll(&look, 1, 0);
	while (seen < 0 && errno == EINTR);
	if (seen < 0)
		return PyErr_SetFromErrno(PyExc_OSError);
	if (look.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
		return PyLong_FromLong(2);
	return PyLong_FromLong(look.revents != 0);
}

/* ---- the module ---- */

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef line_methods[] = {
    {"take", FAST(line_take), METH_FASTCALL | METH_KEYWORDS,
	"take($self, /, *, timeout=None)\n--\n\n"
	"Lend a manager: the open one that came back last, else a vacant one, which is opened; else wait,\n"
	"at most `timeout` seconds (PoolTimeout).  What a hook of the manager raises is raised here."},
    {"acquire", FAST(line_take), METH_FASTCALL | METH_KEYWORDS,
	"acquire($self, /, *, timeout=None)\n--\n\nThe same as take."},
    {"put", FAST(line_put), METH_FASTCALL | METH_KEYWORDS,
	"put($self, /, r)\n--\n\n"
	"Give back a manager that was taken, or add a new one.  Waits while `capacity` managers are in line."},
    {"_begin", line_begin, METH_VARARGS, NULL},
    {"_know", line_know, METH_O | METH_CLASS, NULL},
    {"_pull", line_pull, METH_O, NULL},
    {"_push", line_push, METH_VARARGS, NULL},
    {"_owns", line_owns, METH_O, NULL},
    {"_inline", line_inline, METH_NOARGS, NULL},
    {"_putting", line_putting, METH_O, NULL},
    {"_enter", line_enter, METH_O, NULL},
    {"_leave", line_leave, METH_O, NULL},
    {"_stamps", line_stamps, METH_O, NULL},
    {"_override", line_override, METH_VARARGS, NULL},
    {"_recycleAll", line_recycle, METH_NOARGS, NULL},
    {"_stats", line_stats, METH_NOARGS, NULL},
    {"_resize", line_resize, METH_VARARGS, NULL},
    {"_close", line_close, METH_O, NULL},
    {"_forked", line_forked, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef line_attributes[] = {
    {"_maxIdleTime", limit_get_idle, limit_set_idle, "Seconds without use; None: no limit.", NULL},
    {"_maxOpenTime", limit_get_age, limit_set_age, "Seconds since open; None: no limit.", NULL},
    {"_maxUsageCount", limit_get_uses, limit_set_uses, "Leases since open; None: no limit.", NULL},
    {"_bound", line_get_bound, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_doc, (void *)"A pool's slots, line, limits, clocks and counters."},
    {Py_tp_new, line_new},
    {Py_tp_traverse, line_traverse},
    {Py_tp_clear, line_clear},
    {Py_tp_dealloc, line_dealloc},
    {Py_tp_methods, line_methods},
    {Py_tp_getset, line_attributes},
    {0, NULL},
};

static PyType_Spec line_spec = {
    .name = "queuepool._core.Line",
    .basicsize = sizeof(line),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = line_slots,
};

static int
learn_errors(lexicon *known)
{
	PyObject *errors = PyImport_ImportModule("queuepool._errors");

	if (errors == NULL)
		return -1;
	known->error = PyObject_GetAttrString(errors, "PoolError");
	known->timeout = PyObject_GetAttrString(errors, "PoolTimeout");
	known->busy = PyObject_GetAttrString(errors, "PoolBusy");
	known->closed = PyObject_GetAttrString(errors, "PoolClosed");
	Py_DECREF(errors);
	return known->error && known->timeout && known->busy && known->closed ? 0 : -1;
}

static int
learn_names(lexicon *known)
{
	const struct {
		PyObject **where;
		const char *text;
	} names[] = {
	    {&known->open, "open"},
	    {&known->close, "close"},
	    {&known->take_repair, "takeRepair"},
	    {&known->put_repair, "putRepair"},
	    {&known->is_open, "_isOpen"},
	    {&known->await_room, "_awaitRoom"},
	    {&known->room_came, "_roomCame"},
	    {&known->populate, "_populate"},
	    {&known->f_lasti, "f_lasti"},
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		*names[i].where = PyUnicode_InternFromString(names[i].text);
		if (*names[i].where == NULL)
			return -1;
	}
	return 0;
}

static int
module_begin(PyObject *module)
{
	lexicon *known = PyModule_GetState(module);

	if (learn_errors(known) < 0 || learn_names(known) < 0)
		return -1;
	known->line_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &line_spec, NULL);
	if (known->line_type == NULL || PyModule_AddType(module, known->line_type) < 0)
		return -1;
	return PyModule_AddStringConstant(module, "library", qpool_version());
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
	const lexicon *known = PyModule_GetState(module);

	Py_VISIT(known->line_type);
	Py_VISIT(known->base_take_repair);
	Py_VISIT(known->base_put_repair);
	return 0;
}

static PyMethodDef module_methods[] = {
    {"pin", pin, METH_O, "Keep an object for the rest of the process."},
    {"wire", wire, METH_O,
	"0: nothing is to be read from a socket; 1: something is; 2: the other side is gone."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_begin},
    {0, NULL},
};

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "queuepool._core",
    .m_doc = "The engine of queuepool.Pool on the C library; see queuepool._engine.",
    .m_size = sizeof(lexicon),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
	return PyModuleDef_Init(&module_def);
}
