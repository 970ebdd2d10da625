/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_report: one set of figures, for people and for programs.  The keys are documented in
 * docs/COMMAND.md and only ever added to.  Jansson writes the JSON: escaping and numbers are its trade.
 */
#include "bench.h"

#include <jansson.h>
#include <stdlib.h>

#include "figure.h"
#include "outfile.h"
#include "say.h"
#include "stop.h"

static double
per_second(const struct load_result *result)
{
	return result->elapsed > 0 ? (double)result->served * 1e9 / (double)result->elapsed : 0;
}

static void
duration_row(FILE *out, const char *label, const struct hist *hist)
{
	static const char *const names[] = {"p50", "p90", "p99", "max"};
	const double shares[] = {0.5, 0.9, 0.99};
	char line[160];
	int at = 0;
	if (hist->count == 0)
		return;
	for (size_t i = 0; i < 4; i++) {
		int64_t ns = i < 3 ? hist_percentile(hist, shares[i]) : (int64_t)hist->max;
		at += snprintf(line + at, sizeof line - (size_t)at, "%s%s %s", i > 0 ? "   " : "",
		    names[i], figure_duration(ns).text);
	}
	fprintf(out, "%-26s%s\n", label, line);
}

void
bench_summary(const struct bench *bench, FILE *out)
{
	const struct load_result *result = &bench->result;
	const struct tap *tap = &bench->lender.tap;
	char how[64] = "a connection opened for each request";
	if (!bench->asked.no_pool)
		snprintf(how, sizeof how, "a pool of %s", figure_count(bench->asked.capacity).text);
	fprintf(out, "%s, %s, %s threads%s\n", bench->target.shown, how,
	    figure_count(bench->asked.threads).text, stop_signal() ? "; stopped early" : "");
	fprintf(out, "%-26s%s in %s\n", "requests", figure_count(result->served).text,
	    figure_duration(result->elapsed).text);
	fprintf(out, "%-26s%s\n", "per second", figure_rate(per_second(result)).text);
	duration_row(out, "wait for a connection", &result->wait);
	duration_row(out, "whole request", &result->whole);
	fprintf(out, "%-26s%s, at most %s at once\n", "connections opened",
	    figure_count(tap->opens).text, figure_count(tap->open_peak).text);
	fprintf(out, "%-26s%s / %s requests\n", "least / most by a thread",
	    figure_count(result->least).text, figure_count(result->most).text);
	if (result->served > 0)
		fprintf(out, "%-26s%s\n", "CPU per request",
		    figure_duration(result->cpu / (qpool_nsec)result->served).text);
	if (result->cancelled > 0)
		fprintf(
		    out, "%-26s%s\n", "cut short at the end", figure_count(result->cancelled).text);
	if (result->failed > 0)
		fprintf(out, "%-26s%s\n", "failed requests", figure_count(result->failed).text);
}

static json_t *
count_json(uint64_t count)
{
	return json_integer((json_int_t)count);
}

/* Text that is not UTF-8 cannot stand in JSON. */
static json_t *
text_json(const char *text)
{
	json_t *json = json_string(text);
	return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *
word_json(const char *text)
{
	return text != NULL ? text_json(text) : json_null();
}

static json_t *
durations_json(const struct hist *hist)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "mean", (json_int_t)hist_mean(hist),
	    "p50", (json_int_t)hist_percentile(hist, 0.5), "p90",
	    (json_int_t)hist_percentile(hist, 0.9), "p99", (json_int_t)hist_percentile(hist, 0.99),
	    "p999", (json_int_t)hist_percentile(hist, 0.999), "max", (json_int_t)hist->max);
}

static json_t *
failure_json(const struct bench *bench)
{
	const struct load_result *result = &bench->result;
	if (result->failed == 0)
		return json_null();
	json_t *json = json_object();
	json_object_set_new(json, "code", text_json(qpool_err_name(result->first_failure.code)));
	json_object_set_new(json, "native", text_json(result->first_failure.native));
	char *message = target_message(&bench->target, &result->first_failure);
	json_object_set_new(json, "message", text_json(message != NULL ? message : ""));
	free(message);
	return json;
}

static json_t *
asked_json(const struct bench *bench)
{
	const struct bench_asked *asked = &bench->asked;
	json_t *json = json_object();
	json_object_set_new(json, "url", text_json(bench->target.shown));
	json_object_set_new(json, "kind", text_json(bench->target.kind->schemes[0]));
	json_object_set_new(json, "pool", json_boolean(!asked->no_pool));
	json_object_set_new(
	    json, "capacity", asked->no_pool ? json_null() : count_json(asked->capacity));
	json_object_set_new(json, "threads", count_json(asked->threads));
	json_object_set_new(
	    json, "duration_ns", asked->count > 0 ? json_null() : json_integer(asked->duration));
	json_object_set_new(
	    json, "count", asked->count > 0 ? count_json(asked->count) : json_null());
	json_object_set_new(json, "hold_ns", json_integer(asked->hold));
	json_object_set_new(json, "reset", word_json(asked->wishes.reset));
	json_object_set_new(json, "pooler", word_json(asked->wishes.pooler));
	json_object_set_new(json, "sql", text_json(bench->sql));
	return json;
}

static json_t *
measured_json(const struct bench *bench)
{
	const struct load_result *result = &bench->result;
	const struct tap *tap = &bench->lender.tap;
	json_t *json = json_object();
	json_object_set_new(json, "elapsed_ns", json_integer(result->elapsed));
	json_object_set_new(json, "requests", count_json(result->served));
	json_object_set_new(json, "requests_per_second", json_real(per_second(result)));
	json_object_set_new(json, "failures", count_json(result->failed));
	json_object_set_new(json, "first_failure", failure_json(bench));
	json_object_set_new(json, "cancelled", count_json(result->cancelled));
	json_object_set_new(json, "wait_ns", durations_json(&result->wait));
	json_object_set_new(json, "request_ns", durations_json(&result->whole));
	json_object_set_new(json, "opens", count_json(tap->opens));
	json_object_set_new(json, "open_failures", count_json(tap->open_failures));
	json_object_set_new(json, "open_peak", count_json(tap->open_peak));
	json_object_set_new(json, "least_served", count_json(result->least));
	json_object_set_new(json, "most_served", count_json(result->most));
	json_object_set_new(json, "cpu_ns", json_integer(result->cpu));
	return json;
}

static char *
whole_json(const struct bench *bench)
{
	char version[32];
	snprintf(version, sizeof version, "%d.%d.%d", QPOOL_VERSION_MAJOR, QPOOL_VERSION_MINOR,
	    QPOOL_VERSION_PATCH);
	json_t *json = json_object();
	json_object_set_new(json, "format", json_string("queuepool-bench-1"));
	json_object_set_new(json, "version", json_string(version));
	json_object_set_new(json, "client", text_json(bench->target.kind->client()));
	json_object_set_new(json, "server", word_json(bench->server[0] ? bench->server : NULL));
	json_object_set_new(json, "asked", asked_json(bench));
	json_object_set_new(json, "interrupted", json_boolean(stop_signal() != 0));
	json_object_set_new(json, "measured", measured_json(bench));
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	json_decref(json);
	return text;
}

int
bench_json(const struct bench *bench)
{
	char *text = whole_json(bench);
	if (text == NULL)
		return say_failed("--json: out of memory");
	int code = EXIT_OK;
	size_t length = strlen(text);
	char *line = realloc(text, length + 2);
	if (line != NULL) {
		memcpy(line + length, "\n", 2);
		text = line;
	}
	if (strcmp(bench->asked.json, "-") == 0)
		fputs(text, stdout);
	else
		code = outfile_write("--json", bench->asked.json, text);
	free(text);
	return code;
}
