/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_fake: one thread accepts, and one serves each connection until its peer is gone.
 */
#include "redis_fake.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg_keep.h"

enum { TURNS = 8, CALLS = 512 };

/* A copy of an answer: a thread may still be sending it when the test that gave it has returned. */
typedef struct words {
	struct words *next;
	char bytes[];
} words;

struct redis_fake {
	words *told;
	int socket, port;
	char url[64];
	pthread_t thread;
	pthread_mutex_t mutex; /* over the turns and the calls */
	fake_turn turns[TURNS];
	struct call *calls[CALLS];
	size_t call_count;
};

typedef struct call {
	int socket;
	pthread_t thread;
	fake_turn turns[TURNS];
} call;

/* False: the peer is gone. */
static bool
read_commands(const call *c, redisReader *reader, unsigned count)
{
	while (count > 0) {
		char bytes[4096];
		void *command = NULL;
		ssize_t length;

		if (redisReaderGetReply(reader, &command) != REDIS_OK)
			return false;
		if (command != NULL) {
			freeReplyObject(command);
			count--;
			continue;
		}
		length = recv(c->socket, bytes, sizeof bytes, 0);
		if (length <= 0 || redisReaderFeed(reader, bytes, (size_t)length) != REDIS_OK)
			return false;
	}
	return true;
}

static bool
answer(const call *c, const fake_turn *turn)
{
	size_t length = turn->length == 0 ? strlen(turn->answer) : turn->length;
	size_t piece = turn->drip_ms > 0 ? 1 : length;

	for (size_t at = 0; at < length; at += piece) {
		if (send(c->socket, turn->answer + at, piece, MSG_NOSIGNAL) != (ssize_t)piece)
			return false;
		if (turn->drip_ms > 0)
			(void)poll(NULL, 0, turn->drip_ms);
	}
	return true;
}

static void
stay(const call *c)
{
	char bytes[4096];

	while (recv(c->socket, bytes, sizeof bytes, 0) > 0)
		;
}

static void *
serve(void *argument)
{
	call *c = argument;
	redisReader *reader = redisReaderCreate();
	bool goes_on = true;

	for (size_t i = 0; i < TURNS && goes_on; i++) {
		const fake_turn *turn = &c->turns[i];
		if (turn->commands == 0 && turn->answer == NULL)
			break;
		goes_on = read_commands(c, reader, turn->commands) &&
		          (turn->answer == NULL || answer(c, turn)) && turn->then == FAKE_GOES_ON;
		if (turn->then == FAKE_HANGS_UP) {
			(void)shutdown(c->socket, SHUT_RDWR);
			redisReaderFree(reader);
			return NULL;
		}
	}
	stay(c);
	redisReaderFree(reader);
	return NULL;
}

static void *
accept_all(void *argument)
{
	redis_fake *f = argument;
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;
	int socket;

	while ((socket = accept4(f->socket, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC)) >= 0) {
		call *c = calloc(1, sizeof *c);

		pthread_mutex_lock(&f->mutex);
		c->socket = socket;
		memcpy(c->turns, f->turns, sizeof c->turns);
		if (f->call_count == CALLS || pthread_create(&c->thread, NULL, serve, c) != 0)
			abort();
		f->calls[f->call_count++] = c;
		pthread_mutex_unlock(&f->mutex);
	}
	return NULL;
}

redis_fake *
redis_fake_start(void)
{
	redis_fake *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->socket = pg_keep_port(&f->port);
	assert_int_equal(listen(f->socket, 64), 0);
	(void)snprintf(f->url, sizeof f->url, "redis://127.0.0.1:%d", f->port);
	assert_int_equal(pthread_mutex_init(&f->mutex, NULL), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, accept_all, f), 0);
	return f;
}

static void
forget(redis_fake *f)
{
	while (f->told != NULL) {
		words *last = f->told;
		f->told = last->next;
		free(last);
	}
}

void
redis_fake_end(redis_fake *f)
{
	(void)shutdown(f->socket, SHUT_RDWR);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->socket);
	for (size_t i = 0; i < f->call_count; i++) {
		(void)shutdown(f->calls[i]->socket, SHUT_RDWR);
		(void)pthread_join(f->calls[i]->thread, NULL);
		(void)close(f->calls[i]->socket);
		free(f->calls[i]);
	}
	(void)pthread_mutex_destroy(&f->mutex);
	forget(f);
	free(f);
}

static void
keep_words(redis_fake *f, fake_turn *turn)
{
	size_t length;
	words *copy;

	if (turn->answer == NULL)
		return;
	length = turn->length == 0 ? strlen(turn->answer) : turn->length;
	copy = malloc(sizeof *copy + length + 1);
	assert_non_null(copy);
	memcpy(copy->bytes, turn->answer, length);
	copy->bytes[length] = '\0';
	copy->next = f->told;
	f->told = copy;
	turn->answer = copy->bytes;
}

void
redis_fake_tell(redis_fake *f, const fake_turn *turns)
{
	size_t count = 0;

	while (turns[count].commands > 0 || turns[count].answer != NULL)
		count++;
	assert_true(count < TURNS);
	pthread_mutex_lock(&f->mutex);
	memset(f->turns, 0, sizeof f->turns);
	memcpy(f->turns, turns, count * sizeof *turns);
	for (size_t i = 0; i < count; i++)
		keep_words(f, &f->turns[i]);
	pthread_mutex_unlock(&f->mutex);
}

const char *
redis_fake_url(const redis_fake *f)
{
	return f->url;
}

int
redis_fake_port(const redis_fake *f)
{
	return f->port;
}
