/*
 * confine - from now on only the files and system calls that running needs
 *
 * Files are fenced by Landlock, where the kernel has it: what is below an allowed directory can
 * be opened, nothing else. System calls pass a filter, where it was built with libseccomp: those
 * of the list in confine.c work; what only an intruder would call ends the process; all others do
 * not exist (ENOSYS), which a C library that is newer than the list takes well.
 *
 * Both hold for the calling thread and those that it starts later, so this comes before the
 * first thread. Children are confined alike. A build with a sanitizer, which needs to look at
 * itself, is not confined.
 */
#ifndef RESOLVER_CONFINE_H
#define RESOLVER_CONFINE_H

#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CONFINE_NEVER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_NEVER
#endif

enum confine_access {
	CONFINE_READ,   /* a file, or all below a directory */
	CONFINE_REMOVE, /* files in a directory, but not to read them */
	CONFINE_WRITE,  /* read, create, write, rename and remove files below a directory */
};

/* The fence, which allows nothing yet: a descriptor, -1 where there is none. */
int confine_begin(void);

/* Allow this path, which may not be there. */
void confine_allow(int fence, const char *path, enum confine_access access);

/* Allow to read what lies in the directory of a file, and in that of the file a link leads to. */
void confine_allow_beside(int fence, const char *file);

/* Close the fence and put the filter in force. Logs what holds now; false if it should and can't.
 */
bool confine_end(int fence);

#endif
