/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool/smtp.h - pools of mail sessions.  Link with libqueuepool-smtp.
 *
 * Resource. A session with a mail server, ready for MAIL: connected, by TLS unless told otherwise,
 *           and logged in.  It is ours; a lease sends mails through it by qpool_smtp_send.
 * Opening.  libcurl looks up, connects, does TLS and logs in, within open_budget.  A certificate
 *           that does not verify, a refused login, a server without the TLS or the login that was
 *           asked for are EDENIED; 421 and too many open files are EFULL; all else EOPEN.
 * Before a lease.  A look at the socket, which sends nothing.  After check_after idle: NOOP, within
 *           step_budget.
 * Return.   RSET if a transaction is open, as after refused recipients; else nothing.
 * Closing.  QUIT if the session is sound, without waiting for the answer; else nothing is sent.
 * Once.     No mail is ever sent again, and no session connects again, behind your back.  Every
 *           failure of qpool_smtp_send but EUNKNOWN means that nobody gets the mail.
 * Errors.   `native` is the server's reply code, "" when it gave none.  No message, event, dump or
 *           description holds user or password, plain or in base64; the server's words are shown
 *           without them, those about a login not at all.
 * Fork.     In a child the parent's sessions are let go of; nothing is sent on them.  A lease held
 *           across the fork is for one of the two: what both sent would be one dialogue.
 */
#ifndef QUEUEPOOL_SMTP_H
#define QUEUEPOOL_SMTP_H

#include <queuepool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a pool of sessions ------------------------------------------------------------- */

/* TLS.  In the URL: tls=starttls|implicit|optional|none; smtps:// is implicit. */
enum {
	QPOOL_SMTP_STARTTLS = 0, /* the default: by STARTTLS, or the open fails */
	QPOOL_SMTP_IMPLICIT,     /* from the first byte */
	QPOOL_SMTP_OPTIONAL,     /* by STARTTLS if offered, else in the clear; not with a user (EINVAL),
	                          * as who sits between can take the offer away and read the password */
	QPOOL_SMTP_NONE          /* in the clear, the password too */
};
/* Flags.  In the URL: verify=0 */
enum {
	QPOOL_SMTP_NO_VERIFY = 1u << 0 /* take any certificate, for any name */
};

typedef struct qpool_smtp_options {
	size_t      size;
	uint32_t    tls;
	uint32_t    flags;
	const char *host;     /* a name or an address; IPv6 without brackets */
	uint32_t    port;     /* default 465 with IMPLICIT, else 587 */
	uint32_t    reserved_; /* must be 0 */
	const char *user;     /* default: no login */
	const char *password; /* with a user */
	const char *ca_file;  /* PEM file of the authorities to trust; default: the system's */
	const char *helo;     /* what we call ourselves; default: this machine's name */
	/* How long qpool_smtp_send may take for a mail.  Default 5 min; FOREVER. */
	qpool_nsec  send_timeout;
} qpool_smtp_options;
QPOOL_INIT_(qpool_smtp_options)

/* Fill *ops and *user for qpool_create, so that you can wrap them, and *options by what the URL
 * says: smtp://user:password@host:port?tls=starttls&ca=FILE&helo=NAME, or smtps://.  What would
 * mean something else in a URL is written as %XX.  Words of the query: tls, verify, ca, helo,
 * send_timeout=30s and, for the pool, pool_ with what qpool_options_parse knows:
 * pool_max_size=20.  The URL wins over the structs; it may be NULL if smtp->host is set.
 * NULL smtp: all defaults.  Texts are copied.  `user` is yours until you pass it to qpool_create or
 * end it by ops->destroy(user).  *ops comes from qpool_ops_init(), *options from
 * qpool_options_init(); a wrapper keeps its `kind`.  Opens nothing.  On failure nothing is changed:
 * EINVAL names the word, ENOTSUP, ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_smtp_ops(const char *url, const qpool_smtp_options *smtp,
    qpool_options *options, qpool_ops *ops, void **user, qpool_error *error);
/* qpool_smtp_ops and qpool_create in one. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_smtp_create(qpool **out, const char *url,
    const qpool_smtp_options *smtp, const qpool_options *options, qpool_error *error);

/* ---- a mail ------------------------------------------------------------------------- */

/* The next piece of a body: up to `room` bytes, their number in *length; 0 is its end.  May block;
 * what it takes counts for the timeout.  A failure ends the mail undelivered and costs the
 * session.  It must leave the lease alone: to use that in here is EMISUSE. */
typedef qpool_err qpool_smtp_read(void *user, char *out, size_t room, size_t *length,
    qpool_error *error);

/* One mail.  Addresses are bare, "ann@example.org", in ASCII, at most 320 bytes; a domain in other
 * letters is written as xn--.  Header and body are sent as they are, but each line end, be it CR
 * LF, LF or CR, becomes CR LF, and dots are doubled where SMTP wants it. */
typedef struct qpool_smtp_message {
	size_t             size;
	const char        *from;       /* "": no sender, as of a notice of failure */
	const char *const *recipients; /* from Cc and Bcc too: the header is not read */
	size_t             recipient_count;
	const char        *body;       /* header, empty line, text; or NULL: by `read` */
	size_t             body_length;
	qpool_smtp_read   *read;
	void              *read_user;
	/* With `read`: its bytes when all line ends are CR LF, to be announced to the server; 0: not
	 * known.  More than that is EINVAL. */
	uint64_t           read_size;
	qpool_nsec         timeout;    /* default: send_timeout; QPOOL_FOREVER */
} qpool_smtp_message;
QPOOL_INIT_(qpool_smtp_message)

/* What the server said.  This struct is frozen: it never grows. */
typedef struct qpool_smtp_reply {
	int32_t code;      /* 250, 550...; 0: it was not asked, or gave no answer */
	char    text[124]; /* the words after the code on one line, perhaps cut */
} qpool_smtp_reply;

/* Send one mail.  OK: the server has taken it for at least one recipient.  replies: NULL, or
 * recipient_count + 1 of them: replies[i] is the answer to recipients[i], of which 250 to 259 means
 * accepted, and the last one the answer to the mail itself ("250 2.0.0 queued as 4711").  With
 * several recipients it must not be NULL, as that some were refused is told by it alone.
 * EPEER: the server refused sender, all recipients or the mail, closed the session (421), or the
 *        connection was lost in time; `native` has the code.
 * ETIMEOUT: the time was over before the mail was.
 * EUNKNOWN: the end of the mail was sent, and then no answer came that says whether it was taken.
 * EINVAL: an address or field that cannot be; a body that is longer than the server takes, or has
 *        8-bit bytes that the server does not take.
 * EMISUSE: no lease of such a pool, or read used it.  What read returned.
 * After a lost connection, 421, words that nobody asked for, ETIMEOUT and EUNKNOWN the lease is
 * spoiled: release it and acquire another.  After the server's other refusals the session is as
 * good as before. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_smtp_send(qpool_lease *lease,
    const qpool_smtp_message *message, qpool_smtp_reply *replies, qpool_error *error);
/* Ask the server whether it is still there, as after a lease was held for long.  EPEER: it is not,
 * or says so (421); ETIMEOUT; then the lease is spoiled.  EINVAL for a negative timeout, EMISUSE. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_smtp_noop(qpool_lease *lease, qpool_nsec timeout,
    qpool_error *error);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_SMTP_H */
