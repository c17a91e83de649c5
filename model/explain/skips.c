#include "model/explain/skips.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"
#include "model/explain/skips_internal.h"

// Pairs beyond those that could be needed, so that sums in another order do not lose one.
#define SPARE ((size_t)64)

// Strengths that are further below the bound than this part of it are not looked at.
#define MARGIN 1e-3

// --- the strongest ------------------------------------------------------------------------------

bool skips_before(const struct skips_item *x, const struct skips_item *y)
{
    return x->strength != y->strength ? x->strength > y->strength
           : x->head != y->head       ? x->head < y->head
           : x->a != y->a             ? x->a < y->a
           : x->b != y->b             ? x->b < y->b
                                      : x->c < y->c;
}

static int compare(const void *a, const void *b)
{
    const struct skips_item *x = a, *y = b;
    return skips_before(x, y) ? -1 : skips_before(y, x);
}

/* At most 'most' items, the first ones of all that were offered: a heap whose root is the last. */
struct strongest {
    struct skips_item *items; // [n]
    size_t n, most;
};

static int strongest_new(struct strongest *s, size_t most, struct err *err)
{
    *s = (struct strongest){.items = mem_new(most, sizeof *s->items), .most = most};
    return s->items ? 0 : err_nomem(err, "skip-trigrams");
}

/* What an item must exceed to be kept; 0 while there is room. */
static double bound(const struct strongest *s)
{
    return s->n < s->most ? 0 : s->items[0].strength;
}

static void sink(struct strongest *s, const struct skips_item *item)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < s->n && skips_before(&s->items[child], &s->items[child + 1])) {
            child++;
        }
        if (child >= s->n || !skips_before(item, &s->items[child])) {
            break;
        }
        s->items[at] = s->items[child];
        at = child;
    }
    s->items[at] = *item;
}

static void offer(struct strongest *s, const struct skips_item *item)
{
    if (s->n == s->most) {
        if (skips_before(item, &s->items[0])) {
            sink(s, item);
        }
        return;
    }
    size_t at = s->n++;
    for (; at > 0 && skips_before(&s->items[(at - 1) / 2], item); at = (at - 1) / 2) {
        s->items[at] = s->items[(at - 1) / 2];
    }
    s->items[at] = *item;
}

// --- the search ---------------------------------------------------------------------------------

/* What all threads share. */
struct search {
    const struct engine *engine;
    const struct skips_rule *rule;
    const atomic_int *stop;
    size_t n_threads;
    struct skips_tokens tokens;
    struct skips_reads reads;

    // of the head in hand
    uint32_t head;
    struct skips_head now;
    struct weights keys;   // [d_head][n], biased by ln of the tokens' shares
    struct weights writes; // [d_head][n_frequent] the head's u
    float *greatest;       // [n_frequent] the greatest raise of each A
    float *ln_greatest;    // [panels of keys] its ln; -INFINITY of what is no A
    atomic_size_t next;    // block of rows

    pthread_mutex_t mu;
    struct strongest pairs; // guarded by mu; c: of the greatest raise
    _Atomic double bound;   // of pairs
};

/* What a thread has: rows of a product with all columns. */
struct block {
    struct inputs in;
    float *tiles; // [panels][rows][cols]
};

static int block_new(struct block *b, const struct weights *w, struct err *err)
{
    *b = (struct block){.tiles = product_alloc(w->n_panels * w->rows * w->cols, sizeof(float))};
    const int rc = b->tiles ? 0 : err_nomem(err, "skip-trigrams");
    return rc ? rc : inputs_new(&b->in, &w, 1, w->rows, err);
}

static void block_free(struct block *b)
{
    inputs_free(&b->in);
    free(b->tiles);
}

static float *block_row(const struct block *b, const struct weights *w, size_t panel, size_t row)
{
    return b->tiles + (panel * w->rows + row) * w->cols;
}

static float *block_at(const struct block *b, const struct weights *w, size_t row, size_t column)
{
    return &block_row(b, w, column / w->cols, row)[column % w->cols];
}

/* Multiplies x[n][d_head], at most a tile's rows, with all columns. */
static void block_fill(struct block *b, const struct weights *w, const float *x, size_t n)
{
    union product_tile tile;
    inputs_pack(&b->in, w, x, w->k, n);
    for (size_t panel = 0; panel < w->n_panels; panel++) {
        product_tile(&tile, &b->in, w, 0, panel);
        memcpy(b->tiles + panel * w->rows * w->cols, tile.f32,
               w->rows * w->cols * sizeof *b->tiles);
    }
    for (size_t j = w->m; j < w->n_panels * w->cols; j++) { // columns that are none
        for (size_t i = 0; i < n; i++) {
            *block_at(b, w, i, j) = -INFINITY;
        }
    }
}

// Columns that are looked at together: every table has a multiple of them.
#define LANES ((size_t)16)

/* The greatest value of a row. */
static float block_greatest(const struct block *b, const struct weights *w, size_t row)
{
    float most[LANES], of_all = -INFINITY;
    memcpy(most, block_row(b, w, 0, row), sizeof most);
    for (size_t panel = 0; panel < w->n_panels; panel++) {
        const float *x = block_row(b, w, panel, row);
        for (size_t j = 0; j < w->cols; j += LANES) {
            for (size_t k = 0; k < LANES; k++) {
                most[k] = x[j + k] > most[k] ? x[j + k] : most[k];
            }
        }
    }
    for (size_t k = 0; k < LANES; k++) {
        of_all = most[k] > of_all ? most[k] : of_all;
    }
    return of_all;
}

/* Is a sum of x[n] and y[n] above the limit? */
static bool any_above(const float *x, const float *y, size_t n, float limit)
{
    int above[LANES] = {0}, any = 0;
    for (size_t j = 0; j < n; j += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            above[k] |= x[j + k] + y[j + k] > limit;
        }
    }
    for (size_t k = 0; k < LANES; k++) {
        any |= above[k];
    }
    return any != 0;
}

/* Takes the next rows of n; false: there are none, or the search is to stop. */
static bool take_rows(struct search *s, const struct pool *pool, size_t rows, size_t n,
                      size_t *first, size_t *count)
{
    if (pool_is_stopped(pool) || is_stopped(s->stop)) {
        return false;
    }
    *first = atomic_fetch_add(&s->next, rows);
    *count = *first >= n ? 0 : n - *first < rows ? n - *first : rows;
    return *count > 0;
}

// --- what an A raises most ----------------------------------------------------------------------

/* pool_fn() */
static int find_greatest(void *context, struct pool *pool, struct err *err)
{
    struct search *s = context;
    const struct weights *w = &s->writes;
    struct block b;
    size_t first, n;
    const int rc = block_new(&b, w, err);
    while (!rc && take_rows(s, pool, w->rows, s->tokens.n_frequent, &first, &n)) {
        block_fill(&b, w, s->now.v + first * w->k, n);
        for (size_t i = 0; i < n; i++) {
            if (!s->rule->copies) {
                *block_at(&b, w, i, first + i) = -INFINITY;
            }
            s->greatest[first + i] = block_greatest(&b, w, i);
        }
    }
    block_free(&b);
    return rc;
}

// --- pairs --------------------------------------------------------------------------------------

/* A query's scores, as exponentials less 'shift'. */
struct query {
    float shift;
    double rest; // of the softmax beside A
};

/* Fills the queries of n rows, which are those of frequent tokens from 'first' on. */
static void make_queries(const struct search *s, const struct block *b, size_t first, size_t n,
                         struct query *out)
{
    const struct weights *w = &s->keys;
    const struct kern_f32 *kern = engine_kern(s->engine)->f32;
    const size_t d = w->k;
    float shifts[DOT_ROWS_MAX] = {0};
    _Alignas(KERN_ALIGN) float sums[DOT_ROWS_MAX * KERN_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        shifts[i] = block_greatest(b, w, i);
    }
    for (size_t panel = 0; panel < w->n_panels; panel++) {
        kern->add_exp(sums, block_row(b, w, panel, 0), w->bias + panel * w->cols, shifts);
    }
    for (size_t i = 0; i < n; i++) {
        double mean = 0;
        for (size_t j = 0; j < KERN_LANES; j++) {
            mean += (double)sums[i * KERN_LANES + j];
        }
        const float own = *block_at(b, w, i, s->tokens.frequent[first + i]);
        const float bos = kern->dot(s->now.q + (first + i) * d, s->now.k + s->tokens.n * d, d);
        out[i] = (struct query){.shift = shifts[i]};
        out[i].rest = exp((double)own - (double)shifts[i]) +
                      (s->reads.bos ? exp((double)bos - (double)shifts[i]) : 0) +
                      (double)(s->rule->window - 3) * mean;
    }
}

/* Offers the pairs of a query with the keys of a panel whose score is above 'limit' together with
 * ln of their greatest raise. */
static void offer_panel(struct search *s, const float *scores, size_t panel,
                        const struct query *query, size_t query_token)
{
    const size_t first = panel * s->keys.cols;
    for (size_t j = 0; j < s->keys.cols && first + j < s->keys.m; j++) {
        const double ln_raise = (double)s->ln_greatest[first + j];
        if (first + j == query_token || ln_raise == -INFINITY) {
            continue;
        }
        const double e = exp((double)scores[j] - (double)query->shift);
        struct skips_item pair = {.head = s->head,
                                  .a = s->tokens.ids[first + j],
                                  .b = s->tokens.ids[query_token],
                                  .attention = e / (e + query->rest)};
        pair.strength = pair.attention * exp(ln_raise);
        if (pair.strength <= 0 || pair.strength < atomic_load(&s->bound)) {
            continue;
        }
        pthread_mutex_lock(&s->mu);
        offer(&s->pairs, &pair);
        atomic_store(&s->bound, bound(&s->pairs));
        pthread_mutex_unlock(&s->mu);
    }
}

/* The score, with ln of a greatest raise, below which no pair of a query is strong enough: strength
 * <= e(A) / rest * raise. */
static float limit_of(const struct query *query, double least)
{
    return (float)(log(least * (1 - MARGIN)) + log(query->rest) + (double)query->shift);
}

/* Offers all pairs of a query: of row 'row' of the block. */
static void offer_query(struct search *s, const struct block *b, size_t row,
                        const struct query *query, size_t query_token)
{
    const struct weights *w = &s->keys;
    double least = atomic_load(&s->bound);
    float limit = limit_of(query, least);
    for (size_t panel = 0; panel < w->n_panels; panel++) {
        const float *x = block_row(b, w, panel, row), *ln = s->ln_greatest + panel * w->cols;
        if (any_above(x, ln, w->cols, limit)) {
            offer_panel(s, x, panel, query, query_token);
            const double now = atomic_load(&s->bound);
            limit = now > least ? limit_of(query, now) : limit;
            least = now;
        }
    }
}

/* pool_fn() */
static int find_pairs(void *context, struct pool *pool, struct err *err)
{
    struct search *s = context;
    const struct weights *w = &s->keys;
    struct query queries[DOT_ROWS_MAX];
    struct block b;
    size_t first, n;
    const int rc = block_new(&b, w, err);
    while (!rc && take_rows(s, pool, w->rows, s->tokens.n_frequent, &first, &n)) {
        block_fill(&b, w, s->now.q + first * w->k, n);
        make_queries(s, &b, first, n, queries);
        for (size_t i = 0; i < n; i++) {
            offer_query(s, &b, i, &queries[i], s->tokens.frequent[first + i]);
        }
    }
    block_free(&b);
    return rc;
}

// --- a head -------------------------------------------------------------------------------------

/* s->keys of the head's k, transposed. */
static int pack_keys(struct search *s, struct err *err)
{
    const size_t n = s->tokens.n, d = s->reads.d_head;
    float *w = mem_new(d, n * sizeof *w);
    if (!w) {
        return err_nomem(err, "skip-trigrams");
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < d; l++) {
            w[l * n + i] = s->now.k[i * d + l];
        }
    }
    const int rc = weights_new(&s->keys, engine_kern(s->engine), FORMAT_F32, false, NULL, w,
                               s->tokens.ln_share, d, n, err);
    free(w);
    return rc;
}

static int run_pass(struct search *s, pool_fn *fn, struct err *err)
{
    atomic_store(&s->next, 0);
    return pool_run(s->n_threads, fn, s, err);
}

/* Offers the pairs of a head. */
static int search_head(struct search *s, uint32_t head, struct err *err)
{
    s->head = head;
    int rc = skips_head_make(&s->now, &s->reads, head, err);
    rc = rc ? rc
            : weights_new(&s->writes, engine_kern(s->engine), FORMAT_F32, false, NULL, s->now.u,
                          NULL, s->reads.d_head, s->tokens.n_frequent, err);
    rc = rc ? rc : run_pass(s, find_greatest, err);
    weights_free(&s->writes);
    s->writes = (struct weights){0};
    rc = rc ? rc : pack_keys(s, err);
    if (!rc && !is_stopped(s->stop)) {
        for (size_t j = 0; j < s->keys.n_panels * s->keys.cols; j++) {
            s->ln_greatest[j] = -INFINITY;
        }
        for (size_t i = 0; i < s->tokens.n_frequent; i++) {
            const float most = s->greatest[i];
            s->ln_greatest[s->tokens.frequent[i]] = most > 0 ? logf(most) : -INFINITY;
        }
        rc = run_pass(s, find_pairs, err);
    }
    weights_free(&s->keys);
    s->keys = (struct weights){0};
    return rc;
}

// --- every C of the strongest pairs -------------------------------------------------------------

static int by_head_and_a(const void *a, const void *b)
{
    const struct skips_item *x = a, *y = b;
    return x->head != y->head ? (x->head > y->head ? 1 : -1)
           : x->a != y->a     ? (x->a > y->a ? 1 : -1)
                              : compare(a, b);
}

/* The number of a token among the frequent ones. */
static size_t find_frequent(const struct skips_tokens *t, uint32_t id)
{
    size_t lo = 0, hi = t->n_frequent;
    while (lo + 1 < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        *(t->ids[t->frequent[mid]] <= id ? &lo : &hi) = mid;
    }
    return lo;
}

/* The strongest raises of an A, all in 'raised', the strongest first. */
static void raise_all(const struct search *s, uint32_t a, double *sums, struct strongest *raised)
{
    const struct skips_tokens *t = &s->tokens;
    const size_t own = find_frequent(t, a), d = s->reads.d_head;
    const float *v = s->now.v + own * d;
    memset(sums, 0, t->n_frequent * sizeof *sums);
    for (size_t l = 0; l < d; l++) {
        const float *u = s->now.u + l * t->n_frequent;
        for (size_t c = 0; c < t->n_frequent; c++) {
            sums[c] += (double)v[l] * (double)u[c];
        }
    }
    raised->n = 0;
    for (size_t c = 0; c < t->n_frequent; c++) {
        if (sums[c] > 0 && (c != own || s->rule->copies)) {
            offer(raised, &(struct skips_item){.c = t->ids[t->frequent[c]], .strength = sums[c]});
        }
    }
    qsort(raised->items, raised->n, sizeof *raised->items, compare);
}

/* Combines the pairs with every C. */
static int combine(struct search *s, struct strongest *out, struct err *err)
{
    struct strongest raised = {0};
    const struct skips_item *pairs = s->pairs.items;
    double *sums = mem_new(s->tokens.n_frequent, sizeof *sums);
    int rc = sums ? strongest_new(&raised, s->rule->most, err) : err_nomem(err, "skip-trigrams");
    qsort(s->pairs.items, s->pairs.n, sizeof *pairs, by_head_and_a);
    for (size_t i = 0; i < s->pairs.n && !rc && !is_stopped(s->stop); i++) {
        if (i == 0 || pairs[i].head != pairs[i - 1].head) {
            rc = skips_head_make(&s->now, &s->reads, pairs[i].head, err);
        }
        if (!rc && (i == 0 || pairs[i].head != pairs[i - 1].head || pairs[i].a != pairs[i - 1].a)) {
            raise_all(s, pairs[i].a, sums, &raised);
        }
        for (size_t k = 0; k < raised.n && !rc; k++) {
            struct skips_item item = pairs[i];
            item.c = raised.items[k].c;
            item.raise = raised.items[k].strength;
            item.strength = item.attention * item.raise;
            if (item.strength < bound(out)) {
                break;
            }
            offer(out, &item);
        }
    }
    free(raised.items);
    free(sums);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

/* Lists the tokens of the text. */
static int list_tokens(struct skips_tokens *t, const struct skips_text *text, size_t d_vocab,
                       double frequent, struct err *err)
{
    uint64_t all = 0;
    for (size_t id = 0; id < d_vocab; id++) {
        all += text->counts[id];
        t->n += text->counts[id] > 0;
    }
    t->ids = mem_new(t->n, sizeof *t->ids);
    t->ln_share = mem_new(t->n, sizeof *t->ln_share);
    t->frequent = mem_new(t->n, sizeof *t->frequent);
    if (!t->ids || !t->ln_share || !t->frequent) {
        return err_nomem(err, "skip-trigrams");
    }
    t->n = 0;
    for (size_t id = 0; id < d_vocab; id++) {
        const double share = (double)text->counts[id] / (double)all;
        if (text->counts[id] == 0) {
            continue;
        }
        if (share >= frequent && id != text->bos && !(text->never && text->never[id])) {
            t->frequent[t->n_frequent++] = (uint32_t)t->n;
        }
        t->ids[t->n] = (uint32_t)id;
        t->ln_share[t->n++] = (float)log(share);
    }
    return 0;
}

static void search_free(struct search *s)
{
    void *const own[] = {s->tokens.ids, s->tokens.ln_share, s->tokens.frequent,
                         s->greatest,   s->ln_greatest,     s->pairs.items};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    skips_reads_free(&s->reads);
    skips_head_free(&s->now);
    pthread_mutex_destroy(&s->mu);
}

int skips_find(struct skips_item **items, size_t *n, const struct engine *e,
               const struct skips_rule *rule, const struct skips_text *text, size_t n_threads,
               const atomic_int *stop, struct err *err)
{
    const struct config *c = &engine_model(e)->config;
    struct search s = {.engine = e, .rule = rule, .stop = stop, .n_threads = n_threads};
    struct strongest found = {0};
    assert(rule->window >= SKIPS_WINDOW_LEAST && rule->window <= c->n_ctx && rule->most > 0);
    *items = NULL;
    *n = 0;
    pthread_mutex_init(&s.mu, NULL);
    int rc = list_tokens(&s.tokens, text, c->d_vocab, rule->frequent, err);
    rc = rc || s.tokens.n_frequent == 0 ? rc
                                        : skips_reads_new(&s.reads, e, &s.tokens, rule, text, err);
    rc = rc ? rc : strongest_new(&s.pairs, rule->most + SPARE, err);
    rc = rc ? rc : strongest_new(&found, rule->most, err);
    s.greatest = mem_new(s.tokens.n_frequent, sizeof *s.greatest);
    s.ln_greatest = mem_new(s.tokens.n + KERN_COLS_MAX, sizeof *s.ln_greatest);
    if (!rc && (!s.greatest || !s.ln_greatest)) {
        rc = err_nomem(err, "skip-trigrams");
    }
    if (!rc && s.tokens.n_frequent > 0) {
        rc = skips_head_new(&s.now, &s.reads, err);
        for (uint32_t head = 0; head < c->n_heads && !rc && !is_stopped(stop); head++) {
            rc = search_head(&s, head, err);
        }
        rc = rc ? rc : combine(&s, &found, err);
    }
    search_free(&s);
    if (rc) {
        free(found.items);
        return rc;
    }
    qsort(found.items, found.n, sizeof *found.items, compare);
    *items = found.items;
    *n = found.n;
    return 0;
}
