/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gang: two barriers.  All have arrived at the first before the window is set, so that no thread's
 * creation is inside it; the second lets them go.
 */
#include "gang.h"

#include "fail.h"
#include "timing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct gang {
	pthread_barrier_t arrived, go;
	gang_body *body;
	void *shared;
	gang_window window;
} gang;

typedef struct member {
	pthread_t thread;
	gang *gang;
	unsigned index;
} member;

static void *
live(void *argument)
{
	member *self = argument;
	gang *all = self->gang;

	(void)pthread_barrier_wait(&all->arrived);
	(void)pthread_barrier_wait(&all->go);
	all->body(all->shared, self->index, &all->window);
	return NULL;
}

static member *
start(gang *all, unsigned count)
{
	member *members = calloc(count, sizeof *members);
	int error;

	if (members == NULL)
		fail("out of memory for %u threads", count);
	for (unsigned i = 0; i < count; i++) {
		members[i].gang = all;
		members[i].index = i;
		error = pthread_create(&members[i].thread, NULL, live, &members[i]);
		if (error != 0)
			fail("the system gave %u of %u threads: %s; raise its limit (ulimit -u)", i,
			    count, strerror(error));
	}
	return members;
}

int64_t
gang_run(unsigned count, gang_body *body, void *shared, int64_t ramp_ns, int64_t open_ns)
{
	gang all = {.body = body, .shared = shared};
	member *members;
	int64_t cpu_ns;

	if (pthread_barrier_init(&all.arrived, NULL, count + 1) != 0 ||
	    pthread_barrier_init(&all.go, NULL, count + 1) != 0)
		fail("the system gave no barrier for %u threads", count);
	members = start(&all, count);
	(void)pthread_barrier_wait(&all.arrived);
	all.window.from_ns = timing_now() + ramp_ns;
	all.window.until_ns = all.window.from_ns + open_ns;
	(void)pthread_barrier_wait(&all.go);
	timing_sleep_until(all.window.from_ns);
	cpu_ns = timing_cpu();
	timing_sleep_until(all.window.until_ns);
	cpu_ns = timing_cpu() - cpu_ns;
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(members[i].thread, NULL);
	(void)pthread_barrier_destroy(&all.arrived);
	(void)pthread_barrier_destroy(&all.go);
	free(members);
	return cpu_ns;
}
