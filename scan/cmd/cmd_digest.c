#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>

#include "corpora/base/file.h"
#include "corpora/base/plural.h"
#include "out/store/meta.h"
#include "out/store/store.h"
#include "scan/cli/args.h"

/* Does the query give a row? */
static bool has_row(struct store *s, const char *query)
{
    sqlite3_stmt *stmt = NULL;
    const bool has = sqlite3_prepare_v2(store_sqlite(s), query, -1, &stmt, NULL) == SQLITE_OK &&
                     sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return has;
}

/* Says on standard error where the tables are not yet those of the whole run. */
static void print_incomplete(struct store *s, const char *path)
{
    const uint64_t done = meta_number(s, "units_done"), all = meta_number(s, "units");
    const uint64_t in_tables = meta_number(s, "units_in_tables");
    if (in_tables < done) {
        fprintf(stderr,
                "gapscope digest: %s: incomplete: the tables hold %" PRIu64 " of the %" PRIu64
                " units that are done; the scan's command, run again, writes them\n",
                path, in_tables, done);
    } else if (!meta_says(s, "finished") && all > 0) {
        fprintf(stderr,
                "gapscope digest: %s: incomplete: %" PRIu64 " of %" PRIu64 " unit%s are done\n",
                path, done, all, plural_s(all));
    } else if (!meta_says(s, "finished")) {
        fprintf(stderr,
                "gapscope digest: %s: incomplete: %" PRIu64
                " units are done; the corpus' end is not reached\n",
                path, done);
    } else if (has_row(s, "SELECT 1 FROM trigram LIMIT 1") && !meta_says(s, "trigrams_tested")) {
        fprintf(stderr,
                "gapscope digest: %s: incomplete: the trigrams are not tested on the models yet\n",
                path);
    } else if (has_row(s, "SELECT 1 FROM skip LIMIT 1") && !meta_says(s, "skips")) {
        fprintf(stderr,
                "gapscope digest: %s: incomplete: bugs of skip-trigrams are not tested on the "
                "models yet\n",
                path);
    }
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)options;
    (void)status;
    struct store *s = NULL;
    char digest[33];
    int rc = store_open_read(&s, operands->items[0], err);
    if (!rc) {
        rc = store_digest(s, digest, err);
    }
    if (!rc) {
        print_incomplete(s, operands->items[0]);
    }
    store_close(s);
    if (rc) {
        return rc;
    }
    struct outfile out = {.stream = stdout};
    printf("%s\n", digest);
    return outfile_commit(&out, err);
}

int cmd_digest(int argc, char **argv)
{
    const struct arg args[] = {{0}};
    const struct command command = {
        .name = "digest",
        .usage = "run.db",
        .summary =
            "One line: a hash of all result tables of a run.  The same for the same models,\n"
            "corpus and settings, however the run was made: threads, interruptions, merged\n"
            "parts, times and paths do not enter it.  Of a run that is not finished it is the "
            "hash\n"
            "of what is there; standard error then says \"incomplete\".",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope digest run.db",
        .run = run,
    };
    return command_main(&command, argc, argv);
}
