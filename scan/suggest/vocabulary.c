#include "scan/suggest/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

#define IDS_MAX ((int64_t)1 << 24)

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xNN of a byte that no valid text holds alone: its value; -1: text[len] does not begin so. */
static int escaped(const char *text, size_t len)
{
    if (len < 4 || text[0] != '\\' || text[1] != 'x') {
        return -1;
    }
    const int high = hex_digit(text[2]), low = hex_digit(text[3]);
    const int byte = high < 0 || low < 0 ? -1 : high * 16 + low;
    return byte == 0 || byte >= 0x80 ? byte : -1;
}

bool vocabulary_is_plain(const char *text, size_t len)
{
    for (size_t at = 0, used; at < len; at += used) {
        const uint32_t c = utf8_decode(text + at, len - at, &used);
        if (c == 0 || c == UINT32_MAX || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
            c == 0xfeff || (c & 0xfffe) == 0xfffe) {
            return false;
        }
    }
    return len > 0;
}

static void set_token(struct vocabulary *v, struct reader *r, sqlite3_stmt *stmt)
{
    const int64_t id = sqlite3_column_int64(stmt, 0);
    const char *text = column_text(stmt, 1);
    const size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
    if (id < 0 || (size_t)id >= v->n || v->items[id].bytes) {
        return;
    }
    struct vocabulary_token *t = &v->items[id];
    t->bytes = reader_new(r, len + 1, 1);
    t->is_text = vocabulary_is_plain(text, len);
    for (size_t i = 0; t->bytes && i < len; i++) {
        const int byte = escaped(text + i, len - i);
        t->is_text = t->is_text && byte < 0;
        t->bytes[t->len++] = byte < 0 ? text[i] : (char)byte;
        i += byte < 0 ? 0 : 3;
    }
    v->has_texts = true;
}

static int compare(const struct vocabulary_token *a, const char *text, size_t len)
{
    const int c = memcmp(a->bytes, text, a->len < len ? a->len : len);
    return c != 0 ? c : (a->len > len) - (a->len < len);
}

static int by_bytes(const void *one, const void *other, void *items)
{
    const struct vocabulary_token *all = items;
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    const int c = compare(&all[a], all[b].bytes, all[b].len);
    return c != 0 ? c : (a > b) - (a < b);
}

int vocabulary_read(struct vocabulary *v, struct reader *r)
{
    const int64_t most = reader_number(r,
                                       "SELECT max(d) FROM (SELECT max(d_vocab) AS d FROM model"
                                       " UNION ALL SELECT max(id) + 1 FROM token)",
                                       NULL);
    if (!r->rc && (most <= 0 || most > IDS_MAX)) {
        return reader_fail(r, ERR_FORMAT, "%s: a vocabulary of %lld tokens", r->path,
                           (long long)most);
    }
    v->items = reader_new(r, (size_t)most, sizeof *v->items);
    v->by_text = reader_new(r, (size_t)most, sizeof *v->by_text);
    v->n = r->rc ? 0 : (size_t)most;
    sqlite3_stmt *stmt = reader_query(r, "SELECT id, text FROM token", NULL);
    while (reader_step(r, stmt)) {
        set_token(v, r, stmt);
    }
    sqlite3_finalize(stmt);
    stmt = reader_query(r, "SELECT token, n FROM token_mean_token", NULL);
    while (reader_step(r, stmt)) {
        const int64_t id = sqlite3_column_int64(stmt, 0);
        if (id >= 0 && (size_t)id < v->n) {
            v->items[id].places = column_u64(stmt, 1);
        }
    }
    sqlite3_finalize(stmt);
    for (size_t id = 0; id < v->n; id++) {
        if (v->items[id].bytes && v->items[id].len > 0) {
            v->by_text[v->n_by_text++] = (uint32_t)id;
        }
    }
    if (!r->rc) {
        qsort_r(v->by_text, v->n_by_text, sizeof *v->by_text, by_bytes, v->items);
    }
    for (size_t i = 1; i < v->n_by_text; i++) {
        const struct vocabulary_token *before = &v->items[v->by_text[i - 1]];
        struct vocabulary_token *t = &v->items[v->by_text[i]];
        t->is_text = t->is_text && compare(before, t->bytes, t->len) != 0;
    }
    return r->rc;
}

void vocabulary_free(struct vocabulary *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->items[i].bytes);
    }
    free(v->items);
    free(v->by_text);
    *v = (struct vocabulary){0};
}

uint32_t vocabulary_id(const void *vocabulary, const char *text, size_t len)
{
    const struct vocabulary *v = vocabulary;
    size_t low = 0, high = v->n_by_text;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(&v->items[v->by_text[middle]], text, len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < v->n_by_text && compare(&v->items[v->by_text[low]], text, len) == 0
               ? v->by_text[low]
               : UINT32_MAX;
}

int vocabulary_text(const struct vocabulary *v, struct tokens *t, struct err *err)
{
    size_t len = 0;
    for (size_t i = 0; i < t->n; i++) {
        len += t->ids[i] < v->n ? v->items[t->ids[i]].len : 0;
    }
    char *text = mem_new(len + 1, 1);
    t->ends = mem_new(t->n, sizeof *t->ends);
    if (!text || !t->ends) {
        free(text);
        return err_nomem(err, "a context");
    }
    t->text_len = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct vocabulary_token *one = t->ids[i] < v->n ? &v->items[t->ids[i]] : NULL;
        if (one && one->len > 0) {
            memcpy(text + t->text_len, one->bytes, one->len);
            t->text_len += one->len;
        }
        t->ends[i] = (uint32_t)t->text_len;
    }
    for (size_t at = utf8_valid_prefix(text, len); at < len;
         at += utf8_valid_prefix(text + at, len - at)) {
        text[at] = '?';
    }
    t->text = text;
    return 0;
}
