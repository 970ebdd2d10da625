/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members: who is in the pool.  A table by the address of the manager, and the stack of the vacant ones.  All rooms
 * come in, with the GIL.  It runs no code of Python's but the making of a weak reference, and never talks to the qpool.
 */
#include "line.h"

enum { FIRST_ROOM = 16 };

static size_t
place_of(const line *self, const PyObject *manager)
{
	uintptr_t address = (uintptr_t)manager;

	return (size_t)((address >> 4) * 0x9E3779B97F4A7C15u >> 20) & (self->room - 1);
}

member *
member_find(const line *self, const PyObject *manager)
{
	if (self->room == 0)
		return NULL;
	for (size_t i = place_of(self, manager);; i = (i + 1) & (self->room - 1))
		if (self->table[i] == NULL || self->table[i]->manager == manager)
			return self->table[i];
}

static void
place(line *self, member *m)
{
	size_t i = place_of(self, m->manager);

	while (self->table[i] != NULL)
		i = (i + 1) & (self->room - 1);
	self->table[i] = m;
}

static bool
grow(line *self)
{
	size_t old_room = self->room;
	member **old = self->table, **table;

	if (self->count * 2 < old_room)
		return true;
	self->room = old_room == 0 ? FIRST_ROOM : old_room * 2;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a table of pointers */
	table = PyMem_Calloc(self->room, sizeof *table);
	if (table == NULL) {
		self->room = old_room;
		return false;
	}
	self->table = table;
	for (size_t i = 0; i < old_room; i++)
		if (old[i] != NULL)
			place(self, old[i]);
	PyMem_Free(old);
	return true;
}

member *
member_add(line *self, PyObject *manager)
{
	member *m = PyMem_Calloc(1, sizeof *m);
	PyObject *weak;

	if (m == NULL || !grow(self)) {
		PyMem_Free(m);
		PyErr_NoMemory();
		return NULL;
	}
	weak = PyWeakref_NewRef(manager, self->gone);
	if (weak == NULL) {
		PyMem_Free(m);
		return NULL;
	}
	/* The making of `weak` may have run anything. */
	if (member_find(self, manager) != NULL)
		PyErr_SetString(self->known->error, "a manager was put to its pool twice at once");
	else if (!grow(self))
		PyErr_NoMemory();
	if (PyErr_Occurred() != NULL) {
		PyMem_Free(m);
		Py_DECREF(weak);
		return NULL;
	}
	Py_INCREF(manager);
	m->manager = manager;
	m->weak = weak;
	m->serial = ++self->serials;
	m->opened_at = m->used_at = m->uses = NOT_SET;
	m->standing = HELD; /* not in line yet */
	place(self, m);
	self->count++;
	return m;
}

/* Those behind a hole move up, or a search would end at it. */
static void
take_out(line *self, const member *m)
{
	size_t mask = self->room - 1, hole = place_of(self, m->manager);

	while (self->table[hole] != m)
		hole = (hole + 1) & mask;
	self->table[hole] = NULL;
	for (size_t i = (hole + 1) & mask; self->table[i] != NULL; i = (i + 1) & mask) {
		member *other = self->table[i];
		self->table[i] = NULL;
		place(self, other);
	}
	self->count--;
}

PyObject *
member_remove(line *self, member *m)
{
	PyObject *manager = m->standing != HELD || m->in_hand ? m->manager : NULL, *weak = m->weak;

	if (m->stacked)
		member_unstack(self, m);
	member_forget_times(self, m);
	member_stand(self, m, HELD);
	self->forked -= m->before;
	take_out(self, m);
	if (self->count <= self->most)
		self->most = 0;
	PyMem_Free(m);
	Py_DECREF(weak);
	return manager;
}

void
member_stand(line *self, member *m, standing to)
{
	self->in_line += to != HELD;
	self->in_line -= m->standing != HELD;
	m->standing = (uint8_t)to;
}

void
member_in_hand(member *m)
{
	m->in_hand = true;
	m->thread = PyThread_get_thread_ident();
}

void
member_stack(line *self, member *m)
{
	member_forget_times(self, m);
	member_stand(self, m, VACANT);
	m->in_hand = false;
	m->stacked = true;
	m->newer = NULL;
	m->older = self->newest;
	if (self->newest != NULL)
		self->newest->newer = m;
	else
		self->oldest = m;
	self->newest = m;
}

void
member_unstack(line *self, member *m)
{
	if (m->newer != NULL)
		m->newer->older = m->older;
	else
		self->newest = m->older;
	if (m->older != NULL)
		m->older->newer = m->newer;
	else
		self->oldest = m->newer;
	m->newer = m->older = NULL;
	m->stacked = false;
}

void
member_forget_times(line *self, member *m)
{
	bool any = m->opened_at != NOT_SET || m->used_at != NOT_SET || m->uses != NOT_SET;

	if (any && m->standing == IDLE)
		self->assigned--;
	m->opened_at = m->used_at = m->uses = NOT_SET;
}

size_t
members_usable(const line *self)
{
	size_t usable = self->count - self->forked;

	return self->most != 0 && usable > self->most ? self->most : usable;
}
