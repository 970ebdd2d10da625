/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_kit: see the header.  The keeper (pg_keeper.c) is the server's parent, and ends it when the test is
 * killed.
 */
#include "smtp_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pg_keep.h"

struct smtp_kit {
	pg_keep *keep;
	FILE *orders, *answers;
	int port;
	char path[256];
	char answer[65536];
};

enum { PATIENCE_MS = 60000 };

static int
listen_somewhere(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void
meet(smtp_kit *k, int listener)
{
	struct pollfd look = {.fd = listener, .events = POLLIN};
	int fd;

	if (poll(&look, 1, PATIENCE_MS) != 1) {
		pg_keep_log_tail(k->keep);
		fail_msg("the mail server does not come");
	}
	/* cppcheck-suppress nullPointer ; nobody asks who it is */
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	k->answers = fdopen(fd, "r");
	k->orders = fdopen(dup(fd), "w");
	assert_non_null(k->answers);
	assert_non_null(k->orders);
}

static const char *
next_answer(smtp_kit *k)
{
	if (fgets(k->answer, sizeof k->answer, k->answers) == NULL) {
		pg_keep_log_tail(k->keep);
		fail_msg("the mail server is gone");
	}
	k->answer[strcspn(k->answer, "\n")] = '\0';
	return k->answer;
}

/* A script of Python's that tells its port to ours, with two words and its folder. */
static smtp_kit *
start(const char *which, const char *first, const char *second)
{
	smtp_kit *k = calloc(1, sizeof *k);
	char program[256] = "/usr/bin/python3", control[16]; /* the system's, which has aiosmtpd */
	int port, listener = listen_somewhere(&port);

	assert_non_null(k);
	k->keep = pg_keep_start(SIGTERM);
	if (access(program, X_OK) != 0)
		pg_keep_find("python3", "python3-aiosmtpd", program);
	(void)snprintf(control, sizeof control, "%d", port);
	(void)pg_keep_launch(k->keep, (const char *const[]){program, "-B", which, control, first,
					  second, pg_keep_folder(k->keep), NULL});
	meet(k, listener);
	(void)close(listener);
	k->port = atoi(next_answer(k));
	assert_true(k->port > 0);
	return k;
}

smtp_kit *
smtp_kit_start(const char *tls, bool wants_login)
{
	return start(SMTP_SERVE, tls, wants_login ? "1" : "0");
}

smtp_kit *
smtp_kit_front(const char *tls, int port)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%d", port);
	return start(SMTP_FRONT, tls, text);
}

void
smtp_kit_end(smtp_kit *k)
{
	(void)fclose(k->orders);
	(void)fclose(k->answers);
	pg_keep_end(k->keep);
	free(k);
}

int
smtp_kit_port(const smtp_kit *k)
{
	return k->port;
}

const char *
smtp_kit_file(smtp_kit *k, const char *name)
{
	(void)snprintf(k->path, sizeof k->path, "%s/%s", pg_keep_folder(k->keep), name);
	return k->path;
}

const char *
smtp_kit_ask(smtp_kit *k, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vfprintf(k->orders, format, list);
	va_end(list);
	(void)fputc('\n', k->orders);
	assert_int_equal(fflush(k->orders), 0);
	return next_answer(k);
}

int
smtp_kit_number(smtp_kit *k, const char *order)
{
	return atoi(smtp_kit_ask(k, "%s", order));
}

unsigned
smtp_kit_said(smtp_kit *k, const char *verb)
{
	unsigned count = 0;
	char *rest = NULL;
	char *all = strdup(smtp_kit_ask(k, "verbs"));

	for (char *at = strtok_r(all, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest))
		count += strcmp(at, verb) == 0;
	free(all);
	return count;
}

char *
smtp_kit_mail(smtp_kit *k, int n)
{
	const char *hex = smtp_kit_ask(k, "mail %d", n);
	size_t length = strlen(hex) / 2;
	char *text = malloc(length + 1);
	unsigned byte;

	assert_non_null(text);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		text[i] = (char)byte;
	}
	text[length] = '\0';
	return text;
}

/* ---- the adapter ---- */

qpool *
smtp_pool(const char *url, const qpool_options *options)
{
	qpool *pool = NULL;
	qpool_error error;

	if (qpool_smtp_create(&pool, url, NULL, options, &error) != QPOOL_OK)
		fail_msg("no pool: %s", error.message);
	return pool;
}

qpool_lease
smtp_lease(qpool *pool)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	return lease;
}

qpool_smtp_message
smtp_message(const char *body)
{
	static const char *const to[] = {"bob@example.org"};
	qpool_smtp_message message = qpool_smtp_message_init();

	message.from = "ann@example.org";
	message.recipients = to;
	message.recipient_count = 1;
	message.body = body;
	message.body_length = strlen(body);
	message.timeout = QPOOL_SEC(60);
	return message;
}

void
smtp_says(const qpool_error *error, const char *words)
{
	if (strstr(error->message, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, error->message);
	if (strstr(error->message, SMTP_PASSWORD) != NULL ||
	    strstr(error->message, SMTP_USER) != NULL)
		fail_msg("user or password is in: %s", error->message);
}
