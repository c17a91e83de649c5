#include "out/results/token_means/token_means_collector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/fixed.h"
#include "out/results/neurons/neurons.h"
#include "out/sql/sql.h"

/* What a worker has: sums over the unit, of the tokens that it holds alone. */
struct part {
    const struct token_means_shape *shape;
    const struct unit_tokens *unit;
    uint32_t *row_of; // [n_tokens] a token's row in the unit, or TOKEN_MEANS_NONE
    uint32_t *row;    // [tokens of the unit] that of the token's id, or TOKEN_MEANS_NONE
    size_t row_cap;
    uint32_t *tokens; // [n_rows] index in the shape's
    uint64_t *places; // [n_rows]
    size_t n_rows, tokens_cap, places_cap;
    int64_t *sums; // of each layer [n_rows][its neurons], in 2^-20
    size_t sums_cap;
    struct left_out {
        uint32_t row, neuron;
    } * left_out; // [n_left_out] activations that are in no sum
    size_t n_left_out, left_out_cap;
};

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct token_means_shape *s = NULL; // of a new run: whoever makes it joins it
    const int rc = saved ? token_means_shape_load(&s, run, saved, len, err) : 0;
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    token_means_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    return token_means_shape_save(shape, out, err);
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    return token_means_shape_same(a, b, fixed, why);
}

/* How many tokens there may be. */
static size_t most_tokens(const struct token_means_shape *s)
{
    return s->chosen ? s->n_tokens : s->asked < s->d_vocab ? s->asked : s->d_vocab;
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    return buf_printf(out, err, "means at %zu tokens", most_tokens(shape));
}

/* A unit may hold all tokens; one that is not finite takes 8 bytes more, and 8 in the whole. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct token_means_shape *s = shape;
    const uint64_t n = (uint64_t)most_tokens(s) * s->n;
    const uint64_t piece = TOKEN_MEANS_PIECE < most_tokens(s) ? TOKEN_MEANS_PIECE : most_tokens(s);
    out->whole = n * sizeof(__int128);
    out->part = n * sizeof(int64_t);
    out->saving = piece * s->n * 8; // sums of up to 56 bits
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    const struct token_means_shape *s = shape;
    for (size_t i = 0; i < s->n_layers; i++) {
        if (s->layers[i].model == model) {
            out->see = ROW_BIT(neurons_row_site(run->models[model].site));
        }
    }
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (!p) {
        return;
    }
    void *const own[] = {p->row_of, p->row, p->tokens, p->places, p->sums, p->left_out};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(p);
}

static int part_new(void **out, const void *shape, struct err *err)
{
    const struct token_means_shape *s = shape;
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "means by token");
    }
    p->shape = s;
    p->row_of = mem_new(s->n_tokens, sizeof *p->row_of);
    if (!p->row_of) {
        part_free(p);
        return err_nomem(err, "means by token");
    }
    memset(p->row_of, 0xff, s->n_tokens * sizeof *p->row_of);
    *out = p;
    return 0;
}

/* Gives the token in hand a row of its id, where it has one of the shape's. */
static int add_token(struct part *p, size_t at, struct err *err)
{
    const uint32_t id = p->unit->ids[at];
    const uint32_t token = id < p->shape->d_vocab ? p->shape->place[id] : TOKEN_MEANS_NONE;
    if (token == TOKEN_MEANS_NONE || unit_skips(p->unit, at)) {
        return 0;
    }
    if (p->row_of[token] == TOKEN_MEANS_NONE) {
        int rc = mem_reserve(&p->tokens, &p->tokens_cap, p->n_rows + 1, sizeof *p->tokens,
                             "means by token", err);
        rc = rc ? rc
                : mem_reserve(&p->places, &p->places_cap, p->n_rows + 1, sizeof *p->places,
                              "means by token", err);
        if (rc) {
            return rc;
        }
        p->tokens[p->n_rows] = token;
        p->places[p->n_rows] = 0;
        p->row_of[token] = (uint32_t)p->n_rows++;
    }
    p->row[at] = p->row_of[token];
    p->places[p->row[at]]++;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    struct part *p = part;
    for (size_t r = 0; r < p->n_rows; r++) {
        p->row_of[p->tokens[r]] = TOKEN_MEANS_NONE;
    }
    p->unit = unit;
    p->n_rows = p->n_left_out = 0;
    if (unit->n > TOKEN_MEANS_UNIT_MAX) {
        return err_set(err, ERR_LIMIT, "means by token: a unit of %zu tokens; --token-means 0",
                       unit->n);
    }
    int rc = mem_reserve(&p->row, &p->row_cap, unit->n, sizeof *p->row, "means by token", err);
    for (size_t i = 0; i < unit->n && !rc; i++) {
        p->row[i] = TOKEN_MEANS_NONE;
    }
    for (size_t d = 0; d < unit->n_docs && !rc; d++) {
        const struct unit_tokens_doc *doc = &unit->docs[d];
        for (size_t i = 0; i < doc->n && !rc; i++) {
            rc = add_token(p, doc->begin + i, err);
        }
    }
    const size_t n = p->n_rows * p->shape->n;
    rc = rc ? rc : mem_reserve(&p->sums, &p->sums_cap, n, sizeof *p->sums, "means by token", err);
    if (!rc && n > 0) {
        memset(p->sums, 0, n * sizeof *p->sums);
    }
    return rc;
}

/* Adds n activations, all below TOKEN_MEANS_ACT_MAX in size: to the nearest unit, ties to even.
 * Below 2^51 in size, a number added to 1.5 * 2^52 is rounded to a whole one, which its low bits
 * are. */
static void add_acts(int64_t *restrict sums, const float *restrict acts, size_t n)
{
    const double shift = 0x1.8p52;
    int64_t shift_bits;
    memcpy(&shift_bits, &shift, sizeof shift_bits);
    for (size_t i = 0; i < n; i++) {
        const double moved = (double)acts[i] * (double)FIXED_ONE + shift;
        int64_t bits;
        memcpy(&bits, &moved, sizeof bits);
        sums[i] += bits - shift_bits;
    }
}

/* The same where one is not. */
static int add_odd_acts(struct part *p, uint32_t row, size_t first, int64_t *sums,
                        const float *acts, size_t n, struct err *err)
{
    int rc = mem_reserve(&p->left_out, &p->left_out_cap, p->n_left_out + n, sizeof *p->left_out,
                         "means by token", err);
    for (size_t i = 0; i < n && !rc; i++) {
        if (fabsf(acts[i]) < TOKEN_MEANS_ACT_MAX) {
            add_acts(sums + i, acts + i, 1);
        } else {
            p->left_out[p->n_left_out++] =
                (struct left_out){.row = row, .neuron = (uint32_t)(first + i)};
        }
    }
    return rc;
}

static bool all_fit(const float *acts, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        bad |= !(fabsf(acts[i]) < TOKEN_MEANS_ACT_MAX);
    }
    return !bad;
}

static int see(void *part, size_t model, size_t layer, enum row_site site,
               const struct unit_block *block, const float *rows, struct err *err)
{
    (void)site; // there is one
    struct part *p = part;
    const struct token_means_shape *s = p->shape;
    size_t of = 0, token = block->begin;
    while (s->layers[of].model != model || s->layers[of].layer != layer) {
        of++;
    }
    const size_t n = s->layers[of].n, first = s->layers[of].first;
    int64_t *sums = p->sums + first * p->n_rows;
    int rc = 0;
    for (size_t k = 0; k < block->n_windows; k++) {
        rows += n; // what stands before the window
        for (size_t i = 0; i < block->windows[k] && !rc; i++, token++, rows += n) {
            const uint32_t row = p->row[token];
            if (row == TOKEN_MEANS_NONE) {
                continue;
            }
            if (all_fit(rows, n)) {
                add_acts(sums + row * n, rows, n);
            } else {
                rc = add_odd_acts(p, row, first, sums + row * n, rows, n, err);
            }
        }
    }
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct token_means *m = NULL;
    const int rc = token_means_new(&m, shape, err);
    *out = m;
    return rc;
}

static void whole_free(void *whole)
{
    token_means_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    struct token_means *m = whole;
    const struct part *p = part;
    const struct token_means_shape *s = p->shape;
    for (size_t r = 0; r < p->n_rows; r++) {
        const int rc = token_means_need(m, p->tokens[r], false, err);
        if (rc) {
            return rc;
        }
        struct token_means_row *row = &m->rows[p->tokens[r]];
        row->n += p->places[r];
        for (size_t l = 0; l < s->n_layers; l++) {
            const size_t n = s->layers[l].n, first = s->layers[l].first;
            const int64_t *sums = p->sums + first * p->n_rows + r * n;
            for (size_t i = 0; i < n; i++) {
                row->sum[first + i] = fixed_sum(row->sum[first + i], sums[i]);
            }
        }
    }
    for (size_t i = 0; i < p->n_left_out; i++) {
        const size_t token = p->tokens[p->left_out[i].row];
        const int rc = token_means_need(m, token, true, err);
        if (rc) {
            return rc;
        }
        m->rows[token].left_out[p->left_out[i].neuron]++;
    }
    return 0;
}

static int merge(void *whole, void *from, struct err *err)
{
    return token_means_merge(whole, from, err);
}

static size_t n_pieces(const void *shape)
{
    return token_means_n_pieces(shape);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    return token_means_save(whole, piece, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    return token_means_load(whole, piece, bytes, len, err);
}

// --- run.db -------------------------------------------------------------------------------------

static int write_neurons(const struct sql *sql, const struct token_means *m, struct err *err)
{
    struct rows w;
    struct token_means_item items[TOKEN_MEANS_SHOWN];
    rows_anew(&w, sql, "DELETE FROM token_mean", "INSERT INTO token_mean VALUES(?,?,?,?,?,?,?)",
              err);
    for (size_t l = 0; l < m->shape->n_layers; l++) {
        const struct token_means_layer *layer = &m->shape->layers[l];
        for (size_t i = 0; i < layer->n; i++) {
            const size_t n = token_means_greatest(m, layer->first + i, items);
            for (size_t k = 0; k < n && !w.rc; k++) {
                rows_u64(&w, layer->model);
                rows_u64(&w, layer->layer);
                rows_u64(&w, i);
                rows_u64(&w, k + 1);
                rows_u64(&w, m->shape->ids[items[k].token]);
                rows_u64(&w, items[k].n);
                rows_real(&w, items[k].mean);
                rows_next(&w);
            }
        }
    }
    return rows_close(&w);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct token_means *m = whole;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM token_mean_token", "INSERT INTO token_mean_token VALUES(?,?)",
              err);
    for (size_t t = 0; t < m->shape->n_tokens && !w.rc; t++) {
        rows_u64(&w, m->shape->ids[t]);
        rows_u64(&w, m->rows[t].n);
        rows_next(&w);
    }
    const int rc = rows_close(&w);
    return rc ? rc : write_neurons(sql, m, err);
}

extern const char token_means_sql[]; // out/results/token_means/token_means.sql

const struct collector_kind token_means_collector = {
    .name = "tokenmeans",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .see = see,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .n_pieces = n_pieces,
    .save = save,
    .load = load,
    .sql = token_means_sql,
    .write = write_tables,
};

struct token_means_shape *token_means_shape_in(const struct results *r)
{
    const struct collector *c = results_find(r, &token_means_collector);
    return c ? c->shape : NULL;
}
