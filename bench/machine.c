/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine: see machine.h.
 */
#include "machine.h"

#include <queuepool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

static void
copy(char *out, size_t room, const char *text)
{
	(void)snprintf(out, room, "%.*s", (int)strcspn(text, "\n"), text);
}

/* x86 says "model name"; others may say nothing. */
static void
look_at_cpu(char *out, size_t room)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];
	const char *colon;

	copy(out, room, "unknown");
	if (file == NULL)
		return;
	while (fgets(line, sizeof line, file) != NULL) {
		colon = strstr(line, ": ");
		if (strncmp(line, "model name", strlen("model name")) == 0 && colon != NULL) {
			copy(out, room, colon + 2);
			break;
		}
	}
	(void)fclose(file);
}

machine
machine_look(void)
{
	machine where = {
	    .cpus = sysconf(_SC_NPROCESSORS_ONLN),
	    .compiler = COMPILER,
	    .options = BENCH_BUILD_OPTIONS,
	    .engine = BENCH_ENGINE,
	    .library = qpool_version(),
	    .commit = getenv("BENCH_COMMIT"),
	};
	struct utsname names;

	if (where.commit == NULL || where.commit[0] == '\0')
		where.commit = machine_built_from;
	look_at_cpu(where.cpu, sizeof where.cpu);
	copy(where.kernel, sizeof where.kernel, "unknown");
	if (uname(&names) == 0)
		(void)snprintf(where.kernel, sizeof where.kernel, "%.60s %.60s %.60s",
		    names.sysname, names.release, names.machine);
	return where;
}
