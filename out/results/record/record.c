/*
 * A unit's file:
 *   1. "gsunit1\n"
 *   2. u64: number of the unit, rows, models, bytes of 3., XXH3-64 of 3.
 *   3. one zstd frame: the columns one after the other: shard u32[n], doc u64[n], window u32[n],
 *      pos u32[n], token u32[n], logprob f32[n] of each model
 * All numbers as Zarr's '<' has them: little-endian.
 */
#include "out/results/record/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "out/results/record/record_files.h"
#include "out/results/record/record_state.h"

#define MAGIC "gsunit1\n"
#define LEVEL 3

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "columns are written as they stand in memory"
#endif

struct column {
    char *path;  // of its folder
    size_t size; // bytes of an element
    const char *dtype;
    unsigned char *chunk; // [RECORD_CHUNK * size], the one that is being filled
};

enum { SHARD, DOC, WINDOW, POS, TOKEN, LOGPROB }; // columns; of model m: LOGPROB + m

struct record {
    // set by record_open(), then read only
    char *dir, *units;
    size_t n_models;
    size_t row_bytes;
    uint64_t part, n_parts;
    char identity[33];
    uint64_t passed; // units below it were in chunks when the record was opened
    bool unmade;     // record_begin() is to clear and make it

    // record_advance()'s
    struct column *columns; // [n_columns]
    size_t n_columns;
    uint64_t next; // the first unit that is not wholly in whole chunks
    uint64_t skip; // rows of it that are
    uint64_t chunks;
    bool finished;
    uint64_t ahead; // the unit whose rows come next into the chunk being filled
    size_t filled;  // rows in it
};

/* What stands before the frame. */
struct unit_head {
    char magic[8];
    uint64_t unit, rows, models, len, hash;
};

// --- the state ----------------------------------------------------------------------------------

static int write_shapes(struct record *r, uint64_t rows, struct err *err)
{
    int rc = 0;
    for (size_t c = 0; c < r->n_columns && !rc; c++) {
        char text[400];
        snprintf(text, sizeof text,
                 "{\"chunks\": [%zu], \"compressor\": {\"id\": \"zstd\", \"level\": %d}, "
                 "\"dtype\": \"%s\", \"fill_value\": %s, \"filters\": null, \"order\": \"C\", "
                 "\"shape\": [%" PRIu64 "], \"zarr_format\": 2}\n",
                 RECORD_CHUNK, LEVEL, r->columns[c].dtype, c >= LOGPROB ? "\"NaN\"" : "0", rows);
        rc = record_put_text(r->columns[c].path, ".zarray", text, err);
        rc = rc ? rc : record_sync_folder(r->columns[c].path, err);
    }
    return rc;
}

static int write_state(struct record *r, struct err *err)
{
    struct record_state s = {.next = r->next,
                             .skip = r->skip,
                             .chunks = r->chunks,
                             .filled = r->finished ? r->filled : 0,
                             .finished = r->finished};
    memcpy(s.run, r->identity, sizeof s.run);
    return record_state_write(&s, r->units, err);
}

static int read_state(struct record *r, const char *path, struct err *err)
{
    struct record_state s = {0};
    const int rc = record_state_read(&s, path, err);
    if (rc) {
        return rc;
    }
    if (strcmp(s.run, r->identity) != 0) {
        return err_set(err, ERR_MISMATCH,
                       "%s is the record of another run, or of another part; name another folder, "
                       "or --force to begin anew",
                       r->dir);
    }
    r->next = r->ahead = s.next;
    r->skip = s.skip;
    r->chunks = s.chunks;
    r->filled = s.filled;
    r->finished = s.finished;
    return 0;
}

static void identify(struct record *r, const struct run *run)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state) {
        return;
    }
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < run_full_models(run); i++) {
        XXH3_128bits_update(state, run->models[i].name, strlen(run->models[i].name) + 1);
        XXH3_128bits_update(state, &run->models[i].weights_hash, sizeof(uint64_t));
        const char *changes = run->models[i].changes ? run->models[i].changes : "";
        XXH3_128bits_update(state, changes, strlen(changes));
    }
    for (size_t i = 0; i < run->n_shards; i++) {
        XXH3_128bits_update(state, run->shards[i].name, strlen(run->shards[i].name) + 1);
        XXH3_128bits_update(state, &run->shards[i].bytes, sizeof(uint64_t));
        XXH3_128bits_update(state, &run->shards[i].hash, sizeof(uint64_t));
    }
    XXH3_128bits_update(state, run->settings, strlen(run->settings) + 1);
    XXH3_128bits_update(state, &r->part, sizeof r->part);
    XXH3_128bits_update(state, &r->n_parts, sizeof r->n_parts);
    const XXH128_hash_t hash = XXH3_128bits_digest(state);
    snprintf(r->identity, sizeof r->identity, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
    XXH3_freeState(state);
}

// --- opening ------------------------------------------------------------------------------------

static int count_entry(void *context, const char *path, const char *name, struct err *err)
{
    (void)path, (void)name, (void)err;
    ++*(size_t *)context;
    return 0;
}

/* Removes a file of ours in an array's folder or in .units: a number, its .tmp, or one by name. */
static int remove_ours(void *context, const char *path, const char *name, struct err *err)
{
    (void)context;
    const size_t digits = strspn(name, "0123456789");
    const bool ours =
        (digits > 0 && (name[digits] == '\0' || strcmp(name + digits, ".tmp") == 0)) ||
        strncmp(name, ".zarray", 7) == 0 || strncmp(name, ".zattrs", 7) == 0 ||
        strncmp(name, "state", 5) == 0;
    return ours && unlink(path) != 0 && errno != ENOENT ? record_io_error(err, path) : 0;
}

/* Of logprob/: the array of a model, which the run to come may not have. */
static int remove_array(void *context, const char *path, const char *name, struct err *err)
{
    (void)name;
    const int rc = file_is_folder(path) ? record_list(path, remove_ours, context, err) : 0;
    if (!rc) {
        rmdir(path); // one that is no folder, or holds files of others, stays
    }
    return rc;
}

/* The state goes first: a record without one is cleared when it is opened next, so that a crash on
 * the way leaves no state that tells of chunks that are gone. */
static int clear_record(const struct record *r, const char *state, struct err *err)
{
    if (unlink(state) != 0 && errno != ENOENT) {
        return record_io_error(err, state);
    }
    int rc = record_sync_folder(r->units, err);
    for (size_t c = 0; c < LOGPROB && !rc; c++) {
        rc = record_list(r->columns[c].path, remove_ours, NULL, err);
    }
    char *logprob = file_join(r->dir, "logprob");
    rc = rc        ? rc
         : logprob ? record_list(logprob, remove_array, NULL, err)
                   : err_nomem(err, "a record");
    free(logprob);
    return rc ? rc : record_list(r->units, remove_ours, NULL, err);
}

/* Removes what a crash left in .units: files of units whose rows are all in chunks, and halves of
 * files.  One that cannot be removed does no harm. */
static int remove_left_over(void *context, const char *path, const char *name, struct err *err)
{
    (void)err;
    const struct record *r = context;
    const size_t digits = strspn(name, "0123456789");
    const bool whole = digits > 0 && name[digits] == '\0';
    if (whole ? strtoull(name, NULL, 10) < r->next : file_ends_with(name, ".tmp")) {
        unlink(path);
    }
    return 0;
}

static int add_column(struct record *r, const char *dir, const char *name, size_t size,
                      const char *dtype, struct err *err)
{
    struct column *c = &r->columns[r->n_columns];
    *c = (struct column){.path = file_join(dir, name),
                         .size = size,
                         .dtype = dtype,
                         .chunk = mem_zero(RECORD_CHUNK, size)};
    r->n_columns++;
    r->row_bytes += size;
    return c->path && c->chunk ? 0 : err_nomem(err, "a record");
}

static int name_columns(struct record *r, const struct run *run, struct err *err)
{
    static const struct {
        const char *name, *dtype;
        size_t size;
    } fixed[LOGPROB] = {
        {"shard", "<u4", 4}, {"doc", "<u8", 8},   {"window", "<u4", 4},
        {"pos", "<u4", 4},   {"token", "<u4", 4},
    };
    r->columns = mem_zero(LOGPROB + run_full_models(run), sizeof *r->columns);
    char *logprob = file_join(r->dir, "logprob");
    int rc = r->columns && logprob ? 0 : err_nomem(err, "a record");
    for (size_t c = 0; c < LOGPROB && !rc; c++) {
        rc = add_column(r, r->dir, fixed[c].name, fixed[c].size, fixed[c].dtype, err);
    }
    for (size_t m = 0; m < run_full_models(run) && !rc; m++) {
        const char *name = run->models[m].name;
        if (name[0] == '.' || name[0] == '\0' || strchr(name, '/')) {
            rc = err_set(err, ERR_UNSUPPORTED,
                         "--record: \"%s\" cannot be a folder's name; call the model something "
                         "else (--model NAME=...)",
                         name);
            break;
        }
        rc = add_column(r, logprob, name, 4, "<f4", err);
    }
    free(logprob);
    return rc;
}

static int make_folders(struct record *r, struct err *err)
{
    char *logprob = file_join(r->dir, "logprob");
    int rc = logprob ? 0 : err_nomem(err, "a record");
    rc = rc ? rc : record_make_folder(logprob, err);
    rc = rc ? rc : record_make_folder(r->units, err);
    for (size_t c = 0; c < r->n_columns && !rc; c++) {
        rc = record_make_folder(r->columns[c].path, err);
        rc = rc ? rc
                : record_put_text(r->columns[c].path, ".zattrs",
                                  "{\"_ARRAY_DIMENSIONS\": [\"row\"]}\n", err);
    }
    rc = rc ? rc : record_put_text(r->dir, ".zgroup", "{\"zarr_format\": 2}\n", err);
    rc = rc ? rc : record_put_text(logprob, ".zgroup", "{\"zarr_format\": 2}\n", err);
    rc = rc ? rc : write_shapes(r, 0, err);
    rc = rc ? rc : record_sync_folder(logprob, err);
    rc = rc ? rc : record_sync_folder(r->dir, err);
    free(logprob);
    return rc ? rc : write_state(r, err);
}

int record_open(struct record **out, const char *dir, const struct run *run, uint64_t part,
                uint64_t n_parts, bool clear, struct err *err)
{
    struct record *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a record");
    }
    r->part = part;
    r->n_parts = n_parts;
    r->n_models = run_full_models(run);
    r->next = r->ahead = part;
    r->dir = strdup(dir);
    r->units = file_join(dir, ".units");
    char *state = r->units ? file_join(r->units, "state") : NULL;
    size_t n_entries = 0;
    int rc = r->dir && state ? name_columns(r, run, err) : err_nomem(err, "a record");
    identify(r, run);
    rc = rc ? rc : record_make_folder(dir, err);
    rc = rc ? rc : record_list(dir, count_entry, &n_entries, err);
    // .units is made first: a record that was only begun can be told from a folder of others.
    if (!rc && n_entries > 0 && !file_is_folder(r->units)) {
        rc = err_set(err, ERR_MISMATCH, "%s: a folder that is no record of a scan; name another",
                     dir);
    }
    rc = rc ? rc : record_make_folder(r->units, err);
    if (!rc && clear) {
        r->unmade = true;
        rc = access(r->units, W_OK | X_OK) != 0 ? record_io_error(err, r->units) : 0;
    } else if (!rc && file_is_regular(state)) {
        rc = read_state(r, state, err);
        rc = rc ? rc : record_list(r->units, remove_left_over, r, err);
    } else if (!rc) {
        rc = clear_record(r, state, err);
        rc = rc ? rc : make_folders(r, err);
    }
    free(state);
    r->passed = r->finished ? UINT64_MAX : r->next;
    if (rc) {
        record_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

int record_begin(struct record *r, struct err *err)
{
    if (!r->unmade) {
        return 0;
    }
    char *state = file_join(r->units, "state");
    int rc = state ? clear_record(r, state, err) : err_nomem(err, "a record");
    rc = rc ? rc : make_folders(r, err);
    r->unmade = rc != 0;
    free(state);
    return rc;
}

void record_close(struct record *r)
{
    if (!r) {
        return;
    }
    for (size_t c = 0; c < r->n_columns; c++) {
        free(r->columns[c].path);
        free(r->columns[c].chunk);
    }
    free(r->columns);
    free(r->dir);
    free(r->units);
    free(r);
}

size_t record_models(const struct record *r)
{
    return r->n_models;
}

uint64_t record_rows_done(const struct record *r)
{
    return r->chunks * RECORD_CHUNK + (r->finished ? r->filled : 0);
}

// --- a unit -------------------------------------------------------------------------------------

/* The columns of the rows behind one another. */
static void lay_out(unsigned char *to, const struct record_rows *rows, size_t n_models)
{
    const size_t n = rows->n;
    for (size_t i = 0; i < n; i++) {
        memcpy(to + 4 * i, &rows->shard, 4);
    }
    to += 4 * n;
    memcpy(to, rows->doc, 8 * n);
    memcpy(to += 8 * n, rows->window, 4 * n);
    memcpy(to += 4 * n, rows->pos, 4 * n);
    memcpy(to += 4 * n, rows->token, 4 * n);
    to += 4 * n;
    for (size_t m = 0; m < n_models; m++) {
        for (size_t i = 0; i < n; i++) {
            const float logprob = (float)rows->logprob[m][i];
            memcpy(to, &logprob, 4);
            to += 4;
        }
    }
}

int record_unit(struct record *r, uint64_t unit, const struct record_rows *rows, struct err *err)
{
    if (unit < r->passed) {
        return 0;
    }
    const size_t len = rows->n * r->row_bytes, bound = ZSTD_compressBound(len);
    unsigned char *plain = mem_new(len + 1, 1), *packed = mem_new(bound, 1);
    char *path = record_join_number(r->units, unit);
    int rc = plain && packed && path ? 0 : err_nomem(err, "a unit's record");
    if (!rc) {
        if (rows->n > 0) {
            lay_out(plain, rows, r->n_models);
        }
        const size_t size = ZSTD_compress(packed, bound, plain, len, 1);
        if (ZSTD_isError(size)) {
            rc = err_set(err, ERR_NOMEM, "%s: %s", path, ZSTD_getErrorName(size));
        } else {
            const struct unit_head head = {.magic = MAGIC,
                                           .unit = unit,
                                           .rows = rows->n,
                                           .models = r->n_models,
                                           .len = size,
                                           .hash = XXH3_64bits(packed, size)};
            rc = record_put_file(path, &head, sizeof head, packed, size, err);
        }
    }
    rc = rc ? rc : record_sync_folder(r->units, err);
    free(plain);
    free(packed);
    free(path);
    return rc;
}

/* A unit's columns as lay_out() made them, for the caller to free. */
static int read_unit(const struct record *r, uint64_t unit, unsigned char **plain, size_t *n,
                     struct err *err)
{
    char *path = record_join_number(r->units, unit);
    struct file_map map = {0};
    *plain = NULL;
    if (!path) {
        return err_nomem(err, "a unit's record");
    }
    int rc = file_map(&map, path, err);
    if (rc == ERR_NOT_FOUND) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "%s: the rows of unit %" PRIu64 " are not in the record, but run.db has it: "
                     "it was begun without this record; --force to begin anew",
                     r->dir, unit);
        goto out;
    }
    struct unit_head head = {0};
    if (!rc && map.len >= sizeof head) {
        memcpy(&head, map.data, sizeof head);
    }
    if (!rc && (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.unit != unit ||
                head.models != r->n_models || head.len != map.len - sizeof head ||
                head.rows > SIZE_MAX / 2 / r->row_bytes ||
                XXH3_64bits(map.data + sizeof head, head.len) != head.hash)) {
        rc = err_set(err, ERR_CORRUPT, "%s: damaged; --force begins the record anew", path);
    }
    if (rc) {
        goto out;
    }
    // The frame says how long its columns are: what the head alone says takes no memory.
    const size_t len = (size_t)head.rows * r->row_bytes;
    const bool fits = ZSTD_getFrameContentSize(map.data + sizeof head, head.len) == len;
    *plain = fits ? mem_new(len + 1, 1) : NULL;
    if (fits && !*plain) {
        rc = err_nomem(err, "a unit's record");
    } else if (!fits || ZSTD_decompress(*plain, len, map.data + sizeof head, head.len) != len) {
        rc = err_set(err, ERR_CORRUPT, "%s: damaged; --force begins the record anew", path);
    }
    *n = (size_t)head.rows;
out:
    file_unmap(&map);
    free(path);
    return rc;
}

// --- chunks -------------------------------------------------------------------------------------

/* Writes the chunk being filled, whole, as number r->chunks of every array. */
static int write_chunk(struct record *r, struct err *err)
{
    const size_t bound = ZSTD_compressBound(RECORD_CHUNK * 8);
    unsigned char *packed = mem_new(bound, 1);
    int rc = packed ? 0 : err_nomem(err, "a chunk");
    for (size_t c = 0; c < r->n_columns && !rc; c++) {
        const struct column *col = &r->columns[c];
        char *path = record_join_number(col->path, r->chunks);
        const size_t size =
            ZSTD_compress(packed, bound, col->chunk, RECORD_CHUNK * col->size, LEVEL);
        if (!path || ZSTD_isError(size)) {
            rc = err_nomem(err, "a chunk");
        } else {
            rc = record_put_file(path, "", 0, packed, size, err);
        }
        rc = rc ? rc : record_sync_folder(col->path, err);
        free(path);
    }
    free(packed);
    return rc;
}

/* Deletes the files of units [from, r->next), whose rows are all in chunks. */
static void drop_units(const struct record *r, uint64_t from)
{
    for (uint64_t unit = from; unit < r->next; unit += r->n_parts) {
        char *path = record_join_number(r->units, unit);
        if (path) {
            unlink(path); // one that stays goes when the record is opened next
        }
        free(path);
    }
}

/* The chunk is full: rows of r->ahead from 'skip' on come next. */
static int end_chunk(struct record *r, uint64_t skip, struct err *err)
{
    const uint64_t from = r->next, old_skip = r->skip;
    int rc = write_chunk(r, err);
    rc = rc ? rc : write_shapes(r, (r->chunks + 1) * RECORD_CHUNK, err);
    if (rc) {
        return rc;
    }
    r->chunks++;
    r->filled = 0;
    r->next = r->ahead;
    r->skip = skip;
    rc = write_state(r, err);
    if (rc) { // the chunk is filled again next time, from where the state on disk says
        r->chunks--;
        r->next = r->ahead = from;
        r->skip = old_skip;
        return rc;
    }
    drop_units(r, from);
    return 0;
}

/* Adds the rows of unit r->ahead to the chunk being filled. */
static int take_unit(struct record *r, struct err *err)
{
    unsigned char *plain;
    size_t n = 0;
    int rc = read_unit(r, r->ahead, &plain, &n, err);
    size_t at = r->ahead == r->next ? (size_t)r->skip : 0;
    if (!rc && at > n) {
        rc = err_set(err, ERR_CORRUPT, "%s: unit %" PRIu64 " has lost rows; --force begins anew",
                     r->dir, r->ahead);
    }
    while (!rc && at < n) {
        const size_t room = RECORD_CHUNK - r->filled, more = n - at < room ? n - at : room;
        const unsigned char *from = plain;
        for (size_t c = 0; c < r->n_columns; c++) {
            const size_t size = r->columns[c].size;
            memcpy(r->columns[c].chunk + r->filled * size, from + at * size, more * size);
            from += n * size;
        }
        r->filled += more;
        at += more;
        if (r->filled == RECORD_CHUNK) {
            rc = end_chunk(r, at, err);
        }
    }
    free(plain);
    if (!rc) {
        r->ahead += r->n_parts;
    } else {
        r->ahead = r->next; // from the state on disk again
        r->filled = 0;
    }
    return rc;
}

/* The last rows fill no chunk: Zarr's chunks are whole all the same, and the shape says where the
 * rows end. */
static int finish(struct record *r, struct err *err)
{
    const uint64_t from = r->next, skip = r->skip;
    int rc = 0;
    for (size_t c = 0; c < r->n_columns; c++) {
        const size_t used = r->filled * r->columns[c].size;
        memset(r->columns[c].chunk + used, 0, RECORD_CHUNK * r->columns[c].size - used);
    }
    if (r->filled > 0) {
        rc = write_chunk(r, err);
    }
    rc = rc ? rc : write_shapes(r, r->chunks * RECORD_CHUNK + r->filled, err);
    if (rc) {
        return rc;
    }
    r->finished = true;
    r->next = r->ahead;
    r->skip = 0;
    rc = write_state(r, err);
    if (rc) {
        r->finished = false;
        r->next = from;
        r->skip = skip;
        return rc;
    }
    drop_units(r, from);
    return 0;
}

int record_advance(struct record *r, const struct run *run, struct err *err)
{
    int rc = 0;
    while (!r->finished && !rc && run_is_done(run, r->ahead)) {
        rc = take_unit(r, err);
    }
    const bool all = run->counted && r->ahead >= run->n_units;
    if (rc || r->finished || !all) {
        return rc;
    }
    return finish(r, err);
}
