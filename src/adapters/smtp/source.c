/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: the struct is read first, then the URL over it, then all is judged, then copied.
 */
#include "source.h"

#include "fault.h"
#include "url.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PORT_SUBMISSION = 587,
	PORT_IMPLICIT = 465,
	HOST_MOST = 253,
	HELO_MOST = 255,
	LOGIN_MOST = 1000,  /* libcurl's line for a login holds so much in any case */
	STRUCT_MOST = 4096, /* no struct of this or a later version is as long */
};

typedef struct make {
	qpool_smtp_options options; /* its texts are the caller's or the URL's */
	qp_smtp_url url;
	qpool_options *pool; /* a copy, as long as the caller's */
	qpool_error *error;
} make;

qpool_err
qp_smtp_source_read(void *to, size_t room, const void *from, const char *name, qpool_error *error)
{
	const unsigned char *bytes = from;
	size_t size;

	memset(to, 0, room);
	if (from == NULL)
		return QPOOL_OK;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size || size > STRUCT_MOST)
		return qp_smtp_fault_say(
		    error, QPOOL_EINVAL, "%s.size is %zu; start from %s_init()", name, size, name);
	for (size_t i = room; i < size; i++)
		if (bytes[i] != 0)
			return qp_smtp_fault_say(error, QPOOL_ENOTSUP,
			    "%s is %zu bytes long and sets what this library (%zu bytes) does not "
			    "know, at byte %zu; use a newer one or leave it 0",
			    name, size, room, i);
	memcpy(to, from, size < room ? size : room);
	return QPOOL_OK;
}

/* ---- words ---- */

static qpool_err
read_tls(make *m, const char *value)
{
	static const char *const words[] = {"starttls", "implicit", "optional", "none"};

	for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(value, words[i]) == 0) {
			m->options.tls = i;
			return QPOOL_OK;
		}
	return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
	    "tls in the url is none of its words; it must be starttls, implicit, optional or none");
}

static qpool_err
read_verify(make *m, const char *value)
{
	if (strcmp(value, "1") == 0)
		m->options.flags &= ~(uint32_t)QPOOL_SMTP_NO_VERIFY;
	else if (strcmp(value, "0") == 0)
		m->options.flags |= QPOOL_SMTP_NO_VERIFY;
	else
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "verify in the url is neither of its words; it must be 1 (the default) or 0");
	return QPOOL_OK;
}

static qpool_err
read_ca(make *m, const char *value)
{
	m->options.ca_file = value;
	return QPOOL_OK;
}

static qpool_err
read_helo(make *m, const char *value)
{
	m->options.helo = value;
	return QPOOL_OK;
}

/* By the pool's own parser, so that durations are written alike everywhere; held_long takes the same. */
static qpool_err
read_timeout(make *m, const char *value)
{
	qpool_options scratch = qpool_options_init();
	char text[64];
	int length = snprintf(text, sizeof text, "held_long=%s", value);

	if (length < 0 || (size_t)length >= sizeof text || strchr(value, '&') != NULL ||
	    qpool_options_parse(&scratch, text, NULL) != QPOOL_OK || scratch.held_long <= 0)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "send_timeout in the url is no duration; it must be a number with a unit (ns us "
		    "ms s min h), as in 30s, or forever");
	m->options.send_timeout = scratch.held_long;
	return QPOOL_OK;
}

static bool
is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_");

	return length > 0 && length < 40 && text[length] == '\0';
}

/* The pool's own word: its parser decodes, judges and says what it must be. */
static qpool_err
read_pool(make *m, const char *name, const char *value)
{
	size_t room = strlen(name) + strlen(value) + 2;
	char *text = malloc(room);
	qpool_error said = {0};
	qpool_err err;

	if (text == NULL)
		return qp_smtp_fault_say(m->error, QPOOL_ENOMEM, "no memory to read the url");
	(void)snprintf(text, room, "%s=%s", name, value);
	err = qpool_options_parse(m->pool, text, &said);
	free(text);
	if (err == QPOOL_OK)
		return err;
	return qp_smtp_fault_say(m->error, err, "in the url, behind pool_: %s", said.message);
}

static qpool_err
read_word(make *m, char *name, char *value)
{
	static const struct {
		const char *name;
		qpool_err (*read)(make *m, const char *value);
	} known[] = {{"tls", read_tls}, {"verify", read_verify}, {"ca", read_ca},
	    {"helo", read_helo}, {"send_timeout", read_timeout}};
	bool is_told;

	if (value != NULL && is_name(name) && strncmp(name, "pool_", 5) == 0)
		return read_pool(m, name + 5, value);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		if (value == NULL || value[0] == '\0' || !qp_smtp_url_decode(value))
			return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
			    "%s in the url has no value that can be read; it must be %s=VALUE, with "
			    "%%XX for special bytes",
			    name, name);
		return known[i].read(m, value);
	}
	/* Without a = it may be a piece of a password. */
	is_told = value != NULL && is_name(name);
	return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
	    "%s%s%s is no word of an smtp url; it must be tls, verify, ca, helo, send_timeout, or "
	    "pool_ with a field of qpool_options",
	    is_told ? "\"" : "", is_told ? name : "something behind the ?", is_told ? "\"" : "");
}

static qpool_err
read_port(make *m, const char *text)
{
	unsigned long port = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits < 6 && text[digits] == '\0')
		port = strtoul(text, NULL, 10);
	if (port < 1 || port > 65535)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "the port in the url is no port; it must be 1 to 65535 (and : in a password %%3A, "
		    "@ %%40, / %%2F)");
	m->options.port = (uint32_t)port;
	return QPOOL_OK;
}

static qpool_err
read_url(make *m, const char *given)
{
	char *name, *value;
	qpool_err err = qp_smtp_url_read(&m->url, given, m->error);

	if (err != QPOOL_OK)
		return err;
	m->options.host = m->url.host;
	if (m->url.is_implicit)
		m->options.tls = QPOOL_SMTP_IMPLICIT;
	else if (m->options.tls == QPOOL_SMTP_IMPLICIT)
		m->options.tls = QPOOL_SMTP_STARTTLS;
	if (m->url.user != NULL)
		m->options.user = m->url.user;
	if (m->url.password != NULL)
		m->options.password = m->url.password;
	if (m->url.port != NULL)
		err = read_port(m, m->url.port);
	while (err == QPOOL_OK && qp_smtp_url_word(&m->url.query, &name, &value))
		if (name[0] != '\0' || value != NULL)
			err = read_word(m, name, value);
	if (err == QPOOL_OK && m->url.is_implicit && m->options.tls != QPOOL_SMTP_IMPLICIT)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "the url is smtps:// and says another tls; it must be smtp:// for that");
	return err;
}

/* ---- what is in range ---- */

static qpool_err
bad(const make *m, const char *name, const char *must)
{
	return qp_smtp_fault_say(
	    m->error, QPOOL_EINVAL, "%s cannot be as given; it must be %s", name, must);
}

/* It goes into a URL for libcurl and into our first line to the server. */
static bool
is_host(const char *text, size_t most)
{
	size_t length =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:");

	return length > 0 && length <= most && text[length] == '\0';
}

/* [192.0.2.1] and [IPv6:2001:db8::1] are names for an EHLO, too. */
static bool
is_helo(const char *text)
{
	size_t length = strlen(text);
	char inner[HELO_MOST + 1];

	if (text[0] != '[')
		return is_host(text, HELO_MOST) && strchr(text, ':') == NULL;
	if (length < 3 || length > HELO_MOST || text[length - 1] != ']')
		return false;
	memcpy(inner, text + 1, length - 2);
	inner[length - 2] = '\0';
	return is_host(inner, HELO_MOST);
}

static qpool_err
check_login(const make *m)
{
	const qpool_smtp_options *o = &m->options;

	if (o->user == NULL && o->password != NULL)
		return bad(m, "password", "NULL without a user");
	if (o->user == NULL)
		return QPOOL_OK;
	if (o->user[0] == '\0' || strlen(o->user) > LOGIN_MOST)
		return bad(m, "user", "1 to 1000 bytes, or none for no login");
	if (o->password == NULL)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "there is a user and no password; it must be given, or the user left out");
	if (strlen(o->password) > LOGIN_MOST)
		return bad(m, "password", "at most 1000 bytes");
	if (o->tls == QPOOL_SMTP_OPTIONAL)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "tls is optional and a user is given, whose password whoever hides the server's "
		    "STARTTLS would get to read; tls must be starttls or implicit, or none if you "
		    "mean it");
	return QPOOL_OK;
}

static qpool_err
check_numbers(const make *m)
{
	const qpool_smtp_options *o = &m->options;

	if (o->tls > QPOOL_SMTP_NONE)
		return bad(m, "tls",
		    "QPOOL_SMTP_STARTTLS (0, the default), _IMPLICIT (1), _OPTIONAL "
		    "(2) or _NONE (3)");
	if ((o->flags & ~(uint32_t)QPOOL_SMTP_NO_VERIFY) != 0)
		return bad(m, "flags", "0 or QPOOL_SMTP_NO_VERIFY (1)");
	if (o->port > 65535)
		return bad(m, "port", "1 to 65535, or 0 for the default");
	if (o->reserved_ != 0)
		return bad(m, "reserved_", "0");
	if (o->send_timeout < 0)
		return bad(m, "send_timeout",
		    "0 (the default, 5 min), a positive number of nanoseconds or QPOOL_FOREVER");
	return QPOOL_OK;
}

static qpool_err
check(const make *m)
{
	const qpool_smtp_options *o = &m->options;
	qpool_err err;

	if ((err = check_numbers(m)) != QPOOL_OK)
		return err;
	if (o->host == NULL)
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "neither a url nor a host is given; it must be one, as in "
		    "smtp://user:password@host:587");
	if (o->host[0] == '\0')
		return qp_smtp_fault_say(m->error, QPOOL_EINVAL,
		    "no host is given; it must be one, as in smtp://user:password@host:587");
	if (!is_host(o->host, HOST_MOST))
		return bad(m, "host",
		    "a name or an address in ASCII, of at most 253 bytes; a name in other letters is "
		    "written as xn--");
	if (o->helo != NULL && !is_helo(o->helo))
		return bad(m, "helo", "a name in ASCII, or an address in brackets");
	if (o->ca_file != NULL && o->ca_file[0] == '\0')
		return bad(m, "ca_file", "the path of a file, or none for the system's");
	return check_login(m);
}

/* ---- what is made of it ---- */

/* NULL stays NULL. */
static bool
copy(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return text == NULL || *to != NULL;
}

/* libcurl takes the path for our name; what it would take for its own is written as %XX. */
static bool
write_url(qp_smtp_source *source, const char *helo)
{
	bool is_v6 = strchr(source->host, ':') != NULL;
	const char *scheme = source->tls == QPOOL_SMTP_IMPLICIT ? "smtps" : "smtp";
	const char *inner = helo != NULL && helo[0] == '[' ? "%5B" : "";
	int length = helo == NULL ? 0 : (int)strcspn(helo + (*inner != '\0'), "]");

	return asprintf(&source->url, "%s://%s%s%s:%u/%s%.*s%s", scheme, is_v6 ? "[" : "",
		   source->host, is_v6 ? "]" : "", source->port, inner, length,
		   helo == NULL ? "" : helo + (*inner != '\0'), *inner != '\0' ? "%5D" : "") > 0;
}

static bool
copy_all(qp_smtp_source *source, const qpool_smtp_options *o)
{
	source->tls = o->tls;
	source->verifies = (o->flags & QPOOL_SMTP_NO_VERIFY) == 0;
	source->port = o->tls == QPOOL_SMTP_IMPLICIT ? PORT_IMPLICIT : PORT_SUBMISSION;
	if (o->port != 0)
		source->port = (uint16_t)o->port;
	source->send_timeout = o->send_timeout != 0 ? o->send_timeout : QPOOL_SEC(300);
	(void)snprintf(source->shown, sizeof source->shown,
	    strchr(o->host, ':') != NULL ? "[%.68s]:%u" : "%.70s:%u", o->host, source->port);
	return copy(&source->host, o->host) && copy(&source->user, o->user) &&
	       copy(&source->password, o->password) && copy(&source->ca_file, o->ca_file) &&
	       qp_smtp_secrets_make(&source->secrets, o->user, o->password) &&
	       write_url(source, o->helo);
}

/* The pool's options may be of another version, longer or shorter than ours. */
static qpool_err
copy_pool(make *m, qpool_options *pool)
{
	/* Does nothing but look at the size. */
	qpool_err err = qpool_options_parse(pool, NULL, m->error);

	if (err != QPOOL_OK)
		return err;
	m->pool = calloc(1, pool->size > sizeof *pool ? pool->size : sizeof *pool);
	if (m->pool == NULL)
		return qp_smtp_fault_say(m->error, QPOOL_ENOMEM, "no memory to read options");
	memcpy(m->pool, pool, pool->size);
	return QPOOL_OK;
}

static qpool_err
make_source(make *m, qp_smtp_source **out)
{
	qp_smtp_source *source = calloc(1, sizeof *source);

	if (source == NULL || !copy_all(source, &m->options)) {
		qp_smtp_source_free(source);
		return qp_smtp_fault_say(
		    m->error, QPOOL_ENOMEM, "no memory for a pool of mail sessions");
	}
	*out = source;
	return QPOOL_OK;
}

qpool_err
qp_smtp_source_make(qp_smtp_source **out, const char *url, const qpool_smtp_options *given,
    qpool_options *pool, qpool_error *error)
{
	make m = {.error = error};
	qpool_err err = copy_pool(&m, pool);

	if (err == QPOOL_OK)
		err = qp_smtp_source_read(
		    &m.options, sizeof m.options, given, "qpool_smtp_options", error);
	if (err == QPOOL_OK && url != NULL)
		err = read_url(&m, url);
	if (err == QPOOL_OK)
		err = check(&m);
	if (err == QPOOL_OK)
		err = make_source(&m, out);
	if (err == QPOOL_OK)
		memcpy(pool, m.pool, pool->size);
	qp_smtp_url_free(&m.url);
	free(m.pool);
	return err;
}

static void
forget(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void
qp_smtp_source_free(qp_smtp_source *source)
{
	if (source == NULL)
		return;
	forget(source->user);
	forget(source->password);
	qp_smtp_secrets_free(&source->secrets);
	free(source->host);
	free(source->ca_file);
	free(source->url);
	free(source);
}
