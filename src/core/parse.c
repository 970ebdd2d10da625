/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse: qpool_options_parse, options from text.  Counts and durations are read by the tables of
 * options.  A copy is filled, and the caller's struct is written only when every word was
 * understood.  Rules that involve two options are left to create and configure.
 *
 * The text may be a whole address with a password, pasted to the wrong place.  So a
 * message shows a name only when it looks like a name, and a value only when its name
 * is known and it looks like a value.
 */
#include "core/abi.h"
#include "core/error.h"
#include "core/options.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME_ROOM  32u
#define VALUE_ROOM 256u
#define SHOWN      40u /* bytes of a value in a message */

typedef struct parse {
	qpool_options out;
	uint64_t seen; /* bits: numbers of the options that were set */
	qpool_error *error;
	unsigned word; /* 1, 2, ... */
	char name[NAME_ROOM], value[VALUE_ROOM];
} parse;

/* ---- words that stand for numbers ---- */

typedef struct choice {
	const char *word;
	uint64_t value;
} choice;

static const choice orders[] = {
    {"newest", QPOOL_NEWEST_FIRST}, {"oldest", QPOOL_OLDEST_FIRST}, {NULL, 0}};
static const choice failures[] = {
    {"retry", QPOOL_OPEN_RETRY}, {"tell", QPOOL_OPEN_TELL}, {NULL, 0}};
static const choice flags[] = {
    {"strict", QPOOL_STRICT}, {"reset_on_workers", QPOOL_RESET_ON_WORKERS}, {NULL, 0}};

#define EVENT(word, type)            \
	{                            \
		word, 1ull << (type) \
	}
static const choice events[] = {EVENT("opened", QPOOL_EV_OPENED),
    EVENT("open_failed", QPOOL_EV_OPEN_FAILED), EVENT("closed", QPOOL_EV_CLOSED),
    EVENT("acquired", QPOOL_EV_ACQUIRED), EVENT("released", QPOOL_EV_RELEASED),
    EVENT("waited", QPOOL_EV_WAITED), EVENT("timed_out", QPOOL_EV_TIMED_OUT),
    EVENT("refused", QPOOL_EV_REFUSED), EVENT("held_long", QPOOL_EV_HELD_LONG),
    EVENT("held_back", QPOOL_EV_HELD_BACK), EVENT("holder_gone", QPOOL_EV_HOLDER_GONE),
    EVENT("down", QPOOL_EV_DOWN), EVENT("up", QPOOL_EV_UP),
    EVENT("configured", QPOOL_EV_CONFIGURED), EVENT("misuse", QPOOL_EV_MISUSE), {NULL, 0}};

/* ---- what may be shown ---- */

static bool
is_shown(const char *text, size_t most)
{
	size_t length = strlen(text);

	return length <= most && strspn(text, "abcdefghijklmnopqrstuvwxyz"
					      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					      "0123456789_.,+-") == length;
}

/* "max_size is '7x'; it must be " and `must`. */
static qpool_err
bad_value(const parse *p, const char *must)
{
	bool shown = is_shown(p->value, SHOWN);

	return qp_error_set(p->error, QPOOL_EINVAL, "%s is %s%s%s; it must be %s", p->name,
	    shown ? "'" : "not", shown ? p->value : " understood", shown ? "'" : "", must);
}

/* ---- values ---- */

static qpool_err
read_count(const parse *p, const qp_count_row *row, uint32_t *to)
{
	size_t digits = strspn(p->value, "0123456789");
	uint64_t value = 0;
	char must[80];

	(void)snprintf(must, sizeof must, "a count from %d to %" PRIu32 "%s",
	    row->allows & QP_ZERO_OK ? 0 : 1, row->most,
	    row->allows & QP_NOLIMIT_OK ? ", or nolimit" : "");
	if ((row->allows & QP_NOLIMIT_OK) && strcmp(p->value, "nolimit") == 0) {
		*to = QPOOL_NOLIMIT;
		return QPOOL_OK;
	}
	if (digits == 0 || p->value[digits] != '\0')
		return bad_value(p, must);
	for (size_t i = 0; i < digits && value <= row->most; i++)
		value = value * 10 + (uint64_t)(p->value[i] - '0');
	if (value > row->most || (value == 0 && !(row->allows & QP_ZERO_OK)))
		return bad_value(p, must);
	*to = value == 0 ? QPOOL_ZERO32 : (uint32_t)value;
	return QPOOL_OK;
}

static int64_t
unit_of(const char *text)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000},
	    {"min", 60000000000}, {"h", 3600000000000}};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(text, units[i].name) == 0)
			return units[i].ns;
	return 0;
}

typedef enum reading { READ, NO_NUMBER, NO_UNIT, TOO_FINE, TOO_LONG } reading;

/* "90s", "1.25ms": a number with up to six decimals, and a unit unless it is 0. */
static reading
read_duration(const char *text, int64_t *out_ns)
{
	int64_t whole = 0, parts = 0, scale = 1, unit_ns;
	size_t digits = strspn(text, "0123456789"), decimals = 0;
	const char *point = text + digits, *unit = point;

	if (*point == '.') {
		decimals = strspn(point + 1, "0123456789");
		unit = point + 1 + decimals;
	}
	if (digits == 0 || (*point == '.' && decimals == 0) || decimals > 6)
		return NO_NUMBER;
	for (size_t i = 0; i < digits; i++) {
		if (whole > (INT64_MAX - 9) / 10)
			return TOO_LONG;
		whole = whole * 10 + (text[i] - '0');
	}
	for (size_t i = 0; i < decimals; i++, scale *= 10)
		parts = parts * 10 + (point[1 + i] - '0');
	unit_ns = unit_of(unit);
	if (unit_ns == 0 && (*unit != '\0' || whole != 0 || parts != 0))
		return *unit == '\0' ? NO_UNIT : NO_NUMBER;
	if (unit_ns != 0 && whole > (INT64_MAX - 1) / unit_ns - 1)
		return TOO_LONG;
	if (parts * unit_ns % scale != 0)
		return TOO_FINE;
	*out_ns = whole * unit_ns + parts * unit_ns / scale;
	return READ;
}

static qpool_err
read_span(const parse *p, const qp_span_row *row, int64_t *to)
{
	const char *zero = row->allows & QP_ZERO_OK ? ", or 0" : "";
	const char *forever = row->allows & QP_NOLIMIT_OK ? ", or forever" : "";
	int64_t value_ns = 0;
	char must[120];

	if ((row->allows & QP_NOLIMIT_OK) && strcmp(p->value, "forever") == 0) {
		*to = QPOOL_FOREVER;
		return QPOOL_OK;
	}
	switch (read_duration(p->value, &value_ns)) {
	case READ:
		if (value_ns == 0 && !(row->allows & QP_ZERO_OK))
			break;
		*to = value_ns == 0 ? QPOOL_ZERO : value_ns;
		return QPOOL_OK;
	case NO_UNIT:
		(void)snprintf(
		    must, sizeof must, "said with a unit (ns us ms s min h): %.20ss", p->value);
		return bad_value(p, must);
	case TOO_LONG:
		(void)snprintf(must, sizeof must, "at most 292 years%s", forever);
		return bad_value(p, must);
	case TOO_FINE:
		return bad_value(p, "whole nanoseconds");
	case NO_NUMBER:
		break;
	}
	(void)snprintf(must, sizeof must, "a duration such as 90s or 1.5min (ns us ms s min h)%s%s",
	    zero, forever);
	return bad_value(p, must);
}

/* One word of the list. */
static const choice *
find_choice(const choice *list, const char *word, size_t length)
{
	for (; list->word != NULL; list++)
		if (strlen(list->word) == length && memcmp(list->word, word, length) == 0)
			return list;
	return NULL;
}

static qpool_err
bad_choice(const parse *p, const choice *list, bool several)
{
	char must[200];
	size_t at = (size_t)snprintf(must, sizeof must, "%s", several ? "a list of " : "");

	for (const choice *c = list; c->word != NULL && at < sizeof must; c++)
		at += (size_t)snprintf(must + at, sizeof must - at, "%s%s", c->word,
		    c[1].word == NULL ? ""
		    : several         ? ","
				      : " or ");
	return bad_value(p, must);
}

static qpool_err
read_choice(const parse *p, const choice *list, uint32_t *to)
{
	const choice *found = find_choice(list, p->value, strlen(p->value));

	if (found == NULL)
		return bad_choice(p, list, false);
	*to = (uint32_t)found->value;
	return QPOOL_OK;
}

static qpool_err
read_list(const parse *p, const choice *list, uint64_t *to)
{
	const char *word = p->value;
	uint64_t all = 0;

	for (;;) {
		size_t length = strcspn(word, ",");
		const choice *found = find_choice(list, word, length);
		if (found == NULL)
			return bad_choice(p, list, true);
		all |= found->value;
		if (word[length] == '\0')
			break;
		word += length + 1;
	}
	*to = all;
	return QPOOL_OK;
}

/* ---- options that are neither counts nor durations ---- */

static qpool_err
read_name(parse *p)
{
	size_t length = strlen(p->value);

	if (length == 0 || length > QP_MAX_NAME)
		return qp_error_set(p->error, QPOOL_EINVAL,
		    "name is %s; it must have 1 to %u bytes", length == 0 ? "empty" : "too long",
		    QP_MAX_NAME);
	if (p->out.size < offsetof(qpool_options, name_text) + sizeof p->out.name_text)
		return qp_error_set(p->error, QPOOL_ENOTSUP,
		    "name cannot be given as text: your qpool_options has no name_text; build "
		    "with this library's header");
	memcpy(p->out.name_text, p->value, length + 1);
	p->out.name = NULL;
	return QPOOL_OK;
}

static qpool_err
read_order(parse *p)
{
	return read_choice(p, orders, &p->out.order);
}

static qpool_err
read_failure(parse *p)
{
	return read_choice(p, failures, &p->out.open_failure);
}

static qpool_err
read_flags(parse *p)
{
	uint64_t value;
	qpool_err err = read_list(p, flags, &value);

	if (err == QPOOL_OK)
		p->out.flags = (uint32_t)value;
	return err;
}

static qpool_err
read_events(parse *p)
{
	return read_list(p, events, &p->out.event_mask);
}

static qpool_err
read_pointer(parse *p)
{
	return qp_error_set(p->error, QPOOL_EINVAL,
	    "%s cannot be given as text; it must be set in the program", p->name);
}

typedef struct special {
	const char *name;
	qpool_err (*read)(parse *p);
} special;

static const special specials[] = {{"name", read_name}, {"order", read_order},
    {"open_failure", read_failure}, {"flags", read_flags}, {"event_mask", read_events},
    {"on_event", read_pointer}, {"event_user", read_pointer}, {NULL, NULL}};

/* ---- names ---- */

/* The name of option number i; NULL beyond the last. */
static const char *
option_name(unsigned i)
{
	for (const qp_count_row *row = qp_option_counts; row->name != NULL; row++)
		if (i-- == 0)
			return row->name;
	for (const qp_span_row *row = qp_option_spans; row->name != NULL; row++)
		if (i-- == 0)
			return row->name;
	for (const special *row = specials; row->name != NULL; row++)
		if (i-- == 0)
			return row->name;
	return NULL;
}

/* The edit distance of two names, both shorter than NAME_ROOM. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[NAME_ROOM], length = (unsigned)strlen(b);

	for (unsigned j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= length; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[length];
}

/* The word's name must not be shown, or cannot be decoded. */
static qpool_err
nameless(const parse *p)
{
	return qp_error_set(p->error, QPOOL_EINVAL,
	    "word %u is no option; it must be name=value, words joined by &", p->word);
}

static qpool_err
unknown_name(const parse *p)
{
	const char *name, *nearest = NULL;
	unsigned best = (unsigned)strlen(p->name) / 3 + 1; /* fewer edits than this */

	if (!is_shown(p->name, NAME_ROOM))
		return nameless(p);
	for (unsigned i = 0; (name = option_name(i)) != NULL; i++) {
		unsigned letters = distance(p->name, name);
		if (letters < best) {
			best = letters;
			nearest = name;
		}
	}
	return qp_error_set(p->error, QPOOL_EINVAL, "'%s' is no option; %s%s", p->name,
	    nearest != NULL ? "it must be one, such as " : "it must be a field of qpool_options",
	    nearest != NULL ? nearest : "");
}

/* ---- one word, and all ---- */

static int
hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Decode %XX and + as in a URL; false: malformed, or too long. */
static bool
decode(const char *from, size_t length, char *to, size_t room)
{
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		char letter = from[i] == '+' ? ' ' : from[i];
		if (from[i] == '%') {
			int high = i + 2 < length ? hex(from[i + 1]) : -1;
			int low = i + 2 < length ? hex(from[i + 2]) : -1;
			if (high < 0 || low < 0 || high + low == 0)
				return false;
			letter = (char)(unsigned char)(high * 16 + low);
			i += 2;
		}
		if (at + 1 >= room)
			return false;
		to[at++] = letter;
	}
	to[at] = '\0';
	return true;
}

/* Set option number `number` to p->value. */
static qpool_err
set(parse *p, unsigned number)
{
	for (const qp_count_row *row = qp_option_counts; row->name != NULL; row++)
		if (number-- == 0)
			return read_count(
			    p, row, (uint32_t *)(void *)((char *)&p->out + row->from));
	for (const qp_span_row *row = qp_option_spans; row->name != NULL; row++)
		if (number-- == 0)
			return read_span(p, row, (int64_t *)(void *)((char *)&p->out + row->from));
	return specials[number].read(p);
}

static qpool_err
read_word(parse *p, const char *word, size_t length)
{
	const char *equals = memchr(word, '=', length), *name;
	size_t named = equals != NULL ? (size_t)(equals - word) : length;
	unsigned i = 0;

	if (!decode(word, named, p->name, sizeof p->name))
		return nameless(p);
	while ((name = option_name(i)) != NULL && strcmp(name, p->name) != 0)
		i++;
	if (name == NULL)
		return unknown_name(p);
	if (equals == NULL)
		return qp_error_set(
		    p->error, QPOOL_EINVAL, "%s has no value; it must be %s=value", name, name);
	if (p->seen >> i & 1)
		return qp_error_set(
		    p->error, QPOOL_EINVAL, "%s is given twice; it must be given once", name);
	p->seen |= UINT64_C(1) << i;
	if (!decode(equals + 1, length - named - 1, p->value, sizeof p->value))
		return qp_error_set(p->error, QPOOL_EINVAL,
		    "%s has a value that cannot be decoded; it must be at most %u bytes, with "
		    "two hexadecimal digits, not 00, after each %%",
		    name, VALUE_ROOM - 1);
	return set(p, i);
}

qpool_err
qpool_options_parse(qpool_options *options, const char *text, qpool_error *error)
{
	parse p;
	qpool_err err;

	if (options == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "options is NULL: start from qpool_options_init()");
	memset(&p, 0, sizeof p);
	p.error = error;
	err = qp_abi_read(&p.out, sizeof p.out, options, "qpool_options", error);
	while (err == QPOOL_OK && text != NULL && *text != '\0') {
		size_t length = strcspn(text, "&");
		p.word++;
		if (length > 0)
			err = read_word(&p, text, length);
		text += length;
		text += *text == '&';
	}
	if (err == QPOOL_OK)
		qp_abi_write(options, &p.out, sizeof p.out);
	return err;
}
