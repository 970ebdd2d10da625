/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: two tables, one for counts and one for durations, with each option's default and range.
 * Rules that involve two options are checked afterwards.
 */
#include "core/options.h"

#include "core/abi.h"
#include "core/error.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT(option, field, fallback, most, allows)                                            \
	{                                                                                       \
#option, offsetof(qpool_options, option), offsetof(qp_config, field), fallback, \
		    most, allows                                                                \
	}
#define SPAN(option, field, fallback, allows)                                                   \
	{                                                                                       \
#option, offsetof(qpool_options, option), offsetof(qp_config, field), fallback, \
		    allows                                                                      \
	}

const qp_count_row qp_option_counts[] = {
    COUNT(max_size, max_size, 10, QP_MAX_SIZE, QP_ZERO_OK),
    COUNT(min_idle, min_idle, 0, QP_MAX_SIZE, QP_ZERO_OK),
    COUNT(max_waiters, max_waiters, QPOOL_NOLIMIT, QPOOL_ZERO32 - 1, QP_ZERO_OK | QP_NOLIMIT_OK),
    COUNT(max_uses, limits.max_uses, QPOOL_NOLIMIT, QPOOL_ZERO32 - 1, QP_ZERO_OK | QP_NOLIMIT_OK),
    COUNT(max_opening, max_opening, 4, QP_MAX_SIZE, 0),
    COUNT(age_jitter, limits.age_jitter_percent, 10, 100, QP_ZERO_OK),
    {NULL, 0, 0, 0, 0, 0},
};

const qp_span_row qp_option_spans[] = {
    SPAN(acquire_timeout, acquire_timeout_ns, QPOOL_SEC(30), QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(max_overtake, max_overtake_ns, 1250000, QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(max_idle, limits.max_idle_ns, QPOOL_SEC(600), QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(max_age, limits.max_age_ns, QPOOL_SEC(1800), QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(check_after, limits.check_after_ns, QPOOL_SEC(30), QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(open_budget, open_budget_ns, QPOOL_SEC(10), QP_NOLIMIT_OK),
    SPAN(step_budget, step_budget_ns, QPOOL_SEC(1), QP_NOLIMIT_OK),
    SPAN(retry_min, retry_min_ns, QPOOL_MSEC(50), QP_ZERO_OK),
    SPAN(retry_max, retry_max_ns, QPOOL_SEC(5), QP_ZERO_OK),
    SPAN(down_after, down_after_ns, QPOOL_SEC(5), QP_ZERO_OK | QP_NOLIMIT_OK),
    SPAN(maintain_every, maintain_every_ns, QPOOL_SEC(30), QP_NOLIMIT_OK),
    SPAN(held_long, held_long_ns, QPOOL_FOREVER, QP_NOLIMIT_OK),
    {NULL, 0, 0, 0, 0},
};

static const void *
at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

/* What 0 means in an option: for create, for configure. */
typedef enum meaning { DEFAULTS, STAYS } meaning;

static qpool_err
bad_count(const qp_count_row *row, meaning zero, uint32_t value, qpool_error *error)
{
	const char *given = value == QPOOL_NOLIMIT  ? "QPOOL_NOLIMIT"
	                    : value == QPOOL_ZERO32 ? "QPOOL_ZERO32"
	                                            : NULL;
	char number[16];

	(void)snprintf(number, sizeof number, "%" PRIu32, value);
	return qp_error_set(error, QPOOL_EINVAL,
	    "%s is %s; it must be 0 (%s), 1 to %" PRIu32 "%s%s", row->name,
	    given != NULL ? given : number, zero == STAYS ? "unchanged" : "the default", row->most,
	    row->allows & QP_ZERO_OK ? ", QPOOL_ZERO32" : "",
	    row->allows & QP_NOLIMIT_OK ? ", QPOOL_NOLIMIT" : "");
}

static qpool_err
read_count(
    qp_config *config, const qp_count_row *row, meaning zero, uint32_t value, qpool_error *error)
{
	uint32_t *to = (uint32_t *)(void *)((char *)config + row->to);

	if (value == 0)
		*to = zero == STAYS ? *to : row->fallback;
	else if (value == QPOOL_ZERO32 && (row->allows & QP_ZERO_OK))
		*to = 0;
	else if (value <= row->most || (value == QPOOL_NOLIMIT && (row->allows & QP_NOLIMIT_OK)))
		*to = value;
	else
		return bad_count(row, zero, value, error);
	return QPOOL_OK;
}

static qpool_err
bad_span(const qp_span_row *row, meaning zero, int64_t value_ns, qpool_error *error)
{
	const char *given = value_ns == QPOOL_ZERO      ? "QPOOL_ZERO"
	                    : value_ns == QPOOL_DEFAULT ? "QPOOL_DEFAULT"
	                    : value_ns == QPOOL_FOREVER ? "QPOOL_FOREVER"
	                                                : NULL;
	char number[32], fallback[64] = "unchanged";

	(void)snprintf(number, sizeof number, "%" PRId64 " ns", value_ns);
	if (zero == DEFAULTS)
		(void)snprintf(fallback, sizeof fallback, "the default, %s",
		    qp_error_span(row->fallback_ns).text);
	return qp_error_set(error, QPOOL_EINVAL,
	    "%s is %s; it must be 0 (%s), a positive number of nanoseconds%s%s", row->name,
	    given != NULL ? given : number, fallback,
	    row->allows & QP_ZERO_OK ? ", QPOOL_ZERO" : "",
	    row->allows & QP_NOLIMIT_OK ? ", QPOOL_FOREVER" : "");
}

static qpool_err
read_span(
    qp_config *config, const qp_span_row *row, meaning zero, int64_t value_ns, qpool_error *error)
{
	int64_t *to = (int64_t *)(void *)((char *)config + row->to);

	if (value_ns == 0)
		*to = zero == STAYS ? *to : row->fallback_ns;
	else if (value_ns == QPOOL_ZERO && (row->allows & QP_ZERO_OK))
		*to = 0;
	else if (value_ns > 0 && (value_ns != QPOOL_FOREVER || (row->allows & QP_NOLIMIT_OK)))
		*to = value_ns;
	else
		return bad_span(row, zero, value_ns, error);
	return QPOOL_OK;
}

static qpool_err
read_tables(qp_config *config, const qpool_options *options, meaning zero, qpool_error *error)
{
	for (const qp_count_row *row = qp_option_counts; row->name != NULL; row++) {
		uint32_t value;
		memcpy(&value, at(options, row->from), sizeof value);
		if (read_count(config, row, zero, value, error) != QPOOL_OK)
			return QPOOL_EINVAL;
	}
	for (const qp_span_row *row = qp_option_spans; row->name != NULL; row++) {
		int64_t value_ns;
		memcpy(&value_ns, at(options, row->from), sizeof value_ns);
		if (read_span(config, row, zero, value_ns, error) != QPOOL_OK)
			return QPOOL_EINVAL;
	}
	return QPOOL_OK;
}

/* A caller that sets a reserved field expects a newer library. */
static qpool_err
read_rest(const qpool_options *options, qpool_error *error)
{
	if (options->reserved_ != 0)
		return qp_error_set(error, QPOOL_ENOTSUP, "reserved_ is %" PRIu32 "; it must be 0",
		    options->reserved_);
	return QPOOL_OK;
}

static qpool_err
read_choices(qp_config *config, const qpool_options *options, qpool_error *error)
{
	const uint32_t known = QPOOL_STRICT | QPOOL_RESET_ON_WORKERS;

	if (options->order > QPOOL_OLDEST_FIRST)
		return qp_error_set(error, QPOOL_EINVAL,
		    "order is %" PRIu32
		    "; it must be QPOOL_NEWEST_FIRST (0) or QPOOL_OLDEST_FIRST (1)",
		    options->order);
	if (options->open_failure > QPOOL_OPEN_TELL)
		return qp_error_set(error, QPOOL_EINVAL,
		    "open_failure is %" PRIu32
		    "; it must be QPOOL_OPEN_RETRY (0) or QPOOL_OPEN_TELL (1)",
		    options->open_failure);
	if (options->flags & ~known)
		return qp_error_set(error, QPOOL_ENOTSUP,
		    "flags is 0x%" PRIx32 "; this library knows QPOOL_STRICT (1) and "
		    "QPOOL_RESET_ON_WORKERS (2)",
		    options->flags);
	config->oldest_first = options->order == QPOOL_OLDEST_FIRST;
	config->tells = options->open_failure == QPOOL_OPEN_TELL;
	config->is_strict = (options->flags & QPOOL_STRICT) != 0;
	config->resets_on_workers = (options->flags & QPOOL_RESET_ON_WORKERS) != 0;
	return read_rest(options, error);
}

static qpool_err
compare(const qp_config *config, qpool_error *error)
{
	size_t length = strnlen(config->name, QP_MAX_NAME + 1);

	if (length == 0 || length > QP_MAX_NAME)
		return qp_error_set(error, QPOOL_EINVAL, "name is %s; it must have 1 to %u bytes",
		    length == 0 ? "empty" : "too long", QP_MAX_NAME);
	if (config->min_idle > config->max_size)
		return qp_error_set(error, QPOOL_EINVAL,
		    "min_idle is %" PRIu32 "; it must be at most max_size, which is %" PRIu32,
		    config->min_idle, config->max_size);
	if (config->retry_min_ns > config->retry_max_ns)
		return qp_error_set(error, QPOOL_EINVAL,
		    "retry_min is %s; it must be at most retry_max, which is %s",
		    qp_error_span(config->retry_min_ns).text,
		    qp_error_span(config->retry_max_ns).text);
	return QPOOL_OK;
}

/* The name to use; it stays the caller's until the pool copies it. */
static const char *
name_of(const qpool_options *known, const qpool_options *options, const char *kind)
{
	const size_t end = offsetof(qpool_options, name_text) + sizeof known->name_text;

	if (known->name != NULL)
		return known->name;
	return known->size >= end && known->name_text[0] != '\0' ? options->name_text : kind;
}

qpool_err
qp_options_read(
    qp_config *config, const qpool_options *options, const char *kind, qpool_error *error)
{
	const uint64_t quiet = 1u << QPOOL_EV_ACQUIRED | 1u << QPOOL_EV_RELEASED;
	qpool_options known = qpool_options_init();
	qpool_err err = QPOOL_OK;

	if (options != NULL)
		err = qp_abi_read(&known, sizeof known, options, "qpool_options", error);
	if (err == QPOOL_OK)
		err = read_tables(config, &known, DEFAULTS, error);
	if (err == QPOOL_OK)
		err = read_choices(config, &known, error);
	if (err != QPOOL_OK)
		return err;
	config->name = name_of(&known, options, kind);
	config->event_mask = known.event_mask != 0 ? known.event_mask : ~quiet;
	config->on_event = known.on_event;
	config->event_user = known.event_user;
	return compare(config, error);
}

/* The first option that is set although it may not change; or NULL. */
static const char *
fixed_option(const qpool_options *options)
{
	const struct {
		const char *name;
		bool is_set;
	} fixed[] = {{"name", options->name != NULL}, {"name_text", options->name_text[0] != '\0'},
	    {"order", options->order != 0}, {"open_failure", options->open_failure != 0},
	    {"flags", options->flags != 0}, {"on_event", options->on_event != NULL},
	    {"event_user", options->event_user != NULL}};

	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		if (fixed[i].is_set)
			return fixed[i].name;
	return NULL;
}

qpool_err
qp_options_merge(qp_config *config, const qpool_options *options, qpool_error *error)
{
	qpool_options known;
	const char *fixed;
	qpool_err err;

	if (options == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "options is NULL: start from qpool_options_init()");
	err = qp_abi_read(&known, sizeof known, options, "qpool_options", error);
	if (err != QPOOL_OK)
		return err;
	fixed = fixed_option(&known);
	if (fixed != NULL)
		return qp_error_set(error, QPOOL_EINVAL,
		    "%s is fixed since the pool was made; it must be 0 (unchanged)", fixed);
	err = read_tables(config, &known, STAYS, error);
	if (err == QPOOL_OK)
		err = read_rest(&known, error);
	if (err != QPOOL_OK)
		return err;
	if (known.event_mask != 0)
		config->event_mask = known.event_mask;
	return compare(config, error);
}

void
qp_options_apply(qp_config *config, const qp_config *merged)
{
	for (const qp_count_row *row = qp_option_counts; row->name != NULL; row++)
		memcpy((char *)config + row->to, at(merged, row->to), sizeof(uint32_t));
	for (const qp_span_row *row = qp_option_spans; row->name != NULL; row++)
		memcpy((char *)config + row->to, at(merged, row->to), sizeof(int64_t));
	config->event_mask = merged->event_mask;
}

void
qp_options_dial(qp_dials *dials, const qp_config *config)
{
	qp_expiry_set(&dials->bounds, &config->limits);
	/* relaxed: as in qp_expiry_set. */
	qp_storei64_relaxed(&dials->acquire_timeout_ns, config->acquire_timeout_ns);
	qp_storei64_relaxed(&dials->held_long_ns, config->held_long_ns);
	qp_storei64_relaxed(&dials->maintain_every_ns, config->maintain_every_ns);
	qp_storei64_relaxed(&dials->open_budget_ns, config->open_budget_ns);
	qp_storei64_relaxed(&dials->step_budget_ns, config->step_budget_ns);
	qp_store64_relaxed(&dials->event_mask, config->event_mask);
}

qpool_err
qp_options_timeout(const qp_dials *dials, qpool_nsec timeout, int64_t *out_ns, qpool_error *error)
{
	if (timeout < 0 && timeout != QPOOL_DEFAULT)
		return qp_error_set(error, QPOOL_EINVAL,
		    "timeout is %" PRId64 " ns; it must be QPOOL_NOWAIT (0), a positive number of "
		    "nanoseconds, QPOOL_DEFAULT or QPOOL_FOREVER",
		    timeout);
	*out_ns =
	    timeout == QPOOL_DEFAULT ? qp_loadi64_relaxed(&dials->acquire_timeout_ns) : timeout;
	return QPOOL_OK;
}
