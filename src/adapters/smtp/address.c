/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * address: printable ASCII; blanks and the signs around a path only between quotes, which are around all
 * before the @.
 */
#include "address.h"

#include <stdbool.h>
#include <string.h>

static const char *
fault_of(char letter, bool is_quoted)
{
	if (letter == '\r' || letter == '\n')
		return "has a line break, which could become a command; it must be one bare address";
	if ((unsigned char)letter >= 0x80)
		return "has a letter that is not ASCII, which needs SMTPUTF8; it must be in ASCII, its "
		       "domain as xn--";
	if (letter < ' ' || letter == 0x7f)
		return "has a control character; it must be one bare address";
	if (!is_quoted && strchr(" <>,", letter) != NULL)
		return "has a blank, a comma or < >; it must be one bare address, as ann@example.org";
	if (!is_quoted && (letter == '"' || letter == '\\'))
		return "has a quote or a backslash in it; quotes must be around all before the @";
	return NULL;
}

/* Servers differ on what a quote within a word is, and then on where the address ends. */
static const char *
skip_quoted(const char *at, const char **fault)
{
	for (at++; *at != '"' && *at != '\0' && *fault == NULL; at++)
		if (*at == '\\' && at[1] >= ' ' && at[1] <= '~')
			at++;
		else
			*fault = fault_of(*at, true);
	if (*fault != NULL)
		return at;
	if (*at == '\0')
		*fault = "has a quote that does not end; it must be one bare address";
	else if (at[1] != '@' && at[1] != '\0')
		*fault = "has more between quote and @; quotes must be around all before the @";
	return *fault == NULL ? at + 1 : at;
}

const char *
qp_smtp_address_fault(const char *address)
{
	const char *fault = NULL, *at = address;

	if (strnlen(address, QP_SMTP_ADDRESS_MOST + 1) > QP_SMTP_ADDRESS_MOST)
		return "is longer than 320 bytes; it must be one bare address";
	if (*at == '"')
		at = skip_quoted(at, &fault);
	for (; fault == NULL && *at != '\0'; at++)
		fault = fault_of(*at, false);
	return fault;
}
