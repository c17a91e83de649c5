/*
 * rotary.h - queries and keys that are turned by their position: Su et al., "RoFormer" (2021)
 *
 * Dimensions i and i + half of the first rotary_dims are a pair, half = rotary_dims / 2, and are turned
 * by the angle position * rotary_base^(-2 i / rotary_dims).
 */
#ifndef GAPSCOPE_MODEL_PASS_ROTARY_H
#define GAPSCOPE_MODEL_PASS_ROTARY_H

#include <stdbool.h>
#include <stddef.h>

#include "model/load/model.h"

/* Turns x[d_head], the query or key of one head at a position below n_ctx.  The model has rotary
 * positions. */
static inline void rotary_turn(const struct model *m, float *x, size_t position)
{
    const size_t half = m->config.rotary_dims / 2;
    const float *cosines = m->rotary + position * 2 * half, *sines = cosines + half;
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = x[half + i];
        x[i] = a * cosines[i] - b * sines[i];
        x[half + i] = b * cosines[i] + a * sines[i];
    }
}

/* The same in f64; 'back' turns it back.  Without rotary positions nothing is turned. */
static inline void rotary_turn_f64(const struct model *m, double *x, size_t position, bool back)
{
    const size_t half = m->rotary ? m->config.rotary_dims / 2 : 0;
    for (size_t i = 0; i < half; i++) {
        const double c = (double)m->rotary[position * 2 * half + i];
        const double s = (double)m->rotary[position * 2 * half + half + i] * (back ? -1 : 1);
        const double a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = b * c + a * s;
    }
}

#endif
