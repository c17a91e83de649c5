#include "scan/cli/manual.h"

#include <stdbool.h>
#include <string.h>

/* Text as troff prints it: no request, no escape, and hyphens that can be pasted. */
static void put_bytes(FILE *to, const char *text, size_t n, bool line_begins)
{
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        const bool begins = i == 0 ? line_begins : text[i - 1] == '\n';
        fputs(begins && (c == '.' || c == '\'') ? "\\&" : "", to);
        switch (c) {
        case '\\':
            fputs("\\e", to);
            break;
        case '-':
            fputs("\\-", to);
            break;
        case '\'':
            fputs("\\(aq", to);
            break;
        case '^':
            fputs("\\(ha", to);
            break;
        case '~':
            fputs("\\(ti", to);
            break;
        case '`':
            fputs("\\(ga", to);
            break;
        default:
            putc(c, to);
        }
    }
}

static void put_text(FILE *to, const char *text)
{
    put_bytes(to, text, strlen(text), true);
    putc('\n', to);
}

/* Lines that begin with spaces stand as they are. */
static void put_paragraph(FILE *to, const char *text)
{
    bool literal = false;
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        if ((*text == ' ') != literal) {
            literal = !literal;
            fputs(literal ? ".PP\n.nf\n" : ".fi\n.PP\n", to);
        }
        // A new line begins a new sentence, which two spaces do inside of a line.
        put_bytes(to, text, n, true);
        putc('\n', to);
    }
    fputs(literal ? ".fi\n" : "", to);
}

static void put_examples(FILE *to, const char *examples)
{
    if (examples) {
        fputs(".EX\n", to);
        put_text(to, examples);
        fputs(".EE\n", to);
    }
}

static void put_option(FILE *to, const struct arg *a)
{
    fputs(".TP\n", to);
    if (a->letter) {
        fprintf(to, "\\fB\\-%c\\fR, ", a->letter);
    }
    fputs("\\fB\\-\\-", to);
    put_bytes(to, a->name, strlen(a->name), false);
    fputs("\\fR", to);
    if (a->value) {
        fputs(" \\fI", to);
        put_bytes(to, a->value, strlen(a->value), false);
        fputs("\\fR", to);
    }
    putc('\n', to);
    put_text(to, a->help);
}

static void put_command(void *to, const struct command *c)
{
    fprintf(to, ".SS gapscope %s\n.nf\n\\fBgapscope %s\\fR ", c->name, c->name);
    put_text(to, c->usage);
    fputs(".fi\n.PP\n", to);
    put_paragraph(to, c->summary);
    for (const struct arg *a = c->args; a->name; a++) {
        if (a->kind == ARG_GROUP) {
            fprintf(to, ".PP\n\\fI%s\\fR\n", a->name);
        } else {
            put_option(to, a);
        }
    }
    if (c->more) {
        fputs(".PP\n", to);
        put_paragraph(to, c->more);
    }
    fputs(".PP\n", to);
    put_examples(to, c->examples);
}

static const char before[] =
    ".SH NAME\n"
    "gapscope \\- the gaps between small language models, and the neurons behind them\n"
    ".SH SYNOPSIS\n"
    ".nf\n"
    "\\fBgapscope\\fR \\fICOMMAND\\fR ...\n"
    "\\fBgapscope\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR\n"
    "\\fBgapscope \\-V\\fR | \\fB\\-\\-version\\fR\n"
    ".fi\n"
    ".SH DESCRIPTION\n";

static const char after[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nIt is done.\n"
    ".TP\n.B 1\nIt could not go on; a message names the file and the place.\n"
    ".TP\n.B 2\nThe usage is wrong.\n"
    ".TP\n.B 3\nOf merge \\-\\-complete: it is not the whole run or count yet; a message says what is "
    "missing.\n"
    ".TP\n.B 129, 130, 143\nSIGHUP, SIGINT or SIGTERM stopped it, after it had saved what it has.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B GAPSCOPE_MODELS\nFolders, separated by colons, in which models are looked up by "
    "name.\n"
    ".TP\n.B GAPSCOPE_FETCH\nyes: a model that is not found is fetched from the hub; no: nobody is "
    "asked whether to.\n"
    ".TP\n.BR HF_HUB_CACHE \", \" HUGGINGFACE_HUB_CACHE \", \" HF_HOME \", \" XDG_CACHE_HOME\n"
    "Where the Hugging Face cache is.\n"
    ".TP\n.BR HF_ENDPOINT \", \" HF_TOKEN \", \" HF_HUB_OFFLINE\nThe hub, what it is told, and "
    "whether it must not be asked.\n"
    ".TP\n.B NO_COLOR\nIf it is set, there are no colours unless \\fB\\-\\-color always\\fR asks "
    "for them.\n"
    ".TP\n.B COLUMNS\nThe width of what is printed where standard output is no terminal.\n";

void manual_put(FILE *to, const struct command_list *l)
{
    fprintf(to,
            ".\\\" made by `gapscope __complete man`\n"
            ".TH GAPSCOPE 1 \"\" \"gapscope %s\" \"User Commands\"\n"
            ".nh\n.ad l\n%s",
            l->version, before);
    put_paragraph(to, l->about);
    fputs(".PP\n", to);
    put_paragraph(to, l->more);
    fputs(".PP\nInputs may be plain, gzip, zstd or Parquet files, or \\- for standard input.\n"
          ".SH COMMANDS\n",
          to);
    for (size_t i = 0; i < l->n; i++) {
        const struct command_entry *e = &l->entries[i];
        if (e->name) {
            fprintf(to, ".TP\n.B %s\n", e->name);
            put_text(to, e->what);
        } else {
            fprintf(to, ".SS To %s\n", e->what);
        }
    }
    fputs(".SH OPTIONS\n", to);
    command_list_read(l, put_command, to);
    fprintf(to, "%s.SH EXAMPLES\n", after);
    put_examples(to, l->examples);
}
