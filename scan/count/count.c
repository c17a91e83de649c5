/*
 * Locks: counting 'reading', then 'mu'.  What blocks under the first: reading a unit.
 */
#include "scan/count/count.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/bits.h"
#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/counts/ngrams_build.h"
#include "model/counts/ngrams_run.h"
#include "scan/work/progress.h"

// Progress is shown on a terminal this often, in a log a line every LOG_SECONDS.
#define TERMINAL_SECONDS 0.5
#define LOG_SECONDS 30.0

/* A set of units that grows. */
struct set {
    uint64_t *words; // [cap]
    size_t cap;
};

struct state {
    // set before threads start, then read only
    const struct count *c;
    char *folder;
    uint64_t fingerprint;
    size_t toks_max; // of a worker's keys
    int lock;        // of the folder, open

    pthread_mutex_t reading; // the reader's
    struct units *units;
    bool ended; // the reader has come to the corpus' end

    // under mu
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct set done;         // of this part, in a run
    struct ngrams_run *runs; // [n_runs]
    size_t n_runs, runs_cap;
    uint64_t n_units; // of the corpus, once it has been read
    struct counted *out;
    uint64_t raw;
    size_t n_working;
    int rc; // the first failure
    struct err err;
};

static bool set_has(const struct set *s, uint64_t unit)
{
    return unit / 64 < s->cap && bits_get(s->words, unit);
}

/* Room for this unit, and all before. */
static int reserve_units(struct set *s, uint64_t unit, struct err *err)
{
    const size_t before = s->cap;
    const int rc = mem_reserve(&s->words, &s->cap, unit / 64 + 1, sizeof *s->words, "units", err);
    if (!rc && s->cap > before) {
        memset(s->words + before, 0, (s->cap - before) * sizeof *s->words);
    }
    return rc;
}

static int set_add(struct set *s, uint64_t unit, struct err *err)
{
    if (unit >= (uint64_t)1 << 40) {
        return err_set(err, ERR_FORMAT, "a run names unit %" PRIu64, unit);
    }
    const int rc = reserve_units(s, unit, err);
    if (!rc) {
        bits_set(s->words, unit);
    }
    return rc;
}

static bool is_stopped_now(const struct state *s)
{
    return atomic_load(s->c->stop) != 0;
}

// --- what tells one count from another ----------------------------------------------------------

uint64_t count_settings(const struct input_options *input)
{
    const char *const words[] = {input->field, input->format};
    const unsigned char flags[2] = {input->ids, input->special};
    uint64_t hash = XXH64(flags, sizeof flags, 0); // what it is so far seeds what is next
    for (size_t i = 0; i < 2; i++) {
        const char *word = words[i] ? words[i] : "";
        hash = XXH64(word, strlen(word), hash);
    }
    return hash;
}

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

// --- the folder ---------------------------------------------------------------------------------

static int open_folder(struct state *s, const char *path, const char *ext, struct err *err)
{
    char *lock = NULL;
    int rc = 0;
    if (asprintf(&s->folder, "%s%s", path, ext) < 0) {
        s->folder = NULL;
        return err_nomem(err, "a path");
    }
    if (mkdir(s->folder, 0777) != 0 && errno != EEXIST) {
        return err_set(err, ERR_IO, "%s: %m", s->folder);
    }
    lock = file_join(s->folder, "lock");
    s->lock = lock ? open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (s->lock < 0) {
        rc = err_set(err, ERR_IO, "%s: %m", s->folder);
    } else if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        rc = err_set(err, ERR_LIMIT, "%s: another process counts here", s->folder);
    }
    free(lock);
    return rc;
}

/* Calls each() for every file of ours in the folder but the lock. */
static int each_file(struct state *s, int (*each)(struct state *s, const char *name, struct err *),
                     struct err *err)
{
    DIR *dir = opendir(s->folder);
    if (!dir) {
        return err_set(err, ERR_IO, "%s: %m", s->folder);
    }
    int rc = 0;
    for (struct dirent *e; !rc && (e = readdir(dir));) {
        if (strncmp(e->d_name, "run-", 4) == 0 || strncmp(e->d_name, "table.", 6) == 0) {
            char *path = file_join(s->folder, e->d_name);
            rc = path ? each(s, path, err) : err_nomem(err, "a path");
            free(path);
        }
    }
    closedir(dir);
    return rc;
}

static int remove_file(struct state *s, const char *path, struct err *err)
{
    (void)s;
    return unlink(path) && errno != ENOENT ? err_set(err, ERR_IO, "%s: %m", path) : 0;
}

/* Takes over an open run.  mu is held, or nobody else is there. */
static int take_run(struct state *s, struct ngrams_run *run, struct err *err)
{
    int rc = mem_reserve(&s->runs, &s->runs_cap, s->n_runs + 1, sizeof *s->runs, "runs", err);
    for (size_t i = 0; i < run->info.n_units && !rc; i++) {
        rc = set_has(&s->done, run->info.units[i])
                 ? err_set(err, ERR_FORMAT, "unit %" PRIu64 " is in two runs", run->info.units[i])
                 : set_add(&s->done, run->info.units[i], err);
    }
    if (!rc) {
        s->runs[s->n_runs++] = *run;
        *run = (struct ngrams_run){0};
    }
    return rc;
}

/* A run of this count is taken over; what was not finished, or is damaged, is done again. */
static int resume_file(struct state *s, const char *path, struct err *err)
{
    struct ngrams_run run = {0};
    if (!strstr(path + strlen(s->folder), "run-") || strstr(path + strlen(s->folder), ".tmp") ||
        ngrams_run_open(&run, path, NULL)) {
        return remove_file(s, path, err);
    }
    int rc = 0;
    if (run.info.fingerprint != s->fingerprint) {
        rc = s->c->force
                 ? remove_file(s, path, err)
                 : err_set(err, ERR_MISMATCH,
                           "%s holds what was counted of another corpus or with other settings; "
                           "name another file, or --force to start anew",
                           s->folder);
    } else {
        rc = take_run(s, &run, err);
        s->out->went_on = 0;
        for (size_t i = 0; i < s->n_runs; i++) {
            s->out->went_on += s->runs[i].info.n_units;
        }
    }
    ngrams_run_close(&run);
    return rc;
}

static void remove_folder(struct state *s)
{
    each_file(s, remove_file, NULL);
    char *lock = file_join(s->folder, "lock");
    if (lock) {
        unlink(lock);
    }
    free(lock);
    rmdir(s->folder);
}

// --- workers ------------------------------------------------------------------------------------

/* What a worker has. */
struct hand {
    struct unit unit;
    struct layout layout;
    struct ngrams_keys *keys;
    uint64_t *units; // [n_units] in the keys
    size_t n_units, units_cap;
    uint64_t docs;
};

/* The next unit that is to be done.  *end: there is none. */
static int next_unit(struct state *s, struct hand *h, bool *end, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&s->reading);
    *end = s->ended;
    while (!*end && !rc && !is_stopped_now(s)) {
        struct unit *u = &h->unit;
        rc = units_next(s->units, u, err);
        if (rc) {
            break;
        }
        pthread_mutex_lock(&s->mu);
        s->raw += u->raw;
        const bool last = u->number == UNIT_END;
        s->ended = *end = last;
        bool wanted = false;
        if (!last) {
            s->n_units = u->number + 1;
            wanted = u->number % s->c->n_parts == s->c->part;
            if (wanted) {
                rejects_append(&s->out->rejects, &u->rejects);
                s->out->repaired += u->repaired;
            }
            wanted = wanted && !set_has(&s->done, u->number);
        }
        pthread_mutex_unlock(&s->mu);
        if (wanted) {
            break;
        }
    }
    pthread_mutex_unlock(&s->reading);
    return rc;
}

/* Writes what the worker has as a run. */
static int spill(struct state *s, struct hand *h, struct err *err)
{
    if (h->n_units == 0) {
        return 0;
    }
    char *path = NULL;
    struct ngrams_run run = {0};
    // A unit is in one run, so the first one names it.
    if (asprintf(&path, "%s/run-%010" PRIu64, s->folder, h->units[0]) < 0) {
        return err_nomem(err, "a path");
    }
    const struct ngrams_run_info info = {
        .fingerprint = s->fingerprint, .docs = h->docs, .units = h->units, .n_units = h->n_units};
    int rc = ngrams_keys_write(h->keys, &info, path, err);
    rc = rc ? rc : ngrams_run_open(&run, path, err);
    if (!rc) {
        pthread_mutex_lock(&s->mu);
        rc = take_run(s, &run, err);
        pthread_mutex_unlock(&s->mu);
    }
    ngrams_run_close(&run);
    free(path);
    h->n_units = 0;
    h->docs = 0;
    return rc;
}

static int add_unit(struct state *s, struct hand *h, struct err *err)
{
    const struct layout *l = &h->layout;
    int rc = layout_make(&h->layout, &h->unit, &s->c->layout, err);
    if (!rc && ngrams_keys_toks(h->keys) + l->n > s->toks_max) {
        rc = spill(s, h, err);
    }
    rc = rc ? rc
            : mem_reserve(&h->units, &h->units_cap, h->n_units + 1, sizeof *h->units, "units", err);
    for (size_t d = 0; d < l->n_docs && !rc; d++) {
        const struct layout_doc *doc = &l->docs[d];
        rc = ngrams_keys_add(h->keys, doc->first, l->ids + doc->begin, doc->n, err);
    }
    if (!rc) {
        h->units[h->n_units++] = h->unit.number;
        h->docs += l->n_docs;
        pthread_mutex_lock(&s->mu);
        s->out->tokens_now += l->n;
        pthread_mutex_unlock(&s->mu);
    }
    return rc;
}

static int work(struct state *s, struct hand *h, struct err *err)
{
    int rc =
        ngrams_keys_new(&h->keys, (uint32_t)tokenizer_n_vocab(s->c->tokenizer), s->toks_max, err);
    bool end = false;
    while (!rc && !end && !is_stopped_now(s)) {
        rc = next_unit(s, h, &end, err);
        if (!rc && !end && !is_stopped_now(s)) {
            rc = add_unit(s, h, err);
        }
    }
    return rc ? rc : spill(s, h, err);
}

static void *worker_main(void *context)
{
    struct state *s = context;
    struct hand h = {0};
    struct err err = {0};
    const int rc = work(s, &h, &err);
    ngrams_keys_free(h.keys);
    layout_free(&h.layout);
    unit_free(&h.unit);
    free(h.units);
    pthread_mutex_lock(&s->mu);
    if (rc && !s->rc) {
        s->rc = rc;
        s->err = err;
    }
    s->n_working--;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mu);
    if (rc) { // the others find no more
        pthread_mutex_lock(&s->reading);
        s->ended = true;
        pthread_mutex_unlock(&s->reading);
    }
    return NULL;
}

/* Until all workers have ended.  mu is held. */
static void wait_for_all(struct state *s)
{
    const bool terminal = isatty(STDERR_FILENO);
    const double begin = progress_clock();
    double last = begin, bytes = 0;
    for (size_t i = 0; i < s->c->shards->n; i++) {
        bytes += (double)s->c->shards->items[i].bytes;
    }
    while (s->n_working > 0) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 100000000;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->changed, &s->mu, &t);
        const double now = progress_clock();
        if (now - last >= (terminal ? TERMINAL_SECONDS : LOG_SECONDS)) {
            last = now;
            fprintf(stderr, "%s%.1f %%, %.0f tokens a second, %" PRIu64 " tokens%s",
                    terminal ? "\r\033[K" : "gapscope count: ",
                    bytes > 0 ? 100 * (double)s->raw / bytes : 100,
                    (double)s->out->tokens_now / (now - begin), s->out->tokens_now,
                    terminal ? "" : "\n");
        }
    }
    if (terminal && last > begin) {
        fputs("\r\033[K", stderr);
    }
}

static int run_workers(struct state *s, struct err *err)
{
    const size_t n = s->c->n_threads;
    pthread_t *threads = mem_new(n, sizeof *threads);
    int rc = threads ? units_open(&s->units, s->c->shards, &s->c->units, err)
                     : err_nomem(err, "threads");
    if (!rc) {
        size_t started = 0;
        pthread_mutex_lock(&s->mu);
        while (started < n && pthread_create(&threads[started], NULL, worker_main, s) == 0) {
            s->n_working = ++started;
        }
        wait_for_all(s);
        pthread_mutex_unlock(&s->mu);
        for (size_t i = 0; i < started; i++) {
            pthread_join(threads[i], NULL);
        }
        rc = started == 0 ? err_set(err, ERR_IO, "starting a thread: %m")
             : s->rc      ? err_set(err, s->rc, "%s", s->err.msg)
                          : 0;
    }
    units_close(s->units);
    s->units = NULL;
    free(threads);
    return rc;
}

// --- the file -----------------------------------------------------------------------------------

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
    info->n_units = s->n_units;
    for (size_t i = 0; i < s->n_runs; i++) {
        info->tokens += s->runs[i].tokens;
        info->docs += s->runs[i].info.docs;
        info->n_units_done += s->runs[i].info.n_units;
    }
    int rc = s->n_units ? reserve_units(&s->done, s->n_units - 1, err) : 0;
    const struct ngrams_build b = {.info = *info,
                                   .units = s->done.words,
                                   .runs = s->runs,
                                   .n_runs = s->n_runs,
                                   .folder = s->folder,
                                   .n_threads = c->n_threads,
                                   .memory_bytes = c->memory_bytes,
                                   .stop = c->stop};
    rc = rc ? rc : ngrams_build(&b, path, &s->out->stopped, &s->out->info, err);
    s->out->info.shards = NULL;
    s->out->info.n_shards = 0;
    return rc;
}

static void state_free(struct state *s)
{
    for (size_t i = 0; i < s->n_runs; i++) {
        ngrams_run_close(&s->runs[i]);
    }
    free(s->runs);
    free(s->done.words);
    free(s->folder);
    if (s->lock >= 0) {
        close(s->lock);
    }
    pthread_mutex_destroy(&s->reading);
    pthread_mutex_destroy(&s->mu);
    pthread_cond_destroy(&s->changed);
}

static int count(struct state *s, struct ngrams_info *info, const char *path, struct err *err)
{
    const struct count *c = s->c;
    int rc = open_folder(s, path, ".work", err);
    rc = rc ? rc : each_file(s, resume_file, err);
    if (rc) {
        return rc;
    }
    if (s->out->went_on) {
        fprintf(stderr, "gapscope count: %s: going on from %" PRIu64 " units done\n", path,
                s->out->went_on);
    }
    const size_t toks = c->memory_bytes / c->n_threads / NGRAMS_TOKEN_BYTES;
    s->toks_max = toks > 1024 ? toks : 1024;
    const double begin = progress_clock();
    rc = run_workers(s, err);
    const double counted = progress_clock();
    s->out->count_seconds = counted - begin;
    s->out->stopped = is_stopped_now(s);
    if (!rc && !s->out->stopped) {
        rc = build(s, info, path, err);
        s->out->merge_seconds = progress_clock() - counted;
    }
    if ((!rc && !s->out->stopped) || s->n_runs == 0) {
        remove_folder(s);
        return rc;
    }
    return rc ? err_set(err, err->code,
                        "%s; what was done is in %s: the same command goes on from there", err->msg,
                        s->folder)
              : 0;
}

int count_run(const struct count *c, const char *path, struct counted *out, struct err *err)
{
    if (tokenizer_n_vocab(c->tokenizer) > (size_t)1 << NGRAMS_BITS_MAX) {
        return err_set(err, ERR_LIMIT, "a vocabulary of %zu tokens; at most 2^%u can be counted",
                       tokenizer_n_vocab(c->tokenizer), NGRAMS_BITS_MAX);
    }
    *out = (struct counted){0};
    struct state s = {.c = c, .out = out, .lock = -1, .fingerprint = fingerprint(c)};
    struct ngrams_info info = {0};
    struct ngrams_shard *shards = mem_new(c->shards->n, sizeof *shards);
    if (!shards) {
        return err_nomem(err, "shards");
    }
    describe(c, &info, shards);
    pthread_mutex_init(&s.reading, NULL);
    pthread_mutex_init(&s.mu, NULL);
    pthread_cond_init(&s.changed, NULL);
    int rc = look_at_file(c, path, &info, out, err);
    if (!rc && !out->nothing_left) {
        rc = count(&s, &info, path, err);
    }
    state_free(&s);
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
    const atomic_int never = 0;
    const struct count none = {.stop = &never};
    struct state s = {.c = &none, .out = out, .lock = -1};
    struct ngrams_info info = {0};
    uint64_t *units = NULL;
    struct ngrams **files = mem_zero(parts->n, sizeof(struct ngrams *));
    *out = (struct counted){0};
    int rc = files ? 0 : err_nomem(err, "parts");
    pthread_mutex_init(&s.reading, NULL);
    pthread_mutex_init(&s.mu, NULL);
    pthread_cond_init(&s.changed, NULL);
    for (size_t i = 0; i < parts->n && !rc; i++) {
        rc = ngrams_open(&files[i], parts->items[i], err);
        if (!rc && add_part(&info, &units, files[i], files[0], err)) {
            rc = err_prefix(err, "%s cannot be merged with %s", parts->items[i], parts->items[0]);
        }
    }
    rc = rc ? rc : open_folder(&s, path, ".merge", err);
    if (!rc) {
        info.min_count = min_count;
        const struct ngrams_build b = {.info = info,
                                       .units = units,
                                       .parts = (const struct ngrams *const *)files,
                                       .n_parts = parts->n,
                                       .folder = s.folder,
                                       .n_threads = n_threads,
                                       .memory_bytes = memory_bytes};
        rc = ngrams_build(&b, path, &out->stopped, &out->info, err);
        out->info.shards = NULL;
        remove_folder(&s);
    }
    for (size_t i = 0; i < parts->n && files; i++) {
        ngrams_close(files[i]);
    }
    free(files);
    free(units);
    state_free(&s);
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
            "%s: %" PRIu64 " tokens of %" PRIu64 " documents; %" PRIu64 " bigrams, %" PRIu64
            " trigrams, %" PRIu64 " skip-bigrams",
            path, info->tokens, info->docs, info->entries[NGRAMS_BIGRAMS],
            info->entries[NGRAMS_TRIGRAMS], skips);
    if (dropped) {
        fprintf(stderr, ", %" PRIu64 " seen once left out", dropped);
    }
    fprintf(stderr, "; %.1f MB\n", stat(path, &st) == 0 ? (double)st.st_size * 1e-6 : 0.0);
    if (info->n_units_done < info->n_units) {
        fprintf(stderr, "  %" PRIu64 " of %" PRIu64 " units: gapscope merge joins the parts\n",
                info->n_units_done, info->n_units);
    }
}
