#include "model/tokenizer/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

/* A word of up to this many bytes is searched for its lowest rank after every merge; longer words
 * have a queue.  Both take equally long on words of 256 random letters; on words of 128 the queue
 * takes a third longer. */
#define SHORT_MAX 256

/* --- the merges ------------------------------------------------------------------------------ */

static size_t slot_of(const struct bpe *b, uint32_t left, uint32_t right)
{
    const uint64_t pair = (uint64_t)left << 32 | right;
    size_t at = (size_t)(pair * UINT64_C(0x9E3779B97F4A7C15) >> 32) & b->slots_mask;
    while (b->slots[at].rank != BPE_NONE &&
           (b->slots[at].left != left || b->slots[at].right != right)) {
        at = (at + 1) & b->slots_mask;
    }
    return at;
}

int bpe_init(struct bpe *b, size_t n_ranks, size_t n_vocab, struct err *err)
{
    // At most half full, so that a pair without a merge, the usual case, is found quickly.
    size_t n_slots = 16;
    while (n_slots / 2 < n_ranks) {
        n_slots *= 2;
    }
    *b = (struct bpe){.n_ranks = (uint32_t)n_ranks, .slots_mask = n_slots - 1};
    memset(b->byte_ids, 0xff, sizeof b->byte_ids);
    b->token_bytes = mem_zero(n_vocab, sizeof *b->token_bytes);
    b->made = mem_zero(n_ranks, sizeof *b->made);
    b->slots = mem_new(n_slots, sizeof *b->slots);
    if (!b->token_bytes || !b->made || !b->slots) {
        bpe_free(b);
        return err_nomem(err, "the merges");
    }
    memset(b->slots, 0xff, n_slots * sizeof *b->slots);
    return 0;
}

void bpe_put(struct bpe *b, uint32_t rank, uint32_t left, uint32_t right, uint32_t made)
{
    b->slots[slot_of(b, left, right)] = (struct bpe_merge){left, right, rank};
    b->made[rank] = made;
}

uint32_t bpe_rank(const struct bpe *b, uint32_t left, uint32_t right)
{
    return b->slots[slot_of(b, left, right)].rank;
}

void bpe_free(struct bpe *b)
{
    free(b->token_bytes);
    free(b->made);
    free(b->slots);
    free(b->words);
    *b = (struct bpe){0};
}

/* --- tokens by their texts ------------------------------------------------------------------- */

int bpe_words_init(struct bpe *b, size_t n, const char *text, struct err *err)
{
    size_t n_slots = 16;
    while (n_slots / 2 < n) {
        n_slots *= 2;
    }
    b->words = mem_new(n_slots, sizeof *b->words);
    if (!b->words) {
        return err_nomem(err, "the vocabulary");
    }
    memset(b->words, 0xff, n_slots * sizeof *b->words);
    b->words_mask = n_slots - 1;
    b->text = text;
    return 0;
}

static size_t word_slot(const struct bpe *b, const char *word, size_t len)
{
    size_t at = (size_t)XXH64(word, len, 0) & b->words_mask;
    while (b->words[at].id != BPE_NONE &&
           (b->words[at].len != len || memcmp(b->text + b->words[at].at, word, len) != 0)) {
        at = (at + 1) & b->words_mask;
    }
    return at;
}

void bpe_words_put(struct bpe *b, uint32_t at, uint32_t len, uint32_t id)
{
    b->words[word_slot(b, b->text + at, len)] = (struct bpe_word){at, len, id};
}

uint32_t bpe_words_find(const struct bpe *b, const char *word, size_t len)
{
    return b->words[word_slot(b, word, len)].id;
}

/* The first token of the word at word[at, len), and its bytes in *used. */
static uint32_t first_token(const struct bpe *b, const char *word, size_t at, size_t len,
                            size_t *used)
{
    *used = 1;
    if (!b->by_character || ((unsigned char)word[at] & 0xc0) == 0x80) {
        return b->byte_ids[(unsigned char)word[at]]; // in a character that is no token
    }
    size_t n;
    (void)utf8_decode(word + at, len - at, &n);
    const uint32_t id = bpe_words_find(b, word + at, n);
    *used = id != BPE_NONE ? n : 1;
    return id != BPE_NONE ? id : b->byte_ids[(unsigned char)word[at]];
}

/* --- a worker -------------------------------------------------------------------------------- */

/* A word with its tokens, in one cache line. */
#define CACHED_BYTES 32
#define CACHED_TOKENS 7
#define CACHE_BITS 15 // 2 MiB per thread

struct cached {
    uint64_t key[4]; // see load_key()
    uint32_t ids[CACHED_TOKENS];
    uint8_t len; // 0: the slot is empty
    uint8_t n;
};

/* A token of a long word while it is merged; its index is the offset of its first byte. */
struct symbol {
    uint32_t id;         // BPE_NONE: merged into the symbol before it
    uint32_t prev, next; // offsets; BPE_NONE at the ends
};

/* The waiting pairs of one rank, from left to right, in a list through 'pairs'. */
struct bucket {
    uint32_t head, tail; // BPE_NONE: no pair
};

struct waiting {
    uint32_t at;   // the pair's left symbol
    uint32_t next; // in its bucket, or in the list of free ones
};

struct bpe_worker {
    const struct bpe *b;
    struct cached *cache; // [1 << CACHE_BITS]

    // long words only
    struct symbol *symbols; // [len]
    size_t symbols_cap;
    struct bucket *buckets; // [n_ranks]
    bool buckets_left;      // buckets may not be empty: an earlier word failed half-way
    struct waiting *pairs;
    size_t pairs_n, pairs_cap;
    uint32_t pairs_free;
    uint32_t open;     // the next pair of the open bucket, or BPE_NONE
    int64_t open_rank; // of the bucket opened last; -1: none yet
    uint64_t *heap;    // smallest first; see queue_pop()
    size_t heap_n, heap_cap;
};

struct bpe_worker *bpe_worker_new(const struct bpe *b)
{
    struct bpe_worker *w = mem_zero(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->b = b;
    w->cache = mem_zero((size_t)1 << CACHE_BITS, sizeof *w->cache);
    if (!w->cache) {
        bpe_worker_free(w);
        return NULL;
    }
    return w;
}

void bpe_worker_free(struct bpe_worker *w)
{
    if (w) {
        free(w->cache);
        free(w->symbols);
        free(w->buckets);
        free(w->pairs);
        free(w->heap);
        free(w);
    }
}

int bpe_reserve(struct tokens *out, size_t extra, struct err *err)
{
    if (extra <= out->cap - out->n) {
        return 0;
    }
    // Two arrays share one capacity, which changes when both have grown.
    size_t ids_cap = out->cap, ends_cap = out->cap;
    const size_t want = out->n + extra;
    int rc = mem_reserve(&out->ids, &ids_cap, want, sizeof *out->ids, "tokens", err);
    if (!rc) {
        rc = mem_reserve(&out->ends, &ends_cap, want, sizeof *out->ends, "tokens", err);
    }
    if (!rc) {
        out->cap = ids_cap;
    }
    return rc;
}

/* --- short words ----------------------------------------------------------------------------- */

/* Merges ids[n] in place and returns how many are left; 2 <= n <= SHORT_MAX. */
static size_t merge_short(const struct bpe *b, uint32_t *ids, size_t n)
{
    uint32_t ranks[SHORT_MAX]; // rank of the pair ids[i], ids[i + 1]
    for (size_t i = 0; i + 1 < n; i++) {
        ranks[i] = bpe_rank(b, ids[i], ids[i + 1]);
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < ranks[best]) {
                best = i;
            }
        }
        if (ranks[best] == BPE_NONE) {
            break;
        }
        ids[best] = b->made[ranks[best]];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
        }
        for (size_t i = best; i + 1 < n; i++) {
            ranks[i] = ranks[i + 1];
        }
        if (best + 1 < n) {
            ranks[best] = bpe_rank(b, ids[best], ids[best + 1]);
        }
        if (best > 0) {
            ranks[best - 1] = bpe_rank(b, ids[best - 1], ids[best]);
        }
    }
    return n;
}

/* --- long words ------------------------------------------------------------------------------ */

static int heap_push(struct bpe_worker *w, uint64_t key, struct err *err)
{
    const int rc =
        mem_reserve(&w->heap, &w->heap_cap, w->heap_n + 1, sizeof *w->heap, "a queue", err);
    if (rc) {
        return rc;
    }
    size_t at = w->heap_n++;
    for (; at > 0 && w->heap[(at - 1) / 2] > key; at = (at - 1) / 2) {
        w->heap[at] = w->heap[(at - 1) / 2];
    }
    w->heap[at] = key;
    return 0;
}

static uint64_t heap_pop(struct bpe_worker *w)
{
    const uint64_t top = w->heap[0], last = w->heap[--w->heap_n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->heap_n; at = child) {
        if (child + 1 < w->heap_n && w->heap[child + 1] < w->heap[child]) {
            child++;
        }
        if (last <= w->heap[child]) {
            break;
        }
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return top;
}

/* A pair in the heap.  A bucket of the same rank has the key (rank, 0), which comes first. */
static uint64_t key_of(uint32_t rank, uint32_t at)
{
    return (uint64_t)rank << 32 | (at + 1);
}

static int bucket_push(struct bpe_worker *w, uint32_t rank, uint32_t at, struct err *err)
{
    uint32_t pair = w->pairs_free;
    if (pair != BPE_NONE) {
        w->pairs_free = w->pairs[pair].next;
    } else {
        if (w->pairs_n == BPE_NONE) {
            return err_set(err, ERR_LIMIT, "a word too long to encode");
        }
        const int rc =
            mem_reserve(&w->pairs, &w->pairs_cap, w->pairs_n + 1, sizeof *w->pairs, "a queue", err);
        if (rc) {
            return rc;
        }
        pair = (uint32_t)w->pairs_n++;
    }
    w->pairs[pair] = (struct waiting){at, BPE_NONE};

    struct bucket *bucket = &w->buckets[rank];
    if (bucket->head == BPE_NONE) {
        *bucket = (struct bucket){pair, pair};
        return heap_push(w, (uint64_t)rank << 32, err);
    }
    w->pairs[bucket->tail].next = pair;
    bucket->tail = pair;
    return 0;
}

/* Puts the pair whose left symbol is 'at' into the queue, if there is a merge for it. */
static int queue_push(struct bpe_worker *w, uint32_t at, struct err *err)
{
    const struct symbol *left = &w->symbols[at];
    const uint32_t rank = bpe_rank(w->b, left->id, w->symbols[left->next].id);
    if (rank == BPE_NONE) {
        return 0;
    }
    const struct bucket *bucket = &w->buckets[rank];
    const bool in_order = bucket->head == BPE_NONE || w->pairs[bucket->tail].at < at;
    return rank > w->open_rank && in_order ? bucket_push(w, rank, at, err)
                                           : heap_push(w, key_of(rank, at), err);
}

/*
 * Takes the next pair of the queue.  A pair waits in one of three places: in the open bucket, whose
 * pairs are taken in order; in a bucket of higher rank, which has a key in the heap; or in the heap
 * itself, if it cannot be appended to a bucket because its rank or a higher one is open or because
 * a pair to the right came before it.  The last case is rare with trained merges: a token is always
 * made of the same two parts, so all pairs of a rank come up while one bucket is emptied, from left
 * to right.  Then a pair takes constant time, and the heap holds at most one key per rank.
 */
static bool queue_pop(struct bpe_worker *w, uint32_t *rank, uint32_t *at)
{
    for (;;) {
        const bool is_open = w->open != BPE_NONE;
        if (w->heap_n == 0 && !is_open) {
            return false;
        }
        if (is_open &&
            (w->heap_n == 0 || key_of((uint32_t)w->open_rank, w->pairs[w->open].at) < w->heap[0])) {
            struct waiting *pair = &w->pairs[w->open];
            *rank = (uint32_t)w->open_rank;
            *at = pair->at;
            const uint32_t next = pair->next;
            pair->next = w->pairs_free;
            w->pairs_free = w->open;
            w->open = next;
            return true;
        }
        const uint64_t key = heap_pop(w);
        *rank = (uint32_t)(key >> 32);
        if ((uint32_t)key != 0) {
            *at = (uint32_t)key - 1;
            return true;
        }
        w->open_rank = *rank;
        w->open = w->buckets[*rank].head;
        w->buckets[*rank].head = BPE_NONE;
    }
}

/* Makes the list of the word's first tokens and an empty queue. */
static int begin_long(struct bpe_worker *w, const char *word, size_t len, struct err *err)
{
    const int rc =
        mem_reserve(&w->symbols, &w->symbols_cap, len, sizeof *w->symbols, "a long word", err);
    if (rc) {
        return rc;
    }
    uint32_t last = BPE_NONE;
    for (size_t i = 0, used; i < len; i += used) {
        const uint32_t id = first_token(w->b, word, i, len, &used);
        w->symbols[i] = (struct symbol){id, last, (uint32_t)(i + used)};
        last = (uint32_t)i;
    }
    w->symbols[last].next = BPE_NONE;

    if (!w->buckets) {
        w->buckets = mem_new(w->b->n_ranks, sizeof *w->buckets);
        if (!w->buckets) {
            return err_nomem(err, "a queue");
        }
        w->buckets_left = true;
    }
    if (w->buckets_left) {
        memset(w->buckets, 0xff, w->b->n_ranks * sizeof *w->buckets);
    }
    w->buckets_left = true; // until merge_long() has emptied them
    w->pairs_n = 0;
    w->pairs_free = BPE_NONE;
    w->heap_n = 0;
    w->open = BPE_NONE;
    w->open_rank = -1;
    return 0;
}

static int merge_long(struct bpe_worker *w, struct err *err)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && w->symbols[i].next != BPE_NONE; i = w->symbols[i].next) {
        rc = queue_push(w, i, err);
    }
    uint32_t rank, at;
    while (!rc && queue_pop(w, &rank, &at)) {
        // A pair whose left or right has changed since it was queued no longer exists.
        struct symbol *left = &w->symbols[at];
        if (left->id == BPE_NONE || left->next == BPE_NONE ||
            bpe_rank(w->b, left->id, w->symbols[left->next].id) != rank) {
            continue;
        }
        struct symbol *right = &w->symbols[left->next];
        left->id = w->b->made[rank];
        left->next = right->next;
        right->id = BPE_NONE;
        if (left->prev != BPE_NONE) {
            rc = queue_push(w, left->prev, err);
        }
        if (!rc && left->next != BPE_NONE) {
            w->symbols[left->next].prev = at;
            rc = queue_push(w, at, err);
        }
    }
    w->buckets_left = rc != 0;
    return rc;
}

static int encode_long(struct bpe_worker *w, const char *word, size_t len, uint32_t from,
                       struct tokens *out, struct err *err)
{
    int rc = begin_long(w, word, len, err);
    if (!rc) {
        rc = merge_long(w, err);
    }
    for (uint32_t at = 0; !rc && at != BPE_NONE; at = w->symbols[at].next) {
        rc = bpe_reserve(out, 1, err);
        if (!rc) {
            const uint32_t next = w->symbols[at].next;
            out->ids[out->n] = w->symbols[at].id;
            out->ends[out->n] = from + (next == BPE_NONE ? (uint32_t)len : next);
            out->n++;
        }
    }
    return rc;
}

/* --- words ----------------------------------------------------------------------------------- */

static uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Loads the bytes of word[len], len <= CACHED_BYTES, into four numbers.  Loads overlap, so that
 * none goes beyond the word; together with 'len' the numbers identify the word. */
static void load_key(uint64_t key[4], const char *word, size_t len)
{
    memset(key, 0, 4 * sizeof *key);
    if (len > 16) {
        key[0] = load8(word);
        key[1] = load8(word + 8);
        key[2] = load8(word + len - 16);
        key[3] = load8(word + len - 8);
    } else if (len >= 8) {
        key[0] = load8(word);
        key[1] = load8(word + len - 8);
    } else if (len >= 4) {
        key[0] = load4(word) | load4(word + len - 4) << 32;
    } else {
        const unsigned char *c = (const unsigned char *)word;
        key[0] = (uint64_t)c[0] | (uint64_t)c[len / 2] << 8 | (uint64_t)c[len - 1] << 16;
    }
}

static size_t hash_of(const uint64_t key[4], size_t len)
{
    uint64_t h = (key[0] + len) * UINT64_C(0x9E3779B97F4A7C15);
    if (len > 8) {
        h = ((h ^ h >> 32) + key[1]) * UINT64_C(0xC2B2AE3D27D4EB4F);
    }
    if (len > 16) {
        h = ((h ^ h >> 32) + key[2]) * UINT64_C(0x9E3779B97F4A7C15);
        h = ((h ^ h >> 32) + key[3]) * UINT64_C(0xC2B2AE3D27D4EB4F);
    }
    return (size_t)(h >> (64 - CACHE_BITS));
}

static void put_tokens(const struct bpe *b, const uint32_t *ids, size_t n, uint32_t from,
                       struct tokens *out)
{
    for (size_t i = 0; i < n; i++) {
        from += b->token_bytes[ids[i]];
        out->ids[out->n] = ids[i];
        out->ends[out->n] = from;
        out->n++;
    }
}

/* The tokens of a short word, or of one that is a token; their number. */
static size_t short_word(const struct bpe *b, uint32_t ids[SHORT_MAX], const char *word, size_t len)
{
    ids[0] = b->whole_words ? bpe_words_find(b, word, len) : BPE_NONE;
    if (ids[0] != BPE_NONE) {
        return 1;
    }
    size_t n = 0;
    for (size_t i = 0, used; i < len; i += used) {
        ids[n++] = first_token(b, word, i, len, &used);
    }
    return merge_short(b, ids, n);
}

int bpe_encode(struct bpe_worker *w, const char *word, size_t len, uint32_t from,
               struct tokens *out, struct err *err)
{
    if (len > SHORT_MAX) {
        const uint32_t id = w->b->whole_words ? bpe_words_find(w->b, word, len) : BPE_NONE;
        if (id == BPE_NONE) {
            return encode_long(w, word, len, from, out, err);
        }
    }
    const int rc = bpe_reserve(out, SHORT_MAX, err);
    if (rc || len == 0) {
        return rc;
    }
    struct cached *hit = NULL;
    uint64_t key[4];
    if (len <= CACHED_BYTES) {
        load_key(key, word, len);
        hit = &w->cache[hash_of(key, len)];
        if (hit->len == len && memcmp(hit->key, key, sizeof key) == 0) {
            put_tokens(w->b, hit->ids, hit->n, from, out);
            return 0;
        }
    }
    uint32_t ids[SHORT_MAX];
    const size_t n = short_word(w->b, ids, word, len);
    if (hit && n <= CACHED_TOKENS) {
        memcpy(hit->key, key, sizeof key);
        memcpy(hit->ids, ids, n * sizeof *ids);
        hit->len = (uint8_t)len;
        hit->n = (uint8_t)n;
    }
    put_tokens(w->b, ids, n, from, out);
    return 0;
}
