/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * choice: a depth-first search with a stack of what is still untried, a random walk, or a replay.
 */
#include "choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 100000u /* choices that a search can branch at, and marks, in one execution */

static enum { SEARCHES, WALKS, REPLAYS } mode;
static uint32_t at;            /* places so far */
static choice_mark made[MOST]; /* those that were not 0 */
static size_t marks;

/* A search: chosen[i] < limit[i] are the branches of this execution, `known` of them given. */
static uint8_t chosen[MOST], limit[MOST];
static size_t branch, known;
static unsigned bound, spent;

static uint64_t state;
static bool left_plain;   /* choice_goes_on has said no */
static unsigned patience; /* a walk leaves the plain way about once in so many choices */

static choice_mark *script;
static size_t script_length, script_at;

void
choice_search(unsigned most)
{
	mode = SEARCHES;
	bound = most;
	known = 0;
}

bool
choice_is_search(void)
{
	return mode == SEARCHES;
}

void
choice_random(void)
{
	mode = WALKS;
}

void
choice_replay(const choice_mark *given, size_t count)
{
	mode = REPLAYS;
	free(script);
	script = malloc((count + 1) * sizeof *script);
	if (script == NULL)
		abort();
	memcpy(script, given, count * sizeof *script);
	script_length = count;
}

static uint64_t
draw(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
choice_begin(uint64_t seed)
{
	static const unsigned patiences[] = {2, 4, 10, 30, 100};

	at = 0;
	marks = branch = script_at = 0;
	spent = 0;
	left_plain = false;
	state = seed;
	patience = patiences[draw() % (sizeof patiences / sizeof patiences[0])];
}

static unsigned
search(unsigned options, unsigned cheap)
{
	unsigned open = spent < bound ? options : cheap, option = 0;

	if (open < 2 || branch == MOST)
		return 0;
	if (branch < known) {
		if (limit[branch] != open)
			return options;
		option = chosen[branch];
	} else {
		chosen[branch] = 0;
		limit[branch] = (uint8_t)open;
		known++;
	}
	branch++;
	spent += option >= cheap;
	return option;
}

/* Is it time to leave the plain way? */
static bool
is_tired(void)
{
	return draw() % patience == 0;
}

static unsigned
walk(unsigned options, unsigned cheap)
{
	bool leaves = left_plain || is_tired();

	left_plain = false;
	if (leaves && cheap < options)
		return cheap + (unsigned)(draw() % (options - cheap));
	return (unsigned)(draw() % cheap);
}

static bool
is_in_script(void)
{
	while (script_at < script_length && script[script_at].at < at)
		script_at++;
	return script_at < script_length && script[script_at].at == at;
}

static unsigned
replay(unsigned options)
{
	unsigned option = is_in_script() ? script[script_at++].option : 0;

	return option < options ? option : 0;
}

void
choice_place(void)
{
	at++;
}

bool
choice_goes_on(bool hangs)
{
	bool goes_on = true;

	switch (mode) {
	case SEARCHES:
		goes_on = !hangs || spent == bound;
		break;
	case WALKS:
		goes_on = !is_tired();
		left_plain = !goes_on;
		break;
	case REPLAYS:
		goes_on = !is_in_script();
		break;
	}
	return goes_on;
}

unsigned
choice_make(unsigned options, unsigned cheap)
{
	unsigned option = 0;

	switch (mode) {
	case SEARCHES:
		option = search(options, cheap);
		break;
	case WALKS:
		option = walk(options, cheap);
		break;
	case REPLAYS:
		option = replay(options);
		break;
	}
	if (option != 0 && marks < MOST)
		made[marks++] = (choice_mark){at, option};
	return option;
}

bool
choice_next(bool anew)
{
	if (anew) {
		known = 0;
		return true;
	}
	known = branch;
	while (known > 0 && chosen[known - 1] + 1u >= limit[known - 1])
		known--;
	if (known > 0)
		chosen[known - 1]++;
	return known > 0;
}

const choice_mark *
choice_marks(size_t *count)
{
	*count = marks;
	return made;
}

long
choice_parse(const char *text, choice_mark **out)
{
	size_t room = strlen(text) / 2 + 1, count = 0;
	choice_mark *list = calloc(room, sizeof *list);

	while (list != NULL && *text != '\0') {
		char *end;
		list[count].at = (uint32_t)strtoul(text, &end, 10);
		if (end == text || *end != ':')
			break;
		text = end + 1;
		list[count++].option = (uint32_t)strtoul(text, &end, 10);
		if (end == text || (*end != ',' && *end != '\0'))
			break;
		text = *end == ',' ? end + 1 : end;
	}
	if (list == NULL || *text != '\0') {
		free(list);
		return -1;
	}
	*out = list;
	return (long)count;
}

void
choice_print(const choice_mark *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s%u:%u", i > 0 ? "," : "", list[i].at, list[i].option);
}
