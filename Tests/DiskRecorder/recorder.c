// The functions below have the names of the C library's: the linker prefers a program's own over
// a shared library's, so SQLite and Swift call these. Each does the real thing and notes it; one lock around
// both keeps the notes in the order of the effects.
//
// A record: u8 kind, u8 length of the file's name after the prefix, u64 offset, u32 length of the
// data, the name, the data; integers little-endian.
#define _GNU_SOURCE
#include "recorder.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    kind_write = 1,
    kind_sync = 2,
    kind_cut = 3,
    kind_remove = 4,
    kind_say = 5,
    kind_make = 6,
    // A write that returns when it is synced: the file was opened with O_DSYNC.
    kind_write_synced = 7,
    // The data is the new name.
    kind_rename = 8,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static char prefix[PATH_MAX];
static char folder[PATH_MAX];

#define REAL(name, type) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, name)

typedef ssize_t (*write_function)(int, const void *, size_t);
typedef ssize_t (*pwrite_function)(int, const void *, size_t, off64_t);
typedef int (*sync_function)(int);
typedef int (*cut_function)(int, off64_t);
typedef int (*allocate_function)(int, off_t, off_t);
typedef int (*remove_function)(const char *);
typedef int (*rename_function)(const char *, const char *);
typedef int (*open_function)(const char *, int, ...);

static ssize_t real_write(int file, const void *data, size_t size) {
    REAL("write", write_function);
    return real(file, data, size);
}

// The part of a path after the prefix; "/" for the folder itself; NULL for any other file.
static const char *name_of(const char *path) {
    if (log_file < 0) return NULL;
    if (strcmp(path, folder) == 0) return "/";
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length) != 0) return NULL;
    const char *name = path + length;
    // None decides what a restart finds: SQLite makes the index anew, and a file without a name
    // is gone.
    if (strcmp(name, ".lock") == 0 || strcmp(name, "-shm") == 0) return NULL;
    if (strcmp(name, "lock") == 0 || name[0] == '#') return NULL;
    return name;
}

static const char *name_of_file(int file, char path[PATH_MAX]) {
    if (log_file < 0 || file < 3) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return name_of(path);
}

static void put(const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        ssize_t done = real_write(log_file, at, size);
        if (done <= 0) _exit(99);
        at += done;
        size -= (size_t)done;
    }
}

static void note(uint8_t kind, const char *name, uint64_t offset, const void *data, size_t size) {
    uint8_t head[14];
    uint32_t length = (uint32_t)size;
    head[0] = kind;
    head[1] = (uint8_t)strlen(name);
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &length, 4);
    put(head, sizeof head);
    put(name, head[1]);
    put(data, size);
}

int disk_recorder_start(const char *path, const char *log_path) {
    if (strlen(path) >= sizeof prefix) return -1;
    strcpy(prefix, path);
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (!slash) return -1;
    *slash = 0;
    log_file = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return log_file < 0 ? -1 : 0;
}

ssize_t write(int file, const void *data, size_t size) {
    if (file != 1 || log_file < 0) return real_write(file, data, size);
    pthread_mutex_lock(&lock);
    note(kind_say, "", 0, data, size);
    ssize_t result = real_write(file, data, size);
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t written(
    pwrite_function real, int file, const void *data, size_t size, off64_t offset) {
    char path[PATH_MAX];
    const char *name = name_of_file(file, path);
    if (!name) return real(file, data, size, offset);
    uint8_t kind = fcntl(file, F_GETFL) & O_DSYNC ? kind_write_synced : kind_write;
    pthread_mutex_lock(&lock);
    ssize_t result = real(file, data, size, offset);
    if (result > 0) note(kind, name, (uint64_t)offset, data, (size_t)result);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    REAL("pwrite64", pwrite_function);
    return written(real, file, data, size, offset);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    REAL("pwrite", pwrite_function);
    return written(real, file, data, size, offset);
}

static int synced(int file, sync_function real) {
    char path[PATH_MAX];
    const char *name = name_of_file(file, path);
    if (!name) return real(file);
    pthread_mutex_lock(&lock);
    int result = real(file);
    if (result == 0) note(kind_sync, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int file) {
    REAL("fsync", sync_function);
    return synced(file, real);
}

int fdatasync(int file) {
    REAL("fdatasync", sync_function);
    return synced(file, real);
}

int ftruncate64(int file, off64_t size) {
    REAL("ftruncate64", cut_function);
    char path[PATH_MAX];
    const char *name = name_of_file(file, path);
    if (!name) return real(file, size);
    pthread_mutex_lock(&lock);
    int result = real(file, size);
    if (result == 0) note(kind_cut, name, (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int posix_fallocate(int file, off_t offset, off_t size) {
    REAL("posix_fallocate", allocate_function);
    char path[PATH_MAX];
    const char *name = name_of_file(file, path);
    if (!name) return real(file, offset, size);
    pthread_mutex_lock(&lock);
    int result = real(file, offset, size);
    struct stat status;
    if (result == 0 && fstat(file, &status) == 0) {
        note(kind_cut, name, (uint64_t)status.st_size, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    REAL("unlink", remove_function);
    const char *name = name_of(path);
    if (!name) return real(path);
    pthread_mutex_lock(&lock);
    int result = real(path);
    if (result == 0) note(kind_remove, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *path, const char *new_path) {
    REAL("rename", rename_function);
    const char *name = name_of(path);
    const char *new_name = name_of(new_path);
    if (!name || !new_name) return real(path, new_path);
    pthread_mutex_lock(&lock);
    int result = real(path, new_path);
    if (result == 0) note(kind_rename, name, 0, new_name, strlen(new_name));
    pthread_mutex_unlock(&lock);
    return result;
}

static int opened(open_function real, const char *path, int flags, int mode) {
    const char *name = flags & O_CREAT ? name_of(path) : NULL;
    if (!name) return real(path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = access(path, F_OK) != 0;
    int result = real(path, flags, mode);
    if (result >= 0 && is_new) note(kind_make, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

// The mode is there only for a file that may be made.
#define MODE(flags) \
    int mode = 0; \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, int); \
        va_end(rest); \
    }

int open64(const char *path, int flags, ...) {
    REAL("open64", open_function);
    MODE(flags)
    return opened(real, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    REAL("open", open_function);
    MODE(flags)
    return opened(real, path, flags, mode);
}
