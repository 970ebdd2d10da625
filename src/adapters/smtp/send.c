/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send: one mail: MAIL, RCPT for each, DATA, the body, its end.  A holder comes in with a lease.  What
 * a failure means for the mail and for the session is decided here, once.  send never sends anything
 * twice.
 */
#include "body.h"
#include "fault.h"
#include "message.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* The outcome stands behind the reader's words, which leave room for it. */
enum { PIECE = 8192, READ_WORDS = 120 };

/*
 *   lease_id:    of the lease as it was passed, which the reader can end
 *   accepted:    recipients so far; none: `first` is the first refusal
 *   is_in_doubt: the mail's end may have reached the server
 */
typedef struct sending {
	qpool_lease *lease;
	uint64_t lease_id;
	qp_smtp_session *session; /* NULL: the reader has ended the lease */
	qp_smtp_message message;
	qpool_smtp_reply *replies; /* or NULL */
	int64_t deadline_ns;
	size_t accepted;
	bool is_in_doubt;
	qp_smtp_reply reply, first;
} sending;

/* ---- what it came to ---- */

static const char *
outcome(const sending *s)
{
	if (s->message.given.recipients == NULL)
		return "the session is given up";
	return s->is_in_doubt ? "whether the mail was taken is not known"
	                      : "the mail was not delivered";
}

/* Nothing is sent on it again. */
static void
condemn(sending *s)
{
	s->session->is_broken = true;
	(void)qpool_spoil(s->lease);
}

/* What came although nothing was asked, for a message; "" if nothing did. */
static void
last_words(const sending *s, char *out, size_t room)
{
	char text[sizeof s->reply.text];

	qp_smtp_fault_words(s->session->source, &s->reply, text);
	if (s->reply.heard == QP_SMTP_WHOLE)
		(void)snprintf(
		    out, room, "; the server's last words: %d %.60s", s->reply.code, text);
}

/* No answer, or none that can be. */
static qpool_err
lost(sending *s, qp_smtp_result result, const char *what, qpool_error *error)
{
	qpool_err code = result == QP_SMTP_LATE ? QPOOL_ETIMEOUT : QPOOL_EPEER;
	char words[100] = "";

	if (s->is_in_doubt)
		code = QPOOL_EUNKNOWN;
	condemn(s);
	if (result != QP_SMTP_LATE)
		last_words(s, words, sizeof words);
	(void)qp_smtp_fault_at(s->session->source, error, code, "%s: %s; %s%s", what,
	    qp_smtp_wire_words(result), outcome(s), words);
	/* The words answer nothing; but that the session is over they do tell. */
	if (error != NULL && words[0] != '\0' && s->reply.code == 421 && !s->is_in_doubt)
		memcpy(error->native, "421", sizeof "421");
	return code;
}

static qpool_err
refused(sending *s, const char *what, const qp_smtp_reply *reply, qpool_error *error)
{
	if (s->session->is_broken)
		condemn(s);
	return qp_smtp_fault_reply(s->session->source, error, QPOOL_EPEER, what, reply);
}

/* A reply is a refusal, or it is not of the kind that can be here. */
static qpool_err
not_it(sending *s, const char *what, qpool_error *error)
{
	if (s->reply.code >= 400)
		return refused(s, what, &s->reply, error);
	return lost(s, QP_SMTP_GARBLED, what, error);
}

static void
tell(const sending *s, size_t which)
{
	qpool_smtp_reply *to = s->replies == NULL ? NULL : &s->replies[which];
	char text[sizeof s->reply.text];

	if (to == NULL)
		return;
	qp_smtp_fault_words(s->session->source, &s->reply, text);
	to->code = s->reply.code;
	memcpy(to->text, text, sizeof to->text - 1); /* the rest of text is zero */
}

/* ---- the envelope ---- */

static qpool_err
mail_from(sending *s, qpool_error *error)
{
	const qp_smtp_offers *offers = &s->session->offers;
	char line[400], size[32] = "";
	qp_smtp_result result;

	if (offers->size && s->message.size > 0)
		(void)snprintf(size, sizeof size, " SIZE=%" PRIu64, s->message.size);
	(void)snprintf(line, sizeof line, "MAIL FROM:<%s>%s%s", s->message.given.from, size,
	    offers->eight_bit ? " BODY=8BITMIME" : "");
	result = qp_smtp_wire_ask(s->session, line, &s->reply, s->deadline_ns);
	if (result != QP_SMTP_DONE)
		return lost(s, result, "MAIL", error);
	if (s->reply.code == 250) {
		s->session->is_open = true;
		return QPOOL_OK;
	}
	tell(s, s->message.given.recipient_count);
	return not_it(s, "the sender is refused", error);
}

/* A refused recipient is no failure as long as there is another. */
static qpool_err
rcpt_to(sending *s, size_t which, qpool_error *error)
{
	char line[400];
	qp_smtp_result result;

	(void)snprintf(line, sizeof line, "RCPT TO:<%s>", s->message.given.recipients[which]);
	result = qp_smtp_wire_ask(s->session, line, &s->reply, s->deadline_ns);
	if (result != QP_SMTP_DONE)
		return lost(s, result, "RCPT", error);
	tell(s, which);
	if (s->reply.code >= 250 && s->reply.code < 260)
		s->accepted++;
	else if (s->reply.code == 421 || s->reply.code < 400)
		return not_it(s, "RCPT", error);
	else if (s->first.code == 0)
		s->first = s->reply;
	return QPOOL_OK;
}

static qpool_err
envelope(sending *s, qpool_error *error)
{
	size_t count = s->message.given.recipient_count;
	qpool_err err = mail_from(s, error);
	char what[64];

	for (size_t i = 0; i < count && err == QPOOL_OK; i++)
		err = rcpt_to(s, i, error);
	if (err != QPOOL_OK || s->accepted > 0)
		return err;
	(void)snprintf(what, sizeof what,
	    count > 1 ? "all %zu recipients are refused, the first" : "the recipient is refused",
	    count);
	return refused(s, what, &s->first, error);
}

/* ---- the body ---- */

/* A server that speaks before the end of the mail, or hangs up, may have said that it refuses it. */
static qpool_err
cut_short(sending *s, qp_smtp_result result, qpool_error *error)
{
	if (result == QP_SMTP_LATE || s->reply.heard != QP_SMTP_WHOLE || s->reply.code < 400)
		return lost(s, result, "the body", error);
	tell(s, s->message.given.recipient_count);
	condemn(s);
	return refused(s, "the mail is refused before its end", &s->reply, error);
}

/* `end`: where the mark begins that is the end of the mail, or the length. */
static qpool_err
push(sending *s, const char *bytes, size_t length, size_t end, qpool_error *error)
{
	qp_smtp_result result = qp_smtp_wire_silence(s->session, &s->reply);
	size_t sent = 0;

	if (result == QP_SMTP_DONE && qp_smtp_wire_now() >= s->deadline_ns)
		result = QP_SMTP_LATE; /* while it can still be broken off */
	if (result != QP_SMTP_DONE)
		return cut_short(s, result, error);
	result = qp_smtp_wire_send(s->session, bytes, length, s->deadline_ns, &sent);
	s->is_in_doubt = sent > end;
	if (result == QP_SMTP_DONE)
		return QPOOL_OK;
	if (result == QP_SMTP_LOST)
		(void)qp_smtp_wire_hear(s->session, &s->reply, 0);
	return cut_short(s, result, error);
}

/* Without its end the server forgets the mail: the connection is given up for that. */
static qpool_err
break_off(sending *s, qpool_err err, const char *why, qpool_error *error)
{
	condemn(s);
	return qp_smtp_fault_at(s->session->source, error, err, "%s; %s", why, outcome(s));
}

/* What the reader said of it is passed on. */
static qpool_err
not_read(sending *s, qpool_err err, qpool_error *said, qpool_error *error)
{
	/* Before the cut: half a secret would not be known again. */
	qp_smtp_fault_hide(s->session->source, said->message);
	said->message[READ_WORDS] = '\0';
	(void)break_off(s, err, said->message[0] != '\0' ? said->message : "read failed", error);
	if (error != NULL) {
		error->sys_errno = said->sys_errno;
		memcpy(error->native, said->native, sizeof error->native);
	}
	return err;
}

/* With it the session has gone, and the connection with that. */
static qpool_err
ended(sending *s, qpool_error *error)
{
	s->session = NULL;
	(void)qp_smtp_fault_say(error, QPOOL_EMISUSE,
	    "read ended the lease; the mail was not delivered; read must leave it alone");
	return QPOOL_EMISUSE;
}

/* The next piece of the caller's; *length 0 at the end. */
static qpool_err
next_piece(sending *s, size_t *at, char room[PIECE], const char **piece, size_t *length,
    qpool_error *error)
{
	const qpool_smtp_message *given = &s->message.given;
	qpool_error said = {0};
	qpool_err err;

	*piece = room;
	*length = 0;
	if (given->body != NULL) {
		*piece = given->body + *at;
		*length = given->body_length - *at < PIECE ? given->body_length - *at : PIECE;
		*at += *length;
		return QPOOL_OK;
	}
	err = given->read(given->read_user, room, PIECE, length, &said);
	if (qpool_resource_id(s->lease) != s->lease_id)
		return ended(s, error);
	if (err != QPOOL_OK)
		return not_read(s, err, &said, error);
	if (*length > PIECE)
		return break_off(s, QPOOL_EINVAL, "read gave more than there is room", error);
	return QPOOL_OK;
}

/* What could not be known before the bytes came. */
static qpool_err
judge(sending *s, const qp_smtp_body *body, qpool_error *error)
{
	if (s->message.limit > 0 && body->size > s->message.limit)
		return break_off(s, QPOOL_EINVAL,
		    s->message.given.read_size > 0 ? "read gave more than read_size says"
						   : "the mail is longer than the server takes",
		    error);
	if (body->has_8bit && !s->session->offers.eight_bit)
		return break_off(s, QPOOL_EINVAL,
		    "the body has 8-bit bytes, and the server takes 7 bits only; encode it as "
		    "quoted-printable or base64",
		    error);
	return QPOOL_OK;
}

/* The end goes out with the last bytes before it; from then on nobody knows. */
static qpool_err
send_body(sending *s, qpool_error *error)
{
	char room[PIECE], out[PIECE * QP_SMTP_BODY_GROWTH + QP_SMTP_BODY_END];
	size_t at = 0, held = 0, length;
	qp_smtp_body body;
	const char *piece;
	qpool_err err;

	qp_smtp_body_begin(&body);
	for (;;) {
		err = next_piece(s, &at, room, &piece, &length, error);
		if (err != QPOOL_OK || length == 0)
			break;
		if (held > 0)
			err = push(s, out, held, held, error);
		held = qp_smtp_body_feed(&body, piece, length, out);
		if (err == QPOOL_OK)
			err = judge(s, &body, error);
		if (err != QPOOL_OK)
			break;
	}
	if (err != QPOOL_OK)
		return err;
	held += qp_smtp_body_end(&body, out + held);
	err = judge(s, &body, error);
	return err == QPOOL_OK ? push(s, out, held, held - strlen(".\r\n"), error) : err;
}

static qpool_err
data(sending *s, qpool_error *error)
{
	size_t last = s->message.given.recipient_count;
	qp_smtp_result result = qp_smtp_wire_ask(s->session, "DATA", &s->reply, s->deadline_ns);
	qpool_err err;

	if (result != QP_SMTP_DONE)
		return lost(s, result, "DATA", error);
	if (s->reply.code != 354) {
		tell(s, last);
		return not_it(s, "DATA is refused", error);
	}
	s->session->is_broken = true; /* until the reply to the end is in */
	err = send_body(s, error);
	if (err != QPOOL_OK)
		return err;
	result = qp_smtp_wire_hear(s->session, &s->reply, s->deadline_ns);
	if (result != QP_SMTP_DONE)
		return lost(s, result, "the end of the mail", error);
	tell(s, last);
	if (s->reply.code < 200 || s->reply.code >= 300)
		return not_it(s, "the mail is refused", error);
	s->session->is_open = false;
	return QPOOL_OK;
}

/* ---- the call ---- */

static qp_smtp_session *
session_of(const qpool_lease *lease)
{
	qpool *pool = lease == NULL ? NULL : qpool_of(lease);

	/* Compared by content: a wrapper or another copy of this library has its own "smtp". */
	if (pool == NULL || strcmp(qpool_kind(pool), "smtp") != 0)
		return NULL;
	return qpool_resource_id(lease) == 0 ? NULL : lease->resource;
}

/* A transaction of an earlier mail, which the server refused. */
static qpool_err
reset(sending *s, qpool_error *error)
{
	qp_smtp_result result = qp_smtp_wire_ask(s->session, "RSET", &s->reply, s->deadline_ns);

	if (result != QP_SMTP_DONE || s->reply.code != 250)
		return lost(s, result != QP_SMTP_DONE ? result : QP_SMTP_GARBLED, "RSET", error);
	s->session->is_open = false;
	return QPOOL_OK;
}

static qpool_err
begin(sending *s, qpool_error *error)
{
	qp_smtp_session *session = s->session;
	qpool_nsec timeout = s->message.given.timeout;
	qp_smtp_result result = QP_SMTP_LOST;
	qpool_err err;

	qp_smtp_reply_begin(&s->reply);
	qp_smtp_reply_begin(&s->first);
	s->deadline_ns =
	    qp_smtp_wire_deadline(timeout != 0 ? timeout : session->source->send_timeout);
	if (!session->is_broken)
		result = qp_smtp_wire_silence(session, &s->reply);
	if (result != QP_SMTP_DONE)
		return lost(s, QP_SMTP_LOST, "before MAIL", error);
	err = qp_smtp_message_fits(&s->message, session->source, &session->offers, error);
	return err != QPOOL_OK || !session->is_open ? err : reset(s, error);
}

/* The session, or why there is none. */
static qpool_err
find(sending *s, qpool_error *error)
{
	const qpool_lease *lease = s->lease;
	const char *why = "of another kind of pool";

	s->session = session_of(lease);
	if (s->session != NULL && s->session->is_busy)
		return qp_smtp_fault_say(error, QPOOL_EMISUSE,
		    "a mail is being sent on this lease; its read must leave the lease alone");
	if (s->session != NULL) {
		s->lease_id = qpool_resource_id(lease);
		return QPOOL_OK;
	}
	if (lease == NULL || lease->resource == NULL)
		why = "empty";
	else if (qpool_resource_id(lease) == 0)
		why = "over";
	return qp_smtp_fault_say(error, QPOOL_EMISUSE,
	    "the lease is %s; pass one that a pool of qpool_smtp_create lent", why);
}

static qpool_err
deliver(sending *s, qpool_error *error)
{
	qpool_err err;

	if ((err = begin(s, error)) != QPOOL_OK || (err = envelope(s, error)) != QPOOL_OK)
		return err;
	return data(s, error);
}

static qpool_err
send_it(sending *s, const qpool_smtp_message *message, qpool_error *error)
{
	qpool_err err;

	if ((err = find(s, error)) != QPOOL_OK ||
	    (err = qp_smtp_message_read(&s->message, message, s->replies, error)) != QPOOL_OK)
		return err;
	if (s->replies != NULL)
		memset(s->replies, 0, (s->message.given.recipient_count + 1) * sizeof *s->replies);
	s->session->is_busy = true;
	err = deliver(s, error);
	if (s->session != NULL)
		s->session->is_busy = false;
	return err;
}

qpool_err
qpool_smtp_send(qpool_lease *lease, const qpool_smtp_message *message, qpool_smtp_reply *replies,
    qpool_error *error)
{
	sending s = {.lease = lease, .replies = replies};
	int saved = errno;
	qpool_err err = send_it(&s, message, error);

	errno = saved;
	return err;
}

static qpool_err
noop(sending *s, qpool_nsec timeout, qpool_error *error)
{
	qp_smtp_result result = QP_SMTP_LOST;
	qpool_err err = find(s, error);

	if (err != QPOOL_OK)
		return err;
	if (timeout < 0)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "timeout is %" PRId64 " ns; it must be a duration or QPOOL_FOREVER", timeout);
	qp_smtp_reply_begin(&s->reply);
	if (!s->session->is_broken)
		result =
		    qp_smtp_wire_ask(s->session, "NOOP", &s->reply, qp_smtp_wire_deadline(timeout));
	if (result != QP_SMTP_DONE)
		return lost(s, result, "NOOP", error);
	return s->reply.code == 250 ? QPOOL_OK : not_it(s, "NOOP", error);
}

qpool_err
qpool_smtp_noop(qpool_lease *lease, qpool_nsec timeout, qpool_error *error)
{
	sending s = {.lease = lease};
	int saved = errno;
	qpool_err err = noop(&s, timeout, error);

	errno = saved;
	return err;
}
