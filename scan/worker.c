#include "scan/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward.h"
#include "model/logprob.h"
#include "model/tokenizer.h"
#include "out/jsonout.h"
#include "scan/base/mem.h"

// The most likely tokens that a hit's detail shows.
#define DETAIL_TOP 10

struct worker {
    const struct lineup *lineup;
    const struct tally_shape *shape;
    const atomic_int *stop;
    enum special_tokens special;
    struct encoder *encoder;   // NULL with ids
    struct tokens tokens;      // of the document in hand
    struct forward **forwards; // [n_models]
    float *logits;             // [FORWARD_ROWS][d_vocab], of the largest model
    uint32_t *window;          // [n_ctx], the ids of a window

    // the document in hand: window k predicts tokens [k * (n_ctx - 1), ...)
    uint32_t first;      // what stands before the first token: BOS, or with ids the list's first
    const uint32_t *ids; // [n], predicted
    size_t n;
    uint32_t *pos; // [pos_cap]
    size_t pos_cap;
    double **logprob; // [n_models][logprob_cap]
    size_t logprob_cap;
};

int worker_new(struct worker **out, const struct lineup *lineup, const struct tally_shape *shape,
               bool special, const atomic_int *stop, struct err *err)
{
    struct worker *w = mem_zero(1, sizeof *w);
    if (!w) {
        return err_nomem(err, "a worker");
    }
    w->lineup = lineup;
    w->shape = shape;
    w->stop = stop;
    w->special = special ? SPECIAL_SPLIT : SPECIAL_PLAIN;
    size_t d_vocab = 0;
    for (size_t m = 0; m < lineup->n; m++) {
        const size_t own = lineup->models[m]->config.d_vocab;
        d_vocab = own > d_vocab ? own : d_vocab;
    }
    w->forwards = mem_zero(lineup->n, sizeof *w->forwards);
    w->logprob = mem_zero(lineup->n, sizeof *w->logprob);
    w->logits = mem_new(FORWARD_ROWS * d_vocab, sizeof *w->logits);
    w->window = mem_new(lineup->n_ctx, sizeof *w->window);
    if (lineup->tokenizer) {
        w->encoder = encoder_new(lineup->tokenizer);
    }
    int rc = 0;
    if (!w->forwards || !w->logprob || !w->logits || !w->window ||
        (lineup->tokenizer && !w->encoder)) {
        rc = err_nomem(err, "a worker");
    }
    for (size_t m = 0; m < lineup->n && !rc; m++) {
        rc = forward_new(&w->forwards[m], lineup->models[m], err);
    }
    if (rc) {
        worker_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    for (size_t m = 0; m < w->lineup->n; m++) {
        if (w->forwards) {
            forward_free(w->forwards[m]);
        }
        if (w->logprob) {
            free(w->logprob[m]);
        }
    }
    free(w->forwards);
    free(w->logprob);
    free(w->logits);
    free(w->window);
    free(w->pos);
    encoder_free(w->encoder);
    tokens_free(&w->tokens);
    free(w);
}

static int reserve(struct worker *w, size_t n, struct err *err)
{
    int rc = mem_reserve(&w->pos, &w->pos_cap, n, sizeof *w->pos, "a document", err);
    if (n > w->logprob_cap) {
        size_t cap = w->logprob_cap;
        for (size_t m = 0; m < w->lineup->n && !rc; m++) {
            cap = w->logprob_cap;
            rc = mem_reserve(&w->logprob[m], &cap, n, sizeof **w->logprob, "a document", err);
        }
        w->logprob_cap = rc ? w->logprob_cap : cap;
    }
    return rc;
}

/* Makes document 'd' the one in hand. */
static int take(struct worker *w, const struct unit *u, const struct unit_doc *d, struct err *err)
{
    if (w->encoder) {
        const int rc =
            encode(w->encoder, u->text.data + d->at, d->len, w->special, &w->tokens, err);
        if (rc) {
            return rc;
        }
        w->first = tokenizer_bos(w->lineup->tokenizer);
        w->ids = w->tokens.ids;
        w->n = w->tokens.n;
    } else {
        w->first = u->ids[d->at];
        w->ids = u->ids + d->at + 1;
        w->n = d->len - 1;
    }
    const int rc = reserve(w, w->n, err);
    for (size_t i = 0; i < w->n && !rc; i++) {
        w->pos[i] = (uint32_t)(i % (w->lineup->n_ctx - 1)) + 1;
    }
    return rc;
}

/* The ids of the window that predicts token 'at' and those behind it, up to 'n' predictions. */
static size_t fill_window(struct worker *w, size_t at, size_t n)
{
    w->window[0] = w->first;
    memcpy(w->window + 1, w->ids + at, n * sizeof *w->window);
    return n; // the last id is predicted and need not be run itself
}

/* Log-probs of tokens [at, at + n) by model m, one window. */
static void score_window(struct worker *w, size_t m, size_t at, size_t n)
{
    const size_t d_vocab = w->lineup->models[m]->config.d_vocab;
    forward_run(w->forwards[m], w->window, fill_window(w, at, n), NULL);
    for (size_t from = 0; from < n && !atomic_load_explicit(w->stop, memory_order_relaxed);
         from += FORWARD_ROWS) {
        const size_t count = n - from < FORWARD_ROWS ? n - from : FORWARD_ROWS;
        forward_logits(w->forwards[m], from, count, w->logits);
        for (size_t i = 0; i < count; i++) {
            const float *row = w->logits + i * d_vocab;
            const uint32_t id = w->ids[at + from + i];
            w->logprob[m][at + from + i] = (double)row[id] - logprob_log_sum_exp(row, d_vocab);
        }
    }
}

/* What model m says at token 'at': the most likely tokens, the true one's rank, the entropy. */
static void write_view(struct worker *w, struct jsonout *j, size_t m, size_t at)
{
    const struct model *model = w->lineup->models[m];
    const size_t d_vocab = model->config.d_vocab, pos = w->pos[at], begin = at - (pos - 1);
    forward_run(w->forwards[m], w->window, fill_window(w, begin, pos), NULL);
    forward_logits(w->forwards[m], pos - 1, 1, w->logits);
    const double lse = logprob_log_sum_exp(w->logits, d_vocab);
    size_t rank = 1;
    for (size_t i = 0; i < d_vocab; i++) {
        rank += w->logits[i] > w->logits[w->ids[at]];
    }
    uint32_t top[DETAIL_TOP];
    const size_t n_top = logprob_top(w->logits, d_vocab, DETAIL_TOP, top);
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, model->name);
    jsonout_key(j, "rank");
    jsonout_u64(j, rank);
    jsonout_key(j, "entropy");
    jsonout_float(j, (float)logprob_entropy(w->logits, d_vocab, lse));
    jsonout_key(j, "top");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n_top; i++) {
        jsonout_begin(j, '[');
        jsonout_u64(j, top[i]);
        jsonout_float(j, (float)((double)w->logits[top[i]] - lse));
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

/* tally_detail(): {"base": {...}, "others": [{...}]}. */
static int write_detail(void *context, size_t pair, size_t at, struct buf *out, struct err *err)
{
    struct worker *w = context;
    const struct tally_pair *p = &w->shape->pairs[pair];
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = open_memstream(&text, &len)};
    if (!j.to) {
        return err_nomem(err, "a hit's detail");
    }
    jsonout_begin(&j, '{');
    jsonout_key(&j, "base");
    write_view(w, &j, p->base, at);
    jsonout_key(&j, "others");
    jsonout_begin(&j, '[');
    for (uint32_t i = 0; i < p->n_others; i++) {
        write_view(w, &j, p->others[i], at);
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
    const bool failed = fclose(j.to) != 0;
    const int rc = failed ? err_nomem(err, "a hit's detail")
                          : buf_append(out, text, len - 1, err); // without the line's end
    free(text);
    return rc;
}

/* Counts the unit's rejected records: the first of each kind with their places, the rest by number.
 */
static void add_rejects(struct tally *tally, const struct unit *u)
{
    struct tally_shard *shard = &tally->shards[u->shard];
    for (unsigned reason = 0; reason < REJECT_N; reason++) {
        const uint64_t n = u->rejects.n[reason];
        const uint64_t placed = n < REJECT_PLACES ? n : REJECT_PLACES;
        for (uint64_t i = 0; i < placed; i++) {
            const struct reject_place *p = &u->rejects.places[reason][i];
            tally_add_reject(tally, u->shard, reason, p->line, p->byte, p->why);
        }
        shard->rejects[reason].n += n - placed;
        shard->skipped += n - placed;
    }
}

int worker_run(struct worker *w, const struct unit *u, struct tally *tally, const int64_t *cutoff,
               bool *stopped, struct err *err)
{
    const size_t step = w->lineup->n_ctx - 1;
    for (size_t d = 0; d < u->n_docs; d++) {
        const struct unit_doc *doc = &u->docs[d];
        int rc = take(w, u, doc, err);
        if (rc) {
            return rc;
        }
        for (size_t m = 0; m < w->lineup->n; m++) {
            for (size_t at = 0; at < w->n; at += step) {
                score_window(w, m, at, w->n - at < step ? w->n - at : step);
            }
        }
        *stopped = atomic_load(w->stop) != 0;
        if (*stopped) {
            return 0;
        }
        const struct tally_doc scored = {
            .shard = u->shard,
            .number = doc->number,
            .domain = doc->domain == SIZE_MAX ? NULL : u->names.data + doc->domain,
            .text = w->encoder ? w->tokens.text : "",
            .text_len = w->encoder ? w->tokens.text_len : 0,
            .n = w->n,
            .ids = w->ids,
            .ends = w->encoder ? w->tokens.ends : NULL,
            .pos = w->pos,
            .logprob = (const double *const *)w->logprob,
        };
        rc = tally_add_doc(tally, &scored, cutoff, write_detail, w, err);
        if (rc) {
            return rc;
        }
    }
    add_rejects(tally, u);
    tally->shards[u->shard].repaired += u->repaired;
    tally->shards[u->shard].units_done++;
    return 0;
}

int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err)
{
    *tokens = 0;
    for (size_t d = 0; d < u->n_docs; d++) {
        const int rc = take(w, u, &u->docs[d], err);
        if (rc) {
            return rc;
        }
        *tokens += w->n;
    }
    return 0;
}
