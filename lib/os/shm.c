/* SPDX-License-Identifier: MIT */
/* Shared-memory objects and their mappings. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where shm_open of glibc and musl keeps its objects. It is needed by its path only to make an
 * object without a name and to name it later, which shm_open cannot. */
#define SHM_FOLDER "/dev/shm"

enum { PATH_SIZE = 320, DESCRIPTOR_PATH_SIZE = 40 };

/* What the system says of a path through /proc: without /proc it is not the object that is missing. */
static int descriptor_error(void)
{
    return errno == ENOENT ? -EBADF : -errno;
}

static void descriptor_path(char *path, int fd)
{
    snprintf(path, DESCRIPTOR_PATH_SIZE, "/proc/self/fd/%d", fd);
}

static void name_path(char *path, const char *name)
{
    snprintf(path, PATH_SIZE, "%s/%s", SHM_FOLDER, name);
}

int os_above_standard(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int above = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = -errno;
    os_close(fd);
    return above < 0 ? error : above;
}

int os_shm_open(const char *name, bool writable)
{
    int fd;
    /* Not to hang on a fifo that somebody put there. */
    int flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK;
    do
        fd = shm_open(name, flags, 0);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return os_above_standard(fd);
    /* The C library's word for a directory of that name. */
    return errno == EINVAL ? -EISDIR : -errno;
}

int os_shm_create(uint32_t permissions)
{
    int fd;
    do
        fd = open(SHM_FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, (mode_t)permissions) != 0) { /* whatever the umask */
        int error = -errno;
        close(fd);
        return error;
    }
    return os_above_standard(fd);
}

int os_shm_link(int fd, const char *name)
{
    char from[DESCRIPTOR_PATH_SIZE], to[PATH_SIZE];
    descriptor_path(from, fd);
    name_path(to, name);
    return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : descriptor_error();
}

int os_shm_unlink(const char *name)
{
    return shm_unlink(name) == 0 ? 0 : -errno;
}

int os_shm_reopen(int fd)
{
    char path[DESCRIPTOR_PATH_SIZE];
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    descriptor_path(path, fd);
    int copy;
    do
        copy = open(path, (flags & O_ACCMODE) | O_CLOEXEC);
    while (copy < 0 && errno == EINTR);
    return copy < 0 ? descriptor_error() : os_above_standard(copy);
}

/* Past the limit the system would answer with a signal. */
static bool may_be_so_large(uint64_t size)
{
    struct rlimit limit;
    return size <= INT64_MAX && (getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= limit.rlim_cur);
}

int os_shm_resize(int fd, uint64_t size)
{
    int result;
    if (!may_be_so_large(size))
        return -EFBIG;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int commit_at_once(int fd, uint64_t offset, uint64_t length)
{
    return -posix_fallocate(fd, (off_t)offset, (off_t)length);
}

/* Before Linux 6.11 a signal undoes all that one call got: under a timer a long one never ends. */
static int commit_in_pieces(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t piece = 4 << 20;
    uint64_t done = 0;
    int error = 0;
    while (done < length && (!error || error == -EINTR)) {
        uint64_t left = length - done, part = left < piece ? left : piece;
        error = commit_at_once(fd, offset + done, part);
        done += error ? 0 : part;
    }
    return error;
}

int os_shm_commit(int fd, uint64_t offset, uint64_t length)
{
    /* All of it first: what can never be had is refused then, and nothing of it stays. */
    int error = commit_at_once(fd, offset, length);
    return error == -EINTR ? commit_in_pieces(fd, offset, length) : error;
}

bool os_shm_has_room(int fd, uint64_t bytes)
{
    struct statvfs system;
    if (fstatvfs(fd, &system) != 0 || system.f_blocks == 0) /* it has no limit */
        return true;
    return (uint64_t)system.f_bavail * system.f_frsize >= bytes;
}

int os_shm_grow(int fd, uint64_t size)
{
    return may_be_so_large(size) ? os_shm_commit(fd, size - 1, 1) : -EFBIG;
}

void os_shm_free(int fd, uint64_t offset, uint64_t length)
{
    /* Not the C library's fallocate, which is a cancellation point. */
    syscall(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
            (off_t)length);
}

static struct os_file file_of(const struct stat *file)
{
    return (struct os_file){
        .device = file->st_dev,
        .inode = file->st_ino,
        .size = file->st_size > 0 ? (uint64_t)file->st_size : 0,
        .allocated = (uint64_t)file->st_blocks * 512,
        .owner = file->st_uid,
        .permissions = file->st_mode & 07777,
        .linked = file->st_nlink > 0,
        .regular = S_ISREG(file->st_mode),
    };
}

int os_file_status(int fd, struct os_file *status)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return -errno;
    *status = file_of(&file);
    return 0;
}

int os_shm_status(const char *name, struct os_file *status)
{
    char path[PATH_SIZE];
    struct stat file;
    name_path(path, name);
    if (lstat(path, &file) != 0)
        return -errno;
    *status = file_of(&file);
    return 0;
}

int os_read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    long got;
    /* Not the C library's pread, which is a cancellation point. */
    do
        got = syscall(SYS_pread64, fd, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    return (size_t)got == size ? 0 : -ENODATA;
}

void os_close(int fd)
{
    /* Not the C library's close, which is a cancellation point. */
    if (fd >= 0)
        syscall(SYS_close, fd);
}

size_t os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

#define READ_WRITE (PROT_READ | PROT_WRITE)

static int map_anywhere(int flags, int fd, uint64_t offset, size_t length, void **address)
{
    void *mapped = mmap(NULL, length, READ_WRITE, flags, fd, (off_t)offset);
    if (mapped == MAP_FAILED)
        return -errno;
    *address = mapped;
    return 0;
}

/* A core dump would give memory to what has none, for as long as the file is there. (Of a file that has a name
 * it takes no mappings anyway.) */
static void keep_from_dumps(void *address, size_t length)
{
    madvise(address, length, MADV_DONTDUMP);
}

int os_map(int fd, uint64_t offset, size_t length, void **address)
{
    int error = map_anywhere(MAP_SHARED, fd, offset, length, address);
    if (!error)
        keep_from_dumps(*address, length);
    return error;
}

int os_map_zeroes(size_t length, void **address)
{
    return map_anywhere(MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, length, address);
}

int os_map_mirrored(int fd, uint64_t offset, size_t once, size_t twice, void **address)
{
    unsigned char *reserved =
        mmap(NULL, once + twice, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return -errno;
    off_t second = (off_t)(offset + once - twice);
    if (mmap(reserved, once, READ_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED ||
        mmap(reserved + once, twice, READ_WRITE, MAP_SHARED | MAP_FIXED, fd, second) ==
            MAP_FAILED) {
        int error = -errno;
        munmap(reserved, once + twice);
        return error;
    }
    keep_from_dumps(reserved, once + twice);
    *address = reserved;
    return 0;
}

void os_free_mapped(void *address, size_t length)
{
    madvise(address, length, MADV_REMOVE);
}

void os_unmap(void *address, size_t length)
{
    if (address)
        munmap(address, length);
}
