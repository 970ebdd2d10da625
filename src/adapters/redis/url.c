/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * url: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?WORDS], unix:[//[USER]:PASSWORD@]PATH[?WORDS].
 */
#include "url.h"

#include "fault.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* A piece of the URL. */
typedef struct part {
	const char *at;
	size_t length;
} part;

static int
hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return (digit | 0x20) - 'a' + 10;
}

char *
qp_redis_url_decode(const char *from, size_t length, bool *bad)
{
	char *text = malloc(length + 1), *to = text;

	*bad = false;
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		bool encoded = from[i] == '%';
		if (!encoded) {
			*to++ = from[i];
			continue;
		}
		if (i + 2 >= length || !isxdigit((unsigned char)from[i + 1]) ||
		    !isxdigit((unsigned char)from[i + 2]) || memcmp(from + i, "%00", 3) == 0) {
			qp_redis_source_wipe(text, length);
			*bad = true;
			return NULL;
		}
		*to++ = (char)(hex(from[i + 1]) * 16 + hex(from[i + 2]));
		i += 2;
	}
	*to = '\0';
	return text;
}

static qpool_err
take(char **to, part from, const char *what, qpool_error *error)
{
	bool bad;

	*to = qp_redis_url_decode(from.at, from.length, &bad);
	if (bad)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL's %s has a '%%' that is not followed by two hexadecimal digits, or is "
		    "followed by 00; write %%25 for '%%' itself",
		    what);
	if (*to == NULL)
		return qp_redis_fault_say(error, QPOOL_ENOMEM, "no memory for a URL");
	return QPOOL_OK;
}

/* "user:password"; with an empty user there is only a password. */
static qpool_err
take_login(qp_redis_url *out, part login, qpool_error *error)
{
	const char *colon = memchr(login.at, ':', login.length);
	part user = login, password;
	qpool_err err = QPOOL_OK;

	if (colon == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL has no ':' before its '@': write :PASSWORD@ for a password alone, "
		    "USER:PASSWORD@ for a user");
	user.length = (size_t)(colon - login.at);
	password = (part){colon + 1, login.length - user.length - 1};
	if (user.length > 0)
		err = take(&out->user, user, "user", error);
	if (err == QPOOL_OK && (password.length > 0 || user.length > 0))
		err = take(&out->password, password, "password", error);
	return err;
}

/* Take "...@" off `rest`, if there is one. */
static qpool_err
split_login(qp_redis_url *out, part *rest, qpool_error *error)
{
	const char *at = memrchr(rest->at, '@', rest->length);
	part login = {rest->at, at == NULL ? 0 : (size_t)(at - rest->at)};

	if (at == NULL)
		return QPOOL_OK;
	*rest = (part){at + 1, rest->length - login.length - 1};
	return take_login(out, login, error);
}

static qpool_err
take_port(qp_redis_url *out, part port, qpool_error *error)
{
	unsigned number = 0;

	for (size_t i = 0; i < port.length && number <= UINT16_MAX; i++)
		number = isdigit((unsigned char)port.at[i])
		             ? number * 10 + (unsigned)(port.at[i] - '0')
		             : UINT16_MAX + 1;
	if (number == 0 || number > UINT16_MAX)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL's port, after the host's ':', is none; it must be 1 to 65535 (if the ':' "
		    "is a password's, the '@' and the host are missing)");
	return take(&out->port, port, "port", error);
}

static qpool_err
take_place(qp_redis_url *out, part place, qpool_error *error)
{
	bool is_bracketed = place.length > 0 && place.at[0] == '[';
	const char *end = is_bracketed ? memchr(place.at, ']', place.length) : NULL;
	const char *after, *colon;
	part host = place;
	qpool_err err;

	if (is_bracketed && end == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL's host begins with '[' and has no ']'; write [::1]");
	after = end != NULL ? end + 1 : place.at;
	colon = memchr(after, ':', place.length - (size_t)(after - place.at));
	if (end != NULL)
		host = (part){place.at + 1, (size_t)(end - place.at) - 1};
	else if (colon != NULL)
		host.length = (size_t)(colon - place.at);
	if (host.length == 0 && end == NULL && colon != NULL &&
	    memchr(colon + 1, ':', place.length - 1) != NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL's host begins with ':'; an IPv6 address stands in brackets, as [::1]");
	if (host.length == 0 || (end != NULL && colon != after && after != place.at + place.length))
		return qp_redis_fault_say(
		    error, QPOOL_EINVAL, "the URL has no host; write redis://HOST:PORT/DB");
	err = take(&out->host, host, "host", error);
	if (err == QPOOL_OK && colon != NULL)
		err = take_port(
		    out, (part){colon + 1, place.length - (size_t)(colon + 1 - place.at)}, error);
	return err;
}

/* What follows "redis://". */
static qpool_err
read_tcp(qp_redis_url *out, part rest, qpool_error *error)
{
	size_t length = 0;
	part place, db;
	qpool_err err;

	while (length < rest.length && rest.at[length] != '/')
		length++;
	place = (part){rest.at, length};
	db = (part){rest.at + length + 1, length < rest.length ? rest.length - length - 1 : 0};
	if (db.length > 0 && memchr(db.at, '@', db.length) != NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL has an '@' after its '/'; a '/' in a password is written %%2F");
	err = split_login(out, &place, error);
	if (err == QPOOL_OK)
		err = take_place(out, place, error);
	if (err == QPOOL_OK && db.length > 0)
		err = take(&out->db, db, "database", error);
	return err;
}

/* What follows "unix:". */
static qpool_err
read_unix(qp_redis_url *out, part rest, qpool_error *error)
{
	const char *slash;
	part login;
	qpool_err err = QPOOL_OK;

	if (rest.length >= 2 && memcmp(rest.at, "//", 2) == 0) {
		rest = (part){rest.at + 2, rest.length - 2};
		slash = memchr(rest.at, '/', rest.length);
		login = (part){rest.at, slash == NULL ? rest.length : (size_t)(slash - rest.at)};
		if (slash == NULL || (login.length > 0 && slash[-1] != '@'))
			return qp_redis_fault_say(error, QPOOL_EINVAL,
			    "the URL has no path; write unix:/PATH or unix://USER:PASSWORD@/PATH");
		if (login.length > 0)
			err = take_login(out, (part){login.at, login.length - 1}, error);
		rest = (part){slash, rest.length - login.length};
	}
	if (err == QPOOL_OK && rest.length == 0)
		return qp_redis_fault_say(
		    error, QPOOL_EINVAL, "the URL has no path; write unix:/PATH");
	if (err == QPOOL_OK && memchr(rest.at, '@', rest.length) != NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL has an '@' in its path; there it is written %%40");
	return err == QPOOL_OK ? take(&out->path, rest, "path", error) : err;
}

static qpool_err
read_scheme(qp_redis_url *out, const char *url, size_t length, qpool_error *error)
{
	if (strncasecmp(url, "redis://", 8) == 0)
		return read_tcp(out, (part){url + 8, length - 8}, error);
	if (strncasecmp(url, "unix:", 5) == 0)
		return read_unix(out, (part){url + 5, length - 5}, error);
	if (strncasecmp(url, "rediss:", 7) == 0)
		return qp_redis_fault_say(error, QPOOL_ENOTSUP,
		    "rediss: is Redis over TLS, which this library does not have; use redis:// "
		    "through a tunnel (stunnel), or unix:");
	return qp_redis_fault_say(error, QPOOL_EINVAL,
	    "the URL begins with neither redis:// nor unix:; write redis://HOST:PORT/DB or "
	    "unix:/PATH");
}

qpool_err
qp_redis_url_read(qp_redis_url *out, const char *url, qpool_error *error)
{
	size_t length;
	qpool_err err;

	memset(out, 0, sizeof *out);
	if (url == NULL || url[0] == '\0')
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "url is %s; it must be redis://HOST:PORT/DB or unix:/PATH",
		    url == NULL ? "NULL" : "empty");
	length = strcspn(url, "?#");
	/* A password that was not encoded; its pieces must not be taken for words. */
	if (strchr(url + length, '@') != NULL || url[length] == '#')
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "the URL has %s; in a password write %%23 for '#', %%3F for '?', and in its "
		    "words %%40 for '@'",
		    url[length] == '#' ? "a '#'" : "an '@' after its '?'");
	out->query = url[length] == '?' ? url + length + 1 : "";
	err = read_scheme(out, url, length, error);
	if (err != QPOOL_OK)
		qp_redis_url_free(out);
	return err;
}

void
qp_redis_url_free(qp_redis_url *url)
{
	qp_redis_source_wipe(url->password, url->password == NULL ? 0 : strlen(url->password));
	free(url->user);
	free(url->host);
	free(url->port);
	free(url->path);
	free(url->db);
	memset(url, 0, sizeof *url);
}
