/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_server: a real redis-server of a test's own, on a free port and a Unix socket, in a temporary
 * folder.  Its parent is the keeper of servers (pg_keeper.c), so nothing is left of it when the test is
 * killed.  What fails here fails the test, with the reason.
 */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct redis_server redis_server;

/* Started and answering.  `conf` is more lines for redis.conf, or NULL. */
redis_server *redis_server_start(const char *conf);
void redis_server_end(redis_server *s); /* NULL is fine */
/* Killed, as by a crash; and started again with the same addresses and no data. */
void redis_server_kill(redis_server *s);
void redis_server_launch(redis_server *s);
void redis_server_signal(redis_server *s, int number);
int redis_server_port(const redis_server *s);
const char *redis_server_socket(const redis_server *s);
const char *redis_server_url(const redis_server *s);  /* redis://127.0.0.1:PORT */
const char *redis_server_unix(const redis_server *s); /* unix:PATH */

/* On a connection of the test's own, which is let in by its user "admin", made by the harness. */
redisReply *redis_ask(redis_server *s, const char *format, ...);
long long redis_number(redis_server *s, const char *format, ...);
void redis_do(redis_server *s, const char *format, ...);
/* Until the INFO of the server has this text. */
void redis_await_info(redis_server *s, const char *section, const char *text);
/* How many connections there are, but for the test's own. */
unsigned redis_clients(redis_server *s);

#endif
