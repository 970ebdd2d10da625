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

/* The user as well as the password. */
static char *
redact(const char *url)
{
	char *shown = target_redact(url);
	char *from = shown != NULL ? strstr(shown, "://") : NULL;
	char *to = from != NULL ? strrchr(from, '@') : NULL;
	for (char *at = from != NULL ? from + 3 : NULL; to != NULL && at < to; at++)
		*at = '*';
	return shown;
}

static int
inspect(const struct target *target)
{
	if (strncmp(target->where, "//", 2) == 0 && target->where[2] != '\0')
		return EXIT_OK;
	say_bad("%s: no host is named", target->shown);
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

/* The bare address of a header's line, also out of "Name <address>". */
static bool
take_address(const char *value, size_t length, char *out, size_t room)
{
	const char *open = memchr(value, '<', length);
	const char *close =
	    open != NULL ? memchr(open, '>', length - (size_t)(open - value)) : NULL;
	if (close != NULL) {
		value = open + 1;
		length = (size_t)(close - value);
	}
	while (length > 0 && strchr(" \t\r", value[length - 1]) != NULL)
		length--;
	size_t blanks = strspn(value, " \t");
	if (blanks >= length || length - blanks >= room)
		return false;
	snprintf(out, room, "%.*s", (int)(length - blanks), value + blanks);
	return true;
}

/* Its From: and To:, before the first empty line. */
static bool
read_header(const char *text, struct mail *out)
{
	bool has_from = false, has_to = false;
	for (size_t length; *text != '\0' && *text != '\n' && *text != '\r'; text += length) {
		length = strcspn(text, "\n");
		if (strncasecmp(text, "From:", 5) == 0)
			has_from = take_address(text + 5, length - 5, out->from, sizeof out->from);
		else if (strncasecmp(text, "To:", 3) == 0)
			has_to = take_address(text + 3, length - 3, out->to, sizeof out->to);
		length += text[length] == '\n';
	}
	return has_from && has_to;
}

static qpool_err
compile(qpool_lease *lease, const char *sql, struct target_script *out, qpool_error *error)
{
	struct mail mail;
	(void)lease;
	memset(out, 0, sizeof *out);
	if (strcmp(sql, noop) != 0 && !read_header(sql, &mail))
		return target_bad_sql(error, "", "",
		    "it is neither NOOP nor a mail whose header has a From: and a To: of one address");
	if (!target_script_add(out, sql, strlen(sql)))
		return target_bad_sql(error, "", "", "out of memory");
	return QPOOL_OK;
}

static qpool_err
send_mail(qpool_lease *lease, const char *text, qpool_error *error)
{
	struct mail mail = {"", ""};
	qpool_smtp_message message = qpool_smtp_message_init();
	const char *to[] = {mail.to};
	(void)read_header(text, &mail);
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
	if (strcmp(text, noop) == 0)
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
