/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_redis: redis://USER:PASSWORD@HOST:PORT/DB?WORDS and unix:PATH?WORDS, as the adapter has them.  What a
 * request runs are commands of Redis, one a line, with words and quotes as redis-cli takes them.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <queuepool/redis.h>

#include "redis_line.h"
#include "say.h"

#define PATIENCE QPOOL_SEC(10) /* for one command */

static const char *
client(void)
{
	static char text[32];
	snprintf(
	    text, sizeof text, "hiredis %d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
	return text;
}

static int
inspect_redis(const struct target *target)
{
	if (strncasecmp(target->shown, "rediss:", 7) == 0) {
		say_bad("%s: Redis over TLS is not supported", target->shown);
		say_try("redis://HOST:PORT/DB through a tunnel (stunnel), or unix:PATH");
		return EXIT_BAD;
	}
	if (strncmp(target->where, "//", 2) == 0)
		return EXIT_OK;
	say_bad("%s: two slashes are missing after the colon", target->shown);
	say_try("redis://HOST:PORT/DB");
	return EXIT_BAD;
}

static int
inspect_unix(const struct target *target)
{
	if (target->where[0] != '\0')
		return EXIT_OK;
	say_bad("%s: no socket is named", target->shown);
	say_try("unix:PATH");
	return EXIT_BAD;
}

/* ---- what may be shown ----------------------------------------------------------------- */

static void
blot(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text[i] = '*';
}

/* A password alone that was given without its colon. */
static void
blot_lone_user(char *shown)
{
	char *place = strchr(shown, ':') + 1;
	char *at = strrchr(place, '@');
	bool is_path = strncasecmp(shown, "unix:", 5) == 0 && strncmp(place, "//", 2) != 0;
	place += strncmp(place, "//", 2) == 0 ? 2 : 0;
	if (at == NULL || is_path || place[0] == '/')
		return;
	if (memchr(place, ':', (size_t)(at - place)) == NULL)
		blot(place, (size_t)(at - place));
}

/* A word that is not known may be a piece of a password. */
static void
blot_words(char *shown)
{
	static const char *const known[] = {"db=", "client_name=", "reset=", "role=",
	    "call_timeout=", "user=", "password=*", "pool_"};
	char *word = strchr(shown, '?');
	while (word != NULL) {
		size_t length = strcspn(++word, "&");
		bool is_known = false;
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			is_known = is_known || strncmp(word, known[i], strlen(known[i])) == 0;
		if (!is_known)
			blot(word, length);
		word = word[length] != '\0' ? word + length : NULL;
	}
}

static char *
redact(const char *url)
{
	char *shown = target_redact(url);
	if (shown != NULL) {
		target_redact_port(shown);
		blot_lone_user(shown);
		blot_words(shown);
	}
	return shown;
}

/* ---- a pool ---------------------------------------------------------------------------- */

/* As the adapter spells it, which says itself that it has no TLS. */
static const char *
scheme_of(const struct target *target)
{
	bool is_tls = strncasecmp(target->shown, "rediss:", strlen("rediss:")) == 0;
	return is_tls ? "rediss" : target->kind->schemes[0];
}

/* The adapter wants the whole URL, the scheme with it. */
static qpool_err
ops(const struct target *target, qpool_options *pool, qpool_ops *out, void **user,
    qpool_error *error)
{
	qpool_redis_options options = qpool_redis_options_init();
	const char *scheme = scheme_of(target);
	size_t room = strlen(scheme) + strlen(target->where) + 2;
	char *url = malloc(room);
	qpool_err err = QPOOL_ENOMEM;
	options.client_name = "queuepool";
	if (url != NULL) {
		snprintf(url, room, "%s:%s", scheme, target->where);
		err = qpool_redis_ops(url, &options, pool, out, user, error);
	} else {
		error->code = err;
	}
	free(url);
	return err;
}

/* "redis_version:7.0.15" of INFO, or "" where that may not be asked. */
static void
tell_version(const redisReply *info, char *server, size_t room)
{
	const char *at = info->str != NULL ? strstr(info->str, "redis_version:") : NULL;
	if (room > 0)
		server[0] = '\0';
	if (at == NULL || room == 0)
		return;
	at += strlen("redis_version:");
	snprintf(server, room, "Redis %.*s", (int)strcspn(at, "\r\n"), at);
}

static qpool_err
probe(qpool_lease *lease, char *server, size_t room, qpool_error *error)
{
	redisReply *reply = NULL;
	qpool_error unheard;
	if (room > 0)
		server[0] = '\0';
	qpool_err err = qpool_redis_within(lease, PATIENCE);
	if (err == QPOOL_OK)
		err = qpool_redis_command(lease, NULL, error, "PING");
	if (err != QPOOL_OK)
		return err;
	if (qpool_redis_command(lease, &reply, &unheard, "INFO server") == QPOOL_OK)
		tell_version(reply, server, room);
	freeReplyObject(reply);
	return QPOOL_OK;
}

/* ---- commands -------------------------------------------------------------------------- */

/* COMMAND INFO's first entry: its second element is how many words it takes, at least so many if that is
 * negative.  A server that does not let us ask lets us try. */
static const char *
find_fault(qpool_lease *lease, const struct redis_line *line)
{
	redisReply *reply = NULL;
	qpool_error unheard;
	const char *fault = NULL;
	if (qpool_redis_command(lease, &reply, &unheard, "COMMAND INFO %b", line->words[0],
		line->lengths[0]) != QPOOL_OK)
		return NULL;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1) {
		const redisReply *entry = reply->element[0];
		if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 2)
			fault = "the server knows no such command";
		else if (entry->element[1]->integer >= 0
			     ? line->count != entry->element[1]->integer
			     : line->count < -entry->element[1]->integer)
			fault =
			    "that is not how many words this command takes; commands stand one a line";
	}
	freeReplyObject(reply);
	return fault;
}

static qpool_err
compile_one(qpool_lease *lease, const char *script, const char *at, size_t length,
    struct target_script *out, qpool_error *error)
{
	struct redis_line line;
	if (!target_script_add(out, at, length))
		return target_bad_sql(error, script, at, "out of memory");
	const char *fault = redis_line_read(&line, out->statements[out->count - 1]);
	if (fault == NULL && line.count > 0)
		fault = find_fault(lease, &line);
	else if (fault == NULL)
		free(out->statements[--out->count]);
	redis_line_free(&line);
	return fault == NULL ? QPOOL_OK : target_bad_sql(error, script, at, fault);
}

static qpool_err
compile(qpool_lease *lease, const char *script, struct target_script *out, qpool_error *error)
{
	memset(out, 0, sizeof *out);
	qpool_err err = qpool_redis_within(lease, PATIENCE);
	for (const char *at = script; *at != '\0' && err == QPOOL_OK;) {
		size_t length = strcspn(at, "\n");
		err = compile_one(lease, script, at, length, out, error);
		at += length + (at[length] == '\n');
	}
	if (err == QPOOL_OK && out->count == 0)
		err = target_bad_sql(error, "", "", "there is no command in it");
	if (err != QPOOL_OK)
		target_script_free(out);
	return err;
}

static qpool_err
run(qpool_lease *lease, const char *command, qpool_error *error)
{
	struct redis_line line;
	qpool_err err = QPOOL_ENOMEM;
	if (redis_line_read(&line, command) == NULL)
		err = qpool_redis_argv(
		    lease, NULL, error, line.count, (const char *const *)line.words, line.lengths);
	redis_line_free(&line);
	return err;
}

static qpool_err
execute(qpool_lease *lease, const struct target_script *script, target_cancelled_fn *cancelled,
    void *user, qpool_error *error)
{
	qpool_err err = qpool_redis_within(lease, PATIENCE);
	for (size_t i = 0; i < script->count && err == QPOOL_OK; i++)
		err = run(lease, script->statements[i], error);
	return err != QPOOL_OK && cancelled(user) ? QPOOL_ECANCEL : err;
}

static bool
wrong_target(const qpool_error *error)
{
	return error->code == QPOOL_EDENIED || error->code == QPOOL_EINVAL ||
	       error->code == QPOOL_ENOTSUP;
}

const struct target_kind target_redis = {
    .schemes = {"redis", "rediss"},
    .form = "redis://HOST:PORT/DB",
    .usual = "PING",
    .client = client,
    .needs_lease = true,
    .redact = redact,
    .inspect = inspect_redis,
    .ops = ops,
    .probe = probe,
    .compile = compile,
    .execute = execute,
    .wrong_target = wrong_target,
};

const struct target_kind target_redis_unix = {
    .schemes = {"unix"},
    .form = "unix:PATH",
    .usual = "PING",
    .client = client,
    .needs_lease = true,
    .redact = redact,
    .inspect = inspect_unix,
    .ops = ops,
    .probe = probe,
    .compile = compile,
    .execute = execute,
    .wrong_target = wrong_target,
};
