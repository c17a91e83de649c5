/*
 * Locks: state.reading, then state.mu.  Reading a unit blocks under the first.
 */
#include "scan/count/count.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "corpora/base/bits.h"
#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"
#include "model/counts/ngrams_build.h"
#include "model/counts/ngrams_run.h"
#include "scan/cli/progress.h"
#include "scan/count/folder.h"
#include "scan/load/nothing_read.h"

struct state {
    // set before threads start, then read only
    const struct count *c;
    size_t toks_max; // of a worker's keys

    // under reading
    pthread_mutex_t reading;
    struct units *units;
    bool ended; // the corpus has no more units

    // under mu
    pthread_mutex_t mu;
    struct count_folder folder; // its path and fingerprint are set before threads start
    uint64_t n_units;           // of the corpus, once it has been read
    uint64_t docs;              // of the corpus, as far as it has been read
    uint64_t raw_now;           // bytes of shards behind the units that are counted now
    uint64_t raw_before;        // behind those that were counted before
    uint64_t raw_others;        // and behind those that other parts count
    struct counted *out;
};

static bool is_stopped_now(const struct state *s)
{
    return is_stopped(&s->c->signals->stop);
}

// --- what tells one count from another ----------------------------------------------------------

static uint64_t fingerprint(const struct count *c)
{
    const uint64_t numbers[] = {NGRAMS_VERSION, tokenizer_hash(c->tokenizer), c->settings, c->part,
                                c->n_parts};
    uint64_t hash = XXH64(numbers, sizeof numbers, 0);
    for (size_t i = 0; i < c->shards->n; i++) {
        const struct shard *s = &c->shards->items[i];
        const uint64_t known[] = {s->bytes, s->hash};
        hash = XXH64(known, sizeof known, hash);
        hash = XXH64(s->name, strlen(s->name), hash);
    }
    return hash;
}

/* Are a and b of one corpus, read and cut alike? */
static int same_corpus(const struct ngrams_info *a, const struct ngrams_info *b, struct err *why)
{
    const char *what = a->tokenizer != b->tokenizer || a->d_vocab != b->d_vocab ? "tokenizers"
                       : a->settings != b->settings                             ? "settings"
                       : a->n_shards != b->n_shards                             ? "corpora"
                                                                                : NULL;
    for (size_t i = 0; i < a->n_shards && !what; i++) {
        const struct ngrams_shard *x = &a->shards[i], *y = &b->shards[i];
        if (x->bytes != y->bytes || x->hash != y->hash || strcmp(x->name, y->name) != 0) {
            what = "corpora";
        }
    }
    return what ? err_set(why, ERR_MISMATCH, "they are of different %s", what) : 0;
}

// --- workers ------------------------------------------------------------------------------------

/* What a worker owns. */
struct worker_state {
    struct unit unit;
    struct layout layout;
    struct ngrams_keys *keys;
    uint64_t *units; // [n_units] that are in the keys
    size_t n_units, units_cap;
    uint64_t docs;
};

/* Is the unit for this process to count?  Notes what was read.  mu is held. */
static bool is_ours(struct state *s, const struct unit *u)
{
    const bool in_part = u->number % s->c->n_parts == s->c->part;
    const bool ours = in_part && !count_folder_has(&s->folder, u->number);
    s->n_units = u->number + 1;
    s->docs += u->n_docs;
    *(ours ? &s->raw_now : in_part ? &s->raw_before : &s->raw_others) += u->raw;
    if (in_part) {
        rejects_append(&s->out->rejects, &u->rejects);
        s->out->repaired += u->repaired;
    }
    return ours;
}

/* Reads the next unit that is to be counted.  *found: there is one. */
static int next_unit(struct state *s, const struct pool *pool, struct worker_state *w, bool *found,
                     struct err *err)
{
    int rc = 0;
    *found = false;
    pthread_mutex_lock(&s->reading);
    while (!rc && !*found && !s->ended && !pool_is_stopped(pool) && !is_stopped_now(s)) {
        rc = units_next(s->units, &w->unit, err);
        if (!rc && w->unit.number == UNIT_END) {
            s->ended = true;
        } else if (!rc) {
            pthread_mutex_lock(&s->mu);
            *found = is_ours(s, &w->unit);
            pthread_mutex_unlock(&s->mu);
        }
    }
    pthread_mutex_unlock(&s->reading);
    return rc;
}

/* Writes what the worker has as a run. */
static int spill(struct state *s, struct worker_state *w, struct err *err)
{
    if (w->n_units == 0) {
        return 0;
    }
    struct ngrams_run run = {0};
    int rc = count_folder_write(&s->folder, w->keys, w->units, w->n_units, w->docs, &run, err);
    if (!rc) {
        pthread_mutex_lock(&s->mu);
        rc = count_folder_take(&s->folder, &run, err);
        pthread_mutex_unlock(&s->mu);
    }
    ngrams_run_close(&run);
    w->n_units = 0;
    w->docs = 0;
    return rc;
}

static int add_unit(struct state *s, struct worker_state *w, struct err *err)
{
    const struct layout *l = &w->layout;
    int rc = layout_make(&w->layout, &w->unit, &s->c->layout, err);
    if (!rc && ngrams_keys_toks(w->keys) + l->n > s->toks_max) {
        rc = spill(s, w, err);
    }
    rc = rc ? rc
            : mem_reserve(&w->units, &w->units_cap, w->n_units + 1, sizeof *w->units, "units", err);
    for (size_t d = 0; d < l->n_docs && !rc; d++) {
        const struct layout_doc *doc = &l->docs[d];
        rc = ngrams_keys_add(w->keys, doc->first, l->ids + doc->begin, doc->n, err);
    }
    if (!rc) {
        w->units[w->n_units++] = w->unit.number;
        w->docs += l->n_docs;
        pthread_mutex_lock(&s->mu);
        s->out->tokens_now += l->n;
        s->out->double_bos += l->n_double;
        pthread_mutex_unlock(&s->mu);
    }
    return rc;
}

/* pool_fn() */
static int work(void *context, struct pool *pool, struct err *err)
{
    struct state *s = context;
    struct worker_state w = {0};
    bool found = false;
    int rc =
        ngrams_keys_new(&w.keys, (uint32_t)tokenizer_n_vocab(s->c->tokenizer), s->toks_max, err);
    do {
        rc = rc ? rc : next_unit(s, pool, &w, &found, err);
        if (!rc && found) {
            rc = add_unit(s, &w, err);
        }
    } while (!rc && found);
    rc = rc ? rc : spill(s, &w, err);
    ngrams_keys_free(w.keys);
    layout_free(&w.layout);
    unit_free(&w.unit);
    free(w.units);
    return rc;
}

static void show_progress(struct state *s, struct progress *p)
{
    const bool asked = atomic_exchange(&s->c->signals->status, 0) != 0;
    if (asked || progress_is_due(p)) {
        pthread_mutex_lock(&s->mu);
        const struct progress_now now = {.items = s->out->tokens_now,
                                         .items_now = s->out->tokens_now,
                                         .bytes_now = s->raw_now,
                                         .bytes_before = s->raw_before,
                                         .bytes_others = s->raw_others};
        pthread_mutex_unlock(&s->mu);
        progress_show(p, &now, asked);
    }
}

/* Counts in threads; the calling thread shows how far they are. */
static int run_workers(struct state *s, struct err *err)
{
    const struct count *c = s->c;
    const struct progress_whole whole = {.command = "count",
                                         .items = "tokens",
                                         .bytes = shards_bytes(c->shards),
                                         .n_parts = c->n_parts};
    struct progress progress;
    struct pool *pool = NULL;
    int rc = pool_new(&pool, err);
    rc = rc ? rc : units_open(&s->units, c->shards, &c->units, err);
    if (rc) {
        pool_join(pool, NULL);
        return rc;
    }
    progress_begin(&progress, &whole);
    rc = pool_add(pool, c->n_threads, work, s, err);
    if (pool_n_started(pool) > 0) { // fewer threads do the same work
        rc = 0;
    }
    while (pool_wait(pool, 0.1)) {
        show_progress(s, &progress);
    }
    progress_end(&progress);
    const int failed = pool_join(pool, rc ? NULL : err);
    units_close(s->units);
    s->units = NULL;
    return rc ? rc : failed;
}

// --- the file -----------------------------------------------------------------------------------

/* Fills 'info' with what is known before the count; shards[c->shards->n]. */
static void describe(const struct count *c, struct ngrams_info *info, struct ngrams_shard *shards)
{
    info->d_vocab = (uint32_t)tokenizer_n_vocab(c->tokenizer);
    info->tokenizer = tokenizer_hash(c->tokenizer);
    info->settings = c->settings;
    info->min_count = c->min_count;
    info->shards = shards;
    info->n_shards = c->shards->n;
    for (size_t i = 0; i < c->shards->n; i++) {
        const struct shard *s = &c->shards->items[i];
        shards[i] = (struct ngrams_shard){.bytes = s->bytes, .hash = s->hash, .name = s->name};
    }
}

/* Is the file 'path' what this count would make?  One of another is refused, or forgotten. */
static int look_at_file(const struct count *c, const char *path, const struct ngrams_info *info,
                        struct counted *out, struct err *err)
{
    struct stat st;
    if (c->force || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        return 0;
    }
    struct ngrams *n = NULL;
    struct err why = {0};
    int rc = ngrams_open(&n, path, &why);
    rc = rc ? rc : same_corpus(ngrams_info(n), info, &why);
    bool same = !rc && ngrams_info(n)->min_count == c->min_count;
    for (uint64_t i = 0; same && i < ngrams_info(n)->n_units; i++) {
        same = ngrams_has_unit(n, i) == (i % c->n_parts == c->part);
    }
    if (same) {
        out->nothing_left = true;
        out->info = *ngrams_info(n);
        out->info.shards = NULL;
    }
    ngrams_close(n);
    return same ? 0
                : err_set(err, ERR_MISMATCH,
                          "%s is there, and is another file (%s); name another, or --force to "
                          "replace it",
                          path, rc ? why.msg : "of other units or with another --min-count");
}

static int build(struct state *s, struct ngrams_info *info, const char *path, struct err *err)
{
    const struct count *c = s->c;
    const struct count_folder *f = &s->folder;
    info->n_units = s->n_units;
    info->n_units_done = count_folder_n_units(f);
    for (size_t i = 0; i < f->n_runs; i++) {
        info->tokens += f->runs[i].tokens;
        info->docs += f->runs[i].info.docs;
    }
    int rc = count_folder_reserve(&s->folder, s->n_units, err);
    const struct ngrams_build b = {.info = *info,
                                   .units = f->done,
                                   .runs = f->runs,
                                   .n_runs = f->n_runs,
                                   .folder = f->path,
                                   .n_threads = c->n_threads,
                                   .memory_bytes = c->memory_bytes,
                                   .stop = &c->signals->stop};
    rc = rc ? rc : ngrams_build(&b, path, &s->out->stopped, &s->out->info, err);
    s->out->info.shards = NULL;
    s->out->info.n_shards = 0;
    return rc;
}

/* Adds to the error that ended a count what helps: a run of another corpus is not resumed. */
static int say_way_out(const struct count_folder *f, struct err *err)
{
    const char *const text =
        !file_is_folder(f->path) ? "%s; %s was removed while the count wrote it, so what was done "
                                   "is lost: the same command "
                                   "starts anew"
        : err->code == ERR_MISMATCH ? "%s; what is done is in %s and belongs to the file as it "
                                      "was: put that back and run the "
                                      "same command to resume, or start anew with --force"
        : err->code == ERR_NOT_FOUND
            ? "%s; what is done is in %s: put the file back, then the same command resumes from "
              "there"
            : "%s; what is done is in %s; the same command resumes from there once this is mended";
    return err_set(err, err->code, text, err->msg, f->path);
}

/* Counts into the folder, which is open and resumed, and makes the file. */
static int count(struct state *s, struct ngrams_info *info, const char *path, struct err *err)
{
    const struct count *c = s->c;
    const uint64_t before = count_folder_n_units(&s->folder);
    if (before > 0) {
        fprintf(stderr, "gapscope count: %s: resuming from %" PRIu64 " unit%s done\n", path, before,
                plural_s(before));
    }
    const size_t toks = c->memory_bytes / c->n_threads / NGRAMS_TOKEN_BYTES;
    s->toks_max = toks > 1024 ? toks : 1024;
    const double begin = progress_clock();
    int rc = run_workers(s, err);
    const double counted = progress_clock();
    s->out->count_seconds = counted - begin;
    s->out->stopped = is_stopped_now(s);
    if (!rc && !s->out->stopped && s->docs == 0 && rejects_total(&s->out->rejects) > 0) {
        struct record_keys keys;
        record_keys_of_shards(&keys, c->shards);
        count_folder_remove(&s->folder);
        return nothing_read(s->out->rejects.n, c->units.source.field, &keys, err);
    }
    if (!rc && !s->out->stopped) {
        rc = build(s, info, path, err);
        s->out->merge_seconds = progress_clock() - counted;
    }
    if ((!rc && !s->out->stopped) || s->folder.n_runs == 0) {
        count_folder_remove(&s->folder);
        return rc;
    }
    return rc ? say_way_out(&s->folder, err) : 0;
}

int count_run(const struct count *c, const char *path, struct counted *out, struct err *err)
{
    if (tokenizer_n_vocab(c->tokenizer) > (size_t)1 << NGRAMS_BITS_MAX) {
        return err_set(err, ERR_LIMIT, "the vocabulary has %zu tokens; at most 2^%u can be counted",
                       tokenizer_n_vocab(c->tokenizer), NGRAMS_BITS_MAX);
    }
    *out = (struct counted){0};
    struct state s = {.c = c, .out = out, .folder.lock = -1};
    struct ngrams_info info = {0};
    struct ngrams_shard *shards = mem_new(c->shards->n, sizeof *shards);
    if (!shards) {
        return err_nomem(err, "shards");
    }
    describe(c, &info, shards);
    pthread_mutex_init(&s.reading, NULL);
    pthread_mutex_init(&s.mu, NULL);
    int rc = look_at_file(c, path, &info, out, err);
    if (rc || out->nothing_left) {
        goto out;
    }
    rc = count_folder_open(&s.folder, path, ".work", fingerprint(c), err);
    rc = rc ? rc : count_folder_resume(&s.folder, c->force, err);
    rc = rc ? rc : count(&s, &info, path, err);
out:
    count_folder_close(&s.folder);
    pthread_mutex_destroy(&s.reading);
    pthread_mutex_destroy(&s.mu);
    free(shards);
    return rc;
}

// --- parts --------------------------------------------------------------------------------------

/* Adds what a part has to info and units; names: of the parts. */
static int add_part(struct ngrams_info *info, uint64_t **units, const struct ngrams *part,
                    const struct ngrams *first, struct err *err)
{
    const struct ngrams_info *p = ngrams_info(part);
    int rc = same_corpus(p, ngrams_info(first), err);
    if (!rc && p->min_count > 1) {
        rc =
            err_set(err, ERR_MISMATCH, "it was made with --min-count: what was dropped is missing");
    }
    if (!rc && p->n_units != ngrams_info(first)->n_units) {
        rc = err_set(err, ERR_MISMATCH, "they do not agree on how many units there are");
    }
    if (!rc && !*units) {
        *info = *p;
        info->tokens = info->docs = info->n_units_done = 0;
        *units = mem_zero(bits_words(p->n_units) + 1, sizeof **units);
        rc = *units ? 0 : err_nomem(err, "units");
    }
    for (uint64_t i = 0; i < p->n_units && !rc; i++) {
        if (ngrams_has_unit(part, i)) {
            rc = bits_get(*units, i)
                     ? err_set(err, ERR_MISMATCH, "unit %" PRIu64 " is in another part, too", i)
                     : 0;
            bits_set(*units, i);
        }
    }
    if (!rc) {
        info->tokens += p->tokens;
        info->docs += p->docs;
        info->n_units_done += p->n_units_done;
    }
    return rc;
}

int count_merge(const struct arg_list *parts, const char *path, size_t n_threads,
                size_t memory_bytes, uint64_t min_count, struct counted *out, struct err *err)
{
    struct count_folder folder = {.lock = -1};
    struct ngrams_info info = {0};
    uint64_t *units = NULL;
    struct ngrams **files = mem_zero(parts->n, sizeof(struct ngrams *));
    *out = (struct counted){0};
    int rc = files ? 0 : err_nomem(err, "parts");
    for (size_t i = 0; i < parts->n && !rc; i++) {
        rc = ngrams_open(&files[i], parts->items[i], err);
        if (!rc && add_part(&info, &units, files[i], files[0], err)) {
            rc = err_prefix(err, "%s cannot be merged with %s", parts->items[i], parts->items[0]);
        }
    }
    rc = rc ? rc : count_folder_open(&folder, path, ".merge", 0, err);
    if (rc) {
        goto out;
    }
    info.min_count = min_count;
    const struct ngrams_build b = {.info = info,
                                   .units = units,
                                   .parts = (const struct ngrams *const *)files,
                                   .n_parts = parts->n,
                                   .folder = folder.path,
                                   .n_threads = n_threads,
                                   .memory_bytes = memory_bytes};
    rc = ngrams_build(&b, path, &out->stopped, &out->info, err);
    out->info.shards = NULL;
    count_folder_remove(&folder);
out:
    for (size_t i = 0; i < parts->n && files; i++) {
        ngrams_close(files[i]);
    }
    free(files);
    free(units);
    count_folder_close(&folder);
    return rc;
}

void count_print(const struct ngrams_info *info, const char *path)
{
    struct stat st;
    uint64_t skips = 0, dropped = info->dropped[NGRAMS_TRIGRAMS];
    for (size_t k = 0; k < NGRAMS_SKIPS; k++) {
        skips += info->entries[NGRAMS_SKIP + k];
        dropped += info->dropped[NGRAMS_SKIP + k];
    }
    fprintf(stderr,
            "%s: %" PRIu64 " token%s of %" PRIu64 " document%s; %" PRIu64 " bigram%s, %" PRIu64
            " trigram%s, %" PRIu64 " skip-bigram%s",
            path, info->tokens, plural_s(info->tokens), info->docs, plural_s(info->docs),
            info->entries[NGRAMS_BIGRAMS], plural_s(info->entries[NGRAMS_BIGRAMS]),
            info->entries[NGRAMS_TRIGRAMS], plural_s(info->entries[NGRAMS_TRIGRAMS]), skips,
            plural_s(skips));
    if (dropped) {
        fprintf(stderr, ", %" PRIu64 " seen once left out", dropped);
    }
    fprintf(stderr, "; %.1f MB\n", stat(path, &st) == 0 ? (double)st.st_size * 1e-6 : 0.0);
    if (info->n_units_done < info->n_units) {
        fprintf(stderr, "  %" PRIu64 " of %" PRIu64 " unit%s: gapscope merge joins the parts\n",
                info->n_units_done, info->n_units, plural_s(info->n_units));
    }
}
