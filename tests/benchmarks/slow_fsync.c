/* A disk that takes longer to sync: preloaded, it delays each fsync and fdatasync.
 *
 * SLOW_FSYNC_MICROSECONDS is how long; the call itself is still made.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int (*sync_call)(int);

static void rest(void)
{
    const char *given = getenv("SLOW_FSYNC_MICROSECONDS");
    long microseconds = given ? atol(given) : 0;
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static int slowly(const char *name, int file)
{
    sync_call real = (sync_call)dlsym(RTLD_NEXT, name);
    rest();
    return real(file);
}

int fsync(int file) { return slowly("fsync", file); }
int fdatasync(int file) { return slowly("fdatasync", file); }
