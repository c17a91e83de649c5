#include "out/text/bars.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

#define BINS_MAX 4096 // read: a run has some 200
#define MARGIN 12     // left of the first column
#define TICK_EVERY 10 // columns

// --- bins --------------------------------------------------------------------------------------

int bins_read(struct bins *b, const struct view *v, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(v, "SELECT id, lo, hi FROM bin ORDER BY id LIMIT ?1",
                                    (int64_t[]){BINS_MAX}, &rc, err);
    while (view_step(v, stmt, &rc, err)) {
        rc = mem_reserve(&b->items, &b->cap, b->n + 1, sizeof *b->items, "bins", err);
        if (!rc) {
            b->items[b->n++] =
                (struct bin){sqlite3_column_int64(stmt, 0), view_real(stmt, 1), view_real(stmt, 2)};
        }
    }
    sqlite3_finalize(stmt);
    return rc;
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

/* The first bin whose lower edge is not below 'value'; b->n: none. */
static size_t bin_from(const struct bins *b, double value)
{
    size_t i = 0;
    while (i < b->n && !(b->items[i].lo >= value)) {
        i++;
    }
    return i;
}

/* The bin that 0 is in; b->n: none. */
static size_t zero_bin(const struct bins *b)
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
    struct json_object *list = view_json(row, column);
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

/* Adds 'tokens' at activation a to the sums of the 2nd to 4th power about the mean. */
static void add_powers(double sums[3], double a, double mean, double tokens)
{
    const double d = a - mean;
    sums[0] += tokens * d * d;
    sums[1] += tokens * d * d * d;
    sums[2] += tokens * d * d * d * d;
}

void bins_shape(const struct bins *b, const uint64_t *counts, const struct bins_known *known,
                double *skewness, double *kurtosis)
{
    double sums[3] = {0}, total = 0;
    size_t first = b->n, last = 0;
    for (size_t i = 0; i < b->n; i++) {
        first = counts[i] > 0 && first == b->n ? i : first;
        last = counts[i] > 0 ? i : last;
    }
    for (size_t i = first; i < b->n && i <= last; i++) {
        // fmax() and fmin() take the other where one is NaN: an open end
        const double lo = fmax(b->items[i].lo, known->min), hi = fmin(b->items[i].hi, known->max);
        const double tokens = (double)counts[i];
        total += tokens;
        // the least and the greatest are known: in a long tail one token is half of all
        add_powers(sums, (lo + hi) / 2, known->mean, tokens - (i == first) - (i == last));
    }
    add_powers(sums, known->min, known->mean, 1);
    add_powers(sums, known->max, known->mean, 1);
    // by the bins' own variance, since its error and those of the others are alike
    const double variance = sums[0] / total;
    *skewness = total > 1 && variance > 0 ? sums[1] / total / pow(variance, 1.5) : NAN;
    *kurtosis = total > 1 && variance > 0 ? sums[2] / total / (variance * variance) : NAN;
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

// --- columns -----------------------------------------------------------------------------------

/* Column c's bins are [begins(b, c), begins(b, c + 1)). */
static size_t begins(const struct bars *b, size_t c)
{
    const size_t at = c == 0 ? b->from : b->from + b->first + (c - 1) * b->per;
    return at < b->end ? at : b->end;
}

static uint64_t column(const struct bars *b, const uint64_t *counts, size_t c)
{
    uint64_t sum = 0;
    for (size_t i = begins(b, c); i < begins(b, c + 1); i++) {
        sum += counts[i];
    }
    return sum;
}

/* Sets from, end: the bins that any count needs, and the marked one. */
static void find_range(struct bars *b, const uint64_t *const *counts, size_t n_counts)
{
    b->from = b->bins->n;
    for (size_t i = 0; i < b->bins->n; i++) {
        bool any = i == b->marked;
        for (size_t k = 0; k < n_counts; k++) {
            any = any || counts[k][i] > 0;
        }
        if (any) {
            b->from = i < b->from ? i : b->from;
            b->end = i + 1;
        }
    }
    b->from = b->from < b->end ? b->from : b->end;
}

void bars_fit(struct bars *b, const struct view *v, const struct bins *bins,
              const uint64_t *const *counts, size_t n_counts, double mark)
{
    *b = (struct bars){.bins = bins, .v = v, .marked = bins->n};
    if (!isnan(mark)) {
        b->marked = bin_from(bins, mark);
    }
    find_range(b, counts, n_counts);
    const size_t width = v->width - MARGIN - 2, n = b->end - b->from;
    const size_t anchor = b->marked < bins->n ? b->marked : zero_bin(bins);
    b->per = n / width + 1;
    // so many bins that a later column begins at the anchor, if that lies in the range
    b->first = anchor > b->from ? (anchor - b->from) % b->per : 0;
    b->first = b->first > 0 ? b->first : b->per;
    b->n = n == 0 ? 0 : n <= b->first ? 1 : 1 + (n - b->first + b->per - 1) / b->per;
    for (size_t c = 0; c < b->n; c++) {
        for (size_t k = 0; k < n_counts; k++) {
            const uint64_t sum = column(b, counts[k], c);
            b->most = sum > b->most ? sum : b->most;
        }
    }
}

// --- drawing -----------------------------------------------------------------------------------

static void put_block(FILE *to, size_t eighths)
{
    static const char *const blocks[] = {
        " ",
        "\xe2\x96\x81",
        "\xe2\x96\x82",
        "\xe2\x96\x83",
        "\xe2\x96\x84",
        "\xe2\x96\x85",
        "\xe2\x96\x86",
        "\xe2\x96\x87",
        "\xe2\x96\x88",
    };
    fputs(blocks[eighths > 8 ? 8 : eighths], to);
}

/* From 1, for one token, to 'most', logarithmically. */
static size_t height(uint64_t n, uint64_t of, size_t most)
{
    if (n == 0) {
        return 0;
    }
    const double share = log1p((double)n) / log1p((double)of);
    const double eighths = round(share * (double)most);
    return eighths < 1 ? 1 : (size_t)eighths;
}

void bars_put(const struct bars *b, const uint64_t *counts, size_t rows, bool accent)
{
    FILE *to = b->v->to;
    for (size_t row = rows; row-- > 0;) {
        if (row + 1 == rows) {
            fprintf(to, "%*" PRIu64 " \xe2\x94\xa4", MARGIN - 2, b->most);
        } else {
            fprintf(to, "%*s \xe2\x94\x82", MARGIN - 2, "");
        }
        fputs(accent && b->v->colour ? "\x1b[38;5;202m" : "", to);
        for (size_t c = 0; c < b->n; c++) {
            const size_t high = height(column(b, counts, c), b->most, 8 * rows);
            put_block(to, high > 8 * row ? high - 8 * row : 0);
        }
        fputs(accent && b->v->colour ? "\x1b[0m\n" : "\n", to);
    }
}

void bars_put_share(const struct bars *b, const uint64_t *part, const uint64_t *rest)
{
    FILE *to = b->v->to;
    fprintf(to, "%*s \xe2\x94\xa4", MARGIN - 2, "100 %");
    for (size_t c = 0; c < b->n; c++) {
        const uint64_t n = column(b, part, c);
        const double share = n ? (double)n / ((double)n + (double)column(b, rest, c)) : 0;
        put_block(to, n ? (size_t)fmax(1, round(8 * share)) : 0);
    }
    putc('\n', to);
}

/* The values below the ticks: the lower edges of columns; 0 where that begins with 0's bin. */
static void put_values(const struct bars *b, size_t first)
{
    FILE *to = b->v->to;
    fprintf(to, "%*s", MARGIN, "");
    size_t at = 0; // columns written
    for (size_t c = first; c < b->n; c += TICK_EVERY) {
        char text[32];
        const size_t bin = begins(b, c);
        const double lo = bin == zero_bin(b->bins) ? 0 : b->bins->items[bin].lo;
        const int len = isnan(lo) ? snprintf(text, sizeof text, "open")
                                  : snprintf(text, sizeof text, "%.3g", lo);
        if (c >= at) {
            fprintf(to, "%*s%s", (int)(c - at), "", text);
            at = c + (size_t)len;
        }
    }
    putc('\n', to);
}

void bars_put_axis(const struct bars *b)
{
    FILE *to = b->v->to;
    const size_t zero = zero_bin(b->bins);
    size_t first = 0; // a tick stands where the column of 0 begins, if it is there
    for (size_t c = 0; c < b->n; c++) {
        first = begins(b, c) <= zero ? c % TICK_EVERY : first;
    }
    fprintf(to, "%*s \xe2\x94\x94", MARGIN - 2, "");
    for (size_t c = 0; c < b->n; c++) {
        const bool mark = b->marked < b->bins->n && begins(b, c) == b->marked;
        fputs(mark                      ? "\xe2\x96\xb2"
              : c % TICK_EVERY == first ? "\xe2\x94\xac"
                                        : "\xe2\x94\x80",
              to);
    }
    putc('\n', to);
    put_values(b, first);
}
