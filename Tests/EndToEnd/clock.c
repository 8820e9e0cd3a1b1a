/* The time of day of whoever is started with this library before its own (LD_PRELOAD), as if somebody set the clock: the seconds
 * that are in the file CLOCK_OFFSET, eight bytes, are added. Monotonic clocks go on. Waits until a time of day end by it, as the
 * kernel's do: where the clock is set back they take longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NANOSECONDS 100000000L
#define SECOND_NANOSECONDS 1000000000L
#define COND_IS_MONOTONIC 2 /* glibc's flag in __wrefs */

static const volatile int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) offset = mapped;
    close(file);
}

static int is_of_day(clockid_t id) { return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE; }

int clock_gettime(clockid_t id, struct timespec *at) {
    if (syscall(SYS_clock_gettime, id, at) != 0) return -1;
    if (offset && is_of_day(id)) at->tv_sec += *offset;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)zone;
    *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* The true time of the end of a slice of a wait; 0 where `until`, a time of ours, is over. */
static int next_slice(const struct timespec *until, struct timespec *end) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = (until->tv_sec - now.tv_sec) > 1000
        ? SLICE_NANOSECONDS : (until->tv_sec - now.tv_sec) * SECOND_NANOSECONDS + (until->tv_nsec - now.tv_nsec);
    if (left <= 0) return 0;
    if (left > SLICE_NANOSECONDS) left = SLICE_NANOSECONDS;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, end);
    end->tv_nsec += left;
    if (end->tv_nsec >= SECOND_NANOSECONDS) *end = (struct timespec){end->tv_sec + 1, end->tv_nsec - SECOND_NANOSECONDS};
    return 1;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait) wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    struct timespec end;
    if (!offset || cond->__data.__wrefs & COND_IS_MONOTONIC) return wait(cond, mutex, until);
    if (!next_slice(until, &end)) return ETIMEDOUT;
    int result = wait(cond, mutex, &end);
    return result == ETIMEDOUT && next_slice(until, &end) ? 0 : result; /* Woken for nothing: its caller looks again. */
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    static int (*wait)(sem_t *, const struct timespec *);
    if (!wait) wait = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec end;
    if (!offset) return wait(semaphore, until);
    while (next_slice(until, &end))
        if (wait(semaphore, &end) == 0) return 0;
        else if (errno != ETIMEDOUT) return -1;
    errno = ETIMEDOUT;
    return -1;
}
