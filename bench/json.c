/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json: written by hand, since it is a tree of a few known keys, numbers and short texts, and a library
 * for it would be the only thing the benchmark needs beyond libc.  Every text goes through print_text and
 * every number through print_number: NAN is null.
 */
#include "json.h"

#include "fail.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

static const char *const pace_names[PACE_COUNT] = {"full", "quick", "smoke"};

static void
print_text(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
}

static void
print_key(FILE *out, const char *key)
{
	print_text(out, key);
	(void)fputs(": ", out);
}

static void
print_text_at(FILE *out, const char *key, const char *text)
{
	print_key(out, key);
	print_text(out, text);
	(void)fputs(", ", out);
}

static void
print_number(FILE *out, double value)
{
	if (isfinite(value))
		(void)fprintf(out, "%.6g", value);
	else
		(void)fputs("null", out);
}

static void
print_number_at(FILE *out, const char *key, double value)
{
	print_key(out, key);
	print_number(out, value);
	(void)fputs(", ", out);
}

static const char *
bool_text(bool value)
{
	return value ? "true" : "false";
}

static void
print_head(FILE *out, const run *all)
{
	const machine *where = &all->where;

	(void)fputs("{\n  ", out);
	print_text_at(out, "queuepool", where->library);
	print_text_at(out, "engine", where->engine);
	print_text_at(out, "commit", where->commit);
	(void)fputs("\n  ", out);
	print_text_at(out, "compiler", where->compiler);
	print_text_at(out, "build", where->options);
	(void)fputs("\n  \"machine\": {", out);
	print_text_at(out, "cpu", where->cpu);
	print_text_at(out, "kernel", where->kernel);
	(void)fprintf(out, "\"cpus\": %ld},\n  ", where->cpus);
	(void)fprintf(out, "\"options\": {\"pace\": \"%s\", \"any_load\": %s, \"rivals\": %s},\n  ",
	    pace_names[all->pace], bool_text(all->any_load), bool_text(all->with_rivals));
	(void)fprintf(out, "\"began\": %" PRId64 ", \"took_s\": %.1f, \"sees_load\": %s,\n",
	    all->began_s, all->took_s, bool_text(all->sees_load));
}

static void
print_metric(FILE *out, const work_metric *metric, const series *values)
{
	(void)fputs("        ", out);
	print_key(out, metric->key);
	(void)fputc('{', out);
	print_number_at(out, "median", series_median(values));
	print_number_at(out, "min", series_least(values));
	print_number_at(out, "max", series_most(values));
	(void)fputs("\"rounds\": [", out);
	for (unsigned r = 0; r < values->count; r++) {
		(void)fputs(r == 0 ? "" : ", ", out);
		print_number(out, values->value[r]);
	}
	(void)fputs("]}", out);
}

static void
print_row(FILE *out, const work_kind *kind, const work_row *row)
{
	(void)fputs("      {", out);
	print_text_at(out, "name", work_row_name(row));
	print_text_at(out, "title", work_row_title(row));
	print_text_at(out, "kind", work_row_kind(row));
	if (row->rival != NULL && row->rival->why[0] != '\0')
		print_text_at(out, "why", row->rival->why);
	(void)fputs("\"metrics\": {\n", out);
	for (unsigned m = 0; m < work_metric_count(kind); m++) {
		print_metric(out, &kind->metrics[m], &row->metric[m]);
		(void)fputs(m + 1 < work_metric_count(kind) ? ",\n" : "}}", out);
	}
}

static void
print_work(FILE *out, const work *one)
{
	(void)fputs("    {", out);
	print_text_at(out, "id", one->kind->id);
	print_text_at(out, "title", one->kind->title);
	(void)fprintf(out, "\"threads\": %u, \"capacity\": %u,\n     ", one->kind->threads,
	    one->kind->capacity);
	(void)fprintf(out, "\"ramp_ms\": %.3g, \"sample_ms\": %.6g, ",
	    (double)one->timing.ramp_ns / 1e6, (double)one->timing.open_ns / 1e6);
	(void)fprintf(out,
	    "\"rounds\": {\"asked\": %u, \"kept\": %u, \"repeated\": %u, \"dropped\": %u, "
	    "\"disturbed\": %u, \"worst_load\": %.3f, \"took_s\": %.1f},\n     \"rows\": [\n",
	    one->timing.rounds, one->kept, one->repeated, one->dropped, one->disturbed,
	    one->worst_load, one->took_s);
	for (unsigned i = 0; i < one->row_count; i++) {
		print_row(out, one->kind, &one->rows[i]);
		(void)fputs(i + 1 < one->row_count ? ",\n" : "]}", out);
	}
}

static void
print_targets(FILE *out, const run *all)
{
	work_set set = {all->work, all->work_count};
	bool first = true;

	(void)fputs("  \"targets\": [", out);
	for (unsigned i = 0; i < target_count; i++) {
		const target *one = &targets[i];
		double figure;

		if (!target_applies(one, &set))
			continue;
		figure = target_figure(one, &set);
		(void)fputs(first ? "\n    {" : ",\n    {", out);
		first = false;
		print_text_at(out, "work", one->work);
		print_text_at(out, "text", one->text);
		(void)fprintf(out, "\"held\": %s, \"op\": \"%s\", ", bool_text(one->is_held),
		    one->is_ceiling ? "<=" : ">=");
		print_number_at(out, "goal", one->goal);
		print_number_at(out, "figure", figure);
		(void)fprintf(out, "\"met\": %s}",
		    isnan(figure) ? "null" : bool_text(target_is_met(one, figure)));
	}
	(void)fputs("]\n}\n", out);
}

static void
print_run(FILE *out, const run *all)
{
	print_head(out, all);
	(void)fputs("  \"works\": [\n", out);
	for (unsigned i = 0; i < all->work_count; i++) {
		print_work(out, &all->work[i]);
		(void)fputs(i + 1 < all->work_count ? ",\n" : "],\n", out);
	}
	print_targets(out, all);
}

/* A device or pipe is written in place; anything else by a file beside it. */
static bool
is_in_place(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

static bool
name_beside(const char *path, char *out, size_t room)
{
	int length = snprintf(out, room, "%s.partial", path);

	return length >= 0 && (size_t)length < room;
}

int
json_probe(const char *path)
{
	char beside[PATH_ROOM];
	struct stat status;
	FILE *out;

	if (path[0] == '\0')
		return ENOENT;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return EISDIR;
	if (is_in_place(path))
		return access(path, W_OK) == 0 ? 0 : errno;
	if (!name_beside(path, beside, sizeof beside))
		return ENAMETOOLONG;
	out = fopen(beside, "we");
	if (out == NULL)
		return errno;
	(void)fclose(out);
	(void)unlink(beside);
	return 0;
}

/* False: errno says why. */
static bool
write_whole(const char *name, const run *all)
{
	FILE *out = fopen(name, "we");
	bool whole;

	if (out == NULL)
		return false;
	print_run(out, all);
	whole = ferror(out) == 0;
	return fclose(out) == 0 && whole;
}

void
json_write(const char *path, const run *all)
{
	char beside[PATH_ROOM];
	int error;

	if (is_in_place(path)) {
		if (!write_whole(path, all))
			fail("--json %s was not written: %s", path, strerror(errno));
		return;
	}
	if (name_beside(path, beside, sizeof beside) && write_whole(beside, all) &&
	    rename(beside, path) == 0)
		return;
	error = errno;
	(void)unlink(beside);
	fail("--json %s was not written: %s", path, strerror(error));
}
