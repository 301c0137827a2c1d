#include "CKernels.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

xk_mapping xk_map_file(const char *path) {
    xk_mapping mapping = {NULL, 0, 0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        mapping.error = errno;
        return mapping;
    }
    struct stat info;
    if (fstat(file, &info) != 0) {
        mapping.error = errno;
    } else if (!S_ISREG(info.st_mode)) {
        mapping.error = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    } else if (info.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (bytes == MAP_FAILED) {
            mapping.error = errno;
        } else {
            mapping.bytes = bytes;
            mapping.count = (size_t)info.st_size;
        }
    }
    close(file);
    return mapping;
}

void xk_unmap(xk_mapping mapping) {
    if (mapping.bytes != NULL) munmap((void *)mapping.bytes, mapping.count);
}

int32_t xk_processor_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 1024 ? 1024 : (int32_t)count;
}

size_t xk_memory_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long size = sysconf(_SC_PAGESIZE);
    return pages < 1 || size < 1 ? (size_t)1 << 30 : (size_t)pages * (size_t)size;
}
