/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_scene: see the header.
 */
#include "smtp_scene.h"

#include <signal.h>

smtp_fake *fake;
qpool_error said;
static smtp_kit *front; /* or NULL */
static const char *tls;

const char greeting[] = "220 fake ready\r\n",
	   ehlo[] = "250-fake\r\n250-SIZE 1000\r\n250 8BITMIME\r\n", ok[] = "250 ok\r\n",
	   go_on[] = "354 go on\r\n", taken[] = "250-taken\r\n250 as 4711\r\n",
	   bye[] = "221 bye\r\n", starttls[] = "250-fake\r\n250 STARTTLS\r\n", go[] = "220 go\r\n";

const char *const good[] = {greeting, ehlo, ok, ok, go_on, taken, bye, NULL};

int
scene_begin(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	fake = smtp_fake_start();
	front = NULL;
	tls = "none";
	return 0;
}

int
scene_end(void **state)
{
	(void)state;
	if (front != NULL)
		smtp_kit_end(front);
	smtp_fake_end(fake);
	return 0;
}

void
scene_secure(const char *how)
{
	tls = how;
	front = smtp_kit_front(how, smtp_fake_port(fake));
}

void
script(const char *const *says, size_t cut_out, size_t cut_in)
{
	smtp_fake_script(fake, (smtp_script){.says = says, .cut_out = cut_out, .cut_in = cut_in});
}

qpool *
pool_with(const char *login, const char *query, qpool_nsec open_budget)
{
	qpool_options options = qpool_options_init();
	char url[400];

	(void)snprintf(url, sizeof url, "smtp://%s127.0.0.1:%d?helo=me&%s%s%s", login,
	    front != NULL ? smtp_kit_port(front) : smtp_fake_port(fake), query,
	    front != NULL ? "&ca=" : "", front != NULL ? smtp_kit_file(front, "ca.pem") : "");
	options.max_size = 1;
	options.open_failure = QPOOL_OPEN_TELL;
	options.open_budget = open_budget;
	return smtp_pool(url, &options);
}

qpool *
pool_of(void)
{
	char query[32];

	(void)snprintf(query, sizeof query, "tls=%s", tls);
	return pool_with("", query, QPOOL_SEC(20));
}

qpool_err
one_mail(const qpool_smtp_message *message, qpool_smtp_reply *replies, bool *opened)
{
	qpool *pool = pool_of();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_err err;

	memset(&said, 0, sizeof said);
	err = qpool_acquire(pool, QPOOL_SEC(20), &lease, &said);
	*opened = err == QPOOL_OK;
	if (*opened)
		err = qpool_smtp_send(&lease, message, replies, &said);
	(void)qpool_release(&lease);
	qpool_free(pool);
	return err;
}

size_t
length_of(const char *const *says, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += strlen(says[i]);
	return length;
}
