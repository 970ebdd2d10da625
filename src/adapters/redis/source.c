/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: takes what url and option have read, and writes down once and for all what every session
 * sends when it logs in.
 */
#include "source.h"

#include "fault.h"
#include "option.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char default_port[] = "6379";

void
qp_redis_source_wipe(char *secret, size_t length)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, length);
	free(secret);
}

/* ---- what is sent ------------------------------------------------------------------- */

typedef struct text {
	char *bytes; /* NULL after a failure */
	size_t length;
} text;

/* Bytes with a password are not left behind by a realloc. */
static bool
add(text *to, const char *const *words, int count)
{
	char *command = NULL, *longer;
	/* int with hiredis 0.14 */
	long long length = redisFormatCommandArgv(&command, count, (const char **)words, NULL);

	if (length < 0)
		return false;
	longer = malloc(to->length + (size_t)length);
	if (longer != NULL) {
		if (to->length > 0)
			memcpy(longer, to->bytes, to->length);
		memcpy(longer + to->length, command, (size_t)length);
		qp_redis_source_wipe(to->bytes, to->length);
		to->bytes = longer;
		to->length += (size_t)length;
	}
	explicit_bzero(command, (size_t)length);
	redisFreeCommand(command);
	return longer != NULL;
}

static bool
add_steps(text *to, const qp_redis_source *source)
{
	char db[16];
	const char *login[] = {"AUTH", source->user, source->password};
	const char *password[] = {"AUTH", source->password};
	const char *const select[] = {"SELECT", db};
	const char *const name[] = {"CLIENT", "SETNAME", source->client_name};
	bool has_user = source->user != NULL;

	(void)snprintf(db, sizeof db, "%" PRIu32, source->db);
	return (!source->has[QP_REDIS_AUTH] ||
		   add(to, has_user ? login : password, has_user ? 3 : 2)) &&
	       (!source->has[QP_REDIS_SELECT] || add(to, select, 2)) &&
	       (!source->has[QP_REDIS_SETNAME] || add(to, name, 3));
}

static bool
write_dialogues(qp_redis_source *source)
{
	static const char *const reset[] = {"RESET"}, *const ping[] = {"PING"};
	text login = {0}, again = {0};
	bool fits = add_steps(&login, source) && add(&login, ping, 1) && add(&again, reset, 1) &&
	            add_steps(&again, source);

	source->login = login.bytes;
	source->login_length = login.length;
	source->again = again.bytes;
	source->again_length = again.length;
	return fits;
}

/* ---- making one --------------------------------------------------------------------- */

static void
show(qp_redis_source *source)
{
	bool is_ipv6 = source->host != NULL && strchr(source->host, ':') != NULL;

	if (source->path != NULL)
		(void)snprintf(source->shown, sizeof source->shown, "unix:%.56s%s?db=%" PRIu32,
		    source->path, strlen(source->path) > 56 ? "..." : "", source->db);
	else
		(void)snprintf(source->shown, sizeof source->shown, "%s%.56s%s:%s/%" PRIu32,
		    is_ipv6 ? "[" : "", source->host, is_ipv6 ? "]" : "", source->port, source->db);
}

/* Texts change hands, so that there is one copy of the password. */
static void
move(char **to, char **from)
{
	*to = *from;
	*from = NULL;
}

static qpool_err
fill(qp_redis_source *source, qp_redis_url *url, qp_redis_settings *settings, qpool_error *error)
{
	move(&source->host, &url->host);
	move(&source->port, &url->port);
	move(&source->path, &url->path);
	move(&source->user, &settings->user);
	move(&source->password, &settings->password);
	move(&source->client_name, &settings->client_name);
	if (source->user != NULL && source->user[0] == '\0') {
		free(source->user);
		source->user = NULL;
	}
	source->reset = settings->reset;
	source->db = settings->db;
	source->role = settings->role;
	source->call_timeout = settings->call_timeout == 0 ? QPOOL_FOREVER : settings->call_timeout;
	source->has[QP_REDIS_AUTH] =
	    source->password != NULL && (source->password[0] != '\0' || source->user != NULL);
	source->has[QP_REDIS_SELECT] = source->db != 0;
	source->has[QP_REDIS_SETNAME] =
	    source->client_name != NULL && source->client_name[0] != '\0';
	atomic_init(&source->refusals, 0);
	if (source->host != NULL && source->port == NULL)
		source->port = strdup(default_port);
	if ((source->host != NULL && source->port == NULL) || !write_dialogues(source))
		return qp_redis_fault_say(
		    error, QPOOL_ENOMEM, "no memory for a pool of Redis connections");
	show(source);
	return QPOOL_OK;
}

qpool_err
qp_redis_source_make(qp_redis_source **out, const char *url, const qpool_redis_options *given,
    qpool_options *pool, qpool_error *error)
{
	const size_t known = pool->size < sizeof *pool ? pool->size : sizeof *pool;
	qp_redis_source *source = calloc(1, sizeof *source);
	qpool_options before;
	qp_redis_settings settings;
	qp_redis_url parts;
	qpool_err err;

	if (source == NULL)
		return qp_redis_fault_say(
		    error, QPOOL_ENOMEM, "no memory for a pool of Redis connections");
	memcpy(&before, pool, known);
	err = qp_redis_url_read(&parts, url, error);
	if (err == QPOOL_OK)
		err = qp_redis_option_read(&settings, given, &parts, pool, error);
	if (err == QPOOL_OK) {
		err = fill(source, &parts, &settings, error);
		qp_redis_option_free(&settings);
	}
	qp_redis_url_free(&parts);
	if (err == QPOOL_OK) {
		*out = source;
		return QPOOL_OK;
	}
	memcpy(pool, &before, known);
	qp_redis_source_free(source);
	return err;
}

void
qp_redis_source_free(qp_redis_source *source)
{
	if (source == NULL)
		return;
	qp_redis_source_wipe(
	    source->password, source->password == NULL ? 0 : strlen(source->password));
	qp_redis_source_wipe(source->login, source->login_length);
	qp_redis_source_wipe(source->again, source->again_length);
	free(source->host);
	free(source->port);
	free(source->path);
	free(source->user);
	free(source->client_name);
	free(source);
}
