#include "scan/cmd/commands.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/shards.h"
#include "model/pass/logprob.h"
#include "model/pass/precision.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"
#include "scan/work/predictor.h"

struct options {
    struct arg_list models;
    struct input_options input;
    const char *tokenizer, *precision, *kernels, *output;
    size_t top;
    bool entropy;
};

/* One model at work, and what it says of the current window. */
struct scorer {
    const struct lineup_model *model;
    struct predictor predictor;
    struct predictor_ctx *run;
    struct engine_pick *picks; // [n_ctx]
    double *logprob;           // [n_ctx]; [i] is ln P(ids[i+1] | ids[0..i]), n - 1 of them
    float *entropy;            // [n_ctx], nats
    uint32_t *top_ids;         // [n_ctx][top]
    float *top_logprob;        // [n_ctx][top]
    size_t top;                // K of --top, at most d_vocab
    double sum;                // of all finite log-probs so far that are counted, nats
    uint64_t n_not_finite;     // of those that are counted; the lines have null
};

/* All models at work, and what they have seen so far. */
struct score {
    const struct options *options;
    struct scorer *scorers; // [n]
    size_t n;
    uint64_t windows;
    uint64_t tokens;                   // predicted, and counted
    uint64_t text_bytes;               // that they stand for; 0 with --ids
    uint64_t skipped;                  // special tokens, which are printed and not counted
    const struct tokenizer *tokenizer; // that knows them; NULL: all are counted
    int rc;                            // the first failure
    struct err err;
};

static int scorer_init(struct scorer *s, const struct lineup_model *m, size_t n_ctx, size_t top,
                       struct err *err)
{
    *s = (struct scorer){.model = m,
                         .predictor = {.model = m},
                         .top = top < m->config->d_vocab ? top : m->config->d_vocab};
    s->top = predictor_looks(&s->predictor) ? s->top : 0;
    size_t tops;
    if (!mem_mul(n_ctx, s->top, &tops)) {
        return err_nomem(err, "the top tokens");
    }
    s->picks = mem_new(n_ctx, sizeof *s->picks);
    s->logprob = mem_new(n_ctx, sizeof *s->logprob);
    s->entropy = mem_new(n_ctx, sizeof *s->entropy);
    s->top_ids = mem_new(tops, sizeof *s->top_ids);
    s->top_logprob = mem_new(tops, sizeof *s->top_logprob);
    if (!s->picks || !s->logprob || !s->entropy || !s->top_ids || !s->top_logprob) {
        return err_nomem(err, "the scores");
    }
    return 0;
}

static void scorer_free(struct scorer *s)
{
    predictor_ctx_free(s->run);
    predictor_free(&s->predictor);
    free(s->picks);
    free(s->logprob);
    free(s->entropy);
    free(s->top_ids);
    free(s->top_logprob);
}

/* Entropy and the most likely tokens at position i. */
static void look(struct scorer *s, size_t i, const float *logits)
{
    const size_t d_vocab = s->model->config->d_vocab;
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    s->entropy[i] = (float)logprob_entropy(logits, d_vocab, lse);
    uint32_t *ids = s->top_ids + i * s->top;
    logprob_top(logits, d_vocab, s->top, ids);
    for (size_t k = 0; k < s->top; k++) {
        s->top_logprob[i * s->top + k] = (float)((double)logits[ids[k]] - lse);
    }
}

/* engine_view() */
static void look_all(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    for (size_t i = 0; i < n; i++) {
        look(context, k + i, sights[i].logits);
    }
}

/* Does the loss leave the token out? */
static bool is_skipped(const struct score *score, uint32_t id)
{
    return score->tokenizer && tokenizer_is_special(score->tokenizer, id);
}

static int score_window(const struct score *score, struct scorer *s, const struct window *w,
                        bool more, struct err *err)
{
    int rc = 0;
    struct engine_window window = {
        .first = w->ids[0], .tokens = w->ids + 1, .n = w->n - 1, .logprob = s->logprob};
    if (window.n > 0) {
        rc = predictor_score(s->run, NULL, &window, 1, NULL, NULL, err);
    }
    for (size_t i = 0; i < window.n; i++) {
        const bool counts = !is_skipped(score, window.tokens[i]);
        const bool finite = isfinite(s->logprob[i]);
        s->sum += counts && finite ? s->logprob[i] : 0;
        s->n_not_finite += counts && !finite;
    }
    for (size_t i = 0; i < w->n; i++) {
        s->entropy[i] = NAN; // where it cannot say
    }
    if (!rc && more && predictor_looks(&s->predictor)) { // also of what comes after the last
        window.n = w->n;
        for (size_t i = 0; i < w->n; i++) {
            s->picks[i] = (struct engine_pick){.window = &window, .at = i};
        }
        rc = predictor_look(s->run, NULL, s->picks, w->n, look_all, s, NULL, err);
    }
    return rc;
}

static void write_top(struct jsonout *j, const struct scorer *s, size_t n)
{
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_begin(j, '[');
        for (size_t k = 0; k < s->top; k++) {
            jsonout_begin(j, '[');
            jsonout_u64(j, s->top_ids[i * s->top + k]);
            jsonout_float(j, s->top_logprob[i * s->top + k]);
            jsonout_end(j, ']');
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
}

/* As a float; one that no float holds is written as the double that it is. */
static void put_logprob(struct jsonout *j, double logprob)
{
    if (fabs(logprob) <= (double)FLT_MAX) {
        jsonout_float(j, (float)logprob);
    } else {
        jsonout_double(j, logprob); // null where it is not finite
    }
}

static void write_window(const struct score *score, const struct window *w, FILE *to)
{
    const struct options *o = score->options;
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    window_head(&j, w);
    jsonout_key(&j, "logprob");
    jsonout_begin(&j, '{');
    for (size_t i = 0; i < score->n; i++) {
        jsonout_key(&j, score->scorers[i].model->name);
        jsonout_begin(&j, '[');
        for (size_t k = 0; k + 1 < w->n; k++) {
            put_logprob(&j, score->scorers[i].logprob[k]);
        }
        jsonout_end(&j, ']');
    }
    jsonout_end(&j, '}');
    if (o->top > 0) {
        jsonout_key(&j, "top");
        jsonout_begin(&j, '{');
        for (size_t i = 0; i < score->n; i++) {
            jsonout_key(&j, score->scorers[i].model->name);
            write_top(&j, &score->scorers[i], w->n);
        }
        jsonout_end(&j, '}');
    }
    if (o->entropy) {
        jsonout_key(&j, "entropy");
        jsonout_begin(&j, '{');
        for (size_t i = 0; i < score->n; i++) {
            jsonout_key(&j, score->scorers[i].model->name);
            jsonout_floats(&j, score->scorers[i].entropy, w->n);
        }
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, '}');
}

static void each_window(void *context, const struct window *w, FILE *to)
{
    struct score *score = context;
    for (size_t i = 0; i < score->n; i++) {
        const bool more = score->options->entropy || score->options->top > 0;
        if (!score->rc) {
            score->rc = score_window(score, &score->scorers[i], w, more, &score->err);
        }
    }
    write_window(score, w, to);
    score->windows++;
    for (size_t i = 1; i < w->n; i++) {
        const bool skipped = is_skipped(score, w->ids[i]);
        score->skipped += skipped;
        score->tokens += !skipped;
        score->text_bytes += w->ends && !skipped ? w->ends[i] - w->ends[i - 1] : 0;
    }
}

/* "gelu-1l: 1234 tokens in 5 windows, loss 3.4512 nats per token, 1.903 bits per byte" */
static void print_summary(const struct score *score)
{
    for (size_t i = 0; i < score->n && score->tokens > 0; i++) {
        const struct scorer *s = &score->scorers[i];
        const uint64_t n = score->tokens - s->n_not_finite;
        fprintf(stderr, "gapscope score: %s: %" PRIu64 " token%s in %" PRIu64 " window%s",
                s->model->name, score->tokens, score->tokens == 1 ? "" : "s", score->windows,
                score->windows == 1 ? "" : "s");
        if (n > 0) {
            fprintf(stderr, ", loss %.4f nats per token", -s->sum / (double)n);
        }
        if (s->n_not_finite > 0) {
            fprintf(stderr,
                    "; %" PRIu64
                    " log-probs are not finite: they are null, and the loss is without "
                    "them",
                    s->n_not_finite);
        } else if (score->text_bytes > 0) {
            fprintf(stderr, ", %.3f bits per byte", -s->sum / M_LN2 / (double)score->text_bytes);
        }
        if (score->skipped > 0) {
            fprintf(stderr, ", %" PRIu64 " special tokens left out", score->skipped);
        }
        fputc('\n', stderr);
    }
}

/* Says of which models the counts hold the input itself.  Standard input is not known. */
static void print_counted(const struct score *score, const char *input)
{
    struct shards shards = {0};
    if (strcmp(input, "-") != 0 && shards_open(&shards, &input, 1, NULL) == 0) {
        for (size_t i = 0; i < score->n; i++) {
            const struct scorer *s = &score->scorers[i];
            if (predictor_has_counted(&s->predictor, &shards.items[0])) {
                fprintf(
                    stderr,
                    "gapscope score: %s: %s itself was counted and is not left out, so its "
                    "log-probs are too high (gapscope scan leaves a document's own counts out)\n",
                    s->model->name, shards.items[0].name);
            }
        }
    }
    shards_free(&shards);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    struct lineup lineup = {0};
    struct score score = {.options = o};
    enum precision precision;
    const struct kern *kern;
    int rc = input_check_special(&o->input, err);
    rc = rc ? rc : precision_parse(&precision, o->precision, PRECISION_EXACT, err);
    rc = rc ? rc : precision_kernels(&kern, o->kernels, err);
    if (!rc) {
        rc = lineup_load(&lineup, &o->models, o->tokenizer, !o->input.ids, err);
    }
    if (rc) {
        return rc;
    }
    score.tokenizer = input_skips_special(&o->input) ? lineup.tokenizer : NULL;
    score.scorers = mem_zero(lineup.n, sizeof *score.scorers);
    if (!score.scorers) {
        rc = err_nomem(err, "the scores");
    }
    while (!rc && score.n < lineup.n) {
        struct scorer *one = &score.scorers[score.n];
        rc = scorer_init(one, &lineup.models[score.n++], lineup.n_ctx, o->top, err);
        const struct model *m = one->model->weights;
        if (!rc && m) {
            rc = engine_new(&one->predictor.engine, m, kern, precision, err);
        }
        rc = rc ? rc : predictor_ctx_new(&one->run, &one->predictor, err);
    }
    if (!rc) {
        rc = windows_run(operands->items[0], &o->input, &lineup, o->output, each_window, &score,
                         status, err);
        rc = rc ? rc : score.rc ? err_set(err, score.rc, "%s", score.err.msg) : 0;
    }
    if (!rc) {
        print_summary(&score);
        print_counted(&score, operands->items[0]);
    }
    for (size_t i = 0; i < score.n; i++) {
        scorer_free(&score.scorers[i]);
    }
    free(score.scorers);
    lineup_free(&lineup);
    return rc;
}

int cmd_score(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        MODELS_ARGS(&o.models, &o.tokenizer),
        ARGS_GROUP("what is asked"),
        {"top", 0, ARG_SIZE, &o.top, "K", "also the K most likely tokens at every position"},
        {"entropy", 0, ARG_FLAG, &o.entropy, NULL, "also the entropy at every position, nats"},
        {"precision", 0, ARG_STRING, &o.precision, "exact|default|fast",
         "exact: f32 throughout (if not given); default, fast: as\nscan's; top and entropy are "
         "exact"},
        {"kernels", 0, ARG_STRING, &o.kernels, "NAME",
         "a table that gapscope model lists; the best if not given"},
        ARGS_GROUP("the input"),
        IDS_ARG(&o.input),
        INPUT_ARGS(&o.input),
        SPECIAL_ARG(&o.input),
        SKIP_SPECIAL_ARGS(&o.input),
        ARGS_GROUP("the output"),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "score",
        .usage = "--model M [--model M]... [options] INPUT",
        .summary =
            "The log-prob of every token of INPUT (a file, also .zst or .gz, or -), as JSONL,\n"
            "one line per window:\n"
            "  {\"doc\",\"window\",\"ids\":[n],\"ends\":[n],\"logprob\":{\"NAME\":[n-1]},\n"
            "   \"top\":{\"NAME\":[n][K][id,logprob]},\"entropy\":{\"NAME\":[n]}}\n"
            "logprob[i] is ln P(ids[i+1] | ids[0..i]), in nats.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope score --model gelu-1l --top 3 corpus.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
