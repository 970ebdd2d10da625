/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: every state a pool may be in x everything a child may do with it x both ways to fork, each in a
 * process of its own.
 */
#include "testing.h"

#include "cell.h"
#include "platform/testing.h"
#include "scene.h"

static pid_t (*how)(void);

static void
run(const void *state, const void *deed)
{
	scene_run(state, deed, how);
}

static void
add(cells *all, const scene_state *states, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < scene_deeds_count; j++)
			cells_add(all, run, &states[i], &scene_deeds[j], "%s: %s", states[i].name,
			    scene_deeds[j].name);
}

/* argv[1]: how to fork, the rest as for every matrix. */
int
main(int argc, char **argv)
{
	cells all = {0};

	if (argc > 1 && strcmp(argv[1], "unwiped") == 0)
		qp_testing_fail(QP_FAULT_WIPE, 1, true);
	how = argc > 1 && strcmp(argv[1], "clone") == 0 ? scene_clone : wire_fork;
	add(&all, scene_states, scene_states_count);
	add(&all, scene_inside, scene_inside_count);
	return cells_run(&all, "fork", argc - (argc > 1), argv + (argc > 1));
}
