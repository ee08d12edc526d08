/* server.h - a Python server beside a unit test, on loopback.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The script prints "port N" and ends when its standard input does.  When
 * there is no python3 the test is skipped, and says so.
 */
#ifndef TJ_TESTS_SERVER_H
#define TJ_TESTS_SERVER_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "test.h"

struct test_server {
    pid_t pid;
    int in;
    unsigned port;
};

/* script is relative to the source folder; args end with NULL. */
static inline bool test_server_start(struct test_server *s, const char *script,
                                     const char *one, const char *two)
{
    int in[2], out[2];
    char path[4096];
    const char *source = getenv("TRACEJUDGE_SOURCE");
    *s = (struct test_server){.in = -1};
    (void)snprintf(path, sizeof path, "%s/%s", source ? source : ".", script);
    if (pipe(in) != 0 || pipe(out) != 0)
        return false;
    s->pid = fork();
    if (s->pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        (void)close(in[1]);
        (void)close(out[0]);
        (void)execlp("python3", "python3", path, one, two, (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    (void)fcntl(in[1], F_SETFD, FD_CLOEXEC);
    s->in = in[1];
    FILE *from = fdopen(out[0], "r");
    bool ok = from && fscanf(from, "port %u", &s->port) == 1;
    if (from)
        (void)fclose(from);
    if (!ok)
        print_message("SKIPPED: no answer from python3 %s\n", path);
    return ok;
}

static inline void test_server_stop(struct test_server *s)
{
    if (s->in >= 0)
        (void)close(s->in);
    if (s->pid > 0)
        (void)waitpid(s->pid, NULL, 0);
    *s = (struct test_server){.in = -1};
}

#endif
