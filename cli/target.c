/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: the table of kinds, and the one place where a URL becomes something that may be printed.
 */
#include "target.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "say.h"

static const struct target_kind *const kinds[] = {&target_sqlite};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const char *const secret_words[] = {
    "password=", "passwd=", "pass=", "hexkey=", "textkey=", "key="};

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

static void
blot_user_part(char *text)
{
	char *authority = strstr(text, "://");
	if (authority == NULL)
		return;
	authority += 3;
	size_t length = strcspn(authority, "/?#");
	char *at = memrchr(authority, '@', length);
	char *colon = memchr(authority, ':', length);
	if (at != NULL && colon != NULL && colon < at)
		blot(colon + 1, (size_t)(at - colon - 1));
}

char *
target_redact(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		return NULL;
	blot_user_part(copy);
	for (size_t i = 0; i < sizeof secret_words / sizeof secret_words[0]; i++) {
		size_t length = strlen(secret_words[i]);
		for (char *at = strcasestr(copy, secret_words[i]); at != NULL;
		     at = strcasestr(at + length, secret_words[i]))
			blot(at + length, secret_length(at + length));
	}
	say_clean(copy);
	return copy;
}

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

static const struct target_kind *
kind_of(const char *url, size_t scheme)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (strlen(kinds[i]->scheme) == scheme &&
		    strncasecmp(kinds[i]->scheme, url, scheme) == 0)
			return kinds[i];
	}
	return NULL;
}

static int
refuse(const char *url, size_t scheme, const char *command)
{
	char *shown = target_redact(url);
	if (url[0] == '\0')
		say_bad("%s: the URL is empty", command);
	else if (scheme == 0)
		say_bad("%s: \"%s\" is no URL: it names no kind of database", command,
		    shown != NULL ? shown : "it");
	else
		say_bad("%s: this build knows no \"%.*s:\" URLs", command, (int)scheme, url);
	if (url[0] != '\0' && scheme == 0 && shown != NULL)
		say_try("queuepool %s %s:%s", command, kinds[0]->scheme, shown);
	else
		say_try("queuepool %s %s", command, kinds[0]->form);
	free(shown);
	return EXIT_BAD;
}

int
target_parse(const char *url, const char *command, struct target *out)
{
	memset(out, 0, sizeof *out);
	size_t scheme = scheme_length(url);
	const struct target_kind *kind = kind_of(url, scheme);
	if (kind == NULL)
		return refuse(url, scheme, command);
	out->kind = kind;
	out->where = strdup(url + scheme + 1);
	out->shown = target_redact(url);
	if (out->where == NULL || out->shown == NULL) {
		target_free(out);
		return say_failed("%s: out of memory", command);
	}
	int code = kind->inspect(out);
	if (code != EXIT_OK)
		target_free(out);
	return code;
}

void
target_free(struct target *target)
{
	free(target->where);
	free(target->shown);
	memset(target, 0, sizeof *target);
}

int
target_failed(const struct target *target, const char *step, const qpool_error *error)
{
	char *message = target_redact(error->message);
	say_bad("%s failed: %s", step, message != NULL ? message : qpool_err_text(error->code));
	free(message);
	return target->kind->wrong_target(error) ? EXIT_BAD : EXIT_FAILED;
}

void
target_script_free(struct target_script *script)
{
	for (size_t i = 0; i < script->count; i++)
		free(script->statements[i]);
	free(script->statements);
	memset(script, 0, sizeof *script);
}
