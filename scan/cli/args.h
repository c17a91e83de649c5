/*
 * args.h - a command as a table of options, from which it is parsed and --help is printed
 */
#ifndef GAPSCOPE_SCAN_CLI_ARGS_H
#define GAPSCOPE_SCAN_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

enum arg_kind {
    ARG_FLAG,   // bool: becomes true
    ARG_STRING, // const char *: the last one given counts
    ARG_SIZE,   // size_t: a whole number from 0
    ARG_LIST,   // struct arg_list: all that are given
    ARG_PAIR,   // const char *[2]: two words follow the option
    ARG_GROUP,  // no option: the name is the title of the options behind it
};

struct arg_list {
    const char **items; // [n], pointing into argv; the array is freed by command_main()
    size_t n;
};

struct arg {
    const char *name; // without the dashes
    char letter;      // short form, or 0
    enum arg_kind kind;
    void *out;         // points to the kind's type
    const char *value; // what --help calls the value, "a|b|c" where it is one of these words; NULL
                       // for a flag
    const char *help;  // may hold newlines
};

// clang-format off

/* Rows that many commands have. */
#define ARGS_GROUP(title) {title, 0, ARG_GROUP, NULL, NULL, NULL}
#define OUTPUT_ARG(to)                                                                             \
    {"output", 'o', ARG_STRING, to, "FILE", "write to FILE instead of standard output"}
#define THREADS_ARG(to)                                                                            \
    {"threads", 0, ARG_SIZE, to, "N", "threads that work; one per core if not given"}
#define JSON_ARG(to) {"json", 0, ARG_FLAG, to, NULL, "one object with everything, for programs"}
#define COLOR_ARG(to)                                                                              \
    {"color", 0, ARG_STRING, to, "always|never|auto",                                              \
     "auto (if not given): on a terminal, unless NO_COLOR is set"}

// clang-format on

/* Parses 'text' as the number of --name, from 'least' to 'most'; NULL: *out stays.  Errors:
 * ERR_USAGE. */
int args_real(const char *name, const char *text, double least, double most, double *out,
              struct err *err);

/* Parses the "I/N" of --part, with I from 0 to N - 1; NULL stands for 0/1.  Errors: ERR_USAGE. */
int args_part(const char *text, size_t *part, size_t *n_parts, struct err *err);

/* Parses the "a/b" of --name, a share of documents, with a from 1 to b and b at most 'most'; "0",
 * "none" and "0/b" give 0/1, none of them; NULL: *take and *of stay.  Errors: ERR_USAGE. */
int args_share(const char *name, const char *text, uint32_t most, uint32_t *take, uint32_t *of,
               struct err *err);

/* Appends the command "gapscope argv[0] ..." as it can be pasted into a shell, and a NUL that is
 * not counted.  Errors: ERR_NOMEM. */
int args_command(struct buf *out, int argc, char *const *argv, struct err *err);

/* Does a command's work.  There are n_min to n_max operands.  A non-zero return is an error in
 * *err; *status (0 before) is the exit status of a run that came to its end. */
typedef int command_run(void *options, const struct arg_list *operands, int *status,
                        struct err *err);

/* What an operand is, for completion. */
enum operand_kind { OPERAND_FILE, OPERAND_MODEL, OPERAND_TEXT };

struct command {
    const char *name;
    const char *usage;      // the words after the name: "--model M INPUT"; may hold newlines
    const char *summary;    // a paragraph
    const struct arg *args; // ends with .name == NULL
    size_t n_min, n_max;    // operands
    const char *operands;   // what the first n_min of them are called, as in 'usage': "run.db|NAME"
    enum operand_kind operand_kind;
    const char *examples; // lines, each a command
    const char *more;     // printed at the end of --help, or NULL
    command_run *run;
    void *options; // the struct that the table's 'out's point into; run() gets it
};

/*
 * Parses argv, runs the command, says on standard error what went wrong and returns the exit
 * status: 0 done (or --help), 1 the run could not go on, 2 wrong usage.
 */
int command_main(const struct command *c, int argc, char **argv);

/* From now on command_main() gives the table to 'read' and runs nothing; NULL: it runs again. */
typedef void command_reader(void *context, const struct command *c);
void command_read_instead(command_reader *read, void *context);

/*
 * Runs a command's main function with these words, which are parsed and checked as ever; 'run' is
 * then called in place of the command's own.  Returns what it returns.
 */
typedef int command_stand_in(void *context, void *options, const struct arg_list *operands,
                             int *status, struct err *err);
int command_run_instead(int (*command)(int argc, char **argv), int argc, char **argv,
                        command_stand_in *run, void *context);

#endif
