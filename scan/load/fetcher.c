#include "scan/load/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "model/load/hub_cache.h"

#define PROGRAM "gapscope-fetch"

/* Starts gapscope-fetch in the place of this process; returns if that is not possible. */
static void exec_fetcher(char **argv)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof PROGRAM - 1);
    argv[0] = (char[]){PROGRAM};
    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        strcpy(slash ? slash + 1 : path, PROGRAM);
        execv(path, argv);
    }
    execvp(PROGRAM, argv);
}

int fetcher_become(char **argv, struct err *err)
{
    exec_fetcher(argv);
    return err_set(err, ERR_NOT_FOUND,
                   PROGRAM " is neither beside gapscope nor on PATH: it is built where "
                           "libcurl4-openssl-dev and libssl-dev are installed; `hf download` of "
                           "Hugging Face's client fills the same cache");
}

/* Runs gapscope-fetch, whose standard output is of no use here; returns whether it ended well. */
static bool run_fetcher(const char *where, bool ask)
{
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        char *name = strdup(where);
        char *argv[] = {NULL, (char[]){"--ask"}, name, NULL};
        char *argv_yes[] = {NULL, name, NULL};
        if (nowhere >= 0 && name && dup2(nowhere, STDOUT_FILENO) >= 0) {
            exec_fetcher(ask ? argv : argv_yes);
        }
        _exit(127);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Whether a model that is not here is to be fetched; *ask: if the person at the terminal agrees. */
static bool may_fetch(const char *where, bool *ask)
{
    const char *set = getenv("GAPSCOPE_FETCH");
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    *ask = !set || !*set;
    if (hub_cache_offline() || (!hub_find(where) && !hub_is_repo(where))) {
        return false;
    }
    return *ask ? terminal : strcmp(set, "yes") == 0;
}

int fetcher_resolve(struct hub_place *out, const char *spec, struct err *err)
{
    const char *equals = strchr(spec, '=');
    const char *where = equals ? equals + 1 : spec;
    struct err why = {0};
    bool ask;
    const int rc = hub_resolve(out, spec, &why);
    if (rc == ERR_NOT_FOUND && may_fetch(where, &ask)) {
        if (ask) {
            fprintf(stderr, "gapscope: %s is not here.\n", where);
        }
        if (run_fetcher(where, ask)) {
            return hub_resolve(out, spec, err);
        }
    }
    return rc ? err_set(err, rc, "%s", why.msg) : 0;
}
