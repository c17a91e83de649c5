/*
 * sequence.c - the kind "tokens": the last token of each occurrence of a sequence of ids
 */
#include "miners/core/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

struct sequence {
    size_t n;
    uint32_t ids[]; // [n]
};

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    (void)ctx;
    (void)err;
    const struct sequence *s = self;
    const size_t before = s->n - 1;
    const uint32_t last = s->ids[before];
    *verdict = MINER_DONE;
    for (size_t i = before; i < doc->n; i++) {
        if (doc->ids[i] == last) {
            labels[i] = memcmp(doc->ids + i - before, s->ids, before * sizeof *s->ids) == 0;
        }
    }
    return 0;
}

static const struct miner_kind kind = {
    .name = "tokens",
    .label = label,
    .free = free,
};

int sequence_miner(struct miner *m, const uint32_t *ids, size_t n, struct err *err)
{
    if (n == 0 || n > SEQUENCE_MAX) {
        return err_set(err, ERR_FORMAT, "a sequence of %zu tokens; from 1 to %d are allowed", n,
                       SEQUENCE_MAX);
    }
    struct buf spec = {0};
    struct sequence *s = mem_new(1, sizeof *s + n * sizeof *s->ids);
    int rc = s ? buf_printf(&spec, err, "{\"ids\":[") : err_nomem(err, "a sequence");
    for (size_t i = 0; i < n && !rc; i++) {
        s->ids[i] = ids[i];
        rc = buf_printf(&spec, err, "%s%u", i > 0 ? "," : "", ids[i]);
    }
    rc = rc ? rc : buf_printf(&spec, err, "]}");
    if (rc) {
        buf_free(&spec);
        free(s);
        return rc;
    }
    s->n = n;
    *m = (struct miner){.kind = &kind, .self = s, .spec = spec.data};
    return 0;
}
