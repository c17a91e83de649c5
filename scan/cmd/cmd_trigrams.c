#include "scan/cmd/commands.h"

#include <stdio.h>

#include "out/read/reader.h"
#include "out/text/trigrams_text.h"
#include "scan/cli/args.h"

struct options {
    struct trigrams_options trigrams;
    const char *color, *output;
};

/* Filters belong to the list. */
static int check_options(const struct trigrams_options *o, struct err *err)
{
    const bool filter = o->a || o->b || o->c || o->token || o->model || o->verdict || o->sort ||
                        o->pair || o->all || o->min_docs != SIZE_MAX;
    return o->id != SIZE_MAX && filter
               ? err_set(err, ERR_USAGE,
                         "--id shows one trigram: filters and orders are of the list")
               : 0;
}

/* Why there are none. */
static int none(const struct trigrams_view *t, struct err *err)
{
    struct buf words = {0};
    if (!t->run.json) {
        return err_set(err, ERR_NOT_FOUND,
                       "%s: was scanned without trigrams: gapscope count ... -o counts.ngrams "
                       "CORPUS counts them, gapscope scan --trigrams counts.ngrams ... looks where "
                       "models know one",
                       t->v->path);
    }
    int rc = trigram_funnel_words(&words, &t->run, err);
    if (!rc) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "%s: no trigram was left to look for.  %s  Another --trigram-rule of gapscope "
                     "scan lets more through",
                     t->v->path, words.data);
    }
    buf_free(&words);
    return rc;
}

static int show(struct trigrams_view *t, struct err *err)
{
    const struct view *v = t->v;
    int rc = 0;
    const bool any = trigram_count(v, &rc, err) > 0;
    rc = rc ? rc : trigram_run_read(&t->run, v, err);
    rc = rc || any ? rc : none(t, err);
    if (!rc && (t->o->pair || view_number(v, "SELECT count(*) FROM pair", NULL, &rc, err) > 0)) {
        rc = view_pairs_read(&t->pairs, v, t->o->pair, err); // a run of one model has none
    }
    if (!rc) {
        rc = t->o->id != SIZE_MAX ? trigrams_put_page(t, err) : trigrams_put_list(t, err);
    }
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    struct options *o = options;
    struct view v = {0};
    struct trigrams_view t = {.v = &v, .o = &o->trigrams};
    if (operands->n > 1 && o->trigrams.token) {
        return err_set(err, ERR_USAGE, "TEXT and --token are the same: one of them");
    }
    if (operands->n > 1) {
        o->trigrams.token = operands->items[1];
    }
    int rc = check_options(t.o, err);
    if (rc) {
        return rc;
    }
    rc = view_open(&v, operands->items[0], o->color, o->output, err);
    rc = rc ? rc : show(&t, err);
    view_pairs_free(&t.pairs);
    trigram_run_free(&t.run);
    return view_close(&v, rc, o->output, err);
}

int cmd_trigrams(int argc, char **argv)
{
    struct options o = {.trigrams = {.n = SIZE_MAX, .min_docs = SIZE_MAX, .id = SIZE_MAX}};
    struct trigrams_options *t = &o.trigrams;
    const struct arg args[] = {
        {"id", 0, ARG_SIZE, &t->id, "N",
         "one trigram with all that is known of it: #N of the list"},
        {"sort", 0, ARG_STRING, &t->sort, "KEY",
         "gain (places x mean gap, the default), gap, p (P(C | A, B)),\n"
         "count or interaction (of ln P(C)); the greatest first"},
        {"number", 'n', ARG_SIZE, &t->n, "N",
         "how many (10; with --json all); with --id: places of each kind"},
        {"a", 0, ARG_STRING, &t->a, "TEXT", "only where the first token is this"},
        {"b", 0, ARG_STRING, &t->b, "TEXT", "only where the second is"},
        {"c", 0, ARG_STRING, &t->c, "TEXT", "only where the one that follows is"},
        {"token", 0, ARG_STRING, &t->token, "TEXT",
         "only where one of the three contains this, in small\nletters or capitals; also as TEXT"},
        {"model", 0, ARG_STRING, &t->model, "NAME", "only this model's verdicts"},
        {"verdict", 0, ARG_STRING, &t->verdict, "WORDS",
         "only where a model's verdict is AND-like, B-only, A-only,\nspread, 'no interaction' or "
         "'no neurons'"},
        {"min-docs", 0, ARG_SIZE, &t->min_docs, "N", "only those in N documents or more (2)"},
        {"all", 0, ARG_FLAG, &t->all, NULL,
         "also those that do not beat the base or were not tested"},
        {"pair", 0, ARG_STRING, &t->pair, "A:B", "the pair of models; else the run's first"},
        {"json", 0, ARG_FLAG, &t->json, NULL, "one object with everything, for programs"},
        {"color", 0, ARG_STRING, &o.color, "WHEN", VIEW_COLOR_HELP},
        {"output", 'o', ARG_STRING, &o.output, "FILE", "write there, not to standard output"},
        {0}};
    const struct command command = {
        .name = "trigrams",
        .usage = "run.db [TEXT] [--sort KEY] [-n N] | run.db --id N",
        .summary =
            "The trigrams \"A\" \"B\" -> \"C\" of a run that counting alone does not explain: no\n"
            "bigram, skip-bigram or sum of these predicts C, only A and B together.  Which models\n"
            "know it, by how much, and which neuron fires on both tokens and on neither alone.",
        .args = args,
        .n_min = 1,
        .n_max = 2,
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
