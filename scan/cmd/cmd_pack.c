#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/pack.h"
#include "scan/cli/args.h"
#include "scan/load/nothing_read.h"

struct options {
    const char *output;
    const char *field, *domain;
    size_t level;
    bool quiet;
};

/* A path may hold what drives a terminal: err_set() shows such bytes as \xNN. */
static void note(void *context, const char *path, const char *why, bool unreadable)
{
    const struct options *o = context;
    struct err shown;
    if (!o->quiet || unreadable) {
        err_set(&shown, ERR_IO, "%s", path);
        fprintf(stderr, "gapscope pack: %s: %s\n", shown.msg, why);
    }
}

static void print_counts(const struct pack_counts *c)
{
    fprintf(stderr,
            "packed %" PRIu64 " record%s of %" PRIu64 " file%s: %.2f MB of JSONL, %.2f MB "
            "compressed\n",
            c->records, c->records == 1 ? "" : "s", c->files, c->files == 1 ? "" : "s",
            (double)c->text_bytes * 1e-6, (double)c->zst_bytes * 1e-6);
    const struct {
        uint64_t n;
        const char *what;
    } lines[] = {
        {c->skipped_binary, "skipped, binary"},
        {c->skipped_empty, "skipped, empty"},
        {c->skipped_special, "skipped, no regular file"},
        {c->skipped_again, "skipped, a folder that is packed already"},
        {c->skipped_bad, c->skipped_bad == 1 ? "record skipped, not a JSON object"
                                             : "records skipped, not a JSON object"},
        {c->skipped_null,
         c->skipped_null == 1 ? "row skipped, null_text" : "rows skipped, null_text"},
        {c->repaired, c->repaired == 1 ? "invalid byte sequence replaced by U+FFFD"
                                       : "invalid byte sequences replaced by U+FFFD"},
        {c->unreadable, "not read, or not to the end: named above"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (lines[i].n) {
            fprintf(stderr, "  %" PRIu64 " %s\n", lines[i].n, lines[i].what);
        }
    }
}

/* A corpus of no record is surely not what was meant: it does not replace an older one. */
static int check_any(const struct pack_counts *c, struct err *err)
{
    return c->records > 0
               ? 0
               : err_set(err, ERR_NOT_FOUND,
                         "nothing to pack: no text in what was named (%" PRIu64
                         " file%s empty, %" PRIu64 " binary, %" PRIu64 " not regular, %" PRIu64
                         " not readable; names that begin with a dot are left out); no corpus is "
                         "written",
                         c->skipped_empty, c->skipped_empty == 1 ? "" : "s", c->skipped_binary,
                         c->skipped_special, c->unreadable);
}

/* Says that the records that were packed have no text, and returns the status: what reads the corpus
 * must be told where the text is. */
static int say_no_text(const struct pack_counts *c)
{
    const struct record_keys *keys = &c->keys;
    if (c->texts > 0) {
        return 0;
    }
    char *option = *keys->longest ? field_option(keys) : NULL;
    struct err shown; // err_set() shows what drives a terminal as \xNN
    err_set(&shown, ERR_FORMAT,
            "none of the %" PRIu64 " records has a string \"text\", \"content\" or \"code\"; the "
            "first one has the keys %s%s%s",
            c->records, *keys->list ? keys->list : "(none)",
            option ? "; where the corpus is read, name the one that holds the text: "
                   : ", of which none is a string that --field can name",
            option ? option : "");
    free(option);
    fprintf(stderr, "gapscope pack: %s\n", shown.msg);
    return 1;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    struct options *o = options;
    if (o->level < 1 || o->level > 19) {
        return err_set(err, ERR_USAGE, "--level %zu: expected 1 to 19", o->level);
    }
    if (o->domain && !*o->domain) {
        return err_set(err, ERR_USAGE, "--domain '': expected \"folder\", or a name");
    }
    if (!o->output && isatty(STDOUT_FILENO)) {
        return err_set(err, ERR_USAGE, "compressed bytes are not for a terminal; give -o FILE");
    }
    struct outfile out = {0};
    struct pack_counts counts = {0};
    int rc = outfile_open(&out, o->output, err);
    if (!rc) {
        const bool by_folder = o->domain && strcmp(o->domain, "folder") == 0;
        const struct pack_options how = {
            .level = (int)o->level,
            .field = o->field,
            .domains = {by_folder, by_folder ? NULL : o->domain},
        };
        rc = pack(out.stream, o->output, operands->items, operands->n, &how, &counts, note, o, err);
    }
    rc = rc ? rc : check_any(&counts, err);
    if (!rc) {
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    if (!rc) {
        print_counts(&counts);
        *status = say_no_text(&counts) || counts.unreadable > 0;
    }
    return rc;
}

int cmd_pack(int argc, char **argv)
{
    struct options o = {.level = 9};
    const struct arg args[] = {
        {"output", 'o', ARG_STRING, &o.output, "FILE", "the corpus: corpus.jsonl.zst"},
        {"domain", 0, ARG_STRING, &o.domain, "folder|NAME",
         "the domain of text files: NAME, or the folder they stand in;\nof Parquet files the "
         "column NAME"},
        {"level", 0, ARG_SIZE, &o.level, "N", "zstd's level, 1 to 19; 9 if not given"},
        {"field", 0, ARG_STRING, &o.field, "A.B", "Parquet: the column with the texts or ids"},
        {"quiet", 'q', ARG_FLAG, &o.quiet, NULL, "do not name the files that are skipped"},
        {0}};
    const struct command command = {
        .name = "pack",
        .usage = "FILE|DIR... -o corpus.jsonl.zst",
        .summary =
            "Makes a corpus of files and folders: a record {\"text\",\"meta\":{\"path\"}} a text\n"
            "file; the records of JSONL files are taken over as they stand; a row of a Parquet\n"
            "file becomes {\"text\"} or {\"ids\"}, with its domain.  Binary and empty\n"
            "files, and names that begin with a dot, are passed over.  Links to files are\n"
            "followed; links to folders are not.  A file that is damaged or cannot be read is\n"
            "named, the rest is packed, and the exit status is 1; so it is if no record has a "
            "text.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "FILE",
        .examples = "gapscope pack src notes.txt -o corpus.jsonl.zst\n"
                    "gapscope pack --domain folder code prose mail -o corpus.jsonl.zst",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
