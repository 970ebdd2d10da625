/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace: "*2\r\n$4\r\nKEYS\r\n..." begins with all that has to be known.  In doubt something is left:
 * that costs a round trip, the other way round it would cost the next holder its sanity.
 */
#include "trace.h"

#include <strings.h>

typedef struct word {
	const char *at;
	size_t length;
} word;

typedef enum { LEAVES_NOTHING = 0, BEGINS, ENDS, LISTENS, CHANGES, REMAINS, DEPENDS } effect;

static const struct {
	const char *name;
	effect effect;
	qp_redis_end end;
} commands[] = {
    {"MULTI", BEGINS, 0},
    {"WATCH", BEGINS, 0},
    {"EXEC", ENDS, QP_REDIS_EXEC},
    {"DISCARD", ENDS, QP_REDIS_DISCARD},
    {"UNWATCH", ENDS, QP_REDIS_UNWATCH},
    {"SUBSCRIBE", LISTENS, 0},
    {"PSUBSCRIBE", LISTENS, 0},
    {"SSUBSCRIBE", LISTENS, 0},
    {"MONITOR", LISTENS, 0},
    {"SELECT", CHANGES, 0},
    {"AUTH", CHANGES, 0},
    {"HELLO", CHANGES, 0},
    {"RESET", CHANGES, 0},
    {"READONLY", CHANGES, 0},
    {"READWRITE", CHANGES, 0},
    {"ASKING", CHANGES, 0},
    {"QUIT", REMAINS, 0},
    {"SYNC", REMAINS, 0},
    {"PSYNC", REMAINS, 0},
    {"REPLCONF", REMAINS, 0},
    {"CLIENT", DEPENDS, 0},
    {"SCRIPT", DEPENDS, 0},
};
/* Of CLIENT and SCRIPT; what is not here may be anything. */
static const struct {
	const char *name;
	effect effect;
} seconds[] = {
    {"ID", LEAVES_NOTHING},
    {"INFO", LEAVES_NOTHING},
    {"LIST", LEAVES_NOTHING},
    {"GETNAME", LEAVES_NOTHING},
    {"GETREDIR", LEAVES_NOTHING},
    {"TRACKINGINFO", LEAVES_NOTHING},
    {"KILL", LEAVES_NOTHING},
    {"PAUSE", LEAVES_NOTHING},
    {"UNPAUSE", LEAVES_NOTHING},
    {"UNBLOCK", LEAVES_NOTHING},
    {"HELP", LEAVES_NOTHING},
    {"LOAD", LEAVES_NOTHING},
    {"EXISTS", LEAVES_NOTHING},
    {"FLUSH", LEAVES_NOTHING},
    {"SETNAME", CHANGES},
    {"TRACKING", CHANGES},
    {"CACHING", CHANGES},
    {"REPLY", CHANGES},
};

/* The next bulk string, "$3\r\nGET\r\n"; empty when there is none. */
static word
next_word(const char **at, const char *end)
{
	word found = {*at, 0};
	size_t length = 0;
	const char *from = *at;

	if (from == end || *from++ != '$')
		return found;
	for (; from < end && *from >= '0' && *from <= '9'; from++)
		length = length * 10 + (size_t)(*from - '0');
	if (end - from < 4 || length > (size_t)(end - from) - 4)
		return found;
	found = (word){from + 2, length};
	*at = from + 2 + length + 2;
	return found;
}

static bool
is_word(word given, const char *name)
{
	return strlen(name) == given.length && strncasecmp(given.at, name, given.length) == 0;
}

static effect
effect_of(word name, word second, qp_redis_end *end)
{
	size_t i = 0;

	while (i < sizeof commands / sizeof commands[0] && !is_word(name, commands[i].name))
		i++;
	if (i == sizeof commands / sizeof commands[0])
		return LEAVES_NOTHING;
	*end = commands[i].end;
	if (commands[i].effect != DEPENDS)
		return commands[i].effect;
	for (i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
		if (is_word(second, seconds[i].name))
			return seconds[i].effect;
	return REMAINS;
}

/* Where the words begin. */
static const char *
skip_count(const char *command, size_t length)
{
	const char *at = memchr(command, '\n', length);

	return at == NULL ? command + length : at + 1;
}

void
qp_redis_trace_send(qp_redis_trace *trace, const char *command, size_t length)
{
	const char *end = command + length, *at = skip_count(command, length);
	qp_redis_end ends = QP_REDIS_NO_END;
	word name = next_word(&at, end), second = next_word(&at, end);

	trace->sent++;
	switch (effect_of(name, second, &ends)) {
	case BEGINS:
		trace->began = trace->sent;
		break;
	case ENDS:
		trace->ending = trace->sent;
		trace->end = ends;
		break;
	case LISTENS:
		trace->last_listen = trace->sent;
		if (trace->first_listen == 0)
			trace->first_listen = trace->sent;
		break;
	case CHANGES:
		trace->is_changed = true;
		break;
	case REMAINS:
		trace->is_beyond = true;
		break;
	default:
		break;
	}
}

bool
qp_redis_trace_is_mute(const char *command, size_t length)
{
	const char *end = command + length, *at = skip_count(command, length);
	word name = next_word(&at, end), second = next_word(&at, end), third = next_word(&at, end);

	return is_word(name, "CLIENT") && is_word(second, "REPLY") &&
	       (is_word(third, "OFF") || is_word(third, "SKIP"));
}

/* A failed transaction is over; one whose command was refused for another reason may not be.  Inside
 * MULTI, UNWATCH is only QUEUED. */
static bool
proves_end(qp_redis_end end, const redisReply *reply)
{
	if (end == QP_REDIS_EXEC)
		return reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "EXECABORT", 9) == 0;
	return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
}

bool
qp_redis_trace_receive(qp_redis_trace *trace, const redisReply *reply)
{
	if (qp_redis_trace_hears(trace) || trace->read == trace->sent)
		return false;
	trace->read++;
	/* The first, and no other was sent that may have been heard. */
	if (trace->read == trace->last_listen && reply->type == REDIS_REPLY_ERROR)
		trace->first_listen = trace->last_listen = 0;
	if (trace->read != trace->ending)
		return false;
	if (proves_end(trace->end, reply))
		trace->ended = trace->read;
	return trace->end == QP_REDIS_EXEC;
}

bool
qp_redis_trace_is_listening(const qp_redis_trace *trace)
{
	return trace->first_listen > 0;
}

bool
qp_redis_trace_hears(const qp_redis_trace *trace)
{
	return trace->first_listen > 0 && trace->read >= trace->first_listen;
}

bool
qp_redis_trace_awaits_message(const qp_redis_trace *trace)
{
	return trace->first_listen > 0 && trace->read + 1 >= trace->first_listen;
}

bool
qp_redis_trace_is_pending(const qp_redis_trace *trace)
{
	return !qp_redis_trace_hears(trace) && trace->read < trace->sent;
}

bool
qp_redis_trace_is_left(const qp_redis_trace *trace)
{
	return trace->began > trace->ended || trace->first_listen > 0 || trace->is_changed ||
	       trace->is_beyond;
}

const char *
qp_redis_trace_words(const qp_redis_trace *trace)
{
	if (trace->is_beyond)
		return "what RESET does not undo (SCRIPT DEBUG, CLIENT NO-EVICT and the like)";
	if (trace->first_listen > 0)
		return "SUBSCRIBE or MONITOR";
	if (trace->began > trace->ended)
		return "MULTI or WATCH";
	return "another database, user, name or mode";
}
