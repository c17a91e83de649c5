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
#include "scan/cmd/score_internal.h"

static int scorer_init(struct score_model *s, const struct lineup_model *m, size_t n_ctx,
                       size_t top, struct err *err)
{
    *s = (struct score_model){.model = m,
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
    s->windows = mem_zero(REPLACED_GROUP, sizeof *s->windows);
    s->counts = mem_new(n_ctx, sizeof *s->counts);
    if (!s->counts || !s->windows || !s->picks || !s->logprob || !s->entropy || !s->top_ids ||
        !s->top_logprob) {
        return err_nomem(err, "the scores");
    }
    return 0;
}

static void scorer_free(struct score_model *s)
{
    score_lens_free(s->lens);
    predictor_ctx_free(s->run);
    predictor_free(&s->predictor);
    replaced_free(&s->replaced);
    free(s->windows);
    free(s->counts);
    free(s->picks);
    free(s->logprob);
    free(s->entropy);
    free(s->top_ids);
    free(s->top_logprob);
    free(s->answers);
}

/* Entropy and the most likely tokens at position i. */
static void look(struct score_model *s, size_t i, const float *logits)
{
    const size_t d_vocab = s->model->config->d_vocab;
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    s->entropy[i] = (float)logprob_entropy(logits, d_vocab, lse);
    uint32_t *ids = s->top_ids + i * s->top;
    logprob_top(logits, d_vocab, s->top, ids);
    for (size_t k = 0; k < s->top; k++) {
        s->top_logprob[i * s->top + k] = (float)((double)logits[ids[k]] - lse);
    }
    score_places_look(s->places, i, logits, lse, s->answers);
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

/* The log-probs of a window that a resampled model says nothing of. */
static void say_nothing(struct score_model *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->logprob[i] = NAN;
        s->entropy[i] = NAN;
        for (size_t k = 0; k < s->top; k++) {
            s->top_ids[i * s->top + k] = 0;
            s->top_logprob[i * s->top + k] = NAN;
        }
    }
}

/* Entropy and the most likely tokens at all positions; the last also of what comes after it. */
static int look_at_window(struct score_model *s, struct engine_window *window, size_t n,
                          struct err *err)
{
    const size_t before = window->n;
    window->n = n;
    for (size_t i = 0; i < n; i++) {
        s->picks[i] = (struct engine_pick){.window = window, .at = i};
    }
    const int rc = predictor_look(s->run, NULL, s->picks, n, look_all, s, NULL, err);
    window->n = before;
    return rc;
}

/* Window k of the group. */
static int score_window(const struct score *score, struct score_model *s, size_t k, bool more,
                        struct err *err)
{
    struct engine_window *window = &s->windows[k];
    const size_t n = score->held[k].window.n;
    const bool says = !score_is_changed(s) || replaced_has_donor(&s->replaced, k);
    s->places = score->answers ? &score->held[k].places : NULL;
    say_nothing(s, n);
    int rc = score_places_reserve(s->places, &s->answers, &s->answers_cap, err);
    if (!rc && says && window->n > 0) {
        rc = predictor_score(s->run, NULL, window, 1, NULL, NULL, err);
    }
    for (size_t i = 0; i < window->n; i++) {
        const bool counts = s->counts[i] = !is_skipped(score, window->tokens[i]);
        const bool finite = isfinite(s->logprob[i]);
        s->sum += counts && finite ? s->logprob[i] : 0;
        s->n_not_finite += counts && !finite && says;
        s->n_no_donor += counts && !says;
    }
    if (!rc && s->lens) {
        score_lens_window(s->lens, window, says, s->counts);
    }
    if (!rc && more && says && predictor_looks(&s->predictor)) {
        rc = look_at_window(s, window, n, err);
    }
    return rc;
}

static void write_top(struct jsonout *j, const struct score_model *s, size_t n)
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

static void write_window(const struct score *score, const struct window *w,
                         const struct score_places *places, FILE *to)
{
    const struct score_options *o = score->options;
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
    if (o->lens) {
        jsonout_key(&j, "lens");
        jsonout_begin(&j, '{');
        for (size_t i = 0; i < score->n; i++) {
            jsonout_key(&j, score->scorers[i].model->name);
            score_lens_write(score->scorers[i].lens, &j);
        }
        jsonout_end(&j, '}');
    }
    if (score->answers) {
        score_answers_begin(score->answers, places, &j);
        for (size_t i = 0; i < score->n; i++) {
            const struct score_model *s = &score->scorers[i];
            score_answers_write(score->answers, places, s->model->name,
                                predictor_looks(&s->predictor) ? s->answers : NULL, &j);
        }
        jsonout_end(&j, '}');
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, '}');
}

/* The windows of the group, as one model sees them. */
static int begin_group(struct score *score, struct score_model *s)
{
    struct engine_ctx *engine = predictor_engine_ctx(s->run);
    for (size_t k = 0; k < score->n_held; k++) {
        s->windows[k] = score_window_of(&score->held[k].window, s->logprob);
    }
    return score_is_changed(s)
               ? replaced_begin_group(&s->replaced, engine, s->windows, score->n_held, &score->err)
               : 0;
}

static void count_window(struct score *score, const struct window *w)
{
    score->windows++;
    for (size_t i = 1; i < w->n; i++) {
        const bool skipped = is_skipped(score, w->ids[i]);
        score->skipped += skipped;
        score->tokens += !skipped;
        score->text_bytes += w->ends && !skipped ? w->ends[i] - w->ends[i - 1] : 0;
    }
}

/* Scores and writes the windows that are held; window_end_fn. */
static void end_group(void *context, FILE *to)
{
    struct score *score = context;
    const bool more = score->options->entropy || score->options->top > 0 || score->answers;
    for (size_t i = 0; i < score->n && !score->rc; i++) {
        score->rc = begin_group(score, &score->scorers[i]);
    }
    for (size_t k = 0; k < score->n_held; k++) {
        for (size_t i = 0; i < score->n && !score->rc; i++) {
            score->rc = score_window(score, &score->scorers[i], k, more, &score->err);
        }
        if (!score->rc) {
            write_window(score, &score->held[k].window, &score->held[k].places, to);
        }
        count_window(score, &score->held[k].window);
    }
    score->n_held = 0;
}

static int hold(struct score_held *h, const struct window *w, struct err *err)
{
    int rc = mem_reserve(&h->ids, &h->ids_cap, w->n, sizeof *h->ids, "a window", err);
    rc = rc ? rc : mem_reserve(&h->ends, &h->ends_cap, w->n, sizeof *h->ends, "a window", err);
    if (rc) {
        return rc;
    }
    h->window = *w;
    h->window.ids = memcpy(h->ids, w->ids, w->n * sizeof *h->ids);
    h->window.tokens = NULL; // the doc's, which may go
    h->window.ends = w->ends ? memcpy(h->ends, w->ends, w->n * sizeof *h->ends) : NULL;
    return 0;
}

static void each_window(void *context, const struct window *w, FILE *to)
{
    struct score *score = context;
    struct score_held *h = &score->held[score->n_held];
    score->rc = score->rc ? score->rc : hold(h, w, &score->err);
    if (!score->rc && score->answers) {
        score->rc = score_answers_find(score->answers, w, &h->places, &score->err);
    }
    if (!score->rc && ++score->n_held == score->group) {
        end_group(score, to);
    }
}

/* "gelu-1l: 1234 tokens in 5 windows, loss 3.4512 nats per token, 1.903 bits per byte" */
static void print_summary(const struct score *score)
{
    for (size_t i = 0; i < score->n && score->tokens > 0; i++) {
        const struct score_model *s = &score->scorers[i];
        const uint64_t n = score->tokens - s->n_not_finite - s->n_no_donor;
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
        } else if (score->text_bytes > 0 && s->n_no_donor == 0) {
            fprintf(stderr, ", %.3f bits per byte", -s->sum / M_LN2 / (double)score->text_bytes);
        }
        if (s->n_no_donor > 0) {
            fprintf(stderr,
                    "; %" PRIu64 " tokens have null: there is no other window to resample from",
                    s->n_no_donor);
        }
        if (score->skipped > 0) {
            fprintf(stderr, ", %" PRIu64 " special tokens left out", score->skipped);
        }
        fputc('\n', stderr);
        if (s->lens) {
            score_lens_print(s->lens, s->model->name, stderr);
        }
    }
}

/* Says of which models the counts hold the input itself.  Standard input is not known. */
static void print_counted(const struct score *score, const char *input)
{
    struct shards shards = {0};
    if (strcmp(input, "-") != 0 && shards_open(&shards, &input, 1, NULL) == 0) {
        for (size_t i = 0; i < score->n; i++) {
            const struct score_model *s = &score->scorers[i];
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

/* The engine of a model: that of an earlier one of the same weights, or a new one. */
static int make_engine(struct score *score, struct score_model *s, const struct kern *kern,
                       enum precision precision, struct err *err)
{
    for (size_t i = 0; i < score->n; i++) {
        const struct score_model *other = &score->scorers[i];
        if (other != s && s->model->weights && other->model->weights == s->model->weights) {
            s->predictor.engine = other->predictor.engine;
            s->predictor.shares_engine = true;
            return 0;
        }
    }
    return s->model->weights
               ? engine_new(&s->predictor.engine, s->model->weights, kern, precision, err)
               : 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct score_options *o = options;
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
    if (!rc && o->lens) {
        rc = lineup_need_weights(&lineup, err);
        rc = rc ? rc : lineup_need_no_edges(&lineup, "score --lens", err);
    }
    if (rc) {
        lineup_free(&lineup);
        return rc;
    }
    score.tokenizer = input_skips_special(&o->input) ? lineup.tokenizer : NULL;
    score.scorers = mem_zero(lineup.n, sizeof *score.scorers);
    if (!score.scorers) {
        rc = err_nomem(err, "the scores");
    }
    while (!rc && score.n < lineup.n) {
        struct score_model *one = &score.scorers[score.n];
        rc = scorer_init(one, &lineup.models[score.n++], lineup.n_ctx, o->top, err);
        rc = rc ? rc : make_engine(&score, one, kern, precision, err);
        rc = rc ? rc : predictor_ctx_new(&one->run, &one->predictor, NULL, err);
        if (!rc && o->lens) {
            rc = score_lens_new(&one->lens, one->predictor.engine, predictor_engine_ctx(one->run),
                                lineup.n_ctx, err);
        }
    }
    rc = rc ? rc : score_make_changes(&score, operands->items[0], &lineup, err);
    rc = rc ? rc : score_answers_new(&score.answers, o->answers, o->input.ids, &lineup, err);
    if (!rc) {
        rc = windows_run(operands->items[0], &o->input, &lineup, o->output, each_window, end_group,
                         &score, status, err);
        rc = rc ? rc : score.rc ? err_set(err, score.rc, "%s", score.err.msg) : 0;
    }
    if (!rc) {
        print_summary(&score);
        print_counted(&score, operands->items[0]);
    }
    for (size_t i = score.n; i-- > 0;) { // an engine's owner stands before those that share it
        scorer_free(&score.scorers[i]);
    }
    for (size_t k = 0; k < REPLACED_GROUP; k++) {
        free(score.held[k].ids);
        free(score.held[k].ends);
        score_places_free(&score.held[k].places);
    }
    score_answers_free(score.answers);
    free(score.scorers);
    lineup_free(&lineup);
    return rc;
}

int cmd_score(int argc, char **argv)
{
    struct score_options o = {0};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        MODELS_ARGS(&o.models, &o.tokenizer),
        ARGS_GROUP("what is asked"),
        {"top", 0, ARG_SIZE, &o.top, "K", "also the K most likely tokens at every position"},
        {"entropy", 0, ARG_FLAG, &o.entropy, NULL, "also the entropy at every position, nats"},
        {"lens", 0, ARG_FLAG, &o.lens, NULL,
         "also the log-prob of each token from the residual stream\nbehind each layer (the logit "
         "lens)"},
        {"answers", 0, ARG_STRING, &o.answers, "FILE.yaml",
         "also how likely each token is that these hypotheses say\nwould follow"},
        {"precision", 0, ARG_STRING, &o.precision, "exact|default|fast",
         "exact: f32 throughout (if not given); default, fast: as\nscan's; top, entropy and lens "
         "are "
         "exact"},
        {"reference", 0, ARG_STRING, &o.reference, "FILE",
         "the text whose means M@mean.L0H1 takes; INPUT if not given"},
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
            "   \"top\":{\"NAME\":[n][K][id,logprob]},\"entropy\":{\"NAME\":[n]},\n"
            "   \"lens\":{\"NAME\":[n_layers][n-1]},\n"
            "   \"answers\":{\"at\":{\"H\":[k]},\"ids\":{\"H\":[k][1|2]},\n"
            "              \"logprob\":{\"NAME\":{\"H\":[k][1|2]}}}}\n"
            "logprob[i] is ln P(ids[i+1] | ids[0..i]), in nats.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope score --model gelu-1l --top 3 corpus.txt\n"
                    "gapscope score --model gelu-1l --model no-mlp=gelu-1l@zero.L0MLP corpus.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
