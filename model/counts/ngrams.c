#include "model/counts/ngrams.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/foreign.h"
#include "corpora/base/le.h"
#include "corpora/base/mem.h"

static const char magic[8] = {'G', 'A', 'P', 'N', 'G', 'R', 'A', 'M'};

struct table {
    const unsigned char *data;  // [len]
    const unsigned char *index; // [n_blocks][16]
    size_t len, n_blocks;
    size_t *first; // [d_vocab + 1]: the first block whose key begins with this id or a greater one
};

struct ngrams {
    struct file_map map; // {0}: the bytes belong to the caller
    struct ngrams_info info;
    struct ngrams_word *words; // [d_vocab]
    struct table tables[NGRAMS_TABLES];
    const unsigned char *units; // [units_len]
    size_t units_len;
    unsigned bits;
    uint64_t hash;
};

unsigned ngrams_bits(uint32_t d_vocab)
{
    unsigned bits = 1;
    while (bits < 32 && (uint64_t)1 << bits < d_vocab) {
        bits++;
    }
    return bits;
}

/* The greatest key plus 1. */
static uint64_t key_end(unsigned table, unsigned bits)
{
    return (uint64_t)1 << (table == NGRAMS_TRIGRAMS ? 3 : 2) * bits;
}

// --- the header ---------------------------------------------------------------------------------

/* Reads or writes the header's numbers, so that their order is in the code only once. */
struct fields {
    unsigned char *to;         // NULL: the numbers are read
    const unsigned char *from; // [NGRAMS_HEADER]
    size_t at;
};

static void u64_field(struct fields *f, uint64_t *value)
{
    if (!f->to) {
        *value = le_u64(f->from + f->at);
    }
    for (size_t i = 0; i < 8 && f->to; i++) {
        f->to[f->at + i] = (unsigned char)(*value >> 8 * i);
    }
    f->at += 8;
}

static void all_fields(struct fields *f, uint64_t *version, uint64_t *file_bytes,
                       struct ngrams_info *info, struct ngrams_place *places)
{
    uint64_t d_vocab = info->d_vocab, n_shards = info->n_shards;
    uint64_t *const numbers[] = {version,          &d_vocab,        file_bytes,
                                 &info->tokenizer, &info->settings, &info->tokens,
                                 &info->docs,      &info->n_units,  &info->n_units_done,
                                 &info->min_count, &n_shards};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        u64_field(f, numbers[i]);
    }
    info->d_vocab = d_vocab > UINT32_MAX ? UINT32_MAX : (uint32_t)d_vocab;
    info->n_shards = n_shards;
    for (size_t t = 0; t < NGRAMS_TABLES; t++) {
        u64_field(f, &info->entries[t]);
        u64_field(f, &info->dropped[t]);
    }
    for (size_t i = 0; i < NGRAMS_COFC * 4; i++) {
        u64_field(f, &info->cofc[i / 4][i % 4]);
    }
    for (size_t s = 0; s < NGRAMS_SECTIONS; s++) {
        u64_field(f, &places[s].at);
        u64_field(f, &places[s].len);
        u64_field(f, &places[s].sum);
    }
}

_Static_assert(8 + 8 * (11 + 2 * NGRAMS_TABLES + 4 * NGRAMS_COFC + 3 * NGRAMS_SECTIONS) + 8 <=
                   NGRAMS_HEADER,
               "the header has room");

void ngrams_header(unsigned char *header, const struct ngrams_info *info,
                   const struct ngrams_place *places)
{
    struct ngrams_info numbers = *info;
    struct ngrams_place copy[NGRAMS_SECTIONS];
    uint64_t version = NGRAMS_VERSION, file_bytes = NGRAMS_HEADER;
    memcpy(copy, places, sizeof copy);
    for (size_t s = 0; s < NGRAMS_SECTIONS; s++) {
        const uint64_t end = (places[s].at + places[s].len + 7) / 8 * 8;
        file_bytes = end > file_bytes ? end : file_bytes;
    }
    memset(header, 0, NGRAMS_HEADER);
    memcpy(header, magic, sizeof magic);
    struct fields f = {.to = header, .at = sizeof magic};
    all_fields(&f, &version, &file_bytes, &numbers, copy);
    uint64_t sum = XXH3_64bits(header, NGRAMS_HEADER - 8);
    f.at = NGRAMS_HEADER - 8;
    u64_field(&f, &sum);
}

static int read_header(struct ngrams *n, const unsigned char *bytes, size_t len,
                       struct ngrams_place *places, struct err *err)
{
    if (len < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0) {
        const int rc = foreign_refuse(bytes, len, err);
        return rc ? rc
                  : err_set(err, ERR_FORMAT, "is not a file of counts (gapscope count makes them)");
    }
    if (len < NGRAMS_HEADER) {
        return err_set(err, ERR_TRUNCATED, "ends within its header, after %zu bytes", len);
    }
    struct fields f = {.from = bytes, .at = sizeof magic};
    uint64_t version, file_bytes, sum;
    all_fields(&f, &version, &file_bytes, &n->info, places);
    f.at = NGRAMS_HEADER - 8;
    u64_field(&f, &sum);
    n->hash = XXH3_64bits(bytes, NGRAMS_HEADER - 8);
    if (version != NGRAMS_VERSION) {
        return err_set(err, ERR_UNSUPPORTED, "is of version %" PRIu64 "; this gapscope reads %d",
                       version, NGRAMS_VERSION);
    }
    if (sum != n->hash) {
        return err_set(err, ERR_CORRUPT, "its header is damaged");
    }
    if (file_bytes != len) {
        return err_set(err, file_bytes > len ? ERR_TRUNCATED : ERR_GARBAGE,
                       "is %zu bytes, and should be %" PRIu64, len, file_bytes);
    }
    const struct ngrams_info *i = &n->info;
    n->bits = ngrams_bits(i->d_vocab);
    if (i->d_vocab == 0 || n->bits > NGRAMS_BITS_MAX || i->min_count < 1 || i->min_count > 2 ||
        i->n_units_done > i->n_units || i->n_shards > len / 20) {
        return err_set(err, ERR_FORMAT, "its header makes no sense");
    }
    return 0;
}

// --- sections -----------------------------------------------------------------------------------

static const char *section_name(unsigned s)
{
    return s == NGRAMS_WORDS    ? "words"
           : s == NGRAMS_SHARDS ? "shards"
           : s == NGRAMS_UNITS  ? "units"
           : s < NGRAMS_INDEX   ? "a table"
                                : "an index";
}

/* Checks that all sections are inside the file and that their sums are right. */
static int check_sections(const unsigned char *bytes, size_t len, const struct ngrams_place *places,
                          struct err *err)
{
    for (unsigned s = 0; s < NGRAMS_SECTIONS; s++) {
        const struct ngrams_place *p = &places[s];
        if (p->at % 8 || p->at < NGRAMS_HEADER || p->at > len || p->len > len - p->at) {
            return err_set(err, ERR_FORMAT, "%s of %" PRIu64 " bytes at %" PRIu64 " lies outside",
                           section_name(s), p->len, p->at);
        }
        if (XXH3_64bits(bytes + p->at, p->len) != p->sum) {
            return err_set(err, ERR_CORRUPT, "is damaged in bytes %" PRIu64 " to %" PRIu64 " (%s)",
                           p->at, p->at + p->len, section_name(s));
        }
    }
    return 0;
}

static void read_context(const unsigned char **at, struct ngrams_context *c)
{
    c->total = le_u64(*at);
    for (size_t i = 0; i < 3; i++) {
        c->n[i] = le_u64(*at + 8 + 8 * i);
    }
    *at += 32;
}

static int read_words(struct ngrams *n, const unsigned char *at, size_t len, struct err *err)
{
    if (len != (size_t)n->info.d_vocab * NGRAMS_WORD_U64 * 8) {
        return err_set(err, ERR_FORMAT, "%zu bytes of words for a d_vocab of %u", len,
                       n->info.d_vocab);
    }
    n->words = mem_new(n->info.d_vocab, sizeof *n->words);
    if (!n->words) {
        return err_nomem(err, "words");
    }
    for (size_t i = 0; i < n->info.d_vocab; i++) {
        struct ngrams_word *w = &n->words[i];
        w->count = le_u64(at);
        w->left = le_u64(at + 8);
        at += 16;
        read_context(&at, &w->after);
        read_context(&at, &w->left_after);
        for (size_t k = 0; k < NGRAMS_SKIPS; k++) {
            read_context(&at, &w->skip[k]);
        }
    }
    return 0;
}

static int read_shards(struct ngrams *n, const unsigned char *at, size_t len, struct err *err)
{
    const size_t wanted = n->info.n_shards;
    n->info.n_shards = 0;
    n->info.shards = mem_zero(wanted, sizeof *n->info.shards);
    if (!n->info.shards) {
        return err_nomem(err, "shards");
    }
    while (n->info.n_shards < wanted) {
        const size_t name = len < 20 ? 0 : le_u32(at + 16);
        if (len < 20 || name > len - 20) {
            return err_set(err, ERR_FORMAT, "its shards end too early");
        }
        struct ngrams_shard *s = &n->info.shards[n->info.n_shards++];
        *s = (struct ngrams_shard){.bytes = le_u64(at), .hash = le_u64(at + 8)};
        s->name = strndup((const char *)at + 20, name);
        if (!s->name) {
            return err_nomem(err, "shards");
        }
        at += 20 + name;
        len -= 20 + name;
    }
    return len ? err_set(err, ERR_FORMAT, "its shards do not end") : 0;
}

static int read_units(struct ngrams *n, const unsigned char *at, size_t len, struct err *err)
{
    n->units = at;
    n->units_len = len;
    uint64_t done = 0;
    for (size_t i = 0; i < len; i++) {
        done += (uint64_t)__builtin_popcount(at[i]);
    }
    if (n->info.n_units > UINT64_MAX - 63 || len != (n->info.n_units + 63) / 64 * 8 ||
        done != n->info.n_units_done) {
        return err_set(err, ERR_FORMAT, "its set of units makes no sense");
    }
    return 0;
}

/* Checks that the index ascends and stays within its table, so that a lookup may trust it. */
static int check_index(const struct table *t, uint64_t end, struct err *err)
{
    for (size_t i = 0; i < t->n_blocks; i++) {
        const uint64_t key = le_u64(t->index + 16 * i), at = le_u64(t->index + 16 * i + 8);
        if (key >= end || at >= t->len ||
            (i == 0
                 ? at != 0
                 : key <= le_u64(t->index + 16 * i - 16) || at <= le_u64(t->index + 16 * i - 8))) {
            return err_set(err, ERR_FORMAT, "an index makes no sense at block %zu", i);
        }
    }
    return 0;
}

static int read_table(struct ngrams *n, unsigned number, const unsigned char *bytes,
                      const struct ngrams_place *data, const struct ngrams_place *index,
                      struct err *err)
{
    struct table *t = &n->tables[number];
    *t = (struct table){.data = bytes + data->at,
                        .len = data->len,
                        .index = bytes + index->at,
                        .n_blocks = index->len / 16};
    const uint64_t entries = n->info.entries[number];
    if (index->len % 16 || t->n_blocks != entries / NGRAMS_BLOCK + (entries % NGRAMS_BLOCK > 0) ||
        (t->n_blocks == 0) != (t->len == 0)) {
        return err_set(err, ERR_FORMAT, "an index of %" PRIu64 " bytes for %" PRIu64 " entries",
                       index->len, entries);
    }
    const int rc = check_index(t, key_end(number, n->bits), err);
    if (rc) {
        return rc;
    }
    t->first = mem_new((size_t)n->info.d_vocab + 1, sizeof *t->first);
    if (!t->first) {
        return err_nomem(err, "an index");
    }
    const unsigned shift = n->bits * (number == NGRAMS_TRIGRAMS ? 2 : 1);
    size_t block = 0;
    for (size_t id = 0; id <= n->info.d_vocab; id++) {
        while (block < t->n_blocks && le_u64(t->index + 16 * block) >> shift < id) {
            block++;
        }
        t->first[id] = block;
    }
    return 0;
}

int ngrams_parse(struct ngrams **out, const void *bytes, size_t len, struct err *err)
{
    struct ngrams_place places[NGRAMS_SECTIONS];
    struct ngrams *n = mem_zero(1, sizeof *n);
    if (!n) {
        return err_nomem(err, "counts");
    }
    const unsigned char *b = bytes;
    int rc = read_header(n, b, len, places, err);
    rc = rc ? rc : check_sections(b, len, places, err);
    rc = rc ? rc : read_words(n, b + places[NGRAMS_WORDS].at, places[NGRAMS_WORDS].len, err);
    rc = rc ? rc : read_shards(n, b + places[NGRAMS_SHARDS].at, places[NGRAMS_SHARDS].len, err);
    rc = rc ? rc : read_units(n, b + places[NGRAMS_UNITS].at, places[NGRAMS_UNITS].len, err);
    for (unsigned t = 0; t < NGRAMS_TABLES && !rc; t++) {
        rc = read_table(n, t, b, &places[NGRAMS_DATA + t], &places[NGRAMS_INDEX + t], err);
    }
    if (rc) {
        ngrams_close(n);
        return rc;
    }
    *out = n;
    return 0;
}

int ngrams_open(struct ngrams **out, const char *path, struct err *err)
{
    struct file_map map;
    int rc = file_map(&map, path, err);
    if (rc) {
        return rc;
    }
    rc = ngrams_parse(out, map.data, map.len, err);
    if (rc) {
        file_unmap(&map);
        return err_prefix(err, "%s", path);
    }
    (*out)->map = map;
    return 0;
}

void ngrams_close(struct ngrams *n)
{
    if (!n) {
        return;
    }
    for (size_t i = 0; i < n->info.n_shards && n->info.shards; i++) {
        free(n->info.shards[i].name);
    }
    free(n->info.shards);
    for (size_t t = 0; t < NGRAMS_TABLES; t++) {
        free(n->tables[t].first);
    }
    free(n->words);
    file_unmap(&n->map);
    free(n);
}

bool ngrams_is(const char *path)
{
    char begin[sizeof magic];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const bool is = fd >= 0 && read(fd, begin, sizeof begin) == (ssize_t)sizeof begin &&
                    memcmp(begin, magic, sizeof magic) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is;
}

const struct ngrams_info *ngrams_info(const struct ngrams *n)
{
    return &n->info;
}

uint64_t ngrams_hash(const struct ngrams *n)
{
    return n->hash;
}

bool ngrams_has_unit(const struct ngrams *n, uint64_t unit)
{
    return unit < n->info.n_units && n->units[unit / 8] >> unit % 8 & 1;
}

const struct ngrams_word *ngrams_word(const struct ngrams *n, uint32_t id)
{
    return &n->words[id];
}

// --- entries ------------------------------------------------------------------------------------

unsigned char *ngrams_put(unsigned char *to, uint64_t number)
{
    for (; number >= 128; number >>= 7) {
        *to++ = (unsigned char)(number | 128);
    }
    *to++ = (unsigned char)number;
    return to;
}

/* Reads a number of at most 64 bits; false: it does not end within the bytes. */
static inline bool take(const unsigned char **at, const unsigned char *end, uint64_t *number)
{
    const unsigned char *p = *at;
    uint64_t value = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        const unsigned char byte = *p++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *at = p;
            *number = value;
            return shift < 63 || byte <= 1;
        }
    }
    return false;
}

/* Reads the numbers of an entry. */
static inline bool take_value(struct ngrams_cursor *c)
{
    struct ngrams_bigram *b = &c->bigram;
    if (!take(&c->at, c->end, &b->count)) {
        return false;
    }
    if (!c->wide) {
        return b->count > 0;
    }
    uint64_t ended; // how often nothing followed
    if (!take(&c->at, c->end, &ended) || !take(&c->at, c->end, &b->after.n[0]) ||
        !take(&c->at, c->end, &b->after.n[1]) || !take(&c->at, c->end, &b->after.n[2]) ||
        !take(&c->at, c->end, &b->left) || ended > b->count) {
        return false;
    }
    b->after.total = b->count - ended;
    return b->count > 0;
}

void ngrams_next(struct ngrams_cursor *c)
{
    uint64_t more;
    c->is = false;
    if (c->at == c->end || c->bad) {
        return;
    }
    // The key before the first is -1.
    if (!take(&c->at, c->end, &more) || more == 0 || more > c->key_end - 1 - c->key) {
        c->bad = true;
        return;
    }
    c->key += more;
    c->is = take_value(c);
    c->bad = !c->is;
}

void ngrams_stream(struct ngrams_cursor *c, const void *data, size_t len, uint64_t end, bool wide)
{
    const unsigned char *at = data;
    *c = (struct ngrams_cursor){
        .key = UINT64_MAX, .at = at, .end = at ? at + len : at, .key_end = end, .wide = wide};
    ngrams_next(c);
}

/* Moves *c to the first entry of a block. */
static void enter(struct ngrams_cursor *c, const struct table *t, size_t block)
{
    uint64_t more;
    c->at = t->data + le_u64(t->index + 16 * block + 8);
    c->key = le_u64(t->index + 16 * block);
    c->is = take(&c->at, c->end, &more) && take_value(c);
    c->bad = !c->is;
}

void ngrams_seek(struct ngrams_cursor *c, const struct ngrams *n, unsigned table, uint64_t key)
{
    const struct table *t = &n->tables[table];
    *c = (struct ngrams_cursor){.end = t->data + t->len,
                                .at = t->data + t->len,
                                .key_end = key_end(table, n->bits),
                                .wide = table == NGRAMS_BIGRAMS};
    const uint64_t id = key >> n->bits * (table == NGRAMS_TRIGRAMS ? 2 : 1);
    if (t->n_blocks == 0 || id >= n->info.d_vocab) {
        return;
    }
    // Take the block before the first one whose key is greater.
    size_t low = t->first[id], high = t->first[id + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (le_u64(t->index + 16 * middle) <= key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    enter(c, t, low > 0 ? low - 1 : 0);
    while (c->is && c->key < key) {
        ngrams_next(c);
    }
}

uint64_t ngrams_count(const struct ngrams *n, unsigned table, uint64_t key)
{
    struct ngrams_cursor c;
    ngrams_seek(&c, n, table, key);
    return c.is && c.key == key ? c.bigram.count : 0;
}

struct ngrams_bigram ngrams_bigram(const struct ngrams *n, uint64_t key)
{
    struct ngrams_cursor c;
    ngrams_seek(&c, n, NGRAMS_BIGRAMS, key);
    return c.is && c.key == key ? c.bigram : (struct ngrams_bigram){0};
}
