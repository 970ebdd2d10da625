/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table: fixed widths; a figure that needs more room pushes, and is never cut.
 */
#include "table.h"

#include <string.h>

#include "terminal.h"

#define LABEL_WIDTH 26
#define CELL_WIDTH  13
#define LINE_WIDTH  (LABEL_WIDTH + TABLE_COLUMNS_MAX * CELL_WIDTH)

void
table_heading(FILE *out, const char *const *names, size_t columns)
{
	fprintf(out, "%s%-*s", terminal_paint(out, PAINT_BOLD), LABEL_WIDTH, "");
	for (size_t i = 0; i < columns; i++)
		fprintf(out, "%*s", CELL_WIDTH, names[i]);
	fprintf(out, "%s\n", terminal_paint(out, PAINT_PLAIN));
}

void
table_row(FILE *out, const char *label, const char *const *cells, size_t columns)
{
	fprintf(out, "%-*s", LABEL_WIDTH, label);
	for (size_t i = 0; i < columns; i++) {
		const char *cell = cells[i] != NULL && cells[i][0] != '\0' ? cells[i] : "-";
		fprintf(out, "%*s", CELL_WIDTH, cell);
	}
	fputc('\n', out);
}

/* Up to the next blank at which a line may end: never between a number and its unit. */
static size_t
unbroken(const char *text)
{
	size_t length = strcspn(text, " ");
	while (
	    length > 0 && text[length] == ' ' && text[length - 1] >= '0' && text[length - 1] <= '9')
		length += 1 + strcspn(text + length + 1, " ");
	return length;
}

void
table_sentence(FILE *out, const char *text)
{
	size_t column = 0;
	while (*text != '\0') {
		size_t word = unbroken(text);
		if (column > 0 && column + 1 + word > LINE_WIDTH) {
			fputs("\n ", out);
			column = 1;
		}
		if (column > 0)
			fputc(' ', out);
		fwrite(text, 1, word, out);
		column += word + (column > 0);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}
