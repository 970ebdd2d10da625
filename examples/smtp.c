/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp: a pool of mail sessions: one mail for two people, who hears which of them was refused, and a mail that is
 * tried again only if nobody can have got it.  qpool_smtp_create(3) and qpool_smtp_send(3) quote it.
 *
 *     smtp smtp://user:password@host:587
 */
#include <queuepool/smtp.h>
#include <stdio.h>

/* [man: send] */
/* Once more on another session, if nobody can have got it. */
static qpool_err
deliver(qpool *pool, const qpool_smtp_message *mail, qpool_smtp_reply *replies, qpool_error *error)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_err err = QPOOL_OK;

	for (int tries = 0; tries < 2; tries++) {
		err = qpool_acquire(pool, QPOOL_SEC(5), &lease, error);
		if (err != QPOOL_OK)
			break;
		err = qpool_smtp_send(&lease, mail, replies, error);
		qpool_release(&lease);
		/* The server's own refusals are answers: 4xx later, 5xx never. */
		if (err != QPOOL_EPEER || error->native[0] != '\0')
			break;
	}
	return err;
}
/* [end] */

/* [man: create] */
static const char *const people[] = {"bob@example.org", "nobody@example.org"};
static const char text[] = "From: ann@example.org\n"
			   "Subject: hello\n"
			   "\n"
			   "Hello Bob.\n";

int
main(int argc, char **argv)
{
	qpool_smtp_message mail = qpool_smtp_message_init();
	qpool_smtp_reply replies[3];
	qpool_error why;
	qpool *pool = NULL;
	const char *url = argc > 1 ? argv[1] : "smtp://localhost";
	qpool_err err = qpool_smtp_create(&pool, url, NULL, NULL, &why);

	mail.from = "ann@example.org";
	mail.recipients = people;
	mail.recipient_count = 2;
	mail.body = text;
	mail.body_length = sizeof text - 1;
	if (err == QPOOL_OK)
		err = deliver(pool, &mail, replies, &why);
	if (err == QPOOL_OK)
		for (int i = 0; i < 2; i++)
			printf("%s: %d %s\n", people[i], (int)replies[i].code, replies[i].text);
	else
		fprintf(stderr, "smtp: %s\n", why.message);
	qpool_free(pool);
	return err != QPOOL_OK;
}
/* [end] */
