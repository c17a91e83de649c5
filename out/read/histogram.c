#include "out/read/histogram.h"

#include <math.h>
#include <stdlib.h>

#include "corpora/base/mem.h"

#define BINS_MAX 4096 // read: a run has BINS of activation_bins.h

int bins_read(struct bins *b, struct reader *r)
{
    sqlite3_stmt *stmt =
        reader_query(r, "SELECT id, lo, hi FROM bin ORDER BY id LIMIT ?1", (int64_t[]){BINS_MAX});
    while (reader_step(r, stmt)) {
        reader_take(r, mem_reserve(&b->items, &b->cap, b->n + 1, sizeof *b->items, "bins", r->err));
        if (!r->rc) {
            b->items[b->n++] = (struct bin){sqlite3_column_int64(stmt, 0), column_real(stmt, 1),
                                            column_real(stmt, 2)};
        }
    }
    sqlite3_finalize(stmt);
    return r->rc;
}

void bins_free(struct bins *b)
{
    free(b->items);
    *b = (struct bins){0};
}

static size_t find_bin(const struct bins *b, int64_t id)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (b->items[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < b->n && b->items[low].id == id ? low : b->n;
}

size_t bins_from(const struct bins *b, double value)
{
    size_t i = 0;
    while (i < b->n && !(b->items[i].lo >= value)) {
        i++;
    }
    return i;
}

size_t bins_zero(const struct bins *b)
{
    size_t i = 0;
    while (i < b->n && !(b->items[i].lo <= 0 && b->items[i].hi > 0)) {
        i++;
    }
    return i;
}

uint64_t bins_count(const struct bins *b, sqlite3_stmt *row, int column, uint64_t *counts)
{
    uint64_t sum = 0;
    struct json_object *list = column_json(row, column);
    const size_t n =
        json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *pair = json_object_array_get_idx(list, i);
        if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2) {
            continue;
        }
        struct json_object *id = json_object_array_get_idx(pair, 0);
        const int64_t count = json_object_get_int64(json_object_array_get_idx(pair, 1));
        const size_t at = find_bin(b, json_object_get_int64(id));
        if (json_object_is_type(id, json_type_int) && at < b->n && count > 0) {
            counts[at] += (uint64_t)count;
            sum += (uint64_t)count;
        }
    }
    json_object_put(list);
    return sum;
}

void bins_json(const struct bins *b, struct jsonout *j, const char *key,
               const uint64_t *const *counts, const char *const *names, size_t n_counts)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < b->n; i++) {
        bool any = false;
        for (size_t k = 0; k < n_counts; k++) {
            any = any || counts[k][i] > 0;
        }
        if (!any) {
            continue;
        }
        jsonout_begin(j, '{');
        jsonout_key(j, "bin");
        jsonout_i64(j, b->items[i].id);
        jsonout_key(j, "lo");
        jsonout_double(j, b->items[i].lo);
        jsonout_key(j, "hi");
        jsonout_double(j, b->items[i].hi);
        for (size_t k = 0; k < n_counts; k++) {
            jsonout_key(j, names[k]);
            jsonout_u64(j, counts[k][i]);
        }
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}
