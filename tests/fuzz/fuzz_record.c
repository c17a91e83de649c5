/* Property: a folder of scan --record in which anything has changed is refused, or goes on to the rows
 * that the run has: where an unfinished record says that it is whole, its chunks are right.
 *
 * The input is changes to a record of five units; its first byte says whether it is finished.  Each
 * is a kind, a file, and what the kind needs. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "out/results/record/record.h"
#include "tests/kit/remove_all.h"

#define UNITS 5
#define ROWS_MOST 12
#define BYTES_MOST ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/gapscope-fuzz-XXXXXX";
static const size_t sizes[UNITS] = {3, 0, 12, 1, 7};
static char base[] = "base", other[] = "other", shard_name[] = "s", settings[] = "{}";
static struct run_model models[] = {{.name = base, .weights_hash = 1},
                                    {.name = other, .weights_hash = 2}};
static struct run_shard shards[] = {{.name = shard_name, .bytes = 1, .hash = 3}};

/* What may change, and what stands there in a record that is finished (1) or not (0). */
static const char *const files[] = {
    ".units/state", ".units/0", ".units/1",      ".units/2",    ".units/3",    ".units/4",
    "token/0",      "shard/0",  "token/.zarray", "doc/.zattrs", ".zgroup",     "logprob/base/0",
    "token",        "logprob",  "logprob/base",  ".units/99",   ".units/4.tmp"};
#define N_FILES (sizeof files / sizeof *files)
#define STATE_FILE 0
#define TOKENS 6
static char paths[N_FILES][64];
static struct buf bytes[2][N_FILES];

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* In place of libc's: a disk that is waited for makes no finding. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

// --- a record -----------------------------------------------------------------------------------

static void clean(void)
{
    remove_all(folder);
    for (size_t i = 0; i < 2 * N_FILES; i++) {
        buf_free(&bytes[i / N_FILES][i % N_FILES]);
    }
}

static struct run new_run(void)
{
    return (struct run){
        .models = models, .n_models = 2, .shards = shards, .n_shards = 1, .settings = settings};
}

static uint32_t token_of(size_t unit, size_t row)
{
    return (uint32_t)(unit * 100 + row + 1);
}

static int put_unit(struct record *r, size_t unit, struct err *err)
{
    uint64_t doc[ROWS_MOST];
    uint32_t window[ROWS_MOST] = {0}, pos[ROWS_MOST], token[ROWS_MOST];
    double values[ROWS_MOST];
    const double *const logprob[] = {values, values};
    for (size_t i = 0; i < sizes[unit]; i++) {
        doc[i] = unit;
        pos[i] = (uint32_t)i + 1;
        token[i] = token_of(unit, i);
        values[i] = -(double)i;
    }
    const struct record_rows rows = {.n = sizes[unit],
                                     .doc = doc,
                                     .window = window,
                                     .pos = pos,
                                     .token = token,
                                     .logprob = logprob};
    return record_unit(r, unit, &rows, err);
}

/* All units are given to the record and counted as done. */
static int finish(struct record *r, size_t from, struct err *err)
{
    struct run run = new_run();
    int rc = 0;
    for (size_t unit = 0; unit < UNITS && !rc; unit++) {
        rc = unit < from ? 0 : put_unit(r, unit, err);
        check(run_set_done(&run, unit, NULL) == 0);
    }
    run.counted = true;
    run.n_units = UNITS;
    rc = rc ? rc : record_advance(r, &run, err);
    free(run.done);
    return rc;
}

static void keep(struct buf *of)
{
    for (size_t i = 0; i < N_FILES; i++) {
        if (file_is_regular(paths[i])) {
            check(file_read(paths[i], BYTES_MOST, &of[i], NULL) == 0);
        }
    }
}

static void make_records(void)
{
    struct record *r = NULL;
    const struct run run = new_run();
    check(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < N_FILES; i++) {
        snprintf(paths[i], sizeof *paths, "%s/%s", folder, files[i]);
    }
    atexit(clean);
    check(record_open(&r, folder, &run, 0, 1, true, NULL) == 0);
    check(record_begin(r, NULL) == 0);
    for (size_t unit = 0; unit < UNITS; unit++) {
        check(put_unit(r, unit, NULL) == 0);
    }
    keep(bytes[0]);
    check(finish(r, UNITS, NULL) == 0);
    record_close(r);
    keep(bytes[1]);
}

// --- changes ------------------------------------------------------------------------------------

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

static uint64_t number(struct input *in)
{
    uint64_t n = 0;
    for (size_t i = byte(in) % 9; i > 0; i--) {
        n = n << 8 | byte(in);
    }
    return n;
}

static void write_file(const char *path, const void *data, size_t len)
{
    remove_all(path);
    FILE *f = fopen(path, "wb");
    if (f) { // its folder is not there any more, maybe
        check(fwrite(data, 1, len, f) == len && fclose(f) == 0);
    }
}

/* A unit's file whose hash is that of its bytes, whatever these are. */
static void write_unit(const char *path, struct buf *file)
{
    if (file->len >= 48) {
        const uint64_t len = file->len - 48, hash = XXH3_64bits(file->data + 48, len);
        memcpy(file->data + 32, &len, 8);
        memcpy(file->data + 40, &hash, 8);
    }
    write_file(path, file->data, file->len);
}

enum kind { EDIT, CUT, REMOVE, FOLDER, LINK, MORE, UNIT, STATE, KINDS };

/* A state of this run, if 'like' is one, with numbers from the input and the right hash. */
static void write_state(const struct buf *like, struct input *in)
{
    char text[400], line[40];
    snprintf(text, sizeof text, "%.*s", (int)(like->len < 60 ? like->len : 60), like->data);
    char *end = strstr(text, "\nnext");
    if (end) {
        const size_t room = sizeof text - (size_t)(end - text);
        snprintf(end, room,
                 "\nnext %" PRIu64 "\nskip %" PRIu64 "\nchunks %" PRIu64 "\nfilled %" PRIu64
                 "\nfinished %d\n",
                 number(in), number(in), number(in), number(in), byte(in) % 4);
        snprintf(line, sizeof line, "hash %016" PRIx64 "\n",
                 (uint64_t)XXH3_64bits(text, strlen(text)));
        strcat(text, line);
        write_file(paths[STATE_FILE], text, strlen(text));
    }
}

/* Whether the file's hash is still what it was meant to be. */
static bool change(struct input *in, const struct buf *of)
{
    const enum kind kind = byte(in) % KINDS;
    const size_t at = byte(in) % N_FILES;
    struct buf file = {0};
    check(buf_append(&file, of[at].data, of[at].len, NULL) == 0);
    switch (kind) {
    case EDIT:
    case UNIT:
        for (size_t n = byte(in) % 8 + 1, to; n > 0; n--) {
            to = byte(in) | (size_t)byte(in) << 8;
            if (file.len > 0) {
                file.data[to % file.len] = (char)byte(in);
            }
        }
        (kind == UNIT ? write_unit(paths[at], &file) : write_file(paths[at], file.data, file.len));
        break;
    case CUT:
        write_file(paths[at], file.data, byte(in) * file.len / 255);
        break;
    case MORE:
        check(buf_append(&file, in->at, in->left < 40 ? in->left : 40, NULL) == 0);
        write_file(paths[at], file.data, file.len);
        break;
    case STATE:
        write_state(&of[0], in);
        break;
    default:
        remove_all(paths[at]);
        if (kind == FOLDER) {
            mkdir(paths[at], 0777);
        } else if (kind == LINK) {
            (void)!symlink("nowhere", paths[at]); // its folder is not there any more, maybe
        }
    }
    buf_free(&file);
    return kind != UNIT && kind != STATE;
}

// --- what is made of it -------------------------------------------------------------------------

static void check_rows(const struct record *r)
{
    struct buf file = {0}, plain = {0};
    size_t n = 0;
    check(file_read(paths[TOKENS], BYTES_MOST, &file, NULL) == 0);
    check(buf_reserve(&plain, RECORD_CHUNK * 4, NULL) == 0);
    check(ZSTD_decompress(plain.data, RECORD_CHUNK * 4, file.data, file.len) == RECORD_CHUNK * 4);
    for (size_t unit = 0; unit < UNITS; unit++) {
        for (size_t i = 0; i < sizes[unit]; i++, n++) {
            uint32_t token;
            memcpy(&token, plain.data + 4 * n, 4);
            check(token == token_of(unit, i));
        }
    }
    check(record_rows_done(r) == n);
    buf_free(&file);
    buf_free(&plain);
}

static void go_on(bool finished, bool hashes_hold, size_t from)
{
    struct record *r = NULL;
    struct err err = {0};
    const struct run run = new_run();
    int rc = record_open(&r, folder, &run, 0, 1, false, &err);
    check(!rc == !!r);
    if (r) {
        rc = finish(r, from, &err);
        if (!rc && !finished && hashes_hold) {
            check_rows(r);
        }
        record_close(r);
    }
    check((unsigned)rc == err.code && (!rc || err.msg[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    bool hashes_hold = true;
    if (!bytes[0][0].len) {
        make_records();
    }
    const uint8_t how = byte(&in);
    const bool finished = how & 1;
    for (size_t i = 0; i < N_FILES; i++) {
        remove_all(paths[i]);
    }
    struct record *r = NULL;
    const struct run run = new_run();
    check(record_open(&r, folder, &run, 0, 1, true, NULL) == 0);
    check(record_begin(r, NULL) == 0);
    record_close(r);
    for (size_t i = 0; i < N_FILES; i++) {
        if (bytes[finished][i].len > 0) {
            write_file(paths[i], bytes[finished][i].data, bytes[finished][i].len);
        }
    }
    for (size_t n = 0; in.left > 0 && n < 8; n++) {
        hashes_hold = change(&in, bytes[finished]) && hashes_hold;
    }
    go_on(finished, hashes_hold, how >> 1);
    return 0;
}
