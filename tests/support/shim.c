/* Between the agent and its C library: a clock that can be set, a disk that can fail, and tables that hang, without touching the machine's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

/* A file that the test writes to while the agent runs; tests/support/shim.rs knows the order. */
struct control {
    _Atomic int64_t clock;  /* what the wall clock is ahead, in nanoseconds */
    _Atomic int64_t disk;   /* 0: it works, 1: a sync fails, 2: a sync hangs, and so does reading what a spool kept */
    _Atomic int64_t loaded; /* how often this was loaded */
    _Atomic int64_t syncs;  /* how often a sync was asked for */
    _Atomic int64_t tables; /* 1: reading a table of sockets hangs */
};

static struct control none, *control = &none;

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("SHIM_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map == MAP_FAILED)
        return;
    control = map;
    control->loaded++;
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int failed = (int)syscall(SYS_clock_gettime, id, time);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t now = time->tv_sec * (int64_t)SECOND + time->tv_nsec + control->clock;
        time->tv_sec = now / SECOND;
        time->tv_nsec = now % SECOND;
    }
    return failed;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

static void hang(void) {
    while (control->disk == 2)
        usleep(10000);
}

static int sync_by(long call, int file) {
    control->syncs++;
    hang();
    if (control->disk == 1) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, file);
}

int fsync(int file) { return sync_by(SYS_fsync, file); }

int fdatasync(int file) { return sync_by(SYS_fdatasync, file); }

ssize_t read(int file, void *to, size_t bytes) {
    char name[32], target[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    if (strstr(target, ".spool"))
        hang();
    while (control->tables == 1 && strstr(target, "/net/tcp"))
        usleep(10000);
    return syscall(SYS_read, file, to, bytes);
}
