#include "scan/cli/stop_signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/file.h"

static struct stop_signals said;
static const char *warning; // set before the handlers are

struct stop_signals *stop_signals(void)
{
    return &said;
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_stop(int number)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&said.stop, &none, number)) {
        _exit(128 + number);
    }
    say("\nstopping; ");
    say(warning);
    say("\n");
}

static void on_status(int number)
{
    (void)number;
    atomic_store(&said.status, 1);
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void stop_signals_catch(const char *a_second_one)
{
    const struct {
        int number;
        void (*handler)(int);
    } handlers[] = {
        {SIGINT, on_stop}, {SIGTERM, on_stop}, {SIGHUP, on_stop}, {SIGUSR1, on_status}};
    warning = a_second_one;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        struct sigaction action = {.sa_handler = handlers[i].handler, .sa_flags = SA_RESTART};
        if (handlers[i].number != SIGHUP || !is_ignored(SIGHUP)) {
            sigaction(handlers[i].number, &action, NULL);
        }
    }
}

/* The shell still sees that a signal ended the program. */
static void on_end(int number)
{
    outfile_abandon();
    signal(number, SIG_DFL);
    raise(number);
}

void stop_signals_default(void)
{
    // By default it would end the program, and a scan takes a while to its first line of progress:
    // that one is then shown at once.
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_status, .sa_flags = SA_RESTART}, NULL);
    if (signal(SIGINT, on_end) == SIG_IGN) { // as in a background job of a script
        signal(SIGINT, SIG_IGN);
    }
    if (!is_ignored(SIGHUP)) { // nohup ignores it
        signal(SIGHUP, on_end);
    }
    signal(SIGTERM, on_end);
}
