/* bench_start.c - from nothing to the first output of the binary.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Usage: bench_start [BINARY]     (build-release/tracejudge)
 * Compared in the same run with /bin/true: what any process costs here.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"

extern char **environ;

enum { RUNS = 200 };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t run_once(char *const argv[])
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    uint64_t start = tj_mono_ns();
    pid_t pid;
    int status = 1;
    if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        (void)fprintf(stderr, "cannot run %s\n", argv[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return tj_mono_ns() - start;
}

static void measure(const char *label, char *const argv[])
{
    uint64_t ns[RUNS];
    for (int i = 0; i < RUNS; i++)
        ns[i] = run_once(argv);
    qsort(ns, RUNS, sizeof *ns, by_value);
    (void)printf("%-24s %8.2f %8.2f\n", label, (double)ns[RUNS / 2] / 1e6,
                 (double)ns[RUNS * 9 / 10] / 1e6);
}

int main(int argc, char **argv)
{
    char *binary = argc > 1 ? argv[1] : (char[]){"build-release/tracejudge"};
    char version[] = "--version";
    char nothing[] = "/bin/true";
    (void)printf("%-24s %8s %8s\n", "start to exit, ms", "median", "p90");
    measure("/bin/true", (char *[]){nothing, NULL});
    measure("tracejudge --version", (char *[]){binary, version, NULL});
    return 0;
}
