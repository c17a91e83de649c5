#include "scan/work/finite.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "corpora/base/logprob_none.h"
#include "out/results/fixed.h"

static void note(struct not_finite *f, const struct unit_tokens *unit, size_t d, size_t at,
                 double value)
{
    const struct unit_tokens_doc *doc = &unit->docs[d];
    if (f->n++ == 0) {
        f->doc = doc->number;
        f->at = at;
        f->byte = !unit->ends ? SIZE_MAX : at > 0 ? unit->ends[doc->begin + at - 1] : 0;
        f->value = value;
    }
}

struct not_finite finite_look(const struct unit_tokens *unit, const double *const *logprob,
                              size_t n_models)
{
    struct not_finite f = {0};
    for (size_t m = 0; m < n_models && f.n == 0; m++) {
        f = (struct not_finite){.model = m};
        for (size_t d = 0; d < unit->n_docs; d++) {
            const struct unit_tokens_doc *doc = &unit->docs[d];
            const double *of_doc = logprob[m] + doc->begin;
            f.of += doc->n;
            for (size_t i = 0; i < doc->n; i++) {
                if (fixed_from(of_doc[i]) == FIXED_NONE && !logprob_is_none(of_doc[i])) {
                    note(&f, unit, d, i, of_doc[i]);
                }
            }
        }
    }
    return f;
}

/* printf() writes "-nan" on some machines. */
static void value_text(char text[64], double value)
{
    if (isnan(value)) {
        snprintf(text, 64, "NaN");
    } else if (isinf(value)) {
        snprintf(text, 64, "%sinfinity", value < 0 ? "-" : "");
    } else {
        snprintf(text, 64, "%.3g, which is more than sums hold", value);
    }
}

void finite_text(char text[FINITE_TEXT], const struct not_finite *f, const struct lineup *l)
{
    char place[64] = "", value[64];
    value_text(value, f->value);
    if (f->byte != SIZE_MAX) {
        snprintf(place, sizeof place, ", byte %zu", f->byte);
    }
    snprintf(text, FINITE_TEXT,
             "%.128s: %" PRIu64 " of %" PRIu64 " log-probs of a unit are not finite; the first is "
             "of token %zu of document %" PRIu64 "%s: %s",
             l->models[f->model].name, f->n, f->of, f->at, f->doc, place, value);
}

int finite_refuse(const struct not_finite *f, const struct lineup *l, struct err *err)
{
    char text[FINITE_TEXT];
    finite_text(text, f, l);
    return err_set(err, ERR_UNSUPPORTED,
                   "%s. Its weights overflow: leave the model out, or give --allow-not-finite, "
                   "which counts such tokens and leaves them out of means and gaps",
                   text);
}
