#include "out/results/gaps/hits.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/utf8.h"
#include "out/results/gaps/tally_internal.h"

static bool same_context(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

/* --- the best of a document ---------------------------------------------------------- */

static void find_context(const struct tally_doc *doc, uint32_t at, uint64_t context[2])
{
    size_t before = doc->pos[at] > 0 ? doc->pos[at] - 1 : 0;
    before = before < TALLY_CONTEXT ? before : TALLY_CONTEXT;
    before = before < at ? before : at;
    const XXH128_hash_t hash =
        XXH3_128bits(doc->ids + at - before, (before + 1) * sizeof *doc->ids);
    context[0] = hash.low64;
    context[1] = hash.high64;
}

void hits_offer(struct hits_best *best, const struct tally_doc *doc, uint32_t at, int64_t worth)
{
    struct hits_place place = {.worth = worth, .at = at};
    find_context(doc, at, place.context);

    // Takes the place of its context's, or else of the last, and moves up from there.
    size_t i = 0;
    while (i < best->n && !same_context(best->places[i].context, place.context)) {
        i++;
    }
    if (i < best->n) {
        if (best->places[i].worth >= worth) {
            return;
        }
    } else if (best->n < TALLY_HITS_PER_DOC) {
        best->n++;
    } else {
        i--;
    }
    for (; i > 0 && best->places[i - 1].worth < worth; i--) {
        best->places[i] = best->places[i - 1];
    }
    best->places[i] = place;
}

/* --- the sketch ---------------------------------------------------------------------- */

static size_t sketch_cell(const uint64_t context[2], unsigned row)
{
    const uint64_t bits = context[row / 2 % 2] >> (row % 2 * 32);
    return (size_t)row * TALLY_SKETCH_COLS + bits % TALLY_SKETCH_COLS;
}

/* Saturates, which is as associative and commutative as the sum. */
static uint32_t sketch_sum(uint32_t a, uint32_t b)
{
    const uint32_t sum = a + b;
    return sum < a ? UINT32_MAX : sum;
}

static void sketch_add(uint32_t *sketch, const uint64_t context[2])
{
    for (unsigned row = 0; row < TALLY_SKETCH_ROWS; row++) {
        uint32_t *cell = &sketch[sketch_cell(context, row)];
        *cell = sketch_sum(*cell, 1);
    }
}

static uint32_t sketch_count(const uint32_t *sketch, const uint64_t context[2])
{
    uint32_t least = UINT32_MAX;
    for (unsigned row = 0; row < TALLY_SKETCH_ROWS; row++) {
        const uint32_t count = sketch[sketch_cell(context, row)];
        least = count < least ? count : least;
    }
    return least;
}

uint64_t tally_duplicates(const struct tally_hits *hits, size_t i)
{
    const uint32_t count = hits->sketch ? sketch_count(hits->sketch, hits->items[i].context) : 0;
    return count ? count - 1 : 0;
}

/* --- one hit ------------------------------------------------------------------------- */

int hits_order(const struct tally_hit *a, const struct tally_hit *b, int side)
{
    if (a->gap != b->gap) {
        return (a->gap > b->gap) == (side == TALLY_OTHER) ? -1 : 1;
    }
    if (a->shard != b->shard) {
        return a->shard < b->shard ? -1 : 1;
    }
    if (a->doc != b->doc) {
        return a->doc < b->doc ? -1 : 1;
    }
    return a->at < b->at ? -1 : a->at > b->at;
}

void hits_free_own(struct tally_hit *hit)
{
    free(hit->token_text);
    free(hit->detail);
    hit->token_text = hit->before = hit->after = NULL;
    hit->detail = NULL;
}

int hits_copy_strings(struct tally_hit *hit, const char *const texts[3], struct err *err)
{
    char **const strings[3] = {&hit->token_text, &hit->before, &hit->after};
    size_t sizes[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        sizes[i] = strlen(texts[i]) + 1;
        sum += sizes[i];
    }
    char *at = mem_new(sum, 1);
    if (!at) {
        return err_nomem(err, "a hit");
    }
    for (int i = 0; i < 3; i++) {
        memcpy(at, texts[i], sizes[i]);
        *strings[i] = at;
        at += sizes[i];
    }
    return 0;
}

/* Appends text[from, to) and a NUL: whole characters as they are, other bytes and NUL as \xNN. */
static int show(struct buf *out, const char *text, size_t from, size_t to, struct err *err)
{
    int rc = 0;
    while (from < to && !rc) {
        size_t valid = utf8_valid_prefix(text + from, to - from);
        valid = strnlen(text + from, valid);
        rc = buf_append(out, text + from, valid, err);
        from += valid;
        if (!rc && from < to) {
            rc = buf_printf(out, err, "\\x%02X", (unsigned char)text[from]);
            from++;
        }
    }
    return rc ? rc : buf_append(out, "", 1, err);
}

static bool inside_character(const struct tally_doc *doc, size_t at)
{
    return at < doc->text_len && ((unsigned char)doc->text[at] & 0xc0) == 0x80;
}

int hits_show(struct tally_hit *hit, const struct tally_doc *doc, struct err *err)
{
    size_t begin = hit->byte_start, end = hit->byte_end;
    size_t from = begin > TALLY_BEFORE ? begin - TALLY_BEFORE : 0;
    size_t to = doc->text_len - end > TALLY_AFTER ? end + TALLY_AFTER : doc->text_len;
    struct buf shown = {0};
    size_t starts[3] = {0};
    int rc = show(&shown, doc->text, begin, end, err);
    starts[1] = shown.len;
    while (inside_character(doc, from)) {
        from++;
    }
    while (begin > from && inside_character(doc, begin)) {
        begin--;
    }
    rc = rc ? rc : show(&shown, doc->text, from, begin, err);
    starts[2] = shown.len;
    while (inside_character(doc, end)) {
        end++;
    }
    while (to > end && inside_character(doc, to)) {
        to--;
    }
    rc = rc ? rc : show(&shown, doc->text, end, to, err);
    if (!rc) {
        const char *const texts[3] = {shown.data, shown.data + starts[1], shown.data + starts[2]};
        rc = hits_copy_strings(hit, texts, err);
    }
    buf_free(&shown);
    return rc;
}

/* --- the list ------------------------------------------------------------------------ */

int hits_new(struct tally_hits *hits, bool sketch, struct err *err)
{
    *hits = (struct tally_hits){0};
    if (!sketch) {
        return 0;
    }
    hits->sketch = mem_zero(TALLY_SKETCH_CELLS, sizeof *hits->sketch);
    return hits->sketch ? 0 : err_nomem(err, "a sketch");
}

void hits_clear(struct tally_hits *hits)
{
    for (size_t i = 0; i < hits->n; i++) {
        hits_free_own(&hits->items[i]);
    }
    hits->n = 0;
    if (hits->sketch) {
        memset(hits->sketch, 0, TALLY_SKETCH_CELLS * sizeof *hits->sketch);
    }
}

void hits_free(struct tally_hits *hits)
{
    for (size_t i = 0; i < hits->n; i++) {
        hits_free_own(&hits->items[i]);
    }
    free(hits->items);
    free(hits->sketch);
    *hits = (struct tally_hits){0};
}

/* Where the hit of this context is, or hits->n.  Asked only of what would enter the list, which is
 * rare. */
static size_t find(const struct tally_hits *hits, const uint64_t context[2])
{
    size_t i = 0;
    while (i < hits->n && !same_context(hits->items[i].context, context)) {
        i++;
    }
    return i;
}

void hits_count(struct tally_hits *hits, const uint64_t context[2])
{
    if (hits->sketch) {
        sketch_add(hits->sketch, context);
    }
}

bool hits_belongs(const struct tally_hits *hits, const struct tally_hit *hit, int side, size_t top,
                  const int64_t *cutoff)
{
    if (cutoff && (side == TALLY_OTHER ? hit->gap < *cutoff : hit->gap > *cutoff)) {
        return false;
    }
    if (hits->n >= top && (top == 0 || hits_order(hit, &hits->items[hits->n - 1], side) > 0)) {
        return false;
    }
    const size_t i = find(hits, hit->context);
    return i == hits->n || hits_order(hit, &hits->items[i], side) < 0;
}

static size_t find_place(const struct tally_hits *hits, const struct tally_hit *hit, int side)
{
    size_t low = 0, high = hits->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (hits_order(&hits->items[middle], hit, side) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int hits_insert(struct tally_hits *hits, const struct tally_hit *hit, int side, size_t top,
                struct err *err)
{
    size_t gone = find(hits, hit->context);
    if (gone == hits->n && hits->n >= top) {
        gone = hits->n - 1;
    }
    if (gone < hits->n) {
        hits_free_own(&hits->items[gone]);
        hits->n--;
        memmove(&hits->items[gone], &hits->items[gone + 1], (hits->n - gone) * sizeof *hits->items);
    }
    const int rc =
        mem_reserve(&hits->items, &hits->cap, hits->n + 1, sizeof *hits->items, "hits", err);
    if (rc) {
        free(hit->token_text);
        free(hit->detail);
        return rc;
    }
    const size_t at = find_place(hits, hit, side);
    memmove(&hits->items[at + 1], &hits->items[at], (hits->n - at) * sizeof *hits->items);
    hits->items[at] = *hit;
    hits->n++;
    return 0;
}

/* --- two lists ----------------------------------------------------------------------- */

/* Contexts of list[n], by open addressing. */
struct seen {
    size_t *slots; // [mask + 1], index into list + 1, 0: free
    size_t mask;
    const struct tally_hit *list;
};

static int seen_new(struct seen *s, const struct tally_hit *list, size_t max, struct err *err)
{
    size_t n = 16;
    while (n / 2 < max) {
        n *= 2;
    }
    *s = (struct seen){.slots = mem_zero(n, sizeof *s->slots), .mask = n - 1, .list = list};
    return s->slots ? 0 : err_nomem(err, "hits");
}

/* False where list[i]'s context was seen before. */
static bool seen_add(struct seen *s, size_t i)
{
    size_t slot = s->list[i].context[0] & s->mask;
    for (; s->slots[slot]; slot = (slot + 1) & s->mask) {
        if (same_context(s->list[s->slots[slot] - 1].context, s->list[i].context)) {
            return false;
        }
    }
    s->slots[slot] = i + 1;
    return true;
}

/* Gives a hit that was copied strings and a detail of its own; without memory it has neither. */
static int copy_own(struct tally_hit *hit, struct err *err)
{
    const char *const texts[3] = {hit->token_text, hit->before, hit->after};
    const struct hit_detail *detail = hit->detail;
    hit->detail = NULL;
    int rc = hits_copy_strings(hit, texts, err);
    if (rc) {
        hit->token_text = hit->before = hit->after = NULL;
        return rc;
    }
    rc = detail ? hit_detail_copy(&hit->detail, detail, err) : 0;
    if (rc) {
        hits_free_own(hit);
    }
    return rc;
}

/* Both lists are in order, so the first of a context is the one that stands. */
static int merge_lists(struct tally_hits *hits, const struct tally_hits *from, int side, size_t top,
                       struct err *err)
{
    const size_t sum = hits->n + from->n, cap = sum < top ? sum : top;
    struct seen seen = {0};
    struct tally_hit *merged = mem_new(cap + 1, sizeof *merged); // one more to try out
    int rc = merged ? seen_new(&seen, merged, cap, err) : err_nomem(err, "hits");
    if (rc) {
        free(merged);
        return rc;
    }
    size_t n = 0, a = 0, b = 0;
    while (n < top && (a < hits->n || b < from->n) && !rc) {
        const bool own = b == from->n ||
                         (a < hits->n && hits_order(&hits->items[a], &from->items[b], side) <= 0);
        merged[n] = own ? hits->items[a] : from->items[b];
        if (own) {
            a++;
        } else {
            b++;
        }
        if (!seen_add(&seen, n)) {
            if (own) {
                hits_free_own(&merged[n]);
            }
            continue;
        }
        if (!own) {
            rc = copy_own(&merged[n], err);
        }
        n += !rc;
    }
    for (; a < hits->n; a++) {
        hits_free_own(&hits->items[a]);
    }
    free(seen.slots);
    free(hits->items);
    hits->items = merged;
    hits->n = n;
    hits->cap = cap + 1;
    return rc;
}

int hits_merge(struct tally_hits *hits, const struct tally_hits *from, int side, size_t top,
               struct err *err)
{
    for (size_t i = 0; i < TALLY_SKETCH_CELLS && hits->sketch; i++) {
        hits->sketch[i] = sketch_sum(hits->sketch[i], from->sketch[i]);
    }
    return from->n ? merge_lists(hits, from, side, top, err) : 0;
}
