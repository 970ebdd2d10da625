/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * figure: groups of three, and no more digits than the measurement has.
 */
#include "figure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"

struct figure_text
figure_count(uint64_t count)
{
	struct figure_text figure = {.text = ""};
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
	size_t out = 0;
	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			figure.text[out++] = ',';
		figure.text[out++] = digits[i];
	}
	figure.text[out] = '\0';
	return figure;
}

struct figure_text
figure_rate(double rate)
{
	if (rate >= 100)
		return figure_count((uint64_t)(rate + 0.5));
	struct figure_text figure = {.text = ""};
	snprintf(figure.text, sizeof figure.text, "%.1f", rate);
	return figure;
}

struct figure_text
figure_duration(int64_t ns)
{
	struct figure_text figure = {.text = ""};
	duration_show(ns, figure.text, sizeof figure.text);
	return figure;
}

struct figure_text
figure_percent(double share)
{
	struct figure_text figure = {.text = ""};
	double percent = share * 100;
	snprintf(figure.text, sizeof figure.text, "%.*f %%", percent < 9.95 && percent > 0 ? 1 : 0,
	    percent);
	return figure;
}

struct figure_text
figure_times(double factor)
{
	struct figure_text figure = {.text = ""};
	if (factor >= 100)
		figure = figure_count((uint64_t)(factor + 0.5));
	else
		snprintf(figure.text, sizeof figure.text, "%.*f", factor < 9.95 ? 1 : 0, factor);
	strncat(figure.text, " times", sizeof figure.text - strlen(figure.text) - 1);
	return figure;
}
