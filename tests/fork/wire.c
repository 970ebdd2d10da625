/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: socketpairs that keep messages apart.
 */
#include "wire.h"

#include "cell.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct word {
	pid_t from;
	wire_step what;
} word;

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer looks away in the child of a process with threads, whose past it would take for races, but
 * only once the handlers of fork have run. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static pid_t
forks(void)
{
	pid_t child;

	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	child = fork();
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	return child;
}

#else
static pid_t
forks(void)
{
	return fork();
}
#endif

void
wire_leave_if_watched(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	/* Not _exit, which the runtime looks at. */
	(void)syscall(SYS_exit_group, 0);
#endif
}

pid_t
wire_fork(void)
{
	pid_t child = forks();

	/* A cell's handler would be put off by ThreadSanitizer, and a child that hangs live on. */
	if (child == 0)
		(void)signal(SIGALRM, SIG_DFL);
	return child;
}

void
wire_begin(wire *peer)
{
	memset(peer, 0, sizeof *peer);
	peer->parent = getpid();
	CELL_SAME(pipe(peer->gate), 0);
}

static void
say(const wire_resource *r, wire_step what)
{
	word w;

	memset(&w, 0, sizeof w);
	w.from = getpid();
	w.what = what;
	CELL_SAME(write(r->client, &w, sizeof w), sizeof w);
}

/* Count, fork if the test says so, and stop if the gate is shut.  True: fail. */
static bool
pass(wire *peer, wire_step step)
{
	unsigned failing = atomic_load(&peer->failing[step]);
	wire_hook *hook = atomic_load(&peer->hook);
	char token;

	atomic_fetch_add(&peer->calls[step], 1);
	if (hook != NULL)
		hook(step, NULL);
	if (atomic_load(&peer->shut[step]) && getpid() == peer->parent) {
		atomic_fetch_add(&peer->standing[step], 1);
		while (read(peer->gate[0], &token, 1) < 0 && errno == EINTR)
			;
		atomic_fetch_sub(&peer->standing[step], 1);
	}
	return failing > 0 &&
	       atomic_compare_exchange_strong(&peer->failing[step], &failing, failing - 1);
}

/* A step about a resource of this process, in which nobody else is. */
static bool
pass_with(wire *peer, wire_resource *r, wire_step step)
{
	bool fails;

	CELL_SAME(r->owner, getpid());
	CELL_SAME(atomic_fetch_add(&r->inside, 1), 0);
	if (step != WIRE_PEEK)
		say(r, step);
	fails = pass(peer, step);
	CELL_SAME(atomic_fetch_sub(&r->inside, 1), 1);
	return fails;
}

/* Another process counts its own. */
static void
gone(wire *peer, const wire_resource *r)
{
	if (r->owner == getpid())
		atomic_fetch_sub(&peer->alive, 1);
}

static qpool_err
open_wire(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	wire *peer = user;
	wire_resource *r = calloc(1, sizeof *r);
	int ends[2];

	(void)error;
	CELL_MUST(r != NULL);
	CELL_MUST(atomic_fetch_add(&peer->alive, 1) < peer->most || peer->most == 0);
	if (step->key != NULL)
		(void)snprintf(r->key, sizeof r->key, "%s", step->key);
	CELL_SAME(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	r->owner = getpid();
	r->number = atomic_fetch_add(&peer->numbers, 1);
	CELL_MUST(r->number < WIRE_MOST);
	r->client = ends[0];
	atomic_store(&peer->servers[r->number], ends[1]);
	say(r, WIRE_OPEN);
	if (pass(peer, WIRE_OPEN)) {
		gone(peer, r);
		(void)close(ends[0]);
		free(r);
		return QPOOL_EOPEN;
	}
	*out = r;
	return QPOOL_OK;
}

static void
close_wire(void *user, void *resource, qpool_why why)
{
	wire_resource *r = resource;

	CELL_MUST(why >= QPOOL_WHY_IDLE && why <= QPOOL_WHY_CLOSED);
	(void)pass_with(user, r, WIRE_CLOSE);
	(void)close(r->client);
	gone(user, r);
	free(r);
}

static qpool_err
peek_wire(void *user, void *resource, qpool_error *error)
{
	(void)error;
	return pass_with(user, resource, WIRE_PEEK) ? QPOOL_ECHECK : QPOOL_OK;
}

static qpool_err
check_wire(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)step;
	(void)error;
	return pass_with(user, resource, WIRE_CHECK) ? QPOOL_EAGAIN : QPOOL_OK;
}

static qpool_err
reset_wire(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	const wire *peer = user;

	(void)step;
	(void)error;
	if (!pass_with(user, resource, WIRE_RESET))
		return QPOOL_OK;
	return peer->again != QPOOL_OK ? peer->again : QPOOL_ECHECK;
}

static void
describe_wire(void *user, void *resource, char *out, size_t room)
{
	wire_resource *r = resource;

	CELL_SAME(r->owner, getpid());
	(void)pass(user, WIRE_DESCRIBE);
	(void)snprintf(out, room, "wire %u", r->number);
}

/* What nobody else can be inside of: the resource of another process, once. */
static void
abandon_wire(void *user, void *resource)
{
	wire_resource *r = resource;

	CELL_MUST(r->owner != getpid());
	CELL_MUST(r->client >= 0);
	(void)pass(user, WIRE_ABANDON);
	(void)close(r->client);
	r->client = -1;
	free(r);
}

static void
destroy_wire(void *user)
{
	wire *peer = user;

	CELL_SAME(atomic_load(&peer->calls[WIRE_DESTROY]), 0);
	(void)pass(peer, WIRE_DESTROY);
}

qpool_ops
wire_ops(void)
{
	qpool_ops ops = qpool_ops_init();

	ops.kind = "wire";
	ops.open = open_wire;
	ops.close = close_wire;
	ops.peek = peek_wire;
	ops.check = check_wire;
	ops.reset = reset_wire;
	ops.describe = describe_wire;
	ops.abandon = abandon_wire;
	ops.destroy = destroy_wire;
	return ops;
}

void
wire_shut(wire *peer, wire_step step)
{
	atomic_store(&peer->shut[step], 1);
}

void
wire_await(wire *peer, wire_step step, unsigned count)
{
	while (atomic_load(&peer->standing[step]) < count)
		(void)sched_yield();
}

void
wire_open(wire *peer, wire_step step)
{
	atomic_store(&peer->shut[step], 0);
	for (unsigned i = atomic_load(&peer->standing[step]); i > 0; i--)
		CELL_SAME(write(peer->gate[1], "", 1), 1);
}

void
wire_event(void *user, qpool *pool, const qpool_event *event)
{
	wire *peer = user;
	wire_hook *hook = atomic_load(&peer->hook);

	(void)pool;
	if (hook != NULL)
		hook(WIRE_STEPS, event);
}

/* What came over one wire.  When no process, no child either, holds the client's side any more, it ends. */
static unsigned
read_one(wire *peer, unsigned number)
{
	int server = atomic_load(&peer->servers[number]);
	unsigned words = 0;
	ssize_t length;
	word w;

	if (server <= 0)
		return 0;
	while ((length = recv(server, &w, sizeof w, MSG_DONTWAIT)) == (ssize_t)sizeof w) {
		CELL_SAME(w.from, peer->parent);
		words++;
	}
	if (length == 0) {
		atomic_store(&peer->servers[number], -1);
		(void)close(server);
	}
	return words;
}

unsigned
wire_read(wire *peer)
{
	unsigned words = 0;

	for (unsigned i = 0; i < atomic_load(&peer->numbers); i++)
		words += read_one(peer, i);
	return words;
}

void
wire_end(wire *peer)
{
	(void)wire_read(peer);
	CELL_SAME(atomic_load(&peer->calls[WIRE_ABANDON]), 0);
	CELL_SAME(atomic_load(&peer->calls[WIRE_DESTROY]), 1);
	for (unsigned i = 0; i < atomic_load(&peer->numbers); i++)
		CELL_SAME(atomic_load(&peer->servers[i]), -1);
	(void)close(peer->gate[0]);
	(void)close(peer->gate[1]);
}
