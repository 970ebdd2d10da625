/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conninfo: follows libpq's own two readers, conninfo_parse and conninfo_uri_parse, so that both
 * see the same words.  What it does not take apart (hosts, user and password of a URI) goes to
 * libpq as it came.
 */
#include "conninfo.h"

#include "fault.h"

#include <stdlib.h>
#include <strings.h>

#define BLANKS " \t\n\v\f\r"

static const char ours[] = "pool_";

size_t
qp_pg_conninfo_scheme(const char *text)
{
	static const char *const schemes[] = {"postgresql://", "postgres://"};

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return strlen(schemes[i]);
	return 0;
}

static size_t
skip_host(const char *at)
{
	size_t length = *at == '[' ? strcspn(at, "]") : 0;

	return length + strcspn(at + length, ",/?");
}

void
qp_pg_conninfo_parts(
    const char *uri, const char **userinfo_end, const char **path, const char **query)
{
	const char *at = uri + qp_pg_conninfo_scheme(uri);
	const char *sign = at + strcspn(at, "@/");

	*userinfo_end = *sign == '@' ? sign : NULL;
	if (*sign == '@')
		at = sign + 1;
	at += skip_host(at);
	while (*at == ',') {
		at++;
		at += skip_host(at);
	}
	*path = at;
	*query = *at == '/' ? at + strcspn(at, "?") : at;
}

/* ---- words ---- */

static qp_pg_found
next_parameter(const char **at, qp_pg_piece *out)
{
	const char *begin = *at, *equals;
	size_t length;

	if (*begin == '\0')
		return QP_PG_END;
	length = strcspn(begin, "&");
	equals = memchr(begin, '=', length);
	*at = begin + length + (begin[length] == '&');
	if (equals == NULL ||
	    memchr(equals + 1, '=', length - (size_t)(equals + 1 - begin)) != NULL)
		return QP_PG_NO_EQUALS;
	out->name = begin;
	out->name_length = (size_t)(equals - begin);
	out->value = equals + 1;
	out->value_length = length - out->name_length - 1;
	return QP_PG_PIECE;
}

/* The value's end, behind its closing quote if it has one; NULL if that is missing. */
static const char *
skip_value(const char *at)
{
	bool quoted = *at == '\'';

	for (at += quoted; *at != '\0'; at++) {
		if (quoted ? *at == '\'' : strchr(BLANKS, *at) != NULL)
			return at + quoted;
		if (*at == '\\' && at[1] != '\0')
			at++;
	}
	return quoted ? NULL : at;
}

static qp_pg_found
next_word(const char **at, qp_pg_piece *out)
{
	const char *begin = *at + strspn(*at, BLANKS), *end;

	*at = begin;
	if (*begin == '\0')
		return QP_PG_END;
	out->name = begin;
	out->name_length = strcspn(begin, "=" BLANKS);
	begin += out->name_length;
	begin += strspn(begin, BLANKS);
	if (*begin != '=')
		return QP_PG_NO_EQUALS;
	begin++;
	begin += strspn(begin, BLANKS);
	end = skip_value(begin);
	if (end == NULL)
		return QP_PG_NO_QUOTE;
	out->value = begin;
	out->value_length = (size_t)(end - begin);
	*at = end;
	return QP_PG_PIECE;
}

qp_pg_found
qp_pg_conninfo_next(const char **at, bool is_uri, qp_pg_piece *out)
{
	return is_uri ? next_parameter(at, out) : next_word(at, out);
}

/* ---- decoding ---- */

static int
hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool
qp_pg_conninfo_percent(const char *from, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		char letter = from[i];
		if (letter == '%') {
			int high = i + 2 < length ? hex(from[i + 1]) : -1;
			int low = i + 2 < length ? hex(from[i + 2]) : -1;
			if (high < 0 || low < 0 || high + low == 0)
				return false;
			letter = (char)(unsigned char)(high * 16 + low);
			i += 2;
		}
		*out++ = letter;
	}
	*out = '\0';
	return true;
}

/* A backslash takes the next letter as it is; one at the very end is dropped. */
static void
unescape(const char *from, size_t length, char *out)
{
	bool quoted = length > 0 && *from == '\'';
	const char *end = from + length - quoted;

	for (from += quoted; from < end; from++) {
		if (*from == '\\' && ++from == end)
			break;
		*out++ = *from;
	}
	*out = '\0';
}

/* ---- what may be shown ---- */

bool
qp_pg_conninfo_is_plain(const char *text)
{
	size_t length = strlen(text);

	return length <= 40 && strspn(text, "abcdefghijklmnopqrstuvwxyz"
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "0123456789_.,+-") == length;
}

bool
qp_pg_conninfo_is_ours(const char *name)
{
	return strncmp(name, ours, sizeof ours - 1) == 0;
}

bool
qp_pg_conninfo_is_name(const char *text)
{
	size_t length = strlen(text);

	return length <= 40 && strspn(text, "abcdefghijklmnopqrstuvwxyz_") == length;
}

/* Of this libpq or a later one. */
static const char *const options[] = {"application_name", "channel_binding", "client_encoding",
    "connect_timeout", "dbname", "fallback_application_name", "gssdelegation", "gssencmode",
    "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version",
    "min_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope",
    "options", "passfile", "password", "port", "replication", "require_auth", "requirepeer",
    "requiressl", "scram_client_key", "scram_server_key", "service", "servicefile", "ssl",
    "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode",
    "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation",
    "sslpassword", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user"};

bool
qp_pg_conninfo_knows(const char *name)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (strcasecmp(name, options[i]) == 0)
			return true;
	return false;
}

/* Letters to change, add or drop to get from one to the other: the last row of the usual table. */
static size_t
distance(const char *from, const char *to)
{
	enum { MOST = 40 };
	size_t row[MOST + 1], length = strlen(to);

	if (length > MOST)
		return SIZE_MAX;
	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (size_t before = 0; *from != '\0'; from++) {
		size_t corner = before++;
		row[0] = before;
		for (size_t i = 1; i <= length; i++) {
			size_t change = corner + (*from != to[i - 1]);
			corner = row[i];
			row[i] = 1 + (row[i] < row[i - 1] ? row[i] : row[i - 1]);
			row[i] = change < row[i] ? change : row[i];
		}
	}
	return row[length];
}

const char *
qp_pg_conninfo_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t least = 3;

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		size_t edits = distance(name, options[i]);
		if (edits < least && edits < strlen(options[i])) {
			least = edits;
			nearest = options[i];
		}
	}
	return nearest;
}

/* ---- split ---- */

typedef struct split {
	qp_pg_conninfo out;
	bool is_uri;
	char *end; /* of out.rest so far */
	size_t kept;
	qpool_error *error;
} split;

static qpool_err
no_memory(qpool_error *error)
{
	return qp_pg_fault_say(error, QPOOL_ENOMEM, "no memory to read the conninfo");
}

static qpool_err
malformed(const split *s, qp_pg_found found)
{
	size_t number = s->out.count + 1;

	if (found == QP_PG_NO_QUOTE)
		return qp_pg_fault_say(s->error, QPOOL_EINVAL,
		    "word %zu of the conninfo begins with a quote (') that does not end; a quote "
		    "inside must be written \\'",
		    number);
	if (s->is_uri)
		return qp_pg_fault_say(s->error, QPOOL_EINVAL,
		    "word %zu after the ? of the conninfo is not name=value; words are joined by "
		    "&, and & = %% in a value must be written %%26 %%3D %%25",
		    number);
	return qp_pg_fault_say(s->error, QPOOL_EINVAL,
	    "word %zu of the conninfo has no =; it must be name=value, a value with blanks in it "
	    "'in quotes', or the whole a URI: postgresql://user@host/database",
	    number);
}

static qpool_err
bad_percent(const split *s)
{
	return qp_pg_fault_say(s->error, QPOOL_EINVAL,
	    "word %zu after the ? of the conninfo has a %% without two hexadecimal digits (not "
	    "00); a %% itself must be written %%25",
	    s->out.count);
}

static bool
decode(const split *s, const char *from, size_t length, char *out)
{
	if (s->is_uri)
		return qp_pg_conninfo_percent(from, length, out);
	unescape(from, length, out);
	return true;
}

static void
keep(split *s, const qp_pg_piece *piece)
{
	size_t length = (size_t)(piece->value + piece->value_length - piece->name);

	if (s->kept++ > 0)
		*s->end++ = s->is_uri ? '&' : ' ';
	else if (s->is_uri)
		*s->end++ = '?';
	memcpy(s->end, piece->name, length);
	s->end += length;
	*s->end = '\0';
}

/* One word more in the list, its texts empty but of the right room. */
static qp_pg_word *
append(split *s, const qp_pg_piece *piece)
{
	qp_pg_word *words = realloc(s->out.words, (s->out.count + 1) * sizeof *words);
	qp_pg_word *word;

	if (words == NULL)
		return NULL;
	s->out.words = words;
	word = &words[s->out.count++];
	word->name = calloc(1, piece->name_length + 1);
	word->value = calloc(1, piece->value_length + 1);
	return word->name != NULL && word->value != NULL ? word : NULL;
}

static qpool_err
take(split *s, const qp_pg_piece *piece)
{
	qp_pg_word *word = append(s, piece);

	if (word == NULL)
		return no_memory(s->error);
	/* Names have no escapes in the form with blanks. */
	memcpy(word->name, piece->name, piece->name_length);
	if ((s->is_uri && !decode(s, piece->name, piece->name_length, word->name)) ||
	    !decode(s, piece->value, piece->value_length, word->value))
		return bad_percent(s);
	if (!qp_pg_conninfo_is_ours(word->name))
		keep(s, piece);
	return QPOOL_OK;
}

/* An unescaped @ after user and password: part of a password with / or @ in it, which would be
 * taken for a host or a database, and shown as such. */
static qpool_err
check_signs(const split *s, const char *uri)
{
	const char *userinfo_end, *path, *query, *from;

	qp_pg_conninfo_parts(uri, &userinfo_end, &path, &query);
	from = userinfo_end != NULL ? userinfo_end + 1 : uri;
	if (memchr(from, '@', (size_t)(query - from)) != NULL)
		return qp_pg_fault_say(s->error, QPOOL_EINVAL,
		    "the conninfo has an @ among its hosts or in its database; in a URI the "
		    "letters @ : / ? %% of a user, password or database must be written %%40 %%3A "
		    "%%2F %%3F %%25");
	return QPOOL_OK;
}

static qpool_err
split_all(split *s, const char *conninfo)
{
	const char *at = conninfo;
	qp_pg_piece piece;
	qp_pg_found found;
	qpool_err err;

	s->end = s->out.rest;
	*s->end = '\0';
	if (s->is_uri) {
		const char *userinfo_end, *path;
		qp_pg_conninfo_parts(conninfo, &userinfo_end, &path, &at);
		memcpy(s->end, conninfo, (size_t)(at - conninfo));
		s->end += at - conninfo;
		*s->end = '\0';
		at += *at == '?';
		if ((err = check_signs(s, conninfo)) != QPOOL_OK)
			return err;
	}
	while ((found = qp_pg_conninfo_next(&at, s->is_uri, &piece)) == QP_PG_PIECE)
		if ((err = take(s, &piece)) != QPOOL_OK)
			return err;
	return found == QP_PG_END ? QPOOL_OK : malformed(s, found);
}

qpool_err
qp_pg_conninfo_split(qp_pg_conninfo *out, const char *conninfo, qpool_error *error)
{
	split s = {.is_uri = qp_pg_conninfo_scheme(conninfo) > 0, .error = error};
	qpool_err err;

	/* Between two words a blank may be added where a quote stood against a name. */
	s.out.rest = malloc(2 * strlen(conninfo) + 2);
	err = s.out.rest != NULL ? split_all(&s, conninfo) : no_memory(error);
	if (err == QPOOL_OK)
		*out = s.out;
	else
		qp_pg_conninfo_free(&s.out);
	return err;
}

void
qp_pg_conninfo_free(qp_pg_conninfo *conninfo)
{
	for (size_t i = 0; i < conninfo->count; i++) {
		free(conninfo->words[i].name);
		free(conninfo->words[i].value);
	}
	free(conninfo->words);
	free(conninfo->rest);
	memset(conninfo, 0, sizeof *conninfo);
}
