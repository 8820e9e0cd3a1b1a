#define _GNU_SOURCE
#include "CChildProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int arrange_files(posix_spawn_file_actions_t *files, const char *directory, int input, int output, int error) {
    int code = 0;
    if (directory) code = posix_spawn_file_actions_addchdir_np(files, directory);
    if (!code) code = posix_spawn_file_actions_adddup2(files, input, 0);
    if (!code) code = posix_spawn_file_actions_adddup2(files, output, 1);
    if (!code) code = posix_spawn_file_actions_adddup2(files, error, 2);
    if (!code) code = posix_spawn_file_actions_addclosefrom_np(files, 3);
    return code;
}

static int arrange_signals(posix_spawnattr_t *attributes) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int code = posix_spawnattr_setsigdefault(attributes, &all);
    if (!code) code = posix_spawnattr_setsigmask(attributes, &none);
    if (!code)
        code = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return code;
}

int evenkeel_spawn(
    pid_t *pid, const char *program, char *const arguments[], char *const environment[], const char *directory,
    int input, int output, int error) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&files);
    if (code) return code;
    code = posix_spawnattr_init(&attributes);
    if (!code) {
        code = arrange_files(&files, directory, input, output, error);
        if (!code) code = arrange_signals(&attributes);
        if (!code) code = posix_spawnp(pid, program, &files, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return code;
}

int evenkeel_pipe(int descriptors[2]) {
    if (pipe2(descriptors, O_CLOEXEC)) return errno;
    int flags = fcntl(descriptors[0], F_GETFL);
    if (flags >= 0 && fcntl(descriptors[0], F_SETFL, flags | O_NONBLOCK) == 0) return 0;
    int code = errno;
    close(descriptors[0]);
    close(descriptors[1]);
    return code;
}

static int fill(int file, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? errno : EIO;
        bytes += written;
        count -= (size_t)written;
    }
    return lseek(file, 0, SEEK_SET) < 0 ? errno : 0;
}

int evenkeel_memory_file(const void *bytes, size_t count) {
    int file = memfd_create("input", MFD_CLOEXEC);
    if (file < 0) return -errno;
    int code = fill(file, bytes, count);
    if (!code) return file;
    close(file);
    return -code;
}

int evenkeel_has_ended(pid_t pid) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) return -errno;
    return info.si_pid == pid;
}

int evenkeel_reap(pid_t pid) {
    int status = 0;
    pid_t reaped;
    do reaped = waitpid(pid, &status, 0);
    while (reaped < 0 && errno == EINTR);
    if (reaped < 0) return -errno;
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}
