#include "model/pass/unembed_sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

// The number of panels of the vocabulary whose exponentials are summed in f32 before the sum goes
// into f64; the first ones go sooner, so that there is soon a sum to compare with.
#define PANELS_SUMMED ((size_t)32)

int unembed_sums_new(struct unembed_sums *s, size_t n_max, double threshold, struct err *err)
{
    const size_t room = n_max + DOT_ROWS_MAX;
    *s = (struct unembed_sums){.threshold = threshold};
    s->sums = product_alloc(room * KERN_LANES, sizeof *s->sums);
    s->shift = product_alloc(room, sizeof *s->shift);
    s->above = product_alloc(room, sizeof *s->above);
    s->target = product_alloc(room, sizeof *s->target);
    s->total = mem_new(room, sizeof *s->total);
    bool whole = s->sums && s->shift && s->above && s->target && s->total;
    if (threshold > 0) {
        // A row has at most 1 / threshold tokens above the threshold.  Between two sweeps there is
        // room for that many more, and for those of one panel.
        s->candidates_max = 2 * n_max * (size_t)(1 / threshold + 2 * DOT_COLS_MAX);
        s->candidates = mem_new(s->candidates_max, sizeof *s->candidates);
        whole = whole && s->candidates;
    }
    return whole ? 0 : err_nomem(err, "an unembedding's working memory");
}

void unembed_sums_free(struct unembed_sums *s)
{
    free(s->sums);
    free(s->shift);
    free(s->above);
    free(s->target);
    free(s->total);
    free(s->candidates);
    *s = (struct unembed_sums){0};
}

void unembed_sums_begin(struct unembed_sums *s, size_t n)
{
    memset(s->total, 0, n * sizeof *s->total);
    memset(s->sums, 0, (n + DOT_ROWS_MAX) * KERN_LANES * sizeof *s->sums);
    for (size_t i = 0; i < n + DOT_ROWS_MAX; i++) {
        s->above[i] = i < n ? 0 : INFINITY;
    }
    s->n_candidates = 0;
}

/* A row's exponents are relative to the greatest logit of its first panel; any number within about
 * 80 nats of the greatest of all would do. */
static void set_shift(const struct weights *w, float *shift, const float *tile)
{
    const size_t m = w->m < w->cols ? w->m : w->cols;
    for (size_t i = 0; i < w->rows; i++) {
        float max = tile[i * w->cols] + w->bias[0];
        for (size_t j = 1; j < m; j++) {
            const float logit = tile[i * w->cols + j] + w->bias[j];
            max = logit > max ? logit : max;
        }
        shift[i] = max;
    }
}

void unembed_sums_add(struct unembed_sums *s, const struct weights *w, const float *tile,
                      const uint32_t *ids, size_t n, size_t t, size_t panel)
{
    const size_t i0 = t * w->rows;
    const float *bias = w->bias + panel * w->cols;
    const uint32_t from = (uint32_t)(panel * w->cols);
    if (panel == 0) {
        set_shift(w, s->shift + i0, tile);
    }
    w->f32->add_exp(s->sums + i0 * KERN_LANES, tile, bias, s->shift + i0);
    for (size_t i = i0; i < n && i < i0 + w->rows; i++) {
        const uint32_t col = ids[i] - from;
        if (col < w->cols) {
            s->target[i] = tile[(i - i0) * w->cols + col] + bias[col];
        }
    }
}

static void fold(struct unembed_sums *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < KERN_LANES; l++) {
            s->total[i] += (double)s->sums[i * KERN_LANES + l];
        }
    }
    memset(s->sums, 0, n * KERN_LANES * sizeof *s->sums);
}

static bool is_time_to_fold(size_t panels, size_t of)
{
    return panels % PANELS_SUMMED == 0 || panels == of ||
           (panels < PANELS_SUMMED && (panels & (panels - 1)) == 0);
}

/* Sets the thresholds.  Sums only grow, so a token that is not above its threshold now never will
 * be. */
static void set_above(struct unembed_sums *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = s->total[i];
        for (size_t l = 0; l < KERN_LANES; l++) {
            sum += (double)s->sums[i * KERN_LANES + l];
        }
        s->above[i] = (float)(s->threshold * sum);
    }
}

void unembed_sums_sort_out(struct unembed_sums *s)
{
    size_t n = 0;
    for (size_t k = 0; k < s->n_candidates; k++) {
        if (s->candidates[k].e > s->above[s->candidates[k].row]) {
            s->candidates[n++] = s->candidates[k];
        }
    }
    s->n_candidates = n;
}

void unembed_sums_note(struct unembed_sums *s, const struct weights *w, const float *exps,
                       uint32_t rows, size_t i0, size_t panel)
{
    const size_t at = panel * w->cols;
    for (; rows != 0; rows &= rows - 1) {
        const size_t i = (size_t)__builtin_ctz(rows);
        const float *row = exps + i * w->cols;
        uint32_t columns = w->f32->above(row, s->above[i0 + i]);
        for (; columns != 0; columns &= columns - 1) {
            const size_t j = (size_t)__builtin_ctz(columns);
            s->candidates[s->n_candidates++] = (struct candidate){
                .row = (uint32_t)(i0 + i), .id = (uint32_t)(at + j), .e = row[j]};
        }
    }
}

void unembed_sums_end_panel(struct unembed_sums *s, size_t n, size_t panels,
                            const struct weights *w)
{
    if (is_time_to_fold(panels, w->n_panels)) {
        fold(s, n);
        if (s->threshold > 0) {
            set_above(s, n);
        }
    }
    if (s->threshold > 0 && s->candidates_max - s->n_candidates < n * w->cols) {
        set_above(s, n);
        unembed_sums_sort_out(s);
    }
}
