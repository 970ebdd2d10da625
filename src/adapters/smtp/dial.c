/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dial: a session that is connected, safe and logged in, or why not, by a deadline.  libcurl does all
 * of it with CONNECT_ONLY and then leaves the connection to us; its HEADERFUNCTION shows each line
 * that the server says meanwhile.  What the server says about a login is never repeated: it may quote
 * it.  dial never tries again.
 */
#include "session.h"

#include "fault.h"
#include "wire.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#if LIBCURL_VERSION_NUM < 0x075800
#error "libqueuepool-smtp needs libcurl 7.88 or newer"
#endif

/*
 *   reply:     the last one, perhaps not whole
 *   is_login:  the server has been told the user, or may have been
 *   is_known:  it has let the user in
 */
typedef struct dial {
	qp_smtp_session *session;
	qp_smtp_reply reply;
	bool is_login, is_known;
	int socket_errno;
} dial;

/* ---- what libcurl calls ---- */

/* Closed on exec from the first moment on. */
static curl_socket_t
open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *at)
{
	dial *d = user;
	int fd = socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);

	(void)purpose;
	d->socket_errno = fd < 0 ? errno : 0;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	return fd;
}

static size_t
trimmed(const char *line, size_t length)
{
	while (length > 0 && isspace((unsigned char)line[length - 1]))
		length--;
	return length;
}

/* 250 is the answer to EHLO alone here: its first line names the server, the others are offers. */
static size_t
on_line(char *line, size_t one, size_t length, void *user)
{
	dial *d = user;
	bool is_first = d->reply.heard != QP_SMTP_MORE || d->reply.total == 0;

	(void)one;
	if (is_first)
		qp_smtp_reply_begin(&d->reply);
	(void)qp_smtp_reply_feed(&d->reply, line, length);
	d->is_login = d->is_login || d->reply.code == 334 || d->reply.code == 535;
	d->is_known = d->is_known || d->reply.code == 235;
	if (d->reply.code == 250 && is_first)
		memset(&d->session->offers, 0, sizeof d->session->offers);
	else if (d->reply.code == 250 && length > 4)
		qp_smtp_offers_line(&d->session->offers, line + 4,
		    trimmed(line, length) < 4 ? 0 : trimmed(line, length) - 4);
	return length;
}

/* ---- what libcurl is told ---- */

static long
milliseconds(qpool_nsec budget)
{
	int64_t whole = budget <= 0 ? 1 : (budget - 1) / 1000000 + 1;

	return whole > INT_MAX ? INT_MAX : (long)whole; /* 0 would be libcurl's own */
}

static CURLcode
set_tls(CURL *curl, const qp_smtp_source *source)
{
	static const long use[] = {
	    [QPOOL_SMTP_STARTTLS] = CURLUSESSL_ALL,
	    [QPOOL_SMTP_IMPLICIT] = CURLUSESSL_ALL,
	    [QPOOL_SMTP_OPTIONAL] = CURLUSESSL_TRY,
	    [QPOOL_SMTP_NONE] = CURLUSESSL_NONE,
	};
	CURLcode code = curl_easy_setopt(curl, CURLOPT_USE_SSL, use[source->tls]);

	if (code == CURLE_OK && !source->verifies)
		code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	if (code == CURLE_OK && !source->verifies)
		code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	if (code == CURLE_OK && source->ca_file != NULL)
		code = curl_easy_setopt(curl, CURLOPT_CAINFO, source->ca_file);
	/* The file's authorities and no others. */
	if (code == CURLE_OK && source->ca_file != NULL)
		(void)curl_easy_setopt(curl, CURLOPT_CAPATH, (char *)NULL);
	return code;
}

static CURLcode
set_texts(CURL *curl, const qp_smtp_source *source)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, source->url);

	/* No proxy, whatever the environment says: it would see the mails. */
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	if (code == CURLE_OK && source->user != NULL)
		code = curl_easy_setopt(curl, CURLOPT_USERNAME, source->user);
	if (code == CURLE_OK && source->user != NULL)
		code = curl_easy_setopt(curl, CURLOPT_PASSWORD, source->password);
	return code;
}

/* The callbacks are called while it connects, and never again. */
static CURLcode
set(dial *d, const qp_smtp_source *source, qpool_nsec budget)
{
	CURL *curl = d->session->curl;
	CURLcode code = set_texts(curl, source);

	(void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	/* A lookup that hangs is left to its thread. */
	(void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(budget));
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(budget));
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, d->session->words);
	(void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, d);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_line);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, d);
	return code == CURLE_OK ? set_tls(curl, source) : code;
}

/* ---- why not ---- */

/* By what the server said last, if that was a refusal. */
static qpool_err
class_of_reply(int code)
{
	if (code == 421)
		return QPOOL_EFULL;
	return code >= 500 ? QPOOL_EDENIED : QPOOL_EOPEN;
}

/* By libcurl's own code: what lasts until somebody acts is EDENIED. */
static qpool_err
class_of(CURLcode code, int sys_errno)
{
	if (sys_errno == EMFILE || sys_errno == ENFILE)
		return QPOOL_EFULL;
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return QPOOL_ENOMEM;
	case CURLE_LOGIN_DENIED:
	case CURLE_USE_SSL_FAILED:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_NOT_BUILT_IN:
		return QPOOL_EDENIED;
	default:
		return QPOOL_EOPEN;
	}
}

/* Connected, and the server has not said a word. */
static bool
is_mute(const dial *d)
{
	curl_off_t connected_usec = 0;

	(void)curl_easy_getinfo(d->session->curl, CURLINFO_CONNECT_TIME_T, &connected_usec);
	return connected_usec > 0 && d->reply.total == 0;
}

static const char *
hint_on(const dial *d, CURLcode code)
{
	bool is_implicit = d->session->source->tls == QPOOL_SMTP_IMPLICIT;

	if (!is_implicit && is_mute(d))
		return "; if TLS begins there with the first byte, try smtps://";
	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
		return is_implicit ? "; if TLS begins there by STARTTLS, try smtp://" : "";
	case CURLE_LOGIN_DENIED:
		return "; look at user and password, and at what the server offers";
	case CURLE_USE_SSL_FAILED:
		return "; look at port and tls (smtps:// for TLS from the first byte)";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "; look at the host's name, or name its authority by ca";
	case CURLE_SSL_CACERT_BADFILE:
		return "; look at the file that ca names";
	default:
		return "";
	}
}

/* Without a full stop, as a hint follows. */
static size_t
trimmed_end(const char *words)
{
	size_t length = strlen(words);

	return length > 0 && words[length - 1] == '.' ? length - 1 : length;
}

static qpool_err
refused(dial *d, CURLcode code, qpool_error *error)
{
	const qp_smtp_source *source = d->session->source;
	bool is_refusal = d->reply.heard == QP_SMTP_WHOLE && d->reply.code >= 400 &&
	                  code != CURLE_OPERATION_TIMEDOUT;
	long sys_errno = d->socket_errno;
	qpool_err err;

	if (sys_errno == 0)
		(void)curl_easy_getinfo(d->session->curl, CURLINFO_OS_ERRNO, &sys_errno);
	if (code == CURLE_OPERATION_TIMEDOUT)
		sys_errno = ETIMEDOUT;
	err = is_refusal ? class_of_reply(d->reply.code) : class_of(code, (int)sys_errno);
	if (is_refusal && !d->is_login) {
		(void)qp_smtp_fault_reply(source, error, err, "connecting", &d->reply);
	} else {
		char *words = d->session->words;

		if (words[0] == '\0')
			(void)snprintf(words, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
		qp_smtp_fault_hide(source, words);
		words[trimmed_end(words)] = '\0';
		(void)qp_smtp_fault_at(
		    source, error, err, "connecting: %.110s%s", words, hint_on(d, code));
		if (error != NULL && is_refusal)
			(void)snprintf(error->native, sizeof error->native, "%d", d->reply.code);
	}
	if (error != NULL)
		error->sys_errno = is_refusal ? 0 : (int)sys_errno;
	return err;
}

/* libcurl goes on without a login where the server offers none. */
static qpool_err
look_at_login(const dial *d, qpool_error *error)
{
	if (d->session->source->user == NULL || d->is_known)
		return QPOOL_OK;
	return qp_smtp_fault_at(d->session->source, error, QPOOL_EDENIED,
	    "connecting: the server offers no login; give no user, or another port");
}

/* ---- the call ---- */

static void
begin_libcurl(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static qpool_err
connect_it(dial *d, qpool_nsec budget, qpool_error *error)
{
	CURL *curl = d->session->curl;
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURLcode code = set(d, d->session->source, budget);
	qpool_err err;

	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	err = code == CURLE_OK ? look_at_login(d, error) : refused(d, code, error);
	if (err != QPOOL_OK)
		return err;
	(void)curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
	d->session->fd = fd;
	return fd != CURL_SOCKET_BAD ? QPOOL_OK
	                             : qp_smtp_fault_at(d->session->source, error, QPOOL_EOPEN,
					   "connecting: the connection was lost at once");
}

qpool_err
qp_smtp_session_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	dial d = {.session = calloc(1, sizeof *d.session)};
	qpool_err err = QPOOL_ENOMEM;

	(void)pthread_once(&once, begin_libcurl);
	if (d.session != NULL) {
		d.session->source = user;
		d.session->curl = curl_easy_init();
	}
	if (d.session != NULL && d.session->curl != NULL)
		err = connect_it(&d, step->budget, error);
	else
		(void)qp_smtp_fault_at(user, error, err, "connecting: out of memory");
	if (err == QPOOL_OK) {
		*out = d.session;
		return err;
	}
	if (d.session != NULL)
		curl_easy_cleanup(d.session->curl);
	free(d.session);
	return err;
}
