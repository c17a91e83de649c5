#include "model/pass/product.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

// Norms of rows and columns of s16: including rounding, their product is below 2^31.
#define S16_NORM 46000.0f
#define S16_MOST 32767.0f
#define S8_MOST 127.0f

void *product_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (!mem_mul(n, size, &bytes) || bytes > SIZE_MAX - 2 * KERN_ALIGN) {
        return NULL;
    }
    return aligned_alloc(KERN_ALIGN, round_up(bytes + 1, KERN_ALIGN));
}

// --- rows as integers ---------------------------------------------------------------------------

/* x[k] becomes its product with the orthogonal matrix, whose blocks are the powers of two that add
 * up to k. */
static void rotate(const struct kern_f32 *f32, float *x, size_t k)
{
    size_t block = 1;
    while (block <= k / 2) {
        block *= 2;
    }
    for (; k > 0; block /= 2) {
        if (block <= k) {
            f32->rotate(x, block);
            x += block;
            k -= block;
        }
    }
}

/* to[k_padded] = x[k], a row of x or a column of w, times a scale, rounded; returns the inverse of
 * the scale.  row[k] is room. */
static float quantize(const struct weights *w, int16_t *to, const float *x, bool is_column,
                      float *row)
{
    if (w->balance) {
        for (size_t l = 0; l < w->k; l++) {
            row[l] = is_column ? x[l] / w->balance[l] : x[l] * w->balance[l];
        }
        x = row;
    }
    if (w->rotated) {
        if (x != row) {
            memcpy(row, x, w->k * sizeof *row);
            x = row;
        }
        rotate(w->f32, row, w->k);
    }
    float square;
    const float size = w->f32->size(x, w->k, &square), norm = sqrtf(square);
    float scale = w->dot->bytes == 1 ? S8_MOST / size : S16_MOST / size;
    if (w->dot->bytes == 2 && scale * norm > S16_NORM) {
        scale = S16_NORM / norm;
    }
    if (!(scale > 0 && scale < 1e30f)) { // all are 0, or nearly
        scale = 1;
    }
    w->f32->quantize(to, x, w->k, scale);
    memset(to + w->k, 0, (w->k_padded - w->k) * sizeof *to);
    return 1 / scale;
}

// --- weights ------------------------------------------------------------------------------------

static void pack_f32(struct weights *p, const float *w)
{
    for (size_t panel = 0; panel < p->n_panels; panel++) {
        const size_t j0 = panel * p->cols, n = p->m - j0 < p->cols ? p->m - j0 : p->cols;
        float *to = (float *)(void *)(p->w + panel * p->panel_bytes);
        for (size_t l = 0; l < p->k; l++, to += p->cols) {
            memset(to, 0, p->cols * sizeof *to);
            memcpy(to, w + l * p->m + j0, n * sizeof *to);
        }
    }
}

void weights_column(const struct weights *w, size_t j, float *column)
{
    const float *from = (const float *)(const void *)(w->w + j / w->cols * w->panel_bytes);
    assert(!w->dot && j < w->m);
    for (size_t l = 0; l < w->k; l++) {
        column[l] = from[l * w->cols + j % w->cols];
    }
}

static int pack_dot(struct weights *p, const float *w, struct err *err)
{
    float *column = mem_new(2 * p->k, sizeof *column);
    int16_t *stage = mem_zero(p->cols * p->k_padded, sizeof *stage);
    const int rc = column && stage ? 0 : err_nomem(err, "packed weights");
    for (size_t panel = 0; panel < p->n_panels && !rc; panel++) {
        for (size_t j = 0; j < p->cols; j++) {
            const size_t at = panel * p->cols + j;
            for (size_t l = 0; l < p->k; l++) {
                column[l] = at < p->m ? w[l * p->m + at] : 0;
            }
            p->scale[at] = quantize(p, stage + j * p->k_padded, column, true, column + p->k);
        }
        p->dot->pack_w(p->w + panel * p->panel_bytes, stage, p->k_padded);
    }
    free(column);
    free(stage);
    return rc;
}

/* balance[l] becomes the square root of (size of w's row l / size of x's feature l). */
static int find_balance(struct weights *p, const float *x_size, const float *w, struct err *err)
{
    p->balance = mem_new(p->k, sizeof *p->balance);
    if (!p->balance) {
        return err_nomem(err, "packed weights");
    }
    for (size_t l = 0; l < p->k; l++) {
        double square = 0;
        for (size_t j = 0; j < p->m; j++) {
            square += (double)w[l * p->m + j] * (double)w[l * p->m + j];
        }
        const float balance = (float)sqrt(sqrt(square / (double)p->m) / fabs((double)x_size[l]));
        p->balance[l] = balance > 1e-6f && balance < 1e6f ? balance : 1;
    }
    return 0;
}

int weights_new(struct weights *out, const struct kern *kern, enum format format, bool rotated,
                const float *x_size, const float *w, const float *bias, size_t k, size_t m,
                struct err *err)
{
    const struct dot *dot = format == FORMAT_S8 && kern->s8 ? kern->s8
                            : format != FORMAT_F32          ? kern->s16
                                                            : NULL;
    const size_t cols = dot ? dot->cols : kern->f32->cols, k_padded = round_up(k, DOT_STEP);
    *out = (struct weights){.f32 = kern->f32,
                            .dot = dot,
                            .rotated = rotated && dot,
                            .k = k,
                            .m = m,
                            .k_padded = k_padded,
                            .rows = dot ? dot->rows : kern->f32->rows,
                            .cols = cols,
                            .n_panels = round_up(m, cols) / cols};
    out->panel_bytes = dot ? dot_w_size(dot, k_padded) : round_up(k * cols * 4, KERN_ALIGN);
    out->tile_bytes = dot ? dot_x_size(dot, k_padded) : round_up(k * out->rows * 4, KERN_ALIGN);
    const size_t padded = out->n_panels * cols;
    out->w = product_alloc(out->n_panels, out->panel_bytes);
    out->bias = product_alloc(padded, sizeof *out->bias);
    out->scale = dot ? product_alloc(padded, sizeof *out->scale) : NULL;
    if (!out->w || !out->bias || (dot && !out->scale)) {
        return err_nomem(err, "packed weights");
    }
    for (size_t j = 0; j < padded; j++) {
        out->bias[j] = j >= m ? WEIGHTS_NO_COLUMN : bias ? bias[j] : 0;
    }
    if (dot) {
        const int rc = x_size ? find_balance(out, x_size, w, err) : 0;
        return rc ? rc : pack_dot(out, w, err);
    }
    pack_f32(out, w);
    return 0;
}

void weights_free(struct weights *w)
{
    free(w->w);
    free(w->bias);
    free(w->scale);
    free(w->balance);
}

bool weights_part(struct weights *out, const struct weights *w, size_t j, size_t m)
{
    assert(!w->dot && j + m <= w->m);
    *out = *w;
    out->m = m;
    out->n_panels = m / w->cols;
    out->w += j / w->cols * w->panel_bytes;
    out->bias += j;
    return j % w->cols == 0 && m % w->cols == 0;
}

// --- inputs -------------------------------------------------------------------------------------

int inputs_new(struct inputs *out, const struct weights *const *weights, size_t n_weights, size_t n,
               struct err *err)
{
    *out = (struct inputs){.rows_max = n};
    size_t bytes = 0, k = 0, stage = 0;
    for (size_t i = 0; i < n_weights; i++) {
        const struct weights *w = weights[i];
        const size_t b = round_up(n, w->rows) / w->rows * w->tile_bytes;
        bytes = b > bytes ? b : bytes;
        k = w->k > k ? w->k : k;
        stage = w->rows * w->k_padded > stage ? w->rows * w->k_padded : stage;
    }
    out->packed = product_alloc(bytes, 1);
    out->scale = product_alloc(n + DOT_ROWS_MAX, sizeof *out->scale);
    out->row = product_alloc(k, sizeof *out->row);
    out->stage = product_alloc(stage, sizeof *out->stage);
    return out->packed && out->scale && out->row && out->stage ? 0 : err_nomem(err, "rows");
}

void inputs_free(struct inputs *in)
{
    free(in->packed);
    free(in->scale);
    free(in->row);
    free(in->stage);
}

void inputs_pack(struct inputs *in, const struct weights *w, const float *x, size_t ld, size_t n)
{
    char *to = in->packed;
    for (size_t i0 = 0; i0 < n; i0 += w->rows, to += w->tile_bytes) {
        const size_t n_rows = n - i0 < w->rows ? n - i0 : w->rows;
        if (!w->dot) {
            w->f32->pack((float *)(void *)to, x + i0 * ld, ld, n_rows, w->k, 1);
            continue;
        }
        for (size_t i = 0; i < w->rows; i++) {
            int16_t *row = in->stage + i * w->k_padded;
            in->scale[i0 + i] = 0;
            if (i < n_rows) {
                in->scale[i0 + i] = quantize(w, row, x + (i0 + i) * ld, false, in->row);
            } else {
                memset(row, 0, w->k_padded * sizeof *row);
            }
        }
        w->dot->pack_x(to, in->stage, w->k_padded);
    }
}

// --- products -----------------------------------------------------------------------------------

void product_tile(union product_tile *out, const struct inputs *in, const struct weights *w,
                  size_t t, size_t p)
{
    const char *x = in->packed + t * w->tile_bytes, *columns = w->w + p * w->panel_bytes;
    if (w->dot) {
        w->dot->tile(out->s32, x, columns, w->k_padded);
    } else {
        w->f32->tile(out->f32, (const float *)(const void *)x, (const float *)(const void *)columns,
                     w->k);
    }
}

void product(float *out, size_t ld, size_t n, const struct inputs *in, const struct weights *w,
             bool add)
{
    union product_tile tile;
    for (size_t p = 0; p < w->n_panels; p++) {
        const size_t j0 = p * w->cols, m = w->m - j0 < w->cols ? w->m - j0 : w->cols;
        for (size_t t = 0; t * w->rows < n; t++) {
            const size_t i0 = t * w->rows, n_rows = n - i0 < w->rows ? n - i0 : w->rows;
            product_tile(&tile, in, w, t, p);
            if (w->dot) {
                w->f32->to_f32(&tile, w->rows, in->scale + i0, w->scale + j0);
            }
            w->f32->put(out + i0 * ld + j0, ld, tile.f32, w->cols, w->bias + j0, n_rows, m, add);
        }
    }
}
