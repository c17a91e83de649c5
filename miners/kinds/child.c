#include "miners/kinds/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "miners/kinds/keeper.h"

// Time that a keeper has to end all that a program has started.
#define KEEPER_MS 5000

static bool is_program(const char *path)
{
    return file_is_regular(path) && access(path, X_OK) == 0;
}

/* Whether folder[len]/name is a program.  *no_memory is set if there is no memory to find out. */
static bool has_program(const char *folder, size_t len, const char *name, bool *no_memory)
{
    char *in = strndup(folder, len), *path = in ? file_join(in, name) : NULL;
    const bool found = path && is_program(path);
    *no_memory |= !path;
    free(in);
    free(path);
    return found;
}

int child_find(const char *name, const char *folder, struct err *err)
{
    const char *path = getenv("PATH");
    bool no_memory = false;
    if (strchr(name, '/')) {
        if (name[0] == '/' ? is_program(name)
                           : has_program(folder, strlen(folder), name, &no_memory)) {
            return 0;
        }
        return no_memory ? err_nomem(err, "a path")
                         : err_set(err, ERR_NOT_FOUND, "%s: not a program that can be run", name);
    }
    for (const char *at = path ? path : "/bin:/usr/bin"; at;) {
        const size_t len = strcspn(at, ":");
        if (has_program(at, len, name, &no_memory)) {
            return 0;
        }
        at = at[len] ? at + len + 1 : NULL;
    }
    return no_memory ? err_nomem(err, "a path")
                     : err_set(err, ERR_NOT_FOUND,
                               "%s: no such program (one beside the file is ./%s)", name, name);
}

static void close_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* Makes a pipe whose ends are none of the standard streams, even if those are closed. */
static int open_pipe(int ends[2], struct err *err)
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) {
        return err_set(err, ERR_IO, "a pipe: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
        close(low[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0 ? 0 : err_set(err, ERR_IO, "a pipe: %s", strerror(errno));
}

/* What the new process becomes. */
struct start {
    const char *path;  // of the program, or the keeper's
    char *const *argv; // its arguments
    const char *folder;
    int in, out, report;
    int life; // the keeper's; -1: no keeper
};

/* In the child: becomes the program, or reports why it cannot.  It calls only functions that are
 * safe between fork and exec. */
static _Noreturn void become(const struct start *s, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    if (s->life < 0) { // a keeper ends by itself, for it has others to end before
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() == parent && dup2(s->in, STDIN_FILENO) >= 0 && dup2(s->out, STDOUT_FILENO) >= 0 &&
        (!s->folder[0] || chdir(s->folder) == 0)) {
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); // libraries may have opened files without it
        if (s->life >= 0) {
            fcntl(s->life, F_SETFD, 0);
            fcntl(s->report, F_SETFD, 0);
        }
        execvp(s->path, s->argv);
    }
    const int why = errno;
    (void)!write(s->report, &why, sizeof why);
    _exit(127);
}

/* Forks; *pid is the new process, of which exec has succeeded. */
static int start(pid_t *pid, const struct start *s, int report[2], const char *name,
                 struct err *err)
{
    const pid_t parent = getpid();
    int why = 0;
    *pid = fork();
    if (*pid == 0) {
        become(s, parent);
    }
    if (*pid < 0) {
        return err_set(err, ERR_IO, "%s: cannot be started: %s", name, strerror(errno));
    }
    setpgid(*pid, *pid); // parent and child both do it, since either may come first
    close_end(&report[1]);
    if (read(report[0], &why, sizeof why) == sizeof why) {
        waitpid(*pid, NULL, 0);
        return err_set(err, ERR_IO, "%s: cannot be run: %s", name, strerror(why));
    }
    return 0;
}

int child_start(struct child *c, char *const *argv, const char *folder, struct err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, report[2] = {-1, -1}, life[2] = {-1, -1};
    char numbers[2][12], **keeper = NULL;
    pid_t pid;
    int rc = open_pipe(in, err);
    rc = rc ? rc : open_pipe(out, err);
    rc = rc ? rc : open_pipe(report, err);
    if (!rc && keeper_is_enabled()) {
        rc = open_pipe(life, err);
    }
    if (!rc && keeper_is_enabled()) {
        keeper = keeper_argv(argv, life[0], report[1], numbers);
        rc = keeper ? 0 : err_nomem(err, "a program's arguments");
    }
    if (rc) {
        goto out;
    }
    const struct start s = {.path = keeper ? KEEPER_PROGRAM : argv[0],
                            .argv = keeper ? keeper : argv,
                            .folder = folder,
                            .in = in[0],
                            .out = out[1],
                            .report = report[1],
                            .life = life[0]};
    rc = start(&pid, &s, report, argv[0], err);
    if (rc) {
        goto out;
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    *c = (struct child){.pid = pid, .in = in[1], .out = out[0], .life = life[1]};
    in[1] = out[0] = life[1] = -1; // these are c's from here on
out:
    for (size_t i = 0; i < 2; i++) {
        close_end(&in[i]);
        close_end(&out[i]);
        close_end(&report[i]);
        close_end(&life[i]);
    }
    free(keeper);
    return rc;
}

ssize_t child_write(const struct child *c, const char *data, size_t len)
{
    sigset_t broken, pending, old;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &broken, &old);
    const ssize_t n = write(c->in, data, len);
    const int why = errno;
    if (n < 0 && why == EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec at_once = {0};
        while (sigtimedwait(&broken, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = why;
    return n;
}

void child_close_input(struct child *c)
{
    close_end(&c->in);
}

bool child_wait(const struct child *c, int ms)
{
    for (;; ms--) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid) {
            return true;
        }
        if (ms <= 0) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int child_end(struct child *c)
{
    int how = 0;
    if (c->pid > 0) {
        const bool kept = c->life >= 0;
        close_end(&c->life); // the keeper ends all, and then itself
        if (!kept || !child_wait(c, KEEPER_MS)) {
            kill(-c->pid, SIGKILL);
        }
        while (waitpid(c->pid, &how, 0) < 0 && errno == EINTR) {
        }
    }
    close_end(&c->in);
    close_end(&c->out);
    *c = CHILD_NONE;
    return how;
}
