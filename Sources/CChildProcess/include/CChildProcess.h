#ifndef EVENKEEL_CHILD_PROCESS_H
#define EVENKEEL_CHILD_PROCESS_H

#include <sys/types.h>

// The few system calls of a child process that Swift cannot call (GNU extensions and macros). Each returns 0 or an
// errno unless it says otherwise.

/// Starts a program in a session of its own, without a terminal: signals at their defaults, none blocked, and no
/// descriptor but the three given ones. A program without a slash is looked for in PATH. `directory` may be NULL.
int evenkeel_spawn(
    pid_t *pid, const char *program, char *const arguments[], char *const environment[], const char *directory,
    int input, int output, int error);

/// A pipe that no child inherits by accident; its reading end does not block.
int evenkeel_pipe(int descriptors[2]);

/// A file in memory with these bytes, to be read from its start. Returns the descriptor, or a negated errno.
int evenkeel_memory_file(const void *bytes, size_t count);

/// 1 once the child has ended (it is not reaped), 0 while it runs, or a negated errno.
int evenkeel_has_ended(pid_t pid);

/// Reaps a child that has ended: its exit code, or 256 + the signal that ended it, or a negated errno.
int evenkeel_reap(pid_t pid);

#endif
