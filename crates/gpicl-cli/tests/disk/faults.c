/* A disk that fails, and one that remembers: loaded before a program (LD_PRELOAD), it sees what that changes below
 * DISK_ROOT. Changes are numbered from 1 over all processes; the number stands in the file DISK_COUNT.
 *
 * DISK_FAIL=N     the N-th change fails with the error DISK_ERRNO, and with DISK_FULL=1 all that follow it; the name of
 *                 what failed is put into DISK_FAILED. A write to a full disk gets half of its bytes in first.
 * DISK_LOG=FILE   every change that was made, in order: a line "KIND inode number number path", then for
 *                 W (write: offset, length) the bytes, for R (rename) the old path; C create, T truncate (length), S sync,
 *                 M mkdir, U unlink.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char *paths[FDS]; /* of what is open below the root */
static const char *root;
static long fail_at, full, error_number;
static volatile long *count; /* shared by all processes */
static int lock_fd = -1, log_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void raw(int fd, const void *bytes, size_t length) {
    while (length > 0) {
        long done = syscall(SYS_write, fd, bytes, length);
        if (done <= 0) _exit(99);
        bytes = (const char *)bytes + done;
        length -= done;
    }
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    root = getenv("DISK_ROOT");
    const char *counter = getenv("DISK_COUNT"), *log = getenv("DISK_LOG");
    if (!root || !counter) return;
    fail_at = number("DISK_FAIL"), full = number("DISK_FULL"), error_number = number("DISK_ERRNO");
    lock_fd = syscall(SYS_openat, AT_FDCWD, counter, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0 || syscall(SYS_ftruncate, lock_fd, sizeof *count) < 0) _exit(99);
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, lock_fd, 0);
    if (count == MAP_FAILED) _exit(99);
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One change at a time, of all threads and processes, so that the log has them in their order. */
static void enter(void) {
    pthread_mutex_lock(&mutex);
    flock(lock_fd, LOCK_EX);
}

static void leave(void) {
    int error = errno;
    flock(lock_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = error;
}

/* The absolute name of `path` if it is below the root, in `full_path`; else NULL. */
static char *below(const char *path, char *full_path) {
    if (!count) return NULL;
    char folder[PATH_MAX];
    if (!realpath(path, full_path)) {
        snprintf(folder, sizeof folder, "%s", path);
        char *slash = strrchr(folder, '/');
        const char *name = slash ? slash + 1 : folder;
        char rest[PATH_MAX], parent[PATH_MAX];
        snprintf(rest, sizeof rest, "%s", name);
        if (slash) slash[slash == folder] = 0;
        else strcpy(folder, ".");
        if (!realpath(folder, parent)) return NULL;
        if (snprintf(full_path, PATH_MAX, "%s/%s", parent, rest) >= PATH_MAX) return NULL;
    }
    size_t length = strlen(root);
    return strncmp(full_path, root, length) == 0 && (full_path[length] == '/' || !full_path[length]) ? full_path : NULL;
}

static const char *opened(int fd) { return count && fd >= 0 && fd < FDS ? paths[fd] : NULL; }

/* Counts a change of `path`; whether it fails. */
static int fails(const char *path) {
    long now = ++*count;
    int failing = fail_at && (now == fail_at || (full && now > fail_at));
    if (failing && now == fail_at) {
        int fd = syscall(SYS_openat, AT_FDCWD, getenv("DISK_FAILED"), O_WRONLY | O_CREAT, 0600);
        raw(fd, path, strlen(path));
        syscall(SYS_close, fd);
    }
    if (failing) errno = error_number;
    return failing;
}

static void note(char kind, unsigned long inode, long first, long second, const char *path) {
    if (log_fd < 0) return;
    char line[PATH_MAX + 99];
    raw(log_fd, line, snprintf(line, sizeof line, "%c %lu %ld %ld %s\n", kind, inode, first, second, path));
}

static unsigned long inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

static int open_below(const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = REAL(open64);
    char full_path[PATH_MAX];
    const char *name = below(path, full_path);
    if (!name) return real(path, flags, mode);
    enter();
    struct stat found;
    int there = stat(path, &found) == 0, fd = -1;
    int changes = (flags & O_ACCMODE) != O_RDONLY;
    if (!changes || !fails(name)) fd = real(path, flags, mode);
    if (fd >= 0 && fd < FDS) {
        free(paths[fd]);
        paths[fd] = strdup(name);
        if (!there && (flags & O_CREAT)) note('C', inode_of(fd), 0, 0, name);
        else if (flags & O_TRUNC) note('T', inode_of(fd), 0, 0, name);
    }
    leave();
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                      \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        return open_below(path, flags, mode);                                                                          \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (opened(fd)) {
        enter();
        free(paths[fd]);
        paths[fd] = NULL;
        leave();
    }
    return REAL(close)(fd);
}

static ssize_t write_below(int fd, const void *bytes, size_t length, long at) {
    enter();
    size_t part = length;
    if (fails(paths[fd])) part = full && *count == fail_at ? length / 2 : 0;
    ssize_t done = -1;
    if (part > 0 || length == 0) {
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        long from = at >= 0 ? at : lseek(fd, 0, appends ? SEEK_END : SEEK_CUR);
        done = at >= 0 ? REAL(pwrite64)(fd, bytes, part, at) : REAL(write)(fd, bytes, part);
        if (done > 0) {
            note('W', inode_of(fd), from, done, paths[fd]);
            if (log_fd >= 0) raw(log_fd, bytes, done);
        }
    }
    leave();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return opened(fd) ? write_below(fd, bytes, length, -1) : REAL(write)(fd, bytes, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) {
    return opened(fd) ? write_below(fd, bytes, length, at) : REAL(pwrite64)(fd, bytes, length, at);
}

/* A short write of the first part is allowed. */
ssize_t writev(int fd, const struct iovec *parts, int length) {
    if (!opened(fd)) return REAL(writev)(fd, parts, length);
    for (int i = 0; i < length; i++)
        if (parts[i].iov_len > 0) return write_below(fd, parts[i].iov_base, parts[i].iov_len, -1);
    return 0;
}

static int sync_below(int fd, int (*real)(int)) {
    if (!opened(fd)) return real(fd);
    enter();
    int done = fails(paths[fd]) ? -1 : real(fd);
    if (done == 0) note('S', inode_of(fd), 0, 0, paths[fd]);
    leave();
    return done;
}
int fsync(int fd) { return sync_below(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_below(fd, REAL(fdatasync)); }

int ftruncate64(int fd, off_t length) {
    if (!opened(fd)) return REAL(ftruncate64)(fd, length);
    enter();
    int done = fails(paths[fd]) ? -1 : REAL(ftruncate64)(fd, length);
    if (done == 0) note('T', inode_of(fd), length, 0, paths[fd]);
    leave();
    return done;
}

int rename(const char *from, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    const char *old_name = below(from, old), *new_name = below(to, new);
    if (!old_name || !new_name) return REAL(rename)(from, to);
    enter();
    int done = fails(new_name) ? -1 : REAL(rename)(from, to);
    if (done == 0) {
        note('R', 0, 0, 0, new_name);
        note('-', 0, 0, 0, old_name);
    }
    leave();
    return done;
}

int mkdir(const char *path, mode_t mode) {
    char full_path[PATH_MAX];
    const char *name = below(path, full_path);
    if (!name) return REAL(mkdir)(path, mode);
    enter();
    int done = fails(name) ? -1 : REAL(mkdir)(path, mode);
    if (done == 0) note('M', 0, 0, 0, name);
    leave();
    return done;
}

int unlink(const char *path) {
    char full_path[PATH_MAX];
    const char *name = below(path, full_path);
    if (!name) return REAL(unlink)(path);
    enter();
    int done = REAL(unlink)(path);
    if (done == 0) note('U', 0, 0, 0, name);
    leave();
    return done;
}
