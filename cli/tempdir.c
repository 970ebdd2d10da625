/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tempdir: removal must work while other threads go on with the database.  So the folder is renamed first: they
 * find it gone, and cannot make a file in it between the last unlink and the rmdir.
 */
#include "tempdir.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
#define ENDINGS (sizeof endings / sizeof endings[0])

struct place {
	char folder[PATH_MAX];
	char files[ENDINGS][PATH_MAX + 32];
};

static struct place here, aside;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who comes second waits for the first */
static bool made;

static void
name_files(struct place *place)
{
	for (size_t i = 0; i < ENDINGS; i++)
		snprintf(place->files[i], sizeof place->files[i], "%s/bank.db%s", place->folder,
		    endings[i]);
}

static void
unlink_files(const struct place *place)
{
	for (size_t i = 0; i < ENDINGS; i++)
		unlink(place->files[i]);
}

int
tempdir_make(void)
{
	const char *parent = getenv("TMPDIR");
	if (parent == NULL || parent[0] == '\0')
		parent = "/tmp";
	int length = snprintf(here.folder, sizeof here.folder, "%s/queuepool-demo-XXXXXX", parent);
	bool fits = length + (int)sizeof "-gone" <= (int)sizeof here.folder;
	if (!fits)
		errno = ENAMETOOLONG;
	if (!fits || mkdtemp(here.folder) == NULL) {
		say_bad("cannot make a temporary folder in %s: %s", parent, strerror(errno));
		say_try("TMPDIR=/some/other/folder queuepool demo");
		return EXIT_BAD;
	}
	snprintf(aside.folder, sizeof aside.folder, "%.*s-gone", length, here.folder);
	name_files(&here);
	name_files(&aside);
	pthread_mutex_lock(&lock);
	made = true;
	pthread_mutex_unlock(&lock);
	return EXIT_OK;
}

const char *
tempdir_database(void)
{
	return here.files[0];
}

void
tempdir_empty(void)
{
	unlink_files(&here);
}

void
tempdir_remove(void)
{
	pthread_mutex_lock(&lock);
	if (made) {
		const struct place *place = rename(here.folder, aside.folder) == 0 ? &aside : &here;
		unlink_files(place);
		rmdir(place->folder);
		made = false;
	}
	pthread_mutex_unlock(&lock);
}
