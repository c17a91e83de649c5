#include "out/results/results.h"

int results_new(struct results *r, const struct tally_shape *shape, const struct run *run,
                struct err *err)
{
    int rc = r->tally ? 0 : tally_new(&r->tally, shape, err);
    if (!rc && run->neurons && !r->neurons) {
        rc = neurons_new(&r->neurons, run->neurons, err);
    }
    if (!rc && run->trigrams && !r->trigrams) {
        rc = trigrams_new(&r->trigrams, run->trigrams, err);
    }
    return rc;
}

void results_free(struct results *r)
{
    tally_free(r->tally);
    neurons_free(r->neurons);
    trigrams_free(r->trigrams);
    *r = (struct results){0};
}

int results_merge(struct results *to, struct results *from, struct err *err)
{
    int rc = tally_merge(to->tally, from->tally, err);
    if (!rc && to->neurons) {
        rc = neurons_merge(to->neurons, from->neurons, err);
    }
    return rc || !to->trigrams ? rc : trigrams_merge(to->trigrams, from->trigrams, err);
}
