/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp: a program of somebody who has only what is installed, and wants pooled mail sessions.  Built like core.c
 * beside it.  It sends to SMTP_URL; without, it wants to hear that nobody listens at port 1.
 */
#include <queuepool/smtp.h>

#include <stdio.h>
#include <stdlib.h>

static int
fail(const char *what, const char *message)
{
	fprintf(stderr, "%s: %s\n", what, message);
	return 1;
}

static qpool_err
send_one(qpool_lease *lease, qpool_error *error)
{
	static const char *const to[] = {"bob@example.org"};
	static const char body[] = "Subject: x\n\nhello\n";
	qpool_smtp_message message = qpool_smtp_message_init();

	message.from = "ann@example.org";
	message.recipients = to;
	message.recipient_count = 1;
	message.body = body;
	message.body_length = sizeof body - 1;
	return qpool_smtp_send(lease, &message, NULL, error);
}

int
main(void)
{
	qpool_smtp_options smtp = qpool_smtp_options_init();
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	qpool *pool;
	void *user;
	const char *url = getenv("SMTP_URL");
	qpool_err err;

	/* By way of the ops, as who wraps them does; they are not used further. */
	smtp.host = "127.0.0.1";
	if (qpool_smtp_ops(NULL, &smtp, &options, &ops, &user, &error) != QPOOL_OK)
		return fail("qpool_smtp_ops", error.message);
	ops.destroy(user);

	options.open_failure = QPOOL_OPEN_TELL;
	if (qpool_smtp_create(&pool, url != NULL ? url : "smtp://127.0.0.1:1", NULL, &options,
		&error) != QPOOL_OK)
		return fail("qpool_smtp_create", error.message);
	err = qpool_acquire(pool, QPOOL_SEC(5), &lease, &error);
	if (url == NULL && err != QPOOL_EOPEN)
		return fail("qpool_acquire", "somebody listens at port 1");
	if (url != NULL && (err != QPOOL_OK || send_one(&lease, &error) != QPOOL_OK))
		return fail("a mail", error.message);
	qpool_release(&lease);
	qpool_free(pool);
	return 0;
}
