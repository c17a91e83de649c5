#include "scan/plan/memory.h"

#include <unistd.h>

void memory_sum(struct collector_memory *out, const struct run *run, const struct results *results)
{
    struct collector_memory all = {0};
    for (size_t i = 0; i < results->n; i++) {
        struct collector_memory one = {0};
        if (results->items[i].kind->memory) {
            results->items[i].kind->memory(results->items[i].shape, run, &one);
        }
        all.whole += one.whole;
        all.part += one.part;
        all.saving += one.saving;
    }
    *out = all;
}

int memory_check(const struct run *run, const struct results *results, size_t n_threads,
                 struct err *err)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const double have = (double)pages * (double)page;
    struct collector_memory m;
    memory_sum(&m, run, results);
    const double want = (double)m.whole + (double)m.saving + (double)n_threads * (double)m.part;
    if (pages <= 0 || page <= 0 || want < 0.9 * have) {
        return 0;
    }
    return err_set(err, ERR_LIMIT,
                   "neurons, hypotheses, trigrams and documents may take %.1f GB of memory, and "
                   "this machine has %.1f; --histograms 'top 100', --token-means 0, fewer "
                   "--threads, --documents-most, hypotheses or trigrams (--trigram-rule most=N), "
                   "or --no-neurons",
                   want * 1e-9, have * 1e-9);
}

int memory_text(struct buf *out, const struct run *run, const struct results *results,
                size_t n_threads, struct err *err)
{
    struct collector_memory m;
    memory_sum(&m, run, results);
    const size_t begin = out->len, n = run->n_hypotheses;
    int rc = 0;
    for (size_t i = 0; i < results->n && !rc; i++) {
        const struct collector *c = &results->items[i];
        if (c->kind->describe) {
            rc = out->len > begin ? buf_printf(out, err, ", ") : 0;
            rc = rc ? rc : c->kind->describe(c->shape, out, err);
        }
    }
    if (!rc && (n > 0 || out->len > begin)) {
        rc = buf_printf(out, err, "%s%zu %s", out->len > begin ? ", " : "", n,
                        n == 1 ? "hypothesis" : "hypotheses");
    }
    if (!rc && m.whole > 0) {
        rc = buf_printf(out, err,
                        ": beside the models at most %.2f GB of memory (%.2f, a thread %.2f, a "
                        "checkpoint %.2f)",
                        (double)(m.whole + m.saving + n_threads * m.part) * 1e-9,
                        (double)m.whole * 1e-9, (double)m.part * 1e-9, (double)m.saving * 1e-9);
    }
    return rc ? rc : buf_append(out, "", 1, err);
}
