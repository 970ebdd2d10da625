/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options_parse: qpool_options_parse on any bytes.  What it must hold to whatever comes: a text is understood or
 * refused; refused, it changes nothing and says why in one printable sentence; understood, it means the same the
 * second time, and qpool_create takes it but for the two ranges that depend on two options.  Knows the public
 * header only; whoever calls is libFuzzer, or seeds.c with the corpus.
 */
#include <queuepool.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                    \
	do {                                                               \
		if (!(condition))                                          \
			broken(#condition, __LINE__, text, error.message); \
	} while (0)

static void
broken(const char *what, int line, const char *text, const char *said)
{
	(void)fprintf(stderr, "options_parse.c:%d: not so: %s\n  text: %s\n  said: %s\n", line,
	    what, text, said);
	abort();
}

/* ---- a failure ---- */

static bool
is_one_sentence(const char *message)
{
	size_t length = strnlen(message, sizeof((qpool_error *)NULL)->message);

	if (length == 0 || length >= sizeof((qpool_error *)NULL)->message)
		return false;
	for (size_t i = 0; i < length; i++)
		if (message[i] < ' ' || message[i] > '~')
			return false;
	return true;
}

static void
look_at_refusal(const char *text, const qpool_options *after, const qpool_options *before,
    const qpool_error *said)
{
	qpool_error error = *said;

	MUST(memcmp(after, before, sizeof *after) == 0);
	MUST(error.sys_errno == 0 && error.native[0] == '\0');
	MUST(is_one_sentence(error.message));
	MUST(strstr(error.message, "must") != NULL);
}

/* ---- a success ---- */

static qpool_err
opens(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_EOPEN;
}

static void
closes(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

/* What was understood is in range by itself: create refuses only what contradicts itself. */
static void
make(const char *text, const qpool_options *options)
{
	qpool_options few = *options;
	qpool_ops ops = qpool_ops_init();
	qpool_error error;
	qpool *pool = NULL;
	qpool_err err;

	ops.kind = "fuzz";
	ops.open = opens;
	ops.close = closes;
	if (few.max_size > 64 && few.max_size <= 65535)
		few.max_size = 64; /* memory for more says nothing new */
	if (few.min_idle > 64 && few.min_idle <= 65535)
		few.min_idle = 64;
	memset(&error, 0, sizeof error);
	err = qpool_create(&pool, &few, &ops, NULL, &error);
	if (err == QPOOL_OK)
		MUST(few.name_text[0] == '\0' || strcmp(qpool_name(pool), few.name_text) == 0);
	else
		MUST(
		    err == QPOOL_EINVAL && (strstr(error.message, "at most max_size") != NULL ||
					       strstr(error.message, "at most retry_max") != NULL));
	qpool_free(pool);
}

static void
look_at_success(const char *text, const qpool_options *after)
{
	qpool_options again = *after;
	qpool_error error;

	memset(&error, 0, sizeof error);
	MUST(qpool_options_parse(&again, text, &error) == QPOOL_OK);
	MUST(memcmp(&again, after, sizeof again) == 0);
	MUST(memchr(after->name_text, '\0', sizeof after->name_text) != NULL);
	MUST(after->size == sizeof *after && after->reserved_ == 0);
	MUST(after->on_event == NULL && after->event_user == NULL && after->name == NULL);
	make(text, after);
}

/* ---- both ---- */

/* A program built when the struct ended before name_text gets the same, but no name; what lies behind its struct
 * is not touched. */
static void
parse_into_older(const char *text, const qpool_options *newer, qpool_err expected)
{
	qpool_options older = qpool_options_init(), whole = *newer;
	qpool_error error;
	qpool_err err;

	memset(&error, 0, sizeof error);
	older.size = offsetof(qpool_options, name_text);
	memset(older.name_text, 'x', sizeof older.name_text);
	err = qpool_options_parse(&older, text, &error);
	MUST(err == expected || err == QPOOL_ENOTSUP);
	for (size_t i = 0; i < sizeof older.name_text; i++)
		MUST(older.name_text[i] == 'x');
	whole.size = older.size;
	if (err == QPOOL_OK)
		MUST(memcmp(&older, &whole, older.size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	qpool_options options = qpool_options_init(), before = options;
	char *text = malloc(size + 1);
	qpool_error error;
	qpool_err err;

	if (text == NULL)
		return 0;
	if (size > 0 && data[size - 1] == '\n') /* as files of the corpus end */
		size--;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&error, 0, sizeof error);
	err = qpool_options_parse(&options, text, &error);
	MUST(error.code == err);
	MUST(err == QPOOL_OK || err == QPOOL_EINVAL);
	if (err == QPOOL_OK)
		look_at_success(text, &options);
	else
		look_at_refusal(text, &options, &before, &error);
	MUST(qpool_options_parse(&before, text, NULL) == err);
	parse_into_older(text, &options, err);
	free(text);
	return 0;
}
