#include "scan/cli/args.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "corpora/base/shell_quote.h"
#include "scan/cli/help.h"

#define ARGS_MAX 64

static int store(const struct arg *a, const char *value, struct err *err)
{
    switch (a->kind) {
    case ARG_FLAG:
        *(bool *)a->out = true;
        return 0;
    case ARG_STRING:
        *(const char **)a->out = value;
        return 0;
    case ARG_SIZE: {
        char *end;
        const unsigned long long n = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end || n > SIZE_MAX / 2) {
            return err_set(err, ERR_USAGE, "--%s %s: expected a whole number from 0", a->name,
                           value);
        }
        *(size_t *)a->out = (size_t)n;
        return 0;
    }
    case ARG_LIST: {
        struct arg_list *list = a->out;
        const char **items = mem_resize(list->items, list->n + 1, sizeof *items);
        if (!items) {
            return err_nomem(err, "options");
        }
        list->items = items;
        list->items[list->n++] = value;
        return 0;
    }
    case ARG_PAIR:
        ((const char **)a->out)[0] = value;
        return 0;
    case ARG_GROUP:
        break;
    }
    return err_set(err, ERR_USAGE, "--%s: unknown kind", a->name);
}

static int unknown_option(const struct command *c, const char *word, struct err *err)
{
    const char *names[ARGS_MAX];
    size_t n = 0;
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind != ARG_GROUP) {
            names[n++] = a->name;
        }
    }
    names[n++] = "help";
    const char *bare = word + strspn(word, "-");
    char *name = strndup(bare, strcspn(bare, "="));
    const struct nearest near = name ? nearest_names(name, "--", names, n) : (struct nearest){""};
    free(name);
    return err_set(err, ERR_USAGE, "unknown option %s%s", word, near.text);
}

enum args_status {
    ARGS_RUN,  // run the command
    ARGS_HELP, // --help was asked for and has been printed
    ARGS_BAD,  // *err says what is wrong
};

static enum args_status parse_options(const struct command *c, int argc, char **argv,
                                      struct err *err)
{
    struct option longs[ARGS_MAX + 2] = {{0}};
    char shorts[2 * ARGS_MAX + 4] = ":h";
    size_t n = 0, n_shorts = 2;
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_GROUP) {
            continue;
        }
        longs[n++] = (struct option){a->name, a->value ? required_argument : no_argument, NULL,
                                     (int)(a - c->args) + 256};
        if (a->letter) {
            shorts[n_shorts++] = a->letter;
            if (a->value) {
                shorts[n_shorts++] = ':';
            }
        }
    }
    longs[n] = (struct option){"help", no_argument, NULL, 'h'};

    optind = 0; // glibc: begin anew
    for (;;) {
        const int at = optind ? optind : 1;
        const int got = getopt_long(argc, argv, shorts, longs, NULL);
        if (got == -1) {
            return ARGS_RUN;
        }
        if (got == 'h') {
            help_command(stdout, c);
            return ARGS_HELP;
        }
        // getopt may have moved an operand behind the option, so the last word taken is at fault.
        const char *word = argv[optind > at ? optind - 1 : at];
        if (got == ':') {
            err_set(err, ERR_USAGE, "%s needs a value", word);
            return ARGS_BAD;
        }
        const struct arg *arg = NULL;
        for (const struct arg *a = c->args; a->name && !arg; a++) {
            if (got == (int)(a - c->args) + 256 || (a->letter && got == a->letter)) {
                arg = a;
            }
        }
        if (!arg) {
            unknown_option(c, word, err);
            return ARGS_BAD;
        }
        if (store(arg, optarg, err)) {
            return ARGS_BAD;
        }
        if (arg->kind == ARG_PAIR && optind >= argc) {
            err_set(err, ERR_USAGE, "--%s needs two values", arg->name);
            return ARGS_BAD;
        }
        if (arg->kind == ARG_PAIR) { // getopt moves operands behind optind, options before it
            ((const char **)arg->out)[1] = argv[optind++];
        }
    }
}

/* Says which operand is missing: word i of c->operands, or its last one. */
static void say_missing(const struct command *c, size_t i, struct err *err)
{
    const char *word = c->operands;
    for (const char *next; i > 0 && (next = strchr(word, '|')); i--) {
        word = next + 1;
    }
    char usage[400];
    snprintf(usage, sizeof usage, "%s", c->usage);
    for (char *end; (end = strchr(usage, '\n'));) {
        *end = ' ';
    }
    err_set(err, ERR_USAGE, "%.*s is missing; usage: gapscope %s %s", (int)strcspn(word, "|"), word,
            c->name, usage);
}

/* Stores options where they belong and operands, which may stand anywhere, in *operands. */
static enum args_status parse(const struct command *c, int argc, char **argv,
                              struct arg_list *operands, struct err *err)
{
    opterr = 0;
    const enum args_status status = parse_options(c, argc, argv, err);
    if (status != ARGS_RUN) {
        return status;
    }
    const struct arg rest = {.name = "operand", .kind = ARG_LIST, .out = operands};
    for (int i = optind; i < argc; i++) {
        if (store(&rest, argv[i], err)) {
            return ARGS_BAD;
        }
    }
    if (operands->n < c->n_min) {
        say_missing(c, operands->n, err);
        return ARGS_BAD;
    }
    if (operands->n > c->n_max) {
        err_set(err, ERR_USAGE, "%s: one operand too many", operands->items[c->n_max]);
        return ARGS_BAD;
    }
    return ARGS_RUN;
}

static void free_list(struct arg_list *list)
{
    free(list->items);
    *list = (struct arg_list){0};
}

/* Is 'word', or what stands behind its first '=', the path of this file? */
static bool names_file(const char *word, const struct stat *file)
{
    struct stat st;
    const char *equals = word ? strchr(word, '=') : NULL;
    return (word && stat(word, &st) == 0 && st.st_dev == file->st_dev &&
            st.st_ino == file->st_ino) ||
           (equals && names_file(equals + 1, file));
}

/* Refuses an --output that is a file which the command reads: it would be lost. */
static int check_output(const struct command *c, const struct arg_list *operands, struct err *err)
{
    const char *output = NULL;
    struct stat file;
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_STRING && strcmp(a->name, "output") == 0) {
            output = *(const char **)a->out;
        }
    }
    if (!output || stat(output, &file) != 0 || !S_ISREG(file.st_mode)) {
        return 0;
    }
    bool is_input = false;
    for (size_t i = 0; i < operands->n; i++) {
        is_input = is_input || names_file(operands->items[i], &file);
    }
    for (const struct arg *a = c->args; a->name; a++) {
        const struct arg_list *list = a->kind == ARG_LIST ? a->out : NULL;
        for (size_t i = 0; list && i < list->n; i++) {
            is_input = is_input || names_file(list->items[i], &file);
        }
        if (a->kind == ARG_STRING && strcmp(a->name, "output") != 0) {
            is_input = is_input || names_file(*(const char **)a->out, &file);
        }
    }
    return is_input
               ? err_set(err, ERR_USAGE,
                         "-o %s: the command reads this file, which would be lost; name another",
                         output)
               : 0;
}

static struct {
    command_reader *read;
    void *context;
} instead;

void command_read_instead(command_reader *read, void *context)
{
    instead.read = read;
    instead.context = context;
}

static struct {
    command_stand_in *run; // NULL: the command's own
    void *context;
} stand_in;

int command_run_instead(int (*command)(int argc, char **argv), int argc, char **argv,
                        command_stand_in *run, void *context)
{
    stand_in.run = run;
    stand_in.context = context;
    const int status = command(argc, argv);
    stand_in.run = NULL;
    return status;
}

static void run_command(const struct command *c, const struct arg_list *operands, int *status,
                        struct err *err)
{
    command_stand_in *run = stand_in.run;
    if (run) {
        stand_in.run = NULL;
        run(stand_in.context, c->options, operands, status, err);
    } else {
        c->run(c->options, operands, status, err);
    }
}

int command_main(const struct command *c, int argc, char **argv)
{
    if (instead.read) {
        instead.read(instead.context, c);
        return 0;
    }
    struct arg_list operands = {0};
    struct err err = {0};
    int status = 0;
    switch (parse(c, argc, argv, &operands, &err)) {
    case ARGS_RUN:
        if (check_output(c, &operands, &err) == 0) {
            run_command(c, &operands, &status, &err);
        }
        break;
    case ARGS_HELP:
    case ARGS_BAD:
        break;
    }
    if (err.code == ERR_USAGE) {
        fprintf(stderr, "gapscope %s: %s\nTry: gapscope %s --help\n", c->name, err.msg, c->name);
        status = 2;
    } else if (err.code) {
        fprintf(stderr, "gapscope %s: %s\n", c->name, err.msg);
        status = 1;
    }
    const char *why, *left;
    for (size_t i = 0; (left = outfile_leftover(i, &why)); i++) {
        fprintf(stderr, "gapscope %s: %s stays and is of no use: it could not be removed: %s\n",
                c->name, left, why);
    }
    free_list(&operands);
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_LIST) {
            free_list(a->out);
        }
    }
    return status;
}

int args_command(struct buf *out, int argc, char *const *argv, struct err *err)
{
    int rc = buf_printf(out, err, "gapscope");
    for (int i = 0; i < argc && !rc; i++) {
        rc = buf_printf(out, err, " ");
        rc = rc ? rc : shell_quote(out, argv[i], err);
    }
    return rc;
}

int args_part(const char *text, size_t *part, size_t *n_parts, struct err *err)
{
    *part = 0;
    *n_parts = 1;
    int end = 0;
    if (text && (sscanf(text, "%9zu/%9zu%n", part, n_parts, &end) != 2 || text[end] ||
                 *n_parts == 0 || *part >= *n_parts || strpbrk(text, "+- "))) {
        return err_set(err, ERR_USAGE, "--part %s: expected I/N, with I from 0 to N - 1, or auto/N",
                       text);
    }
    return 0;
}

int args_share(const char *name, const char *text, uint32_t most, uint32_t *take, uint32_t *of,
               struct err *err)
{
    size_t a = 0, b = 1;
    int end = 0;
    if (!text) {
        return 0;
    }
    if (strcmp(text, "none") != 0 && strcmp(text, "0") != 0 &&
        (sscanf(text, "%12zu/%12zu%n", &a, &b, &end) != 2 || text[end] || b == 0 || b > most ||
         a > b || strpbrk(text, "+- "))) {
        return err_set(err, ERR_USAGE,
                       "--%s %s: expected a share of the documents, as 1/16, or none", name, text);
    }
    *take = (uint32_t)a;
    *of = a > 0 ? (uint32_t)b : 1;
    return 0;
}

int args_real(const char *name, const char *text, double least, double most, double *out,
              struct err *err)
{
    if (!text) {
        return 0;
    }
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) {
        return err_set(err, ERR_USAGE, "--%s %s: expected a number from %g to %g", name, text,
                       least, most);
    }
    *out = value;
    return 0;
}
