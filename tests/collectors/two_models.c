/*
 * two_models.c - a collector that sets the first two models of a run side by side
 *
 * It uses all that a collector can ask for:
 *   before_scan   the mean log-prob of the first model on the first unit
 *   keep          neuron 5 of the first model's and 7 of the second's last layer, at one token
 *   see           the largest activation of neuron 5, as its layer is done
 *   asked         logits of the true token and of token 10, of both models
 *   logits        KL(first || second) on the documents whose number is even
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/fixed.h"
#include "out/sql/sql.h"
#include "tests/collectors/test_collectors.h"

#define FIRST_NEURON 5
#define SECOND_NEURON 7
#define OTHER_TOKEN 10

struct shape {
    size_t layers[2], d_mlp[2]; // of the two models
    size_t d_vocab;
    bool known;      // mean is
    int64_t mean;    // log-prob of the first model on the first unit, fixed
    bool first_unit; // this is the shape that finds it out
};

/* Whole numbers: 2^-20. */
struct sums {
    uint64_t tokens, above, kl_tokens;
    int64_t logprob, products, difference[2], kl, most;
};

struct part {
    const struct shape *shape;
    const struct unit_tokens *unit;
    struct sums sums;
    // of the unit, in the order of its tokens; rounded once at its end
    double products, difference[2], kl;
};

static int64_t rounded(double x)
{
    return (int64_t)llround(x * (double)FIXED_ONE);
}

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    if (run->n_models < 2 || !run->models[0].site[0] || !run->models[1].site[0]) {
        return 0; // it takes no part
    }
    struct shape *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "two models");
    }
    for (size_t m = 0; m < 2; m++) {
        s->layers[m] = run->models[m].n_layers;
        s->d_mlp[m] = run->models[m].d_mlp;
    }
    s->d_vocab = run->models[0].d_vocab;
    if (saved) {
        struct bytes_reader r = {.at = saved, .left = len, .of = "two models", .err = err};
        s->mean = (int64_t)bytes_get(&r, 0, UINT64_MAX, "the mean");
        s->known = true;
        if (r.rc) {
            free(s);
            return r.rc;
        }
    }
    *out = s;
    return 0;
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, (uint64_t)((const struct shape *)shape)->mean);
    return w.rc;
}

static int before_scan(void *shape, struct run *run, const struct collector_before *before,
                       struct err *err)
{
    (void)run;
    struct shape *s = shape, first = *s;
    struct sums sums = {0};
    if (s->known) {
        return 0;
    }
    first.first_unit = true;
    const int rc = before->first_unit(before->context, &two_models_collector, &first, &sums, err);
    s->mean = sums.tokens > 0 ? sums.logprob / (int64_t)sums.tokens : 0;
    s->known = true;
    return rc;
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    const struct shape *x = a, *y = b;
    return fixed && x->mean != y->mean
               ? err_set(why, ERR_MISMATCH, "two models: other means of the first unit")
               : 0;
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    const struct shape *s = shape;
    if (model < 2 && !s->first_unit) {
        *out = (struct collector_needs){.see = model == 0 ? ROW_BIT(ROW_POST) : 0,
                                        .keep = ROW_BIT(ROW_POST),
                                        .asked = true,
                                        .logits = true};
    }
}

// --- a worker's part ----------------------------------------------------------------------------

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "two models");
    }
    p->shape = shape;
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    const struct shape *shape = ((struct part *)part)->shape;
    *(struct part *)part = (struct part){.shape = shape, .unit = unit};
    return 0;
}

static int asked(void *part, const struct unit_block *block, struct unit_asked **items, size_t *n,
                 size_t *cap, struct err *err)
{
    const struct part *p = part;
    if (p->shape->first_unit) {
        return 0;
    }
    const int rc = mem_reserve(items, cap, 2 * (block->end - block->begin), sizeof **items,
                               "asked tokens", err);
    for (size_t t = block->begin; t < block->end && !rc; t++) {
        (*items)[(*n)++] = (struct unit_asked){.token = t, .id = p->unit->ids[t]};
        (*items)[(*n)++] = (struct unit_asked){.token = t, .id = OTHER_TOKEN};
    }
    return rc;
}

static int see(void *part, size_t model, size_t layer, enum row_site site,
               const struct unit_block *block, const float *rows, struct err *err)
{
    (void)site;
    (void)err;
    struct part *p = part;
    if (model != 0 || layer + 1 != p->shape->layers[0]) {
        return 0;
    }
    for (size_t k = 0; k < block->n_windows; k++) {
        rows += p->shape->d_mlp[0]; // that of what stands before the window's tokens
        for (size_t i = 0; i < block->windows[k]; i++, rows += p->shape->d_mlp[0]) {
            const int64_t a = rounded((double)rows[FIRST_NEURON]);
            p->sums.most = a > p->sums.most ? a : p->sums.most;
        }
    }
    return 0;
}

static int end_block(void *part, const struct unit_block *block, const struct unit_seen *seen,
                     struct err *err)
{
    (void)err;
    struct part *p = part;
    const struct shape *s = p->shape;
    for (size_t t = block->begin; t < block->end; t++) {
        const int64_t logprob = fixed_from(seen->logprob[0][t]);
        p->sums.tokens++;
        p->sums.logprob += logprob;
        p->sums.above += logprob > s->mean;
    }
    if (s->first_unit) {
        return 0;
    }
    for (size_t i = 0; i < seen->n_asked; i += 2) {
        for (size_t m = 0; m < 2; m++) {
            p->difference[m] += (double)seen->logits[m][i] - (double)seen->logits[m][i + 1];
        }
    }
    const float *a = seen->rows(seen->context, 0, s->layers[0] - 1, ROW_POST);
    const float *b = seen->rows(seen->context, 1, s->layers[1] - 1, ROW_POST);
    for (size_t k = 0; k < block->n_windows; k++) {
        a += s->d_mlp[0];
        b += s->d_mlp[1];
        for (size_t i = 0; i < block->windows[k]; i++, a += s->d_mlp[0], b += s->d_mlp[1]) {
            p->products += (double)a[FIRST_NEURON] * (double)b[SECOND_NEURON];
        }
    }
    return 0;
}

static bool wants_logits(const void *part, size_t d)
{
    const struct part *p = part;
    return !p->shape->first_unit && p->unit->docs[d].number % 2 == 0;
}

static double log_sum_exp(const float *x, size_t n)
{
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++) {
        most = fmax(most, (double)x[i]);
    }
    for (size_t i = 0; i < n; i++) {
        sum += exp((double)x[i] - most);
    }
    return most + log(sum);
}

static int see_logits(void *part, const size_t *tokens, size_t n, const float *const *logits,
                      const size_t *ld, struct err *err)
{
    (void)tokens;
    (void)err;
    struct part *p = part;
    const size_t d_vocab = p->shape->d_vocab;
    for (size_t i = 0; i < n; i++) {
        const float *x = logits[0] + i * ld[0], *y = logits[1] + i * ld[1];
        const double lse_x = log_sum_exp(x, d_vocab), lse_y = log_sum_exp(y, d_vocab);
        for (size_t id = 0; id < d_vocab; id++) {
            const double lx = (double)x[id] - lse_x, ly = (double)y[id] - lse_y;
            p->kl += exp(lx) * (lx - ly);
        }
        p->sums.kl_tokens++;
    }
    return 0;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    (void)models;
    (void)err;
    struct part *p = part;
    p->sums.products = rounded(p->products);
    p->sums.kl = rounded(p->kl);
    p->sums.difference[0] = rounded(p->difference[0]);
    p->sums.difference[1] = rounded(p->difference[1]);
    return 0;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    (void)shape;
    *out = mem_zero(1, sizeof(struct sums));
    return *out ? 0 : err_nomem(err, "two models");
}

static int merge(void *whole, void *from, struct err *err)
{
    (void)err;
    struct sums *to = whole;
    const struct sums *more = from;
    to->tokens += more->tokens;
    to->above += more->above;
    to->kl_tokens += more->kl_tokens;
    to->logprob += more->logprob;
    to->products += more->products;
    to->difference[0] += more->difference[0];
    to->difference[1] += more->difference[1];
    to->kl += more->kl;
    to->most = more->most > to->most ? more->most : to->most;
    return 0;
}

static int add(void *whole, void *part, struct err *err)
{
    return merge(whole, &((struct part *)part)->sums, err);
}

#define N_SUMS (sizeof(struct sums) / sizeof(uint64_t))

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    uint64_t numbers[N_SUMS];
    struct bytes_writer w = {.to = out, .err = err};
    memcpy(numbers, whole, sizeof numbers);
    for (size_t i = 0; i < N_SUMS; i++) {
        bytes_put(&w, numbers[i]);
    }
    return w.rc;
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    uint64_t numbers[N_SUMS];
    struct bytes_reader r = {.at = bytes, .left = len, .of = "two models", .err = err};
    for (size_t i = 0; i < N_SUMS; i++) {
        numbers[i] = bytes_get(&r, 0, UINT64_MAX, "a sum");
    }
    memcpy(whole, numbers, sizeof numbers);
    return r.rc;
}

static int write_table(const struct sql *sql, const struct run *run, const struct results *results,
                       const void *whole, bool full, struct err *err)
{
    (void)run;
    const struct sums *s = whole;
    const struct shape *shape = results_find(results, &two_models_collector)->shape;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM two_models",
              "INSERT INTO two_models VALUES(?,?,?,?,?,?,?,?,?,?)", err);
    rows_u64(&w, s->tokens);
    rows_real(&w, fixed_to(s->logprob));
    rows_real(&w, fixed_to(shape->mean));
    rows_u64(&w, s->above);
    rows_real(&w, fixed_to(s->products));
    rows_real(&w, fixed_to(s->most));
    rows_real(&w, fixed_to(s->difference[0]));
    rows_real(&w, fixed_to(s->difference[1]));
    rows_u64(&w, s->kl_tokens);
    rows_real(&w, fixed_to(s->kl));
    rows_next(&w);
    return rows_close(&w);
}

const struct collector_kind two_models_collector = {
    .name = "two",
    .shape_new = shape_new,
    .shape_free = free,
    .shape_save = shape_save,
    .before_scan = before_scan,
    .same = same,
    .needs = needs,
    .part_new = part_new,
    .part_free = free,
    .begin_unit = begin_unit,
    .asked = asked,
    .see = see,
    .wants_logits = wants_logits,
    .see_logits = see_logits,
    .end_block = end_block,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = "CREATE TABLE two_models( -- The row is the run's first two models.\n"
           "    tokens INTEGER,        -- tokens\n"
           "    logprob REAL,          -- of the first, summed\n"
           "    first_mean REAL,       -- mean log-prob of the first on the first unit\n"
           "    above INTEGER,         -- tokens whose log-prob is greater\n"
           "    products REAL,         -- of two neurons, summed\n"
           "    most REAL,             -- the greatest activation of the first one's\n"
           "    difference_first REAL, -- logit of the true token less that of another, summed\n"
           "    difference_second REAL,-- the same of the second model\n"
           "    kl_tokens INTEGER,     -- tokens of even documents\n"
           "    kl REAL                -- KL(first || second), summed over these\n"
           ");\n"
           "-- digest: tokens, logprob, first_mean, above, products, most, difference_first,\n"
           "--         difference_second, kl_tokens, kl ORDER BY tokens\n",
    .write = write_table,
};
