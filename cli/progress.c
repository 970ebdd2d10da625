/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress: the line is composed whole, cut to the window, and written by one call, so it never wraps
 * and never flickers.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "terminal.h"

#define TITLE_WIDTH 10
#define BAR_WIDTH   20
#define PLAIN_EVERY QPOOL_SEC(10)

static struct {
	const char *title;
	qpool_nsec said_at; /* when the last plain line went out */
	bool shown;         /* a line in place is on the terminal now */
} now;

void
progress_clear(void)
{
	if (!now.shown)
		return;
	fputs("\r\033[K", stderr);
	now.shown = false;
}

void
progress_begin(const char *title, const char *doing)
{
	now.title = title;
	now.said_at = duration_now();
	if (terminal_live(stderr))
		progress_show(0, doing);
	else
		fprintf(stderr, "%s: %s\n", title, doing);
}

static void
draw_bar(double share, char *out, size_t room)
{
	const char *full = terminal_utf8() ? "\xe2\x96\x88" : "#";
	const char *rest = terminal_utf8() ? "\xc2\xb7" : ".";
	double filled = share * BAR_WIDTH;
	size_t at = 0;
	for (int i = 0; i < BAR_WIDTH; i++) {
		const char *cell = i + 0.5 <= filled ? full : rest;
		at += (size_t)snprintf(out + at, room - at, "%s", cell);
	}
}

void
progress_show(double share, const char *text)
{
	if (!terminal_live(stderr)) {
		if (duration_now() - now.said_at < PLAIN_EVERY)
			return;
		now.said_at = duration_now();
		fprintf(stderr, "%s: %.0f %%, %s\n", now.title, share * 100, text);
		return;
	}
	char bar[BAR_WIDTH * 3 + 1];
	char line[512];
	unsigned columns = terminal_columns(stderr);
	int left = (int)columns - 1 - 2 - TITLE_WIDTH - 1 - BAR_WIDTH - 2;
	draw_bar(share, bar, sizeof bar);
	if (left >= 10)
		snprintf(line, sizeof line, "\r  %-*s %s%s%s  %.*s\033[K", TITLE_WIDTH, now.title,
		    terminal_paint(stderr, PAINT_GOOD), bar, terminal_paint(stderr, PAINT_PLAIN),
		    left, text);
	else
		snprintf(line, sizeof line, "\r%.*s\033[K", (int)columns - 1, text);
	fputs(line, stderr);
	now.shown = true;
}

void
progress_end(const char *text)
{
	progress_clear();
	if (terminal_live(stderr))
		fprintf(stderr, "  %-*s %s\n", TITLE_WIDTH, now.title, text);
	else
		fprintf(stderr, "%s: %s\n", now.title, text);
}
