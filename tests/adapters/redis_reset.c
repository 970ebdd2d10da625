/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_reset: the table of docs/REDIS.md, on a real server: what each policy makes of each leftover,
 * and how many round trips the return takes.  The page is compared with it.  The library finds this
 * program's send and recv, which count.
 */
#include "redis_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static redis_server *server;
static unsigned trips;
static bool was_sending;

/* Under libc's names, whose declarations are in the way. */
#define FOUND __attribute__((visibility("default")))
FOUND ssize_t our_send(int fd, const void *bytes, size_t length, int flags) __asm__("send");
FOUND ssize_t our_recv(int fd, void *bytes, size_t length, int flags) __asm__("recv");

ssize_t
our_send(int fd, const void *bytes, size_t length, int flags)
{
	trips += !was_sending;
	was_sending = true;
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t
our_recv(int fd, void *bytes, size_t length, int flags)
{
	was_sending = false;
	return syscall(SYS_recvfrom, fd, bytes, length, flags, NULL, NULL);
}

/* ---- the rows ---- */

static void
nothing(qpool_lease *lease)
{
	(void)lease;
}

static void
reads_and_writes(qpool_lease *lease)
{
	kit_do(lease, "SET k v");
	kit_do(lease, "GET k");
}

static void
multi(qpool_lease *lease)
{
	kit_do(lease, "MULTI");
	kit_do(lease, "SET k w");
}

static void
multi_exec(qpool_lease *lease)
{
	multi(lease);
	kit_do(lease, "EXEC");
}

static void
multi_discard(qpool_lease *lease)
{
	multi(lease);
	kit_do(lease, "DISCARD");
}

static void
refused(qpool_lease *lease, const char *command)
{
	qpool_error error;

	assert_int_equal(qpool_redis_command(lease, NULL, &error, command), QPOOL_EPEER);
}

static void
multi_failed(qpool_lease *lease)
{
	multi(lease);
	refused(lease, "NOSUCHCOMMAND");
	refused(lease, "EXEC");
}

static void
watch(qpool_lease *lease)
{
	kit_do(lease, "WATCH k");
}

static void
watch_unwatch(qpool_lease *lease)
{
	watch(lease);
	kit_do(lease, "UNWATCH");
}

static void
watch_multi_unwatch(qpool_lease *lease)
{
	watch(lease);
	kit_do(lease, "MULTI");
	kit_do(lease, "UNWATCH");
}

static void
subscribe(qpool_lease *lease)
{
	kit_do(lease, "SUBSCRIBE news");
}

static void
subscribe_unread(qpool_lease *lease)
{
	subscribe(lease);
	for (unsigned i = 0; i < 3; i++)
		redis_do(server, "PUBLISH news item");
}

static void
monitor(qpool_lease *lease)
{
	kit_do(lease, "MONITOR");
	redis_do(server, "SET k x");
}

static void
select_db(qpool_lease *lease)
{
	kit_do(lease, "SELECT 7");
}

static void
other_user(qpool_lease *lease)
{
	kit_do(lease, "AUTH admin x");
}

static void
set_name(qpool_lease *lease)
{
	kit_do(lease, "CLIENT SETNAME other");
}

static void
tracking(qpool_lease *lease)
{
	kit_do(lease, "CLIENT TRACKING ON BCAST");
}

static void
no_evict(qpool_lease *lease)
{
	kit_do(lease, "CLIENT NO-EVICT ON");
}

static void
script_debug(qpool_lease *lease)
{
	kit_do(lease, "SCRIPT DEBUG SYNC");
}

static void
quit(qpool_lease *lease)
{
	kit_do(lease, "QUIT");
}

static void
client_id(qpool_lease *lease)
{
	kit_do(lease, "CLIENT ID");
}

static void
append(qpool_lease *lease, const char *command)
{
	qpool_error error;

	assert_int_equal(qpool_redis_append(lease, &error, command), QPOOL_OK);
}

static void
pipeline_unsent(qpool_lease *lease)
{
	append(lease, "SET k y");
}

static void
read_replies(qpool_lease *lease, unsigned count)
{
	qpool_error error;

	for (; count > 0; count--)
		assert_int_equal(qpool_redis_reply(lease, NULL, &error), QPOOL_OK);
}

static void
pipeline_unread(qpool_lease *lease)
{
	append(lease, "GET k");
	append(lease, "GET k");
	read_replies(lease, 1);
}

/* It comes when somebody else has the session. */
static void
pipeline_late(qpool_lease *lease)
{
	append(lease, "GET k");
	append(lease, "BLPOP none 0.3");
	read_replies(lease, 1);
}

static void
pipeline_multi(qpool_lease *lease)
{
	append(lease, "MULTI");
	append(lease, "SET k z");
	append(lease, "EXEC");
	append(lease, "GET k");
	read_replies(lease, 4);
}

static void
plain(qpool_lease *lease)
{
	assert_non_null(qpool_redis_unguarded_context(lease));
}

static void
plain_do(qpool_lease *lease, const char *command)
{
	redisReply *reply = redisCommand(qpool_redis_unguarded_context(lease), command);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
}

static void
plain_multi(qpool_lease *lease)
{
	plain_do(lease, "MULTI");
}

static void
plain_watch(qpool_lease *lease)
{
	plain_do(lease, "WATCH k");
}

static void
plain_subscribe(qpool_lease *lease)
{
	plain_do(lease, "SUBSCRIBE news");
}

static void
plain_select(qpool_lease *lease)
{
	plain_do(lease, "SELECT 7");
}

static void
plain_unsent(qpool_lease *lease)
{
	assert_int_equal(
	    redisAppendCommand(qpool_redis_unguarded_context(lease), "GET k"), REDIS_OK);
}

/* The rest of a command that went out in part may begin with a zero. */
static void
plain_part(qpool_lease *lease)
{
	assert_int_equal(
	    redisAppendFormattedCommand(qpool_redis_unguarded_context(lease), "\0v\r\n", 4),
	    REDIS_OK);
}

/* Both have come before the first is read. */
static void
plain_unread(qpool_lease *lease)
{
	redisContext *c = qpool_redis_unguarded_context(lease);
	redisReply *reply = NULL;
	int done = 0;

	assert_int_equal(redisAppendCommand(c, "GET k"), REDIS_OK);
	assert_int_equal(redisAppendCommand(c, "GET k"), REDIS_OK);
	while (!done)
		assert_int_equal(redisBufferWrite(c, &done), REDIS_OK);
	redis_do(server, "PING"); /* one thread: what came before it has been answered */
	assert_int_equal(redisGetReply(c, (void **)&reply), REDIS_OK);
	freeReplyObject(reply);
}

/* "as before, 0" and the like, by policy: none, seen, auto, always. */
static const struct row {
	const char *name;
	void (*leave)(qpool_lease *lease);
	const char *cells[4];
} rows[] = {
#define KEPT                                                                   \
	{                                                                      \
		"as before, 0", "as before, 0", "as before, 0", "as before, 1" \
	}
#define GONE                                              \
	{                                                 \
		"closed", "gone, 1", "gone, 1", "gone, 1" \
	}
#define CLOSED                                         \
	{                                              \
		"closed", "closed", "closed", "closed" \
	}
#define UNSEEN                                               \
	{                                                    \
		"stays, 0", "stays, 0", "gone, 1", "gone, 1" \
	}
    {"nothing", nothing, KEPT},
    {"reads and writes", reads_and_writes, KEPT},
    {"MULTI", multi, GONE},
    {"MULTI, EXEC", multi_exec, KEPT},
    {"MULTI, DISCARD", multi_discard, KEPT},
    {"MULTI, a failed EXEC", multi_failed, KEPT},
    {"WATCH", watch, GONE},
    {"WATCH, UNWATCH", watch_unwatch, KEPT},
    {"WATCH, MULTI, UNWATCH", watch_multi_unwatch, GONE},
    {"SUBSCRIBE", subscribe, GONE},
    {"SUBSCRIBE, messages unread", subscribe_unread, GONE},
    {"MONITOR", monitor, GONE},
    {"SELECT", select_db, GONE},
    {"AUTH as another user", other_user, GONE},
    {"CLIENT SETNAME", set_name, GONE},
    {"CLIENT TRACKING", tracking, GONE},
    {"CLIENT NO-EVICT", no_evict, CLOSED},
    {"SCRIPT DEBUG", script_debug, CLOSED},
    {"QUIT", quit, CLOSED},
    {"CLIENT ID", client_id, KEPT},
    {"pipeline not sent", pipeline_unsent, CLOSED},
    {"pipeline unread", pipeline_unread, CLOSED},
    {"pipeline, a reply to come", pipeline_late, CLOSED},
    {"pipeline MULTI, EXEC", pipeline_multi, KEPT},
    {"context: nothing", plain, {"as before, 0", "as before, 0", "as before, 1", "as before, 1"}},
    {"context: MULTI", plain_multi, UNSEEN},
    {"context: WATCH", plain_watch, UNSEEN},
    {"context: SUBSCRIBE", plain_subscribe, UNSEEN},
    {"context: SELECT", plain_select, UNSEEN},
    {"context: pipeline not sent", plain_unsent, CLOSED},
    {"context: part of a command", plain_part, CLOSED},
    {"context: pipeline unread", plain_unread, CLOSED},
};
static const uint32_t policies[4] = {QPOOL_REDIS_RESET_NONE, QPOOL_REDIS_RESET_SEEN,
    QPOOL_REDIS_RESET_AUTO, QPOOL_REDIS_RESET_ALWAYS};

/* ---- what a session is like ---- */

/* The server's own view of it: not the session's, which may be in any state. */
static void
look(long long id, char out[200])
{
	redisReply *reply = redis_ask(server, "CLIENT LIST ID %lld", id);
	static const char *const fields[] = {
	    " name=", " flags=", " db=", " sub=", " multi=", " user=", " watch="};
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		const char *found = strstr(reply->str, fields[i]);
		if (found != NULL)
			at += (size_t)snprintf(
			    out + at, 200 - at, "%.*s", (int)(1 + strcspn(found + 1, " ")), found);
	}
	freeReplyObject(reply);
}

static long long
id_of(qpool_lease *lease)
{
	redisReply *reply = kit_ask(lease, "CLIENT ID");
	long long id = reply->integer;

	freeReplyObject(reply);
	return id;
}

/* CLIENT LIST does not tell of WATCH: a transaction fails when the key was touched. */
static bool
is_watching(qpool *pool)
{
	qpool_lease lease;
	redisReply *reply;
	bool failed;

	kit_take(pool, &lease);
	redis_do(server, "SELECT 2");
	redis_do(server, "SET k touched");
	kit_do(&lease, "MULTI");
	kit_do(&lease, "PING");
	reply = kit_ask(&lease, "EXEC");
	failed = reply->type == REDIS_REPLY_NIL;
	freeReplyObject(reply);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	return failed;
}

static void
run(const struct row *row, uint32_t policy, char out[40])
{
	qpool_redis_options options = qpool_redis_options_init();
	qpool_lease lease;
	char fresh[200], after[200];
	long long id;
	qpool *pool;

	options.reset = policy;
	options.db = 2;
	options.client_name = "pool";
	options.user = "app";
	options.password = "pw";
	pool = kit_pool(redis_server_url(server), &options, 1);
	kit_take(pool, &lease);
	id = id_of(&lease);
	look(id, fresh);
	row->leave(&lease);
	trips = 0;
	was_sending = false;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	if (kit_closes(pool, QPOOL_WHY_RESET) > 0) {
		(void)snprintf(out, 40, "closed");
	} else {
		unsigned taken = trips;
		bool is_same;
		look(id, after);
		is_same = strcmp(fresh, after) == 0 && !is_watching(pool);
		(void)snprintf(out, 40, "%s, %u",
		    !is_same                                     ? "stays"
		    : strcmp(row->cells[3], "as before, 1") == 0 ? "as before"
								 : "gone",
		    taken);
	}
	kit_pool_end(pool);
}

static void
test_table(void **state)
{
	char found[40];
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t j = 0; j < 4; j++) {
			run(&rows[i], policies[j], found);
			if (strcmp(found, rows[i].cells[j]) == 0)
				continue;
			print_error("%s, policy %zu: %s, not %s\n", rows[i].name, j, found,
			    rows[i].cells[j]);
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

static char *
page(void)
{
	FILE *file = fopen(REDIS_PAGE, "re");
	char *text = calloc(1, 1 << 17);

	assert_non_null(file);
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 17) - 1, file), 1, (1 << 17) - 2);
	(void)fclose(file);
	return text;
}

/* The page has these rows and no more. */
static void
test_page(void **state)
{
	char *text = page(), line[256];
	const char *at = strstr(text, "|---|---|---|---|---|\n");

	(void)state;
	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *const *cells = rows[i].cells;
		(void)snprintf(line, sizeof line, "| %s | %s | %s | %s | %s |\n", rows[i].name,
		    cells[0], cells[1], cells[2], cells[3]);
		if (strncmp(at, line, strlen(line)) != 0)
			fail_msg("the page has not: %s", line);
		at += strlen(line);
	}
	assert_int_equal(*at, '\n');
	free(text);
}

/* The next holder works in a session that was reset, and it is the same one. */
static void
test_works_on(void **state)
{
	qpool_redis_options options = qpool_redis_options_init();
	qpool *pool;
	qpool_lease lease;
	long long id;

	(void)state;
	options.user = "app";
	options.password = "pw";
	options.db = 3;
	pool = kit_pool(redis_server_url(server), &options, 1);
	kit_take(pool, &lease);
	id = id_of(&lease);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (strcmp(rows[i].cells[2], "closed") == 0)
			continue;
		rows[i].leave(&lease);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		kit_take(pool, &lease);
		kit_text(&lease, "app", "ACL WHOAMI");
		kit_text(&lease, "PONG", "PING");
		assert_int_equal(id_of(&lease), id);
	}
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

/* What one holder did costs the next one nothing, and changes no time of his. */
static void
test_forgotten(void **state)
{
	qpool *pool = kit_pool(redis_server_url(server), NULL, 1);
	qpool_lease lease;

	(void)state;
	kit_take(pool, &lease);
	plain(&lease);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(10)), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	kit_do(&lease, "BLPOP none 0.1");
	trips = 0;
	was_sending = false;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(trips, 0);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 0);
	kit_pool_end(pool);
}

static int
start(void **state)
{
	(void)state;
	server = redis_server_start(NULL);
	redis_do(server, "ACL SETUSER app on >pw ~* &* +@all");
	redis_do(server, "ACL SETUSER default on nopass ~* &* +@all");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	redis_server_end(server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_page),
	    cmocka_unit_test(test_works_on),
	    cmocka_unit_test(test_forgotten),
	};

	return cmocka_run_group_tests(tests, start, end);
}
