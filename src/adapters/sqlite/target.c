/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target: file:[//authority]path[?name=value[&name=value]...][#fragment], %HH decoded.
 */
#include "target.h"

#include "fault.h"

#include <ctype.h>

/* Parameters whose value is no secret.  Any other may be the key of an encrypting build, under
 * whatever name that build uses, even spelt with %HH. */
static const char *const harmless[] = {
    "cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs"};

static bool
is_uri(const char *target)
{
	return strncmp(target, "file:", 5) == 0;
}

/* Where the path begins: after "file:" and an authority, if there is one. */
static const char *
path_of(const char *uri)
{
	const char *at = uri + 5;

	if (at[0] == '/' && at[1] == '/')
		at += 2 + strcspn(at + 2, "/");
	return at;
}

qpool_err
qp_sqlite_target_check(const char *target, qpool_error *error)
{
	const char *host;
	size_t length;

	if (target == NULL || target[0] == '\0')
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "target is %s; it must be the path of a SQLite database, \":memory:\" or a "
		    "\"file:\" URI",
		    target == NULL ? "NULL" : "empty");
	if (!is_uri(target) || target[5] != '/' || target[6] != '/')
		return QPOOL_OK;
	host = target + 7;
	length = (size_t)(path_of(target) - host);
	/* This part may be "user:password@host", so the message does not repeat it. */
	if (length > 0 && (length != 9 || memcmp(host, "localhost", 9) != 0))
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "target names a host after \"file://\"; SQLite opens files of this machine: "
		    "write file:///absolute/path or file:path");
	return QPOOL_OK;
}

static bool
is_harmless(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		if (strlen(harmless[i]) == length && memcmp(harmless[i], name, length) == 0)
			return true;
	return false;
}

/* The query, from its '?' to the end, with the values of unknown parameters replaced. */
static void
append_masked(sqlite3_str *text, const char *query)
{
	const char *at = query;

	while (*at != '\0' && *at != '#') {
		size_t name = strcspn(at + 1, "=&#");
		const char *value = at + 1 + name;
		size_t length = *value == '=' ? strcspn(value, "&#") : 0;

		sqlite3_str_append(text, at, (int)(1 + name));
		if (length > 1 && !is_harmless(at + 1, name))
			sqlite3_str_appendall(text, "=***");
		else
			sqlite3_str_append(text, value, (int)length);
		at = value + length;
	}
}

/* Move `at` back so that a cut there does not split a UTF-8 character. */
static size_t
boundary(const char *text, size_t at)
{
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static void
shorten(const char *text, char *out, size_t room)
{
	size_t length = strlen(text);
	size_t head, tail;

	if (length < room) {
		memcpy(out, text, length + 1);
		return;
	}
	/* The end of a path says more than its beginning. */
	head = boundary(text, room / 3);
	tail = length - (room - 4 - room / 3);
	while (((unsigned char)text[tail] & 0xc0) == 0x80)
		tail++;
	memcpy(out, text, head);
	memcpy(out + head, "...", 3);
	memcpy(out + head + 3, text + tail, length - tail + 1);
}

bool
qp_sqlite_target_show(const char *target, char *out, size_t room)
{
	sqlite3_str *text = sqlite3_str_new(NULL);
	size_t plain = is_uri(target) ? strcspn(target, "?#") : strlen(target);
	char *shown;

	sqlite3_str_append(text, target, (int)plain);
	if (target[plain] == '?')
		append_masked(text, target + plain);
	shown = sqlite3_str_finish(text);
	if (shown == NULL)
		return false;
	qp_sqlite_fault_clean(shown);
	shorten(shown, out, room);
	sqlite3_free(shown);
	return true;
}

static int
hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return (digit | 0x20) - 'a' + 10;
}

static void
decode(const char *from, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		char byte = from[i];
		if (byte == '%' && i + 2 < length && isxdigit((unsigned char)from[i + 1]) &&
		    isxdigit((unsigned char)from[i + 2])) {
			byte = (char)(hex(from[i + 1]) * 16 + hex(from[i + 2]));
			i += 2;
		}
		*out++ = byte;
	}
	*out = '\0';
}

/* Does the query have a parameter `name` whose value begins with `value`? */
static bool
query_has(const char *query, const char *name, const char *value)
{
	size_t length = strlen(name);

	while (*query != '\0' && *query != '#') {
		const char *at = query + 1;
		if (strncmp(at, name, length) == 0 && at[length] == '=' &&
		    strncmp(at + length + 1, value, strlen(value)) == 0)
			return true;
		query = at + strcspn(at, "&#");
	}
	return false;
}

/* Only the "unix" VFSes of this system open the path they are given. */
static bool
is_unix(const char *vfs)
{
	return vfs == NULL || strncmp(vfs, "unix", 4) == 0;
}

char *
qp_sqlite_target_file(const char *target, const char *vfs, int open_flags, bool *out_of_memory)
{
	bool uri = is_uri(target);
	const char *path = uri ? path_of(target) : target;
	size_t length = uri ? strcspn(path, "?#") : strlen(path);
	char *file;

	*out_of_memory = false;
	if ((open_flags & SQLITE_OPEN_MEMORY) != 0 || !is_unix(vfs))
		return NULL;
	if (uri &&
	    (query_has(path + length, "mode", "memory") || query_has(path + length, "vfs", "")) &&
	    !query_has(path + length, "vfs", "unix"))
		return NULL;
	file = sqlite3_malloc64(length + 1);
	*out_of_memory = file == NULL;
	if (file == NULL)
		return NULL;
	if (uri)
		decode(path, length, file);
	else
		memcpy(file, path, length + 1);
	if (file[0] != '\0' && strcmp(file, ":memory:") != 0)
		return file;
	sqlite3_free(file);
	return NULL;
}
