/*
 * sequence.c - the kind "tokens": the last token of each occurrence of a sequence of sets of ids,
 * or one that stands some tokens after it
 */
#include "miners/core/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* The ids of one place in the sequence. */
struct id_set {
    uint64_t mask; // bit id % 64 of each of them: most others are told from them by it
    const uint32_t *ids;
    size_t n; // ascending
};

struct sequence {
    size_t n, after;
    uint32_t *ids;        // of all sets
    struct id_set sets[]; // [n]
};

static bool has(const struct id_set *s, uint32_t id)
{
    if (!(s->mask >> (id & 63) & 1)) {
        return false;
    }
    size_t low = 0, high = s->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (s->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < s->n && s->ids[low] == id;
}

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    (void)ctx;
    (void)err;
    const struct sequence *s = self;
    const size_t before = s->n - 1;
    *verdict = MINER_DONE;
    for (size_t i = before; i < doc->n && doc->n - i > s->after; i++) {
        size_t k = s->n;
        while (k > 0 && has(&s->sets[k - 1], doc->ids[i - before + k - 1])) {
            k--;
        }
        labels[i + s->after] = k == 0;
    }
    return 0;
}

static void sequence_free(void *self)
{
    struct sequence *s = self;
    if (s) {
        free(s->ids);
    }
    free(s);
}

static const struct miner_kind kind = {
    .name = "tokens",
    .label = label,
    .free = sequence_free,
};

static int by_id(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the ids of a place and appends them to the spec: a set of one as its id alone. */
static int add_set(struct id_set *set, uint32_t *ids, size_t n, struct buf *spec, struct err *err)
{
    qsort(ids, n, sizeof *ids, by_id);
    *set = (struct id_set){.ids = ids, .n = n};
    int rc = n > 1 ? buf_append(spec, "[", 1, err) : 0;
    for (size_t i = 0; i < n && !rc; i++) {
        set->mask |= UINT64_C(1) << (ids[i] & 63);
        rc = buf_printf(spec, err, "%s%u", i > 0 ? "," : "", ids[i]);
    }
    return rc || n == 1 ? rc : buf_append(spec, "]", 1, err);
}

static int make(struct miner *m, const struct sequence_options *o, size_t n_ids, struct err *err)
{
    struct buf spec = {0};
    struct sequence *s = mem_zero(1, sizeof *s + o->n * sizeof *s->sets);
    uint32_t *ids = mem_new(n_ids, sizeof *ids);
    int rc = s && ids ? buf_append(&spec, "{", 1, err) : err_nomem(err, "a sequence");
    if (!rc && o->after > 0) {
        rc = buf_printf(&spec, err, "\"after\":%zu,", o->after);
    }
    rc = rc ? rc : buf_printf(&spec, err, "\"ids\":[");
    if (!rc) {
        memcpy(ids, o->ids, n_ids * sizeof *ids);
    }
    for (size_t k = 0, at = 0; k < o->n && !rc; at += o->n_ids[k++]) {
        rc = k > 0 ? buf_append(&spec, ",", 1, err) : 0;
        rc = rc ? rc : add_set(&s->sets[k], ids + at, o->n_ids[k], &spec, err);
    }
    rc = rc ? rc : buf_printf(&spec, err, "]}");
    if (rc) {
        buf_free(&spec);
        free(ids);
        free(s);
        return rc;
    }
    s->n = o->n;
    s->after = o->after;
    s->ids = ids;
    *m = (struct miner){.kind = &kind, .self = s, .spec = spec.data};
    return 0;
}

int sequence_miner(struct miner *m, const struct sequence_options *o, struct err *err)
{
    size_t n_ids = 0;
    if (o->n == 0 || o->n > SEQUENCE_MAX || o->after > SEQUENCE_MAX) {
        return err_set(err, ERR_FORMAT, "a sequence of %zu tokens; from 1 to %d are allowed", o->n,
                       SEQUENCE_MAX);
    }
    for (size_t i = 0; i < o->n; i++) {
        n_ids += o->n_ids[i];
        if (o->n_ids[i] == 0 || n_ids > SEQUENCE_IDS_MAX) {
            return err_set(err, ERR_FORMAT,
                           "a sequence of sets of tokens: each has at least 1, all have at most %d",
                           SEQUENCE_IDS_MAX);
        }
    }
    return make(m, o, n_ids, err);
}
