#include "tests/ref/tally_ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <xxhash.h>

uint64_t ref_random(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

/* --- documents -------------------------------------------------------------------------------- */

static const char *const domain_names[] = {NULL, "", "arxiv", "c4", "code", "mail", "news", "wiki"};
#define N_DOMAINS (sizeof domain_names / sizeof *domain_names)

static void make_one(struct ref_doc *d, size_t i, uint64_t *random, bool texts)
{
    static const char *const characters[] = {
        "a", "b", " ", "\n", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    // beyond the floor and beyond 1024 nats; then what no sum takes
    static const double odd[] = {-1023.5, -1e9, NAN, INFINITY, -INFINITY, -1e12, 2000};
    const size_t n = i % 10 == 0 ? 0 : 1 + ref_random(random, REF_TOKENS);
    size_t len = 0;
    for (size_t k = 0; texts && k < n; k++) {
        const char *c = characters[ref_random(random, 7)];
        memcpy(d->text + len, c, strlen(c));
        len += strlen(c);
    }
    const size_t window = 1 + ref_random(random, 20);
    for (size_t k = 0; k < n; k++) {
        d->ids[k] = (uint32_t)ref_random(random, k % 7 ? 2 : REF_VOCAB);
        d->pos[k] = (uint32_t)(k % window + 1);
        // Bytes shared out evenly: some tokens are parts of characters.
        d->ends[k] = (uint32_t)(len * (k + 1) / n);
        for (int m = 0; m < REF_MODELS; m++) {
            d->logprob[m][k] = -0.25 * (double)ref_random(random, 32);
            if (ref_random(random, 4) == 0) {
                d->logprob[m][k] -= (double)ref_random(random, 1000) * 1e-4;
            }
            if (ref_random(random, 64) == 0) {
                d->logprob[m][k] = odd[ref_random(random, sizeof odd / sizeof *odd)];
            }
        }
    }
    for (int m = 0; m < REF_MODELS; m++) {
        d->rows[m] = d->logprob[m];
    }
    d->doc = (struct tally_doc){
        .shard = (uint32_t)(i % 3),
        .number = i / 3 + ref_random(random, 2) * 1000,
        .domain = domain_names[ref_random(random, N_DOMAINS)],
        .text = texts ? d->text : NULL,
        .text_len = len,
        .n = n,
        .ids = d->ids,
        .ends = texts ? d->ends : NULL,
        .pos = d->pos,
        .logprob = d->rows,
    };
}

void ref_make(struct ref_doc docs[REF_DOCS], uint64_t seed, bool texts)
{
    for (size_t i = 0; i < REF_DOCS; i++) {
        make_one(&docs[i], i, &seed, texts);
    }
}

/* --- what is expected ------------------------------------------------------------------------- */

struct one_gap {
    int64_t gap, base, other; // fixed
    double base_logprob, other_logprob;
};

#define NO_GAP INT64_MIN

static bool is_number(double logprob)
{
    return isfinite(logprob) && logprob >= -274877906944.0 && logprob <= 1024; // -2^38
}

/* Its gap is NO_GAP where one of the pair's log-probs is no number. */
static struct one_gap find_gap(const struct tally_shape *s, const struct run_pair *pair,
                               const struct ref_doc *d, size_t i)
{
    struct one_gap least = {.gap = INT64_MAX};
    for (uint32_t k = 0; k < pair->n_others; k++) {
        const double base = d->logprob[pair->base][i], other = d->logprob[pair->others[k]][i];
        if (!is_number(base) || !is_number(other)) {
            return (struct one_gap){.gap = NO_GAP};
        }
        const int64_t gap = fixed_from(fmax(other, s->floor)) - fixed_from(fmax(base, s->floor));
        if (gap < least.gap) {
            least = (struct one_gap){gap, fixed_from(base), fixed_from(other), base, other};
        }
    }
    return least;
}

static void expect_moments(const struct moments *got, const struct moments *wanted)
{
    assert_int_equal(got->docs, wanted->docs);
    assert_int_equal(got->n, wanted->n);
    assert_true(got->sum == wanted->sum);
    assert_true(got->sum_sq == wanted->sum_sq);
    assert_true(got->sum_n == wanted->sum_n);
    assert_true(got->n_sq == wanted->n_sq);
    assert_int_equal(got->sum_sq_high, 0); // none of these is so large
}

static void expect_sums(const struct tally_gap_sums *got, const struct tally_gap_sums *wanted)
{
    assert_int_equal(got->n, wanted->n);
    assert_true(got->gap == wanted->gap);
    assert_true(got->base == wanted->base);
    assert_true(got->other == wanted->other);
}

static void count_one(struct tally_gap_sums *s, const struct one_gap *g)
{
    s->n++;
    s->gap += g->gap;
    s->base += g->base;
    s->other += g->other;
}

/* Of a document's n values that are numbers. */
struct sum_of {
    __int128 sum;
    uint64_t n;
};

/* A document's values summed, as the square of its sum and so on. */
static void count_doc(struct moments *m, struct sum_of of)
{
    const __int128 sum = of.sum;
    const uint64_t n = of.n;
    if (n > 0) {
        m->docs++;
        m->n += n;
        m->sum += sum;
        m->sum_sq += sum * sum;
        m->sum_n += sum * (int64_t)n;
        m->n_sq += (__int128)n * (__int128)n;
    }
}

static struct sum_of sum_of_model(const struct ref_doc *d, size_t model)
{
    struct sum_of of = {0};
    for (size_t i = 0; i < d->doc.n; i++) {
        if (is_number(d->logprob[model][i])) {
            of.sum += fixed_from(d->logprob[model][i]);
            of.n++;
        }
    }
    return of;
}

static struct sum_of sum_of_pair(const struct tally_shape *s, size_t pair, const struct ref_doc *d)
{
    struct sum_of of = {0};
    for (size_t i = 0; i < d->doc.n; i++) {
        const int64_t gap = find_gap(s, &s->pairs[pair], d, i).gap;
        of.sum += gap == NO_GAP ? 0 : gap;
        of.n += gap != NO_GAP;
    }
    return of;
}

static void expect_shards(const struct tally *t, const struct ref_doc *docs, size_t n)
{
    for (size_t shard = 0; shard < t->shape->n_shards; shard++) {
        uint64_t n_docs = 0, tokens = 0, bytes = 0;
        for (size_t i = 0; i < n; i++) {
            if (docs[i].doc.shard == shard) {
                n_docs++;
                tokens += docs[i].doc.n;
                bytes += docs[i].doc.text_len;
            }
        }
        assert_int_equal(t->shards[shard].docs, n_docs);
        assert_int_equal(t->shards[shard].tokens, tokens);
        assert_int_equal(t->shards[shard].text_bytes, bytes);
    }
}

static void expect_models(const struct tally *t, const struct ref_doc *docs, size_t n)
{
    for (size_t m = 0; m < t->shape->n_models; m++) {
        struct moments wanted = {0};
        uint64_t clamped = 0, none = 0;
        for (size_t i = 0; i < n; i++) {
            count_doc(&wanted, sum_of_model(&docs[i], m));
            for (size_t k = 0; k < docs[i].doc.n; k++) {
                const bool is = is_number(docs[i].logprob[m][k]);
                clamped += is && docs[i].logprob[m][k] < t->shape->floor;
                none += !is;
            }
        }
        expect_moments(&t->models[m].logprob, &wanted);
        assert_int_equal(t->models[m].clamped, clamped);
        assert_int_equal(t->models[m].n_not_finite, none);
    }
}

static void expect_pair_sums(const struct tally *t, size_t pair, const struct ref_doc *docs,
                             size_t n)
{
    enum { BINS = 120 };
    const struct tally_shape *s = t->shape;
    struct moments moments = {0};
    uint64_t better = 0, hist[BINS] = {0};
    struct tally_gap_sums tokens[REF_VOCAB] = {0}, position[TALLY_POSITIONS] = {0};
    assert_int_equal(2 * s->gap_bins_half, BINS);
    for (size_t i = 0; i < n; i++) {
        count_doc(&moments, sum_of_pair(s, pair, &docs[i]));
        for (size_t k = 0; k < docs[i].doc.n; k++) {
            const struct one_gap g = find_gap(s, &s->pairs[pair], &docs[i], k);
            const int bin = (int)floor((double)g.gap * 10 / 1048576) + BINS / 2;
            int power = 0;
            if (g.gap == NO_GAP) {
                continue;
            }
            while (2u << power <= docs[i].pos[k]) {
                power++;
            }
            better += g.gap > 0;
            hist[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
            count_one(&tokens[docs[i].ids[k]], &g);
            count_one(&position[power], &g);
        }
    }
    expect_moments(&t->pairs[pair].gap, &moments);
    assert_int_equal(t->pairs[pair].other_better, better);
    assert_memory_equal(t->pairs[pair].hist, hist, sizeof hist);
    for (int i = 0; i < REF_VOCAB; i++) {
        expect_sums(&t->pairs[pair].tokens[i], &tokens[i]);
    }
    for (int i = 0; i < TALLY_POSITIONS; i++) {
        expect_sums(&t->pairs[pair].position[i], &position[i]);
    }
}

/* --- hits: all candidates, sorted ------------------------------------------------------------- */

struct candidate {
    const struct ref_doc *d;
    size_t at;
    struct one_gap g;
    int side;
};

static int by_gap_and_place(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    const int64_t gap_x = x->side == TALLY_OTHER ? x->g.gap : -x->g.gap;
    const int64_t gap_y = y->side == TALLY_OTHER ? y->g.gap : -y->g.gap;
    if (gap_x != gap_y) {
        return gap_x > gap_y ? -1 : 1;
    }
    if (x->d->doc.shard != y->d->doc.shard) {
        return x->d->doc.shard < y->d->doc.shard ? -1 : 1;
    }
    if (x->d->doc.number != y->d->doc.number) {
        return x->d->doc.number < y->d->doc.number ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

static size_t context_len(const struct candidate *c)
{
    return c->d->pos[c->at] > TALLY_CONTEXT ? TALLY_CONTEXT + 1 : c->d->pos[c->at];
}

static bool same_context(const struct candidate *a, const struct candidate *b)
{
    const size_t len = context_len(a);
    return len == context_len(b) && memcmp(a->d->ids + a->at + 1 - len, b->d->ids + b->at + 1 - len,
                                           len * sizeof *a->d->ids) == 0;
}

/* Sorts, keeps the first of each context and of these the first 'max'; returns how many. */
static size_t choose(struct candidate *c, size_t n, size_t max)
{
    size_t kept = 0;
    qsort(c, n, sizeof *c, by_gap_and_place);
    for (size_t i = 0; i < n && kept < max; i++) {
        size_t k = 0;
        while (k < kept && !same_context(&c[k], &c[i])) {
            k++;
        }
        if (k == kept) {
            c[kept++] = c[i];
        }
    }
    return kept;
}

static void expect_hits(const struct tally *t, size_t pair, int side, const struct ref_doc *docs,
                        size_t n)
{
    static struct candidate all[REF_DOCS * TALLY_HITS_PER_DOC],
        sorted[REF_DOCS * TALLY_HITS_PER_DOC];
    const struct tally_shape *s = t->shape;
    const struct tally_hits *hits = &t->pairs[pair].hits[side];
    size_t n_all = 0;
    for (size_t i = 0; i < n; i++) {
        struct candidate own[REF_TOKENS];
        size_t n_own = 0;
        for (size_t k = 0; k < docs[i].doc.n; k++) {
            const struct one_gap g = find_gap(s, &s->pairs[pair], &docs[i], k);
            if (side == TALLY_OTHER ? g.gap > 0 : g.gap < 0 && g.gap != NO_GAP) {
                own[n_own++] = (struct candidate){&docs[i], k, g, side};
            }
        }
        n_own = choose(own, n_own, TALLY_HITS_PER_DOC);
        memcpy(all + n_all, own, n_own * sizeof *own);
        n_all += n_own;
    }
    memcpy(sorted, all, n_all * sizeof *all);
    assert_int_equal(hits->n, choose(sorted, n_all, s->top));
    for (size_t i = 0; i < hits->n; i++) {
        const struct tally_hit *h = &hits->items[i];
        const struct candidate *c = &sorted[i];
        uint64_t duplicates = 0;
        for (size_t k = 0; k < n_all; k++) {
            duplicates += same_context(&all[k], c);
        }
        assert_int_equal(h->gap, c->g.gap);
        assert_true(h->base_logprob == c->g.base_logprob);
        assert_true(h->other_logprob == c->g.other_logprob);
        assert_int_equal(h->shard, c->d->doc.shard);
        assert_int_equal(h->doc, c->d->doc.number);
        assert_int_equal(h->at, c->at);
        assert_int_equal(h->token, c->d->ids[c->at]);
        assert_int_equal(h->byte_start, c->d->doc.ends && c->at ? c->d->ends[c->at - 1] : 0);
        assert_int_equal(h->byte_end, c->d->doc.ends ? c->d->ends[c->at] : 0);
        assert_int_equal(tally_duplicates(hits, i), duplicates - 1);
    }
}

/* --- domains ---------------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    const uint64_t hash_x = XXH64(x, strlen(x), 0), hash_y = XXH64(y, strlen(y), 0);
    return hash_x < hash_y ? -1 : hash_x > hash_y;
}

static void expect_domain(const struct tally *t, const struct tally_domain *got,
                          const struct ref_doc *docs, size_t n, const char *const *names,
                          size_t n_names)
{
    uint64_t n_docs = 0, tokens = 0;
    struct moments models[REF_MODELS] = {0}, pairs[8] = {0};
    for (size_t i = 0; i < n; i++) {
        const char *domain = docs[i].doc.domain ? docs[i].doc.domain : "";
        bool belongs = false;
        for (size_t k = 0; k < n_names; k++) {
            belongs |= strcmp(domain, names[k]) == 0;
        }
        if (!belongs) {
            continue;
        }
        n_docs++;
        tokens += docs[i].doc.n;
        for (size_t m = 0; m < t->shape->n_models; m++) {
            count_doc(&models[m], sum_of_model(&docs[i], m));
        }
        for (size_t p = 0; p < t->shape->n_pairs; p++) {
            count_doc(&pairs[p], sum_of_pair(t->shape, p, &docs[i]));
        }
    }
    assert_int_equal(got->docs, n_docs);
    assert_int_equal(got->tokens, tokens);
    for (size_t m = 0; m < t->shape->n_models; m++) {
        expect_moments(&got->models[m], &models[m]);
    }
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        expect_moments(&got->pairs[p], &pairs[p]);
    }
}

static void expect_domains(const struct tally *t, const struct ref_doc *docs, size_t n)
{
    const char *names[N_DOMAINS];
    size_t n_names = 0;
    for (size_t d = 1; d < N_DOMAINS; d++) { // NULL is ""
        bool met = false;
        for (size_t i = 0; i < n; i++) {
            met |= strcmp(docs[i].doc.domain ? docs[i].doc.domain : "", domain_names[d]) == 0;
        }
        if (met) {
            names[n_names++] = domain_names[d];
        }
    }
    qsort(names, n_names, sizeof *names, by_hash);
    const size_t kept = n_names < t->shape->domains_max ? n_names : t->shape->domains_max;
    assert_int_equal(t->n_domains, kept);
    for (size_t d = 0; d < kept; d++) {
        const struct tally_domain *got = &t->domains[d];
        assert_string_equal(got->name ? got->name : "", names[d]);
        assert_true(got->name == NULL || got->name[0] != '\0');
        assert_int_equal(got->hash, XXH64(names[d], strlen(names[d]), 0));
        expect_domain(t, got, docs, n, &names[d], 1);
    }
    expect_domain(t, &t->other, docs, n, names + kept, n_names - kept);
}

void ref_expect(const struct tally *t, const struct ref_doc *docs, size_t n)
{
    expect_shards(t, docs, n);
    expect_models(t, docs, n);
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        expect_pair_sums(t, p, docs, n);
        expect_hits(t, p, TALLY_OTHER, docs, n);
        expect_hits(t, p, TALLY_BASE, docs, n);
    }
    expect_domains(t, docs, n);
}
