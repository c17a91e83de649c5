#include "model/counts/countmodel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

static const char *const order_names[] = {"2", "3", "skip", "oracle"};

bool count_order_parse(const char *word, enum count_order *out)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, order_names[i]) == 0) {
            *out = (enum count_order)i;
            return true;
        }
    }
    return false;
}

const char *count_order_name(enum count_order order)
{
    return order_names[order];
}

// --- discounts ----------------------------------------------------------------------------------

/* The discounts, from how many n-grams were seen 1, 2, 3, 4 times.  If these are too few, or give
 * more than the count, the discount is half of the count, as in KenLM. */
static void set_discounts(double *d, const uint64_t *n)
{
    const double y = (double)n[0] / ((double)n[0] + 2 * (double)n[1]);
    for (int k = 0; k < 3; k++) {
        d[k] = (k + 1) - (k + 2) * y * (double)n[k + 1] / (double)n[k];
        if (n[0] == 0 || n[k] == 0 || !(d[k] >= 0 && d[k] <= k + 1)) {
            d[k] = 0.5 * (k + 1);
        }
    }
}

void countmodel_init(struct countmodel *m, const struct ngrams *ngrams, enum count_order order)
{
    const struct ngrams_info *info = ngrams_info(ngrams);
    *m = (struct countmodel){.ngrams = ngrams, .order = order};
    for (unsigned set = 0; set < NGRAMS_COFC; set++) {
        set_discounts(m->discounts[set], info->cofc[set]);
        if (info->min_count > 1 && set < NGRAMS_TABLES && set != NGRAMS_BIGRAMS) {
            m->discounts[set][0] = 1;
        }
    }
    for (uint32_t id = 0; id < info->d_vocab; id++) {
        const uint64_t left = ngrams_word(ngrams, id)->left;
        if (left > 0) {
            m->left.total += left;
            m->left.n[left < 3 ? left - 1 : 2]++;
        }
    }
}

// --- what a document adds -----------------------------------------------------------------------

/* The kinds of keys in a document's table: n-grams as in the tables of counts (how often it has
 * them), then the amounts to take from N(*BC), from N(*C) and from each context. */
enum {
    OWN_LEFT_2 = NGRAMS_TABLES,
    OWN_LEFT_1,
    OWN_AFTER_1,                              // (B, .)
    OWN_AFTER_2,                              // (A, B, .)
    OWN_LEFT_AFTER,                           // N(*B .)
    OWN_SKIP_AFTER,                           // the first of NGRAMS_SKIPS kinds
    OWN_WORD = OWN_SKIP_AFTER + NGRAMS_SKIPS, // a token; it is 15, the last that fits in 4 bits
};

struct own {
    uint64_t tag;   // kind and key
    uint64_t count; // to take from the count, or from a context's total
    int64_t n[3];   // for a context: to take from n1, n2, n3
};

struct countmodel_ctx {
    const struct countmodel *m;
    unsigned bits;
    struct own *items; // [n_items]
    uint32_t *slots;   // [mask + 1], the item's index plus 1; 0: free
    size_t n_items, items_cap, mask;
    uint64_t own_toks; // number of the document's tokens
    struct own left;   // to take from N(* .)
};

_Static_assert(OWN_WORD == 15, "a tag has four bits beside a key of 60");

static uint64_t tag_of(unsigned kind, uint64_t key)
{
    return (uint64_t)kind << 60 | key;
}

static size_t slot_of(const struct countmodel_ctx *r, uint64_t tag)
{
    const uint64_t mixed = (tag ^ tag >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(mixed >> 20) & r->mask;
    while (r->slots[slot] && r->items[r->slots[slot] - 1].tag != tag) {
        slot = (slot + 1) & r->mask;
    }
    return slot;
}

static const struct own *find(const struct countmodel_ctx *r, unsigned kind, uint64_t key)
{
    static const struct own none;
    if (r->n_items == 0) {
        return &none;
    }
    const uint32_t at = r->slots[slot_of(r, tag_of(kind, key))];
    return at ? &r->items[at - 1] : &none;
}

/* Makes room for n items; existing items keep their indices. */
static int reserve(struct countmodel_ctx *r, size_t n, struct err *err)
{
    if (n > UINT32_MAX / 2) {
        return err_set(err, ERR_LIMIT, "a document of too many n-grams");
    }
    int rc = mem_reserve(&r->items, &r->items_cap, n, sizeof *r->items, "n-grams", err);
    if (rc || (r->slots && n <= r->mask / 2)) {
        return rc;
    }
    size_t slots = 1024;
    while (slots / 2 <= n + n / 2) {
        slots *= 2;
    }
    uint32_t *new_slots = mem_zero(slots, sizeof *new_slots);
    if (!new_slots) {
        return err_nomem(err, "n-grams");
    }
    free(r->slots);
    r->slots = new_slots;
    r->mask = slots - 1;
    for (size_t i = 0; i < r->n_items; i++) {
        r->slots[slot_of(r, r->items[i].tag)] = (uint32_t)i + 1;
    }
    return 0;
}

/* The item of a key, which is added if it is new; there is room for it. */
static struct own *item(struct countmodel_ctx *r, unsigned kind, uint64_t key)
{
    const uint64_t tag = tag_of(kind, key);
    const size_t slot = slot_of(r, tag);
    if (!r->slots[slot]) {
        r->items[r->n_items] = (struct own){.tag = tag};
        r->slots[slot] = (uint32_t)++r->n_items;
    }
    return &r->items[r->slots[slot] - 1];
}

/* The rest of a count after the document's share is taken away. */
static uint64_t less(uint64_t count, uint64_t own)
{
    return count > own ? count - own : 0;
}

/* Notes that a count behind a context falls. */
static void fall(struct own *context, uint64_t from, uint64_t to)
{
    if (from > 0) {
        context->n[from < 3 ? from - 1 : 2]++;
    }
    if (to > 0) {
        context->n[to < 3 ? to - 1 : 2]--;
    }
}

static bool has_trigrams(const struct countmodel_ctx *r)
{
    return r->m->order == COUNT_TRIGRAM || r->m->order == COUNT_ORACLE;
}

static bool has_skips(const struct countmodel_ctx *r)
{
    return r->m->order == COUNT_SKIP || r->m->order == COUNT_ORACLE;
}

static void add_one(struct countmodel_ctx *r, unsigned kind, uint64_t key)
{
    item(r, kind, key)->count++;
}

/* Adds the document's n-grams that end in token i, and their share of the totals of contexts. */
static void add_token(struct countmodel_ctx *r, uint32_t first, const uint32_t *ids, size_t i)
{
    const uint32_t c = ids[i], b = i > 0 ? ids[i - 1] : first;
    add_one(r, NGRAMS_BIGRAMS, ngrams_key2(r->bits, b, c));
    add_one(r, OWN_AFTER_1, b);
    if (has_trigrams(r) && i > 0) {
        const uint32_t a = i > 1 ? ids[i - 2] : first;
        add_one(r, NGRAMS_TRIGRAMS, ngrams_key3(r->bits, a, b, c));
        add_one(r, OWN_AFTER_2, ngrams_key2(r->bits, a, b));
    }
    if (has_skips(r)) {
        add_one(r, OWN_WORD, c);
    }
    for (unsigned d = 2; has_skips(r) && d <= NGRAMS_SKIP_MAX && d <= i + 1; d++) {
        const uint32_t a = d <= i ? ids[i - d] : first;
        add_one(r, NGRAMS_SKIP + ngrams_skip_of(d), ngrams_key2(r->bits, a, c));
        add_one(r, OWN_SKIP_AFTER + ngrams_skip_of(d), a);
    }
}

/* Notes what one of the document's n-grams changes besides its own count. */
static void take_ngram(struct countmodel_ctx *r, const struct own *own)
{
    const struct ngrams *n = r->m->ngrams;
    const unsigned kind = (unsigned)(own->tag >> 60);
    const uint64_t key = own->tag & ((UINT64_C(1) << 60) - 1), own_count = own->count;
    uint64_t count = ngrams_count(n, kind, key);
    count = count < own_count ? own_count : count; // min_count left the n-gram out
    const uint64_t rest = count - own_count;
    if (kind == NGRAMS_BIGRAMS) {
        fall(item(r, OWN_AFTER_1, key >> r->bits), count, rest);
        if (rest == 0) {
            add_one(r, OWN_LEFT_1, key & ((UINT64_C(1) << r->bits) - 1));
        }
    } else if (kind == NGRAMS_TRIGRAMS) {
        fall(item(r, OWN_AFTER_2, key >> r->bits), count, rest);
        if (rest == 0) {
            add_one(r, OWN_LEFT_2, key & ((UINT64_C(1) << 2 * r->bits) - 1));
        }
    } else {
        fall(item(r, OWN_SKIP_AFTER + kind - NGRAMS_SKIP, key >> r->bits), count, rest);
    }
}

/* Notes what a fall of N(*BC) or N(*C) changes besides itself. */
static void take_left(struct countmodel_ctx *r, const struct own *own)
{
    const struct ngrams *n = r->m->ngrams;
    const uint64_t key = own->tag & ((UINT64_C(1) << 60) - 1), less_by = own->count;
    if (own->tag >> 60 == OWN_LEFT_2) {
        const uint64_t left = ngrams_bigram(n, key).left;
        struct own *context = item(r, OWN_LEFT_AFTER, key >> r->bits);
        context->count += less_by;
        fall(context, left, less(left, less_by));
    } else {
        const uint64_t left = ngrams_word(n, (uint32_t)key)->left;
        r->left.count += less_by;
        fall(&r->left, left, less(left, less_by));
    }
}

int countmodel_ctx_document(struct countmodel_ctx *r, uint32_t first, const uint32_t *ids, size_t n,
                            struct err *err)
{
    while (r->n_items > 0) { // the last first, so that no other item is found past its slot
        r->slots[slot_of(r, r->items[r->n_items - 1].tag)] = 0;
        r->n_items--;
    }
    r->left = (struct own){0};
    int rc = 0;
    const size_t most = 2 + 2 * has_trigrams(r) + (2 * NGRAMS_SKIP_MAX - 1) * has_skips(r);
    r->own_toks = ids ? n : 0;
    for (size_t i = 0; ids && i < n && !rc; i++) {
        rc = reserve(r, r->n_items + most, err);
        if (!rc) {
            add_token(r, first, ids, i);
        }
    }
    // The loop may add items: these are contexts and N(*...), which the second pass handles.
    const size_t n_ngrams = r->n_items;
    for (size_t pass = 0, from = 0; pass < 2 && !rc; pass++) {
        const size_t to = pass ? r->n_items : n_ngrams;
        for (size_t i = from; i < to && !rc; i++) {
            const struct own own = r->items[i];
            const unsigned kind = (unsigned)(own.tag >> 60);
            rc = reserve(r, r->n_items + 2, err);
            if (!rc && !pass && kind < NGRAMS_TABLES) {
                take_ngram(r, &own);
            } else if (!rc && pass && (kind == OWN_LEFT_2 || kind == OWN_LEFT_1)) {
                take_left(r, &own);
            }
        }
        from = n_ngrams;
    }
    return rc;
}

int countmodel_ctx_new(struct countmodel_ctx **out, const struct countmodel *m, struct err *err)
{
    struct countmodel_ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "counts");
    }
    r->m = m;
    r->bits = ngrams_bits(ngrams_info(m->ngrams)->d_vocab);
    *out = r;
    return 0;
}

void countmodel_ctx_free(struct countmodel_ctx *r)
{
    if (r) {
        free(r->items);
        free(r->slots);
        free(r);
    }
}

// --- probabilities ------------------------------------------------------------------------------

/* A context without what the document adds to it. */
static struct ngrams_context rest_of(const struct ngrams_context *c, const struct own *own)
{
    struct ngrams_context rest = {.total = less(c->total, own->count)};
    for (int k = 0; k < 3; k++) {
        const int64_t n = (int64_t)(c->n[k] >> 1 < INT64_MAX / 2 ? c->n[k] : 0) - own->n[k];
        rest.n[k] = n > 0 ? (uint64_t)n : 0;
    }
    return rest;
}

/* The share of the context's total that goes to the shorter context; 1: all of it. */
static double share_lower(const struct ngrams_context *c, const double *d)
{
    return c->total == 0
               ? 1
               : (d[0] * (double)c->n[0] + d[1] * (double)c->n[1] + d[2] * (double)c->n[2]) /
                     (double)c->total;
}

/* The share of its context's total that a count keeps. */
static double share_kept(uint64_t count, const struct ngrams_context *c, const double *d)
{
    return c->total == 0 || count == 0
               ? 0
               : ((double)count - d[count < 3 ? count - 1 : 2]) / (double)c->total;
}

static double step(uint64_t count, const struct ngrams_context *c, const double *d, double lower)
{
    return share_kept(count, c, d) + share_lower(c, d) * lower;
}

static double uniform(const struct countmodel_ctx *r)
{
    return 1.0 / ngrams_info(r->m->ngrams)->d_vocab;
}

static double p1(const struct countmodel_ctx *r, uint32_t c)
{
    const struct ngrams_context left = rest_of(&r->m->left, &r->left);
    const uint64_t n = less(ngrams_word(r->m->ngrams, c)->left, find(r, OWN_LEFT_1, c)->count);
    return step(n, &left, r->m->discounts[NGRAMS_LEFT_1], uniform(r));
}

static struct ngrams_context after_1(const struct countmodel_ctx *r, uint32_t b)
{
    return rest_of(&ngrams_word(r->m->ngrams, b)->after, find(r, OWN_AFTER_1, b));
}

static struct ngrams_context left_after(const struct countmodel_ctx *r, uint32_t b)
{
    return rest_of(&ngrams_word(r->m->ngrams, b)->left_after, find(r, OWN_LEFT_AFTER, b));
}

static struct ngrams_context after_2(const struct countmodel_ctx *r, uint64_t ab)
{
    const struct ngrams_bigram bigram = ngrams_bigram(r->m->ngrams, ab);
    return rest_of(&bigram.after, find(r, OWN_AFTER_2, ab));
}

/* bc: the entry of (B, C). */
static double p2(const struct countmodel_ctx *r, uint32_t b, uint32_t c,
                 const struct ngrams_bigram *bc)
{
    const struct ngrams_context context = after_1(r, b);
    const uint64_t own = find(r, NGRAMS_BIGRAMS, ngrams_key2(r->bits, b, c))->count;
    return step(less(bc->count, own), &context, r->m->discounts[NGRAMS_BIGRAMS], p1(r, c));
}

static double p3(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c,
                 const struct ngrams_bigram *bc)
{
    const struct countmodel *m = r->m;
    const uint64_t key = ngrams_key3(r->bits, a, b, c), low = ngrams_key2(r->bits, b, c);
    const struct ngrams_context context = after_2(r, ngrams_key2(r->bits, a, b));
    const struct ngrams_context left = left_after(r, b);
    const double lower = step(less(bc->left, find(r, OWN_LEFT_2, low)->count), &left,
                              m->discounts[NGRAMS_LEFT_2], p1(r, c));
    if (context.total == 0) {
        return lower;
    }
    const uint64_t count =
        less(ngrams_count(m->ngrams, NGRAMS_TRIGRAMS, key), find(r, NGRAMS_TRIGRAMS, key)->count);
    return step(count, &context, m->discounts[NGRAMS_TRIGRAMS], lower);
}

/* P0, to which Pd backs off: it knows no other token. */
static double unigram(const struct countmodel_ctx *r, uint32_t c)
{
    const struct ngrams_info *info = ngrams_info(r->m->ngrams);
    const uint64_t count = less(ngrams_word(r->m->ngrams, c)->count, find(r, OWN_WORD, c)->count);
    const double all = (double)less(info->tokens, r->own_toks) + info->d_vocab;
    return ((double)count + 1) / all;
}

static struct ngrams_context after_skip(const struct countmodel_ctx *r, unsigned skip, uint32_t a)
{
    return rest_of(&ngrams_word(r->m->ngrams, a)->skip[skip], find(r, OWN_SKIP_AFTER + skip, a));
}

static double pd(const struct countmodel_ctx *r, unsigned skip, uint32_t a, uint32_t c,
                 double lower)
{
    const struct ngrams *n = r->m->ngrams;
    const unsigned table = NGRAMS_SKIP + skip;
    const uint64_t key = ngrams_key2(r->bits, a, c);
    const struct ngrams_context context = after_skip(r, skip, a);
    const uint64_t own = find(r, table, key)->count;
    return context.total == 0 ? lower
                              : step(less(ngrams_count(n, table, key), own), &context,
                                     r->m->discounts[table], lower);
}

/* The token d before token i, d <= i + 1. */
static uint32_t before(const struct count_text *t, size_t i, unsigned d)
{
    return d <= i ? t->ids[i - d] : t->first;
}

/* The greatest of all distances. */
static double best_skip(const struct countmodel_ctx *r, const struct count_text *t, size_t i)
{
    const uint32_t c = t->ids[i];
    const double lower = unigram(r, c);
    double best = 0;
    for (unsigned d = 2; d <= NGRAMS_SKIP_MAX && d <= i + 1; d++) {
        best = fmax(best, pd(r, ngrams_skip_of(d), before(t, i, d), c, lower));
    }
    return best;
}

/* With the counts of a corrupt file P may be anything. */
static double log_of(double p)
{
    return p > DBL_MIN ? log(fmin(p, 1)) : log(DBL_MIN);
}

double countmodel_ctx_score(const struct countmodel_ctx *r, const struct count_text *t, size_t i)
{
    const uint32_t c = t->ids[i], b = before(t, i, 1);
    const struct ngrams_bigram bc = ngrams_bigram(r->m->ngrams, ngrams_key2(r->bits, b, c));
    const bool longer = has_trigrams(r) && i > 0;
    double p = r->m->order == COUNT_TRIGRAM && longer ? 0 : p2(r, b, c, &bc);
    if (longer) {
        p = fmax(p, p3(r, before(t, i, 2), b, c, &bc));
    }
    if (has_skips(r)) {
        p = fmax(p, best_skip(r, t, i));
    }
    return log_of(p);
}

double countmodel_ctx_score_id(const struct countmodel_ctx *r, const struct count_text *t, size_t i,
                               uint32_t id)
{
    const uint32_t b = before(t, i, 1);
    const struct ngrams_bigram bc = ngrams_bigram(r->m->ngrams, ngrams_key2(r->bits, b, id));
    return log_of(r->m->order == COUNT_TRIGRAM && i > 0 ? p3(r, before(t, i, 2), b, id, &bc)
                                                        : p2(r, b, id, &bc));
}

// --- of ids --------------------------------------------------------------------------------------

double countmodel_ctx_p2(const struct countmodel_ctx *r, uint32_t b, uint32_t c)
{
    const struct ngrams_bigram bc = ngrams_bigram(r->m->ngrams, ngrams_key2(r->bits, b, c));
    return p2(r, b, c, &bc);
}

double countmodel_ctx_p3(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c)
{
    const struct ngrams_bigram bc = ngrams_bigram(r->m->ngrams, ngrams_key2(r->bits, b, c));
    return p3(r, a, b, c, &bc);
}

double countmodel_ctx_pd(const struct countmodel_ctx *r, unsigned skip, uint32_t a, uint32_t c)
{
    return pd(r, skip, a, c, unigram(r, c));
}

/* The sum over all X of P2(X|B) Pd(X|A) / P0(X).  P2 sums to 1, and Pd / P0 is the lower share of A
 * except for those X that were seen 2 tokens after A: only these need to be added. */
static double sum_added(const struct countmodel_ctx *r, uint32_t a, uint32_t b)
{
    const struct ngrams *n = r->m->ngrams;
    const double *d_a = r->m->discounts[NGRAMS_SKIP], *d_b = r->m->discounts[NGRAMS_BIGRAMS];
    const struct ngrams_context of_a = after_skip(r, 0, a), of_b = after_1(r, b);
    const double lower_b = share_lower(&of_b, d_b);
    double sum = share_lower(&of_a, d_a);
    struct ngrams_cursor ax, bx; // (A, X) and, in step with it, (B, X)
    ngrams_seek(&ax, n, NGRAMS_SKIP, ngrams_key2(r->bits, a, 0));
    ngrams_seek(&bx, n, NGRAMS_BIGRAMS, ngrams_key2(r->bits, b, 0));
    for (; ax.is && ax.key >> r->bits == a; ngrams_next(&ax)) {
        const uint64_t x = ax.key & ((UINT64_C(1) << r->bits) - 1);
        const uint64_t key = (uint64_t)b << r->bits | x;
        if (x >= ngrams_info(n)->d_vocab) {
            break;
        }
        while (bx.is && bx.key < key) {
            ngrams_next(&bx);
        }
        const uint64_t bigram = bx.is && bx.key == key ? bx.bigram.count : 0;
        const uint64_t count_b = less(bigram, find(r, NGRAMS_BIGRAMS, key)->count);
        const uint64_t count_a = less(ax.bigram.count, find(r, NGRAMS_SKIP, ax.key)->count);
        const double p = share_kept(count_b, &of_b, d_b) + lower_b * p1(r, (uint32_t)x);
        sum += p * share_kept(count_a, &of_a, d_a) / unigram(r, (uint32_t)x);
    }
    return sum;
}

double countmodel_ctx_added(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c)
{
    const double p0 = unigram(r, c), sum = sum_added(r, a, b);
    const double product = countmodel_ctx_p2(r, b, c) * (pd(r, 0, a, c, p0) / p0);
    return sum > 0 ? product / sum : 0;
}

// --- all tokens at once -------------------------------------------------------------------------

/* p[C] = lower share * p[C] + the share that the entries (key, C) of a table keep. */
static void step_all(const struct countmodel_ctx *r, unsigned table, uint64_t key, bool left,
                     const struct ngrams_context *context, double *p)
{
    const unsigned set = left ? NGRAMS_LEFT_2 : table, own = left ? OWN_LEFT_2 : table;
    const double *d = r->m->discounts[set], share = share_lower(context, d);
    const uint32_t d_vocab = ngrams_info(r->m->ngrams)->d_vocab;
    for (uint32_t c = 0; c < d_vocab; c++) {
        p[c] *= share;
    }
    struct ngrams_cursor at;
    ngrams_seek(&at, r->m->ngrams, table, key << r->bits);
    for (; at.is && at.key >> r->bits == key; ngrams_next(&at)) {
        const uint64_t c = at.key & ((UINT64_C(1) << r->bits) - 1);
        const uint64_t count = left ? at.bigram.left : at.bigram.count;
        if (c < d_vocab) {
            p[c] += share_kept(less(count, find(r, own, at.key)->count), context, d);
        }
    }
}

void countmodel_ctx_look(const struct countmodel_ctx *r, const struct count_text *t, size_t i,
                         double *p)
{
    const struct ngrams *n = r->m->ngrams;
    const uint32_t b = before(t, i, 1);
    for (uint32_t c = 0; c < ngrams_info(n)->d_vocab; c++) {
        p[c] = p1(r, c);
    }
    if (r->m->order == COUNT_BIGRAM || i == 0) {
        const struct ngrams_context context = after_1(r, b);
        step_all(r, NGRAMS_BIGRAMS, b, false, &context, p);
        return;
    }
    const uint64_t ab = ngrams_key2(r->bits, before(t, i, 2), b);
    const struct ngrams_context left = left_after(r, b), context = after_2(r, ab);
    step_all(r, NGRAMS_BIGRAMS, b, true, &left, p);
    step_all(r, NGRAMS_TRIGRAMS, ab, false, &context, p);
}
