#include "miners/kinds/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/mem.h"

#define NAME "gapscope-keeper"

// Rounds of a millisecond in which it kills what is left: what cannot be killed is let go then.
#define ROUNDS_MAX 3000

// --- in gapscope -------------------------------------------------------------------------------

static bool enabled; // set before threads start

void keeper_enable(void)
{
    enabled = access(KEEPER_PROGRAM, X_OK) == 0;
}

bool keeper_is_enabled(void)
{
    return enabled;
}

char **keeper_argv(char *const *argv, int life, int report, char numbers[2][12])
{
    size_t n = 0;
    while (argv[n]) {
        n++;
    }
    char **out = mem_zero(n + 4, sizeof *out);
    if (!out) {
        return NULL;
    }
    static char name[] = NAME;
    snprintf(numbers[0], 12, "%d", life);
    snprintf(numbers[1], 12, "%d", report);
    out[0] = name;
    out[1] = numbers[0];
    out[2] = numbers[1];
    for (size_t i = 0; i < n; i++) {
        out[3 + i] = argv[i];
    }
    return out;
}

bool keeper_is_called(int argc, char **argv)
{
    return argc >= 4 && strcmp(argv[0], NAME) == 0;
}

// --- in the keeper -----------------------------------------------------------------------------

/* Is the process our child? */
static bool is_child(const char *pid)
{
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, stat, sizeof stat - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    stat[n > 0 ? n : 0] = '\0';
    const char *name_end = strrchr(stat, ')'); // "pid (name) state parent ...": any name
    int parent = 0;
    return name_end && sscanf(name_end + 1, " %*c %d", &parent) == 1 && parent == getpid();
}

static void kill_children(void)
{
    DIR *proc = opendir("/proc");
    for (const struct dirent *e; proc && (e = readdir(proc));) {
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_child(e->d_name)) {
            kill((pid_t)atoi(e->d_name), SIGKILL);
        }
    }
    if (proc) {
        closedir(proc);
    }
}

/* Waits for those children that have ended.  *how becomes how 'program' has ended, if it has; false:
 * there are no children any more. */
static bool reap(pid_t program, bool *ended, int *how)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == program) {
            *ended = true;
            *how = status;
        }
    }
    return pid == 0;
}

/* Kills children until there are none: the children of those that end become ours. */
static void end_all(pid_t program, bool *ended, int *how)
{
    for (int round = 0; round < ROUNDS_MAX && reap(program, ended, how); round++) {
        kill_children();
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Ends as the program did. */
static _Noreturn void end_like(int how)
{
    if (WIFSIGNALED(how)) {
        const struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none); // it has left its own, if any
        signal(WTERMSIG(how), SIG_DFL);
        raise(WTERMSIG(how));
        _exit(128 + WTERMSIG(how));
    }
    _exit(WEXITSTATUS(how));
}

static _Noreturn void become(char **argv, pid_t parent, int life, int report)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(life);
    fcntl(report, F_SETFD, FD_CLOEXEC);
    if (getppid() == parent) {
        execvp(argv[0], argv);
    }
    const int why = errno;
    (void)!write(report, &why, sizeof why);
    _exit(127);
}

/* Until the program ends or the pipe does. */
static void watch(pid_t program, int life, int children, bool *ended, int *how)
{
    struct pollfd fds[2] = {{.fd = life, .events = POLLIN}, {.fd = children, .events = POLLIN}};
    while (!*ended && !fds[0].revents) {
        struct signalfd_siginfo info;
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (fds[1].revents) {
            (void)!read(children, &info, sizeof info);
            reap(program, ended, how);
        }
    }
}

int keeper_main(char **argv)
{
    const int life = atoi(argv[1]), report = atoi(argv[2]);
    const pid_t self = getpid();
    sigset_t ended_child;
    sigemptyset(&ended_child);
    sigaddset(&ended_child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended_child, NULL);
    prctl(PR_SET_NAME, NAME);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fcntl(life, F_SETFD, FD_CLOEXEC);
    const int children = signalfd(-1, &ended_child, SFD_CLOEXEC | SFD_NONBLOCK);
    const pid_t program = children < 0 ? -1 : fork();
    if (program == 0) {
        become(argv + 3, self, life, report);
    }
    if (program < 0) {
        const int why = errno;
        (void)!write(report, &why, sizeof why);
        _exit(127);
    }
    // It ends when we end, by whatever, and is to be seen as the program's by nobody.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    close(report);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    bool ended = false;
    int how = 0;
    watch(program, life, children, &ended, &how);
    if (!ended) {
        kill(program, SIGKILL);
    }
    end_all(program, &ended, &how);
    end_like(how);
}
