#include "scan/work/choose_tokens.h"

#include <stdlib.h>

#include "corpora/base/mem.h"
#include "out/results/token_means/token_means_collector.h"
#include "scan/work/first_unit.h"

static void count(uint64_t *counts, size_t d_vocab, const struct layout *l)
{
    for (size_t d = 0; d < l->n_docs; d++) {
        const struct layout_doc *doc = &l->docs[d];
        for (size_t i = doc->begin; i < doc->begin + doc->n; i++) {
            if (l->ids[i] < d_vocab && !(l->skipped && l->skipped[i])) {
                counts[l->ids[i]]++;
            }
        }
    }
}

int choose_tokens(const struct results *results, const struct pipeline_options *p, struct err *err)
{
    struct token_means_shape *s = token_means_shape_in(results);
    if (!s || s->chosen) {
        return 0;
    }
    struct layout layout = {0};
    uint64_t *counts = mem_zero(s->d_vocab, sizeof *counts);
    int rc = counts ? first_unit_layout(&layout, p, err) : err_nomem(err, "means by token");
    if (!rc) {
        count(counts, s->d_vocab, &layout);
        rc = token_means_shape_choose(s, counts, err);
    }
    layout_free(&layout);
    free(counts);
    return rc;
}
