#include <stdbool.h>
#include <string.h>

#include "scan/cli/complete.h"
#include "scan/cli/values.h"

/* Inside '...'; a backslash in front of 'special' characters, newlines as spaces. */
static void put_quoted(FILE *to, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", to);
        } else {
            fputs(*text == '\\' || strchr(special, *text) ? "\\" : "", to);
            putc(*text == '\n' ? ' ' : *text, to);
        }
    }
}

static void put_action(FILE *to, const char *value)
{
    switch (value_kind(value)) {
    case VALUE_TEXT:
        fputs(" ", to);
        break;
    case VALUE_WORDS:
        putc('(', to);
        for (; *value; value++) {
            putc(*value == '|' ? ' ' : *value, to);
        }
        putc(')', to);
        break;
    case VALUE_FILE:
        fputs("_files", to);
        break;
    case VALUE_FOLDER:
        fputs("_files -/", to);
        break;
    case VALUE_MODEL:
        fputs("_gapscope_models", to);
        break;
    }
}

/* '*'{-m+,--model=}'[help]:M:_gapscope_models' */
static void put_option(FILE *to, const struct arg *a)
{
    const bool list = a->kind == ARG_LIST, equals = a->value && a->kind != ARG_PAIR;
    if (a->letter && list) {
        fputs("      '*'", to);
    } else if (a->letter) {
        fprintf(to, "      '(-%c --%s)'", a->letter, a->name);
    }
    if (a->letter) {
        fprintf(to, "{-%c%s,--%s%s}'[", a->letter, equals ? "+" : "", a->name, equals ? "=" : "");
    } else {
        fprintf(to, "      '%s--%s%s[", list ? "*" : "", a->name, equals ? "=" : "");
    }
    put_quoted(to, a->help, "[]");
    putc(']', to);
    for (int words = a->kind == ARG_PAIR ? 2 : a->value ? 1 : 0; words > 0; words--) {
        putc(':', to);
        put_quoted(to, a->value, ":");
        putc(':', to);
        put_action(to, a->value);
    }
    fputs("' \\\n", to);
}

static void put_command(void *to, const struct command *c)
{
    static const char *const operands[] = {[OPERAND_FILE] = "file:_files",
                                           [OPERAND_MODEL] = "model:_gapscope_models",
                                           [OPERAND_TEXT] = "text: "};
    fprintf(to, "    %s) _arguments -s -S \\\n", c->name);
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind != ARG_GROUP) {
            put_option(to, a);
        }
    }
    fprintf(to, "      '(- *)'{-h,--help}'[print help]' \\\n      '*:%s' ;;\n",
            operands[c->operand_kind]);
}

void complete_zsh(FILE *to, const struct command_list *l)
{
    fputs("#compdef gapscope\n# zsh completion for gapscope, made by `gapscope __complete zsh`\n\n"
          "_gapscope_models() {\n"
          "  local -a names=(${(f)\"$(_call_program models ${(q)service} __complete models)\"})\n"
          "  _alternative 'models:model:compadd -a names' 'folders:folder:_files -/'\n"
          "}\n\n"
          "_gapscope() {\n"
          "  local curcontext=$curcontext state line\n"
          "  local -a commands=(\n",
          to);
    for (size_t i = 0; i < l->n; i++) {
        if (l->entries[i].name) {
            fprintf(to, "    '%s:", l->entries[i].name);
            put_quoted(to, l->entries[i].what, ":");
            fputs("'\n", to);
        }
    }
    fputs("  )\n"
          "  _arguments -C '(- *)'{-h,--help}'[print help]' '(- *)'{-V,--version}'[print the "
          "version]' \\\n"
          "    '1: :->command' '*:: :->rest' && return\n"
          "  if [[ $state == command || $words[1] == help ]]; then\n"
          "    _describe command commands\n"
          "    return\n"
          "  fi\n"
          "  case $words[1] in\n",
          to);
    command_list_read(l, put_command, to);
    fputs("  esac\n}\n\n_gapscope \"$@\"\n", to);
}
