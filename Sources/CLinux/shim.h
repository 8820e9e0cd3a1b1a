// Linux calls that Swift's Glibc module leaves out. They are declared here rather than included: with _GNU_SOURCE the
// system's headers would differ from those of the other C modules.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/types.h>

// <sys/eventfd.h>, <sys/pidfd.h> (glibc 2.36)
int eventfd(unsigned int initial, int flags);
int pidfd_open(pid_t process, unsigned int flags);

// <unistd.h>, GNU extensions
int syncfs(int descriptor);
int pipe2(int ends[2], int flags);

// <signal.h>, GNU extensions (glibc 2.30)
int tgkill(pid_t process, pid_t thread, int signal);

// <spawn.h>, GNU extensions (glibc 2.34)
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
enum { EVENKEEL_SPAWN_SETSID = 0x80 };

// <sys/resource.h>, GNU extensions
int prlimit(pid_t process, int resource, const struct rlimit *limit, struct rlimit *before);
enum { EVENKEEL_RLIMIT_CORE = RLIMIT_CORE };
