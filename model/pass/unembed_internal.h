/*
 * unembed_internal.h - what unembed.c and head_rows.c share
 */
#ifndef GAPSCOPE_MODEL_PASS_UNEMBED_INTERNAL_H
#define GAPSCOPE_MODEL_PASS_UNEMBED_INTERNAL_H

#include "model/pass/head_rows.h"
#include "model/pass/product.h"
#include "model/pass/unembed.h"
#include "model/pass/unembed_sums.h"

#define LOG2_E 1.44269504088896340736
#define LN_2 0.69314718055994530942

struct unembed {
    const struct model *model;
    const struct kern *kern;
    const struct kern_f32 *f32;
    struct weights exact;
    struct weights low; // integer weights; low.dot is NULL if there are none
    double threshold;   // probability above which f32 replaces low
    float *bias2;       // [low.n_panels * low.cols], bias / ln 2
    float *columns;     // [d_vocab][d_model], W_U by column
    float *mean;        // [d_model] of W_U's columns
    double mean_bias;   // mean of b_U
};

struct unembed_ctx {
    const struct unembed *u;
    size_t n_max;
    struct inputs in;
    struct unembed_sums sums;
    float *scale2; // [n_max + a tile], a row's scale / ln 2
    float *logits; // [UNEMBED_LOGITS_ROWS + a tile][d_vocab rounded up]
};

/* For a row whose first panel is not representative: all logits, relative to the greatest. */
double unembed_from_logits(struct unembed_ctx *r, const float *x, uint32_t id);

/* The log-prob of id in row i of the sums, whose x[d_model] is given. */
double unembed_logprob_f32(struct unembed_ctx *r, const struct unembed_sums *sums, size_t i,
                           const float *x, uint32_t id);
double unembed_logprob_low(struct unembed_ctx *r, const struct unembed_sums *sums, size_t i,
                           const float *x, uint32_t id);

/* Replaces the candidates' contributions by those of f32; x[n][d_model]. */
void unembed_correct(const struct unembed *u, struct unembed_sums *s, const float *x);

// --- head_rows.c, for unembed_score_heads(): rows that are set are added, tile by tile

/* Before the first panel. */
void head_rows_pack(struct head_rows *h, size_t n);

/* tile: the whole model's, of f32 or of s32, whose rows have the scales scale2[]. */
void head_rows_add(struct head_rows *h, const float *tile, const uint32_t *ids, size_t t,
                   size_t panel);
void head_rows_add_low(struct head_rows *h, const int32_t *tile, const float *scale2, size_t t,
                       size_t panel);
void head_rows_end_panel(struct head_rows *h, size_t panels);

/* After the last one: the log-probs.  room[n][d_model] */
void head_rows_finish(struct head_rows *h, struct unembed_ctx *r, const uint32_t *ids, size_t n,
                      float *room, const atomic_int *stop);

#endif
