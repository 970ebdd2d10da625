/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * option: two tables, of choices and of durations; the rules that involve two options stand apart.
 * The pool's own words, and every duration, are read by qpool_options_parse, so that they are
 * written alike everywhere.
 */
#include "option.h"

#include "fault.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* No struct of this or a later version is as long: such a size was never set. */
#define MOST 4096u

qpool_err
qp_pg_option_read(qpool_pg_options *to, const qpool_pg_options *from, qpool_error *error)
{
	size_t size;
	const unsigned char *bytes = (const void *)from;

	memset(to, 0, sizeof *to);
	to->size = sizeof *to;
	if (from == NULL)
		return QPOOL_OK;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size || size > MOST)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_options.size is %zu; start from qpool_pg_options_init()", size);
	for (size_t i = sizeof *to; i < size; i++)
		if (bytes[i] != 0)
			return qp_pg_fault_say(error, QPOOL_ENOTSUP,
			    "qpool_pg_options is %zu bytes long and sets what this library (%zu "
			    "bytes) does not know, at byte %zu; use a newer one or leave it 0",
			    size, sizeof *to, i);
	memcpy(to, from, size < sizeof *to ? size : sizeof *to);
	to->size = sizeof *to;
	return QPOOL_OK;
}

/* ---- words ---- */

typedef struct choice {
	const char *word;
	uint32_t value;
} choice;

static const choice resets[] = {{"rollback", QPOOL_PG_RESET_ROLLBACK},
    {"none", QPOOL_PG_RESET_NONE}, {"smart", QPOOL_PG_RESET_SMART}, {"full", QPOOL_PG_RESET_FULL},
    {NULL, 0}};
static const choice isolations[] = {{"default", QPOOL_PG_ISOLATION_DEFAULT},
    {"read_uncommitted", QPOOL_PG_READ_UNCOMMITTED}, {"read_committed", QPOOL_PG_READ_COMMITTED},
    {"repeatable_read", QPOOL_PG_REPEATABLE_READ}, {"serializable", QPOOL_PG_SERIALIZABLE},
    {NULL, 0}};
static const choice poolers[] = {
    {"none", QPOOL_PG_POOLER_NONE}, {"transaction", QPOOL_PG_POOLER_TRANSACTION}, {NULL, 0}};

static const struct choice_row {
	const char *name;
	const choice *choices;
	size_t at;
} choice_rows[] = {{"reset", resets, offsetof(qpool_pg_options, reset)},
    {"isolation_level", isolations, offsetof(qpool_pg_options, isolation_level)},
    {"pooler", poolers, offsetof(qpool_pg_options, pooler)}};

static const choice flag_rows[] = {{"read_only", QPOOL_PG_READ_ONLY},
    {"read_write", QPOOL_PG_READ_WRITE}, {"deferrable", QPOOL_PG_DEFERRABLE},
    {"transaction", QPOOL_PG_TRANSACTION}, {NULL, 0}};

/* `like` is an option of the pool that takes the same durations: 0 and forever, or forever. */
static const struct span_row {
	const char *name, *like;
	size_t at;
} span_rows[] = {{"statement_timeout", "max_idle", offsetof(qpool_pg_options, statement_timeout)},
    {"lock_timeout", "max_idle", offsetof(qpool_pg_options, lock_timeout)},
    {"idle_in_transaction_session_timeout", "max_idle",
	offsetof(qpool_pg_options, idle_in_transaction_session_timeout)},
    {"call_timeout", "held_long", offsetof(qpool_pg_options, call_timeout)}};

static const char *const pointers[] = {"application_name", "at_connect", "user", "credentials",
    "on_connect", "on_lease", "on_return", "on_notice", "on_dirty"};

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])

/* "pool_reset is 'x'; it must be ..." */
static qpool_err
bad_value(const qp_pg_word *word, const char *must, qpool_error *error)
{
	bool shown = qp_pg_conninfo_is_plain(word->value);

	return qp_pg_fault_say(error, QPOOL_EINVAL, "%s is %s%s%s; it must be %s", word->name,
	    shown ? "'" : "not", shown ? word->value : " understood", shown ? "'" : "", must);
}

/* The words of SQL may be written as in SQL, with a blank, and in capitals. */
static bool
is_same(const char *given, const char *word)
{
	for (; *given != '\0' && *word != '\0'; given++, word++)
		if (*given == ' ' ? *word != '_' : strncasecmp(given, word, 1) != 0)
			return false;
	return *given == *word;
}

static qpool_err
read_choice(uint32_t *to, const struct choice_row *row, const qp_pg_word *word, qpool_error *error)
{
	char must[120];
	size_t at = 0;

	for (const choice *c = row->choices; c->word != NULL; c++)
		if (is_same(word->value, c->word)) {
			*to = c->value;
			return QPOOL_OK;
		}
	for (const choice *c = row->choices; c->word != NULL; c++)
		at += (size_t)snprintf(must + at, sizeof must - at, "%s%s",
		    at == 0             ? ""
		    : c[1].word == NULL ? " or "
					: ", ",
		    c->word);
	return bad_value(word, must, error);
}

static qpool_err
read_flag(uint32_t *flags, uint32_t flag, const qp_pg_word *word, qpool_error *error)
{
	if (strcmp(word->value, "1") == 0)
		*flags |= flag;
	else if (strcmp(word->value, "0") == 0)
		*flags &= ~flag;
	else
		return bad_value(word, "0 or 1", error);
	return QPOOL_OK;
}

/* "name=value", every byte of the value as %XX; NULL without memory. */
static char *
encode(const char *name, const char *value)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t length = strlen(name);
	char *text = malloc(length + 3 * strlen(value) + 2);
	char *at;

	if (text == NULL)
		return NULL;
	memcpy(text, name, length);
	at = text + length;
	*at++ = '=';
	for (; *value != '\0'; value++) {
		*at++ = '%';
		*at++ = digits[(unsigned char)*value >> 4];
		*at++ = digits[(unsigned char)*value & 15];
	}
	*at = '\0';
	return text;
}

/* What qpool_options_parse said of `name`, said of the word as it was given. */
static qpool_err
retell(const qp_pg_word *word, const char *name, const qpool_error *said, qpool_error *error)
{
	const char *nearest = strstr(said->message, "such as ");

	if (name[0] != '\0' && strncmp(said->message, name, strlen(name)) == 0)
		return qp_pg_fault_say(
		    error, said->code, "%s%s", word->name, said->message + strlen(name));
	if (said->code != QPOOL_EINVAL)
		return qp_pg_fault_say(error, said->code, "%s", said->message);
	if (!qp_pg_conninfo_is_name(word->name))
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "a word of the conninfo that begins with pool_ is no option; it must be pool_ "
		    "and a field of qpool_options or qpool_pg_options");
	return qp_pg_fault_say(error, QPOOL_EINVAL,
	    "%s is no option; it must be pool_ and a field of qpool_options or qpool_pg_options%s%s",
	    word->name, nearest != NULL ? ", such as pool_" : "",
	    nearest != NULL ? nearest + strlen("such as ") : "");
}

/* The pool's own word `name`. */
static qpool_err
read_pool(qpool_options *pool, const char *name, const qp_pg_word *word, qpool_error *error)
{
	qpool_error said = {0};
	char *text = encode(name, word->value);
	qpool_err err;

	if (text == NULL)
		return qp_pg_fault_say(error, QPOOL_ENOMEM, "no memory to read %s", word->name);
	err = qpool_options_parse(pool, text, &said);
	free(text);
	return err == QPOOL_OK ? err : retell(word, name, &said, error);
}

static qpool_err
read_span(qpool_pg_options *options, const struct span_row *row, const qp_pg_word *word,
    qpool_error *error)
{
	qpool_options scratch = qpool_options_init();
	qpool_err err = read_pool(&scratch, row->like, word, error);

	/* The other one is 0. */
	if (err == QPOOL_OK) {
		qpool_nsec span = scratch.max_idle != 0 ? scratch.max_idle : scratch.held_long;
		memcpy((char *)options + row->at, &span, sizeof span);
	}
	return err;
}

qpool_err
qp_pg_option_word(
    qpool_pg_options *options, qpool_options *pool, const qp_pg_word *word, qpool_error *error)
{
	const char *name = word->name + strlen("pool_");

	for (size_t i = 0; i < COUNT_OF(choice_rows); i++)
		if (strcmp(name, choice_rows[i].name) == 0)
			return read_choice(
			    (uint32_t *)(void *)((char *)options + choice_rows[i].at),
			    &choice_rows[i], word, error);
	for (const choice *row = flag_rows; row->word != NULL; row++)
		if (strcmp(name, row->word) == 0)
			return read_flag(&options->flags, row->value, word, error);
	for (size_t i = 0; i < COUNT_OF(span_rows); i++)
		if (strcmp(name, span_rows[i].name) == 0)
			return read_span(options, &span_rows[i], word, error);
	for (size_t i = 0; i < COUNT_OF(pointers); i++)
		if (strcmp(name, pointers[i]) == 0)
			return qp_pg_fault_say(error, QPOOL_EINVAL,
			    "%s cannot be given as text; it must be set in the program",
			    word->name);
	return read_pool(pool, name, word, error);
}

/* ---- what is in range ---- */

int64_t
qp_pg_option_msec(qpool_nsec span)
{
	if (span == 0)
		return -1;
	if (span == QPOOL_ZERO || span == QPOOL_FOREVER)
		return 0;
	return (span - 1) / 1000000 + 1;
}

/* The server keeps its limits as whole milliseconds in an int. */
static qpool_err
check_limit(const char *name, qpool_nsec span, qpool_error *error)
{
	if (span == QPOOL_ZERO || span == QPOOL_FOREVER ||
	    (span >= 0 && span <= QPOOL_MSEC(INT_MAX)))
		return QPOOL_OK;
	return qp_pg_fault_say(error, QPOOL_EINVAL,
	    "%s is %" PRId64 " ns; it must be 0 (the default, the server's own), 1 ns to %d ms, "
	    "QPOOL_ZERO or QPOOL_FOREVER (none)",
	    name, span, INT_MAX);
}

static qpool_err
check_spans(const qpool_pg_options *options, qpool_error *error)
{
	qpool_err err;

	if ((err = check_limit("statement_timeout", options->statement_timeout, error)) !=
		QPOOL_OK ||
	    (err = check_limit("lock_timeout", options->lock_timeout, error)) != QPOOL_OK ||
	    (err = check_limit("idle_in_transaction_session_timeout",
		 options->idle_in_transaction_session_timeout, error)) != QPOOL_OK)
		return err;
	if (options->call_timeout == QPOOL_ZERO)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "call_timeout is QPOOL_ZERO, in which nothing can be answered; it must be 0 "
		    "(the default, forever), a positive number of nanoseconds or QPOOL_FOREVER");
	if (options->call_timeout < 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "call_timeout is %" PRId64 " ns; it must be 0 (the default, forever), a "
		    "positive number of nanoseconds or QPOOL_FOREVER",
		    options->call_timeout);
	return QPOOL_OK;
}

static qpool_err
check_choices(const qpool_pg_options *options, qpool_error *error)
{
	if (options->reset > QPOOL_PG_RESET_FULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "reset is %" PRIu32 "; it must be QPOOL_PG_RESET_ROLLBACK (0, the default), "
		    "_NONE (1), _SMART (2) or _FULL (3)",
		    options->reset);
	if (options->isolation_level > QPOOL_PG_SERIALIZABLE)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "isolation_level is %" PRIu32 "; it must be QPOOL_PG_ISOLATION_DEFAULT (0), "
		    "QPOOL_PG_READ_UNCOMMITTED (1), _READ_COMMITTED (2), _REPEATABLE_READ (3) or "
		    "_SERIALIZABLE (4)",
		    options->isolation_level);
	if (options->pooler > QPOOL_PG_POOLER_TRANSACTION)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "pooler is %" PRIu32 "; it must be QPOOL_PG_POOLER_NONE (0, the default) or "
		    "QPOOL_PG_POOLER_TRANSACTION (1)",
		    options->pooler);
	return QPOOL_OK;
}

static qpool_err
check_flags(uint32_t flags, qpool_error *error)
{
	const uint32_t access = QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE;
	const uint32_t known = access | QPOOL_PG_DEFERRABLE | QPOOL_PG_TRANSACTION;

	if ((flags & ~known) != 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "flags is 0x%" PRIx32 ", of which 0x%" PRIx32 " is unknown; it must be of "
		    "QPOOL_PG_READ_ONLY (1), _READ_WRITE (2), _DEFERRABLE (4), _TRANSACTION (8)",
		    flags, flags & ~known);
	if ((flags & access) == access)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "flags has QPOOL_PG_READ_ONLY (read_only) and QPOOL_PG_READ_WRITE "
		    "(read_write); it must have at most one of them");
	return QPOOL_OK;
}

static qpool_err
check_statements(const qpool_pg_options *options, qpool_error *error)
{
	if (options->at_connect == NULL)
		return QPOOL_OK;
	for (size_t i = 0; options->at_connect[i] != NULL; i++)
		if (options->at_connect[i][0] == '\0')
			return qp_pg_fault_say(error, QPOOL_EINVAL,
			    "at_connect[%zu] is empty; it must be one SQL statement, or NULL at "
			    "the end of the list",
			    i);
	return QPOOL_OK;
}

/* ---- what goes together ---- */

static const char *const reset_names[] = {"rollback", "none", "smart", "full"};

/* What a session would have to remember: behind a transaction pooler the next statement may run in
 * another one. */
static const char *
session_state(const qpool_pg_options *options)
{
	if (options->at_connect != NULL && options->at_connect[0] != NULL)
		return "at_connect";
	return options->on_dirty != NULL ? "on_dirty" : NULL;
}

static const char *
transaction_setting(const qpool_pg_options *options)
{
	if (options->isolation_level != QPOOL_PG_ISOLATION_DEFAULT)
		return "isolation_level";
	for (const choice *row = flag_rows; row->value != QPOOL_PG_TRANSACTION; row++)
		if ((options->flags & row->value) != 0)
			return row->word;
	if (options->statement_timeout != 0)
		return "statement_timeout";
	if (options->lock_timeout != 0)
		return "lock_timeout";
	return options->idle_in_transaction_session_timeout != 0
	           ? "idle_in_transaction_session_timeout"
	           : NULL;
}

static qpool_err
check_pooler(const qpool_pg_options *options, qpool_error *error)
{
	const char *name;

	if (options->reset == QPOOL_PG_RESET_SMART || options->reset == QPOOL_PG_RESET_FULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "reset is %s, which behind a pooler in transaction mode would reset the "
		    "session of another client; it must be rollback or none",
		    reset_names[options->reset]);
	if ((name = session_state(options)) != NULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "%s is set, but a pooler in transaction mode keeps no session state; leave it "
		    "NULL",
		    name);
	name = transaction_setting(options);
	if (name != NULL && (options->flags & QPOOL_PG_TRANSACTION) == 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "%s is set, but behind a pooler in transaction mode it can travel in BEGIN "
		    "only; set QPOOL_PG_TRANSACTION (pool_transaction=1) too, or leave it at its "
		    "default",
		    name);
	return QPOOL_OK;
}

qpool_err
qp_pg_option_check(const qpool_pg_options *options, qpool_error *error)
{
	qpool_err err;

	if ((err = check_choices(options, error)) != QPOOL_OK ||
	    (err = check_flags(options->flags, error)) != QPOOL_OK ||
	    (err = check_spans(options, error)) != QPOOL_OK ||
	    (err = check_statements(options, error)) != QPOOL_OK)
		return err;
	if (options->on_return != NULL && options->reset != QPOOL_PG_RESET_ROLLBACK)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "on_return is set and reset is %s; on_return goes with reset rollback only",
		    reset_names[options->reset]);
	if (options->on_dirty != NULL && options->reset == QPOOL_PG_RESET_NONE)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "on_dirty is set and reset is none, which asks the server nothing; on_dirty goes "
		    "with the other resets");
	return options->pooler == QPOOL_PG_POOLER_TRANSACTION ? check_pooler(options, error)
	                                                      : QPOOL_OK;
}
