/*
 * stop_signals.h - how a command ends when a user interrupts it
 *
 * Signals belong to the process, and so does what they say.  main() calls stop_signals_default();
 * a command that can go on another time calls stop_signals_catch() before it begins its work.
 */
#ifndef GAPSCOPE_SCAN_CLI_STOP_SIGNALS_H
#define GAPSCOPE_SCAN_CLI_STOP_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>

// The exit status of a command that has saved and is not done: run it again (sysexits.h's
// EX_TEMPFAIL, and what job engines take as such).
#define STATUS_AGAIN 75

/* atomic: written by the handlers; 'status' is cleared by whoever shows a line */
struct stop_signals {
    // the signal that asks for an end (a flag for stop.h), SIGALRM: time is up; 0: none
    atomic_int stop;
    atomic_int status; // 1: a progress line is asked for
};

/* SIGINT, SIGTERM and SIGHUP (the terminal is closed) end the program as they would by themselves,
 * but half-written files are removed.  A SIGINT or SIGHUP that is ignored stays ignored.  SIGUSR1
 * sets 'status' and ends nothing. */
void stop_signals_default(void);

/*
 * From now on the first SIGINT, SIGTERM or SIGHUP sets 'stop' and prints "stopping;
 * <a_second_one>" on standard error; the second one ends the program at once with 128 + its number.
 * SIGUSR1 sets 'status'.  A SIGHUP that is ignored, as by nohup, stays ignored.  'a_second_one' is a
 * string literal.
 */
void stop_signals_catch(const char *a_second_one);

/*
 * In 'seconds' from now time is up: 'stop' becomes SIGALRM, if nothing else has set it, and a line
 * says so.  A signal that comes then, while the command saves, does not end it yet: a job engine
 * sends SIGTERM at the limit.  Call it once, after stop_signals_catch().
 */
void stop_signals_after(double seconds);

/* From now on SIGTERM, too, ends the command with STATUS_AGAIN. */
void stop_signals_again(void);

/* The exit status of a command that 'stop' has ended: STATUS_AGAIN or 128 + the signal; 0: it has
 * not. */
int stop_signals_status(void);

/* What the signals have said so far. */
struct stop_signals *stop_signals(void);

#endif
