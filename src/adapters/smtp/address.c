/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * address: printable ASCII; blanks and the signs around a path only between quotes.
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
	if (!is_quoted && (letter == ' ' || letter == '<' || letter == '>' || letter == ','))
		return "has a blank, a comma or < >; it must be one bare address, as ann@example.org";
	return NULL;
}

const char *
qp_smtp_address_fault(const char *address)
{
	bool is_quoted = false;

	if (strnlen(address, QP_SMTP_ADDRESS_MOST + 1) > QP_SMTP_ADDRESS_MOST)
		return "is longer than 320 bytes; it must be one bare address";
	for (const char *at = address; *at != '\0'; at++) {
		const char *fault = fault_of(*at, is_quoted);
		if (fault != NULL)
			return fault;
		if (*at == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && *at == '\\' && at[1] >= ' ' && at[1] <= '~')
			at++;
	}
	return is_quoted ? "has a quote that does not end; it must be one bare address" : NULL;
}
