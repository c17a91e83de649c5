#include "out/results/gaps/tally.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/logprob_none.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally_internal.h"

static void gap_sums_add(struct tally_gap_sums *s, int64_t gap, int64_t base, int64_t other)
{
    s->n++;
    s->gap += gap;
    s->base += base;
    s->other += other;
}

void tally_touch(struct tally *t, const uint32_t *ids, size_t n)
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
    int64_t *fixed = t->scratch->fixed[model];
    __int128 sum = 0;
    uint64_t clamped = 0, n_none = 0, n_silent = 0;
    for (size_t i = 0; i < n; i++) {
        fixed[i] = fixed_from(logprob[i]);
        const bool none = fixed[i] == FIXED_NONE;
        n_none += none;
        n_silent += none && logprob_is_none(logprob[i]);
        sum += none ? 0 : fixed[i];
        clamped += !none && logprob[i] < floor;
    }
    t->scratch->lacks[model] = n_none > 0;
    t->scratch->models[model].sum += sum;
    t->scratch->models[model].n += n - n_none;
    t->models[model].clamped += clamped;
    t->models[model].n_not_finite += n_none - n_silent;
}

/* Is there a token of the block at which the pair has no gap? */
static bool pair_lacks(const struct tally *t, const struct run_pair *pair)
{
    bool lacks = t->scratch->lacks[pair->base];
    for (uint32_t k = 0; k < pair->n_others; k++) {
        lacks = lacks || t->scratch->lacks[pair->others[k]];
    }
    return lacks;
}

/* Has the pair a gap at the block's token i? */
static bool has_gap(const struct run_pair *pair, int64_t (*fixed)[TALLY_BLOCK], size_t i)
{
    bool has = fixed[pair->base][i] != FIXED_NONE;
    for (uint32_t k = 0; k < pair->n_others; k++) {
        has = has && fixed[pair->others[k]][i] != FIXED_NONE;
    }
    return has;
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
static uint32_t find_deciding(const struct run_pair *pair, int64_t (*fixed)[TALLY_BLOCK], size_t i,
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

/* The gap at the block's token i, which has one, and which of the others decides it. */
static int64_t gap_at(const struct run_pair *pair, int64_t (*fixed)[TALLY_BLOCK], size_t i,
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
    const bool lacks = pair_lacks(t, which);
    int64_t *gaps = t->shape->n_hypotheses ? t->scratch->gaps[pair] : NULL, gain = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t deciding;
        if (lacks && !has_gap(which, t->scratch->fixed, i)) {
            if (gaps) {
                gaps[begin + i] = FIXED_NONE;
            }
            continue;
        }
        const int64_t gap = gap_at(which, t->scratch->fixed, i, floor, &deciding);
        const int64_t base = t->scratch->fixed[which->base][i];
        const int64_t other = t->scratch->fixed[deciding][i];
        if (sums->tokens) {
            gap_sums_add(&sums->tokens[doc->ids[begin + i]], gap, base, other);
        }
        gap_sums_add(&sums->position[position_bin(doc->pos[begin + i])], gap, base, other);
        sums->hist[hist_bin(gap, half)]++;
        sums->other_better += gap > 0;
        gain += gap > 0 ? gap : 0;
        scratch->sum += gap;
        scratch->difference += (__int128)other - base;
        scratch->n++;
        if (gaps) {
            gaps[begin + i] = gap;
        }
        offer(scratch, doc, (uint32_t)(begin + i), gap);
    }
    sums->gain += gain;
}

/* The next tokens [*begin, *begin + n) of a document, n <= TALLY_BLOCK, that stand side by side and
 * are counted, from *begin on.  Returns n; 0: there are none. */
static size_t next_block(const struct tally_doc *doc, size_t *begin)
{
    size_t at = *begin;
    while (doc->skipped && at < doc->n && doc->skipped[at]) {
        at++;
    }
    size_t n = doc->n - at < TALLY_BLOCK ? doc->n - at : TALLY_BLOCK;
    const unsigned char *end = doc->skipped && n > 0 ? memchr(doc->skipped + at, 1, n) : NULL;
    *begin = at;
    return end ? (size_t)(end - doc->skipped) - at : n;
}

/* Tokens that are counted, and the bytes of those that are not. */
static size_t count_tokens(const struct tally_doc *doc, uint64_t *skipped_bytes)
{
    size_t n = doc->n;
    *skipped_bytes = 0;
    for (size_t i = 0; doc->skipped && i < doc->n; i++) {
        if (doc->skipped[i]) {
            n--;
            *skipped_bytes += doc->ends ? doc->ends[i] - (i > 0 ? doc->ends[i - 1] : 0) : 0;
        }
    }
    return n;
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
 * The least worth with which a token of this document can enter a list.  Gaps are wrong by
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
    return tally_top(t->shape, pair) > 0 && any ? least : INT64_MAX;
}

/* The pairs that are looked at: pairs[n], ascending. */
struct some_pairs {
    const size_t *pairs; // NULL: all, from 0
    size_t n;
};

static size_t pair_at(const struct some_pairs *of, size_t k)
{
    return of->pairs ? of->pairs[k] : k;
}

static struct some_pairs all_pairs(const struct tally *t)
{
    return (struct some_pairs){.n = t->shape->n_pairs};
}

/* Those whose last model is 'model'. */
static struct some_pairs pairs_of_model(const struct tally *t, size_t model)
{
    const size_t *begin = t->scratch->pairs_begin + model;
    return (struct some_pairs){.pairs = t->scratch->pairs_of + begin[0], .n = begin[1] - begin[0]};
}

/* Chooses the models of some pairs for fill_block(). */
static void choose_models(struct tally *t, const struct some_pairs *of)
{
    memset(t->scratch->fill, 0, t->shape->n_models * sizeof *t->scratch->fill);
    for (size_t k = 0; k < of->n; k++) {
        const struct run_pair *pair = &t->shape->pairs[pair_at(of, k)];
        t->scratch->fill[pair->base] = true;
        for (uint32_t i = 0; i < pair->n_others; i++) {
            t->scratch->fill[pair->others[i]] = true;
        }
    }
}

/* Fills the scratch with the document's log-probs [begin, begin + n) of the models that are
 * chosen. */
static void fill_block(struct tally *t, const double *const *logprob, size_t begin, size_t n)
{
    for (size_t m = 0; m < t->shape->n_models; m++) {
        if (!t->scratch->fill[m]) {
            continue;
        }
        t->scratch->lacks[m] = false;
        for (size_t i = 0; i < n; i++) {
            t->scratch->fixed[m][i] = fixed_from(logprob[m][begin + i]);
            t->scratch->lacks[m] = t->scratch->lacks[m] || t->scratch->fixed[m][i] == FIXED_NONE;
        }
    }
}

/* Is the block's token i of a worth that can enter a pair's list?  least[2]: by side.  A gap between
 * two that are both more than epsilon below the floor is 0, whatever the errors are. */
static bool is_pick(const struct tally *t, const struct run_pair *pair, size_t i,
                    const int64_t *least)
{
    const int64_t floor = fixed_from(t->shape->floor);
    const int64_t certain = fixed_from(t->shape->floor - t->shape->epsilon) - 2;
    uint32_t deciding;
    if (!has_gap(pair, t->scratch->fixed, i)) {
        return false;
    }
    const int64_t gap = gap_at(pair, t->scratch->fixed, i, floor, &deciding);
    if (t->scratch->fixed[pair->base][i] < certain && t->scratch->fixed[deciding][i] < certain) {
        return false;
    }
    return gap >= least[TALLY_OTHER] || -gap >= least[TALLY_BASE];
}

/* Room for n more picks. */
static int reserve_picks(const struct tally *t, struct tally_picks *picks, size_t n,
                         struct err *err)
{
    const size_t n_words = bits_words(t->shape->n_models), all = picks->n + n;
    const int rc = mem_reserve(&picks->at, &picks->cap, all, sizeof *picks->at, "hits", err);
    return rc ? rc
              : mem_reserve(&picks->models, &picks->models_cap, all * n_words,
                            sizeof *picks->models, "hits", err);
}

/* Appends the block's n tokens, the document's from 'begin' on, that can enter a list of the
 * pairs. */
static void pick_block(struct tally *t, const struct some_pairs *of, size_t begin, size_t n,
                       struct tally_picks *picks)
{
    const size_t n_words = bits_words(t->shape->n_models);
    for (size_t i = 0; i < n; i++) {
        uint64_t *models = picks->models + picks->n * n_words;
        bool any = false;
        memset(models, 0, n_words * sizeof *models);
        for (size_t k = 0; k < of->n; k++) {
            const size_t p = pair_at(of, k);
            if (is_pick(t, &t->shape->pairs[p], i, t->scratch->least + 2 * p)) {
                const uint64_t *more = t->scratch->models_of + p * n_words;
                for (size_t w = 0; w < n_words; w++) {
                    models[w] |= more[w];
                }
                any = true;
            }
        }
        if (any) {
            picks->at[picks->n++] = (uint32_t)(begin + i);
        }
    }
}

/* Appends the tokens of the document from 'begin' on that can enter a list of the pairs. */
static int pick(struct tally *t, const struct some_pairs *of, const struct tally_doc *doc,
                size_t begin, const int64_t *cutoff, struct tally_picks *picks, struct err *err)
{
    int64_t *least = t->scratch->least;
    bool any = false;
    for (size_t k = 0; k < of->n; k++) {
        const size_t p = pair_at(of, k);
        for (int side = 0; side < 2; side++) {
            least[2 * p + (size_t)side] = least_worth(t, p, side, cutoff);
            any = any || least[2 * p + (size_t)side] != INT64_MAX;
        }
    }
    int rc = 0;
    choose_models(t, of);
    for (size_t n; any && !rc && (n = next_block(doc, &begin)) > 0; begin += n) {
        fill_block(t, doc->logprob, begin, n);
        rc = reserve_picks(t, picks, n, err);
        if (!rc) {
            pick_block(t, of, begin, n, picks);
        }
    }
    return rc;
}

void tally_picks_free(struct tally_picks *picks)
{
    free(picks->at);
    free(picks->models);
    *picks = (struct tally_picks){0};
}

int tally_add_doc(struct tally *t, const struct tally_doc *doc, const int64_t *cutoff,
                  struct tally_picks *picks, struct err *err)
{
    const struct tally_shape *shape = t->shape;
    struct tally_scratch *scratch = t->scratch;
    assert(doc->shard < shape->n_shards && doc->n <= UINT32_MAX);
    struct tally_domain *domain;
    int rc = tally_domain_get(t, doc->domain, &domain, err);
    if (!rc && shape->n_hypotheses > 0) {
        rc = reserve_gaps(t, doc->n, err);
    }
    if (rc) {
        return rc;
    }
    uint64_t skipped_bytes;
    const size_t n_tokens = count_tokens(doc, &skipped_bytes);

    memset(scratch->models, 0, shape->n_models * sizeof *scratch->models);
    memset(scratch->pairs, 0, shape->n_pairs * sizeof *scratch->pairs);
    for (size_t p = 0; p < shape->n_pairs && shape->n_hypotheses > 0 && n_tokens < doc->n; p++) {
        for (size_t i = 0; i < doc->n; i++) {
            scratch->gaps[p][i] = FIXED_NONE; // those of skipped tokens
        }
    }
    for (size_t begin = 0, n; (n = next_block(doc, &begin)) > 0; begin += n) {
        tally_touch(t, doc->ids + begin, n);
        for (size_t m = 0; m < shape->n_models; m++) {
            add_block_of_model(t, doc, m, begin, n);
        }
        for (size_t p = 0; p < shape->n_pairs; p++) {
            add_block_of_pair(t, doc, p, begin, n);
        }
    }

    struct tally_shard *shard = &t->shards[doc->shard];
    shard->docs++;
    shard->tokens += n_tokens;
    shard->text_bytes += doc->text_len - skipped_bytes;
    domain->docs++;
    domain->tokens += n_tokens;
    for (size_t m = 0; m < shape->n_models; m++) {
        const struct model_scratch *of = &scratch->models[m];
        moments_add(&t->models[m].logprob, of->sum, of->n);
        if (m < tally_full_models(shape)) {
            moments_add(&domain->models[m], of->sum, of->n);
        }
    }
    for (size_t p = 0; p < shape->n_pairs; p++) {
        const struct pair_scratch *of = &scratch->pairs[p];
        moments_add(&t->pairs[p].gap, of->sum, of->n);
        moments_add(&t->pairs[p].difference, of->difference, of->n);
        if (p < tally_full_pairs(shape)) {
            moments_add(&domain->pairs[p], of->sum, of->n);
        }
        for (int side = 0; side < 2; side++) {
            const struct hits_best *best = &of->best[side];
            for (size_t i = 0; i < best->n; i++) {
                hits_count(&t->pairs[p].hits[side], best->places[i].context);
            }
        }
    }
    if (shape->n_hypotheses > 0) {
        tally_add_labels(t, domain, doc, n_tokens, scratch->gaps);
    }
    picks->n = 0;
    const struct some_pairs of = all_pairs(t);
    return pick(t, &of, doc, 0, cutoff, picks, err);
}

/* Offers the block's tokens, at[n] of the document or those from 'begin' on, to the best of it. */
static void offer_block(struct tally *t, const struct some_pairs *of, const struct tally_doc *doc,
                        const uint32_t *at, size_t begin, size_t n)
{
    const int64_t floor = fixed_from(t->shape->floor);
    for (size_t j = 0; j < of->n; j++) {
        const size_t p = pair_at(of, j);
        const struct run_pair *pair = &t->shape->pairs[p];
        const bool lacks = pair_lacks(t, pair);
        for (size_t i = 0; i < n; i++) {
            uint32_t deciding;
            if (!lacks || has_gap(pair, t->scratch->fixed, i)) {
                const int64_t gap = gap_at(pair, t->scratch->fixed, i, floor, &deciding);
                offer(&t->scratch->pairs[p], doc, at ? at[i] : (uint32_t)(begin + i), gap);
            }
        }
    }
}

int tally_expect(struct tally *t, const struct tally_doc *doc, size_t model, size_t begin,
                 size_t end, const int64_t *cutoff, struct tally_picks *picks, struct err *err)
{
    const struct some_pairs of = pairs_of_model(t, model);
    struct tally_doc so_far = *doc;
    so_far.n = end;
    picks->n = 0;
    if (of.n == 0) {
        return 0;
    }
    for (size_t k = 0; k < of.n && begin == 0; k++) {
        t->scratch->pairs[of.pairs[k]] = (struct pair_scratch){0};
    }
    choose_models(t, &of);
    for (size_t at = begin, n; (n = next_block(&so_far, &at)) > 0; at += n) {
        fill_block(t, doc->logprob, at, n);
        offer_block(t, &of, &so_far, NULL, at, n);
    }
    return pick(t, &of, &so_far, begin, cutoff, picks, err);
}

/* --- its hits ------------------------------------------------------------------------ */

static int add_hit(struct tally *t, const struct tally_doc *doc, const struct tally_picks *picks,
                   const double *const *logprob, size_t pair, int side,
                   const struct hits_place *place, const int64_t *cutoff, struct err *err)
{
    const struct run_pair *which = &t->shape->pairs[pair];
    const size_t at = place->at, top = tally_top(t->shape, pair);
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
    const struct some_pairs of = all_pairs(t);
    choose_models(t, &of);
    for (size_t begin = 0; begin < picks->n; begin += TALLY_BLOCK) {
        const size_t n = picks->n - begin < TALLY_BLOCK ? picks->n - begin : TALLY_BLOCK;
        fill_block(t, logprob, begin, n);
        offer_block(t, &of, doc, picks->at + begin, 0, n);
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
