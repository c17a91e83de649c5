#include "out/results/gaps/tally.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally_internal.h"

#define BLOCK ((size_t)256) // tokens whose values of all models stay in cache

/* What one document needs on the way. */
struct tally_scratch {
    int64_t (*fixed)[BLOCK]; // [n_models] logprob of a block of tokens
    int64_t *sums;           // [n_models] of logprob over the document
    struct pair_scratch {
        int64_t sum; // of gap
        struct hits_best best[2];
    } * pairs;                       // [n_pairs]
    int64_t *least; // [n_pairs][2], worths
    double **exact; // [n_models] of [exact_cap], of the picks
    size_t exact_cap;
    int64_t **gaps; // [n_pairs][gaps_cap], of the document; where there are hypotheses
    size_t gaps_cap;
};

static void gap_sums_add(struct tally_gap_sums *s, int64_t gap, int64_t base, int64_t other)
{
    s->n++;
    s->gap += gap;
    s->base += base;
    s->other += other;
}

static void gap_sums_merge(struct tally_gap_sums *s, const struct tally_gap_sums *from)
{
    s->n += from->n;
    s->gap = fixed_sum(s->gap, from->gap);
    s->base = fixed_sum(s->base, from->base);
    s->other = fixed_sum(s->other, from->other);
}

/* --- a tally ------------------------------------------------------------------------- */

static int pair_new(struct tally_pair_sums *p, const struct tally_shape *shape, struct err *err)
{
    p->hist = mem_zero(2 * shape->gap_bins_half, sizeof *p->hist);
    p->tokens = mem_zero(shape->d_vocab, sizeof *p->tokens);
    p->ledger = mem_zero(shape->n_hypotheses, sizeof *p->ledger);
    int rc = p->hist && p->tokens && p->ledger ? 0 : err_nomem(err, "a tally");
    for (int side = 0; side < 2 && !rc; side++) {
        rc = hits_new(&p->hits[side], err);
    }
    return rc;
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
    t->other.models = mem_zero(shape->n_models, sizeof *t->other.models);
    t->other.pairs = mem_zero(shape->n_pairs, sizeof *t->other.pairs);
    t->other.hypotheses = mem_zero(shape->n_hypotheses, sizeof *t->other.hypotheses);
    t->hypotheses = mem_zero(shape->n_hypotheses, sizeof *t->hypotheses);
    t->touched = mem_new(shape->d_vocab, sizeof *t->touched);
    t->is_touched = mem_zero(shape->d_vocab, sizeof *t->is_touched);
    t->scratch = mem_zero(1, sizeof *t->scratch);
    if (t->scratch) {
        t->scratch->pairs = mem_zero(shape->n_pairs, sizeof *t->scratch->pairs);
        t->scratch->least = mem_new(2 * shape->n_pairs, sizeof *t->scratch->least);
        t->scratch->gaps = mem_zero(shape->n_pairs, sizeof *t->scratch->gaps);
        t->scratch->fixed = mem_new(shape->n_models, sizeof *t->scratch->fixed);
        t->scratch->sums = mem_new(shape->n_models, sizeof *t->scratch->sums);
        t->scratch->exact = mem_zero(shape->n_models, sizeof *t->scratch->exact);
    }
    int rc = 0;
    if (!t->shards || !t->models || !t->pairs || !t->other.models || !t->other.pairs ||
        !t->other.hypotheses || !t->hypotheses || !t->touched || !t->is_touched || !t->scratch ||
        !t->scratch->pairs || !t->scratch->least || !t->scratch->gaps || !t->scratch->fixed ||
        !t->scratch->sums || !t->scratch->exact) {
        rc = err_nomem(err, "a tally");
    }
    for (size_t p = 0; p < shape->n_pairs && !rc; p++) {
        rc = pair_new(&t->pairs[p], shape, err);
    }
    if (rc) {
        tally_free(t);
        return rc;
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
        for (size_t p = 0; t->scratch->gaps && p < t->shape->n_pairs; p++) {
            free(t->scratch->gaps[p]);
        }
        free(t->scratch->gaps);
        free(t->scratch->pairs);
        free(t->scratch->least);
        for (size_t m = 0; t->scratch->exact && m < t->shape->n_models; m++) {
            free(t->scratch->exact[m]);
        }
        free(t->scratch->exact);
        free(t->scratch->fixed);
        free(t->scratch->sums);
    }
    free(t->scratch);
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
        p->gap = (struct moments){0};
        p->other_better = 0;
        p->gain = 0;
        memset(p->ledger, 0, shape->n_hypotheses * sizeof *p->ledger);
        memset(p->hist, 0, 2 * shape->gap_bins_half * sizeof *p->hist);
        memset(p->position, 0, sizeof p->position);
        for (size_t k = 0; k < t->n_touched; k++) {
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

/* --- a document ---------------------------------------------------------------------- */

static void touch(struct tally *t, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!t->is_touched[ids[i]]) {
            t->is_touched[ids[i]] = true;
            t->touched[t->n_touched++] = ids[i];
        }
    }
}

static void add_block_of_model(struct tally *t, const struct tally_doc *doc, size_t model,
                               size_t begin, size_t n)
{
    const double *logprob = doc->logprob[model] + begin, floor = t->shape->floor;
    int64_t *fixed = t->scratch->fixed[model], sum = 0;
    uint64_t clamped = 0;
    for (size_t i = 0; i < n; i++) {
        fixed[i] = fixed_from(logprob[i]);
        sum += fixed[i];
        clamped += !(logprob[i] >= floor);
    }
    t->scratch->sums[model] += sum;
    t->models[model].clamped += clamped;
}

static size_t hist_bin(int64_t gap, size_t half)
{
    // A floor, since >> of a negative number rounds down with gcc and clang.
    const int64_t bin = (gap * 10 >> 20) + (int64_t)half, last = 2 * (int64_t)half - 1;
    return (size_t)(bin < 0 ? 0 : bin > last ? last : bin);
}

_Static_assert(FIXED_ONE == 1 << 20, "hist_bin() shifts by 20");

static unsigned position_bin(uint32_t pos)
{
    const unsigned bin = 31u - (unsigned)__builtin_clz(pos | 1);
    return bin < TALLY_POSITIONS ? bin : TALLY_POSITIONS - 1;
}

/* The first of the others with the least clamped logprob at the block's token i. */
static uint32_t find_deciding(const struct run_pair *pair, int64_t (*fixed)[BLOCK], size_t i,
                              int64_t floor)
{
    uint32_t deciding = pair->others[0];
    // Once at the floor, nothing is less.
    for (uint32_t k = 1; k < pair->n_others && fixed[deciding][i] > floor; k++) {
        if (fixed[pair->others[k]][i] < fixed[deciding][i]) {
            deciding = pair->others[k];
        }
    }
    return deciding;
}

/* The gap at the block's token i, and which of the others decides it. */
static int64_t gap_at(const struct run_pair *pair, int64_t (*fixed)[BLOCK], size_t i,
                      int64_t floor, uint32_t *deciding)
{
    *deciding = find_deciding(pair, fixed, i, floor);
    return gap_of(fixed[pair->base][i], fixed[*deciding][i], floor);
}

static void offer(struct pair_scratch *scratch, const struct tally_doc *doc, uint32_t at,
                  int64_t gap)
{
    if (hits_wants(&scratch->best[TALLY_OTHER], gap)) {
        hits_offer(&scratch->best[TALLY_OTHER], doc, at, gap);
    }
    if (hits_wants(&scratch->best[TALLY_BASE], -gap)) {
        hits_offer(&scratch->best[TALLY_BASE], doc, at, -gap);
    }
}

static void add_block_of_pair(struct tally *t, const struct tally_doc *doc, size_t pair,
                              size_t begin, size_t n)
{
    const struct run_pair *which = &t->shape->pairs[pair];
    struct tally_pair_sums *sums = &t->pairs[pair];
    struct pair_scratch *scratch = &t->scratch->pairs[pair];
    // Rounding keeps order: the floor rounded and the rounded value's clamp are one.
    const int64_t floor = fixed_from(t->shape->floor);
    const size_t half = t->shape->gap_bins_half;
    int64_t *gaps = t->shape->n_hypotheses ? t->scratch->gaps[pair] : NULL, gain = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t deciding;
        const int64_t gap = gap_at(which, t->scratch->fixed, i, floor, &deciding);
        const int64_t base = t->scratch->fixed[which->base][i];
        const int64_t other = t->scratch->fixed[deciding][i];
        gap_sums_add(&sums->tokens[doc->ids[begin + i]], gap, base, other);
        gap_sums_add(&sums->position[position_bin(doc->pos[begin + i])], gap, base, other);
        sums->hist[hist_bin(gap, half)]++;
        sums->other_better += gap > 0;
        gain += gap > 0 ? gap : 0;
        scratch->sum += gap;
        if (gaps) {
            gaps[begin + i] = gap;
        }
        offer(scratch, doc, (uint32_t)(begin + i), gap);
    }
    sums->gain += gain;
}

/* Room for the gaps of a document of n tokens. */
static int reserve_gaps(struct tally *t, size_t n, struct err *err)
{
    struct tally_scratch *s = t->scratch;
    size_t cap = s->gaps_cap;
    int rc = 0;
    for (size_t p = 0; p < t->shape->n_pairs && n > s->gaps_cap && !rc; p++) {
        cap = s->gaps_cap;
        rc = mem_reserve(&s->gaps[p], &cap, n, sizeof *s->gaps[p], "gaps", err);
    }
    s->gaps_cap = rc ? s->gaps_cap : cap;
    return rc;
}

/*
 * The least worth with which a token of the document in hand can enter a list.  Gaps are wrong by
 * at most 2 epsilon = e.  If three contexts reach the worth w, the exact ones reach w - e, and what
 * is below w - 2 e cannot be among the best three; what is below cutoff - e cannot enter the list;
 * what is at -e or below is no hit of this side.  INT64_MAX: nothing can.
 */
static int64_t least_worth(const struct tally *t, size_t pair, int side, const int64_t *cutoff)
{
    const struct hits_best *best = &t->scratch->pairs[pair].best[side];
    // Either side of a difference is rounded: two units more.
    const double two = 2 * t->shape->epsilon;
    const int64_t e = two > 0 ? fixed_from(two) + 2 : 0;
    int64_t least = 1 - e;
    if (best->n == TALLY_HITS_PER_DOC) {
        const int64_t third = best->places[TALLY_HITS_PER_DOC - 1].worth - 2 * e;
        least = third > least ? third : least;
    }
    if (cutoff) {
        const int64_t gap = cutoff[2 * pair + (size_t)side];
        const int64_t worth = side == TALLY_OTHER ? gap : -gap;
        const bool room = gap == INT64_MIN || gap == INT64_MAX;
        least = !room && worth - e > least ? worth - e : least;
    }
    const bool any = best->n > 0 ? best->places[0].worth >= least : least <= 0;
    return t->shape->top > 0 && any ? least : INT64_MAX;
}

/* Fills the scratch with the document's log-probs [begin, begin + n) of all models. */
static void fill_block(struct tally *t, const double *const *logprob, size_t begin, size_t n)
{
    for (size_t m = 0; m < t->shape->n_models; m++) {
        for (size_t i = 0; i < n; i++) {
            t->scratch->fixed[m][i] = fixed_from(logprob[m][begin + i]);
        }
    }
}

/* Is the block's token i of a worth that can enter a list?  least: [n_pairs][2].  A gap between two
 * that are both more than epsilon below the floor is 0, whatever the errors are. */
static bool is_pick(const struct tally *t, size_t i, const int64_t *least)
{
    const int64_t floor = fixed_from(t->shape->floor);
    const int64_t certain = fixed_from(t->shape->floor - t->shape->epsilon) - 2;
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        uint32_t deciding;
        const struct run_pair *pair = &t->shape->pairs[p];
        const int64_t gap = gap_at(pair, t->scratch->fixed, i, floor, &deciding);
        if (t->scratch->fixed[pair->base][i] < certain &&
            t->scratch->fixed[deciding][i] < certain) {
            continue;
        }
        if (gap >= least[2 * p + TALLY_OTHER] || -gap >= least[2 * p + TALLY_BASE]) {
            return true;
        }
    }
    return false;
}

static int pick(struct tally *t, const struct tally_doc *doc, const int64_t *cutoff,
                struct tally_picks *picks, struct err *err)
{
    picks->n = 0;
    int64_t *least = t->scratch->least;
    bool any = false;
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        for (int side = 0; side < 2; side++) {
            least[2 * p + (size_t)side] = least_worth(t, p, side, cutoff);
            any = any || least[2 * p + (size_t)side] != INT64_MAX;
        }
    }
    int rc = 0;
    for (size_t begin = 0; any && begin < doc->n && !rc; begin += BLOCK) {
        const size_t n = doc->n - begin < BLOCK ? doc->n - begin : BLOCK;
        fill_block(t, doc->logprob, begin, n);
        rc = mem_reserve(&picks->at, &picks->cap, picks->n + n, sizeof *picks->at, "hits", err);
        for (size_t i = 0; i < n && !rc; i++) {
            if (is_pick(t, i, least)) {
                picks->at[picks->n++] = (uint32_t)(begin + i);
            }
        }
    }
    return rc;
}

int tally_add_doc(struct tally *t, const struct tally_doc *doc, const int64_t *cutoff,
                  struct tally_picks *picks, struct err *err)
{
    const struct tally_shape *shape = t->shape;
    struct tally_scratch *scratch = t->scratch;
    assert(doc->shard < shape->n_shards && doc->n <= UINT32_MAX);
    struct tally_domain *domain;
    int rc = tally_domain_get(t, doc->domain, &domain, err);
    rc = rc || shape->n_hypotheses == 0 ? rc : reserve_gaps(t, doc->n, err);
    if (rc) {
        return rc;
    }

    memset(scratch->sums, 0, shape->n_models * sizeof *scratch->sums);
    memset(scratch->pairs, 0, shape->n_pairs * sizeof *scratch->pairs);
    for (size_t begin = 0; begin < doc->n; begin += BLOCK) {
        const size_t n = doc->n - begin < BLOCK ? doc->n - begin : BLOCK;
        touch(t, doc->ids + begin, n);
        for (size_t m = 0; m < shape->n_models; m++) {
            add_block_of_model(t, doc, m, begin, n);
        }
        for (size_t p = 0; p < shape->n_pairs; p++) {
            add_block_of_pair(t, doc, p, begin, n);
        }
    }

    struct tally_shard *shard = &t->shards[doc->shard];
    shard->docs++;
    shard->tokens += doc->n;
    shard->text_bytes += doc->text_len;
    domain->docs++;
    domain->tokens += doc->n;
    for (size_t m = 0; m < shape->n_models; m++) {
        moments_add(&t->models[m].logprob, scratch->sums[m], doc->n);
        moments_add(&domain->models[m], scratch->sums[m], doc->n);
    }
    for (size_t p = 0; p < shape->n_pairs; p++) {
        moments_add(&t->pairs[p].gap, scratch->pairs[p].sum, doc->n);
        moments_add(&domain->pairs[p], scratch->pairs[p].sum, doc->n);
        for (int side = 0; side < 2; side++) {
            const struct hits_best *best = &scratch->pairs[p].best[side];
            for (size_t i = 0; i < best->n; i++) {
                hits_count(&t->pairs[p].hits[side], best->places[i].context);
            }
        }
    }
    if (shape->n_hypotheses > 0) {
        tally_add_labels(t, domain, doc, scratch->gaps);
    }
    return pick(t, doc, cutoff, picks, err);
}

/* --- its hits ------------------------------------------------------------------------ */

static int add_hit(struct tally *t, const struct tally_doc *doc, const struct tally_picks *picks,
                   const double *const *logprob, size_t pair, int side,
                   const struct hits_place *place, const int64_t *cutoff, struct err *err)
{
    const struct run_pair *which = &t->shape->pairs[pair];
    const size_t at = place->at, top = t->shape->top;
    size_t k = 0;
    while (picks->at[k] != at) {
        k++;
    }
    fill_block(t, logprob, k, 1);
    const uint32_t deciding =
        find_deciding(which, t->scratch->fixed, 0, fixed_from(t->shape->floor));
    struct tally_hits *hits = &t->pairs[pair].hits[side];
    struct tally_hit hit = {
        .gap = side == TALLY_OTHER ? place->worth : -place->worth,
        .base_logprob = logprob[which->base][k],
        .other_logprob = logprob[deciding][k],
        .shard = doc->shard,
        .doc = doc->number,
        .byte_start = doc->ends && at > 0 ? doc->ends[at - 1] : 0,
        .byte_end = doc->ends ? doc->ends[at] : 0,
        .at = place->at,
        .token = doc->ids[at],
        .context = {place->context[0], place->context[1]},
    };
    if (!hits_belongs(hits, &hit, side, top, cutoff ? &cutoff[2 * pair + (size_t)side] : NULL)) {
        return 0;
    }
    const int rc = hits_show(&hit, doc, err);
    return rc ? rc : hits_insert(hits, &hit, side, top, err);
}

/* The document's own log-probs of its picks, where no others are given. */
static int own_exact(struct tally *t, const struct tally_doc *doc, const struct tally_picks *picks,
                     struct err *err)
{
    struct tally_scratch *s = t->scratch;
    int rc = 0;
    size_t cap = s->exact_cap;
    for (size_t m = 0; m < t->shape->n_models && picks->n > s->exact_cap && !rc; m++) {
        cap = s->exact_cap;
        rc = mem_reserve(&s->exact[m], &cap, picks->n, sizeof *s->exact[m], "hits", err);
    }
    s->exact_cap = rc ? s->exact_cap : cap;
    for (size_t m = 0; m < t->shape->n_models && !rc; m++) {
        for (size_t k = 0; k < picks->n; k++) {
            s->exact[m][k] = doc->logprob[m][picks->at[k]];
        }
    }
    return rc;
}

int tally_add_hits(struct tally *t, const struct tally_doc *doc, const struct tally_picks *picks,
                   const double *const *logprob, const int64_t *cutoff, struct err *err)
{
    const struct tally_shape *shape = t->shape;
    struct pair_scratch *scratch = t->scratch->pairs;
    int rc = logprob ? 0 : own_exact(t, doc, picks, err);
    if (rc) {
        return rc;
    }
    logprob = logprob ? logprob : (const double *const *)t->scratch->exact;
    memset(scratch, 0, shape->n_pairs * sizeof *scratch);
    const int64_t floor = fixed_from(shape->floor);
    for (size_t begin = 0; begin < picks->n; begin += BLOCK) {
        const size_t n = picks->n - begin < BLOCK ? picks->n - begin : BLOCK;
        fill_block(t, logprob, begin, n);
        for (size_t p = 0; p < shape->n_pairs; p++) {
            for (size_t i = 0; i < n; i++) {
                uint32_t deciding;
                const int64_t gap =
                    gap_at(&shape->pairs[p], t->scratch->fixed, i, floor, &deciding);
                offer(&scratch[p], doc, picks->at[begin + i], gap);
            }
        }
    }
    for (size_t p = 0; p < shape->n_pairs; p++) {
        for (int side = 0; side < 2; side++) {
            const struct hits_best *best = &scratch[p].best[side];
            for (size_t i = 0; i < best->n && !rc; i++) {
                rc = add_hit(t, doc, picks, logprob, p, side, &best->places[i], cutoff, err);
            }
        }
    }
    return rc;
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
            const bool full = hits->n > 0 && hits->n >= t->shape->top;
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

static int merge_pair(struct tally_pair_sums *to, const struct tally_pair_sums *from,
                      const struct tally *of, struct err *err)
{
    const struct tally_shape *shape = of->shape;
    moments_merge(&to->gap, &from->gap);
    to->other_better += from->other_better;
    to->gain = fixed_sum(to->gain, from->gain);
    tally_ledger_merge(to->ledger, from->ledger, shape->n_hypotheses);
    for (size_t i = 0; i < 2 * shape->gap_bins_half; i++) {
        to->hist[i] += from->hist[i];
    }
    for (size_t i = 0; i < TALLY_POSITIONS; i++) {
        gap_sums_merge(&to->position[i], &from->position[i]);
    }
    for (size_t k = 0; k < of->n_touched; k++) {
        const uint32_t id = of->touched[k];
        gap_sums_merge(&to->tokens[id], &from->tokens[id]);
    }
    int rc = 0;
    for (int side = 0; side < 2 && !rc; side++) {
        rc = hits_merge(&to->hits[side], &from->hits[side], side, shape->top, err);
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
    assert(shape->n_hypotheses == from->shape->n_hypotheses);
    for (size_t i = 0; i < shape->n_shards; i++) {
        if (!shard_is_empty(&from->shards[i])) {
            merge_shard(&to->shards[i], &from->shards[i]);
        }
    }
    for (size_t i = 0; i < shape->n_models; i++) {
        moments_merge(&to->models[i].logprob, &from->models[i].logprob);
        to->models[i].clamped += from->models[i].clamped;
    }
    tally_hypotheses_merge(to->hypotheses, from->hypotheses, shape->n_hypotheses);
    touch(to, from->touched, from->n_touched);
    int rc = tally_domains_merge(to, from, err);
    for (size_t i = 0; i < shape->n_pairs && !rc; i++) {
        rc = merge_pair(&to->pairs[i], &from->pairs[i], from, err);
    }
    return rc;
}
