/* Property: any bytes are refused as a run, or give one that saves to bytes which load again to the
 * same, that is the same run as itself, and that can be merged into one of which nothing is done.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/gaps/gaps_collector.h"
#include "out/results/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_bytes(const struct run *r, const struct buf *bytes)
{
    struct buf again = {0};
    check(run_save(r, &again, NULL) == 0);
    check(again.len == bytes->len && memcmp(again.data, bytes->data, again.len) == 0);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct run run = {0}, same = {0};
    if (run_load(&run, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        check(run.n_models == 0 && !run.models && !run.done);
        return 0;
    }
    struct buf bytes = {0};
    check(run_save(&run, &bytes, NULL) == 0);
    check(run_load(&same, bytes.data, bytes.len, &err) == 0);
    expect_bytes(&same, &bytes);
    check(run_same(&run, &same, &err) == 0);
    check(run_count_done(&run) <= run.done_bits);
    check(run_count_done(&run) == 0 || run_merge(&same, &run, &err) == ERR_MISMATCH);
    expect_bytes(&same, &bytes);
    const struct tally_shape shape = gaps_shape(&run);
    check(shape.n_models == run.n_models && shape.n_pairs == run.n_pairs && shape.d_vocab > 0);
    if (same.done_bits > 0) {
        memset(same.done, 0, (size_t)((same.done_bits + 7) / 8));
        check(run_merge(&same, &run, &err) == 0);
        check(run_count_done(&same) == run_count_done(&run));
    }
    buf_free(&bytes);
    run_free(&same);
    run_free(&run);
    return 0;
}
