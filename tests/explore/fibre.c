/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fibre: makecontext(3) once for each stack, then _setjmp and _longjmp, which do without the system
 * call that swapcontext makes.  Under AddressSanitizer, which must be told of every switch, it is
 * swapcontext.
 */
#ifdef _FORTIFY_SOURCE
/* A checked longjmp refuses to jump to another stack. */
#undef _FORTIFY_SOURCE
#endif
#include "fibre.h"

#include "sanitize.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#if EXPLORE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES ((size_t)(EXPLORE_ASAN ? 512 : 128) * 1024)

struct fibre {
	void (*body)(void);
	bool begun;
	jmp_buf at;
	ucontext_t context;
	char *stack;
	const void *bottom; /* for the sanitizer */
	size_t bytes;
	void *fake;
};

static fibre main_fibre;
static fibre *running = &main_fibre, *left;

fibre *
fibre_main(void)
{
	return &main_fibre;
}

/* The first thing on the new side of a switch. */
static void
arrive(fibre *here)
{
#if EXPLORE_ASAN
	const void *bottom;
	size_t bytes;

	__sanitizer_finish_switch_fiber(here->fake, &bottom, &bytes);
	if (left == &main_fibre) {
		left->bottom = bottom;
		left->bytes = bytes;
	}
#endif
	running = here;
}

static void
live(void)
{
	fibre *self = running;

	arrive(self);
	for (;;)
		self->body();
}

void
fibre_reset(fibre *f)
{
	f->begun = false;
	f->fake = NULL;
}

fibre *
fibre_new(void (*body)(void))
{
	fibre *f = calloc(1, sizeof *f);

	if (f != NULL)
		f->stack = malloc(STACK_BYTES);
	if (f == NULL || f->stack == NULL) {
		(void)fputs("explore: no memory for a stack\n", stderr);
		exit(2);
	}
	f->body = body;
	f->bottom = f->stack;
	f->bytes = STACK_BYTES;
	return f;
}

static void
begin(fibre *f)
{
	f->begun = true;
	/* cppcheck-suppress getcontextCalled ; threads are what this does without */
	(void)getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK_BYTES;
	f->context.uc_link = NULL;
	/* cppcheck-suppress makecontextCalled ; likewise */
	makecontext(&f->context, live, 0);
}

#if EXPLORE_ASAN
static void
leave_for(fibre *from, fibre *to)
{
	if (to != &main_fibre && !to->begun)
		begin(to);
	__sanitizer_start_switch_fiber(&from->fake, to->bottom, to->bytes);
	(void)swapcontext(&from->context, &to->context);
}
#else
static void
enter(fibre *to, bool first)
{
	if (first)
		(void)setcontext(&to->context);
	_longjmp(to->at, 1);
}

static void
leave_for(fibre *from, fibre *to)
{
	const bool first = to != &main_fibre && !to->begun;

	if (first)
		begin(to);
	if (_setjmp(from->at) == 0)
		enter(to, first);
}
#endif

void
fibre_switch(fibre *from, fibre *to)
{
	left = from;
	running = to;
	leave_for(from, to);
	arrive(from);
}
