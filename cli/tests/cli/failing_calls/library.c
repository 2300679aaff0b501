/* Makes one call fail that changes a file below a folder. A test loads it into a program by LD_PRELOAD.
 *
 *   FAIL_BELOW   the folder
 *   FAIL_NTH     number of the call, from 1
 *   FAIL_ERRNO   the error; calls after this one fail too if it is ENOSPC: a full disk stays full
 *   FAIL_MARK    a file that gets the name of the failed call and its path
 *
 * Calls are counted by program, and begin again after an exec.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int calls;

/* Whether this call fails. errno is set then. */
static int fails(const char *call, const char *path) {
    const char *below = getenv("FAIL_BELOW"), *nth = getenv("FAIL_NTH"), *mark = getenv("FAIL_MARK");
    const char *error = getenv("FAIL_ERRNO");
    if (!below || !nth || !mark || !error || strncmp(path, below, strlen(below)) != 0) return 0;
    int number = atomic_fetch_add(&calls, 1) + 1, wanted = atoi(nth), code = atoi(error);
    if (number != wanted && !(code == ENOSPC && number > wanted)) return 0;
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    int file = (int)syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        (void)!syscall(SYS_write, file, line, (size_t)length);
        syscall(SYS_close, file);
    }
    errno = code;
    return 1;
}

static int fails_at(const char *call, int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FILE(type, name, parameters, arguments)                              \
    type name parameters {                                                      \
        static __typeof__(&name) real;                                          \
        if (!real) real = REAL(name);                                           \
        return fails_at(#name, file) ? -1 : real arguments;                     \
    }
#define ON_PATH(type, name, parameters, arguments)                              \
    type name parameters {                                                      \
        static __typeof__(&name) real;                                          \
        if (!real) real = REAL(name);                                           \
        return fails(#name, path) ? -1 : real arguments;                        \
    }
#define OPENS(name)                                                             \
    int name(const char *path, int flags, ...) {                                \
        static __typeof__(&name) real;                                          \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = va_arg(rest, mode_t);                                     \
        va_end(rest);                                                           \
        if (!real) real = REAL(name);                                           \
        return (flags & O_ACCMODE) != O_RDONLY && fails(#name, path) ? -1 : real(path, flags, mode); \
    }

OPENS(open)
OPENS(open64)
ON_FILE(ssize_t, write, (int file, const void *bytes, size_t count), (file, bytes, count))
ON_FILE(ssize_t, pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
ON_FILE(ssize_t, pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, fdatasync, (int file), (file))
ON_FILE(int, ftruncate, (int file, off_t length), (file, length))
ON_FILE(int, ftruncate64, (int file, off64_t length), (file, length))
ON_PATH(int, rename, (const char *path, const char *new_path), (path, new_path))
ON_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(int, unlink, (const char *path), (path))
