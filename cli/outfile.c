/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * outfile: symbolic links are followed first, so that the rename replaces what they point to.
 */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

/* Where it really is: through links, when it is there at all. */
static char *
real_path(const char *path)
{
	char *real = realpath(path, NULL);
	return real != NULL ? real : strdup(path);
}

static bool
is_special(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* An empty file beside it; its name, to free, in *beside. */
static int
open_beside(const char *path, char **beside)
{
	size_t room = strlen(path) + sizeof ".XXXXXX";
	*beside = malloc(room);
	if (*beside == NULL)
		return -1;
	snprintf(*beside, room, "%s.XXXXXX", path);
	int fd = mkostemp(*beside, O_CLOEXEC);
	if (fd < 0) {
		int cause = errno;
		free(*beside);
		*beside = NULL;
		errno = cause;
	}
	return fd;
}

static int
cannot_write(const char *option, const char *path)
{
	return say_bad("%s: cannot write %s: %s", option, path, strerror(errno));
}

int
outfile_inspect(const char *option, const char *path)
{
	struct stat status;
	if (path[0] == '\0')
		return say_bad("%s: no file is named", option);
	if (stat(path, &status) == 0) {
		if (S_ISDIR(status.st_mode))
			errno = EISDIR;
		if (S_ISDIR(status.st_mode) || access(path, W_OK) != 0)
			return cannot_write(option, path);
		if (!S_ISREG(status.st_mode))
			return EXIT_OK;
	}
	char *real = real_path(path);
	char *beside = NULL;
	int fd = real != NULL ? open_beside(real, &beside) : -1;
	free(real);
	if (fd < 0)
		return cannot_write(option, path);
	unlink(beside);
	close(fd);
	free(beside);
	return EXIT_OK;
}

static bool
write_all(int fd, const char *text)
{
	size_t left = strlen(text);
	while (left > 0) {
		ssize_t done = write(fd, text, left);
		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			text += done;
			left -= (size_t)done;
		}
	}
	return true;
}

/* mkostemp makes them for nobody else; a new file gets what the umask leaves, an old one keeps its own. */
static bool
set_mode(int fd, const char *path)
{
	struct stat status;
	mode_t mask = umask(0);
	umask(mask);
	return fchmod(fd, stat(path, &status) == 0 ? status.st_mode & 07777 : 0666 & ~mask) == 0;
}

static bool
replace(const char *path, const char *text)
{
	char *beside = NULL;
	int fd = open_beside(path, &beside);
	if (fd < 0)
		return false;
	bool done = write_all(fd, text) && set_mode(fd, path) && fsync(fd) == 0;
	int cause = errno;
	close(fd);
	if (done && rename(beside, path) != 0) {
		done = false;
		cause = errno;
	}
	if (!done)
		unlink(beside);
	free(beside);
	errno = cause;
	return done;
}

static bool
write_special(const char *path, const char *text)
{
	/* not to be stuck on a pipe that nobody reads */
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	bool done = fcntl(fd, F_SETFL, 0) == 0 && write_all(fd, text);
	int cause = errno;
	close(fd);
	errno = cause;
	return done;
}

int
outfile_write(const char *option, const char *path, const char *text)
{
	char *real = real_path(path);
	bool done =
	    real != NULL && (is_special(real) ? write_special(real, text) : replace(real, text));
	if (!done)
		cannot_write(option, path);
	free(real);
	return done ? EXIT_OK : EXIT_FAILED;
}
