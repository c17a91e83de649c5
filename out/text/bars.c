#include "out/text/bars.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define MARGIN 12     // left of the first column
#define TICK_EVERY 10 // columns

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

void bars_fit(struct bars *b, const struct screen *s, const struct bins *bins,
              const uint64_t *const *counts, size_t n_counts, double mark)
{
    *b = (struct bars){.bins = bins, .screen = s, .marked = bins->n};
    if (!isnan(mark)) {
        b->marked = bins_from(bins, mark);
    }
    find_range(b, counts, n_counts);
    const size_t width = s->width - MARGIN - 2, n = b->end - b->from;
    const size_t anchor = b->marked < bins->n ? b->marked : bins_zero(bins);
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

static void put_block(const struct screen *s, size_t eighths)
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
    const size_t i = eighths > 8 ? 8 : eighths;
    if (s->plain) {
        putc(" ..::++##"[i], s -> to);
    } else {
        fputs(blocks[i], s->to);
    }
}

/* A line of a frame, or its picture in ASCII. */
static void put_mark(const struct screen *s, const char *mark, char ascii)
{
    if (s->plain) {
        putc(ascii, s->to);
    } else {
        fputs(mark, s->to);
    }
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
    FILE *to = b->screen->to;
    for (size_t row = rows; row-- > 0;) {
        if (row + 1 == rows) {
            fprintf(to, "%*" PRIu64 " ", MARGIN - 2, b->most);
            put_mark(b->screen, "\xe2\x94\xa4", '+');
        } else {
            fprintf(to, "%*s ", MARGIN - 2, "");
            put_mark(b->screen, "\xe2\x94\x82", '|');
        }
        fputs(accent && b->screen->colour ? "\x1b[38;5;202m" : "", to);
        for (size_t c = 0; c < b->n; c++) {
            const size_t high = height(column(b, counts, c), b->most, 8 * rows);
            put_block(b->screen, high > 8 * row ? high - 8 * row : 0);
        }
        fputs(accent && b->screen->colour ? "\x1b[0m\n" : "\n", to);
    }
}

void bars_put_share(const struct bars *b, const uint64_t *part, const uint64_t *rest)
{
    FILE *to = b->screen->to;
    fprintf(to, "%*s ", MARGIN - 2, "100 %");
    put_mark(b->screen, "\xe2\x94\xa4", '+');
    for (size_t c = 0; c < b->n; c++) {
        const uint64_t n = column(b, part, c);
        const double share = n ? (double)n / ((double)n + (double)column(b, rest, c)) : 0;
        put_block(b->screen, n ? (size_t)fmax(1, round(8 * share)) : 0);
    }
    putc('\n', to);
}

/* The values below the ticks: the lower edges of columns; 0 where that begins with 0's bin. */
static void put_values(const struct bars *b, size_t first)
{
    FILE *to = b->screen->to;
    fprintf(to, "%*s", MARGIN, "");
    size_t at = 0; // columns written
    for (size_t c = first; c < b->n; c += TICK_EVERY) {
        char text[32];
        const size_t bin = begins(b, c);
        const double lo = bin == bins_zero(b->bins) ? 0 : b->bins->items[bin].lo;
        const int len = isfinite(lo) ? snprintf(text, sizeof text, "%.3g", lo)
                                     : snprintf(text, sizeof text, "open");
        if (c >= at) {
            fprintf(to, "%*s%s", (int)(c - at), "", text);
            at = c + (size_t)len;
        }
    }
    putc('\n', to);
}

void bars_put_axis(const struct bars *b)
{
    FILE *to = b->screen->to;
    const size_t zero = bins_zero(b->bins);
    size_t first = 0; // a tick stands where the column of 0 begins, if it is there
    for (size_t c = 0; c < b->n; c++) {
        first = begins(b, c) <= zero ? c % TICK_EVERY : first;
    }
    fprintf(to, "%*s ", MARGIN - 2, "");
    put_mark(b->screen, "\xe2\x94\x94", '+');
    for (size_t c = 0; c < b->n; c++) {
        if (b->marked < b->bins->n && begins(b, c) == b->marked) {
            put_mark(b->screen, BARS_MARK, '^');
        } else if (c % TICK_EVERY == first) {
            put_mark(b->screen, "\xe2\x94\xac", '+');
        } else {
            put_mark(b->screen, "\xe2\x94\x80", '-');
        }
    }
    putc('\n', to);
    put_values(b, first);
}
