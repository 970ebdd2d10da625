/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table: a label and a few right-aligned columns, made to fit 80 characters when there are four.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 4

void table_heading(FILE *out, const char *const *names, size_t columns);
/* A cell that is NULL or empty shows as "-". */
void table_row(FILE *out, const char *label, const char *const *cells, size_t columns);
/* Text filled to the width of the table, under a hanging indent. */
void table_sentence(FILE *out, const char *text);

#endif
