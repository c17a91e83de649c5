#include "scan/suggest/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/histogram.h"
#include "out/read/place.h"

#define SQL_PLACES                                                                                 \
    "SELECT kind, activation, lo, shard, doc, token_index, tokens, activations FROM example"       \
    " WHERE model = ?1 AND layer = ?2 AND idx = ?3 AND split = 'dev'"                              \
    " AND kind IN ('top', 'interval', 'random') ORDER BY kind DESC, rank"

/* Shares of all tokens: a neuron is taken to fire on so many. */
static const double shares[] = {0.01, 0.0003, 0.001, 0.003, 0.03};
#define N_SHARES (sizeof shares / sizeof *shares)

struct place_key {
    int64_t shard, doc;
    uint32_t at;
    bool random;
};

/* What is needed while a sample is made. */
struct making {
    struct sample *s;
    struct reader *r;
    const struct vocabulary *v;
    struct place_key *keys;     // [s->n_places]
    double edges[SAMPLE_EDGES]; // ascending, lower ones
    size_t n_edges;
    double least_top;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_edge(struct making *m, double edge)
{
    if (m->n_edges < SAMPLE_EDGES && isfinite(edge)) {
        m->edges[m->n_edges++] = edge;
    }
}

/* The number of a place's document among those there are. */
static uint32_t doc_number(const struct making *m, const struct place_key *k)
{
    for (size_t i = 0; i < m->s->n_places; i++) {
        if (m->keys[i].shard == k->shard && m->keys[i].doc == k->doc) {
            return m->s->places[i].doc;
        }
    }
    return (uint32_t)m->s->n_docs++;
}

/* Is the same place there already? */
static bool is_there(const struct making *m, const struct place_key *k, const struct tokens *t)
{
    for (size_t i = 0; i < m->s->n_places; i++) {
        const struct tokens *o = &m->s->places[i].tokens;
        if (m->keys[i].shard == k->shard && m->keys[i].doc == k->doc && m->keys[i].at == k->at &&
            o->n == t->n && memcmp(o->ids, t->ids, t->n * sizeof *t->ids) == 0) {
            return true;
        }
    }
    return false;
}

static void add_token(struct making *m, size_t place, size_t at, double activation)
{
    struct sample *s = m->s;
    if (s->n_tokens < SAMPLE_TOKENS && isfinite(activation)) {
        s->tokens[s->n_tokens++] = (struct sample_token){
            .place = (uint32_t)place, .at = (uint32_t)at, .activation = activation};
    }
}

/* The place of the current row, whose ids are known. */
static void add_place(struct making *m, sqlite3_stmt *stmt, struct place_key *k, struct tokens *t,
                      struct json_object *activations)
{
    struct sample *s = m->s;
    const double activation = column_real(stmt, 1);
    if (is_there(m, k, t) ||
        (m->v->has_texts && reader_take(m->r, vocabulary_text(m->v, t, m->r->err)))) {
        free(t->ids);
        free(t->ends);
        return;
    }
    const size_t place = s->n_places;
    s->places[place] = (struct sample_place){.tokens = *t, .doc = doc_number(m, k)};
    m->keys[place] = *k;
    s->n_places++;
    for (size_t i = 0; i < t->n; i++) {
        if (i == k->at) {
            add_token(m, place, i, activation);
        } else if (k->random && i < list_length(activations)) {
            struct json_object *a = json_object_array_get_idx(activations, i);
            add_token(m, place, i, a ? json_object_get_double(a) : NAN);
        }
    }
}

static void read_place(struct making *m, sqlite3_stmt *stmt)
{
    const char *kind = column_text(stmt, 0);
    const int64_t at = sqlite3_column_int64(stmt, 5);
    struct place_key k = {.shard = sqlite3_column_int64(stmt, 3),
                          .doc = sqlite3_column_int64(stmt, 4),
                          .at = (uint32_t)at,
                          .random = strcmp(kind, "random") == 0};
    struct json_object *ids = column_json(stmt, 6), *activations = column_json(stmt, 7);
    struct tokens t = {.n = list_length(ids)};
    add_edge(m, strcmp(kind, "interval") == 0 ? column_real(stmt, 2) : NAN);
    if (strcmp(kind, "top") == 0 && column_real(stmt, 1) < m->least_top) {
        m->least_top = column_real(stmt, 1);
    }
    if (at >= 0 && (uint64_t)at < t.n && m->s->n_places < SAMPLE_PLACES) {
        t.ids = reader_new(m->r, t.n, sizeof *t.ids);
        for (size_t i = 0; t.ids && i < t.n; i++) {
            const int64_t id = json_object_get_int64(json_object_array_get_idx(ids, i));
            t.ids[i] = id >= 0 && id < UINT32_MAX ? (uint32_t)id : UINT32_MAX;
        }
        if (t.ids) {
            add_place(m, stmt, &k, &t, activations);
        }
    }
    json_object_put(ids);
    json_object_put(activations);
}

// --- weights ------------------------------------------------------------------------------------

/* Which interval an activation is in: the number of edges at or below it. */
static size_t interval_of(const struct making *m, double activation)
{
    size_t i = 0;
    while (i < m->n_edges && m->edges[i] <= activation) {
        i++;
    }
    return i;
}

/* Edges in order, each once. */
static void sort_edges(struct making *m)
{
    size_t n = 0;
    qsort(m->edges, m->n_edges, sizeof *m->edges, by_value);
    for (size_t i = 0; i < m->n_edges; i++) {
        if (n == 0 || m->edges[i] > m->edges[n - 1]) {
            m->edges[n++] = m->edges[i];
        }
    }
    m->n_edges = n;
}

static void weigh(struct making *m, const struct bins *bins, const uint64_t *counts)
{
    struct sample *s = m->s;
    double tokens[SAMPLE_EDGES + 1] = {0};
    size_t kept[SAMPLE_EDGES + 1] = {0};
    for (size_t b = 0; b < bins->n; b++) {
        const double lo = bins->items[b].lo, at = isfinite(lo) ? lo : -INFINITY;
        tokens[interval_of(m, at)] += (double)counts[b];
        s->n += (double)counts[b];
    }
    for (size_t i = 0; i < s->n_tokens; i++) {
        kept[interval_of(m, s->tokens[i].activation)]++;
    }
    for (size_t i = 0; i < s->n_tokens; i++) {
        const size_t k = interval_of(m, s->tokens[i].activation);
        s->tokens[i].weight = tokens[k] / (double)kept[k];
    }
}

/* Lower edges of bins from which on a share of all tokens lies, 0 at least; each once. */
static void choose_thresholds(struct sample *s, const struct bins *bins, const uint64_t *counts)
{
    for (size_t k = 0; k < N_SHARES; k++) {
        double sum = 0, threshold = 0;
        for (size_t b = bins->n; b-- > 0;) {
            sum += (double)counts[b];
            if (sum >= shares[k] * s->n || !(bins->items[b].lo > 0)) {
                threshold = bins->items[b].lo > 0 ? bins->items[b].lo : 0;
                break;
            }
        }
        bool is_new = true;
        for (size_t i = 0; i < s->n_thresholds; i++) {
            is_new = is_new && s->thresholds[i] != threshold;
        }
        if (is_new) {
            s->thresholds[s->n_thresholds++] = threshold;
        }
    }
}

static void read_weights(struct making *m, const int64_t key[3])
{
    struct reader *r = m->r;
    struct bins bins = {0};
    bins_read(&bins, r);
    uint64_t *counts = reader_new(r, bins.n, sizeof *counts);
    sqlite3_stmt *stmt = reader_query(
        r, "SELECT hist FROM neuron WHERE model = ?1 AND layer = ?2 AND idx = ?3", key);
    if (reader_step(r, stmt)) {
        bins_count(&bins, stmt, 0, counts);
        for (size_t b = 0; b < bins.n; b++) {
            if (bins.items[b].lo <= m->least_top && isfinite(m->least_top) &&
                (b + 1 == bins.n || bins.items[b + 1].lo > m->least_top)) {
                add_edge(m, bins.items[b].lo);
            }
        }
        sort_edges(m);
        weigh(m, &bins, counts);
        choose_thresholds(m->s, &bins, counts);
    }
    sqlite3_finalize(stmt);
    free(counts);
    bins_free(&bins);
}

/* The means by token, where the run has them, and that over all tokens. */
static void read_means(struct sample *s, struct reader *r, const int64_t key[3])
{
    s->means = reader_new(r, SAMPLE_MEANS, sizeof *s->means);
    sqlite3_stmt *stmt = reader_query(r,
                                      "SELECT token, mean FROM token_mean WHERE model = ?1"
                                      " AND layer = ?2 AND idx = ?3 ORDER BY rank",
                                      key);
    while (s->n_means < SAMPLE_MEANS && reader_step(r, stmt)) {
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const double mean = column_real(stmt, 1);
        if (id >= 0 && id < UINT32_MAX && isfinite(mean)) {
            s->means[s->n_means++] = (struct sample_mean){.id = (uint32_t)id, .mean = mean};
        }
    }
    sqlite3_finalize(stmt);
    stmt = reader_query(r, "SELECT mean FROM neuron WHERE model = ?1 AND layer = ?2 AND idx = ?3",
                        key);
    if (reader_step(r, stmt)) {
        s->mean = column_real(stmt, 0);
    }
    sqlite3_finalize(stmt);
}

int sample_read(struct sample *s, struct reader *r, const struct vocabulary *v,
                const int64_t key[3])
{
    struct making m = {.s = s, .r = r, .v = v, .least_top = INFINITY};
    m.keys = reader_new(r, SAMPLE_PLACES, sizeof *m.keys);
    s->places = reader_new(r, SAMPLE_PLACES, sizeof *s->places);
    s->tokens = reader_new(r, SAMPLE_TOKENS, sizeof *s->tokens);
    sqlite3_stmt *stmt = reader_query(r, SQL_PLACES, key);
    while (reader_step(r, stmt)) {
        read_place(&m, stmt);
    }
    sqlite3_finalize(stmt);
    read_weights(&m, key);
    read_means(s, r, key);
    free(m.keys);
    return r->rc;
}

void sample_free(struct sample *s)
{
    for (size_t i = 0; i < s->n_places; i++) {
        struct tokens *t = &s->places[i].tokens;
        free(t->ids);
        free(t->ends);
        free((void *)(uintptr_t)t->text);
    }
    free(s->places);
    free(s->tokens);
    free(s->means);
    *s = (struct sample){0};
}
