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

typedef enum { LEAVES_NOTHING = 0, BEGINS, ENDS, LISTENS, CHANGES, DEPENDS } effect;

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
    {"SYNC", LISTENS, 0},
    {"PSYNC", LISTENS, 0},
    {"SELECT", CHANGES, 0},
    {"AUTH", CHANGES, 0},
    {"HELLO", CHANGES, 0},
    {"RESET", CHANGES, 0},
    {"QUIT", CHANGES, 0},
    {"READONLY", CHANGES, 0},
    {"READWRITE", CHANGES, 0},
    {"ASKING", CHANGES, 0},
    {"REPLCONF", CHANGES, 0},
    {"CLIENT", DEPENDS, 0},
    {"SCRIPT", DEPENDS, 0},
};
/* Of CLIENT and SCRIPT: what only tells, or is the server's and not the session's. */
static const char *const harmless[] = {"ID", "INFO", "LIST", "GETNAME", "GETREDIR", "TRACKINGINFO",
    "KILL", "PAUSE", "UNPAUSE", "UNBLOCK", "HELP", "LOAD", "EXISTS", "FLUSH"};

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
	for (i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		if (is_word(second, harmless[i]))
			return LEAVES_NOTHING;
	return CHANGES;
}

void
qp_redis_trace_send(qp_redis_trace *trace, const char *command, size_t length)
{
	const char *end = command + length, *at = memchr(command, '\n', length);
	qp_redis_end ends = QP_REDIS_NO_END;
	word name, second;

	at = at == NULL ? end : at + 1;
	name = next_word(&at, end);
	second = next_word(&at, end);
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
		trace->is_listening = true;
		break;
	case CHANGES:
		trace->is_changed = true;
		break;
	default:
		break;
	}
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
	if (trace->is_listening || trace->read == trace->sent)
		return false;
	trace->read++;
	if (trace->read != trace->ending)
		return false;
	if (proves_end(trace->end, reply))
		trace->ended = trace->read;
	return trace->end == QP_REDIS_EXEC;
}

bool
qp_redis_trace_is_pending(const qp_redis_trace *trace)
{
	return !trace->is_listening && trace->read < trace->sent;
}

bool
qp_redis_trace_is_left(const qp_redis_trace *trace)
{
	return trace->began > trace->ended || trace->is_listening || trace->is_changed;
}

const char *
qp_redis_trace_words(const qp_redis_trace *trace)
{
	if (trace->is_listening)
		return "SUBSCRIBE or MONITOR";
	if (trace->began > trace->ended)
		return "MULTI or WATCH";
	return "another database, user, name or mode";
}
