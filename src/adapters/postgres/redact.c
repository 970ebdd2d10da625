/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redact: a conninfo for people.  Only what is certain is shown: the words of a well-formed text up
 * to the first one that is not, and the URI whose parts cannot be read in two ways.  A password
 * that was not escaped makes the text malformed, so it is in the part that is hidden.  Users come
 * in, with texts of any kind.
 */
#include "conninfo.h"

#include <stdlib.h>
#include <strings.h>

typedef struct redact {
	char *out, *end;
	char *scratch; /* as long as the text */
} redact;

static const char mask[] = "****";

static void
show(redact *r, const char *from, const char *to)
{
	for (; from < to; from++)
		*r->end++ = (unsigned char)*from < ' ' || *from == 0x7f ? '?' : *from;
}

static void
hide(redact *r)
{
	memcpy(r->end, mask, sizeof mask - 1);
	r->end += sizeof mask - 1;
}

/* ---- what gives a secret away ---- */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* "password=" or the like somewhere inside a value: two forms mixed up. */
static bool
holds_password_word(const char *text)
{
	static const char *const marks[] = {"pass", "pwd", "secret"};

	for (; *text != '\0'; text++)
		for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
			const char *at = text + strlen(marks[i]);
			if (strncasecmp(text, marks[i], strlen(marks[i])) != 0)
				continue;
			while (is_letter(*at))
				at++;
			at += strspn(at, " \t\n\v\f\r\"'");
			if (*at == '=' || *at == ':')
				return true;
		}
	return false;
}

static bool
is_password(const char *name)
{
	static const char *const secrets[] = {"password", "sslpassword", "oauth_client_secret",
	    "scram_client_key", "scram_server_key"};

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		if (strcasecmp(name, secrets[i]) == 0)
			return true;
	return false;
}

/* A user may be me@realm; any other @, but the first letter of an abstract socket, may be the end
 * of a URI's password. */
static bool
is_suspicious(const char *name, const char *value)
{
	const char *sign = strchr(value, '@');
	const char *colon = strchr(value, ':');

	if (holds_password_word(value))
		return true;
	if (sign == NULL || sign == value)
		return sign != NULL && strchr(value + 1, '@') != NULL;
	return strcasecmp(name, "user") != 0 || (colon != NULL && colon < sign);
}

/* One of ours or libpq's, so that what follows it is its value. */
static bool
is_known(const char *name)
{
	return qp_pg_conninfo_is_ours(name) ? qp_pg_conninfo_is_name(name)
	                                    : qp_pg_conninfo_knows(name);
}

/* Quotes that libpq takes, but where they begin or end inside a word: nobody writes so, unless the
 * word is part of a password. */
static bool
is_torn(const qp_pg_piece *piece)
{
	const char *end = piece->value + piece->value_length;

	if (*piece->value == '\'' && piece->value_length > 0)
		return *end != '\0' && strchr(" \t\n\v\f\r", *end) == NULL;
	return memchr(piece->value, '\'', piece->value_length) != NULL ||
	       memchr(piece->value, '"', piece->value_length) != NULL;
}

/* The name, decoded; "" if it cannot be. */
static const char *
name_of(redact *r, const qp_pg_piece *piece, bool is_uri)
{
	if (!is_uri) {
		memcpy(r->scratch, piece->name, piece->name_length);
		r->scratch[piece->name_length] = '\0';
	} else if (!qp_pg_conninfo_percent(piece->name, piece->name_length, r->scratch)) {
		r->scratch[0] = '\0';
	}
	return r->scratch;
}

/* Decoded for a URI, else as written: behind the name, in the same scratch. */
static bool
hides_value(redact *r, const qp_pg_piece *piece, bool is_uri)
{
	const char *name = name_of(r, piece, is_uri);
	char *value = r->scratch + piece->name_length + 1;

	if (is_password(name))
		return true;
	if (is_uri && !qp_pg_conninfo_percent(piece->value, piece->value_length, value))
		return true;
	if (!is_uri) {
		memcpy(value, piece->value, piece->value_length);
		value[piece->value_length] = '\0';
		value += *value == '\'';
	}
	return is_suspicious(name, value);
}

/* ---- the two forms ---- */

/* Words, from `at`; the rest is hidden from the first that is malformed or unknown. */
static void
redact_words(redact *r, const char *at, bool is_uri)
{
	const char *from = at;
	qp_pg_piece piece;
	qp_pg_found found;

	while ((found = qp_pg_conninfo_next(&at, is_uri, &piece)) == QP_PG_PIECE &&
	       is_known(name_of(r, &piece, is_uri))) {
		show(r, from, piece.value);
		from = piece.value + piece.value_length;
		if (!is_uri && is_torn(&piece)) {
			hide(r);
			return;
		}
		if (hides_value(r, &piece, is_uri))
			hide(r);
		else
			show(r, piece.value, from);
	}
	if (found == QP_PG_END) {
		show(r, from, at);
		return;
	}
	if (*from == ' ' || *from == '&')
		show(r, from, from + 1);
	hide(r);
}

static bool
are_hosts(const char *at, const char *end)
{
	while (at < end) {
		bool bracketed = *at == '[';
		size_t length = strcspn(at, bracketed ? "]" : ":,/?");
		if (bracketed && at[length] == ']')
			length++;
		if (strspn(at, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~%-[]:") < length)
			return false;
		at += length;
		if (*at == ':' && at < end)
			at += 1 + strspn(at + 1, "0123456789");
		if (at < end && *at != ',')
			return false;
		at += at < end;
	}
	return true;
}

/* Of letters that the name of a database has, if it is not escaped. */
static bool
is_database(const char *path, const char *end)
{
	for (path += *path == '/'; path < end; path++)
		if ((unsigned char)*path <= ' ' || *path == 0x7f ||
		    strchr("\"'#&/:;<=>?@[\\]^`{|}", *path) != NULL)
			return false;
	return true;
}

static bool
are_parameters(redact *r, const char *at)
{
	qp_pg_piece piece;
	qp_pg_found found;

	while ((found = qp_pg_conninfo_next(&at, true, &piece)) == QP_PG_PIECE)
		if (!is_known(name_of(r, &piece, true)))
			return false;
	return found == QP_PG_END;
}

/* Can it be read in one way only?  Not if there may be an unescaped @ / or ? in a password. */
static bool
is_clear(redact *r, const char *uri)
{
	const char *userinfo_end, *path, *query, *hosts;

	qp_pg_conninfo_parts(uri, &userinfo_end, &path, &query);
	hosts = userinfo_end != NULL ? userinfo_end + 1 : uri + qp_pg_conninfo_scheme(uri);
	return are_hosts(hosts, path) && is_database(path, query) &&
	       are_parameters(r, query + (*query == '?'));
}

/* A user, shown with its ':' or '@'; false: there may be a password in it. */
static bool
show_user(redact *r, const char *from, const char *to)
{
	size_t length = (size_t)(to - from);

	if (strspn(from, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") < length)
		return false;
	show(r, from, to);
	return true;
}

static void
redact_uri(redact *r, const char *uri)
{
	const char *from = uri + qp_pg_conninfo_scheme(uri);
	const char *userinfo_end, *path, *query, *colon;

	qp_pg_conninfo_parts(uri, &userinfo_end, &path, &query);
	show(r, uri, from);
	if (!is_clear(r, uri)) {
		hide(r);
		return;
	}
	if (userinfo_end != NULL) {
		colon = memchr(from, ':', (size_t)(userinfo_end - from));
		if (!show_user(r, from, colon != NULL ? colon : userinfo_end))
			hide(r);
		else if (colon != NULL) {
			*r->end++ = ':';
			hide(r);
		}
		from = userinfo_end;
	}
	query += *query == '?';
	show(r, from, query);
	redact_words(r, query, true);
}

char *
qpool_pg_redact(const char *conninfo)
{
	const char *text = conninfo != NULL ? conninfo : "";
	size_t length = strlen(text);
	redact r;

	/* The shortest word, "a=", may become six letters. */
	r.out = malloc(4 * length + 16);
	r.scratch = malloc(length + 2);
	r.end = r.out;
	if (r.out != NULL && r.scratch != NULL) {
		if (qp_pg_conninfo_scheme(text) > 0)
			redact_uri(&r, text);
		else
			redact_words(&r, text, false);
		*r.end = '\0';
	} else {
		free(r.out);
		r.out = NULL;
	}
	free(r.scratch);
	return r.out;
}
