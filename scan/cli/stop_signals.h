/*
 * stop_signals.h - how a command ends when a user interrupts it
 *
 * Signals belong to the process, and so does what they say.  main() calls stop_signals_default();
 * a command that can go on another time calls stop_signals_catch() before it begins its work.
 */
#ifndef GAPSCOPE_SCAN_CLI_STOP_SIGNALS_H
#define GAPSCOPE_SCAN_CLI_STOP_SIGNALS_H

#include <stdatomic.h>

/* atomic: written by the handlers; 'status' is cleared by whoever shows a line */
struct stop_signals {
    atomic_int stop;   // the signal that asks for an end (a flag for stop.h); 0: none
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

/* What the signals have said so far. */
struct stop_signals *stop_signals(void);

#endif
