/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * secret: base64 stands without its padding, so that it is found with and without.
 */
#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shorter ones are in any text, and stars would tell where. */
enum { SECRET_LEAST = 3, TEXT_MOST = 512 };

static char *
encoded(const char *bytes, size_t length)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = malloc(length / 3 * 4 + 5);
	unsigned held = 0, bits = 0;
	size_t at = 0;

	for (size_t i = 0; i < length && out != NULL; i++) {
		held = held << 8 | (unsigned char)bytes[i];
		for (bits += 8; bits >= 6; bits -= 6)
			out[at++] = letters[held >> (bits - 6) & 63];
	}
	if (out == NULL)
		return NULL;
	if (bits > 0)
		out[at++] = letters[held << (6 - bits) & 63];
	out[at] = '\0';
	return out;
}

/* As AUTH PLAIN says both. */
static char *
encoded_login(const char *user, const char *password)
{
	size_t first = strlen(user) + 1, length = first + 1 + strlen(password);
	char *both = malloc(length + 1), *out;

	if (both == NULL)
		return NULL;
	(void)snprintf(both, length + 1, "%c%s%c%s", '\0', user, '\0', password);
	out = encoded(both, length);
	explicit_bzero(both, length);
	free(both);
	return out;
}

bool
qp_smtp_secrets_make(qp_smtp_secrets *secrets, const char *user, const char *password)
{
	bool is_whole = true;

	if (user == NULL || password == NULL)
		return true;
	secrets->text[0] = strdup(user);
	secrets->text[1] = strdup(password);
	secrets->text[2] = encoded(user, strlen(user));
	secrets->text[3] = encoded(password, strlen(password));
	secrets->text[4] = encoded_login(user, password);
	for (size_t i = 0; i < QP_SMTP_SECRETS; i++)
		is_whole = is_whole && secrets->text[i] != NULL;
	return is_whole;
}

void
qp_smtp_secrets_free(qp_smtp_secrets *secrets)
{
	for (size_t i = 0; i < QP_SMTP_SECRETS; i++) {
		if (secrets->text[i] != NULL)
			explicit_bzero(secrets->text[i], strlen(secrets->text[i]));
		free(secrets->text[i]);
	}
}

/* A reply's text has it so. */
static char
shown(char letter)
{
	return letter >= ' ' && letter <= '~' ? letter : '?';
}

/* How much of the secret begins here: all of it, or what is before the text's end; 0: none. */
static size_t
found(const char *text, const char *secret)
{
	size_t at = 0;

	while (secret[at] != '\0' && text[at] != '\0' && shown(text[at]) == shown(secret[at]))
		at++;
	return at >= SECRET_LEAST && (secret[at] == '\0' || text[at] == '\0') ? at : 0;
}

/* Looked for in a copy: the stars of one would hide another that overlaps it. */
void
qp_smtp_secrets_hide(const qp_smtp_secrets *secrets, char *text)
{
	char copy[TEXT_MOST];

	(void)snprintf(copy, sizeof copy, "%s", text);
	for (size_t i = 0; i < QP_SMTP_SECRETS; i++)
		for (size_t at = 0; copy[at] != '\0' && secrets->text[i] != NULL; at++)
			memset(text + at, '*', found(copy + at, secrets->text[i]));
}

bool
qp_smtp_secrets_left(const qp_smtp_secrets *secrets, const char *text)
{
	for (size_t i = 0; i < 2; i++) {
		const char *secret = secrets->text[i];
		if (secret != NULL && secret[0] != '\0' && strlen(secret) < SECRET_LEAST &&
		    strstr(text, secret) != NULL)
			return true;
	}
	return false;
}
