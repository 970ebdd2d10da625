/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: the busy time of all CPUs in /proc/stat (see proc(5)), stolen time included; less our own, which
 * is that of our children too.
 */
#include "load.h"

#include "rivals.h"
#include "timing.h"

#include <dirent.h>
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

typedef struct process {
	int pid, parent;
	int64_t ticks; /* with those of children that have ended and were waited for */
} process;

/* See proc(5).  False: it is gone. */
static int
read_process(const char *name, process *out)
{
	int64_t user, system, user_ended, system_ended;
	char path[300];
	FILE *file;
	int read;

	(void)snprintf(path, sizeof path, "/proc/%s/stat", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	read = fscanf(file,
	    "%d (%*[^)]) %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
	    " %" SCNd64 " %" SCNd64,
	    &out->pid, &out->parent, &user, &system, &user_ended, &system_ended);
	(void)fclose(file);
	out->ticks = user + system + user_ended + system_ended;
	return read == 6;
}

/* Who ended between two looks counts with its parent, if that has waited for it. */
int64_t
load_processes_ns(int also)
{
	int self = (int)getpid();
	DIR *all = opendir("/proc");
	const struct dirent *one;
	int64_t ticks = 0;
	process p;

	while (all != NULL && (one = readdir(all)) != NULL)
		if (one->d_name[0] >= '1' && one->d_name[0] <= '9' &&
		    read_process(one->d_name, &p) && p.pid != self && p.parent != self &&
		    (also == 0 || (p.pid != also && p.parent != also)))
			ticks += p.ticks;
	if (all != NULL)
		(void)closedir(all);
	return ticks * tick_ns();
}

int64_t
load_others_ns(void)
{
	return load_processes_ns(0);
}
