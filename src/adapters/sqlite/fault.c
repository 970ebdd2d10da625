/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: which results are final, what to advise on each, and how a message is composed: the
 * target, the step, SQLite's words, the system's words, the code, the advice.
 */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void
qp_sqlite_fault_clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* A message that was cut may end inside a UTF-8 character: drop the fragment. */
static void
trim(char *text, size_t length)
{
	size_t at = length;

	while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (unsigned char)text[at - 1] >= 0xc0)
		text[at - 1] = '\0';
}

static void
write_message(qpool_error *error, const char *format, va_list arguments)
{
	int length = vsnprintf(error->message, sizeof error->message, format, arguments);

	if (length < 0)
		error->message[0] = '\0';
	else if ((size_t)length >= sizeof error->message)
		trim(error->message, sizeof error->message - 1);
	qp_sqlite_fault_clean(error->message);
}

qpool_err
qp_sqlite_fault_say(qpool_error *error, qpool_err code, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return code;
	memset(error, 0, sizeof *error);
	error->code = code;
	va_start(arguments, format);
	write_message(error, format, arguments);
	va_end(arguments);
	return code;
}

/* Is the system short of something for the moment?  Any other errno lasts until somebody acts. */
static bool
will_pass(int sys_errno)
{
	switch (sys_errno) {
	case EAGAIN:
	case EDQUOT:
	case EINTR:
	case EIO:
	case ENOMEM:
	case ENOSPC:
	case ESTALE:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static qpool_err
classify(int rc, int sys_errno)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return QPOOL_ENOMEM;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return QPOOL_ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_IOERR:
	case SQLITE_FULL:
	case SQLITE_PROTOCOL:
	case SQLITE_INTERRUPT:
	case SQLITE_SCHEMA:
	case SQLITE_ABORT:
		return QPOOL_EOPEN;
	case SQLITE_CANTOPEN:
		if (sys_errno == EMFILE || sys_errno == ENFILE)
			return QPOOL_EFULL;
		return will_pass(sys_errno) ? QPOOL_EOPEN : QPOOL_EDENIED;
	default:
		return QPOOL_EDENIED;
	}
}

static const char *
hint_on_file(int sys_errno)
{
	switch (sys_errno) {
	case ENOENT:
	case ENOTDIR:
		return "mend the path, create its folder, or add SQLITE_OPEN_CREATE";
	case EACCES:
	case EPERM:
		return "give this user permission on the file and its folder";
	case EROFS:
		return "the file system is read-only: open with SQLITE_OPEN_READONLY";
	case EMFILE:
	case ENFILE:
		return "raise the limit on open files (ulimit -n) or lower max_size";
	default:
		return "look at the path, its folder and their permissions";
	}
}

static const char *
hint_on(int rc, int sys_errno)
{
	switch (rc & 0xff) {
	case SQLITE_CANTOPEN:
		return rc == SQLITE_CANTOPEN_SYMLINK
		           ? "name the file itself: SQLITE_OPEN_NOFOLLOW is set"
		           : hint_on_file(sys_errno);
	case SQLITE_NOTADB:
		return "give a SQLite database, or the key if it is an encrypted one";
	case SQLITE_CORRUPT:
		return "look with PRAGMA integrity_check, restore from a backup";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "end the other transaction, or raise busy_timeout and open_budget";
	case SQLITE_READONLY:
		return "make file and folder writable, or open with SQLITE_OPEN_READONLY";
	case SQLITE_FULL:
		return "free space on the disk, or raise max_page_count";
	case SQLITE_IOERR:
		return "look at the disk and the system's log";
	case SQLITE_INTERRUPT:
		return "raise open_budget, or give it less to do";
	case SQLITE_NOMEM:
		return "free memory";
	default:
		return "mend the target or the option";
	}
}

/* The errno is valid only for these codes; for others SQLite keeps an older one. */
static int
errno_of(sqlite3 *db, int rc)
{
	int primary = rc & 0xff;

	if (db == NULL || rc == SQLITE_CANTOPEN_SYMLINK ||
	    (primary != SQLITE_CANTOPEN && primary != SQLITE_IOERR))
		return 0;
	return sqlite3_system_errno(db);
}

static const char *
words_of(const qp_sqlite_source *source, sqlite3 *db, int rc)
{
	/* SQLite's message may quote SQL, and with it a key. */
	return db == NULL || source->hides_sql ? sqlite3_errstr(rc) : sqlite3_errmsg(db);
}

/* ", No such file or directory", or nothing. */
static void
write_system(char *out, size_t room, int sys_errno)
{
	char text[64];

	out[0] = '\0';
	if (sys_errno != 0)
		(void)snprintf(out, room, ", %s", strerror_r(sys_errno, text, sizeof text));
}

static void
write_codes(qpool_error *error, int rc, int sys_errno)
{
	if (error == NULL)
		return;
	error->sys_errno = sys_errno;
	(void)snprintf(error->native, sizeof error->native, "%d", rc);
}

qpool_err
qp_sqlite_fault_open(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step)
{
	int sys_errno = errno_of(db, rc);
	qpool_err code = classify(rc, sys_errno);
	char system[72];

	write_system(system, sizeof system, sys_errno);
	(void)qp_sqlite_fault_say(error, code, "sqlite \"%s\": %s: %.72s%s (SQLite %d); %s",
	    source->shown, step, words_of(source, db, rc), system, rc, hint_on(rc, sys_errno));
	write_codes(error, rc, sys_errno);
	return code;
}

qpool_err
qp_sqlite_fault_deny(qpool_error *error, const qp_sqlite_source *source, int sys_errno,
    const char *what, const char *hint)
{
	char system[72];

	write_system(system, sizeof system, sys_errno);
	(void)qp_sqlite_fault_say(
	    error, QPOOL_EDENIED, "sqlite \"%s\": %s%s; %s", source->shown, what, system, hint);
	if (error != NULL)
		error->sys_errno = sys_errno;
	return QPOOL_EDENIED;
}

qpool_err
qp_sqlite_fault_session(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step)
{
	int sys_errno = errno_of(db, rc);
	char system[72];

	write_system(system, sizeof system, sys_errno);
	(void)qp_sqlite_fault_say(error, QPOOL_ECHECK, "sqlite \"%s\": %s: %.72s%s (SQLite %d)",
	    source->shown, step, words_of(source, db, rc), system, rc);
	write_codes(error, rc, sys_errno);
	return QPOOL_ECHECK;
}
