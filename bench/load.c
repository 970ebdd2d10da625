/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: the busy time of all CPUs in /proc/stat (see proc(5)), stolen time included; less our own, which
 * is that of our children too.
 */
#include "load.h"

#include "rivals.h"
#include "timing.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* /proc/stat counts ticks: a short sample may look this much busier than it was. */
enum { SLACK_TICKS = 2 };

static int64_t
tick_ns(void)
{
	return TIMING_SEC / sysconf(_SC_CLK_TCK);
}

/* -1: cannot be told. */
static int64_t
busy(void)
{
	int64_t user, nice, system, irq, softirq, steal;
	FILE *file = fopen("/proc/stat", "re");
	int read;

	if (file == NULL)
		return -1;
	read = fscanf(file,
	    "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %*d %*d %" SCNd64 " %" SCNd64 " %" SCNd64,
	    &user, &nice, &system, &irq, &softirq, &steal);
	(void)fclose(file);
	if (read != 6)
		return -1;
	return (user + nice + system + irq + softirq + steal) * tick_ns();
}

bool
load_is_visible(void)
{
	return busy() > 0;
}

/* This process, the rivals it runs, and what it has run before. */
static int64_t
own(void)
{
	struct rusage ended;

	(void)getrusage(RUSAGE_CHILDREN, &ended);
	return timing_cpu() + rivals_cpu_ns() +
	       (ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) * TIMING_SEC +
	       (ended.ru_utime.tv_usec + ended.ru_stime.tv_usec) * (TIMING_MSEC / 1000);
}

load_mark
load_now(int64_t (*others_ns)(void))
{
	load_mark mark = {.wall_ns = timing_now()};

	mark.foreign_ns = others_ns != NULL ? others_ns() : busy() - own();
	return mark;
}

double
load_foreign(const load_mark *since, int64_t (*others_ns)(void))
{
	load_mark now = load_now(others_ns);
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	double room = (double)(now.wall_ns - since->wall_ns) * cpus;
	int64_t foreign = now.foreign_ns - since->foreign_ns - SLACK_TICKS * tick_ns();

	return foreign < 0 ? 0 : (double)foreign / room;
}
