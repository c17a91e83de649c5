/*
 * main.c - gapscope: which tokens does one small language model predict better than another?
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <utf8proc.h>
#include <zlib.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "miners/kinds/keeper.h"
#include "scan/cli/help.h"
#include "scan/cli/stop_signals.h"
#include "scan/cmd/commands.h"

#ifdef GAPSCOPE_WITH_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

static const struct command_entry entries[] = {
    {NULL, NULL, "get models and corpora"},
    {"fetch", cmd_fetch, "models and data sets from the Hugging Face hub"},
    {NULL, NULL, "look at models and prompts"},
    {"model", cmd_model, "what a model is; checks its files"},
    {"score", cmd_score, "the log-prob of every token, by one or several models"},
    {"acts", cmd_acts, "activations of neurons, attention of heads, on every token"},
    {"circuits", cmd_circuits, "heads from weights: composition, copying, what they look for"},
    {"minimal", cmd_minimal, "two prompts, two answers: which components make the difference"},
    {"tensors", cmd_tensors, "what a weight file holds"},
    {NULL, NULL, "prepare a corpus"},
    {"pack", cmd_pack, "makes a corpus from files and folders"},
    {"tokenize", cmd_tokenize, "text to token ids"},
    {"label", cmd_label, "which tokens a regular expression or other hypothesis names"},
    {"count", cmd_count, "a corpus' bigrams, trigrams and skip-bigrams, as models for scan"},
    {NULL, NULL, "scan"},
    {"scan", cmd_scan, "a corpus through several models: where is which one better?"},
    {"merge", cmd_merge, "the parts of a run as one"},
    {"slurm", cmd_slurm, "a scan in parts on a cluster: a script for sbatch"},
    {"watch", cmd_watch, "how far a scan is"},
    {NULL, NULL, "look at a run"},
    {"top", cmd_top, "the largest gaps of a run, with their text"},
    {"hypo", cmd_hypo, "hypotheses: which neuron fits them, and where it does not"},
    {"heads", cmd_heads, "attention heads: where they look, what is lost without them"},
    {"head", cmd_head, "a head's page: what it looks at, where it helps and hurts"},
    {"neuron", cmd_neuron, "a neuron's page: where it fires, on what"},
    {"battery", cmd_battery, "how likely the models find what would follow: induction and more"},
    {"suggest", cmd_suggest, "hypotheses for neurons, from their examples"},
    {"trigrams", cmd_trigrams,
     "what needs two tokens at once: which models know it, by which neuron"},
    {"skips", cmd_skips, "skip-trigrams of attention-only models, and bugs where two cross"},
    {"report", cmd_report, "a page to look at in a browser: all of a run"},
    {"export", cmd_export, "a run as files that other programs read"},
    {"digest", cmd_digest, "a hash of all results of a run"},
};
#define N_ENTRIES (sizeof entries / sizeof *entries)

static const struct command_list commands = {
    .entries = entries,
    .n = N_ENTRIES,
    .version = GAPSCOPE_VERSION,
    .about = "Which tokens does one small language model predict better than another, and why?",
    .examples = "gapscope scan --model attn-only-1l --model gelu-1l -o run.db corpus.jsonl.zst\n"
                "gapscope top run.db -n 5\n"
                "gapscope report run.db -o report.html",
    .more = "Models are folders, or names looked up in GAPSCOPE_MODELS (folders, separated by "
            "colons)\nand in the Hugging Face cache; gapscope fetch puts them there.",
};

static void print_version(void)
{
    const char *allocator = "the system's malloc";
#ifdef GAPSCOPE_WITH_JEMALLOC
    const char *version = NULL;
    size_t size = sizeof version;
    char text[128];
    if (mallctl("version", &version, &size, NULL, 0) == 0) {
        snprintf(text, sizeof text, "jemalloc %.*s", (int)strcspn(version, "-"), version);
        allocator = text;
    }
#endif
    printf("gapscope %s (zstd %s, zlib %s, json-c %s, utf8proc %s, %s)\n", GAPSCOPE_VERSION,
           ZSTD_versionString(), zlibVersion(), json_c_version(), utf8proc_version(), allocator);
}

/* Weights and counts are mapped: a file that is cut short meanwhile has no bytes where there were
 * some. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    const char *path = file_map_path(info->si_addr);
    const char *const parts[] = {"gapscope: ", path ? path : "a file",
                                 ": it was cut short while it was being read; put the whole file "
                                 "there, then run the same command again\n"};
    outfile_abandon();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)!write(STDERR_FILENO, parts[i], strlen(parts[i]));
    }
    _exit(1);
}

/* The status of a command that has ended well, as far as it knows. */
static int something_lost(const char *command)
{
    if (mem_was_lost()) {
        fprintf(stderr, "gapscope %s: out of memory: what it wrote is not whole\n", command);
    }
    const bool unwritten = fflush(stdout) != 0 || ferror(stdout);
    if (unwritten) {
        fprintf(stderr, "gapscope %s: standard output: writing failed\n", command);
    }
    return mem_was_lost() || unwritten;
}

int main(int argc, char **argv)
{
    if (keeper_is_called(argc, argv)) {
        return keeper_main(argv);
    }
    stop_signals_default();
    sigaction(SIGBUS, &(struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO},
              NULL);
    keeper_enable();
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        help_program(stderr, &commands);
        return 2;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        print_version();
        return 0;
    }
    const bool help = strcmp(word, "help") == 0;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || (help && argc == 2)) {
        help_program(stdout, &commands);
        return 0;
    }
    if (help) {
        word = argv[2];
    }
    if (strcmp(word, "__complete") == 0) { // hidden: what the build and a shell ask for
        return cmd_complete(&commands, argc - 2, argv + 2);
    }
    const char *names[N_ENTRIES];
    size_t n = 0;
    for (const struct command_entry *e = entries; e < entries + N_ENTRIES; e++) {
        if (e->name && strcmp(word, e->name) == 0) {
            char *ask_help[] = {argv[0], (char[]){"--help"}, NULL};
            const int status = help ? e->run(2, ask_help) : e->run(argc - 1, argv + 1);
            return status ? status : something_lost(word);
        }
        if (e->name) {
            names[n++] = e->name;
        }
    }
    fprintf(stderr, "gapscope: unknown command %s%s\nTry: gapscope --help\n", word,
            nearest_names(word, "", names, n).text);
    return 2;
}
