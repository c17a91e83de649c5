#include "out/results/token_means/token_means.h"

#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/fixed.h"
#include "out/results/varints.h"

#define NEURONS_MAX ((uint64_t)1 << 20) // of all models
#define PLACES_MAX ((uint64_t)1 << 47)  // of a token

// --- the shape ----------------------------------------------------------------------------------

/* The layers of all models with a site; their sizes are checked: a damaged run.db may say anything.
 */
static int list_layers(struct token_means_shape *s, const struct run *run, struct err *err)
{
    uint64_t first = 0;
    for (size_t i = 0; i < run->n_models; i++) {
        const struct run_model *m = &run->models[i];
        for (size_t l = 0; m->site[0] && l < m->n_layers; l++) {
            s->layers[s->n_layers++] = (struct token_means_layer){
                .model = (uint32_t)i, .layer = (uint32_t)l, .n = m->d_mlp, .first = (size_t)first};
            first += m->d_mlp;
            if (m->d_mlp == 0 || first > NEURONS_MAX) {
                return err_set(err, ERR_LIMIT, "means by token: at most %llu neurons",
                               (unsigned long long)NEURONS_MAX);
            }
        }
    }
    s->n = (size_t)first;
    return 0;
}

int token_means_shape_new(struct token_means_shape **out, const struct run *run, uint32_t asked,
                          struct err *err)
{
    size_t n_layers = 0;
    *out = NULL;
    for (size_t i = 0; i < run->n_models; i++) {
        n_layers += run->models[i].site[0] ? run->models[i].n_layers : 0;
    }
    if (n_layers == 0) {
        return 0;
    }
    struct token_means_shape *s = mem_zero(1, sizeof *s);
    int rc = s ? 0 : err_nomem(err, "means by token");
    if (rc) {
        return rc;
    }
    s->asked = asked;
    s->d_vocab = run_d_vocab(run);
    s->layers = mem_zero(n_layers, sizeof *s->layers);
    s->place = mem_new(s->d_vocab, sizeof *s->place);
    rc = s->layers && s->place ? 0 : err_nomem(err, "means by token");
    for (size_t i = 0; i < s->d_vocab && !rc; i++) {
        s->place[i] = TOKEN_MEANS_NONE;
    }
    rc = rc ? rc : list_layers(s, run, err);
    if (rc) {
        token_means_shape_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void token_means_shape_free(struct token_means_shape *s)
{
    if (!s) {
        return;
    }
    free(s->layers);
    free(s->ids);
    free(s->place);
    free(s);
}

struct counted {
    uint64_t count;
    uint32_t id;
};

static int by_count(const void *one, const void *other)
{
    const struct counted *a = one, *b = other;
    return a->count != b->count ? (a->count < b->count ? 1 : -1)
                                : (a->id > b->id) - (a->id < b->id);
}

int token_means_shape_choose(struct token_means_shape *s, const uint64_t *counts, struct err *err)
{
    struct counted *all = mem_new(s->d_vocab, sizeof *all);
    uint32_t *ids = mem_new(s->asked, sizeof *ids);
    size_t n = 0;
    if (!all || !ids) {
        free(all);
        free(ids);
        return err_nomem(err, "means by token");
    }
    for (size_t id = 0; id < s->d_vocab; id++) {
        if (counts[id] > 0) {
            all[n++] = (struct counted){.count = counts[id], .id = (uint32_t)id};
        }
    }
    qsort(all, n, sizeof *all, by_count);
    n = n < s->asked ? n : s->asked;
    for (size_t i = 0; i < n; i++) {
        s->place[all[i].id] = 0;
    }
    free(all);
    free(s->ids);
    s->ids = ids;
    s->n_tokens = 0;
    for (size_t id = 0; id < s->d_vocab; id++) {
        if (s->place[id] == 0) {
            s->place[id] = (uint32_t)s->n_tokens;
            ids[s->n_tokens++] = (uint32_t)id;
        }
    }
    s->chosen = true;
    return 0;
}

int token_means_shape_save(const struct token_means_shape *s, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->asked);
    bytes_put(&w, s->chosen);
    bytes_put(&w, s->n_tokens);
    for (size_t i = 0; i < s->n_tokens; i++) {
        bytes_put(&w, s->ids[i]);
    }
    return w.rc;
}

static void get_ids(struct token_means_shape *s, struct bytes_reader *r)
{
    uint64_t least = 0;
    const size_t n = bytes_get_n(r, s->asked, 8, "their tokens");
    s->ids = bytes_get_room(r, n, sizeof *s->ids, &s->n_tokens, "means by token");
    for (size_t i = 0; i < s->n_tokens && !r->rc; i++) {
        if (least >= s->d_vocab) {
            bytes_bad(r, "the order of their tokens");
            return;
        }
        s->ids[i] = (uint32_t)bytes_get(r, least, s->d_vocab - 1, "a token");
        s->place[s->ids[i]] = (uint32_t)i;
        least = (uint64_t)s->ids[i] + 1;
    }
}

int token_means_shape_load(struct token_means_shape **out, const struct run *run, const void *bytes,
                           size_t len, struct err *err)
{
    struct bytes_reader r = {
        .at = bytes, .left = len, .of = "the saved means by token", .err = err};
    struct token_means_shape *s = NULL;
    const uint32_t asked = (uint32_t)bytes_get(&r, 1, TOKEN_MEANS_MOST, "how many tokens");
    *out = NULL;
    int rc = r.rc ? r.rc : token_means_shape_new(&s, run, asked, err);
    if (rc) {
        return rc;
    }
    if (!s) {
        bytes_bad(&r, "there are no neurons");
        return r.rc;
    }
    s->chosen = bytes_get(&r, 0, 1, "whether its tokens are chosen") == 1;
    get_ids(s, &r);
    if (!r.rc && !s->chosen && s->n_tokens > 0) {
        bytes_bad(&r, "tokens that are not chosen");
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    if (r.rc) {
        token_means_shape_free(s);
        return r.rc;
    }
    *out = s;
    return 0;
}

int token_means_shape_same(const struct token_means_shape *a, const struct token_means_shape *b,
                           bool fixed, struct err *why)
{
    if (a->asked != b->asked) {
        return err_set(why, ERR_MISMATCH, "token-means: one has %u, the other %u", a->asked,
                       b->asked);
    }
    const bool same =
        !fixed || (a->chosen == b->chosen && a->n_tokens == b->n_tokens &&
                   (a->n_tokens == 0 || memcmp(a->ids, b->ids, a->n_tokens * sizeof *a->ids) == 0));
    return same ? 0 : err_set(why, ERR_MISMATCH, "token-means: they have other tokens");
}

// --- the whole ----------------------------------------------------------------------------------

int token_means_new(struct token_means **out, const struct token_means_shape *s, struct err *err)
{
    struct token_means *m = mem_zero(1, sizeof *m);
    *out = NULL;
    if (!m) {
        return err_nomem(err, "means by token");
    }
    m->shape = s;
    m->rows = mem_zero(s->n_tokens, sizeof *m->rows);
    if (!m->rows) {
        token_means_free(m);
        return err_nomem(err, "means by token");
    }
    *out = m;
    return 0;
}

void token_means_free(struct token_means *m)
{
    for (size_t i = 0; m && m->rows && i < m->shape->n_tokens; i++) {
        free(m->rows[i].sum);
        free(m->rows[i].left_out);
    }
    if (m) {
        free(m->rows);
    }
    free(m);
}

int token_means_need(struct token_means *m, size_t token, bool left_out, struct err *err)
{
    struct token_means_row *row = &m->rows[token];
    const size_t n = m->shape->n;
    row->sum = row->sum ? row->sum : mem_zero(n, sizeof *row->sum);
    if (left_out && !row->left_out) {
        row->left_out = mem_zero(n, sizeof *row->left_out);
    }
    return row->sum && (!left_out || row->left_out) ? 0 : err_nomem(err, "means by token");
}

/* to, whose sums there are, has room for what no sum of 'from' has. */
static void add_row(struct token_means_row *to, const struct token_means_row *from, size_t n)
{
    to->n += from->n;
    for (size_t i = 0; i < n; i++) {
        to->sum[i] = fixed_sum(to->sum[i], from->sum[i]);
    }
    for (size_t i = 0; from->left_out && i < n; i++) {
        to->left_out[i] += from->left_out[i];
    }
}

int token_means_merge(struct token_means *to, struct token_means *from, struct err *err)
{
    for (size_t t = 0; t < to->shape->n_tokens; t++) {
        struct token_means_row *a = &to->rows[t], *b = &from->rows[t];
        if (!b->sum) {
            continue;
        }
        if (!a->sum) {
            *a = *b;
            *b = (struct token_means_row){0};
            continue;
        }
        const int rc = token_means_need(to, t, b->left_out != NULL, err);
        if (rc) {
            return rc;
        }
        add_row(a, b, to->shape->n);
    }
    return 0;
}

/* Is item a before b: a greater mean, or the lower id? */
static bool before(const struct token_means_item *a, const struct token_means_item *b)
{
    return a->mean > b->mean || (a->mean == b->mean && a->token < b->token);
}

size_t token_means_greatest(const struct token_means *m, size_t neuron,
                            struct token_means_item *items)
{
    size_t n = 0;
    for (size_t t = 0; t < m->shape->n_tokens; t++) {
        const struct token_means_row *row = &m->rows[t];
        const uint64_t places = row->n - (row->left_out ? row->left_out[neuron] : 0);
        if (!row->sum || places < TOKEN_MEANS_N_LEAST) {
            continue;
        }
        const struct token_means_item item = {
            .token = t, .n = places, .mean = fixed_mean(row->sum[neuron], places)};
        if (n == TOKEN_MEANS_SHOWN && !before(&item, &items[n - 1])) {
            continue;
        }
        n += n < TOKEN_MEANS_SHOWN;
        size_t at = n - 1;
        for (; at > 0 && before(&item, &items[at - 1]); at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
    return n;
}

// --- as bytes -----------------------------------------------------------------------------------

/*
 * A piece is, for each of its tokens: n; where it is not 0, whether some activations are in no sum
 * (0, 1), the sums as zigzag numbers, and where there are such, how many of each neuron.
 */
size_t token_means_n_pieces(const struct token_means_shape *s)
{
    const size_t n = (s->n_tokens + TOKEN_MEANS_PIECE - 1) / TOKEN_MEANS_PIECE;
    return n > 0 ? n : 1;
}

static size_t piece_end(const struct token_means_shape *s, size_t piece)
{
    const size_t end = (piece + 1) * TOKEN_MEANS_PIECE;
    return end < s->n_tokens ? end : s->n_tokens;
}

int token_means_save(const struct token_means *m, size_t piece, struct buf *out, struct err *err)
{
    struct varints_writer w = {.to = out, .err = err};
    const size_t before = out->len, n = m->shape->n, end = piece_end(m->shape, piece);
    for (size_t t = piece * TOKEN_MEANS_PIECE; t < end && !w.rc; t++) {
        const struct token_means_row *row = &m->rows[t];
        varints_put(&w, row->n);
        if (row->n == 0) {
            continue;
        }
        varints_put(&w, row->left_out != NULL);
        varints_room(&w, row->left_out ? 2 * n : n);
        for (size_t i = 0; i < n && !w.rc; i++) {
            varints_next(out, varints_zigzag(row->sum[i]));
        }
        for (size_t i = 0; row->left_out && i < n && !w.rc; i++) {
            varints_next(out, row->left_out[i]);
        }
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

static int load_row(struct token_means *m, size_t token, struct varints_reader *r, struct err *err)
{
    struct token_means_row *row = &m->rows[token];
    const uint64_t n = varints_get(r, PLACES_MAX, "the places of a token");
    if (n == 0 || r->rc) {
        return r->rc;
    }
    const bool left_out = varints_get(r, 1, "whether activations are left out") == 1;
    if (!r->rc && r->left < m->shape->n) {
        varints_bad(r, "it is cut short");
    }
    const int rc = r->rc ? r->rc : token_means_need(m, token, left_out, err);
    if (rc) {
        return rc;
    }
    uint64_t any = 0;
    row->n = n;
    for (size_t i = 0; i < m->shape->n && !r->rc; i++) {
        row->sum[i] = varints_get_signed(r, "a sum");
    }
    for (size_t i = 0; left_out && i < m->shape->n && !r->rc; i++) {
        row->left_out[i] = varints_get(r, n, "activations that are left out");
        any |= row->left_out[i];
    }
    if (!r->rc && left_out && any == 0) {
        varints_bad(r, "no activation is left out");
    }
    return r->rc;
}

int token_means_load(struct token_means *m, size_t piece, const void *bytes, size_t len,
                     struct err *err)
{
    struct varints_reader r = {.at = bytes, .left = len, .of = "means by token", .err = err};
    const size_t end = piece_end(m->shape, piece);
    int rc = 0;
    for (size_t t = piece * TOKEN_MEANS_PIECE; t < end && !rc; t++) {
        rc = load_row(m, t, &r, err);
    }
    if (!rc && r.left > 0) {
        varints_bad(&r, "more bytes follow its end");
        rc = r.rc;
    }
    return rc;
}
