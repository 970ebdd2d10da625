/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp: what a pool of mail sessions is good for, on a mail server of its own that wants STARTTLS and a login: mails
 * per second of 8 threads by a pool of 8, beside libcurl by itself with a connection for each mail.  The ratio is
 * taken within a round, and the median of the rounds counts.  It stands on the public header, and on the tests'
 * harness for the server.
 *
 *     bench_smtp [--quick] [--check]
 */
#include <queuepool/smtp.h>

#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>

#include "ratio.h"
#include "smtp_kit.h"

enum { THREADS = 8, ROUNDS_MOST = 64 };

static int rounds = 21, mails = 80; /* of one thread in a round */
static smtp_kit *server;
static qpool *pool;
static char url[64], ca_file[256];
static const char body[] = "From: ann@example.org\r\nSubject: x\r\n\r\nhello\r\n";

static void
fail_with(const char *what, const char *why)
{
	fprintf(stderr, "bench_smtp: %s: %s\n", what, why);
	smtp_kit_end(server);
	exit(1);
}

/* ---- one mail, two ways ------------------------------------------------------------- */

static void
by_pool(void)
{
	qpool_smtp_message message = smtp_message(body);
	qpool_lease lease;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK ||
	    qpool_smtp_send(&lease, &message, NULL, &error) != QPOOL_OK)
		fail_with("a mail by the pool", error.message);
	qpool_release(&lease);
}

static size_t
read_body(char *out, size_t one, size_t room, void *user)
{
	size_t *left = user, length = *left < one * room ? *left : one * room;

	memcpy(out, body + sizeof body - 1 - *left, length);
	*left -= length;
	return length;
}

static void
by_connect(void)
{
	struct curl_slist *to = curl_slist_append(NULL, "bob@example.org");
	size_t left = sizeof body - 1;
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (curl == NULL || to == NULL)
		fail_with("libcurl", "no memory");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
	curl_easy_setopt(curl, CURLOPT_CAPATH, (char *)NULL);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERNAME, SMTP_USER);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, SMTP_PASSWORD);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, "ann@example.org");
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
	curl_easy_setopt(curl, CURLOPT_READDATA, &left);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		fail_with("a mail by libcurl", curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	curl_slist_free_all(to);
}

/* ---- rounds ------------------------------------------------------------------------- */

static void
start(void)
{
	qpool_smtp_options smtp = qpool_smtp_options_init();
	qpool_options options = qpool_options_init();
	qpool_error error;

	server = smtp_kit_start("starttls", true);
	snprintf(url, sizeof url, "smtp://127.0.0.1:%d", smtp_kit_port(server));
	snprintf(ca_file, sizeof ca_file, "%s", smtp_kit_file(server, "ca.pem"));
	smtp.user = SMTP_USER;
	smtp.password = SMTP_PASSWORD;
	smtp.ca_file = ca_file;
	options.max_size = options.max_opening = THREADS;
	if (qpool_smtp_create(&pool, url, &smtp, &options, &error) != QPOOL_OK ||
	    qpool_wait_ready(pool, THREADS, QPOOL_SEC(60), &error) != QPOOL_OK)
		fail_with(url, error.message);
}

static double
measure(void)
{
	double pooled[ROUNDS_MOST], connected[ROUNDS_MOST], ratios[ROUNDS_MOST], ratio;

	for (int i = 0; i < rounds; i++) {
		pooled[i] = ratio_rate(THREADS, by_pool, mails);
		connected[i] = ratio_rate(THREADS, by_connect, mails / 8);
		ratios[i] = pooled[i] / connected[i];
	}
	ratio = ratio_median(rounds, ratios);
	printf(
	    "mails per second, %d threads, STARTTLS and a login: %.0f by a pool of %d, %.0f with a "
	    "connection for each: %.1f times as many\n",
	    THREADS, ratio_median(rounds, pooled), THREADS, ratio_median(rounds, connected), ratio);
	return ratio;
}

int
main(int argc, char **argv)
{
	bool checks = false, good;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			rounds = 3, mails = 16;
		else if (strcmp(argv[i], "--check") == 0)
			checks = true;
		else
			return fprintf(stderr, "usage: bench_smtp [--quick] [--check]\n"), 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	(void)signal(SIGPIPE, SIG_IGN); /* as libcurl's users do */
	start();
	good = measure() >= 5;
	qpool_free(pool);
	smtp_kit_end(server);
	printf("wanted: at least 5 times as many: %s\n", good ? "met" : "not met");
	return checks && !good;
}
