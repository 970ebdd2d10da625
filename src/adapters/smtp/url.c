/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * url: scheme, then up to the first '/' or '?' who and where, then words.  Of who and where all up to
 * the last '@' is who: a password that should have been written with %-signs is then not taken for a
 * host and shown as one.
 */
#include "url.h"

#include "fault.h"

#include <stdlib.h>
#include <strings.h>

static int
hex(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	letter = (char)(letter | 0x20);
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool
qp_smtp_url_decode(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at != '%') {
			*to++ = *at;
			continue;
		}
		if (hex(at[1]) < 0 || hex(at[2]) < 0 || (at[1] == '0' && at[2] == '0'))
			return false;
		*to++ = (char)(hex(at[1]) * 16 + hex(at[2]));
		at += 2;
	}
	*to = '\0';
	return true;
}

static qpool_err
refuse(const char *what, const char *must, qpool_error *error)
{
	return qp_smtp_fault_say(error, QPOOL_EINVAL,
	    "url: %s; it must be %s, as in smtp://user:password@host:587?tls=starttls", what, must);
}

static qpool_err
read_scheme(qp_smtp_url *url, char **rest, qpool_error *error)
{
	if (strncasecmp(url->text, "smtps://", 8) == 0) {
		url->is_implicit = true;
		*rest = url->text + 8;
	} else if (strncasecmp(url->text, "smtp://", 7) == 0) {
		*rest = url->text + 7;
	} else {
		return refuse("it has another scheme", "smtp:// or smtps://", error);
	}
	return QPOOL_OK;
}

static qpool_err
read_who(qp_smtp_url *url, char *who, qpool_error *error)
{
	char *colon = strchr(who, ':');

	if (colon != NULL) {
		*colon = '\0';
		url->password = colon + 1;
		if (!qp_smtp_url_decode(colon + 1))
			return refuse("a % in the password is not followed by a byte, 01 to FF",
			    "%25 for the sign itself", error);
	}
	url->user = who;
	if (!qp_smtp_url_decode(who))
		return refuse("a % in the user is not followed by a byte, 01 to FF",
		    "%25 for the sign itself", error);
	return QPOOL_OK;
}

/* IPv6 stands in brackets, because of its colons. */
static qpool_err
read_where(qp_smtp_url *url, char *where, qpool_error *error)
{
	char *end = where[0] == '[' ? strchr(where, ']') : where + strcspn(where, ":");

	if (end == NULL)
		return refuse("[ has no ]", "[::1] for an IPv6 address", error);
	url->host = where[0] == '[' ? where + 1 : where;
	if (*end == ']')
		*end++ = '\0';
	if (*end == ':') {
		*end = '\0';
		url->port = end + 1;
	} else if (*end != '\0') {
		return refuse("something stands between host and port", "host:port", error);
	}
	return QPOOL_OK;
}

qpool_err
qp_smtp_url_read(qp_smtp_url *url, const char *given, qpool_error *error)
{
	char *rest, *end, *at;
	qpool_err err;

	url->text = strdup(given);
	if (url->text == NULL)
		return qp_smtp_fault_say(error, QPOOL_ENOMEM, "no memory to read a url");
	rest = url->text;
	err = read_scheme(url, &rest, error);
	if (err != QPOOL_OK)
		return err;
	end = rest + strcspn(rest, "?");
	if (*end == '?') {
		*end = '\0';
		url->query = end + 1;
	}
	at = strrchr(rest, '@');
	if (at == NULL && url->query != NULL && strchr(url->query, '@') != NULL)
		return refuse("it has an @ behind the ?, or a password with ? in it",
		    "with %40 for the @ of a word, and %3F for the ? of a password", error);
	end = (at != NULL ? at : rest) + strcspn(at != NULL ? at : rest, "/#");
	if (strcmp(end, "/") != 0 && *end != '\0')
		return refuse("it has a path, or a password with / or # in it",
		    "without path, and / in a password %2F", error);
	*end = '\0';
	if (at != NULL) {
		*at = '\0';
		err = read_who(url, rest, error);
		rest = at + 1;
	}
	return err == QPOOL_OK ? read_where(url, rest, error) : err;
}

bool
qp_smtp_url_word(char **query, char **name, char **value)
{
	char *at = *query;
	size_t length;

	if (at == NULL || *at == '\0')
		return false;
	length = strcspn(at, "&");
	*query = at[length] == '&' ? at + length + 1 : at + length;
	at[length] = '\0';
	*name = at;
	*value = strchr(at, '=');
	if (*value != NULL)
		*(*value)++ = '\0';
	return true;
}

void
qp_smtp_url_free(qp_smtp_url *url)
{
	if (url->text != NULL)
		explicit_bzero(url->text, strlen(url->text));
	free(url->text);
}
