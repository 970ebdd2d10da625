/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * option: the struct first, then the words of the URL over it, then what only both together tell.
 */
#include "option.h"

#include "fault.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS \
	"db, user, password, client_name, call_timeout, reset, role, and pool_max_size and the like"

static qpool_err
no_memory(qpool_error *error)
{
	return qp_redis_fault_say(error, QPOOL_ENOMEM, "no memory for a pool of Redis connections");
}

/* ---- the struct --------------------------------------------------------------------- */

static qpool_err
read_struct(qpool_redis_options *to, const qpool_redis_options *from, qpool_error *error)
{
	const unsigned char *bytes = (const void *)from;
	size_t size;

	memset(to, 0, sizeof *to);
	if (from == NULL)
		return QPOOL_OK;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "qpool_redis_options.size is %zu; start from qpool_redis_options_init()", size);
	for (size_t i = sizeof *to; i < size; i++)
		if (bytes[i] != 0)
			return qp_redis_fault_say(error, QPOOL_ENOTSUP,
			    "qpool_redis_options is %zu bytes long and sets what this library (%zu "
			    "bytes) does not know, at byte %zu; use a newer one or leave it 0",
			    size, sizeof *to, i);
	memcpy(to, from, size < sizeof *to ? size : sizeof *to);
	return QPOOL_OK;
}

static bool
replace(char **to, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return false;
	qp_redis_source_wipe(*to, *to == NULL ? 0 : strlen(*to));
	*to = copy;
	return true;
}

static qpool_err
take_struct(qp_redis_settings *to, const qpool_redis_options *from, qpool_error *error)
{
	to->reset = from->reset;
	to->db = from->db;
	to->role = from->role;
	to->call_timeout = from->call_timeout;
	if ((from->user != NULL && !replace(&to->user, from->user)) ||
	    (from->password != NULL && !replace(&to->password, from->password)) ||
	    (from->client_name != NULL && !replace(&to->client_name, from->client_name)))
		return no_memory(error);
	return QPOOL_OK;
}

/* ---- the URL ------------------------------------------------------------------------ */

static qpool_err
read_db(qp_redis_settings *to, const char *text, qpool_error *error)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long long number =
	    digits > 0 && digits < 12 ? strtoull(text, NULL, 10) : ULLONG_MAX;

	if (text[digits] != '\0' || number > INT32_MAX)
		return qp_redis_fault_say(
		    error, QPOOL_EINVAL, "the URL's database is no number from 0 to %d", INT32_MAX);
	to->db = (uint32_t)number;
	return QPOOL_OK;
}

static qpool_err
read_reset(qp_redis_settings *to, const char *text, qpool_error *error)
{
	static const char *const names[] = {"auto", "seen", "always", "none"};

	for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], text) == 0) {
			to->reset = i;
			return QPOOL_OK;
		}
	return qp_redis_fault_say(error, QPOOL_EINVAL,
	    "the URL's reset is not known; it must be auto, seen, always or none");
}

static qpool_err
read_role(qp_redis_settings *to, const char *text, qpool_error *error)
{
	if (strcmp(text, "any") != 0 && strcmp(text, "primary") != 0)
		return qp_redis_fault_say(
		    error, QPOOL_EINVAL, "the URL's role is not known; it must be primary or any");
	to->role = text[0] == 'a' ? QPOOL_REDIS_ROLE_ANY : QPOOL_REDIS_ROLE_PRIMARY;
	return QPOOL_OK;
}

/* Durations are read as the pool reads its own. */
static qpool_err
read_timeout(qp_redis_settings *to, const char *text, qpool_error *error)
{
	qpool_options read = qpool_options_init();
	char words[64];
	int length = snprintf(words, sizeof words, "acquire_timeout=%s", text);

	if (length >= (int)sizeof words || strpbrk(text, "&%+") != NULL ||
	    qpool_options_parse(&read, words, NULL) != QPOOL_OK || read.acquire_timeout <= 0)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL's call_timeout is no duration above 0; write 500ms, 5s, 2min or forever");
	to->call_timeout = read.acquire_timeout;
	return QPOOL_OK;
}

static qpool_err
take_word(qp_redis_settings *to, const char *name, size_t length, const char *text, unsigned number,
    qpool_error *error)
{
	static const struct {
		const char *name;
		size_t at;
	} texts[] = {{"user", offsetof(qp_redis_settings, user)},
	    {"password", offsetof(qp_redis_settings, password)},
	    {"client_name", offsetof(qp_redis_settings, client_name)}};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strlen(texts[i].name) == length && memcmp(texts[i].name, name, length) == 0)
			return replace((char **)((char *)to + texts[i].at), text)
			           ? QPOOL_OK
			           : no_memory(error);
	if (length == 2 && memcmp(name, "db", 2) == 0)
		return read_db(to, text, error);
	if (length == 5 && memcmp(name, "reset", 5) == 0)
		return read_reset(to, text, error);
	if (length == 4 && memcmp(name, "role", 4) == 0)
		return read_role(to, text, error);
	if (length == 12 && memcmp(name, "call_timeout", 12) == 0)
		return read_timeout(to, text, error);
	return qp_redis_fault_say(error, QPOOL_EINVAL,
	    "word %u of the URL's query is not known; known are " WORDS, number);
}

/* One word, of `length` bytes.  What begins with pool_ goes to `pool_words`, which has the room. */
static qpool_err
read_word(qp_redis_settings *to, const char *word, size_t length, unsigned number, char *pool_words,
    qpool_error *error)
{
	const char *equals = memchr(word, '=', length);
	size_t name = equals == NULL ? length : (size_t)(equals - word);
	qpool_err err;
	char *text;
	bool bad;

	if (length > 5 && memcmp(word, "pool_", 5) == 0) {
		char *at = pool_words + strlen(pool_words);
		if (at > pool_words)
			*at++ = '&';
		memcpy(at, word + 5, length - 5);
		at[length - 5] = '\0';
		return QPOOL_OK;
	}
	if (equals == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "word %u of the URL's query has no '='; known are " WORDS, number);
	text = qp_redis_url_decode(equals + 1, length - name - 1, &bad);
	if (text == NULL && !bad)
		return no_memory(error);
	if (text == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "word %u of the URL's query has a '%%' without two hexadecimal digits", number);
	err = take_word(to, word, name, text, number, error);
	qp_redis_source_wipe(text, strlen(text));
	return err;
}

static qpool_err
read_query(qp_redis_settings *to, const char *query, char *pool_words, qpool_error *error)
{
	qpool_err err = QPOOL_OK;
	unsigned number = 1;

	for (const char *at = query; *at != '\0' && err == QPOOL_OK; number++) {
		size_t length = strcspn(at, "&");
		if (length > 0)
			err = read_word(to, at, length, number, pool_words, error);
		at += length + (at[length] == '&');
	}
	return err;
}

/* A database after the path or by db=, not both. */
static qpool_err
read_path_db(qp_redis_settings *to, const qp_redis_url *url, qpool_error *error)
{
	if (strncmp(url->query, "db=", 3) == 0 || strstr(url->query, "&db=") != NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL names two databases, after the '/' and by db=; leave one out");
	return read_db(to, url->db, error);
}

static qpool_err
take_url(qp_redis_settings *to, const qp_redis_url *url, qpool_options *pool, qpool_error *error)
{
	char *pool_words = calloc(1, strlen(url->query) + 1);
	qpool_err err = QPOOL_OK;

	if (pool_words == NULL || (url->user != NULL && !replace(&to->user, url->user)) ||
	    (url->password != NULL && !replace(&to->password, url->password)))
		err = no_memory(error);
	/* A password alone is not that of the user whom the struct names. */
	if (err == QPOOL_OK && url->password != NULL && url->user == NULL) {
		free(to->user);
		to->user = NULL;
	}
	if (err == QPOOL_OK && url->db != NULL)
		err = read_path_db(to, url, error);
	if (err == QPOOL_OK)
		err = read_query(to, url->query, pool_words, error);
	if (err == QPOOL_OK)
		err = qpool_options_parse(pool, pool_words, error);
	free(pool_words);
	return err;
}

/* ---- both --------------------------------------------------------------------------- */

static bool
is_name(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < '!' || *text > '~')
			return false;
	return true;
}

static qpool_err
check(const qp_redis_settings *at, qpool_error *error)
{
	if (at->reset > QPOOL_REDIS_RESET_NONE)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "reset is %" PRIu32
		    "; it must be QPOOL_REDIS_RESET_AUTO, _SEEN, _ALWAYS or _NONE",
		    at->reset);
	if (at->role > QPOOL_REDIS_ROLE_ANY)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "role is %" PRIu32
		    "; it must be QPOOL_REDIS_ROLE_PRIMARY or QPOOL_REDIS_ROLE_ANY",
		    at->role);
	if (at->db > INT32_MAX)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "db is %" PRIu32 "; it must be 0 to %d", at->db, INT32_MAX);
	if (at->call_timeout < 0)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "call_timeout is %" PRId64
		    " ns; it must be 0 (the default, for ever), a duration or QPOOL_FOREVER",
		    at->call_timeout);
	if (at->user != NULL && at->user[0] != '\0' && at->password == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "there is a user and no password; give the password, \"\" for a user that has "
		    "none (nopass)");
	if (at->client_name != NULL && !is_name(at->client_name))
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "client_name has a blank, a control character or a letter beyond ASCII, which "
		    "Redis does not take");
	return QPOOL_OK;
}

/* The pool's own name, in letters that CLIENT SETNAME takes. */
static qpool_err
name_by_pool(qp_redis_settings *to, const qpool_options *pool, qpool_error *error)
{
	const char *name = pool->name != NULL ? pool->name : pool->name_text;

	if (to->client_name != NULL || name[0] == '\0')
		return QPOOL_OK;
	if (!replace(&to->client_name, name))
		return no_memory(error);
	for (char *at = to->client_name; *at != '\0'; at++)
		if (*at < '!' || *at > '~')
			*at = '-';
	return QPOOL_OK;
}

static qpool_err
read_all(qp_redis_settings *out, const qpool_redis_options *given, const qp_redis_url *url,
    qpool_options *pool, qpool_error *error)
{
	qpool_options copy = qpool_options_init();
	qpool_redis_options options;
	qpool_err err;

	/* Only what an older program's struct has room for is read of it. */
	memcpy(&copy, pool, pool->size < sizeof copy ? pool->size : sizeof copy);
	copy.size = sizeof copy;
	if ((err = read_struct(&options, given, error)) != QPOOL_OK ||
	    (err = take_struct(out, &options, error)) != QPOOL_OK ||
	    (err = take_url(out, url, &copy, error)) != QPOOL_OK ||
	    (err = check(out, error)) != QPOOL_OK ||
	    (err = name_by_pool(out, &copy, error)) != QPOOL_OK)
		return err;
	copy.size = pool->size;
	memcpy(pool, &copy, pool->size < sizeof copy ? pool->size : sizeof copy);
	return QPOOL_OK;
}

qpool_err
qp_redis_option_read(qp_redis_settings *out, const qpool_redis_options *given,
    const qp_redis_url *url, qpool_options *pool, qpool_error *error)
{
	qpool_err err;

	memset(out, 0, sizeof *out);
	err = read_all(out, given, url, pool, error);
	if (err != QPOOL_OK)
		qp_redis_option_free(out);
	return err;
}

void
qp_redis_option_free(qp_redis_settings *settings)
{
	free(settings->user);
	free(settings->client_name);
	qp_redis_source_wipe(
	    settings->password, settings->password == NULL ? 0 : strlen(settings->password));
	memset(settings, 0, sizeof *settings);
}
