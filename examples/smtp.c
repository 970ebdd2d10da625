/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp: a pool of mail sessions: one mail for two people, of whom one is refused, and a second try where
 * nobody can have got it.  qpool_smtp_create(3) and qpool_smtp_send(3) quote it.
 *
 *     smtp smtp://user:password@host:587
 */
#include <queuepool/smtp.h>
#include <stdio.h>
#include <stdlib.h>

/* [man: send] */
static qpool_smtp_reply got[3]; /* of two people, and of the mail */

/* Once more on another session if the first one was lost in time. */
static qpool_err
deliver(qpool *pool, const qpool_smtp_message *mail, qpool_error *why)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_err err = QPOOL_OK;
	bool lost = true;

	for (int tries = 0; tries < 2 && lost; tries++) {
		err = qpool_acquire(pool, QPOOL_SEC(5), &lease, why);
		if (err != QPOOL_OK)
			break;
		err = qpool_smtp_send(&lease, mail, got, why);
		if (err != QPOOL_EPEER)
			lost = false;
		else /* "": no reply; 421: the server closes */
			lost = !*why->native || atoi(why->native) == 421;
		qpool_release(&lease);
	}
	return err;
}
/* [end] */

/* [man: create] */
static const char *const to[] = {"bob@example.org", "nobody@example.org"};
static const char text[] = "From: ann@example.org\n"
			   "Subject: hello\n\nHello Bob.\n";

int
main(int argc, char **argv)
{
	qpool_smtp_message mail = qpool_smtp_message_init();
	qpool_error why;
	qpool *pool = NULL;
	const char *url = argc > 1 ? argv[1] : "smtp://localhost";
	qpool_err err = qpool_smtp_create(&pool, url, NULL, NULL, &why);

	mail.from = "ann@example.org";
	mail.recipients = to;
	mail.recipient_count = 2;
	mail.body = text;
	mail.body_length = sizeof text - 1;
	if (err == QPOOL_OK)
		err = deliver(pool, &mail, &why);
	for (int i = 0; i < 2 && err == QPOOL_OK; i++)
		printf("%s: %d %s\n", to[i], got[i].code, got[i].text);
	if (err != QPOOL_OK)
		fprintf(stderr, "smtp: %s\n", why.message);
	qpool_free(pool);
	return err != QPOOL_OK;
}
/* [end] */
