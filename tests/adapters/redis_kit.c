/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_kit: see the header.
 */
#include "redis_kit.h"

#include <dirent.h>
#include <string.h>
#include <time.h>

/* ---- the ops ---- */

void
kit_begin(kit *k, const char *url, const qpool_redis_options *options)
{
	qpool_options pool = qpool_options_init();

	memset(k, 0, sizeof *k);
	k->ops = qpool_ops_init();
	if (qpool_redis_ops(url, options, &pool, &k->ops, &k->user, &k->error) != QPOOL_OK)
		fail_msg("%s", k->error.message);
}

void
kit_end(kit *k)
{
	k->ops.destroy(k->user);
}

static qpool_step
step_of(qpool_nsec budget)
{
	return (qpool_step){.size = sizeof(qpool_step), .budget = budget, .on_worker = true};
}

qpool_err
kit_open(kit *k, qpool_nsec budget, void **out)
{
	qpool_step step = step_of(budget);

	memset(&k->error, 0, sizeof k->error);
	*out = NULL;
	return k->ops.open(k->user, &step, out, &k->error);
}

qpool_err
kit_check(kit *k, void *session, qpool_nsec budget)
{
	qpool_step step = step_of(budget);

	memset(&k->error, 0, sizeof k->error);
	return k->ops.check(k->user, session, &step, &k->error);
}

qpool_err
kit_reset(kit *k, void *session, qpool_nsec budget)
{
	qpool_step step = step_of(budget);

	memset(&k->error, 0, sizeof k->error);
	return k->ops.reset(k->user, session, &step, &k->error);
}

void
kit_close(kit *k, void *session)
{
	k->ops.close(k->user, session, QPOOL_WHY_CLOSED);
}

/* ---- pools ---- */

qpool *
kit_pool(const char *url, const qpool_redis_options *options, uint32_t size)
{
	qpool_options o = qpool_options_init();
	qpool_error error;
	qpool *pool = NULL;

	o.max_size = size;
	o.acquire_timeout = QPOOL_SEC(5);
	if (qpool_redis_create(&pool, url, options, &o, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
	return pool;
}

void
kit_pool_end(qpool *pool)
{
	assert_int_equal(qpool_close(pool, QPOOL_SEC(5)), QPOOL_OK);
	qpool_free(pool);
}

void
kit_take(qpool *pool, qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_DEFAULT, lease, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
}

static redisReply *
ask(qpool_lease *lease, const char *format, va_list list)
{
	char *command = NULL;
	int length = redisvFormatCommand(&command, format, list);
	redisReader *reader = redisReaderCreate();
	const char *argv[32];
	size_t lengths[32];
	redisReply *words = NULL, *reply = NULL;
	qpool_error error;

	assert_true(length > 0);
	assert_int_equal(redisReaderFeed(reader, command, (size_t)length), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, (void **)&words), REDIS_OK);
	assert_in_range(words->elements, 1, 32);
	for (size_t i = 0; i < words->elements; i++) {
		argv[i] = words->element[i]->str;
		lengths[i] = words->element[i]->len;
	}
	if (qpool_redis_argv(lease, &reply, &error, (int)words->elements, argv, lengths) !=
	    QPOOL_OK)
		fail_msg("%s: %s", format, error.message);
	freeReplyObject(words);
	redisReaderFree(reader);
	redisFreeCommand(command);
	return reply;
}

redisReply *
kit_ask(qpool_lease *lease, const char *format, ...)
{
	redisReply *reply;
	va_list list;

	va_start(list, format);
	reply = ask(lease, format, list);
	va_end(list);
	return reply;
}

void
kit_do(qpool_lease *lease, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	freeReplyObject(ask(lease, format, list));
	va_end(list);
}

void
kit_text(qpool_lease *lease, const char *expected, const char *command)
{
	redisReply *reply = kit_ask(lease, command);

	assert_string_equal(reply->str == NULL ? "(nil)" : reply->str, expected);
	freeReplyObject(reply);
}

void
kit_client_info(qpool_lease *lease, const char *field, char *out, size_t room)
{
	redisReply *reply = kit_ask(lease, "CLIENT INFO");
	char name[32];
	const char *at;

	(void)snprintf(name, sizeof name, " %s=", field);
	at = strstr(reply->str, name);
	assert_non_null(at);
	at += strlen(name);
	(void)snprintf(out, room, "%.*s", (int)strcspn(at, " \n"), at);
	freeReplyObject(reply);
}

unsigned long long
kit_closes(qpool *pool, qpool_why why)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return stats.closes[why];
}

/* ---- messages ---- */

void
kit_says(const qpool_error *error, const char *words)
{
	if (strstr(error->message, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error->message, words);
	assert_null(strpbrk(error->message, "\r\n"));
}

void
kit_hides(const qpool_error *error, const char *secret)
{
	if (strstr(error->message, secret) != NULL || strstr(error->native, secret) != NULL)
		fail_msg("\"%s\" [%s] shows a secret", error->message, error->native);
}

int64_t
kit_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

unsigned
kit_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count;
}
