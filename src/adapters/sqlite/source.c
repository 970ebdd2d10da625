/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: checks the options, one rule per function, and copies what a connection needs later.
 */
#include "source.h"

#include "fault.h"
#include "target.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#ifndef SQLITE_OPEN_EXRESCODE
#define SQLITE_OPEN_EXRESCODE 0
#endif

enum { DEFAULT_BUSY_MS = 5000 };

/* "off" is missing: SQLite says that ROLLBACK does not work with it, and what the pool promises
 * the next holder of a connection depends on ROLLBACK. */
static const char *const journal_modes[] = {
    "wal", "delete", "truncate", "persist", "memory", "keep"};

static qpool_err
read_struct(qpool_sqlite_options *to, const qpool_sqlite_options *from, qpool_error *error)
{
	size_t size;
	const unsigned char *bytes = (const void *)from;

	memset(to, 0, sizeof *to);
	if (from == NULL)
		return QPOOL_OK;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "qpool_sqlite_options.size is %zu; start from qpool_sqlite_options_init()",
		    size);
	for (size_t i = sizeof *to; i < size; i++)
		if (bytes[i] != 0)
			return qp_sqlite_fault_say(error, QPOOL_ENOTSUP,
			    "qpool_sqlite_options is %zu bytes long and sets what this library "
			    "(%zu bytes) does not know, at byte %zu; use a newer one or leave it 0",
			    size, sizeof *to, i);
	memcpy(to, from, size < sizeof *to ? size : sizeof *to);
	return QPOOL_OK;
}

static qpool_err
read_flags(qp_sqlite_source *source, int32_t flags, qpool_error *error)
{
	const int access = SQLITE_OPEN_READONLY | SQLITE_OPEN_READWRITE;
	const int known = access | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_MEMORY |
	                  SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_SHAREDCACHE | SQLITE_OPEN_PRIVATECACHE |
	                  SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	int one = flags & access;

	if (flags == 0)
		flags = one = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	if ((flags & ~known) != 0)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "open_flags is 0x%" PRIx32 ", of which 0x%" PRIx32
		    " may not be set; it must be 0 "
		    "(the default) or of those in queuepool/sqlite.h",
		    (uint32_t)flags, (uint32_t)(flags & ~known));
	if (one == 0 || one == access ||
	    (one == SQLITE_OPEN_READONLY && (flags & SQLITE_OPEN_CREATE) != 0))
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "open_flags is 0x%" PRIx32 "; it must be 0 (the default) or hold one of "
		    "SQLITE_OPEN_READONLY (1) and SQLITE_OPEN_READWRITE (2), SQLITE_OPEN_CREATE "
		    "(4) only with the latter",
		    (uint32_t)flags);
	source->open_flags = flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
	return QPOOL_OK;
}

static qpool_err
read_busy(qp_sqlite_source *source, qpool_nsec busy, qpool_error *error)
{
	const int64_t most = (int64_t)INT_MAX * 1000000;

	if (busy == 0)
		source->busy_ms = DEFAULT_BUSY_MS;
	else if (busy == QPOOL_ZERO)
		source->busy_ms = 0;
	else if (busy == QPOOL_FOREVER)
		source->busy_ms = INT_MAX;
	else if (busy > 0 && busy <= most)
		source->busy_ms = (int)((busy + 999999) / 1000000);
	else
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "busy_timeout is %" PRId64
		    " ns; it must be 0 (the default, 5 s), 1 ns to %d ms, "
		    "QPOOL_ZERO or QPOOL_FOREVER",
		    busy, INT_MAX);
	return QPOOL_OK;
}

static qpool_err
read_journal(qp_sqlite_source *source, const char *mode, qpool_error *error)
{
	if (mode == NULL)
		return QPOOL_OK;
	for (size_t i = 0; i < sizeof journal_modes / sizeof journal_modes[0]; i++)
		if (sqlite3_stricmp(mode, journal_modes[i]) == 0) {
			source->keeps_journal_mode = strcmp(journal_modes[i], "keep") == 0;
			source->journal_mode = journal_modes[i];
			return QPOOL_OK;
		}
	if (sqlite3_stricmp(mode, "off") == 0)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "journal_mode is \"off\", with which nothing can be rolled back; it "
		    "must be \"wal\", \"delete\", \"truncate\", \"persist\", \"memory\" or "
		    "\"keep\"");
	return qp_sqlite_fault_say(error, QPOOL_EINVAL,
	    "journal_mode is \"%.32s\"; it must be NULL (the default, wal for files), \"wal\", "
	    "\"delete\", \"truncate\", \"persist\", \"memory\" or \"keep\"",
	    mode);
}

static size_t
word_length(const char *at)
{
	size_t length = 0;

	while (isalnum((unsigned char)at[length]) || at[length] == '_')
		length++;
	return length;
}

static bool
is_word(const char *at, size_t length, const char *word)
{
	return strlen(word) == length && sqlite3_strnicmp(at, word, (int)length) == 0;
}

/* A key may be in PRAGMA key = ..., ATTACH ... KEY ..., 'file:...?key=...' and the
 * like.  Mistaking other SQL for a key only costs a message some detail; PRIMARY KEY
 * and FOREIGN KEY are recognised. */
static bool
holds_key(const char *sql)
{
	static const char *const keys[] = {
	    "key", "rekey", "hexkey", "hexrekey", "textkey", "textrekey"};
	bool is_constraint = false;

	while (*sql != '\0') {
		size_t length = word_length(sql);
		if (length == 0) {
			sql++;
			continue;
		}
		for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !is_constraint; i++)
			if (is_word(sql, length, keys[i]))
				return true;
		is_constraint = is_word(sql, length, "primary") || is_word(sql, length, "foreign");
		sql += length;
	}
	return false;
}

/* NULL stays NULL. */
static bool
copy(char **to, const char *text)
{
	size_t size;

	if (text == NULL)
		return true;
	size = strlen(text) + 1;
	*to = sqlite3_malloc64(size);
	if (*to != NULL)
		memcpy(*to, text, size);
	return *to != NULL;
}

static bool
copy_all(qp_sqlite_source *source, const char *target, const qpool_sqlite_options *options)
{
	bool out_of_memory;

	if (!copy(&source->target, target) || !copy(&source->at_open, options->at_open) ||
	    !copy(&source->vfs, options->vfs))
		return false;
	source->file =
	    qp_sqlite_target_file(target, options->vfs, source->open_flags, &out_of_memory);
	source->hides_sql = options->at_open != NULL && holds_key(options->at_open);
	return !out_of_memory && qp_sqlite_target_show(target, source->shown, sizeof source->shown);
}

static qpool_err
read_all(qp_sqlite_source *source, const qpool_sqlite_options *options, qpool_error *error)
{
	qpool_err err;

	if ((err = read_flags(source, options->open_flags, error)) != QPOOL_OK ||
	    (err = read_busy(source, options->busy_timeout, error)) != QPOOL_OK ||
	    (err = read_journal(source, options->journal_mode, error)) != QPOOL_OK)
		return err;
	if (options->strict > 1)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "strict is %" PRIu32 "; it must be 0 (the default) or 1", options->strict);
	if (options->vfs != NULL && options->vfs[0] == '\0')
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "vfs is \"\"; it must be NULL (the default) or the name of a VFS");
	source->strict = options->strict == 1;
	return QPOOL_OK;
}

qpool_err
qp_sqlite_source_make(qp_sqlite_source **out, const char *target, const qpool_sqlite_options *given,
    qpool_error *error)
{
	qpool_sqlite_options options;
	qp_sqlite_source blank = {0};
	qp_sqlite_source *source;
	qpool_err err;

	if ((err = qp_sqlite_target_check(target, error)) != QPOOL_OK ||
	    (err = read_struct(&options, given, error)) != QPOOL_OK ||
	    (err = read_all(&blank, &options, error)) != QPOOL_OK)
		return err;
	source = sqlite3_malloc64(sizeof *source);
	if (source != NULL) {
		memcpy(source, &blank, sizeof blank);
		atomic_init(&source->temp_print, 0);
		atomic_init(&source->attached_print, 0);
		atomic_init(&source->live, 0);
		atomic_init(&source->process, (int)getpid());
		if (copy_all(source, target, &options)) {
			*out = source;
			return QPOOL_OK;
		}
	}
	qp_sqlite_source_free(source);
	return qp_sqlite_fault_say(
	    error, QPOOL_ENOMEM, "no memory for a pool of SQLite connections");
}

bool
qp_sqlite_source_enter(qp_sqlite_source *source)
{
	int here = (int)getpid();

	/* Read `process` again: if the count is not 0 because a second thread of the child got
	 * here first, that thread has set `process` before. */
	if (atomic_load(&source->process) != here) {
		if (atomic_load(&source->live) != 0 && atomic_load(&source->process) != here)
			return false;
		atomic_store(&source->process, here);
	}
	(void)atomic_fetch_add(&source->live, 1);
	return true;
}

void
qp_sqlite_source_leave(qp_sqlite_source *source)
{
	(void)atomic_fetch_sub(&source->live, 1);
}

void
qp_sqlite_source_free(qp_sqlite_source *source)
{
	if (source == NULL)
		return;
	sqlite3_free(source->target);
	sqlite3_free(source->file);
	sqlite3_free(source->at_open);
	sqlite3_free(source->vfs);
	sqlite3_free(source);
}
