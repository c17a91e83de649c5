/*
 * Where heads look from single tokens of a unit: their windows are run again, in f32.
 */
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/unit_scores_internal.h"

/* A call in hand. */
struct asking {
    struct unit_scores *s;
    const struct unit_sources *asked; // [n]
    size_t n;
};

/* Puts position j, with attention p, among those of 'at' if it belongs there. */
static void keep_source(float *at, size_t t, size_t j, uint32_t id, float p)
{
    size_t k = UNIT_SOURCES;
    while (k > 0 &&
           (at[(k - 1) * UNIT_SOURCE_FLOATS] < 0 || p > at[(k - 1) * UNIT_SOURCE_FLOATS + 2])) {
        k--;
    }
    if (k == UNIT_SOURCES) {
        return;
    }
    float *to = at + k * UNIT_SOURCE_FLOATS;
    memmove(to + UNIT_SOURCE_FLOATS, to, (UNIT_SOURCES - 1 - k) * UNIT_SOURCE_FLOATS * sizeof *to);
    to[0] = (float)(t - j);
    to[1] = (float)id;
    to[2] = p;
}

/* The first of asked[n] whose token is at least 'token'. */
static size_t find_first(const struct asking *a, size_t token)
{
    size_t lo = 0, hi = a->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (a->asked[mid].token < token) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* engine_pattern(): position t of a window is token t - 1 of it. */
static void see_pattern(void *context, size_t layer, size_t head,
                        const struct engine_window *window, size_t i0, size_t n,
                        const float *pattern)
{
    const struct asking *a = context;
    const size_t begin = (size_t)(window->tokens - a->s->layout->ids), n_keys = i0 + n;
    const size_t from = begin + (i0 > 0 ? i0 - 1 : 0), to = begin + n_keys - 1;
    for (size_t k = find_first(a, from); k < a->n && a->asked[k].token < to; k++) {
        const struct unit_sources *q = &a->asked[k];
        const size_t t = q->token - begin + 1;
        if (q->layer != layer || q->head != head) {
            continue;
        }
        for (size_t j = t + 1; j-- > 0;) { // of equal ones the nearest stays first
            keep_source(q->at, t, j, j > 0 ? window->tokens[j - 1] : window->first,
                        pattern[(t - i0) * n_keys + j]);
        }
    }
}

int unit_ask_sources(void *context, size_t model, const struct unit_sources *asked, size_t n,
                     struct err *err)
{
    struct unit_scores *s = context;
    struct asking a = {.s = s, .asked = asked, .n = n};
    const struct engine_watch watch = {.pattern = see_pattern, .context = &a};
    size_t n_some = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < UNIT_SOURCES * UNIT_SOURCE_FLOATS; k++) {
            asked[i].at[k] = -1;
        }
    }
    int rc = mem_reserve(&s->tokens, &s->tokens_cap, n, sizeof *s->tokens, "heads", err);
    for (size_t i = 0; i < n && !rc; i++) {
        s->tokens[i] = asked[i].token;
    }
    rc = rc ? rc : unit_some_windows(s, model, s->tokens, n, &n_some, err);
    if (!rc && n_some > 0) {
        engine_watch_layers(predictor_engine_ctx(s->scorers[model].ctx), s->some, n_some, &watch,
                            s->stop);
    }
    return rc;
}
