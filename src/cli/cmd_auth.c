/* cmd_auth.c - tracejudge auth: who may use the server.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "api/api_int.h"
#include "cli/command.h"
#include "serve/auth_file.h"

enum { PASSWORD_ROOM = TJ_AUTH_PASSWORD_BYTES_MAX + 2 };

static int failed(const struct tj_err *err)
{
    return complain(exit_code_of((int)err->code), "auth: %s", err->message);
}

/* The file that `serve` with the same options reads; NULL: *code is set. */
static const char *file_of(const struct args *args, struct tj_arena *a,
                           int *code)
{
    struct tj_err err;
    const char *path = args_value(args, "auth-file");
    if (path && *path)
        return path;
    tj_str url = tj_api_store_url(args_value(args, "store"), a, &err);
    if (!url.ptr) {
        *code = failed(&err);
        return NULL;
    }
    tj_str beside = tj_auth_default_path(url, a);
    if (beside.len)
        return tj_cstr(a, beside);
    *code = complain(EXIT_INPUT, "auth: this store is no file; name one with "
                                 "--auth-file");
    return NULL;
}

static bool read_grant(const struct args *args, struct tj_arena *a,
                       struct tj_grant *out)
{
    TJ_VEC(uint64_t) ids = {0};
    const char *role = args_value(args, "role");
    *out = (struct tj_grant){
        .name = tj_str_c(args->positionals[1]),
        .access = TJ_ACCESS_WRITE,
    };
    if (role && !tj_auth_role_parse(tj_str_c(role), &out->access)) {
        complain(EXIT_INPUT, "auth: --role must be read, write or admin");
        return false;
    }
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].spec->name, "experiment") != 0)
            continue;
        const char *text = args->given[i].value;
        if (!tj_str_to_u64(tj_str_c(text), tj_vec_add(&ids, a))) {
            complain(EXIT_INPUT,
                     "auth: --experiment must be a number, not '%s'", text);
            return false;
        }
    }
    out->experiments = ids.items;
    out->experiment_count = ids.count;
    return true;
}

/* A line of standard input, unseen when it is a terminal. */
static bool read_password(char room[PASSWORD_ROOM])
{
    struct termios shown;
    bool terminal =
        isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("password: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool ok = fgets(room, PASSWORD_ROOM, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    if (ok)
        room[strcspn(room, "\r\n")] = 0;
    return ok;
}

static int add(const struct args *args, const char *path, tj_auth_entries *list,
               const char *password, struct tj_arena *a)
{
    struct tj_grant grant;
    struct tj_err err;
    tj_str token = {0};
    if (!read_grant(args, a, &grant))
        return EXIT_INPUT;
    bool user = args_has(args, "user");
    bool ok = user ? tj_auth_add_user(list, &grant, tj_str_c(password), a, &err)
                   : tj_auth_add_token(list, &grant, a, &token, &err);
    if (!ok || !tj_auth_file_write(path, list, &err))
        return failed(&err);
    if (args_has(args, "json"))
        (void)printf("{\"name\":\"%.*s\",\"token\":\"%.*s\"}\n",
                     TJ_STR_ARG(grant.name), TJ_STR_ARG(token));
    else if (user)
        (void)printf("%.*s may log in\n", TJ_STR_ARG(grant.name));
    else
        (void)printf("%.*s\n", TJ_STR_ARG(token));
    if (!user && stderr_is_terminal())
        (void)fputs("Keep it now: it is not shown again.\n", stderr);
    return EXIT_DONE;
}

static void list_experiments(const struct tj_grant *grant, const char *comma)
{
    for (size_t i = 0; i < grant->experiment_count; i++)
        (void)printf("%s%" PRIu64, i ? comma : "", grant->experiments[i]);
}

static int list_all(const struct args *args, const tj_auth_entries *list,
                    struct tj_arena *a)
{
    bool json = args_has(args, "json");
    tj_vec_each (list, const struct tj_auth_entry, e) {
        const char *kind = e->kind == TJ_AUTH_USER ? "user" : "token";
        const char *role = tj_auth_role_name(e->grant.access);
        tj_str created = tj_time_text(a, e->created);
        (void)printf(json ? "{\"name\":\"%.*s\",\"kind\":\"%s\",\"role\":"
                            "\"%s\",\"created\":\"%.*s\",\"experiments\":["
                          : "%-24.*s %-6s %-6s %.*s  ",
                     TJ_STR_ARG(e->grant.name), kind, role,
                     TJ_STR_ARG(created));
        if (!json && !e->grant.experiment_count)
            (void)fputs("all experiments", stdout);
        list_experiments(&e->grant, json ? "," : " ");
        (void)puts(json ? "]}" : "");
    }
    return EXIT_DONE;
}

static int drop(const struct args *args, const char *path,
                tj_auth_entries *list)
{
    struct tj_err err;
    for (int i = 1; i < args->positional_count; i++)
        if (!tj_auth_remove(list, tj_str_c(args->positionals[i])))
            return complain(EXIT_INPUT,
                            "auth: there are no credentials called "
                            "'%s'",
                            args->positionals[i]);
    return tj_auth_file_write(path, list, &err) ? EXIT_DONE : failed(&err);
}

/* Nobody waits for the lock while somebody types a password. */
static int change(const struct args *args, const char *path, struct tj_arena *a)
{
    char password[PASSWORD_ROOM] = "";
    bool is_add = !strcmp(args->positionals[0], "add");
    tj_auth_entries list;
    struct tj_err err;
    int lock;
    if (is_add && args_has(args, "user") && !read_password(password))
        return complain(EXIT_INPUT, "auth: no password on standard input");
    if (!tj_auth_file_lock(path, &lock, &err))
        return failed(&err);
    int code = EXIT_DONE;
    if (!tj_auth_file_read(path, a, &list, &err))
        code = failed(&err);
    else if (is_add)
        code = add(args, path, &list, password, a);
    else
        code = drop(args, path, &list);
    (void)close(lock);
    return code;
}

static int run_with(const struct args *args, struct tj_arena *a)
{
    const char *verb = args->positional_count ? args->positionals[0] : "list";
    bool is_add = !strcmp(verb, "add");
    bool is_remove = !strcmp(verb, "remove");
    tj_auth_entries list;
    struct tj_err err;
    int code = EXIT_INPUT;
    if (!is_add && !is_remove && strcmp(verb, "list") != 0)
        return complain(EXIT_INPUT, "auth: list, add or remove, not '%s'",
                        verb);
    if ((is_add && args->positional_count != 2) ||
        (is_remove && args->positional_count < 2))
        return complain(EXIT_INPUT, "auth: %s needs a name", verb);
    const char *path = file_of(args, a, &code);
    if (!path)
        return code;
    if (is_add || is_remove)
        return change(args, path, a);
    if (!tj_auth_file_read(path, a, &list, &err))
        return failed(&err);
    return list_all(args, &list, a);
}

static int run_auth(const struct args *args)
{
    struct tj_arena a = {0};
    int code = run_with(args, &a);
    tj_arena_release(&a);
    return code;
}

static const struct option_spec options[] = {
    {"role", 0, "ROLE", "add: read, write or admin (write)", false},
    {"experiment", 'e', "ID", "add: only this experiment and what is in it",
     true},
    {"user", 0, NULL, "add: a user with a password, read from standard input",
     false},
    {"auth-file", 0, "FILE", "the file (the store's path with .auth behind)",
     false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_auth = {
    .name = "auth",
    .summary = "credentials for the server",
    .usage = "[list | add NAME | remove NAME...]",
    .text =
        "As long as there are credentials, `tracejudge serve` answers only to "
        "those who send\nthem, on every path but /health, /healthz, /readyz "
        "and /version. A running server sees\na change within a second.\n\n"
        "add prints a token, once: clients send it as MLFLOW_TRACKING_TOKEN, "
        "or in\nOTEL_EXPORTER_OTLP_HEADERS as Authorization=Bearer%20TOKEN. "
        "With --user it is a\nname and a password (MLFLOW_TRACKING_USERNAME, "
        "MLFLOW_TRACKING_PASSWORD).",
    .examples = "  tracejudge auth add ci --role write --experiment 3\n"
                "  tracejudge auth add ana --user --role admin\n"
                "  tracejudge auth remove ci\n",
    .options = options,
    .positionals_min = 0,
    .positionals_max = -1,
    .run = run_auth,
};
