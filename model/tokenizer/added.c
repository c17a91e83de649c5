#include "model/tokenizer/added.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/tokenizer/pretokenize.h"

int added_put(struct added *a, const char *text, size_t len, uint32_t id, bool special,
              bool takes_space, struct err *err)
{
    const int rc = mem_reserve(&a->items, &a->cap, a->n + 1, sizeof *a->items, "added tokens", err);
    if (rc) {
        return rc;
    }
    char *copy = mem_new(len, 1);
    if (!copy) {
        return err_nomem(err, "added tokens");
    }
    memcpy(copy, text, len);
    a->items[a->n++] = (struct added_token){copy, len, id, special, takes_space};
    return 0;
}

/* Sorts by bytes; a prefix of another comes before it. */
static int compare(const void *x, const void *y)
{
    const struct added_token *a = x, *b = y;
    const int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

int added_seal(struct added *a, struct err *err)
{
    if (a->n > 0) {
        qsort(a->items, a->n, sizeof *a->items, compare);
    }
    for (size_t i = 1; i < a->n; i++) {
        if (compare(&a->items[i - 1], &a->items[i]) == 0) {
            return err_set(err, ERR_FORMAT, "two added tokens are \"%.*s\"", (int)a->items[i].len,
                           a->items[i].text);
        }
    }
    size_t i = 0;
    for (unsigned c = 0; c < 256; c++) {
        a->first[c] = (uint32_t)i;
        while (i < a->n && (unsigned char)a->items[i].text[0] == c) {
            i++;
        }
    }
    a->first[256] = (uint32_t)i;
    return 0;
}

/* The first of items[lo, hi) whose byte at 'depth' is at least 'c'; they are longer than 'depth'
 * and equal before it. */
static size_t lower_bound(const struct added_token *items, size_t lo, size_t hi, size_t depth,
                          unsigned c)
{
    while (lo < hi) {
        const size_t middle = lo + (hi - lo) / 2;
        if ((unsigned char)items[middle].text[depth] < c) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* The longest token with which text[len] begins, len > 0, or NULL. */
static const struct added_token *longest(const struct added *a, const char *text, size_t len)
{
    const struct added_token *found = NULL;
    size_t lo = a->first[(unsigned char)text[0]], hi = a->first[(unsigned char)text[0] + 1];
    for (size_t depth = 1; lo < hi; depth++) {
        // items[lo, hi) begin with the same depth bytes as text; the shortest comes first.
        if (a->items[lo].len == depth) {
            found = &a->items[lo++];
        }
        if (depth == len) {
            break;
        }
        const unsigned c = (unsigned char)text[depth];
        lo = lower_bound(a->items, lo, hi, depth, c);
        hi = lower_bound(a->items, lo, hi, depth, c + 1);
    }
    return found;
}

bool added_next(const struct added *a, const char *text, size_t from, size_t len,
                enum special_tokens special, struct added_match *match)
{
    if (a->n == 0) {
        return false;
    }
    // Usually all begin with the same byte, '<' or ' ', which memchr finds fast.
    const unsigned char only = (unsigned char)a->items[0].text[0];
    const bool is_only = a->first[only + 1] == a->n;
    for (size_t at = from; at < len;) {
        if (is_only) {
            const char *hit = memchr(text + at, only, len - at);
            if (!hit) {
                return false;
            }
            at = (size_t)(hit - text);
        }
        const struct added_token *token = longest(a, text + at, len - at);
        if (!token) {
            at++;
            continue;
        }
        if (special == SPECIAL_PLAIN && token->special) {
            at += token->len;
            continue;
        }
        const size_t end = at + token->len;
        *match = (struct added_match){
            at, token->takes_space ? pretokenize_space_end(text, end, len) : end, token->id};
        return true;
    }
    return false;
}

void added_free(struct added *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->items[i].text);
    }
    free(a->items);
    *a = (struct added){0};
}
