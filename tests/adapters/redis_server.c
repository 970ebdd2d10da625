/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_server: see the header.
 */
#include "redis_server.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg_keep.h"

struct redis_server {
	pg_keep *keep;
	int port, reserve; /* the descriptor that keeps the port ours */
	char program[256], conf[160], socket[128], url[64], unix_url[160];
	redisContext *admin; /* or NULL */
};

enum { READY_SECONDS = 30, PAUSE_MS = 5 };

static time_t
seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void __attribute__((noreturn)) give_up(const redis_server *s, const char *what)
{
	pg_keep_log_tail(s->keep);
	fail_msg("%s", what);
	abort(); /* not reached */
}

/* ---- the server ---- */

static void
write_conf(redis_server *s, const char *more)
{
	char ours[1024];

	(void)snprintf(ours, sizeof ours,
	    "bind 127.0.0.1\nport %d\nunixsocket %s\nunixsocketperm 777\ndir %s\nsave \"\"\n"
	    "appendonly no\ndaemonize no\nprotected-mode no\nrepl-diskless-sync-delay 0\n"
	    "user admin on nopass ~* &* +@all\n",
	    s->port, s->socket, pg_keep_folder(s->keep));
	pg_keep_write(s->keep, "redis.conf", ours);
	if (more != NULL)
		pg_keep_write(s->keep, "redis.conf", more);
}

static bool
connect_admin(redis_server *s)
{
	redisReply *reply = NULL;

	if (s->admin != NULL)
		redisFree(s->admin);
	s->admin = redisConnectUnix(s->socket);
	if (s->admin != NULL && s->admin->err == 0)
		reply = redisCommand(s->admin, "AUTH admin x");
	if (reply != NULL && reply->type == REDIS_REPLY_STATUS) {
		freeReplyObject(reply);
		return true;
	}
	freeReplyObject(reply);
	if (s->admin != NULL)
		redisFree(s->admin);
	s->admin = NULL;
	return false;
}

void
redis_server_launch(redis_server *s)
{
	const char *const argv[] = {s->program, s->conf, NULL};
	time_t start = seconds();

	(void)pg_keep_launch(s->keep, argv);
	while (!connect_admin(s)) {
		if (!pg_keep_alive(s->keep) || seconds() - start > READY_SECONDS)
			give_up(s, "redis-server does not start");
		(void)poll(NULL, 0, PAUSE_MS);
	}
}

redis_server *
redis_server_start(const char *conf)
{
	redis_server *s = calloc(1, sizeof *s);

	assert_non_null(s);
	pg_keep_find("redis-server", "redis-server", s->program);
	s->reserve = pg_keep_port(&s->port);
	s->keep = pg_keep_start(SIGTERM);
	(void)snprintf(s->socket, sizeof s->socket, "%s/redis.sock", pg_keep_folder(s->keep));
	(void)snprintf(s->conf, sizeof s->conf, "%s/redis.conf", pg_keep_folder(s->keep));
	(void)snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d", s->port);
	(void)snprintf(s->unix_url, sizeof s->unix_url, "unix:%s", s->socket);
	write_conf(s, conf);
	redis_server_launch(s);
	return s;
}

void
redis_server_end(redis_server *s)
{
	if (s == NULL)
		return;
	if (s->admin != NULL)
		redisFree(s->admin);
	pg_keep_end(s->keep);
	(void)close(s->reserve);
	free(s);
}

void
redis_server_kill(redis_server *s)
{
	pg_keep_stop(s->keep, SIGKILL);
}

void
redis_server_signal(redis_server *s, int number)
{
	pg_keep_signal(s->keep, number);
}

int
redis_server_port(const redis_server *s)
{
	return s->port;
}

const char *
redis_server_socket(const redis_server *s)
{
	return s->socket;
}

const char *
redis_server_url(const redis_server *s)
{
	return s->url;
}

const char *
redis_server_unix(const redis_server *s)
{
	return s->unix_url;
}

/* ---- the test's own connection ---- */

static redisReply *
ask(redis_server *s, const char *format, va_list list)
{
	redisReply *reply;

	assert_non_null(s->admin);
	reply = redisvCommand(s->admin, format, list);
	if (reply == NULL)
		give_up(s, s->admin->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	return reply;
}

redisReply *
redis_ask(redis_server *s, const char *format, ...)
{
	redisReply *reply;
	va_list list;

	va_start(list, format);
	reply = ask(s, format, list);
	va_end(list);
	return reply;
}

long long
redis_number(redis_server *s, const char *format, ...)
{
	redisReply *reply;
	long long number;
	va_list list;

	va_start(list, format);
	reply = ask(s, format, list);
	va_end(list);
	number = reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : reply->integer;
	freeReplyObject(reply);
	return number;
}

void
redis_do(redis_server *s, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	freeReplyObject(ask(s, format, list));
	va_end(list);
}

void
redis_await_info(redis_server *s, const char *section, const char *text)
{
	time_t start = seconds();

	for (;;) {
		redisReply *reply = redis_ask(s, "INFO %s", section);
		bool reached = strstr(reply->str, text) != NULL;

		freeReplyObject(reply);
		if (reached)
			return;
		if (seconds() - start > READY_SECONDS)
			give_up(s, text);
		(void)poll(NULL, 0, PAUSE_MS);
	}
}

unsigned
redis_clients(redis_server *s)
{
	redisReply *reply = redis_ask(s, "CLIENT LIST TYPE normal");
	unsigned lines = 0;

	for (const char *at = reply->str; *at != '\0'; at++)
		lines += *at == '\n';
	freeReplyObject(reply);
	return lines - 1;
}
