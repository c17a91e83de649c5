#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/plural.h"
#include "out/read/reader.h"
#include "out/report/page.h"
#include "out/report/report.h"
#include "scan/cli/args.h"

#define MEGABYTE 1000000
#define MEGABYTES_DEFAULT 20
#define HITS_DEFAULT 1000
#define EXAMPLES_DEFAULT 10

struct options {
    const char *output, *title;
    size_t megabytes, hits, examples;
};

/* Reads all and lets go of the file: a scan waits for its readers. */
static int read_run(struct report *r, const char *path, struct err *err)
{
    struct reader reader = {0};
    int rc = reader_open(&reader, path, err);
    if (!rc) {
        r->reader = &reader;
        rc = report_add_run(r);
        rc = rc ? rc : report_add_gaps(r);
        rc = rc ? rc : report_add_hypotheses(r);
        rc = rc ? rc : report_add_trigrams(r);
        rc = rc ? rc : report_add_heads(r);
        rc = rc ? rc : report_add_skips(r);
        rc = rc ? rc : report_add_neurons(r);
        r->reader = NULL;
    }
    reader_close(&reader);
    return rc;
}

static void say(const struct report *r, const struct page *p)
{
    fprintf(stderr, "%s: ", p->output ? p->output : "standard output");
    if (p->bytes > 0) { // a pipe does not say
        fprintf(stderr, "%.1f MB: ", (double)p->bytes / MEGABYTE);
    }
    fprintf(stderr, "%zu hit%s, %zu neuron%s, %zu hypothes%s", r->n_hits, plural_s(r->n_hits),
            r->n_neurons, plural_s(r->n_neurons), r->n_hypotheses,
            r->n_hypotheses == 1 ? "is" : "es");
    if (r->n_heads > 0) {
        fprintf(stderr, ", %zu head%s", r->n_heads, plural_s(r->n_heads));
    }
    if (r->n_trigrams > 0) {
        fprintf(stderr, ", %zu trigram%s", r->n_trigrams, plural_s(r->n_trigrams));
    }
    putc('\n', stderr);
    if (p->folder) {
        fprintf(
            stderr,
            "%s: %zu file%s, %.1f MB, data that has no room in the page: keep the folder beside "
            "it\n",
            p->folder, p->n_files, plural_s(p->n_files), (double)p->bytes_files / MEGABYTE);
    }
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    const bool to_stdout = !o->output || strcmp(o->output, "-") == 0;
    if (to_stdout && isatty(STDOUT_FILENO)) {
        return err_set(err, ERR_USAGE, "a page for a browser, not for a terminal: -o report.html");
    }
    struct report r = {.hits = o->hits, .examples = o->examples};
    struct page p = {.output = to_stdout ? NULL : o->output, .bytes_max = SIZE_MAX};
    const bool to_device =
        to_stdout || (access(o->output, F_OK) == 0 && !file_is_regular(o->output));
    if (!to_device && o->megabytes < SIZE_MAX / MEGABYTE) {
        p.bytes_max = o->megabytes * MEGABYTE;
    }
    char *name = file_base_name(operands->items[0]);
    p.title = o->title ? o->title : name;
    int rc = name ? 0 : err_nomem(err, "a title");
    rc = rc ? rc : read_run(&r, operands->items[0], err);
    rc = rc ? rc : page_write(&p, &r.chunks, err);
    if (!rc) {
        say(&r, &p);
    }
    chunks_free(&r.chunks);
    free(p.folder);
    free(name);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    struct options o = {
        .megabytes = MEGABYTES_DEFAULT, .hits = HITS_DEFAULT, .examples = EXAMPLES_DEFAULT};
    const struct arg args[] = {
        {"output", 'o', ARG_STRING, &o.output, "FILE", "the page, report.html"},
        {"title", 0, ARG_STRING, &o.title, "TEXT", "its heading; else the run's file name"},
        {"max-mb", 0, ARG_SIZE, &o.megabytes, "N",
         "largest size of the page in 10^6 bytes (20); data that has\nno room goes into files in "
         "FILE_files beside it"},
        {"hits", 0, ARG_SIZE, &o.hits, "N", "hits shown per pair and side, at most (1000)"},
        {"examples", 0, ARG_SIZE, &o.examples, "N",
         "examples shown of each kind and interval of a neuron, and\ncounterexamples of each kind, "
         "at most (10)"},
        {0}};
    const struct command command = {
        .name = "report",
        .usage = "run.db -o report.html",
        .summary =
            "One page that opens in a browser, with no network: what was scanned and what came\n"
            "out, the largest gaps with what both models said, every neuron with its examples,\n"
            "every hypothesis with its counterexamples, trigrams where the run has some.  A run\n"
            "that is not finished shows what it has.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope report run.db -o report.html",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
