/*
 * The terms that come from a neuron's own examples: sets of tokens, and texts before them.
 */
#include "scan/suggest/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonw.h"
#include "scan/suggest/search.h"

#define MEMBERS_MOST 512
#define TEXT_BYTES 6 // the longest text before a token

// --- sets of tokens -----------------------------------------------------------------------------

struct member {
    uint32_t id;
    double tp, fp; // weights
    uint32_t first_doc;
    bool more_docs; // than one
};

static bool bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static double precision(const struct member *m)
{
    return m->tp / (m->tp + m->fp);
}

static int by_precision(const void *one, const void *other)
{
    const struct member *a = one, *b = other;
    const double x = precision(a), y = precision(b);
    return x != y           ? (x < y ? 1 : -1)
           : a->tp != b->tp ? (a->tp < b->tp ? 1 : -1)
                            : (a->id > b->id) - (a->id < b->id);
}

static struct member *find(struct member *items, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].id == id) {
            return &items[i];
        }
    }
    return NULL;
}

/* The tokens 'back' before one where it fires, with their weights there and elsewhere. */
static size_t list_members(const struct search *x, const uint64_t *within, size_t back,
                           struct member *items)
{
    size_t n = 0;
    for (size_t i = 0; i < x->s->n_tokens; i++) {
        const uint32_t id = sample_id(x->s, i, back);
        if (id == UINT32_MAX || !bit(x->fires, i) || bit(x->covered, i) ||
            (within && !bit(within, i))) {
            continue;
        }
        struct member *m = find(items, n, id);
        const uint32_t doc = x->s->places[x->s->tokens[i].place].doc;
        if (!m && n < MEMBERS_MOST) {
            m = &items[n++];
            *m = (struct member){.id = id, .first_doc = doc};
        }
        if (m) {
            m->tp += x->s->tokens[i].weight;
            m->more_docs = m->more_docs || m->first_doc != doc;
        }
    }
    for (size_t i = 0; i < x->s->n_tokens; i++) {
        if (!bit(x->fires, i) && (!within || bit(within, i))) {
            struct member *m = find(items, n, sample_id(x->s, i, back));
            if (m) {
                m->fp += x->s->tokens[i].weight;
            }
        }
    }
    return n;
}

/* At what share of its places a token may make it fire, at most, by its mean there: 0 where that is
 * the mean of all tokens, 1 where it is that of where it fires. */
static double share_by_mean(const struct search *x, uint32_t id)
{
    const struct sample *s = x->s;
    size_t i = 0;
    while (i < s->n_means && s->means[i].id != id) {
        i++;
    }
    if (s->n_means == 0 || !(x->fires_mean > s->mean)) {
        return 1;
    }
    const double mean = s->means[i < s->n_means ? i : s->n_means - 1].mean; // no greater than that
    const double share = (mean - s->mean) / (x->fires_mean - s->mean);
    return share < 0 ? 0 : share < 1 ? share : 1;
}

/* The tokens of the greatest means: the corpus speaks for them, in examples or not. */
static size_t add_means(const struct search *x, struct member *items, size_t n)
{
    for (size_t i = 0; i < x->s->n_means && n < MEMBERS_MOST; i++) {
        if (!find(items, n, x->s->means[i].id)) {
            items[n++] = (struct member){.id = x->s->means[i].id};
        }
    }
    return n;
}

/* Keeps those that more than one document or the corpus' counts speak for, best first.  Of a token
 * alone its places and its mean are known; of others the sample decides. */
static size_t choose_members(const struct search *x, const uint64_t *within, size_t back,
                             struct member *items, size_t n)
{
    const struct vocabulary *v = x->rules->vocabulary;
    const bool alone = back == 0 && !within;
    size_t kept = 0;
    n = alone ? add_means(x, items, n) : n;
    for (size_t i = 0; i < n; i++) {
        struct member m = items[i];
        const double places = m.id < v->n ? (double)v->items[m.id].places : 0;
        const bool known = alone && places > 0;
        if (known && x->s->n_means > 0) {
            m.tp = places * share_by_mean(x, m.id);
            m.fp = places - m.tp;
        } else if (places > 0) {
            m.tp = m.tp < places ? m.tp : places;
            m.fp = back == 0 && within ? m.fp : m.fp > places - m.tp ? m.fp : places - m.tp;
        }
        if (m.tp > 0 && (m.more_docs || (known && precision(&m) >= 0.5))) {
            items[kept++] = m;
        }
    }
    qsort(items, kept, sizeof *items, by_precision);
    return kept;
}

/* How many of them, from the best on, give the greatest F1. */
static size_t best_size(const struct search *x, const struct member *items, size_t n)
{
    double tp = 0, fp = 0, best = 0;
    size_t size = 0;
    for (size_t i = 0; i < n && i < SET_MOST; i++) {
        tp += items[i].tp;
        fp += items[i].fp;
        const double f1 = 2 * tp / (tp + fp + x->n_fires);
        if (f1 > best) {
            best = f1;
            size = i + 1;
        }
    }
    return size;
}

/* tokens: [[' a', ' b']], after: 1 */
static int set_yaml(const struct search *x, struct buf *yaml, const struct member *items, size_t n,
                    size_t back, struct err *err)
{
    const struct vocabulary *v = x->rules->vocabulary;
    bool texts = v->has_texts;
    for (size_t i = 0; i < n; i++) {
        texts = texts && items[i].id < v->n && v->items[items[i].id].is_text;
    }
    yaml->len = 0;
    int rc = buf_printf(yaml, err, "%s: [[", texts ? "tokens" : "ids");
    for (size_t i = 0; i < n && !rc; i++) {
        const uint32_t id = items[i].id;
        rc = i > 0 ? buf_printf(yaml, err, ", ") : 0;
        rc = rc      ? rc
             : texts ? jsonw_string(yaml, v->items[id].bytes, v->items[id].len, err)
                     : buf_printf(yaml, err, "%u", id);
    }
    rc = rc ? rc : buf_printf(yaml, err, "]]");
    return rc || back == 0 ? rc : buf_printf(yaml, err, ", after: %zu", back);
}

static int add_set(struct search *x, const uint64_t *within, size_t back, struct err *err)
{
    struct member items[MEMBERS_MOST];
    const struct vocabulary *v = x->rules->vocabulary;
    struct term *t = &x->terms[x->n_terms];
    size_t n = list_members(x, within, back, items);
    n = choose_members(x, within, back, items, n);
    n = best_size(x, items, n);
    if (n == 0 || x->n_terms == TERMS_MOST) {
        return 0;
    }
    memset(t->bits, 0, x->n_words * sizeof *t->bits);
    t->places = t->most = 0;
    for (size_t k = 0; k < n; k++) {
        t->most += items[k].tp;
        t->places += items[k].id < v->n ? (double)v->items[items[k].id].places : 0;
    }
    for (size_t i = 0; i < x->s->n_tokens; i++) {
        if (find(items, n, sample_id(x->s, i, back))) {
            t->bits[i / 64] |= UINT64_C(1) << i % 64;
        }
    }
    t->most = back == 0 && !within && x->s->n_means > 0 ? t->most : INFINITY;
    x->n_terms++;
    return set_yaml(x, &t->yaml, items, n, back, err);
}

int search_add_sets(struct search *x, const uint64_t *within, struct err *err)
{
    int rc = 0;
    for (size_t back = 0; back < 3 && !rc; back++) {
        rc = add_set(x, within, back, err);
    }
    return rc;
}

// --- texts before a token -----------------------------------------------------------------------

/* What stands before a token: len bytes, whole characters; NULL: that is not there. */
static const char *text_before(const struct search *x, size_t token, size_t len)
{
    const struct sample_token *t = &x->s->tokens[token];
    const struct tokens *doc = &x->s->places[t->place].tokens;
    const size_t begin = t->at > 0 ? doc->ends[t->at - 1] : 0;
    return begin >= len && vocabulary_is_plain(doc->text + begin - len, len) &&
                   ((unsigned char)doc->text[begin - len] & 0xc0) != 0x80 &&
                   (begin == doc->text_len || ((unsigned char)doc->text[begin] & 0xc0) != 0x80)
               ? doc->text + begin - len
               : NULL;
}

/* regex: '...', mark: next */
static int text_yaml(struct buf *yaml, const char *text, size_t len, struct err *err)
{
    yaml->len = 0;
    int rc = buf_printf(yaml, err, "regex: \"");
    for (size_t i = 0; i < len && !rc; i++) {
        const unsigned char c = (unsigned char)text[i];
        rc = c == '"' || c == '\\'        ? buf_printf(yaml, err, c == '"' ? "\\\"" : "\\\\\\\\")
             : c < 0x20 || c == 0x7f      ? buf_printf(yaml, err, "\\\\x%02X", c)
             : strchr(".^$*+?()[]{}|", c) ? buf_printf(yaml, err, "\\\\%c", c)
                                          : buf_append(yaml, text + i, 1, err);
    }
    return rc ? rc : buf_printf(yaml, err, "\", mark: next");
}

/* The weights, and whether SEARCH_DOCS documents have it, of one text before a token. */
static double text_f1(const struct search *x, const char *text, size_t len)
{
    double tp = 0, fp = 0;
    memset(x->spare, 0, x->n_words * sizeof *x->spare);
    for (size_t i = 0; i < x->s->n_tokens; i++) {
        const char *other = text_before(x, i, len);
        if (!other || memcmp(other, text, len) != 0 || bit(x->covered, i)) {
            continue;
        }
        if (bit(x->fires, i)) {
            tp += x->s->tokens[i].weight;
            x->spare[i / 64] |= UINT64_C(1) << i % 64;
        } else {
            fp += x->s->tokens[i].weight;
        }
    }
    return search_docs(x, x->spare) < SEARCH_DOCS ? 0 : 2 * tp / (tp + fp + x->n_fires);
}

struct found {
    const char *text;
    size_t len;
    double f1;
};

/* Keeps the best, each once; of equal ones the shorter. */
static size_t keep(struct found *items, size_t n, struct found f)
{
    size_t at = n;
    for (size_t i = 0; i < n; i++) {
        if (items[i].len == f.len && memcmp(items[i].text, f.text, f.len) == 0) {
            return n;
        }
    }
    while (at > 0 && items[at - 1].f1 < f.f1) {
        at--;
    }
    if (at == TEXTS_MOST) {
        return n;
    }
    n += n < TEXTS_MOST;
    memmove(items + at + 1, items + at, (n - at - 1) * sizeof *items);
    items[at] = f;
    return n;
}

/* How often a token ends in it, as far as that is known. */
static double places_behind(const struct vocabulary *v, const char *text, size_t len)
{
    double places = 0;
    for (size_t id = 0; id < v->n; id++) {
        const struct vocabulary_token *t = &v->items[id];
        if (t->places > 0 && t->len >= len && memcmp(t->bytes + t->len - len, text, len) == 0) {
            places += (double)t->places;
        }
    }
    return places;
}

int search_add_texts(struct search *x, struct err *err)
{
    struct found items[TEXTS_MOST];
    size_t n = 0;
    int rc = 0;
    for (size_t len = 2; len <= TEXT_BYTES && x->rules->vocabulary->has_texts; len++) {
        for (size_t i = 0; i < x->s->n_tokens; i++) {
            if (!bit(x->fires, i) || bit(x->covered, i)) {
                continue;
            }
            const char *text = text_before(x, i, len);
            const double f1 = text ? text_f1(x, text, len) : 0;
            n = f1 > 0 ? keep(items, n, (struct found){text, len, f1}) : n;
        }
    }
    for (size_t i = 0; i < n && x->n_terms < TERMS_MOST && !rc; i++) {
        struct term *t = &x->terms[x->n_terms];
        t->most = INFINITY;
        t->places = places_behind(x->rules->vocabulary, items[i].text, items[i].len);
        rc = text_yaml(&t->yaml, items[i].text, items[i].len, err);
        rc = rc ? rc : rules_label_yaml(x->rules, t->yaml.data, t->yaml.len, x->s, t->bits, err);
        x->n_terms++;
    }
    return rc;
}
