#include "out/results/heads/heads_unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* A head in the document in hand. */
struct of_doc {
    uint64_t n;  // tokens with a dla
    int64_t dla; // their sum, in units
};

struct heads_unit {
    const struct heads_shape *shape;
    const struct unit_tokens *unit;
    uint32_t *doc_of;      // [tokens of the unit] NONE: it counts nowhere
    unsigned char *repeat; // [tokens of the unit] 1: its id stands earlier in its window
    size_t doc_of_cap, repeat_cap;
    uint32_t *stamp;         // [d_vocab] 1 + the last window in which an id was seen
    uint32_t *doc;           // [n_layers] the document in hand, or NONE
    struct of_doc *of_doc;   // [n] of the document in hand
    struct heads_sums *sums; // [n]
    int64_t *layer_sums;     // [HEADS_SUMS][most heads of a layer] of the block in hand
    size_t most_heads;
};

// --- new and free -------------------------------------------------------------------------------

static size_t count_most_heads(const struct heads_shape *s)
{
    size_t most = 0;
    for (size_t l = 0; l < s->n_layers; l++) {
        most = s->layers[l].n > most ? s->layers[l].n : most;
    }
    return most;
}

int heads_unit_new(struct heads_unit **out, const struct heads_shape *s, struct err *err)
{
    struct heads_unit *u = mem_zero(1, sizeof *u);
    if (!u) {
        return err_nomem(err, "heads");
    }
    u->shape = s;
    u->most_heads = count_most_heads(s);
    u->stamp = mem_zero(s->d_vocab, sizeof *u->stamp);
    u->doc = mem_zero(s->n_layers, sizeof *u->doc);
    u->of_doc = mem_zero(s->n, sizeof *u->of_doc);
    u->sums = mem_zero(s->n, sizeof *u->sums);
    u->layer_sums = mem_zero(HEADS_SUMS * u->most_heads, sizeof *u->layer_sums);
    if (!u->stamp || !u->doc || !u->of_doc || !u->sums || !u->layer_sums) {
        heads_unit_free(u);
        return err_nomem(err, "heads");
    }
    *out = u;
    return 0;
}

void heads_unit_free(struct heads_unit *u)
{
    if (!u) {
        return;
    }
    void *const own[] = {u->doc_of, u->repeat, u->stamp, u->doc, u->of_doc, u->sums, u->layer_sums};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(u);
}

uint64_t heads_unit_bytes(const struct heads_shape *s)
{
    return s->n * (sizeof(struct of_doc) + sizeof(struct heads_sums)) +
           s->d_vocab * sizeof(uint32_t);
}

// --- a unit -------------------------------------------------------------------------------------

/* Marks the tokens whose id stands earlier in their window, what stands before the window's tokens
 * included. */
static void mark_repeats(struct heads_unit *u)
{
    const struct unit_tokens *t = u->unit;
    uint32_t window = 0;
    size_t d = 0;
    memset(u->stamp, 0, u->shape->d_vocab * sizeof *u->stamp);
    for (size_t i = 0; i < t->n; i++) {
        while (d + 1 < t->n_docs && t->docs[d + 1].begin <= i) {
            d++;
        }
        if (t->pos[i] == 1) {
            window++;
            u->stamp[t->docs[d].first] = window;
        }
        u->repeat[i] = u->stamp[t->ids[i]] == window;
        u->stamp[t->ids[i]] = window;
    }
}

int heads_unit_begin(struct heads_unit *u, const struct unit_tokens *unit, struct err *err)
{
    u->unit = unit;
    memset(u->sums, 0, u->shape->n * sizeof *u->sums);
    memset(u->of_doc, 0, u->shape->n * sizeof *u->of_doc);
    memset(u->doc, 0xff, u->shape->n_layers * sizeof *u->doc);
    if (unit->n > HEADS_UNIT_MAX) {
        return err_set(err, ERR_LIMIT, "heads: a unit of %zu tokens; --no-heads", unit->n);
    }
    int rc = mem_reserve(&u->doc_of, &u->doc_of_cap, unit->n, sizeof *u->doc_of, "heads", err);
    rc =
        rc ? rc : mem_reserve(&u->repeat, &u->repeat_cap, unit->n, sizeof *u->repeat, "heads", err);
    if (rc || unit->n == 0) {
        return rc;
    }
    memset(u->doc_of, 0xff, unit->n * sizeof *u->doc_of);
    for (size_t d = 0; d < unit->n_docs; d++) {
        for (size_t i = unit->docs[d].begin; i < unit->docs[d].begin + unit->docs[d].n; i++) {
            u->doc_of[i] = unit_skips(unit, i) ? NONE : (uint32_t)d;
        }
    }
    mark_repeats(u);
    return 0;
}

/* The document of a layer's heads has ended. */
static void end_doc(struct heads_unit *u, size_t layer)
{
    const struct heads_layer *l = &u->shape->layers[layer];
    for (size_t h = l->first; h < l->first + l->n && u->doc[layer] != NONE; h++) {
        moments_add(&u->sums[h].dla, u->of_doc[h].dla, u->of_doc[h].n);
        u->of_doc[h] = (struct of_doc){0};
    }
    u->doc[layer] = NONE;
}

/* To the nearest whole number, ties to even, of a value below 2^51: added to 1.5 * 2^52 it is
 * rounded to a whole one, which its low bits are. */
static int64_t to_whole(double value)
{
    const double shift = 0x1.8p52, moved = value + shift;
    int64_t bits, shift_bits;
    memcpy(&bits, &moved, sizeof bits);
    memcpy(&shift_bits, &shift, sizeof shift_bits);
    return bits - shift_bits;
}

/* Are all values of a head at a row ones that a sum can hold?  at: of the head and row. */
static bool fits(const float *const values[HEAD_MOMENTS], size_t at)
{
    bool bad = false;
    for (enum head_moment m = 0; m < HEAD_MOMENTS; m++) {
        bad |= !(fabsf(values[m][at]) < heads_most(m));
    }
    return !bad;
}

/* The token in hand, whose row is 'row' of the block. */
static void add_token(struct heads_unit *u, const struct heads_layer *l, size_t token,
                      bool has_next, size_t row, const float *const values[HEAD_MOMENTS])
{
    for (size_t h = 0; h < l->n; h++) {
        struct heads_sums *s = &u->sums[l->first + h];
        const size_t at = row * l->n + h;
        if (!fits(values, at)) {
            s->n_beyond++;
            continue;
        }
        s->n++;
        s->n_repeat += u->repeat[token];
        for (enum head_moment m = 0; m < HEAD_DLA; m++) {
            u->layer_sums[m * u->most_heads + h] += to_whole((double)values[m][at] * heads_unit(m));
        }
        if (has_next) {
            u->of_doc[l->first + h].n++;
            u->of_doc[l->first + h].dla += to_whole((double)values[HEAD_DLA][at] * HEADS_DLA_UNIT);
        }
    }
}

int heads_unit_see(struct heads_unit *u, size_t model, size_t of_model,
                   const struct unit_block *block, const float *const values[HEAD_MOMENTS],
                   struct err *err)
{
    (void)err;
    const size_t layer = heads_find_layer(u->shape, model, of_model);
    const struct heads_layer *l = &u->shape->layers[layer];
    size_t token = block->begin, row = 0;
    memset(u->layer_sums, 0, HEADS_SUMS * u->most_heads * sizeof *u->layer_sums);
    for (size_t k = 0; k < block->n_windows; k++) {
        row++; // what stands before the window
        for (size_t i = 0; i < block->windows[k]; i++, token++, row++) {
            const uint32_t doc = u->doc_of[token];
            if (doc == NONE) {
                continue;
            }
            if (u->doc[layer] != doc) {
                end_doc(u, layer);
                u->doc[layer] = doc;
            }
            add_token(u, l, token, i + 1 < block->windows[k] && u->doc_of[token + 1] != NONE, row,
                      values);
        }
    }
    for (size_t h = 0; h < l->n; h++) {
        for (size_t m = 0; m < HEADS_SUMS; m++) {
            u->sums[l->first + h].sums[m] += u->layer_sums[m * u->most_heads + h];
        }
    }
    return 0;
}

int heads_unit_end(struct heads_unit *u, const struct unit_models *models, struct err *err)
{
    (void)models;
    (void)err;
    for (size_t l = 0; l < u->shape->n_layers; l++) {
        end_doc(u, l);
    }
    return 0;
}

int heads_unit_add(struct heads *to, struct heads_unit *u, struct err *err)
{
    (void)err;
    heads_add_sums(to, u->sums);
    return 0;
}
