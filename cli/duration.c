/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * duration: whole numbers only, so that 0.1s is exactly 100 ms; every product is checked.
 */
#include "duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct unit {
	const char *name;
	qpool_nsec ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* the micro sign and the Greek letter, as keyboards have them */
    {"\xce\xbcs", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"min", 60000000000},
    {"h", 3600000000000},
};

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static qpool_nsec
unit_of(const char *name)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(units[i].name, name) == 0)
			return units[i].ns;
	}
	return 0;
}

/* Whole units, then a tenth of a unit at a time. */
static bool
count_units(const char *text, qpool_nsec unit, qpool_nsec *out)
{
	qpool_nsec total = 0;
	for (; digit(*text); text++) {
		if (__builtin_mul_overflow(total, 10, &total) ||
		    __builtin_add_overflow(total, *text - '0', &total))
			return false;
	}
	if (__builtin_mul_overflow(total, unit, &total))
		return false;
	if (*text == '.') {
		for (text++; digit(*text); text++) {
			unit /= 10;
			if (__builtin_add_overflow(total, (*text - '0') * unit, &total))
				return false;
		}
	}
	*out = total;
	return true;
}

static const char *
after_number(const char *text)
{
	const char *at = text;
	while (digit(*at))
		at++;
	if (at == text)
		return NULL;
	if (*at == '.') {
		const char *fraction = ++at;
		while (digit(*at))
			at++;
		if (at == fraction)
			return NULL;
	}
	return at;
}

bool
duration_parse(const char *text, qpool_nsec bare, qpool_nsec *out, const char **wrong)
{
	const char *name = after_number(text);
	if (name == NULL) {
		*wrong = "is no duration; write 500ms, 2s or 1.5min";
		return false;
	}
	bool zero = strspn(text, "0.") == (size_t)(name - text);
	qpool_nsec unit = *name == '\0' ? (zero ? 1 : bare) : unit_of(name);
	if (unit == 0) {
		*wrong = *name == '\0' ? "has no unit; write it as in 500ms, 2s or 1.5min"
		                       : "has an unknown unit; known are ns us ms s min h";
		return false;
	}
	if (!count_units(text, unit, out)) {
		*wrong = "is longer than can be counted";
		return false;
	}
	return true;
}

const char *
duration_show(qpool_nsec duration, char *out, size_t room)
{
	static const struct {
		const char *name;
		double ns;
		double below; /* shown in this unit up to here */
	} steps[] = {
	    {"us", 1e3, 999.5e3}, {"ms", 1e6, 999.5e6}, {"s", 1e9, 119.5e9}, {"min", 60e9, 1e300}};
	double ns = (double)duration;
	size_t i = 0;
	if (duration < 1000) {
		snprintf(out, room, "%" PRId64 " ns", duration);
		return out;
	}
	while (ns >= steps[i].below)
		i++;
	double value = ns / steps[i].ns;
	snprintf(out, room, "%.*f %s",
	    value < 9.995   ? 2
	    : value < 99.95 ? 1
			    : 0,
	    value, steps[i].name);
	return out;
}

qpool_nsec
duration_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (qpool_nsec)now.tv_sec * 1000000000 + now.tv_nsec;
}
