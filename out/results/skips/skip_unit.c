#include "out/results/skips/skip_unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A place of a pair. */
struct place {
    uint32_t token, a; // of the unit: B, and the latest A before it
    uint32_t pair, doc;
};

/* A sum over the places of the document in hand. */
struct own_sum {
    __int128 sum;
    uint64_t n;
};

struct skip_unit {
    const struct skip_shape *shape;
    const struct unit_tokens *unit;
    size_t row;           // sums of a cell
    struct place *places; // [n_places] ascending by token, pair
    size_t n_places, places_cap;
    size_t next;    // the first place whose block has not come
    uint32_t doc;   // that of the places before it
    uint64_t *last; // [n_as] 1 + where an A stood last in the unit; 0: nowhere

    uint32_t *slot_of;      // [n_cells] SKIP_NONE: the unit has no place of it
    uint32_t *cells;        // [n_slots]
    struct moments *sums;   // [n_slots][row]
    struct own_sum *of_doc; // [n_slots][row]
    size_t n_slots, cells_cap, sums_cap, of_doc_cap;
    uint32_t *touched; // [n_touched] slots of the document in hand
    size_t n_touched, touched_cap;

    struct example_list *lists; // [n_pairs]
    uint32_t *listed;           // [n_listed] pairs with a list that may not be empty
    size_t n_listed, listed_cap;
};

int skip_unit_new(struct skip_unit **out, const struct skip_shape *s, struct err *err)
{
    struct skip_unit *u = mem_zero(1, sizeof *u);
    if (!u) {
        return err_nomem(err, "skip-trigrams");
    }
    u->shape = s;
    u->row = skip_row(s->n_models);
    u->last = mem_zero(s->n_as, sizeof *u->last);
    u->slot_of = mem_new(s->n_cells, sizeof *u->slot_of);
    u->lists = mem_zero(s->n_pairs, sizeof *u->lists);
    if (!u->last || !u->slot_of || !u->lists) {
        skip_unit_free(u);
        return err_nomem(err, "skip-trigrams");
    }
    memset(u->slot_of, 0xff, s->n_cells * sizeof *u->slot_of);
    *out = u;
    return 0;
}

void skip_unit_free(struct skip_unit *u)
{
    if (!u) {
        return;
    }
    for (size_t p = 0; u->lists && p < u->shape->n_pairs; p++) {
        example_list_free(&u->lists[p]);
    }
    void *const own[] = {u->places, u->last,    u->slot_of, u->cells, u->sums,
                         u->of_doc, u->touched, u->lists,   u->listed};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(u);
}

// --- places -------------------------------------------------------------------------------------

/* Lists the places of token i, a B behind which something of its document and window follows; A
 * counts from 'from' on. */
static int list_places(struct skip_unit *u, size_t i, size_t from, uint32_t doc, struct err *err)
{
    const struct skip_shape *s = u->shape;
    const uint32_t b = u->unit->ids[i];
    int rc = 0;
    if (b >= s->n_ids || s->of_b[b] == SKIP_NONE) {
        return 0;
    }
    for (size_t p = s->of_b[b]; p < s->n_pairs && s->pairs[p].b == b && !rc; p++) {
        const uint64_t last = u->last[s->pairs[p].a];
        if (last <= from) {
            continue;
        }
        rc = mem_reserve(&u->places, &u->places_cap, u->n_places + 1, sizeof *u->places,
                         "skip-trigrams", err);
        if (!rc) {
            u->places[u->n_places++] = (struct place){
                .token = (uint32_t)i, .a = (uint32_t)(last - 1), .pair = (uint32_t)p, .doc = doc};
        }
    }
    return rc;
}

static int list_doc(struct skip_unit *u, uint32_t d, struct err *err)
{
    const struct skip_shape *s = u->shape;
    const struct unit_tokens *unit = u->unit;
    const size_t begin = unit->docs[d].begin, end = begin + unit->docs[d].n;
    size_t from = begin; // the window's first token
    int rc = 0;
    for (size_t i = begin; i < end && !rc; i++) {
        const uint32_t id = unit->ids[i];
        from = unit->pos[i] == 1 ? i : from;
        if (unit_skips(unit, i)) {
            continue;
        }
        if (i + 1 < end && unit->pos[i + 1] != 1 && !unit_skips(unit, i + 1)) {
            rc = list_places(u, i, from, d, err);
        }
        if (id < s->n_ids && s->of_a[id] != SKIP_NONE) {
            u->last[s->of_a[id]] = i + 1;
        }
    }
    return rc;
}

int skip_unit_begin(struct skip_unit *u, const struct unit_tokens *unit, struct err *err)
{
    const struct skip_shape *s = u->shape;
    int rc = 0;
    for (size_t k = 0; k < u->n_slots; k++) {
        u->slot_of[u->cells[k]] = SKIP_NONE;
    }
    for (size_t k = 0; k < u->n_listed; k++) {
        example_list_clear(&u->lists[u->listed[k]]);
    }
    u->n_slots = u->n_touched = u->n_listed = u->n_places = u->next = 0;
    u->doc = 0;
    u->unit = unit;
    if (s->n_as > 0) {
        memset(u->last, 0, s->n_as * sizeof *u->last);
    }
    if (unit->n >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "skip-trigrams: a unit of %zu tokens", unit->n);
    }
    for (size_t d = 0; d < unit->n_docs && !rc; d++) {
        rc = list_doc(u, (uint32_t)d, err);
    }
    return rc;
}

int skip_unit_ask(struct skip_unit *u, const struct unit_block *block, struct unit_asked **items,
                  size_t *n, size_t *cap, struct err *err)
{
    const struct skip_shape *s = u->shape;
    int rc = 0;
    for (size_t i = u->next; i < u->n_places && u->places[i].token < block->end && !rc; i++) {
        const struct place *x = &u->places[i];
        const uint32_t first = s->pair_cells[x->pair], end = s->pair_cells[x->pair + 1];
        const size_t behind = (size_t)x->token + 1;
        rc = mem_reserve(items, cap, *n + 1 + end - first, sizeof **items, "skip-trigrams", err);
        if (rc) {
            break;
        }
        if (i == u->next || u->places[i - 1].token != x->token) {
            (*items)[(*n)++] = (struct unit_asked){.token = behind, .id = u->unit->ids[behind]};
        }
        for (uint32_t c = first; c < end; c++) {
            (*items)[(*n)++] = (struct unit_asked){.token = behind, .id = s->cells[c].c};
        }
    }
    return rc;
}

// --- sums ---------------------------------------------------------------------------------------

static void end_doc(struct skip_unit *u)
{
    for (size_t k = 0; k < u->n_touched; k++) {
        const size_t first = u->touched[k] * u->row;
        for (size_t r = first; r < first + u->row; r++) {
            moments_add(&u->sums[r], u->of_doc[r].sum, u->of_doc[r].n);
            u->of_doc[r] = (struct own_sum){0};
        }
    }
    u->n_touched = 0;
}

/* The slot of a cell, of which the document in hand has a place. */
static int touch(struct skip_unit *u, uint32_t cell, uint32_t *slot, struct err *err)
{
    const size_t n = u->n_slots + 1;
    int rc = 0;
    if (u->slot_of[cell] == SKIP_NONE) {
        rc = mem_reserve(&u->cells, &u->cells_cap, n, sizeof *u->cells, "skip-trigrams", err);
        rc = rc ? rc
                : mem_reserve(&u->sums, &u->sums_cap, n * u->row, sizeof *u->sums, "skip-trigrams",
                              err);
        rc = rc ? rc
                : mem_reserve(&u->of_doc, &u->of_doc_cap, n * u->row, sizeof *u->of_doc,
                              "skip-trigrams", err);
        if (rc) {
            return rc;
        }
        memset(u->sums + u->n_slots * u->row, 0, u->row * sizeof *u->sums);
        memset(u->of_doc + u->n_slots * u->row, 0, u->row * sizeof *u->of_doc);
        u->slot_of[cell] = (uint32_t)u->n_slots;
        u->cells[u->n_slots++] = cell;
    }
    *slot = u->slot_of[cell];
    if (u->of_doc[*slot * u->row].n == 0) {
        rc = mem_reserve(&u->touched, &u->touched_cap, u->n_touched + 1, sizeof *u->touched,
                         "skip-trigrams", err);
        if (!rc) {
            u->touched[u->n_touched++] = *slot;
        }
    }
    return rc;
}

static void add(struct own_sum *to, int64_t value)
{
    if (value != FIXED_NONE) {
        to->sum += value;
        to->n++;
    }
}

static int64_t probability(double p)
{
    return isfinite(p) ? llrint(p * SKIP_P_ONE) : FIXED_NONE;
}

/* Adds a cell's C at a place: logprob[n_models], NaN where a model says nothing. */
static void add_cell(const struct skip_unit *u, uint32_t slot, bool follows, const double *logprob)
{
    const struct skip_shape *s = u->shape;
    struct own_sum *to = u->of_doc + slot * u->row;
    const double of_base = logprob[s->base];
    add(&to[0], follows ? FIXED_ONE : 0);
    for (size_t m = 0; m < s->n_models; m++) {
        const bool base = m == s->base;
        const double p = exp(logprob[m]);
        const double less = base ? (follows ? SKIP_OVER : 0) : exp(of_base);
        add(&to[skip_at(m, SKIP_P)], probability(p));
        add(&to[skip_at(m, SKIP_LOGPROB)], fixed_from(logprob[m]));
        add(&to[skip_at(m, SKIP_P_LESS)], probability(p - less));
        if (!base) {
            add(&to[skip_at(m, SKIP_LOGPROB_LESS)], fixed_from(logprob[m] - of_base));
        }
    }
}

/* Adds the cells of a place; their logits are those from 'at' on, 'truth' is that of the token that
 * follows. */
static int add_place(struct skip_unit *u, const struct place *x, const struct unit_seen *seen,
                     size_t truth, size_t at, double *logprob, struct err *err)
{
    const struct skip_shape *s = u->shape;
    const size_t behind = (size_t)x->token + 1;
    const uint32_t first = s->pair_cells[x->pair], end = s->pair_cells[x->pair + 1];
    int rc = 0;
    for (uint32_t cell = first; cell < end && !rc; cell++, at++) {
        uint32_t slot;
        for (size_t m = 0; m < s->n_models; m++) {
            const float *logits = seen->logits[m];
            logprob[m] =
                logits ? (double)logits[at] - ((double)logits[truth] - seen->logprob[m][behind])
                       : NAN;
            logprob[m] = logprob[m] > 0 ? 0 : logprob[m]; // by rounding; NaN stays
        }
        rc = touch(u, cell, &slot, err);
        if (!rc) {
            add_cell(u, slot, u->unit->ids[behind] == s->cells[cell].c, logprob);
        }
    }
    return rc;
}

int skip_unit_block(struct skip_unit *u, const struct unit_block *block,
                    const struct unit_seen *seen, struct err *err)
{
    const struct skip_shape *s = u->shape;
    double *logprob = mem_new(s->n_models, sizeof *logprob);
    int rc = logprob ? 0 : err_nomem(err, "skip-trigrams");
    size_t at = 0, truth = 0;
    const size_t first = u->next;
    for (; u->next < u->n_places && u->places[u->next].token < block->end && !rc; u->next++) {
        const struct place *x = &u->places[u->next];
        if (x->doc != u->doc) {
            end_doc(u);
            u->doc = x->doc;
        }
        if (u->next == first || u->places[u->next - 1].token != x->token) {
            truth = at++;
        }
        rc = add_place(u, x, seen, truth, at, logprob, err);
        at += s->pair_cells[x->pair + 1] - s->pair_cells[x->pair];
    }
    free(logprob);
    return rc;
}

// --- examples -----------------------------------------------------------------------------------

_Static_assert(1 + SKIP_REACH + 1 + SKIP_AFTER <= EXAMPLE_TOKENS, "room for a context");

/* Puts a place into its pair's list, if it belongs there, with what begins its window in front. */
static int insert(struct skip_unit *u, const struct place *x, uint32_t key,
                  const struct unit_models *models, struct err *err)
{
    const struct unit_tokens *unit = u->unit;
    const struct unit_tokens_doc *doc = &unit->docs[x->doc];
    const struct example_doc d = {.shard = unit->shard,
                                  .number = doc->number,
                                  .n = doc->n,
                                  .ids = unit->ids + doc->begin,
                                  .ends = unit->ends ? unit->ends + doc->begin : NULL,
                                  .pos = unit->pos + doc->begin};
    struct example_list *list = &u->lists[x->pair];
    const size_t at = x->token - doc->begin;
    struct example e = example_at(&d, at, key);
    if (!example_belongs(list, &e, SKIP_PLACES)) {
        return 0;
    }
    const size_t before = example_n_before(&d, at, SKIP_REACH);
    const size_t n = before + 1 + example_n_after(&d, at, SKIP_AFTER);
    e.before = (uint32_t)before + 1;
    e.n_tokens = (uint32_t)n + 1;
    e.n_acts = (uint32_t)u->shape->n_models;
    e.n_rows = 1;
    int rc = mem_reserve(&u->listed, &u->listed_cap, u->n_listed + 1, sizeof *u->listed,
                         "skip-trigrams", err);
    rc = rc ? rc : example_new(&e, err);
    if (rc) {
        return rc;
    }
    if (list->n == 0) {
        u->listed[u->n_listed++] = x->pair;
    }
    e.ids[0] = doc->first;
    memcpy(e.ids + 1, d.ids + at - before, n * sizeof *e.ids);
    for (size_t m = 0; m < u->shape->n_models; m++) {
        e.acts[m] = (float)models->logprob[m][(size_t)x->token + 1];
    }
    return example_insert(list, &e, SKIP_PLACES, err);
}

static int by_pair(const void *a, const void *b, void *context)
{
    const struct place *places = context;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct place *x = &places[i], *y = &places[j];
    return x->pair != y->pair ? (x->pair > y->pair ? 1 : -1) : (i > j) - (i < j);
}

/* The best place of each pair in the document of places [first, end). */
static int sample_doc(struct skip_unit *u, size_t first, size_t end, uint32_t *order,
                      const struct unit_models *models, struct err *err)
{
    const struct unit_tokens *unit = u->unit;
    size_t n = 0;
    int rc = 0;
    for (size_t i = first; i < end; i++) {
        if (u->places[i].token - u->places[i].a <= SKIP_REACH) {
            order[n++] = (uint32_t)i;
        }
    }
    qsort_r(order, n, sizeof *order, by_pair, u->places);
    for (size_t i = 0, next; i < n && !rc; i = next) {
        const struct unit_tokens_doc *doc = &unit->docs[u->places[order[i]].doc];
        uint32_t best = UINT32_MAX, of = order[i];
        for (next = i; next < n && u->places[order[next]].pair == u->places[order[i]].pair;
             next++) {
            const uint32_t key =
                example_hash(unit->shard, doc->number, u->places[order[next]].token - doc->begin);
            if (next == i || key < best) { // of equal ones the earlier
                best = key;
                of = order[next];
            }
        }
        rc = insert(u, &u->places[of], best, models, err);
    }
    return rc;
}

int skip_unit_end(struct skip_unit *u, const struct unit_models *models, struct err *err)
{
    uint32_t *order = mem_new(u->n_places, sizeof *order);
    int rc = order ? 0 : err_nomem(err, "skip-trigrams");
    end_doc(u);
    for (size_t i = 0, end; i < u->n_places && !rc && !models->stopped(models->context); i = end) {
        for (end = i; end < u->n_places && u->places[end].doc == u->places[i].doc; end++) {
        }
        rc = sample_doc(u, i, end, order, models, err);
    }
    free(order);
    return rc;
}

int skip_unit_add(struct skip_sums *to, struct skip_unit *u, struct err *err)
{
    int rc = 0;
    for (size_t k = 0; k < u->n_slots; k++) {
        for (size_t r = 0; r < u->row; r++) {
            moments_merge(&to->rows[u->cells[k] * u->row + r], &u->sums[k * u->row + r]);
        }
    }
    for (size_t k = 0; k < u->n_listed && !rc; k++) {
        rc =
            example_list_take(&to->places[u->listed[k]], &u->lists[u->listed[k]], SKIP_PLACES, err);
    }
    return rc;
}
