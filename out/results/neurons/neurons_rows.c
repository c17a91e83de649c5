#include "out/results/neurons/neurons_rows.h"

#include <math.h>

#include "corpora/base/bits.h"
#include "corpora/base/jsonw.h"

/* Four digits, which is enough for a colour; null where it is not finite.  By hand, since there are
 * millions. */
static int put_four_digits(struct buf *b, float value, struct err *err)
{
    if (!isfinite(value)) {
        return buf_append(b, "null", 4, err);
    }
    double size = fabs((double)value);
    if (size < 1e-4 || size >= 1000) {
        return size == 0 ? buf_append(b, "0", 1, err) : buf_printf(b, err, "%.4g", (double)value);
    }
    unsigned decimals = 1;
    for (double least = 100; size < least; least /= 10) {
        decimals++;
    }
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    uint64_t digits = (uint64_t)llrint(size * powers[decimals]);
    while (decimals > 0 && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    char text[24];
    size_t at = sizeof text;
    for (unsigned i = 0; i <= decimals || digits > 0; i++) {
        if (i == decimals && i > 0) {
            text[--at] = '.';
        }
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    if (value < 0) {
        text[--at] = '-';
    }
    return buf_append(b, text + at, sizeof text - at, err);
}

static int begin_list(struct buf *b, struct err *err)
{
    b->len = 0;
    return buf_append(b, "[", 1, err);
}

static int end_list(struct buf *b, struct err *err)
{
    return buf_append(b, "]", 2, err); // with its NUL
}

static int next_item(struct buf *b, struct err *err)
{
    return b->len > 1 ? buf_append(b, ",", 1, err) : 0;
}

/* [[bin, n], ...] */
int neuron_rows_hist(struct buf *b, const uint64_t hist[BINS], struct err *err)
{
    int rc = begin_list(b, err);
    for (uint64_t bin = 0; bin < BINS && !rc; bin++) {
        if (hist[bin] == 0) {
            continue;
        }
        rc = next_item(b, err);
        rc = rc ? rc : buf_append(b, "[", 1, err);
        rc = rc ? rc : jsonw_u64(b, bin, err);
        rc = rc ? rc : buf_append(b, ",", 1, err);
        rc = rc ? rc : jsonw_u64(b, hist[bin], err);
        rc = rc ? rc : buf_append(b, "]", 1, err);
    }
    return rc ? rc : end_list(b, err);
}

/* Of an example that has its neuron's; of a sample null but for the token itself. */
static int activations_json(struct buf *b, const struct example *e, bool sample, float activation,
                            struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t i = 0; i < e->n_tokens && !rc; i++) {
        const float a = sample ? (i == e->before ? activation : NAN) : e->acts[i];
        rc = next_item(b, err);
        rc = rc ? rc : put_four_digits(b, a, err);
    }
    return rc ? rc : end_list(b, err);
}

/* The hypotheses that label the token. */
int neuron_rows_labels(struct buf *b, const struct example *e, size_t n_hypotheses, struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t h = 0; h < n_hypotheses && !rc; h++) {
        if (example_labelled(e, h)) {
            rc = next_item(b, err);
            rc = rc ? rc : jsonw_u64(b, h, err);
        }
    }
    return rc ? rc : end_list(b, err);
}

/* The tokens that h labels. */
int neuron_rows_labelled(struct buf *b, const struct example *e, size_t h, struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t i = 0; i < e->n_rows && !rc; i++) {
        if (bits_get(e->labels + i * e->n_words, h)) {
            rc = next_item(b, err);
            rc = rc ? rc : jsonw_u64(b, i, err);
        }
    }
    return rc ? rc : end_list(b, err);
}

void neuron_rows_id(struct rows *w, const struct neurons_layer *layer, size_t i)
{
    rows_u64(w, layer->model);
    rows_u64(w, layer->layer);
    rows_u64(w, i);
}

/* The place and its tokens, as example and counterexample have them. */
void neuron_rows_place(struct neuron_rows *x, struct rows *w, const struct example *e, bool sample,
                       float activation)
{
    w->rc = w->rc ? w->rc : activations_json(&x->json[1], e, sample, activation, x->err);
    rows_u64(w, e->shard);
    rows_u64(w, e->doc);
    rows_u64(w, e->byte_start);
    rows_u64(w, e->byte_end);
    rows_u64(w, e->before);
    rows_u32s(w, &x->json[0], e->ids, e->n_tokens);
    rows_text(w, x->json[1].data);
}

const struct example_list *neuron_rows_list(const struct neuron_rows *x, size_t l, size_t list,
                                            size_t i)
{
    return &x->neurons->layers[l].lists[list * x->shape->layers[l].n + i];
}
