/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_proxy: see the header.  One thread owns all sockets.  Callers leave a wish and wait for the
 * thread to have granted it and then to have seen a round in which no client had anything to say.
 */
#include "pg_proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg_keep.h"
#include "pg_link.h"

enum {
	LINKS = 512,
	LISTENERS = 2,    /* TCP, unix */
	BUSY_ROUNDS = 64, /* a wish waits no longer than so many for silence */
};

struct pg_proxy {
	pthread_t thread;
	char upstream[108], folder[96], socket_path[108];
	char conninfo[128], unix_conninfo[192];
	int port, reserve, wake;
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t granted;
	uint64_t wished, done;
	pg_proxy_mode wish;
	bool ends;
	pg_proxy_count count;
	char *sent;
	size_t sent_length, sent_room;
	size_t links_now;
	/* the thread's own */
	pg_proxy_mode mode;
	int listener[LISTENERS];
	pg_link *links[LINKS];
	size_t link_count;
	struct pollfd polled[1 + LISTENERS + 2 * LINKS];
};

/* ---- sockets ---- */

static void
open_listeners(pg_proxy *p)
{
	if (p->listener[0] >= 0)
		return;
	p->listener[0] = pg_socket_listen_tcp(p->port);
	p->listener[1] = pg_socket_listen_unix(p->socket_path);
}

static void
close_listeners(pg_proxy *p)
{
	for (int i = 0; i < LISTENERS; i++)
		pg_socket_close(&p->listener[i]);
}

/* ---- links ---- */

static void
end_link(pg_proxy *p, size_t which)
{
	pg_link *l = p->links[which];

	pg_socket_close(&l->client);
	pg_socket_close(&l->server);
	free(l);
	p->links[which] = p->links[--p->link_count];
}

/* Dissolving a TCP connection resets it. */
static void
cut_all(pg_proxy *p)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	while (p->link_count > 0) {
		int fd = p->links[p->link_count - 1]->client;

		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		(void)connect(fd, &nobody, sizeof nobody);
		end_link(p, p->link_count - 1);
	}
}

static void
add_link(pg_proxy *p, int client)
{
	bool silent = p->mode == PG_SWALLOW || p->mode == PG_ACCEPT_SILENT;
	pg_link *l = calloc(1, sizeof *l);
	int yes = 1;

	if (l == NULL)
		abort();
	(void)setsockopt(
	    client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* not of a unix one */
	l->client = client;
	l->server = silent ? -1 : pg_socket_connect(p->upstream);
	l->spoken_to = true;
	p->links[p->link_count++] = l;
	pthread_mutex_lock(&p->mutex);
	p->count.connects++;
	pthread_mutex_unlock(&p->mutex);
	if (!silent && l->server < 0)
		end_link(p, p->link_count - 1);
}

/* True: somebody came. */
static bool
accept_all(pg_proxy *p, int listener)
{
	bool any = false;
	int fd;

	while (p->link_count < LINKS &&
	       /* cppcheck-suppress nullPointer ; nobody asks for the address */
	       (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		add_link(p, fd);
		any = true;
	}
	return any;
}

/* ---- counting ---- */

/* Under the mutex. */
static void
hear(void *of, char type)
{
	pg_proxy *p = of;

	if (p->sent_length + 1 >= p->sent_room) {
		p->sent_room = 2 * p->sent_room + 64;
		p->sent = realloc(p->sent, p->sent_room);
		if (p->sent == NULL)
			abort();
	}
	p->sent[p->sent_length++] = type;
	p->sent[p->sent_length] = '\0';
}

static void
count_up(pg_proxy *p, pg_link *l, const char *bytes, size_t count)
{
	pthread_mutex_lock(&p->mutex);
	p->count.to_server_bytes += count;
	if (l->spoken_to)
		p->count.turns++;
	l->spoken_to = false;
	pg_wire_from_client(&l->wire, bytes, count, hear, p);
	pthread_mutex_unlock(&p->mutex);
}

static void
count_down(pg_proxy *p, pg_link *l, const char *bytes, size_t count)
{
	pthread_mutex_lock(&p->mutex);
	p->count.to_client_bytes += count;
	l->spoken_to = true;
	pg_wire_from_server(&l->wire, bytes, count);
	pthread_mutex_unlock(&p->mutex);
}

/* ---- a round ---- */

static bool
lets_up(const pg_proxy *p, const pg_link *l)
{
	return p->mode != PG_SWALLOW && l->server >= 0;
}

static bool
lets_down(const pg_proxy *p)
{
	return p->mode != PG_SWALLOW && p->mode != PG_HOLD_REPLIES;
}

static bool
reads_down(const pg_proxy *p, const pg_link *l)
{
	return p->mode != PG_HOLD_REPLIES && !pg_way_pending(&l->down) && !l->down.ended;
}

/* A descriptor without events is left out: poll would report its end for ever. */
static struct pollfd
watch(int fd, bool reads, bool writes)
{
	short events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));

	return (struct pollfd){.fd = events == 0 ? -1 : fd, .events = events};
}

static nfds_t
fill_polled(pg_proxy *p)
{
	nfds_t count = 0;

	p->polled[count++] = watch(p->wake, true, false);
	for (int i = 0; i < LISTENERS; i++)
		p->polled[count++] = watch(p->listener[i], p->link_count < LINKS, false);
	for (size_t i = 0; i < p->link_count; i++) {
		const pg_link *l = p->links[i];

		p->polled[count++] = watch(l->client, !pg_way_pending(&l->up) && !l->up.ended,
		    lets_down(p) && pg_way_pending(&l->down));
		p->polled[count++] =
		    watch(l->server, reads_down(p, l), lets_up(p, l) && pg_way_pending(&l->up));
	}
	return count;
}

/* True: the client said something. */
static bool
move_up(pg_proxy *p, pg_link *l, short events)
{
	size_t got = events == 0 || pg_way_pending(&l->up) || l->up.ended
	                 ? 0
	                 : pg_way_fill(&l->up, l->client);

	if (got > 0)
		count_up(p, l, l->up.bytes, got);
	if (!lets_up(p, l))
		pg_way_empty(&l->up);
	else
		(void)pg_way_drain(
		    &l->up, l->server); /* a server that is gone has perhaps said why */
	return got > 0;
}

static void
move_down(pg_proxy *p, pg_link *l, short events)
{
	size_t got = events == 0 || !reads_down(p, l) ? 0 : pg_way_fill(&l->down, l->server);

	if (got > 0)
		count_down(p, l, l->down.bytes, got);
	if (p->mode == PG_SWALLOW)
		pg_way_empty(&l->down);
	else if (lets_down(p) && !pg_way_drain(&l->down, l->client))
		l->up.ended = true;
}

static bool
over(const pg_proxy *p, const pg_link *l)
{
	if (l->server < 0)
		return l->up.ended;
	if (p->mode == PG_SWALLOW)
		return false;
	return (l->up.ended && !pg_way_pending(&l->up)) ||
	       (l->down.ended && !pg_way_pending(&l->down) && lets_down(p));
}

/* True: a client said something, or one came or went. */
static bool
move_all(pg_proxy *p, nfds_t polled)
{
	size_t links = (polled - 1 - LISTENERS) / 2;
	bool any = false;

	for (size_t i = links; i-- > 0;) {
		const struct pollfd *at = &p->polled[1 + LISTENERS + 2 * i];
		pg_link *l = p->links[i];

		/* Down first: what the server said before the client spoke again makes a turn. */
		move_down(p, l, at[1].revents);
		any |= move_up(p, l, at[0].revents);
		if (over(p, l)) {
			end_link(p, i);
			any = true;
		}
	}
	for (int i = 0; i < LISTENERS; i++)
		if (p->polled[1 + i].revents != 0)
			any |= accept_all(p, p->listener[i]);
	return any;
}

/* ---- the thread ---- */

static void
put_in_force(pg_proxy *p, pg_proxy_mode mode)
{
	p->mode = mode == PG_CUT ? PG_PASS : mode;
	if (mode == PG_CUT)
		cut_all(p);
	if (mode == PG_REFUSE)
		close_listeners(p);
	else
		open_listeners(p);
}

/* What is wished, in *number; true: the end. */
static bool
look_at_wish(pg_proxy *p, uint64_t *number)
{
	pg_proxy_mode mode;
	bool fresh, ends;

	pthread_mutex_lock(&p->mutex);
	fresh = *number != p->wished;
	*number = p->wished;
	mode = p->wish;
	p->wish = p->wish == PG_CUT ? PG_PASS : p->wish;
	ends = p->ends;
	pthread_mutex_unlock(&p->mutex);
	if (fresh)
		put_in_force(p, mode);
	return ends;
}

static void
grant(pg_proxy *p, uint64_t number)
{
	pthread_mutex_lock(&p->mutex);
	p->done = number;
	p->links_now = p->link_count;
	pthread_cond_broadcast(&p->granted);
	pthread_mutex_unlock(&p->mutex);
}

static void *
run(void *of)
{
	pg_proxy *p = of;
	uint64_t number = 0, granted = 0, ignored;
	unsigned busy = 0;
	nfds_t count;

	while (!look_at_wish(p, &number)) {
		count = fill_polled(p);
		if (poll(p->polled, count, number == granted ? -1 : 0) < 0)
			continue;
		if (p->polled[0].revents != 0)
			(void)!read(p->wake, &ignored, sizeof ignored);
		if (move_all(p, count) && busy++ < BUSY_ROUNDS)
			continue;
		busy = 0;
		if (number != granted)
			grant(p, number);
		granted = number;
	}
	while (p->link_count > 0)
		end_link(p, p->link_count - 1);
	close_listeners(p);
	return NULL;
}

/* ---- what tests say ---- */

/* Under the mutex. */
static void
settle(pg_proxy *p)
{
	const uint64_t one = 1;
	uint64_t mine = ++p->wished;

	(void)!write(p->wake, &one, sizeof one);
	while (p->done < mine)
		pthread_cond_wait(&p->granted, &p->mutex);
}

static void
make_names(pg_proxy *p, const pg_server *s, const char *socket_dir, int port)
{
	struct stat about;

	(void)snprintf(p->upstream, sizeof p->upstream, "%s/.s.PGSQL.%d", socket_dir, port);
	(void)snprintf(p->folder, sizeof p->folder, "%s/p%d", pg_server_folder(s), p->port);
	(void)snprintf(
	    p->socket_path, sizeof p->socket_path, "%.80s/.s.PGSQL.%d", p->folder, p->port);
	(void)snprintf(p->conninfo, sizeof p->conninfo,
	    "host=127.0.0.1 port=%d dbname=postgres user=postgres sslmode=disable", p->port);
	(void)snprintf(p->unix_conninfo, sizeof p->unix_conninfo,
	    "host=%s port=%d dbname=postgres user=postgres", p->folder, p->port);
	if (stat(p->folder, &about) != 0)
		assert_int_equal(mkdir(p->folder, 0755), 0);
	assert_int_equal(chmod(p->folder, 0755), 0);
}

/* Signals are for the test's own threads. */
static void
start_thread(pg_proxy *p)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

pg_proxy *
pg_proxy_start_before(pg_server *s, const char *socket_dir, int port)
{
	pg_proxy *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->reserve = pg_keep_port(&p->port);
	make_names(p, s, socket_dir, port);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(p->wake >= 0);
	assert_int_equal(pthread_mutex_init(&p->mutex, NULL), 0);
	assert_int_equal(pthread_cond_init(&p->granted, NULL), 0);
	p->listener[0] = p->listener[1] = -1;
	open_listeners(p);
	start_thread(p);
	return p;
}

pg_proxy *
pg_proxy_start(pg_server *s)
{
	return pg_proxy_start_before(s, pg_server_socket_dir(s), pg_server_port(s));
}

void
pg_proxy_end(pg_proxy *p)
{
	const uint64_t one = 1;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	p->ends = true;
	pthread_mutex_unlock(&p->mutex);
	(void)!write(p->wake, &one, sizeof one);
	(void)pthread_join(p->thread, NULL);
	(void)close(p->wake);
	(void)close(p->reserve);
	(void)pthread_cond_destroy(&p->granted);
	(void)pthread_mutex_destroy(&p->mutex);
	free(p->sent);
	free(p);
}

void
pg_proxy_set(pg_proxy *p, pg_proxy_mode mode)
{
	pthread_mutex_lock(&p->mutex);
	p->wish = mode;
	settle(p);
	pthread_mutex_unlock(&p->mutex);
}

int
pg_proxy_port(const pg_proxy *p)
{
	return p->port;
}

const char *
pg_proxy_socket_dir(const pg_proxy *p)
{
	return p->folder;
}

const char *
pg_proxy_conninfo(const pg_proxy *p)
{
	return p->conninfo;
}

const char *
pg_proxy_unix_conninfo(const pg_proxy *p)
{
	return p->unix_conninfo;
}

pg_proxy_count
pg_proxy_counts(pg_proxy *p)
{
	pg_proxy_count count;

	pthread_mutex_lock(&p->mutex);
	settle(p);
	count = p->count;
	pthread_mutex_unlock(&p->mutex);
	return count;
}

char *
pg_proxy_sent(pg_proxy *p)
{
	char *sent;

	pthread_mutex_lock(&p->mutex);
	settle(p);
	sent = strdup(p->sent == NULL ? "" : p->sent);
	pthread_mutex_unlock(&p->mutex);
	assert_non_null(sent);
	return sent;
}

void
pg_proxy_reset(pg_proxy *p)
{
	pthread_mutex_lock(&p->mutex);
	settle(p);
	p->count = (pg_proxy_count){0};
	p->sent_length = 0;
	if (p->sent != NULL)
		p->sent[0] = '\0';
	pthread_mutex_unlock(&p->mutex);
}

size_t
pg_proxy_links(pg_proxy *p)
{
	size_t links;

	pthread_mutex_lock(&p->mutex);
	settle(p);
	links = p->links_now;
	pthread_mutex_unlock(&p->mutex);
	return links;
}
