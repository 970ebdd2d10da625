/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_smtp: smtp://USER:PASSWORD@HOST:PORT?WORDS and smtps://, as the adapter has them.  A request is NOOP, or a
 * mail that the command line gives.  It sends no mail that was not asked for.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <queuepool/smtp.h>

#include "say.h"

#define PATIENCE QPOOL_SEC(10) /* before the first thread starts */

static const char noop[] = "NOOP";

static const char *
client(void)
{
	static char text[32];
	snprintf(text, sizeof text, "libcurl %s", curl_version_info(CURLVERSION_NOW)->version);
	return text;
}

/* A word that is not known may be a password's with its name misspelt. */
static void
blot_words(char *shown)
{
	static const char *const known[] = {
	    "tls=", "verify=", "ca=", "helo=", "send_timeout=", "pool_"};
	char *word = strchr(shown, '?');
	while (word != NULL) {
		size_t length = strcspn(++word, "&");
		size_t name = strcspn(word, "=&");
		size_t from = name < length ? name + 1 : 0;
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			from = strncmp(word, known[i], strlen(known[i])) == 0 ? length : from;
		for (; from < length; from++)
			word[from] = '*';
		word = word[length] != '\0' ? word + length : NULL;
	}
}

/* The user as well as the password. */
static char *
redact(const char *url)
{
	char *shown = target_redact(url);
	char *from = shown != NULL ? strchr(shown, ':') + 1 : NULL;
	if (from == NULL)
		return shown;
	from += strspn(from, "/");
	char *to = strrchr(from, '@');
	for (char *at = from; to != NULL && at < to; at++)
		*at = '*';
	target_redact_port(shown);
	blot_words(shown);
	return shown;
}

static int
inspect(const struct target *target)
{
	const char *at = strrchr(target->where, '@');
	bool has_slashes = strncmp(target->where, "//", 2) == 0;
	const char *host = at != NULL ? at + 1 : target->where + (has_slashes ? 2 : 0);
	if (has_slashes && strchr("/?#:", *host) == NULL)
		return EXIT_OK;
	say_bad("%s: %s", target->shown,
	    has_slashes ? "no host is named" : "two slashes are missing after the colon");
	say_try("smtp://USER:PASSWORD@HOST:587");
	return EXIT_BAD;
}

static qpool_err
ops(const struct target *target, qpool_options *pool, qpool_ops *out, void **user,
    qpool_error *error)
{
	bool is_implicit = strncasecmp(target->shown, "smtps:", 6) == 0;
	size_t room = strlen(target->where) + sizeof "smtps:";
	char *url = malloc(room);
	qpool_err err = QPOOL_ENOMEM;
	if (url == NULL)
		return error->code = err;
	snprintf(url, room, "%s:%s", is_implicit ? "smtps" : "smtp", target->where);
	err = qpool_smtp_ops(url, NULL, pool, out, user, error);
	free(url);
	return err;
}

static qpool_err
probe(qpool_lease *lease, char *server, size_t room, qpool_error *error)
{
	if (room > 0)
		server[0] = '\0';
	return qpool_smtp_noop(lease, PATIENCE, error);
}

/* ---- a mail ---------------------------------------------------------------------------- */

struct mail {
	char from[321], to[321];
};

/* The bare address of a header's line, also out of "Name <address>"; false if that is not one. */
static bool
take_address(const char *value, size_t length, char *out, size_t room)
{
	const char *open = memchr(value, '<', length);
	const char *from = open != NULL ? open + 1 : value + strspn(value, " \t");
	const char *end = value + length;
	while (end > from && strchr(" \t\r", end[-1]) != NULL)
		end--;
	if (open != NULL && (end <= from || *--end != '>'))
		return false;
	if (end <= from || (size_t)(end - from) >= room)
		return false;
	for (const char *at = from; at < end; at++) {
		if (*at <= ' ' || *at >= 0x7f || strchr(",;<>", *at) != NULL)
			return false;
	}
	snprintf(out, room, "%.*s", (int)(end - from), from);
	return true;
}

/* The address of the one line of this name before the first empty one. */
static qpool_err
read_field(const char *text, const char *name, char *out, size_t room, qpool_error *error)
{
	unsigned lines = 0;
	bool is_good = false;
	char why[96] = "";
	for (size_t length; *text != '\0' && *text != '\n' && *text != '\r'; text += length) {
		size_t begins = strlen(name);
		length = strcspn(text, "\n");
		if (strncasecmp(text, name, begins) == 0) {
			is_good = take_address(text + begins, length - begins, out, room);
			lines++;
		}
		length += text[length] == '\n';
	}
	if (lines == 0)
		snprintf(why, sizeof why, "the mail's header has no %s", name);
	else if (lines > 1 || !is_good)
		snprintf(why, sizeof why,
		    "the mail's header must have one %s of one address in ASCII", name);
	return why[0] == '\0' ? QPOOL_OK : target_bad_sql(error, "", "", why);
}

static qpool_err
read_mail(const char *text, struct mail *out, qpool_error *error)
{
	qpool_err err = read_field(text, "From:", out->from, sizeof out->from, error);
	if (err == QPOOL_OK)
		err = read_field(text, "To:", out->to, sizeof out->to, error);
	return err;
}

/* A file that has it ends it with a line end. */
static bool
is_noop(const char *text)
{
	text += strspn(text, " \t\r\n");
	size_t length = strlen(noop);
	return strncasecmp(text, noop, length) == 0 &&
	       text[length + strspn(text + length, " \t\r\n")] == '\0';
}

/* Whether its first line is one of a header. */
static bool
has_header(const char *text)
{
	size_t name = strcspn(text, ": \t\r\n");
	return name > 0 && text[name] == ':';
}

static qpool_err
compile(qpool_lease *lease, const char *sql, struct target_script *out, qpool_error *error)
{
	struct mail mail;
	qpool_err err = QPOOL_OK;
	(void)lease;
	memset(out, 0, sizeof *out);
	if (!is_noop(sql) && !has_header(sql))
		return target_bad_sql(error, "", "",
		    "it is neither NOOP nor a mail whose header has a From: and a To: of one address");
	if (!is_noop(sql))
		err = read_mail(sql, &mail, error);
	if (err == QPOOL_OK && !target_script_add(out, sql, strlen(sql)))
		err = target_bad_sql(error, "", "", "out of memory");
	return err;
}

static qpool_err
send_mail(qpool_lease *lease, const char *text, qpool_error *error)
{
	struct mail mail = {"", ""};
	qpool_smtp_message message = qpool_smtp_message_init();
	const char *to[] = {mail.to};
	qpool_err err = read_mail(text, &mail, error);
	if (err != QPOOL_OK)
		return err;
	message.from = mail.from;
	message.recipients = to;
	message.recipient_count = 1;
	message.body = text;
	message.body_length = strlen(text);
	return qpool_smtp_send(lease, &message, NULL, error);
}

/* A mail under way is finished: half of it would be none. */
static qpool_err
execute(qpool_lease *lease, const struct target_script *script, target_cancelled_fn *cancelled,
    void *user, qpool_error *error)
{
	const char *text = script->statements[0];
	if (cancelled(user))
		return QPOOL_ECANCEL;
	if (is_noop(text))
		return qpool_smtp_noop(lease, PATIENCE, error);
	return send_mail(lease, text, error);
}

static bool
wrong_target(const qpool_error *error)
{
	return error->code == QPOOL_EDENIED || error->code == QPOOL_EINVAL ||
	       error->code == QPOOL_ENOTSUP;
}

const struct target_kind target_smtp = {
    .schemes = {"smtp", "smtps"},
    .form = "smtp://USER:PASSWORD@HOST:587",
    .usual = noop,
    .client = client,
    .needs_lease = true,
    .redact = redact,
    .inspect = inspect,
    .ops = ops,
    .probe = probe,
    .compile = compile,
    .execute = execute,
    .wrong_target = wrong_target,
};
