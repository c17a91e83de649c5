#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zstd.h>

#include "corpora/base/file.h"
#include "out/results/record/record.h"

#define UNITS 14
#define MODELS 2

static char folder[] = "/tmp/gapscope-record-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static void shell(const char *format, const char *a, const char *b)
{
    char command[400];
    snprintf(command, sizeof command, format, folder, a, b);
    assert_int_equal(system(command), 0);
}

static int remove_folder(void **state)
{
    (void)state;
    shell("rm -rf %s%s%s", "", "");
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Rows of all units: some units have none, some more than a chunk. */
static const size_t sizes[UNITS] = {70000, 0,     1,     131072, 1,    300000, 0,
                                    90000, 61000, 10001, 524288, 7000, 0,      33};

struct rows {
    uint64_t *doc;
    uint32_t *window, *pos, *token;
    double *logprob[MODELS];
    size_t n;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static void *grid(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    assert_non_null(p);
    return p;
}

static void make_rows(struct rows *r, uint64_t unit)
{
    const size_t n = sizes[unit];
    *r = (struct rows){.n = n,
                       .doc = grid(n, 8),
                       .window = grid(n, 4),
                       .pos = grid(n, 4),
                       .token = grid(n, 4),
                       .logprob = {grid(n, 8), grid(n, 8)}};
    for (size_t i = 0; i < n; i++) {
        const uint64_t x = mix(unit * 1000003 + i + 1);
        r->doc[i] = unit * 1000 + i / 500 + (x % 3 == 0 ? (uint64_t)1 << 40 : 0);
        r->window[i] = (uint32_t)(i / 255);
        r->pos[i] = (uint32_t)(i % 255 + 1);
        r->token[i] = (uint32_t)(x % 48262);
        r->logprob[0][i] = -(double)(x % 1000000) / 50000;
        r->logprob[1][i] = -(double)(x / 7 % 1000000) / 50000;
    }
}

static void free_rows(struct rows *r)
{
    free(r->doc);
    free(r->window);
    free(r->pos);
    free(r->token);
    free(r->logprob[0]);
    free(r->logprob[1]);
}

static int put(struct record *record, uint64_t unit)
{
    struct rows r;
    make_rows(&r, unit);
    const double *logprob[MODELS] = {r.logprob[0], r.logprob[1]};
    const struct record_rows rows = {.n = r.n,
                                     .shard = (uint32_t)(unit / 5),
                                     .doc = r.doc,
                                     .window = r.window,
                                     .pos = r.pos,
                                     .token = r.token,
                                     .logprob = logprob};
    const int rc = record_unit(record, unit, &rows, NULL);
    free_rows(&r);
    return rc;
}

static char base[] = "base", other_model[] = "other model", shard_name[] = "s", settings[] = "{}";
static struct run_model models[MODELS] = {{.name = base, .weights_hash = 1},
                                          {.name = other_model, .weights_hash = 2}};
static struct run_shard shards[1] = {{.name = shard_name, .bytes = 1, .hash = 3}};

static struct run new_run(void)
{
    return (struct run){.models = models,
                        .n_models = MODELS,
                        .shards = shards,
                        .n_shards = 1,
                        .settings = settings};
}

// --- reading it back ----------------------------------------------------------------------------

static size_t shape_of(const char *array)
{
    char name[200];
    snprintf(name, sizeof name, "z/%s/.zarray", array);
    struct buf text = {0};
    assert_int_equal(file_read(path_of(name), 4096, &text, NULL), 0);
    assert_int_equal(buf_append(&text, "", 1, NULL), 0);
    const char *at = strstr(text.data, "\"shape\": [");
    assert_non_null(at);
    const size_t n = strtoull(at + 10, NULL, 10);
    buf_free(&text);
    return n;
}

/* The first n elements of an array, from its chunks. */
static unsigned char *read_array(const char *array, size_t n, size_t size)
{
    unsigned char *all = grid((n / RECORD_CHUNK + 1) * RECORD_CHUNK, size);
    for (size_t c = 0; c * RECORD_CHUNK < n; c++) {
        char name[200];
        snprintf(name, sizeof name, "z/%s/%zu", array, c);
        struct buf bytes = {0};
        assert_int_equal(file_read(path_of(name), (size_t)1 << 30, &bytes, NULL), 0);
        assert_int_equal(ZSTD_decompress(all + c * RECORD_CHUNK * size, RECORD_CHUNK * size,
                                         bytes.data, bytes.len),
                         RECORD_CHUNK * size);
        buf_free(&bytes);
    }
    return all;
}

/* What shapes tell of is what the units [first, first + step, ...) say; whole: all of it. */
static void expect_rows(uint64_t first, uint64_t step, bool whole)
{
    const char *const names[] = {
        "shard", "doc", "window", "pos", "token", "logprob/base", "logprob/other model"};
    size_t all = 0, n = SIZE_MAX;
    for (uint64_t unit = first; unit < UNITS; unit += step) {
        all += sizes[unit];
    }
    for (size_t k = 0; k < 7; k++) { // a crash may leave shapes of one chunk more or less
        const size_t own = shape_of(names[k]);
        n = own < n ? own : n;
    }
    assert_true(whole ? n == all : n % RECORD_CHUNK == 0 && n <= all);
    unsigned char *columns[7];
    for (size_t k = 0; k < 7; k++) {
        columns[k] = read_array(names[k], n, k == 1 ? 8 : 4);
    }
    size_t at = 0;
    for (uint64_t unit = first; unit < UNITS; unit += step) {
        struct rows r;
        make_rows(&r, unit);
        const size_t m = n - at < r.n ? n - at : r.n;
        assert_memory_equal(columns[1] + 8 * at, r.doc, 8 * m);
        assert_memory_equal(columns[2] + 4 * at, r.window, 4 * m);
        assert_memory_equal(columns[3] + 4 * at, r.pos, 4 * m);
        assert_memory_equal(columns[4] + 4 * at, r.token, 4 * m);
        for (size_t i = 0; i < m; i++) {
            assert_int_equal(((uint32_t *)(void *)columns[0])[at + i], unit / 5);
            assert_true(((float *)(void *)columns[5])[at + i] == (float)r.logprob[0][i]);
            assert_true(((float *)(void *)columns[6])[at + i] == (float)r.logprob[1][i]);
        }
        at += m;
        free_rows(&r);
    }
    for (size_t k = 0; k < 7; k++) {
        free(columns[k]);
    }
}

static struct record *open_record(const struct run *run, uint64_t part, uint64_t n_parts)
{
    struct record *r = NULL;
    struct err err = {0};
    if (record_open(&r, path_of("z"), run, part, n_parts, false, &err)) {
        fail_msg("%s", err.msg);
    }
    return r;
}

static void advance(struct record *r, const struct run *run)
{
    struct err err = {0};
    if (record_advance(r, run, &err)) {
        fail_msg("%s", err.msg);
    }
}

static void fresh(void)
{
    shell("rm -rf %s/z%s%s", "", "");
}

// --- tests --------------------------------------------------------------------------------------

static void rows_stand_in_the_order_of_units_whatever_order_they_came_in(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        fresh();
        struct run run = new_run();
        struct record *r = open_record(&run, 0, 1);
        for (uint64_t k = 0; k < UNITS; k++) {
            // steps that have no divisor in common with UNITS
            const uint64_t unit = (k * (const uint64_t[]){13, 3, 5, 9}[seed] + seed) % UNITS;
            assert_int_equal(put(r, unit), 0);
            assert_int_equal(run_set_done(&run, unit, NULL), 0);
            if (k % 3 == seed % 3) {
                advance(r, &run);
                expect_rows(0, 1, false);
            }
        }
        run.counted = true;
        run.n_units = UNITS;
        advance(r, &run);
        expect_rows(0, 1, true);
        advance(r, &run); // nothing is left to do
        record_close(r);
        free(run.done);
        shell("test \"$(ls %s/z/.units)\" = state%s%s", "", "");
    }
}

static void a_part_has_the_rows_of_its_units(void **state)
{
    (void)state;
    for (uint64_t part = 0; part < 3; part++) {
        fresh();
        struct run run = new_run();
        struct record *r = open_record(&run, part, 3);
        for (uint64_t unit = part; unit < UNITS; unit += 3) {
            assert_int_equal(put(r, unit), 0);
            assert_int_equal(run_set_done(&run, unit, NULL), 0);
        }
        run.counted = true;
        run.n_units = UNITS;
        advance(r, &run);
        expect_rows(part, 3, true);
        record_close(r);
        free(run.done);
    }
}

/* Does units from what 'saved' has on, saving now and then by writing to fd, until it is killed or
 * all is done. */
static void work(uint64_t saved, int fd)
{
    struct run run = new_run();
    struct record *r = open_record(&run, 0, 1);
    for (uint64_t unit = 0; unit < saved; unit++) {
        run_set_done(&run, unit, NULL);
    }
    for (uint64_t unit = saved; unit < UNITS; unit++) {
        put(r, unit);
        run_set_done(&run, unit, NULL);
        if (unit % 2) {
            advance(r, &run);
            const char done = (char)(unit + 1);
            if (write(fd, &done, 1) != 1) {
                _exit(3);
            }
        }
    }
    run.counted = true;
    run.n_units = UNITS;
    advance(r, &run);
    record_close(r);
    _exit(0);
}

static void killed_at_any_moment_it_goes_on_to_the_same_rows(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        fresh();
        uint64_t saved = 0;
        unsigned n_killed = 0;
        for (int status = -1; status != 0;) {
            int fds[2];
            assert_int_equal(pipe(fds), 0);
            const pid_t child = fork();
            if (child == 0) {
                work(saved, fds[1]);
            }
            close(fds[1]);
            if (n_killed < 12) {
                usleep((useconds_t)(mix(seed * 100 + n_killed) % 60000));
                kill(child, SIGKILL);
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(status == 0 || WIFSIGNALED(status));
            n_killed++;
            char done;
            while (read(fds[0], &done, 1) == 1) {
                saved = (uint64_t)done;
            }
            close(fds[0]);
            saved = n_killed == 5 ? 0 : saved; // run.db is lost, the record is not
        }
        expect_rows(0, 1, true);
    }
}

static void another_runs_record_is_refused_and_can_be_cleared(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct err err = {0};
    struct record *r = open_record(&run, 0, 1);
    record_close(r);
    assert_int_equal(record_open(&r, path_of("z"), &run, 1, 2, false, &err), ERR_MISMATCH);
    models[1].weights_hash++;
    assert_int_equal(record_open(&r, path_of("z"), &run, 0, 1, false, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.msg, "the record of another run"));
    assert_int_equal(record_open(&r, path_of("z"), &run, 0, 1, true, &err), 0);
    assert_int_equal(record_begin(r, &err), 0);
    for (uint64_t unit = 0; unit < UNITS; unit++) {
        assert_int_equal(put(r, unit), 0);
        assert_int_equal(run_set_done(&run, unit, NULL), 0);
    }
    run.counted = true;
    run.n_units = UNITS;
    advance(r, &run);
    expect_rows(0, 1, true);
    record_close(r);
    models[1].weights_hash--;
    free(run.done);
}

static void a_folder_of_others_is_left_alone(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct err err = {0};
    struct record *r = NULL;
    shell("mkdir %s/z && touch %s%s", folder, "/z/precious");
    assert_int_equal(record_open(&r, path_of("z"), &run, 0, 1, true, &err), ERR_MISMATCH);
    assert_non_null(strstr(err.msg, "a folder that is no record"));
    shell("test \"$(ls -A %s/z)\" = precious%s%s", "", "");
}

static void names_that_are_no_folders_are_refused(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct err err = {0};
    struct record *r = NULL;
    const char *const names[] = {"a/b", ".zgroup", "..", ""};
    for (size_t i = 0; i < 4; i++) {
        models[1].name = (char *)(uintptr_t)names[i];
        assert_int_equal(record_open(&r, path_of("z"), &run, 0, 1, false, &err), ERR_UNSUPPORTED);
    }
    models[1].name = other_model;
}

static void a_unit_that_is_not_there_or_damaged_is_said(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct err err = {0};
    struct record *r = open_record(&run, 0, 1);
    assert_int_equal(run_set_done(&run, 0, NULL), 0);
    assert_int_equal(record_advance(r, &run, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "begun without this record"));
    assert_int_equal(put(r, 0), 0);
    struct buf whole = {0};
    assert_int_equal(file_read(path_of("z/.units/0"), (size_t)1 << 30, &whole, NULL), 0);
    const size_t places[] = {0, 8, 16, 24, 32, 40, 48, 60, whole.len / 2, whole.len - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        whole.data[places[i]] ^= 0x10;
        FILE *f = fopen(path_of("z/.units/0"), "wb");
        assert_int_equal(fwrite(whole.data, 1, whole.len, f), whole.len);
        fclose(f);
        whole.data[places[i]] ^= 0x10;
        assert_int_equal(record_advance(r, &run, &err), ERR_CORRUPT);
    }
    for (size_t len = 0; len < whole.len; len = len < 60 ? len + 1 : len * 3) {
        FILE *f = fopen(path_of("z/.units/0"), "wb");
        assert_int_equal(fwrite(whole.data, 1, len, f), len);
        fclose(f);
        assert_int_equal(record_advance(r, &run, &err), ERR_CORRUPT);
    }
    buf_free(&whole);
    assert_int_equal(put(r, 0), 0);
    assert_int_equal(record_advance(r, &run, &err), 0);
    record_close(r);
    free(run.done);
}

static void expect_state_refused(const char *text, size_t len)
{
    struct run run = new_run();
    struct record *r = NULL;
    struct err err = {0};
    FILE *f = fopen(path_of("z/.units/state"), "wb");
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
    assert_int_equal(record_open(&r, path_of("z"), &run, 0, 1, false, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "--force begins the record anew"));
}

/* Another number in it would lose rows: a larger "next" passes units over. */
static void a_state_in_which_one_byte_has_changed_is_refused(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct buf whole = {0};
    record_close(open_record(&run, 0, 1));
    assert_int_equal(file_read(path_of("z/.units/state"), 4096, &whole, NULL), 0);
    for (size_t i = 0; i < whole.len; i++) {
        whole.data[i] ^= 1;
        expect_state_refused(whole.data, whole.len);
        whole.data[i] ^= 1;
        expect_state_refused(whole.data, i);
    }
    assert_int_equal(buf_append(&whole, "x", 1, NULL), 0);
    expect_state_refused(whole.data, whole.len);
    const char *const others[] = {"", "gapscope record 1\n", "gapscope record 2\nrun x\nnext -1\n"};
    for (size_t i = 0; i < 3; i++) {
        expect_state_refused(others[i], strlen(others[i]));
    }
    buf_free(&whole);
}

/* The head of a unit's file has no hash: it takes no memory for rows that the frame does not have. */
static void rows_that_a_unit_does_not_have_take_no_memory(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct err err = {0};
    struct record *r = open_record(&run, 0, 1);
    assert_int_equal(put(r, 0), 0);
    assert_int_equal(run_set_done(&run, 0, NULL), 0);
    const uint64_t rows = (uint64_t)1 << 56;
    FILE *f = fopen(path_of("z/.units/0"), "r+b");
    assert_int_equal(fseek(f, 16, SEEK_SET), 0);
    assert_int_equal(fwrite(&rows, 8, 1, f), 1);
    fclose(f);
    assert_int_equal(record_advance(r, &run, &err), ERR_CORRUPT);
    record_close(r);
    free(run.done);
}

static void no_rows_at_all_are_arrays_of_none(void **state)
{
    (void)state;
    fresh();
    struct run run = new_run();
    struct record *r = open_record(&run, 1, 2);
    run.counted = true;
    run.n_units = 1; // none of them this part's
    advance(r, &run);
    assert_int_equal(shape_of("token"), 0);
    assert_int_equal(record_rows_done(r), 0);
    record_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_in_the_order_of_units_whatever_order_they_came_in),
        cmocka_unit_test(a_part_has_the_rows_of_its_units),
        cmocka_unit_test(killed_at_any_moment_it_goes_on_to_the_same_rows),
        cmocka_unit_test(another_runs_record_is_refused_and_can_be_cleared),
        cmocka_unit_test(a_folder_of_others_is_left_alone),
        cmocka_unit_test(names_that_are_no_folders_are_refused),
        cmocka_unit_test(a_unit_that_is_not_there_or_damaged_is_said),
        cmocka_unit_test(a_state_in_which_one_byte_has_changed_is_refused),
        cmocka_unit_test(rows_that_a_unit_does_not_have_take_no_memory),
        cmocka_unit_test(no_rows_at_all_are_arrays_of_none),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
