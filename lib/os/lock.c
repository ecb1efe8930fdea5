/* SPDX-License-Identifier: MIT */
/* Byte locks that live as long as a description, or as an address space. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct flock lock_of(uint64_t byte, bool exclusive)
{
    return (struct flock){
        .l_type = exclusive ? F_WRLCK : F_RDLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)byte,
        .l_len = 1,
    };
}

static int take(int fd, uint64_t byte, int command)
{
    struct flock lock = lock_of(byte, true);
    int result;
    do
        result = fcntl(fd, command, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno == EACCES ? -EAGAIN : -errno;
}

int os_lock_try(int fd, uint64_t byte)
{
    return take(fd, byte, F_OFD_SETLK);
}

int os_lock_wait(int fd, uint64_t byte)
{
    return take(fd, byte, F_OFD_SETLKW);
}

int os_lock_held(int fd, uint64_t byte)
{
    /* Asking for a shared lock conflicts with the holder's exclusive one, and needs no more than
     * a descriptor for reading. */
    struct flock lock = lock_of(byte, false);
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        return -errno;
    return lock.l_type != F_UNLCK;
}

int os_lock_anchor(int fd, void **anchor)
{
    size_t page = os_page_size();
    void *mapped = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    int error = mapped == MAP_FAILED ? -errno : 0;
    /* Without MADV_DONTFORK a child would keep our lock after our death. */
    if (error == 0 && madvise(mapped, page, MADV_DONTFORK) != 0) {
        error = -errno;
        munmap(mapped, page);
    }
    close(fd);
    if (error == 0)
        *anchor = mapped;
    return error;
}
