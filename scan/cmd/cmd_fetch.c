#include "scan/cmd/commands.h"

#include <stdint.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "scan/cli/args.h"
#include "scan/load/fetcher.h"

struct options {
    const char *revision;
    bool dry_run, no_tokenizer, quiet;
};

/* Becomes gapscope-fetch with the same words. */
static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    const char **words = mem_zero(operands->n + 9, sizeof *words);
    size_t n = 1;
    (void)status;
    if (!words) {
        return err_nomem(err, "the command");
    }
    if (o->revision) {
        words[n++] = "--revision";
        words[n++] = o->revision;
    }
    if (o->dry_run) {
        words[n++] = "--dry-run";
    }
    if (o->no_tokenizer) {
        words[n++] = "--no-tokenizer";
    }
    if (o->quiet) {
        words[n++] = "--quiet";
    }
    words[n++] = "--";
    for (size_t i = 0; i < operands->n; i++) {
        words[n++] = operands->items[i];
    }
    const int rc = fetcher_become((char **)(uintptr_t)words, err);
    free(words);
    return rc;
}

int cmd_fetch(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {{"dry-run", 'n', ARG_FLAG, &o.dry_run, NULL,
                                "say what would be fetched, and how large it is"},
                               {"no-tokenizer", 0, ARG_FLAG, &o.no_tokenizer, NULL,
                                "leave out the repository of a model's tokenizer"},
                               {"revision", 0, ARG_STRING, &o.revision, "REV",
                                "a branch, a tag or a commit; main if not given"},
                               {"quiet", 'q', ARG_FLAG, &o.quiet, NULL, "say nothing but errors"},
                               {0}};
    const struct command command = {
        .name = "fetch",
        .usage = "NAME...",
        .summary =
            "Fetches models and data sets from the Hugging Face hub into its cache, where --model\n"
            "and Hugging Face's own programs find them, and prints where they are.  NAME is an\n"
            "alias (gelu-1l), OWNER/NAME, hf://OWNER/NAME[@REV][/PATH] or\n"
            "hf://datasets/OWNER/NAME[@REV][/PATH], where PATH is a file or a folder.  Of a model\n"
            "its config, weights and tokenizer are fetched; of a data set without PATH the names\n"
            "of its Parquet files are printed.  The same command resumes an interrupted one; what\n"
            "is in the cache already is not fetched again.  Each file is checked by its hash.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "NAME",
        .operand_kind = OPERAND_MODEL,
        .examples =
            "gapscope fetch gelu-1l attn-only-1l\n"
            "gapscope fetch hf://datasets/NeelNanda/pile-10k\n"
            "gapscope fetch hf://datasets/NeelNanda/pile-10k@refs/convert/parquet/default/train",
        .more = "Environment: HF_HOME, HF_HUB_CACHE (the cache), HF_TOKEN, HF_ENDPOINT,\n"
                "HF_HUB_OFFLINE, http_proxy, https_proxy.\n"
                "Exit status: 0 done; 1 not fetched; 2 wrong usage.",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
