/*
 * help.h - what --help prints, of the program and of a command
 */
#ifndef GAPSCOPE_SCAN_CLI_HELP_H
#define GAPSCOPE_SCAN_CLI_HELP_H

#include <stdio.h>

#include "scan/cli/args.h"

/* A row of the program's table of commands. */
struct command_entry {
    const char *name;                  // NULL: 'what' is the title of the commands behind it
    int (*run)(int argc, char **argv); // ends in command_main()
    const char *what;
};

struct command_list {
    const struct command_entry *entries; // [n]
    size_t n;
    const char *version;  // "0.1.0"
    const char *about;    // the question that the program answers
    const char *examples; // lines; each is a command
    const char *more;     // a paragraph
};

/* Gives the table of each command, in order, to read(). */
void command_list_read(const struct command_list *l, command_reader *read, void *context);

void help_program(FILE *to, const struct command_list *l);
void help_command(FILE *to, const struct command *c);

#endif
