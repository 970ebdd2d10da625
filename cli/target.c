/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: the table of kinds, and the one place where a URL becomes something that may be printed.
 */
#include "target.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "say.h"

static const struct target_kind *const kinds[] = {
    &target_sqlite,
#ifdef CLI_POSTGRES
    &target_postgres,
#endif
#ifdef CLI_SMTP
    &target_smtp,
#endif
#ifdef CLI_REDIS
    &target_redis,
    &target_redis_unix,
#endif
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* "sqlite:x" has the scheme "sqlite"; "./a:b" and "data.db" have none. */
static size_t
scheme_length(const char *url)
{
	size_t length = 0;
	while (isalnum((unsigned char)url[length]) ||
	       (length > 0 && strchr("+-.", url[length]) && url[length]))
		length++;
	return length > 0 && url[length] == ':' ? length : 0;
}

/* ---- secrets -------------------------------------------------------------------------- */

static const char *const secret_words[] = {
    "password=", "passwd=", "pass=", "secret=", "hexkey=", "textkey=", "key="};

/* The end of a secret that starts here. */
static size_t
secret_length(const char *text)
{
	return strcspn(text, "&;#@ ");
}

static void
blot(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text[i] = '*';
}

/* "5432/shop?user=a@b": what follows the colon is a port, and the at sign is the query's.  One in the path
 * proves nothing: a password, too, may begin with digits and a slash. */
static bool
is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *query = text + digits + strcspn(text + digits, "?@");
	return digits > 0 && text[digits] == '/' && *query == '?' &&
	       query[strcspn(query, "=@")] == '=';
}

/* From the first colon to the last at sign: a password that should have been written with %-signs may
 * hold any of "/?#@", and must not be seen for that.  `ends`: what a URL cannot hold where it stands. */
static void
blot_user_part(char *text, const char *ends)
{
	for (char *part = strstr(text, "://"); part != NULL; part = strstr(part, "://")) {
		part += strlen("://");
		size_t length = strcspn(part, ends);
		char *colon = memchr(part, ':', length);
		char *at = memrchr(part, '@', length);
		if (colon != NULL && at != NULL && colon < at && !is_port(colon + 1))
			blot(colon + 1, (size_t)(at - colon - 1));
	}
}

/* A URL's word ends at "&" alone; one that hides behind %-signs may be a password, too. */
static void
blot_query(char *text)
{
	char *url = strstr(text, "://");
	char *word = url != NULL ? strchr(url, '?') : NULL;
	while (word != NULL) {
		size_t length = strcspn(++word, "&");
		char *equals = memchr(word, '=', length);
		size_t name = equals != NULL ? (size_t)(equals - word) : 0;
		bool is_secret = memchr(word, '%', name) != NULL;
		for (size_t i = 0; i < sizeof secret_words / sizeof secret_words[0]; i++) {
			const char *found = strcasestr(word, secret_words[i]);
			is_secret = is_secret || (found != NULL && found < word + name);
		}
		if (is_secret)
			blot(equals + 1, length - name - 1);
		word = word[length] != '\0' ? word + length : NULL;
	}
}

static void
blot_words(char *text)
{
	blot_query(text);
	for (size_t i = 0; i < sizeof secret_words / sizeof secret_words[0]; i++) {
		size_t length = strlen(secret_words[i]);
		for (char *at = strcasestr(text, secret_words[i]); at != NULL;
		     at = strcasestr(at + length, secret_words[i]))
			blot(at + length, secret_length(at + length));
	}
}

/* Each by itself, as what one of them blots the other might need to see. */
static char *
redact(const char *text, const char *ends)
{
	char *copy = strdup(text);
	char *words = copy != NULL ? strdup(text) : NULL;
	if (words == NULL) {
		free(copy);
		return NULL;
	}
	blot_user_part(copy, ends);
	blot_words(words);
	for (size_t i = 0; words[i] != '\0'; i++)
		copy[i] = words[i] == '*' ? '*' : copy[i];
	free(words);
	say_clean(copy);
	return copy;
}

/* The same where the slashes after the scheme were forgotten. */
static void
blot_slashless(char *text)
{
	size_t scheme = scheme_length(text);
	char *part = text + scheme + (scheme > 0);
	char *colon = strchr(part, ':');
	char *at = strrchr(part, '@');
	if (strstr(text, "://") == NULL && colon != NULL && at != NULL && colon < at)
		blot(colon + 1, (size_t)(at - colon - 1));
}

char *
target_redact(const char *text)
{
	char *shown = redact(text, "");
	if (shown != NULL)
		blot_slashless(shown);
	return shown;
}

void
target_redact_port(char *shown)
{
	char *place = strstr(shown, "://");
	if (place == NULL || strchr(place, '@') != NULL)
		return;
	place += strlen("://");
	char *bracket = place[0] == '[' ? memchr(place, ']', strcspn(place, "/?")) : NULL;
	place = bracket != NULL ? bracket : place;
	size_t length = strcspn(place, "/?");
	char *colon = memchr(place, ':', length);
	if (colon == NULL)
		return;
	/* an address that lacks its brackets */
	size_t address = strspn(place, "0123456789abcdefABCDEF:[");
	if (address >= length && colon != memrchr(place, ':', length))
		return;
	size_t port = length - (size_t)(colon - place) - 1;
	if (strspn(colon + 1, "0123456789") < port)
		blot(colon + 1, port);
}

/* What a URL that is written wrong is quoted with may be a piece of its password: such a piece is shown
 * only if it is seen in the shown form, too. */
static void
blot_quotes(const struct target *target, char *message)
{
	char *open = strchr(message, '"');
	while (open != NULL) {
		char *close = strchr(open + 1, '"');
		size_t length = close != NULL ? (size_t)(close - open - 1) : strlen(open + 1);
		if (memmem(target->shown, strlen(target->shown), open + 1, length) == NULL)
			blot(open + 1, length);
		open = close != NULL ? strchr(close + 1, '"') : NULL;
	}
}

char *
target_message(const struct target *target, const qpool_error *error)
{
	char *message = redact(error->message, " \"'");
	if (message != NULL && error->code == QPOOL_EINVAL)
		blot_quotes(target, message);
	return message;
}

/* ---- URLs ----------------------------------------------------------------------------- */

static bool
has_scheme(const struct target_kind *kind, const char *url, size_t scheme)
{
	for (const char *const *known = kind->schemes; *known != NULL; known++) {
		if (strlen(*known) == scheme && strncasecmp(*known, url, scheme) == 0)
			return true;
	}
	return false;
}

static const struct target_kind *
kind_of(const char *url, size_t scheme)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (has_scheme(kinds[i], url, scheme))
			return kinds[i];
	}
	return NULL;
}

/* "sqlite:, postgresql:, redis:" */
static const char *
list_schemes(char *out, size_t room)
{
	size_t at = 0;
	for (size_t i = 0; i < KINDS && at < room; i++)
		at += (size_t)snprintf(
		    out + at, room - at, "%s%s:", i > 0 ? ", " : "", kinds[i]->schemes[0]);
	return out;
}

static int
refuse(const char *url, size_t scheme, const char *command)
{
	char known[128];
	char *shown = target_redact(url);
	if (url[0] == '\0')
		say_bad("%s: the URL is empty", command);
	else if (scheme == 0)
		say_bad("%s: \"%s\" is no URL: it names no kind of database", command,
		    shown != NULL ? shown : "it");
	else
		say_bad("%s: this build knows no \"%.*s:\" URLs, only %s", command, (int)scheme,
		    url, list_schemes(known, sizeof known));
	if (url[0] != '\0' && scheme == 0 && shown != NULL)
		say_try("queuepool %s %s:%s", command, kinds[0]->schemes[0], shown);
	else
		say_try("queuepool %s %s", command, kinds[0]->form);
	free(shown);
	return EXIT_BAD;
}

static int
check_wishes(const struct target *target, const char *command)
{
	const struct target_wishes *wishes = &target->wishes;
	if (target->kind->has_wishes || (wishes->reset == NULL && wishes->pooler == NULL))
		return EXIT_OK;
	return say_bad("%s: %s is for PostgreSQL; \"%s:\" URLs know nothing of the kind", command,
	    wishes->reset != NULL ? "--reset" : "--pooler", target->kind->schemes[0]);
}

int
target_parse(const char *url, const char *command, struct target_wishes wishes, struct target *out)
{
	memset(out, 0, sizeof *out);
	size_t scheme = scheme_length(url);
	const struct target_kind *kind = kind_of(url, scheme);
	if (kind == NULL)
		return refuse(url, scheme, command);
	out->kind = kind;
	out->wishes = wishes;
	out->where = strdup(url + scheme + 1);
	out->shown = kind->redact != NULL ? kind->redact(url) : target_redact(url);
	if (out->where == NULL || out->shown == NULL) {
		target_free(out);
		return say_failed("%s: out of memory", command);
	}
	int code = check_wishes(out, command);
	if (code == EXIT_OK)
		code = kind->inspect(out);
	if (code != EXIT_OK)
		target_free(out);
	return code;
}

int
target_take_reset(struct target_wishes *wishes, const char *text)
{
	static const char *const words[] = {"none", "rollback", "smart", "full", NULL};
	return args_choice("--reset", text, words, &wishes->reset);
}

int
target_take_pooler(struct target_wishes *wishes, const char *text)
{
	static const char *const words[] = {"none", "transaction", NULL};
	return args_choice("--pooler", text, words, &wishes->pooler);
}

void
target_clients(char *out, size_t room)
{
	size_t at = 0;
	for (size_t i = 0; i < KINDS && at < room; i++) {
		if (i > 0 && kinds[i]->client == kinds[i - 1]->client)
			continue;
		at += (size_t)snprintf(
		    out + at, room - at, "%s%s", i > 0 ? ", " : "", kinds[i]->client());
	}
}

void
target_free(struct target *target)
{
	free(target->where);
	free(target->shown);
	memset(target, 0, sizeof *target);
}

static int
tell(const struct target *target, const char *what, const char *did, const qpool_error *error)
{
	char *message = target_message(target, error);
	say_bad("%s%s: %s", what, did, message != NULL ? message : qpool_err_text(error->code));
	free(message);
	return target->kind->wrong_target(error) ? EXIT_BAD : EXIT_FAILED;
}

int
target_failed(const struct target *target, const char *step, const qpool_error *error)
{
	return tell(target, step, " failed", error);
}

int
target_refused(const struct target *target, const qpool_error *error)
{
	return tell(target, target->shown, "", error);
}

/* ---- SQL ------------------------------------------------------------------------------ */

bool
target_script_add(struct target_script *script, const char *sql, size_t length)
{
	char **more = realloc(script->statements, (script->count + 1) * sizeof *more);
	if (more == NULL)
		return false;
	script->statements = more;
	more[script->count] = strndup(sql, length);
	return more[script->count] != NULL && ++script->count > 0;
}

qpool_err
target_bad_sql(qpool_error *error, const char *sql, const char *at, const char *why)
{
	unsigned line = 1;
	for (const char *c = sql; c < at; c++)
		line += *c == '\n';
	memset(error, 0, sizeof *error);
	error->code = QPOOL_EINVAL;
	if (strchr(sql, '\n') != NULL)
		snprintf(error->message, sizeof error->message, "line %u: %s", line, why);
	else
		snprintf(error->message, sizeof error->message, "%s", why);
	return error->code;
}

void
target_script_free(struct target_script *script)
{
	for (size_t i = 0; i < script->count; i++)
		free(script->statements[i]);
	free(script->statements);
	memset(script, 0, sizeof *script);
}
