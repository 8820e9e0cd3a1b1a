#include <git2.h>

// git_libgit2_opts takes variable arguments, which Swift cannot pass.

/// Whether a repository must belong to the user who opens it. For the whole process.
static inline int evenkeel_git_set_owner_validation(int enabled) {
    return git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, enabled);
}

/// Where configuration files of a level are looked for; empty: nowhere.
static inline int evenkeel_git_set_search_path(int level, const char *path) {
    return git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, path);
}
