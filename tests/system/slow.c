/*
 * slow - a disk of which each read of 64 KiB takes TEST_READ_MS, by LD_PRELOAD
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

ssize_t
pread(int fd, void *byte, size_t length, off_t at)
{
	static ssize_t (*real)(int, void *, size_t, off_t);
	long ms = atol(getenv("TEST_READ_MS"));

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pread");
	if (length == 65536)
		(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
	return real(fd, byte, length, at);
}
