/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_kit: short words for what the adapter's tests say often: pools of one, the ops by themselves,
 * and what a message must and must not say.
 */
#ifndef REDIS_KIT_H
#define REDIS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <queuepool/redis.h>

#include "redis_server.h"

/* The ops of a URL; ended by kit_end. */
typedef struct kit {
	qpool_ops ops;
	void *user;
	qpool_error error; /* of the last failure */
} kit;

void kit_begin(kit *k, const char *url, const qpool_redis_options *options);
void kit_end(kit *k);
qpool_err kit_open(kit *k, qpool_nsec budget, void **out);
qpool_err kit_check(kit *k, void *session, qpool_nsec budget);
qpool_err kit_reset(kit *k, void *session, qpool_nsec budget);
void kit_close(kit *k, void *session);

/* A pool of at most `size`, which opens on the caller's thread and waits for 5 s. */
qpool *kit_pool(const char *url, const qpool_redis_options *options, uint32_t size);
void kit_pool_end(qpool *pool);
void kit_take(qpool *pool, qpool_lease *lease);
/* The lease's command must succeed; _text and _number compare its reply. */
redisReply *kit_ask(qpool_lease *lease, const char *format, ...);
void kit_do(qpool_lease *lease, const char *format, ...);
void kit_text(qpool_lease *lease, const char *expected, const char *command);
/* "field=value" of CLIENT INFO, as a number or the text until the next blank. */
void kit_client_info(qpool_lease *lease, const char *field, char *out, size_t room);
unsigned long long kit_closes(qpool *pool, qpool_why why);

/* One sentence, with the words in it. */
void kit_says(const qpool_error *error, const char *words);
void kit_hides(const qpool_error *error, const char *secret);
int64_t kit_now(void);
/* Descriptors that this process has open. */
unsigned kit_descriptors(void);

#endif
