/* tests/support/fail_fsync.c -- lets the fsync of PostgreSQL fail while a file is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int
fails(void)
{
	const char *file = getenv("FAIL_FSYNC_WHILE");

	if (!file || access(file, F_OK) != 0)
		return 0;
	errno = EIO;
	return 1;
}

int
fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	return fails() ? -1 : real(fd);
}

int
fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	return fails() ? -1 : real(fd);
}
