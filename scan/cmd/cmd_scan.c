#include "scan/cmd/commands.h"

#include "scan/cli/args.h"
#include "scan/load/windows.h"
#include "scan/work/scan.h"

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct scan_options *o = options;
    struct scan s = {0};
    int rc = scan_open(&s, o, operands, err);
    if (!rc) {
        rc = o->dry_run ? scan_dry_run(&s, status, err) : scan_run(&s, status, err);
    }
    scan_close(&s);
    return rc;
}

int cmd_scan(int argc, char **argv)
{
    struct scan_options o = {SCAN_DEFAULTS, .argc = argc, .argv = argv};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        MODELS_ARGS(&o.models, &o.tokenizer),
        {"pair", 0, ARG_LIST, &o.pairs, "A:B[+C]",
         "the gap of B (the least of B's and C's) over A; else the\nfirst model is the base of "
         "every other"},
        {"floor", 0, ARG_STRING, &o.floor, "X",
         "lower log-probs count as this one; -6 if not given"},
        {"precision", 0, ARG_STRING, &o.precision, "exact|default|fast",
         "exact: f32 throughout; default (if not given): within 0.001\nnats; fast: 0.002 on "
         "average. "
         "Hits are exact in all"},
        {"kernels", 0, ARG_STRING, &o.kernels, "NAME",
         "a table that gapscope model lists; the best if not given"},
        {"allow-not-finite", 0, ARG_FLAG, &o.allow_not_finite, NULL,
         "scan also a model whose log-probs are NaN or infinite: they\nare counted, and left out "
         "of means and gaps"},
        ARGS_GROUP("the corpus"),
        INPUT_ARGS(&o.input),
        {"domain", 0, ARG_STRING, &o.domain, "a.b",
         "the field of a record that names its domain; else\nmeta.pile_set_name, meta.set or "
         "source"},
        IDS_ARG(&o.input),
        SPECIAL_ARG(&o.input),
        SKIP_SPECIAL_ARGS(&o.input),
        {"packing", 0, ARG_STRING, &o.packing, "docs|rows",
         "docs: a window holds one document's tokens (if not given);\nrows: documents joined with "
         "EOS fill every window"},
        ARGS_GROUP("what is kept"),
        {"output", 'o', ARG_STRING, &o.output, "run.db",
         "results; an unfinished run of the same command is continued"},
        {"top", 0, ARG_SIZE, &o.top, "N",
         "hits kept per pair and side, at most 3 of a document;\n1000 if not given"},
        COMPARE_ARGS(&o),
        {"record", 0, ARG_STRING, &o.record, "DIR.zarr",
         "also keep every token's log-probs, as Zarr v2 arrays"},
        DOCUMENTS_ARGS(&o),
        ARGS_GROUP("neurons and hypotheses"),
        NEURON_PLAN_ARGS(&o.neurons),
        ARGS_GROUP("attention heads"),
        HEADS_ARGS(&o),
        ABLATE_ARGS(&o.ablate),
        ARGS_GROUP("trigrams"),
        TRIGRAM_CHOICE_ARGS(&o.trigrams),
        SKIP_CHOICE_ARGS(&o.skips),
        ARGS_GROUP("the run"),
        THREADS_ARG(&o.threads),
        {"dry-run", 0, ARG_FLAG, &o.dry_run, NULL, "say what would be done, and how long it takes"},
        {"max-tokens", 0, ARG_SIZE, &o.max_tokens, "N", "stop after the unit that reaches N"},
        {"part", 0, ARG_STRING, &o.part, "I/N",
         "do units I, I + N, ...; gapscope merge joins parts; auto/N:\nI as the job engine says"},
        SCAN_TASK_ARGS(&o),
        {"checkpoint", 0, ARG_STRING, &o.checkpoint, "SECONDS",
         "between checkpoints; 60 if not given, 0: after every unit"},
        {"force", 0, ARG_FLAG, &o.force, NULL, "start anew in a run.db of another run"},
        {0}};
    const struct command command = {
        .name = "scan",
        .usage = "--model M [--model M]... [options] -o run.db CORPUS...",
        .summary =
            "Streams a corpus (.jsonl.zst, .json.gz, text, ...) through all models and keeps "
            "where\n"
            "one predicts better than another: run.db is a SQLite file.  It can be stopped or\n"
            "killed at any moment; the same command resumes from the last checkpoint.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "CORPUS",
        .examples =
            "gapscope scan --model attn-only-1l --model gelu-1l -o run.db corpus.jsonl.zst\n"
            "gapscope scan -m gelu-1l --regex 'digits=\\d+' --dry-run -o run.db *.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
