#include "scan/cli/stop_signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

static struct stop_signals said;
static const char *warning; // set before the handlers are
static bool again;          // SIGTERM means STATUS_AGAIN; set before the work begins
static atomic_llong first;  // when 'stop' was set, ms
static atomic_int late;     // a signal that came when time was up

// A job engine may send SIGTERM to a script and to what it runs, and the script passes it on.
#define SAME_SIGNAL_MS 1000

struct stop_signals *stop_signals(void)
{
    return &said;
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_stop(int number)
{
    int before = 0;
    if (atomic_compare_exchange_strong(&said.stop, &before, number)) {
        atomic_store(&first, now_ms());
        say(number == SIGALRM ? "\ntime is up (--stop-after); " : "\nstopping; ");
        say(warning);
        say("\n");
        return;
    }
    const bool is_same = number == SIGTERM && now_ms() - atomic_load(&first) < SAME_SIGNAL_MS;
    if (number == SIGALRM || (number == before && is_same)) {
        return; // it is saving already
    }
    int none = 0;
    if (before == SIGALRM && atomic_compare_exchange_strong(&late, &none, number)) {
        atomic_store(&first, now_ms());
        return;
    }
    if (before != SIGALRM || number != atomic_load(&late) || !is_same) {
        _exit(128 + number);
    }
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
    } handlers[] = {{SIGINT, on_stop}, {SIGTERM, on_stop}, {SIGHUP, on_stop}, {SIGUSR1, on_status}};
    warning = a_second_one;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        struct sigaction action = {.sa_handler = handlers[i].handler, .sa_flags = SA_RESTART};
        if (handlers[i].number != SIGHUP || !is_ignored(SIGHUP)) {
            sigaction(handlers[i].number, &action, NULL);
        }
    }
}

void stop_signals_after(double seconds)
{
    const double least = 1e-3, at = seconds > least ? seconds : least; // 0 would be never
    struct itimerval timer = {.it_value.tv_sec = (time_t)at};
    timer.it_value.tv_usec = (suseconds_t)((at - (double)timer.it_value.tv_sec) * 1e6);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_stop, .sa_flags = SA_RESTART}, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

void stop_signals_again(void)
{
    again = true;
}

int stop_signals_status(void)
{
    const int number = atomic_load(&said.stop);
    const bool is_again = number == SIGALRM || (number == SIGTERM && again);
    return number == 0 ? 0 : is_again ? STATUS_AGAIN : 128 + number;
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
