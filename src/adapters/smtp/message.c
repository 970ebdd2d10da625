/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message: one rule a function.
 */
#include "message.h"

#include "address.h"
#include "body.h"
#include "fault.h"

#include <inttypes.h>

static qpool_err
check_recipients(const qpool_smtp_message *m, const qpool_smtp_reply *replies, qpool_error *error)
{
	if (m->recipients == NULL || m->recipient_count == 0)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "the message has no recipients; it must have at least one");
	if (m->recipient_count > SIZE_MAX / sizeof *replies - 1)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "recipient_count is %zu; that many cannot be", m->recipient_count);
	if (replies == NULL && m->recipient_count > 1)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "replies is NULL with %zu recipients; it must have room for %zu, as it alone tells "
		    "which of them were refused",
		    m->recipient_count, m->recipient_count + 1);
	return QPOOL_OK;
}

static qpool_err
check_addresses(const qpool_smtp_message *m, qpool_error *error)
{
	const char *fault = m->from != NULL ? qp_smtp_address_fault(m->from)
	                                    : "is NULL; it must be an "
	                                      "address, or \"\"";

	if (fault != NULL)
		return qp_smtp_fault_say(error, QPOOL_EINVAL, "from %s", fault);
	for (size_t i = 0; i < m->recipient_count; i++) {
		const char *to = m->recipients[i];
		fault = to == NULL || to[0] == '\0' ? "is missing; it must be an address"
		                                    : qp_smtp_address_fault(to);
		if (fault != NULL)
			return qp_smtp_fault_say(
			    error, QPOOL_EINVAL, "recipients[%zu] %s", i, fault);
	}
	return QPOOL_OK;
}

static qpool_err
check_body(const qpool_smtp_message *m, qpool_error *error)
{
	if ((m->body == NULL) == (m->read == NULL))
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "body and read are %s; it must be one of them",
		    m->body == NULL ? "both NULL" : "both given");
	if (m->body == NULL && m->body_length > 0)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "body_length is %zu without a body; it must be 0", m->body_length);
	if (m->read == NULL && m->read_size > 0)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "read_size is %" PRIu64 " without read; it must be 0", m->read_size);
	if (m->timeout < 0)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "timeout is %" PRId64
		    " ns; it must be 0 (the default, send_timeout), a duration or "
		    "QPOOL_FOREVER",
		    m->timeout);
	return QPOOL_OK;
}

/* What will go out, without sending it. */
static void
measure(qp_smtp_message *message)
{
	char end[QP_SMTP_BODY_END];
	qp_smtp_body body;

	qp_smtp_body_begin(&body);
	(void)qp_smtp_body_feed(&body, message->given.body, message->given.body_length, NULL);
	(void)qp_smtp_body_end(&body, end);
	message->size = body.size;
	message->has_8bit = body.has_8bit;
}

qpool_err
qp_smtp_message_read(qp_smtp_message *message, const qpool_smtp_message *given,
    const qpool_smtp_reply *replies, qpool_error *error)
{
	qpool_smtp_message *m = &message->given;
	qpool_err err;

	memset(message, 0, sizeof *message);
	if (given == NULL)
		return qp_smtp_fault_say(
		    error, QPOOL_EINVAL, "message is NULL; it must be a message");
	if ((err = qp_smtp_source_read(m, sizeof *m, given, "qpool_smtp_message", error)) !=
		QPOOL_OK ||
	    (err = check_recipients(m, replies, error)) != QPOOL_OK ||
	    (err = check_addresses(m, error)) != QPOOL_OK ||
	    (err = check_body(m, error)) != QPOOL_OK)
		return err;
	if (m->body != NULL)
		measure(message);
	else
		message->size = message->limit = m->read_size;
	return QPOOL_OK;
}

qpool_err
qp_smtp_message_fits(qp_smtp_message *message, const qp_smtp_source *source,
    const qp_smtp_offers *offers, qpool_error *error)
{
	if (offers->size_most > 0 && message->size > offers->size_most)
		return qp_smtp_fault_at(source, error, QPOOL_EINVAL,
		    "the mail has %" PRIu64 " bytes, and the server takes at most %" PRIu64
		    "; nothing was sent",
		    message->size, offers->size_most);
	if (message->has_8bit && !offers->eight_bit)
		return qp_smtp_fault_at(source, error, QPOOL_EINVAL,
		    "the body has 8-bit bytes, and the server takes 7 bits only; encode it as "
		    "quoted-printable or base64; nothing was sent");
	if (message->limit == 0)
		message->limit = offers->size_most;
	return QPOOL_OK;
}
