/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_reply: the SMTP adapter's pure rooms on any bytes: what a server says, what it offers, and a body on its
 * way to it.  What they must hold to: cutting the bytes anywhere changes nothing; a reply that is understood has a
 * code, and words that can be printed; a body that went out comes back as it was, but for its line ends, and has one
 * end only, at its end.  They are compiled in; whoever calls is libFuzzer, or seeds.c with the corpus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/smtp/body.h"
#include "adapters/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                               \
	do {                                          \
		if (!(condition))                     \
			broken(#condition, __LINE__); \
	} while (0)

static void
broken(const char *what, int line)
{
	(void)fprintf(stderr, "smtp_reply.c:%d: not so: %s\n", line, what);
	abort();
}

/* ---- replies ---- */

static size_t
hear(qp_smtp_reply *reply, const char *bytes, size_t length, size_t cut)
{
	size_t taken;

	qp_smtp_reply_begin(reply);
	taken = qp_smtp_reply_feed(reply, bytes, cut);
	if (taken == cut)
		taken += qp_smtp_reply_feed(reply, bytes + cut, length - cut);
	MUST(taken <= length);
	return taken;
}

static void
look_at_text(const qp_smtp_reply *reply)
{
	const char *end = memchr(reply->text, '\0', sizeof reply->text);

	MUST(end != NULL && (size_t)(end - reply->text) == reply->length);
	for (const char *at = reply->text; at < end; at++)
		MUST(*at >= ' ' && *at <= '~');
}

static void
replies(const char *bytes, size_t length, size_t cut)
{
	qp_smtp_reply whole, parts;

	while (length > 0) {
		size_t taken = hear(&whole, bytes, length, 0);
		MUST(hear(&parts, bytes, length, cut <= length ? cut : length) == taken);
		MUST(whole.heard == parts.heard && whole.code == parts.code);
		MUST(whole.column == parts.column && whole.total == parts.total);
		MUST(whole.is_last == parts.is_last && whole.has_cr == parts.has_cr);
		MUST(strcmp(whole.text, parts.text) == 0);
		look_at_text(&whole);
		if (whole.heard != QP_SMTP_WHOLE)
			break;
		MUST(whole.code >= 200 && whole.code < 600);
		MUST(taken >= 4 && bytes[taken - 1] == '\n');
		bytes += taken;
		length -= taken;
	}
}

static void
offers(const char *bytes, size_t length)
{
	qp_smtp_offers said = {0};

	qp_smtp_offers_line(&said, bytes, length);
	MUST(said.size || said.size_most == 0);
}

/* ---- bodies ---- */

/* What a server makes of it: lines without their ends, and without the first of two dots. */
static size_t
take_in(const char *wire, size_t length, char *out)
{
	size_t at = 0, made = 0;

	while (at < length) {
		const char *end = memmem(wire + at, length - at, "\r\n", 2);
		size_t line;
		MUST(end != NULL);
		line = (size_t)(end - wire) - at;
		MUST(
		    memchr(wire + at, '\r', line) == NULL && memchr(wire + at, '\n', line) == NULL);
		if (line == 1 && wire[at] == '.') { /* the end, and nothing behind it */
			MUST(at + 3 == length);
			return made;
		}
		if (wire[at] == '.') {
			MUST(line > 1 && wire[at + 1] == '.');
			at++;
			line--;
		}
		memcpy(out + made, wire + at, line);
		made += line;
		out[made++] = '\n';
		at += line + 2;
	}
	broken("a body has an end", __LINE__);
	return made;
}

/* As the caller's text with each line end a LF, and one at its end. */
static size_t
plain(const char *text, size_t length, char *out)
{
	size_t made = 0;

	for (size_t i = 0; i < length; i++)
		if (text[i] == '\r' || text[i] == '\n') {
			out[made++] = '\n';
			i += text[i] == '\r' && i + 1 < length && text[i + 1] == '\n';
		} else {
			out[made++] = text[i];
		}
	if (made > 0 && out[made - 1] != '\n')
		out[made++] = '\n';
	return made;
}

static size_t
write_out(qp_smtp_body *body, const char *text, size_t length, size_t cut, char *out)
{
	size_t at;

	qp_smtp_body_begin(body);
	at = qp_smtp_body_feed(body, text, cut, out);
	at += qp_smtp_body_feed(body, text + cut, length - cut, out + at);
	MUST(at <= QP_SMTP_BODY_GROWTH * length);
	return at + qp_smtp_body_end(body, out + at);
}

static void
bodies(const char *text, size_t length, size_t cut)
{
	size_t room = QP_SMTP_BODY_GROWTH * length + QP_SMTP_BODY_END + 1;
	char *wire = malloc(room), *parts = malloc(room), *back = malloc(room);
	qp_smtp_body whole, other, counted;
	size_t size, lines = 0, made;
	char end[QP_SMTP_BODY_END];

	if (wire == NULL || parts == NULL || back == NULL)
		abort();
	size = write_out(&whole, text, length, 0, wire);
	MUST(write_out(&other, text, length, cut <= length ? cut : length, parts) == size);
	MUST(memcmp(wire, parts, size) == 0);
	MUST(whole.size == other.size && whole.has_8bit == other.has_8bit);
	qp_smtp_body_begin(&counted);
	(void)qp_smtp_body_feed(&counted, text, length, NULL);
	(void)qp_smtp_body_end(&counted, end);
	MUST(counted.size == whole.size);
	made = take_in(wire, size, back);
	for (size_t i = 0; i < made; i++)
		lines += back[i] == '\n';
	MUST(whole.size == made + lines);
	MUST(plain(text, length, parts) == made && memcmp(parts, back, made) == 0);
	free(wire);
	free(parts);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size > 0 ? data[0] : 0;
	char *bytes = malloc(size + 1);

	if (bytes == NULL)
		return 0;
	if (size > 0)
		memcpy(bytes, data + 1, size - 1);
	size -= size > 0;
	replies(bytes, size, cut);
	offers(bytes, size);
	bodies(bytes, size, cut);
	free(bytes);
	return 0;
}
