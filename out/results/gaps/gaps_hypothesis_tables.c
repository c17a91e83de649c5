/*
 * The tables of hypotheses: what they are, the gap where they label, and which neurons spoke for
 * the true token of the hits.
 */
#include "out/results/gaps/gaps_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"

static int write_hypotheses(const struct sql *s, const struct run *run, const struct tally *tally,
                            struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hypothesis", "INSERT INTO hypothesis VALUES(?,?,?,?,?,?,?,?,?)",
              err);
    for (size_t h = 0; h < run->n_hypotheses && !w.rc; h++) {
        const struct tally_hypothesis *t = &tally->hypotheses[h];
        rows_u64(&w, h);
        rows_foreign(&w, run->hypotheses[h].name);
        rows_foreign(&w, run->hypotheses[h].kind);
        rows_foreign(&w, run->hypotheses[h].spec);
        rows_u64(&w, t->tokens);
        rows_u64(&w, t->docs);
        rows_u64(&w, t->aborted);
        rows_u64(&w, t->seen);
        rows_text(&w, run->hypotheses[h].predicts_next ? "next" : "this");
        rows_next(&w);
    }
    return rows_close(&w);
}

/* part / all of sums. */
static double share(__int128 part, __int128 all)
{
    return all != 0 ? (double)((long double)part / (long double)all) : NAN;
}

static int write_gaps(const struct sql *s, const struct run *run, const struct tally *tally,
                      struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hypothesis_gap",
              "INSERT INTO hypothesis_gap VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t p = 0; p < run->n_pairs; p++) {
        const struct tally_pair_sums *sums = &tally->pairs[p];
        for (size_t h = 0; h < run->n_hypotheses && !w.rc; h++) {
            const struct tally_ledger *l = &sums->ledger[h];
            rows_u64(&w, p);
            rows_u64(&w, h);
            rows_u64(&w, l->labelled.n);
            rows_u64(&w, l->labelled.docs);
            rows_real(&w, moments_mean(&l->labelled));
            rows_real(&w, moments_se(&l->labelled));
            rows_real(&w, moments_mean(&l->rest));
            rows_real(&w, moments_se(&l->rest));
            rows_real(&w, share(l->labelled.sum, sums->gap.sum));
            rows_real(&w, share(l->beyond, sums->gap.sum));
            rows_real(&w, share(l->gain, sums->gain));
            rows_real(&w, share(l->gain_beyond, sums->gain));
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

// --- gap credit ---------------------------------------------------------------------------------

/*
 * Over a pair's hits of side 'other', what each neuron added to the true token's logit, less its
 * mean over the vocabulary, where it is among the neurons that the hit's detail lists.  The numbers
 * summed are those that the detail shows, in whole numbers of 2^-20, so that anyone who adds them
 * up gets the same, and no order of hits changes the sum.
 */
struct credit {
    uint32_t model, layer, index;
    uint64_t hits;
    bool whole; // every effect is in the sum
    __int128 sum;
};

// Effects from here on are in no sum: 2^100 units, once in each of at most 2^24 hits (run_load()
// takes no more), are 2^124.
#define EFFECT_MAX 0x1p80F

static int by_neuron(const void *a, const void *b)
{
    const struct credit *x = a, *y = b;
    return x->model != y->model   ? (x->model < y->model ? -1 : 1)
           : x->layer != y->layer ? (x->layer < y->layer ? -1 : 1)
                                  : (x->index > y->index) - (x->index < y->index);
}

/* In whole numbers of 2^-20, of the shortest decimal that is read back as this float. */
static __int128 shown(float effect)
{
    char text[32];
    jsonout_float_text(text, effect);
    return (__int128)round(strtod(text, NULL) * (double)FIXED_ONE);
}

/* Appends what the hit's neurons did. */
static int add_hit(struct credit **items, size_t *n, size_t *cap, const struct run_pair *pair,
                   const struct hit_detail *d, struct err *err)
{
    for (uint32_t k = 1; k < d->n_views && k <= pair->n_others; k++) {
        const struct token_view *v = &d->views[k];
        const int rc =
            mem_reserve(items, cap, *n + v->n_neurons, sizeof **items, "gap credit", err);
        if (rc) {
            return rc;
        }
        for (uint32_t i = 0; i < v->n_neurons; i++) {
            const float effect = v->neurons[i].effect;
            const bool summed = fabsf(effect) < EFFECT_MAX; // NaN: not
            (*items)[(*n)++] = (struct credit){.model = pair->others[k - 1],
                                               .layer = v->neurons[i].layer,
                                               .index = v->neurons[i].index,
                                               .hits = 1,
                                               .whole = summed,
                                               .sum = summed ? shown(effect) : 0};
        }
    }
    return 0;
}

/* Adds up those of one neuron, which stand together; returns how many neurons there are. */
static size_t add_up(struct credit *items, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (to > 0 && by_neuron(&items[to - 1], &items[i]) == 0) {
            items[to - 1].hits++;
            items[to - 1].whole = items[to - 1].whole && items[i].whole;
            items[to - 1].sum += items[i].sum;
        } else {
            items[to++] = items[i];
        }
    }
    return to;
}

static int write_credit(const struct sql *s, const struct run *run, const struct tally *tally,
                        struct err *err)
{
    struct credit *items = NULL;
    size_t n = 0, cap = 0;
    struct rows w;
    rows_anew(&w, s, "DELETE FROM gap_credit", "INSERT INTO gap_credit VALUES(?,?,?,?,?,?)", err);
    for (size_t p = 0; p < run->n_pairs && !w.rc; p++) {
        const struct tally_hits *hits = &tally->pairs[p].hits[TALLY_OTHER];
        n = 0;
        for (size_t i = 0; i < hits->n && !w.rc; i++) {
            const struct hit_detail *d = hits->items[i].detail;
            w.rc = d ? add_hit(&items, &n, &cap, &run->pairs[p], d, err) : 0;
        }
        if (n > 0) {
            qsort(items, n, sizeof *items, by_neuron);
            n = add_up(items, n);
        }
        for (size_t i = 0; i < n && !w.rc; i++) {
            rows_u64(&w, p);
            rows_u64(&w, items[i].model);
            rows_u64(&w, items[i].layer);
            rows_u64(&w, items[i].index);
            rows_u64(&w, items[i].hits);
            rows_real(&w, items[i].whole ? (double)items[i].sum / (double)FIXED_ONE : NAN);
            rows_next(&w);
        }
    }
    free(items);
    return rows_close(&w);
}

int gaps_tables_hypotheses(const struct sql *s, const struct run *run, const struct tally *tally,
                           struct err *err)
{
    int rc = write_hypotheses(s, run, tally, err);
    rc = rc ? rc : write_gaps(s, run, tally, err);
    return rc ? rc : write_credit(s, run, tally, err);
}
