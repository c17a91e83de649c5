#include "scan/cli/help.h"

#include <string.h>

/* Lines of 'text' behind the first begin with 'indent' spaces. */
static void put_lines(FILE *to, const char *text, size_t indent)
{
    for (const char *p = text; *p; p++) {
        putc(*p, to);
        if (*p == '\n') {
            fprintf(to, "%*s", (int)indent, "");
        }
    }
    putc('\n', to);
}

static void put_examples(FILE *to, const char *examples)
{
    if (examples) {
        fprintf(to, "\nexample%s:\n  ", strchr(examples, '\n') ? "s" : "");
        put_lines(to, examples, 2);
    }
}

void command_list_read(const struct command_list *l, command_reader *read, void *context)
{
    command_read_instead(read, context);
    for (size_t i = 0; i < l->n; i++) {
        char *argv[] = {(char[]){"gapscope"}, NULL};
        if (l->entries[i].name) {
            l->entries[i].run(1, argv);
        }
    }
    command_read_instead(NULL, NULL);
}

void help_program(FILE *to, const struct command_list *l)
{
    fprintf(to, "usage: gapscope COMMAND ...\n\n%s\n", l->about);
    for (size_t i = 0; i < l->n; i++) {
        const struct command_entry *e = &l->entries[i];
        if (e->name) {
            fprintf(to, "  %-10s %s\n", e->name, e->what);
        } else {
            fprintf(to, "\n%s:\n", e->what);
        }
    }
    fputs("\n'gapscope COMMAND --help' says more, 'gapscope -V' which version this is.\n", to);
    fprintf(to, "%s\n", l->more);
    put_examples(to, l->examples);
}

static void put_option(FILE *to, const struct arg *a)
{
    char left[64];
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", a->letter ? '-' : ' ',
             a->letter ? a->letter : ' ', a->letter ? ", " : "  ", a->name, a->value ? " " : "",
             a->value ? a->value : "");
    if (strlen(left) > 26) {
        fprintf(to, "  %s\n%30s", left, "");
    } else {
        fprintf(to, "  %-26s  ", left);
    }
    put_lines(to, a->help, 30);
}

void help_command(FILE *to, const struct command *c)
{
    fprintf(to, "usage: gapscope %s ", c->name);
    put_lines(to, c->usage, strlen(c->name) + 17);
    fprintf(to, "\n%s\n", c->summary);
    if (c->args->kind != ARG_GROUP) {
        fputs("\noptions:\n", to);
    }
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_GROUP) {
            fprintf(to, "\n%s:\n", a->name);
        } else {
            put_option(to, a);
        }
    }
    fprintf(to, "  %-26s  print this\n", "-h, --help");
    put_examples(to, c->examples);
    if (c->more) {
        fprintf(to, "\n%s\n", c->more);
    }
}
