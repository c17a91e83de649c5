#include "model/counts/ngrams_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"
#include "model/counts/ngrams_merge.h"

// --- a build ------------------------------------------------------------------------------------

/* A file in the folder that disappears when it is closed. */
struct temporary {
    FILE *file;
    char *path;
    struct ngrams_sink sink;
};

struct build {
    const struct ngrams_build *b;
    unsigned bits;
    struct ngrams_info *info;
    struct ngrams_word *words; // [d_vocab]; each table writes its own members
    struct temporary *data[NGRAMS_TABLES], *index[NGRAMS_TABLES];
    atomic_size_t next; // of the tasks; taken by threads
};

static void temporary_free(struct temporary *t)
{
    if (!t) {
        return;
    }
    ngrams_sink_end(&t->sink);
    if (t->file) {
        fclose(t->file);
    }
    if (t->path) {
        unlink(t->path);
    }
    free(t->path);
    free(t);
}

/* number: distinguishes it from the other files of this build. */
static int temporary_new(struct temporary **out, const struct build *b, const char *what,
                         size_t number, struct err *err)
{
    struct temporary *t = mem_zero(1, sizeof *t);
    if (!t || asprintf(&t->path, "%s/table.%s.%zu", b->b->folder, what, number) < 0) {
        free(t);
        return err_nomem(err, "a table");
    }
    t->file = fopen(t->path, "w+be");
    int rc = t->file ? 0 : err_set(err, ERR_IO, "%s: %m", t->path);
    rc = rc ? rc : ngrams_sink_begin(&t->sink, t->file, err);
    if (rc) {
        temporary_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

/* Ends the writing. */
static int temporary_done(struct temporary *t, struct err *err)
{
    ngrams_sink_flush(&t->sink);
    return fflush(t->file) || ferror(t->file) ? err_set(err, ERR_IO, "%s: %m", t->path) : 0;
}

/* Begins a merge of the table's entries in all sources. */
static int open_sources(struct ngrams_merge *m, const struct build *b, unsigned table,
                        struct err *err)
{
    const struct ngrams_build *o = b->b;
    const int rc = ngrams_merge_new(m, o->n_runs + o->n_parts, err);
    if (rc) {
        return rc;
    }
    ngrams_merge_runs(m, o->runs, o->n_runs, table);
    for (size_t i = 0; i < o->n_parts; i++) {
        ngrams_seek(&m->cursors[o->n_runs + i], o->parts[i], table, 0);
    }
    ngrams_merge_begin(m);
    return 0;
}

static void add_type(struct ngrams_context *c, uint64_t count)
{
    c->total += count;
    c->n[count < 3 ? count - 1 : 2]++;
}

static void add_cofc(struct build *b, unsigned set, uint64_t count)
{
    if (count <= 4) {
        b->info->cofc[set][count - 1]++;
    }
}

static int wrong_id(struct err *err)
{
    return err_set(err, ERR_FORMAT, "an id beyond the vocabulary");
}

/* Writes an entry to the table's files, the index first. */
static void put_entry(struct build *b, unsigned table, uint64_t key, const uint64_t *numbers,
                      size_t n)
{
    struct ngrams_sink *data = &b->data[table]->sink;
    if (b->info->entries[table]++ % NGRAMS_BLOCK == 0) {
        const uint64_t at = data->len + data->used;
        unsigned char entry[16];
        for (size_t i = 0; i < 8; i++) {
            entry[i] = (unsigned char)(key >> 8 * i);
            entry[8 + i] = (unsigned char)(at >> 8 * i);
        }
        ngrams_sink_raw(&b->index[table]->sink, entry, sizeof entry);
    }
    ngrams_sink_entry(data, key, numbers, n);
}

static int begin_table(struct build *b, unsigned table, struct err *err)
{
    const int rc = temporary_new(&b->data[table], b, "data", table, err);
    return rc ? rc : temporary_new(&b->index[table], b, "index", table, err);
}

static int end_table(struct build *b, unsigned table, struct err *err)
{
    const int rc = temporary_done(b->data[table], err);
    return rc ? rc : temporary_done(b->index[table], err);
}

/* Counts an entry of a table from which min_count may leave entries out. */
static void put_count(struct build *b, unsigned table, uint64_t key, uint64_t count)
{
    add_cofc(b, table, count);
    if (count < b->info->min_count) {
        b->info->dropped[table]++;
    } else {
        put_entry(b, table, key, &count, 1);
    }
}

static int make_skips(struct build *b, unsigned table, struct err *err)
{
    struct ngrams_merge m = {0};
    const uint64_t mask = ((uint64_t)1 << b->bits) - 1;
    int rc = begin_table(b, table, err);
    rc = rc ? rc : open_sources(&m, b, table, err);
    for (uint64_t n = 0; !rc && ngrams_merge_next(&m); n++) {
        const uint64_t a = m.key >> b->bits;
        if (a >= b->info->d_vocab || (m.key & mask) >= b->info->d_vocab) {
            rc = wrong_id(err);
        } else if (ngrams_merge_stops(&m, n, b->b->stop)) {
            break;
        } else {
            add_type(&b->words[a].skip[table - NGRAMS_SKIP], m.count);
            put_count(b, table, m.key, m.count);
        }
    }
    rc = rc ? rc : ngrams_merge_check(&m, err);
    ngrams_merge_free(&m);
    return rc ? rc : end_table(b, table, err);
}

// --- trigrams, and bigrams with the numbers that trigrams give -----------------------------------

/* The (B, C) of all different trigrams, sorted in runs. */
struct lefts {
    uint64_t *keys, *other; // [cap]
    size_t n, cap;
    struct temporary **runs; // [n_runs]
    struct file_map *maps;   // [n_runs] of them
    size_t n_runs, runs_cap, maps_cap;
};

static void lefts_free(struct lefts *l)
{
    free(l->keys);
    free(l->other);
    for (size_t i = 0; i < l->n_runs; i++) {
        temporary_free(l->runs[i]);
        file_unmap(&l->maps[i]);
    }
    free(l->runs);
    free(l->maps);
}

static int lefts_spill(struct lefts *l, const struct build *b, struct err *err)
{
    int rc = mem_reserve(&l->runs, &l->runs_cap, l->n_runs + 1, sizeof(struct temporary *),
                         "a table", err);
    rc = rc ? rc
            : mem_reserve(&l->maps, &l->maps_cap, l->n_runs + 1, sizeof *l->maps, "a table", err);
    struct temporary *t = NULL;
    rc = rc ? rc : temporary_new(&t, b, "left", l->n_runs, err);
    if (rc) {
        return rc;
    }
    l->maps[l->n_runs] = (struct file_map){0};
    l->runs[l->n_runs++] = t;
    ngrams_sort(l->keys, l->other, l->n, 2 * b->bits);
    for (size_t i = 0; i < l->n;) {
        size_t end = i + 1;
        while (end < l->n && l->keys[end] == l->keys[i]) {
            end++;
        }
        const uint64_t count = end - i;
        ngrams_sink_entry(&t->sink, l->keys[i], &count, 1);
        i = end;
    }
    l->n = 0;
    return temporary_done(t, err);
}

static int lefts_add(struct lefts *l, const struct build *b, uint64_t key, struct err *err)
{
    if (!l->keys) {
        const size_t most = b->b->memory_bytes / 4 / (2 * sizeof *l->keys);
        l->cap = most > 4096 ? most : 4096;
        l->keys = mem_new(l->cap, sizeof *l->keys);
        l->other = mem_new(l->cap, sizeof *l->other);
        if (!l->keys || !l->other) {
            return err_nomem(err, "a table");
        }
    }
    const int rc = l->n == l->cap ? lefts_spill(l, b, err) : 0;
    if (!rc) {
        l->keys[l->n++] = key;
    }
    return rc;
}

/* Begins a merge of all of them. */
static int lefts_open(struct ngrams_merge *m, struct lefts *l, const struct build *b,
                      struct err *err)
{
    int rc = l->n > 0 ? lefts_spill(l, b, err) : 0;
    free(l->keys);
    free(l->other);
    l->keys = l->other = NULL;
    rc = rc ? rc : ngrams_merge_new(m, l->n_runs, err);
    for (size_t i = 0; i < l->n_runs && !rc; i++) {
        rc = file_map(&l->maps[i], l->runs[i]->path, err);
        if (!rc) {
            ngrams_stream(&m->cursors[i], l->maps[i].data, l->maps[i].len,
                          (uint64_t)1 << 2 * b->bits, false);
        }
    }
    if (!rc) {
        ngrams_merge_begin(m);
    }
    return rc;
}

/* Makes the numbers of the tokens behind a bigram part of its entry. */
static void put_context(struct ngrams_sink *s, uint64_t key, const struct ngrams_context *c)
{
    if (c->total > 0) {
        const uint64_t numbers[6] = {c->total, 0, c->n[0], c->n[1], c->n[2], 0};
        ngrams_sink_entry(s, key, numbers, 6);
    }
}

static int make_trigrams(struct build *b, struct temporary *contexts, struct lefts *lefts,
                         struct err *err)
{
    struct ngrams_merge m = {0};
    struct ngrams_context context = {0};
    uint64_t ab = 0;
    const uint64_t mask = ((uint64_t)1 << b->bits) - 1, v = b->info->d_vocab;
    int rc = begin_table(b, NGRAMS_TRIGRAMS, err);
    rc = rc ? rc : open_sources(&m, b, NGRAMS_TRIGRAMS, err);
    for (uint64_t n = 0; !rc && ngrams_merge_next(&m); n++) {
        if (m.key >> 2 * b->bits >= v || (m.key >> b->bits & mask) >= v || (m.key & mask) >= v) {
            rc = wrong_id(err);
            break;
        }
        if (ngrams_merge_stops(&m, n, b->b->stop)) {
            break;
        }
        if (m.key >> b->bits != ab) {
            put_context(&contexts->sink, ab, &context);
            context = (struct ngrams_context){0};
            ab = m.key >> b->bits;
        }
        add_type(&context, m.count);
        put_count(b, NGRAMS_TRIGRAMS, m.key, m.count);
        rc = lefts_add(lefts, b, m.key & (((uint64_t)1 << 2 * b->bits) - 1), err);
    }
    put_context(&contexts->sink, ab, &context);
    rc = rc ? rc : ngrams_merge_check(&m, err);
    ngrams_merge_free(&m);
    rc = rc ? rc : temporary_done(contexts, err);
    return rc ? rc : end_table(b, NGRAMS_TRIGRAMS, err);
}

static void add_bigram(struct build *b, uint64_t key, const struct ngrams_bigram *bigram)
{
    struct ngrams_word *before = &b->words[key >> b->bits];
    struct ngrams_word *word = &b->words[key & (((uint64_t)1 << b->bits) - 1)];
    word->count += bigram->count;
    word->left++;
    add_type(&before->after, bigram->count);
    add_cofc(b, NGRAMS_BIGRAMS, bigram->count);
    if (bigram->left > 0) {
        add_type(&before->left_after, bigram->left);
        add_cofc(b, NGRAMS_LEFT_2, bigram->left);
    }
    const struct ngrams_context *a = &bigram->after;
    const uint64_t numbers[6] = {bigram->count, bigram->count - a->total, a->n[0], a->n[1], a->n[2],
                                 bigram->left};
    put_entry(b, NGRAMS_BIGRAMS, key, numbers, 6);
}

/* Writes the bigrams with the numbers that the trigrams give for each. */
static int join_bigrams(struct build *b, struct ngrams_merge *m, struct ngrams_cursor *contexts,
                        struct ngrams_merge *left, struct err *err)
{
    const uint64_t mask = ((uint64_t)1 << b->bits) - 1, v = b->info->d_vocab;
    bool is_left = ngrams_merge_next(left);
    for (uint64_t n = 0; ngrams_merge_next(m); n++) {
        if (ngrams_merge_stops(m, n, b->b->stop)) {
            return 0;
        }
        if (m->key >> b->bits >= v || (m->key & mask) >= v) {
            return wrong_id(err);
        }
        struct ngrams_bigram bigram = {.count = m->count};
        if (contexts->is && contexts->key == m->key) {
            bigram.after = contexts->bigram.after;
            ngrams_next(contexts);
        }
        if (is_left && left->key == m->key) {
            bigram.left = left->count;
            is_left = ngrams_merge_next(left);
        }
        if (bigram.after.total > bigram.count) {
            return err_set(err, ERR_FORMAT, "more trigrams than bigrams");
        }
        add_bigram(b, m->key, &bigram);
    }
    return contexts->is || is_left ? err_set(err, ERR_FORMAT, "a trigram without its bigram") : 0;
}

static int make_bigrams(struct build *b, const struct temporary *contexts, struct lefts *lefts,
                        struct err *err)
{
    struct ngrams_merge m = {0}, left = {0};
    struct file_map map = {0};
    struct ngrams_cursor cursor;
    int rc = begin_table(b, NGRAMS_BIGRAMS, err);
    rc = rc ? rc : file_map(&map, contexts->path, err);
    rc = rc ? rc : open_sources(&m, b, NGRAMS_BIGRAMS, err);
    rc = rc ? rc : lefts_open(&left, lefts, b, err);
    if (rc) {
        goto out;
    }
    ngrams_stream(&cursor, map.data, map.len, (uint64_t)1 << 2 * b->bits, true);
    rc = join_bigrams(b, &m, &cursor, &left, err);
    rc = rc ? rc : ngrams_merge_check(&m, err);
    if (rc) {
        goto out;
    }
    for (size_t i = 0; i < b->info->d_vocab; i++) {
        if (b->words[i].left > 0) {
            add_cofc(b, NGRAMS_LEFT_1, b->words[i].left);
        }
    }
    rc = end_table(b, NGRAMS_BIGRAMS, err);
out:
    ngrams_merge_free(&m);
    ngrams_merge_free(&left);
    file_unmap(&map);
    return rc;
}

static int make_grams(struct build *b, struct err *err)
{
    struct temporary *contexts = NULL;
    struct lefts lefts = {0};
    int rc = temporary_new(&contexts, b, "contexts", 0, err);
    rc = rc ? rc : make_trigrams(b, contexts, &lefts, err);
    if (rc || is_stopped(b->b->stop)) {
        goto out;
    }
    rc = make_bigrams(b, contexts, &lefts, err);
out:
    lefts_free(&lefts);
    temporary_free(contexts);
    return rc;
}

/* pool_fn(): tables, in the order of the time that they take, so that threads end together. */
static int make_tables(void *context, struct pool *pool, struct err *err)
{
    static const unsigned tables[] = {NGRAMS_SKIP + 3, NGRAMS_SKIP + 2, NGRAMS_TRIGRAMS,
                                      NGRAMS_SKIP + 1, NGRAMS_SKIP};
    struct build *b = context;
    int rc = 0;
    while (!rc && !pool_is_stopped(pool) && !is_stopped(b->b->stop)) {
        const size_t task = atomic_fetch_add(&b->next, 1);
        if (task >= sizeof tables / sizeof *tables) {
            break;
        }
        rc =
            tables[task] == NGRAMS_TRIGRAMS ? make_grams(b, err) : make_skips(b, tables[task], err);
    }
    return rc;
}

// --- the file -----------------------------------------------------------------------------------

static int copy(struct ngrams_sink *to, FILE *from, struct err *err)
{
    unsigned char bytes[1 << 15];
    size_t n;
    rewind(from);
    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0) {
        ngrams_sink_raw(to, bytes, n);
    }
    return ferror(from) ? err_set(err, ERR_IO, "reading a table: %m") : 0;
}

static void put_u64(struct ngrams_sink *s, uint64_t value)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> 8 * i);
    }
    ngrams_sink_raw(s, bytes, sizeof bytes);
}

static void put_words(struct ngrams_sink *s, const struct build *b)
{
    for (size_t i = 0; i < b->info->d_vocab; i++) {
        const struct ngrams_word *w = &b->words[i];
        const struct ngrams_context *contexts[2 + NGRAMS_SKIPS] = {&w->after, &w->left_after};
        for (size_t k = 0; k < NGRAMS_SKIPS; k++) {
            contexts[2 + k] = &w->skip[k];
        }
        put_u64(s, w->count);
        put_u64(s, w->left);
        for (size_t k = 0; k < 2 + NGRAMS_SKIPS; k++) {
            put_u64(s, contexts[k]->total);
            for (size_t c = 0; c < 3; c++) {
                put_u64(s, contexts[k]->n[c]);
            }
        }
    }
}

static void put_shards(struct ngrams_sink *s, const struct ngrams_info *info)
{
    for (size_t i = 0; i < info->n_shards; i++) {
        const struct ngrams_shard *shard = &info->shards[i];
        const size_t len = strlen(shard->name);
        unsigned char bytes[4];
        for (size_t k = 0; k < 4; k++) {
            bytes[k] = (unsigned char)(len >> 8 * k);
        }
        put_u64(s, shard->bytes);
        put_u64(s, shard->hash);
        ngrams_sink_raw(s, bytes, sizeof bytes);
        ngrams_sink_raw(s, shard->name, len);
    }
}

static int put_section(struct ngrams_sink *s, struct build *b, unsigned section, struct err *err)
{
    if (section == NGRAMS_WORDS) {
        put_words(s, b);
    } else if (section == NGRAMS_SHARDS) {
        put_shards(s, b->info);
    } else if (section == NGRAMS_UNITS) {
        for (size_t i = 0; i < (b->info->n_units + 63) / 64; i++) {
            put_u64(s, b->b->units[i]);
        }
    } else {
        struct temporary **t = section < NGRAMS_INDEX ? &b->data[section - NGRAMS_DATA]
                                                      : &b->index[section - NGRAMS_INDEX];
        const int rc = copy(s, (*t)->file, err);
        temporary_free(*t); // frees its space on the disk
        *t = NULL;
        return rc;
    }
    return 0;
}

static int write_sections(struct build *b, FILE *to, struct ngrams_place *places, struct err *err)
{
    uint64_t at = NGRAMS_HEADER;
    struct ngrams_sink *s = mem_zero(1, sizeof *s);
    int rc = s ? 0 : err_nomem(err, "a table");
    for (unsigned i = 0; i < NGRAMS_SECTIONS && !rc; i++) {
        rc = ngrams_sink_begin(s, to, err);
        rc = rc ? rc : put_section(s, b, i, err);
        if (!rc) {
            ngrams_sink_flush(s);
            places[i] = (struct ngrams_place){.at = at, .len = s->len, .sum = ngrams_sink_sum(s)};
            static const char zeros[8];
            const size_t pad = (8 - s->len % 8) % 8;
            (void)!fwrite(zeros, 1, pad, to);
            at += s->len + pad;
        }
        ngrams_sink_end(s);
    }
    free(s);
    return rc;
}

static int write_file(struct build *b, const char *path, struct err *err)
{
    struct outfile out = {0};
    struct ngrams_place places[NGRAMS_SECTIONS] = {0};
    unsigned char header[NGRAMS_HEADER] = {0};
    int rc = outfile_open(&out, path, err);
    if (rc) {
        return rc;
    }
    (void)!fwrite(header, 1, sizeof header, out.stream);
    rc = write_sections(b, out.stream, places, err);
    if (rc) {
        goto out;
    }
    ngrams_header(header, b->info, places);
    if (fseek(out.stream, 0, SEEK_SET) != 0) {
        rc = err_set(err, ERR_IO, "%s: %m", path);
        goto out;
    }
    (void)!fwrite(header, 1, sizeof header, out.stream);
    rc = outfile_commit(&out, err);
out:
    outfile_discard(&out);
    return rc;
}

int ngrams_build(const struct ngrams_build *b, const char *path, bool *stopped,
                 struct ngrams_info *made, struct err *err)
{
    *made = b->info;
    struct build build = {.b = b, .bits = ngrams_bits(b->info.d_vocab), .info = made};
    memset(made->entries, 0, sizeof made->entries);
    memset(made->dropped, 0, sizeof made->dropped);
    memset(made->cofc, 0, sizeof made->cofc);
    build.words = mem_zero(b->info.d_vocab, sizeof *build.words);
    if (!build.words) {
        return err_nomem(err, "words");
    }
    const size_t most = NGRAMS_TABLES - 1; // tables that one thread makes by itself
    int rc = pool_run(b->n_threads < most ? b->n_threads : most, make_tables, &build, err);
    *stopped = is_stopped(b->stop);
    if (!rc && !*stopped) {
        rc = write_file(&build, path, err);
    }
    for (size_t t = 0; t < NGRAMS_TABLES; t++) {
        temporary_free(build.data[t]);
        temporary_free(build.index[t]);
    }
    free(build.words);
    return rc;
}
