#include "model/explain/folded.h"

/* x[n] less its mean if 'centre', times w[n] if there is one. */
static void fold(double *x, const float *w, size_t n, bool centre)
{
    double mean = 0;
    for (size_t i = 0; i < n && centre; i++) {
        mean += x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = (x[i] - mean) * (w ? (double)w[i] : 1);
    }
}

void folded_read(const struct model *m, bool folded, size_t layer, const float *row, double *out)
{
    const size_t d = m->config.d_model;
    for (size_t i = 0; i < d; i++) {
        out[i] = (double)row[i];
    }
    if (folded && m->config.norm != NORM_NONE) {
        fold(out, m->layers[layer].ln1_w, d, config_centres(&m->config));
    }
}

void folded_write(const struct model *m, bool folded, double *x)
{
    if (folded && m->config.norm != NORM_NONE) {
        fold(x, m->ln_final_w, m->config.d_model, !m->config.final_rms);
    }
}
