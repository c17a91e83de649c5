#include "out/results/gaps/tally.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/utf8.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally_internal.h"

static void gap_sums_merge(struct tally_gap_sums *s, const struct tally_gap_sums *from)
{
    s->n += from->n;
    s->gap = fixed_sum(s->gap, from->gap);
    s->base = fixed_sum(s->base, from->base);
    s->other = fixed_sum(s->other, from->other);
}

/* --- a tally ------------------------------------------------------------------------- */

static int pair_new(struct tally_pair_sums *p, const struct tally_shape *shape, bool brief,
                    struct err *err)
{
    p->hist = mem_zero(2 * shape->gap_bins_half, sizeof *p->hist);
    p->tokens = brief ? NULL : mem_zero(shape->d_vocab, sizeof *p->tokens);
    p->ledger = mem_zero(shape->n_hypotheses, sizeof *p->ledger);
    int rc = p->hist && (p->tokens || brief) && p->ledger ? 0 : err_nomem(err, "a tally");
    for (int side = 0; side < 2 && !rc; side++) {
        rc = hits_new(&p->hits[side], !brief, err);
    }
    return rc;
}

/* The last of a pair's models. */
static size_t last_model(const struct run_pair *p)
{
    size_t last = p->base;
    for (uint32_t k = 0; k < p->n_others; k++) {
        last = p->others[k] > last ? p->others[k] : last;
    }
    return last;
}

/* Fills what is known of the pairs' models. */
static void list_pairs(struct tally_scratch *s, const struct tally_shape *shape)
{
    const size_t n_words = bits_words(shape->n_models);
    size_t n = 0;
    for (size_t p = 0; p < shape->n_pairs; p++) {
        const struct run_pair *pair = &shape->pairs[p];
        bits_set(s->models_of + p * n_words, pair->base);
        for (uint32_t k = 0; k < pair->n_others; k++) {
            bits_set(s->models_of + p * n_words, pair->others[k]);
        }
        s->pairs_begin[last_model(pair) + 1]++;
    }
    for (size_t m = 0; m < shape->n_models; m++) {
        s->pairs_begin[m + 1] += s->pairs_begin[m];
        for (size_t p = 0; p < shape->n_pairs && n < s->pairs_begin[m + 1]; p++) {
            if (last_model(&shape->pairs[p]) == m) {
                s->pairs_of[n++] = p;
            }
        }
    }
}

/* What is computed with; what is missing is NULL. */
static bool scratch_new(struct tally_scratch *s, const struct tally_shape *shape)
{
    s->pairs = mem_zero(shape->n_pairs, sizeof *s->pairs);
    s->least = mem_new(2 * shape->n_pairs, sizeof *s->least);
    s->gaps = mem_zero(shape->n_pairs, sizeof *s->gaps);
    s->fixed = mem_new(shape->n_models, sizeof *s->fixed);
    s->lacks = mem_zero(shape->n_models, sizeof *s->lacks);
    s->models = mem_new(shape->n_models, sizeof *s->models);
    s->exact = mem_zero(shape->n_models, sizeof *s->exact);
    s->next = mem_zero(bits_words(shape->n_hypotheses), sizeof *s->next);
    s->models_of = mem_zero(shape->n_pairs * bits_words(shape->n_models), sizeof *s->models_of);
    s->pairs_of = mem_zero(shape->n_pairs, sizeof *s->pairs_of);
    s->pairs_begin = mem_zero(shape->n_models + 1, sizeof *s->pairs_begin);
    s->fill = mem_zero(shape->n_models, sizeof *s->fill);
    const bool whole = s->pairs && s->least && s->gaps && s->fixed && s->lacks && s->models &&
                       s->exact && s->next && s->models_of && s->pairs_of && s->pairs_begin &&
                       s->fill;
    if (whole) {
        list_pairs(s, shape);
    }
    return whole;
}

static void scratch_free(struct tally_scratch *s, const struct tally_shape *shape)
{
    for (size_t p = 0; s->gaps && p < shape->n_pairs; p++) {
        free(s->gaps[p]);
    }
    for (size_t m = 0; s->exact && m < shape->n_models; m++) {
        free(s->exact[m]);
    }
    void *const own[] = {s->gaps,   s->pairs, s->least, s->exact,     s->fixed,    s->lacks,
                         s->models, s->next,  s->fill,  s->models_of, s->pairs_of, s->pairs_begin};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(s);
}

int tally_new(struct tally **out, const struct tally_shape *shape, struct err *err)
{
    assert(shape->gap_bins_half > 0);
    assert(shape->floor < 0 && shape->floor >= -1000);
    struct tally *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "a tally");
    }
    t->shape = shape;
    t->shards = mem_zero(shape->n_shards, sizeof *t->shards);
    t->models = mem_zero(shape->n_models, sizeof *t->models);
    t->pairs = mem_zero(shape->n_pairs, sizeof *t->pairs);
    t->other.models = mem_zero(tally_full_models(shape), sizeof *t->other.models);
    t->other.pairs = mem_zero(tally_full_pairs(shape), sizeof *t->other.pairs);
    t->other.hypotheses = mem_zero(shape->n_hypotheses, sizeof *t->other.hypotheses);
    t->hypotheses = mem_zero(shape->n_hypotheses, sizeof *t->hypotheses);
    t->touched = mem_new(shape->d_vocab, sizeof *t->touched);
    t->is_touched = mem_zero(shape->d_vocab, sizeof *t->is_touched);
    t->scratch = mem_zero(1, sizeof *t->scratch);
    int rc = 0;
    if (!t->shards || !t->models || !t->pairs || !t->other.models || !t->other.pairs ||
        !t->other.hypotheses || !t->hypotheses || !t->touched || !t->is_touched || !t->scratch ||
        !scratch_new(t->scratch, shape)) {
        rc = err_nomem(err, "a tally");
    }
    for (size_t p = 0; p < shape->n_pairs && !rc; p++) {
        rc = pair_new(&t->pairs[p], shape, p >= tally_full_pairs(shape), err);
    }
    if (rc) {
        tally_free(t);
        return rc;
    }
    for (size_t h = 0; shape->hypotheses && h < shape->n_hypotheses; h++) {
        if (shape->hypotheses[h].predicts_next) {
            bits_set(t->scratch->next, h);
        }
    }
    *out = t;
    return 0;
}

void tally_free(struct tally *t)
{
    if (!t) {
        return;
    }
    for (size_t p = 0; t->pairs && p < t->shape->n_pairs; p++) {
        free(t->pairs[p].hist);
        free(t->pairs[p].tokens);
        free(t->pairs[p].ledger);
        for (int side = 0; side < 2; side++) {
            hits_free(&t->pairs[p].hits[side]);
        }
    }
    for (size_t i = 0; i < t->n_domains; i++) {
        tally_domain_free(&t->domains[i]);
    }
    tally_domain_free(&t->other);
    if (t->scratch) {
        scratch_free(t->scratch, t->shape);
    }
    free(t->domains);
    free(t->shards);
    free(t->models);
    free(t->pairs);
    free(t->hypotheses);
    free(t->touched);
    free(t->is_touched);
    free(t);
}

/* A unit's tally knows one shard of perhaps thousands, at 8 KiB each. */
static bool shard_is_empty(const struct tally_shard *s)
{
    uint64_t any = s->docs | s->tokens | s->text_bytes | s->units_done | s->repaired | s->skipped;
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        any |= s->rejects[i].n;
    }
    return any == 0;
}

struct tally_doc tally_doc_of_unit(const struct unit_tokens *unit, size_t d,
                                   const double *const *logprob, size_t n_models,
                                   const double **rows)
{
    const struct unit_tokens_doc *doc = &unit->docs[d];
    for (size_t m = 0; m < n_models; m++) {
        rows[m] = logprob[m] + doc->begin;
    }
    return (struct tally_doc){
        .shard = unit->shard,
        .number = doc->number,
        .domain = doc->domain,
        .text = doc->text,
        .text_len = doc->text_len,
        .n = doc->n,
        .ids = unit->ids + doc->begin,
        .ends = unit->ends ? unit->ends + doc->begin : NULL,
        .pos = unit->pos + doc->begin,
        .skipped = unit->skipped ? unit->skipped + doc->begin : NULL,
        .logprob = rows,
    };
}

void tally_clear(struct tally *t)
{
    const struct tally_shape *shape = t->shape;
    for (size_t i = 0; i < shape->n_shards; i++) {
        if (!shard_is_empty(&t->shards[i])) {
            memset(&t->shards[i], 0, sizeof t->shards[i]);
        }
    }
    memset(t->models, 0, shape->n_models * sizeof *t->models);
    memset(t->hypotheses, 0, shape->n_hypotheses * sizeof *t->hypotheses);
    for (size_t i = 0; i < shape->n_pairs; i++) {
        struct tally_pair_sums *p = &t->pairs[i];
        p->gap = p->difference = (struct moments){0};
        p->other_better = 0;
        p->gain = 0;
        memset(p->ledger, 0, shape->n_hypotheses * sizeof *p->ledger);
        memset(p->hist, 0, 2 * shape->gap_bins_half * sizeof *p->hist);
        memset(p->position, 0, sizeof p->position);
        for (size_t k = 0; k < t->n_touched && p->tokens; k++) {
            p->tokens[t->touched[k]] = (struct tally_gap_sums){0};
        }
        hits_clear(&p->hits[TALLY_OTHER]);
        hits_clear(&p->hits[TALLY_BASE]);
    }
    for (size_t k = 0; k < t->n_touched; k++) {
        t->is_touched[t->touched[k]] = false;
    }
    t->n_touched = 0;
    tally_domains_clear(t);
}

int tally_set_detail(struct tally_hit *hit, const struct hit_detail *detail, struct err *err)
{
    struct hit_detail *copy = NULL;
    const int rc = hit_detail_copy(&copy, detail, err);
    if (!rc) {
        free(hit->detail);
        hit->detail = copy;
    }
    return rc;
}

void tally_cutoff(const struct tally *t, int64_t *cutoff)
{
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        for (int side = 0; side < 2; side++) {
            const struct tally_hits *hits = &t->pairs[p].hits[side];
            const bool full = hits->n > 0 && hits->n >= tally_top(t->shape, p);
            const int64_t none = side == TALLY_OTHER ? INT64_MIN : INT64_MAX;
            cutoff[2 * p + (size_t)side] = full ? hits->items[hits->n - 1].gap : none;
        }
    }
}

/* --- rejects ------------------------------------------------------------------------- */

/* Keeps the first TALLY_REJECT_PLACES; r->n counts all but this one. */
static void add_place(struct tally_reject *r, uint64_t line, uint64_t byte, const char *why)
{
    size_t i = r->n < TALLY_REJECT_PLACES ? (size_t)r->n : TALLY_REJECT_PLACES;
    for (; i > 0; i--) {
        const uint64_t before_line = r->places[i - 1].line, before_byte = r->places[i - 1].byte;
        const bool later = before_line != line   ? before_line > line
                           : before_byte != byte ? before_byte > byte
                                                 : strcmp(r->places[i - 1].why, why) > 0;
        if (!later) {
            break;
        }
        if (i < TALLY_REJECT_PLACES) {
            r->places[i] = r->places[i - 1];
        }
    }
    if (i < TALLY_REJECT_PLACES) {
        r->places[i].line = line;
        r->places[i].byte = byte;
        strcpy(r->places[i].why, why);
    }
}

void tally_add_reject(struct tally *t, uint32_t shard, unsigned reason, uint64_t line,
                      uint64_t byte, const char *why)
{
    assert(shard < t->shape->n_shards && reason < TALLY_REASONS);
    struct tally_reject *r = &t->shards[shard].rejects[reason];
    char text[sizeof r->places[0].why];
    snprintf(text, sizeof text, "%s", why);
    text[utf8_valid_prefix(text, strlen(text))] = '\0';
    add_place(r, line, byte, text);
    r->n++;
    t->shards[shard].skipped++;
}

/* --- two tallies --------------------------------------------------------------------- */

static void merge_shard(struct tally_shard *to, const struct tally_shard *from)
{
    to->docs += from->docs;
    to->tokens += from->tokens;
    to->text_bytes += from->text_bytes;
    to->units_done += from->units_done;
    to->repaired += from->repaired;
    to->skipped += from->skipped;
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        struct tally_reject *r = &to->rejects[i];
        const struct tally_reject *f = &from->rejects[i];
        const uint64_t n = r->n;
        for (size_t k = 0; k < f->n && k < TALLY_REJECT_PLACES; k++) {
            add_place(r, f->places[k].line, f->places[k].byte, f->places[k].why);
            r->n++;
        }
        r->n = n + f->n;
    }
}

static int merge_pair(struct tally *into, const struct tally *of, size_t pair, struct err *err)
{
    const struct tally_shape *shape = of->shape;
    struct tally_pair_sums *to = &into->pairs[pair];
    const struct tally_pair_sums *from = &of->pairs[pair];
    moments_merge(&to->gap, &from->gap);
    moments_merge(&to->difference, &from->difference);
    to->other_better += from->other_better;
    to->gain = fixed_sum(to->gain, from->gain);
    tally_ledger_merge(to->ledger, from->ledger, shape->n_hypotheses);
    for (size_t i = 0; i < 2 * shape->gap_bins_half; i++) {
        to->hist[i] += from->hist[i];
    }
    for (size_t i = 0; i < TALLY_POSITIONS; i++) {
        gap_sums_merge(&to->position[i], &from->position[i]);
    }
    for (size_t k = 0; k < of->n_touched && to->tokens; k++) {
        const uint32_t id = of->touched[k];
        gap_sums_merge(&to->tokens[id], &from->tokens[id]);
    }
    int rc = 0;
    for (int side = 0; side < 2 && !rc; side++) {
        rc = hits_merge(&to->hits[side], &from->hits[side], side, tally_top(shape, pair), err);
    }
    return rc;
}

int tally_merge(struct tally *to, const struct tally *from, struct err *err)
{
    const struct tally_shape *shape = to->shape;
    assert(to != from);
    assert(shape->n_models == from->shape->n_models && shape->n_pairs == from->shape->n_pairs);
    assert(shape->n_shards == from->shape->n_shards && shape->d_vocab == from->shape->d_vocab);
    assert(shape->gap_bins_half == from->shape->gap_bins_half && shape->top == from->shape->top);
    assert(shape->n_brief_pairs == from->shape->n_brief_pairs);
    assert(shape->n_hypotheses == from->shape->n_hypotheses);
    for (size_t i = 0; i < shape->n_shards; i++) {
        if (!shard_is_empty(&from->shards[i])) {
            merge_shard(&to->shards[i], &from->shards[i]);
        }
    }
    for (size_t i = 0; i < shape->n_models; i++) {
        moments_merge(&to->models[i].logprob, &from->models[i].logprob);
        to->models[i].clamped += from->models[i].clamped;
        to->models[i].n_not_finite += from->models[i].n_not_finite;
    }
    tally_hypotheses_merge(to->hypotheses, from->hypotheses, shape->n_hypotheses);
    tally_touch(to, from->touched, from->n_touched);
    int rc = tally_domains_merge(to, from, err);
    for (size_t i = 0; i < shape->n_pairs && !rc; i++) {
        rc = merge_pair(to, from, i, err);
    }
    return rc;
}
