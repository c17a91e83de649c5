#include "scan/cmd/commands.h"

#include <stdio.h>

#include "corpora/base/file.h"
#include "out/store/store.h"
#include "scan/cli/args.h"

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
            "parts, times and paths do not enter it.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .run = run,
    };
    return command_main(&command, argc, argv);
}
