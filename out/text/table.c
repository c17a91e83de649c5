#include "out/text/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/real_text.h"
#include "out/text/printable.h"
#include "out/text/screen.h"

#define GAP 2 // spaces between columns

// --- filling -----------------------------------------------------------------------------------

void table_text(struct table *t, const char *text)
{
    if (!t->rc) {
        t->rc = buf_append(&t->cells, text, strlen(text) + 1, NULL);
    }
    t->n_cells++;
}

void table_row(struct table *t)
{
    while (t->n_cells % t->n_columns != 0) {
        table_text(t, "");
    }
}

void table_cell(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    table_text(t, text);
}

void table_count(struct table *t, uint64_t n)
{
    table_cell(t, "%" PRIu64, n);
}

void table_whole(struct table *t, int64_t n)
{
    if (n < 0) {
        table_text(t, "-");
    } else {
        table_count(t, (uint64_t)n);
    }
}

void table_real(struct table *t, double value, int digits)
{
    char text[REAL_TEXT];
    table_text(t, real_text(text, value, digits, false));
}

void table_signed(struct table *t, double value, int digits)
{
    char text[REAL_TEXT];
    table_text(t, real_text(text, value, digits, true));
}

void table_bounded(struct table *t, double value, double bound, int digits)
{
    if (isfinite(value) && bound >= 0.5 * pow(10, -digits)) {
        table_cell(t, "%.*f +- %.*f", digits, value, digits, bound);
    } else {
        table_real(t, value, digits);
    }
}

void table_share_text(char *text, size_t size, double share)
{
    const double percent = 100 * share, above = fabs(percent);
    if (!isfinite(percent)) {
        snprintf(text, size, "-");
    } else if (above >= 1e15) {
        snprintf(text, size, "%.3e%%", percent);
    } else if (above > 0 && above < 0.0001) {
        snprintf(text, size, "%s0.0001%%", percent < 0 ? ">-" : "<");
    } else {
        const int digits = above == 0 || above >= 10 ? 1 : above >= 0.1 ? 2 : 4;
        snprintf(text, size, "%.*f%%", digits, percent);
    }
}

void table_share(struct table *t, double share)
{
    char text[64];
    table_share_text(text, sizeof text, share);
    table_text(t, text);
}

void table_free(struct table *t)
{
    buf_free(&t->cells);
}

// --- putting -----------------------------------------------------------------------------------

/* The table's cells as pointers, and how wide each column is. */
struct layout {
    const char **cells; // [n_rows][n_columns]
    size_t *widths;     // [n_columns]
    size_t n_rows;
};

static bool is_left(const struct table *t, size_t column)
{
    return t->heads[column][0] == '<';
}

static const char *head(const struct table *t, size_t column)
{
    return t->heads[column] + is_left(t, column);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void measure(const struct table *t, struct layout *l, size_t text_max)
{
    const char *at = t->cells.data;
    for (size_t c = 0; c < t->n_columns; c++) {
        l->widths[c] = show_count(head(t, c));
    }
    for (size_t i = 0; i < l->n_rows * t->n_columns; i++, at += strlen(at) + 1) {
        const size_t c = i % t->n_columns;
        const bool cut = is_left(t, c) && show_count(at) > text_max;
        l->cells[i] = at;
        l->widths[c] = most(l->widths[c], cut ? text_max : show_width(at));
    }
}

/* A text that is cut ends in an ellipsis; a number never is. */
static void put_cell(const struct table *t, FILE *to, const char *text, size_t c, size_t width,
                     bool last)
{
    const size_t n = show_width(text), fill = width > n ? width - n : 0;
    if (!is_left(t, c)) {
        fprintf(to, "%*s", (int)fill, "");
        show_text(to, text, 0, SIZE_MAX);
    } else if (show_count(text) > width) {
        show_text(to, text, 0, width - 1);
        fputs("\xe2\x80\xa6", to);
    } else {
        show_text(to, text, 0, SIZE_MAX);
        fprintf(to, "%*s", (int)(last ? 0 : fill), "");
    }
}

/* One line: the keys, then columns [from, end).  row: SIZE_MAX is the head. */
static void put_line(const struct table *t, const struct layout *l, FILE *to, size_t indent,
                     size_t row, size_t from, size_t end)
{
    fprintf(to, "%*s", (int)indent, "");
    for (size_t c = t->n_keys > 0 ? 0 : from; c < end;
         c = c + 1 == t->n_keys && c < from ? from : c + 1) {
        fprintf(to, "%*s", c > 0 && (t->n_keys > 0 || c > from) ? GAP : 0, "");
        const char *text = row == SIZE_MAX ? head(t, c) : l->cells[row * t->n_columns + c];
        put_cell(t, to, text, c, l->widths[c], c + 1 == end);
    }
    putc('\n', to);
}

static void put_parts(const struct table *t, const struct layout *l, FILE *to, size_t indent,
                      size_t width)
{
    const size_t group = t->group > 0 ? t->group : 1;
    size_t keys = indent;
    for (size_t c = 0; c < t->n_keys; c++) {
        keys += l->widths[c] + (c > 0 ? GAP : 0);
    }
    for (size_t from = t->n_keys, end; from < t->n_columns; from = end) {
        size_t used = keys;
        for (end = from; end < t->n_columns; end += group) {
            for (size_t c = end; c < end + group; c++) {
                used += l->widths[c] + (c > 0 ? GAP : 0);
            }
            if (used > width && end > from) {
                break;
            }
        }
        if (from > t->n_keys) {
            putc('\n', to);
        }
        put_line(t, l, to, indent, SIZE_MAX, from, end);
        for (size_t row = 0; row < l->n_rows; row++) {
            put_line(t, l, to, indent, row, from, end);
        }
    }
}

// --- leaving out -------------------------------------------------------------------------------

static size_t line_width(const struct table *t, const struct layout *l, size_t indent)
{
    size_t width = indent;
    for (size_t c = 0; c < t->n_columns; c++) {
        width += l->widths[c] + (c > 0 ? GAP : 0);
    }
    return width;
}

/* Takes a column out of the layout and of heads[t->n_columns], which are t->heads. */
static void leave_out(struct table *t, const char **heads, struct layout *l, size_t column)
{
    const size_t n = t->n_columns;
    size_t to = 0;
    for (size_t i = 0; i < l->n_rows * n; i++) {
        if (i % n != column) {
            l->cells[to++] = l->cells[i];
        }
    }
    for (size_t c = column + 1; c < n; c++) {
        heads[c - 1] = heads[c];
        l->widths[c - 1] = l->widths[c];
    }
    t->n_columns--;
}

/* Leaves out spare columns until the others fit a line, or none is left; returns how many. */
static size_t leave_out_spare(struct table *t, const char **heads, struct layout *l, size_t indent,
                              size_t width)
{
    size_t n = 0;
    while (n < t->n_spare && line_width(t, l, indent) > width) {
        size_t column = t->spare[n];
        for (size_t i = 0; i < n; i++) {
            column -= t->spare[i] < t->spare[n];
        }
        leave_out(t, heads, l, column);
        n++;
    }
    return n;
}

static int put_left_out(const struct table *t, FILE *to, size_t indent, size_t width, size_t n,
                        struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = buf_printf(&names, err, "%s%s", i > 0 ? ", " : "", head(t, t->spare[i]));
    }
    if (!rc) {
        const struct screen s = {.to = to, .width = width};
        put_note(&s, indent, "(no room for: %s; a wider terminal and --json have them)",
                 names.data);
    }
    buf_free(&names);
    return rc;
}

int table_put(const struct table *t, FILE *to, size_t indent, size_t width, struct err *err)
{
    struct table put = *t; // without what is left out
    struct layout l = {.n_rows = t->n_cells / t->n_columns};
    l.cells = mem_zero(l.n_rows * t->n_columns, sizeof *l.cells);
    l.widths = mem_zero(t->n_columns, sizeof *l.widths);
    const char **heads = mem_zero(t->n_columns, sizeof *heads);
    int rc = t->rc || !l.cells || !l.widths || !heads ? err_nomem(err, "a table") : 0;
    if (!rc) {
        memcpy(heads, t->heads, t->n_columns * sizeof *heads);
        put.heads = heads;
        measure(t, &l, width < 100 ? TABLE_TEXT_MAX / 2 : TABLE_TEXT_MAX);
        const size_t n_left_out = leave_out_spare(&put, heads, &l, indent, width);
        put_parts(&put, &l, to, indent, width);
        if (n_left_out > 0) {
            rc = put_left_out(t, to, indent, width, n_left_out, err);
        }
    }
    free(l.cells);
    free(l.widths);
    free(heads);
    return rc;
}
