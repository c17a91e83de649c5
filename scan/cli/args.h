/*
 * args.h - a command as a table of options: parsing and --help from the same lines
 */
#ifndef GAPSCOPE_SCAN_CLI_ARGS_H
#define GAPSCOPE_SCAN_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

enum arg_kind {
    ARG_FLAG,   // bool: set to true
    ARG_STRING, // const char *: the last one given stands
    ARG_SIZE,   // size_t: a whole number from 0
    ARG_LIST,   // struct arg_list: every one given
    ARG_PAIR,   // const char *[2]: the two words behind the option
};

struct arg_list {
    const char **items; // [n], pointing into argv; the array is freed by command_main()
    size_t n;
};

struct arg {
    const char *name; // without the dashes
    char letter;      // short form, or 0
    enum arg_kind kind;
    void *out;         // of the kind's type
    const char *value; // what --help calls the value; NULL for a flag
    const char *help;  // may hold newlines
};

/* The number 'text' from 'least' to 'most' that stands for --name; NULL: *out stays.  Errors:
 * ERR_USAGE. */
int args_real(const char *name, const char *text, double least, double most, double *out,
              struct err *err);

/* "I/N" of --part: I from 0 to N - 1; NULL: 0/1.  Errors: ERR_USAGE. */
int args_part(const char *text, size_t *part, size_t *n_parts, struct err *err);

/* Appends the command "gapscope argv[0] ..." as it can be pasted into a shell, and a NUL that is not
 * counted.  Errors: ERR_NOMEM. */
int args_command(struct buf *out, int argc, char *const *argv, struct err *err);

/* Does a command's work.  operands: as many as n_min and n_max allow.  A non-zero return is an
 * error in *err; *status (0 before) is the exit status of a run that came to its end. */
typedef int command_run(void *options, const struct arg_list *operands, int *status,
                        struct err *err);

struct command {
    const char *name;
    const char *usage;      // what stands after the name: "--model M INPUT"; may hold newlines
    const char *summary;    // a paragraph
    const struct arg *args; // ends with .name == NULL
    size_t n_min, n_max;    // operands
    const char *more;       // printed at the end of --help, or NULL
    command_run *run;
    void *options; // what the table's 'out's point into, handed to run
};

/*
 * Parses argv, runs the command, says on standard error what went wrong and returns the exit
 * status: 0 done (or --help), 1 the run could not go on, 2 wrong usage.
 */
int command_main(const struct command *c, int argc, char **argv);

#endif
