#include "model/counts/candidates.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/counts/countmodel.h"

#define NEAREST 64    // number of neighbours among which fillers are searched, at first
#define FARTHEST 1024 // ... and at last

/* A word that is counted.  Places are sorted by (count, id). */
struct place {
    uint64_t count;
    uint32_t id;
};

struct finder {
    const struct ngrams *ngrams;
    const struct candidates_rule *rule;
    const struct countmodel_ctx *ctx;
    uint32_t d_vocab;
    unsigned bits;
    bool *never;          // [d_vocab]
    struct place *places; // [n_places], ascending, of all words counted and not in 'never'
    size_t n_places;
    struct candidates *out;
    size_t cap; // of out->items, which is a heap with the last in their order on top
};

// --- order --------------------------------------------------------------------------------------

/* Whether a comes before b. */
static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->worth != b->worth ? a->worth > b->worth
           : a->a != b->a       ? a->a < b->a
           : a->b != b->b       ? a->b < b->b
                                : a->c < b->c;
}

static int in_order(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : is_before(b, a);
}

static void swap(struct candidate *a, struct candidate *b)
{
    const struct candidate old = *a;
    *a = *b;
    *b = old;
}

/* Moves the top of a heap down to its place. */
static void sink(struct candidate *heap, size_t n)
{
    for (size_t i = 0, last = 0; 2 * i + 1 < n; i = last) {
        const size_t left = 2 * i + 1, right = left + 1;
        last = right < n && is_before(&heap[left], &heap[right]) ? right : left;
        if (!is_before(&heap[i], &heap[last])) {
            return;
        }
        swap(&heap[i], &heap[last]);
    }
}

/* Moves item i of a heap up to its place. */
static void rise(struct candidate *heap, size_t i)
{
    for (; i > 0 && is_before(&heap[(i - 1) / 2], &heap[i]); i = (i - 1) / 2) {
        swap(&heap[(i - 1) / 2], &heap[i]);
    }
}

/* Keeps the candidate if there is room, or in place of the last in their order. */
static int keep(struct finder *f, const struct candidate *c, struct err *err)
{
    struct candidates *out = f->out;
    if (out->n < f->rule->most) {
        const int rc =
            mem_reserve(&out->items, &f->cap, out->n + 1, sizeof *out->items, "candidates", err);
        if (rc) {
            return rc;
        }
        out->items[out->n] = *c;
        rise(out->items, out->n++);
    } else if (out->n > 0 && is_before(c, &out->items[0])) {
        out->items[0] = *c;
        sink(out->items, out->n);
    }
    return 0;
}

// --- the funnel ---------------------------------------------------------------------------------

/* Clamps to 1: wrong counts of a corrupt file may give more. */
static double probability(double p)
{
    return fmin(p, 1);
}

static double worth_of(const struct candidate *c)
{
    double best = fmax(c->p_bigram, c->p_added);
    for (unsigned k = 0; k < NGRAMS_SKIPS; k++) {
        best = fmax(best, c->p_skip[k]);
    }
    return round((double)c->count * log(c->p / fmax(best, DBL_MIN)) * 0x1p20) * 0x1p-20;
}

/* Whether one of the skip-bigrams predicts C. */
static bool is_by_skip(const struct finder *f, struct candidate *c)
{
    bool is = false;
    for (unsigned k = 0; k < NGRAMS_SKIPS && !is; k++) {
        c->p_skip[k] = probability(countmodel_ctx_pd(f->ctx, k, c->a, c->c));
        is = c->p_skip[k] > f->rule->low;
    }
    return is;
}

static void set_counts(const struct finder *f, struct candidate *c)
{
    c->count_ab = ngrams_bigram(f->ngrams, ngrams_key2(f->bits, c->a, c->b)).after.total;
    c->count_bc = ngrams_bigram(f->ngrams, ngrams_key2(f->bits, c->b, c->c)).count;
    c->count_b = ngrams_word(f->ngrams, c->b)->after.total;
    c->count_c = ngrams_word(f->ngrams, c->c)->count;
}

/* Takes a frequent trigram through the stages. */
static int judge(struct finder *f, struct candidate c, struct err *err)
{
    struct candidates_funnel *funnel = &f->out->funnel;
    c.p = probability(countmodel_ctx_p3(f->ctx, c.a, c.b, c.c));
    if (c.p < f->rule->high) {
        return 0;
    }
    funnel->predictable++;
    c.p_bigram = probability(countmodel_ctx_p2(f->ctx, c.b, c.c));
    if (c.p_bigram > f->rule->low) {
        funnel->by_bigram++;
        return 0;
    }
    if (is_by_skip(f, &c)) {
        funnel->by_skip++;
        return 0;
    }
    c.p_added = probability(countmodel_ctx_added(f->ctx, c.a, c.b, c.c));
    if (c.p_added > f->rule->low) {
        funnel->by_added++;
        return 0;
    }
    funnel->candidates++;
    set_counts(f, &c);
    c.worth = worth_of(&c);
    return keep(f, &c, err);
}

/* Whether the id may be A, B or C. */
static bool may_be(const struct finder *f, uint32_t id)
{
    return id < f->d_vocab && !f->never[id];
}

/* Goes through all trigrams of the file. */
static int walk(struct finder *f, const atomic_int *stop, struct err *err)
{
    const uint64_t mask = (UINT64_C(1) << f->bits) - 1;
    struct candidates_funnel *funnel = &f->out->funnel;
    struct ngrams_cursor at;
    int rc = 0;
    for (ngrams_seek(&at, f->ngrams, NGRAMS_TRIGRAMS, 0); at.is && !rc; ngrams_next(&at)) {
        if (is_stopped(stop)) {
            return 0;
        }
        funnel->trigrams++;
        if (at.bigram.count < f->rule->count) {
            continue;
        }
        const struct candidate c = {.a = (uint32_t)(at.key >> 2 * f->bits),
                                    .b = (uint32_t)(at.key >> f->bits & mask),
                                    .c = (uint32_t)(at.key & mask),
                                    .count = at.bigram.count};
        if (may_be(f, c.a) && may_be(f, c.b) && may_be(f, c.c)) {
            funnel->frequent++;
            rc = judge(f, c, err);
        }
    }
    return rc       ? rc
           : at.bad ? err_set(err, ERR_FORMAT, "its trigrams cannot be read behind entry %llu",
                              (unsigned long long)funnel->trigrams)
                    : 0;
}

// --- fillers ------------------------------------------------------------------------------------

static int by_count(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count) - (x->count < y->count)
                                : (x->id > y->id) - (x->id < y->id);
}

/* Lists the words that may be fillers. */
static void set_places(struct finder *f)
{
    for (uint32_t id = 0; id < f->d_vocab; id++) {
        const uint64_t count = ngrams_word(f->ngrams, id)->count;
        if (count > 0 && !f->never[id]) {
            f->places[f->n_places++] = (struct place){.count = count, .id = id};
        }
    }
    qsort(f->places, f->n_places, sizeof *f->places, by_count);
}

/* splitmix64's last step (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

struct filler {
    uint64_t hash;
    uint32_t id;
};

/* Keeps the lowest hashes so far, ascending. */
static void push_filler(struct filler *best, size_t *n, struct filler new)
{
    if (*n == CANDIDATE_FILLERS && new.hash >= best[*n - 1].hash) {
        return;
    }
    size_t i = *n < CANDIDATE_FILLERS ? (*n)++ : *n - 1;
    for (; i > 0 && best[i - 1].hash > new.hash; i--) {
        best[i] = best[i - 1];
    }
    best[i] = new;
}

/* Takes the next place outwards from [low, high), which grows by it. */
static const struct place *step_out(const struct finder *f, uint64_t count, size_t *low,
                                    size_t *high)
{
    if (*low == 0 && *high == f->n_places) {
        return NULL;
    }
    // count / below <= above / count
    const bool below =
        *high == f->n_places ||
        (*low > 0 && (unsigned __int128)count * count <=
                         (unsigned __int128)f->places[*low - 1].count * f->places[*high].count);
    return below ? &f->places[--*low] : &f->places[(*high)++];
}

/* The index of a token's place, or the index that it would have. */
static size_t place_of(const struct finder *f, const struct place *own)
{
    size_t low = 0, high = f->n_places;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_count(&f->places[middle], own) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Finds fillers for A (which: 0) or for B (1). */
static void find_fillers(const struct finder *f, struct candidate *c, unsigned which)
{
    const uint32_t id = which ? c->b : c->a;
    const uint64_t of_three =
        mix(mix((uint64_t)c->a << 32 | c->b) + ((uint64_t)which << 32 | c->c));
    const struct place own = {.count = ngrams_word(f->ngrams, id)->count, .id = id};
    struct filler best[CANDIDATE_FILLERS];
    size_t n = 0, low = place_of(f, &own), high = low;
    for (size_t seen = 0, wide = NEAREST; seen < wide;) {
        const struct place *p = step_out(f, own.count, &low, &high);
        if (!p) {
            break;
        }
        if (p->id == c->a || p->id == c->b || p->id == c->c) {
            continue;
        }
        const uint64_t key = ngrams_key3(f->bits, which ? c->a : p->id, which ? p->id : c->b, c->c);
        if (ngrams_count(f->ngrams, NGRAMS_TRIGRAMS, key) == 0) {
            push_filler(best, &n, (struct filler){.hash = mix(of_three + p->id), .id = p->id});
        }
        if (++seen == wide && n < CANDIDATE_FILLERS && wide < FARTHEST) {
            wide *= 2;
        }
    }
    c->n_fillers[which] = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        c->fillers[which][i] = best[i].id;
    }
}

// --- all of it ----------------------------------------------------------------------------------

static int check_rule(const struct candidates_rule *rule, struct err *err)
{
    if (rule->count < 2) {
        return err_set(err, ERR_USAGE,
                       "a trigram seen once cannot be a candidate: the count must be at least 2");
    }
    if (!(rule->low >= 0 && rule->low < rule->high && rule->high <= 1)) {
        return err_set(err, ERR_USAGE, "low is %g and high %g; expected 0 <= low < high <= 1",
                       rule->low, rule->high);
    }
    return 0;
}

static void set_never(struct finder *f, const uint32_t *never, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (never[i] < f->d_vocab) {
            f->never[never[i]] = true;
        }
    }
}

/* Sorts the kept candidates and finds their fillers. */
static void finish(const struct finder *f, const atomic_int *stop)
{
    struct candidates *out = f->out;
    if (out->n > 0) {
        qsort(out->items, out->n, sizeof *out->items, in_order);
    }
    out->funnel.kept = out->n;
    for (size_t i = 0; i < out->n && !is_stopped(stop); i++) {
        find_fillers(f, &out->items[i], 0);
        find_fillers(f, &out->items[i], 1);
    }
}

int candidates_find(struct candidates *out, const struct ngrams *n,
                    const struct candidates_rule *rule, const uint32_t *never, size_t n_never,
                    const atomic_int *stop, struct err *err)
{
    *out = (struct candidates){0};
    int rc = check_rule(rule, err);
    if (rc) {
        return rc;
    }
    const uint32_t d_vocab = ngrams_info(n)->d_vocab;
    struct countmodel m;
    struct countmodel_ctx *ctx = NULL;
    struct finder f = {.ngrams = n,
                       .rule = rule,
                       .d_vocab = d_vocab,
                       .bits = ngrams_bits(d_vocab),
                       .never = mem_zero(d_vocab, sizeof *f.never),
                       .places = mem_new(d_vocab, sizeof *f.places),
                       .out = out};
    if (!f.never || !f.places) {
        rc = err_nomem(err, "candidates");
        goto out;
    }
    countmodel_init(&m, n, COUNT_ORACLE);
    rc = countmodel_ctx_new(&ctx, &m, err);
    if (rc) {
        goto out;
    }
    f.ctx = ctx;
    set_never(&f, never, n_never);
    set_places(&f);
    rc = walk(&f, stop, err);
    if (rc) {
        candidates_free(out);
        goto out;
    }
    finish(&f, stop);
out:
    countmodel_ctx_free(ctx);
    free(f.never);
    free(f.places);
    return rc;
}

void candidates_free(struct candidates *c)
{
    free(c->items);
    *c = (struct candidates){0};
}
