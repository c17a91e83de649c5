#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/parquet/parquet_delta.h"
#include "corpora/parquet/parquet_levels.h"
#include "corpora/parquet/thrift.h"
#include "tests/kit/random.h"

static uint64_t random_bits(void)
{
    return (uint64_t)next_random(UINT32_MAX) << 32 | next_random(UINT32_MAX);
}

// --- writers, bit by bit -------------------------------------------------------------------------

struct bytes {
    unsigned char data[1 << 16];
    size_t len;
    unsigned bit;
};

static void put_bits(struct bytes *b, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        if (b->bit == 0) {
            b->data[b->len++] = 0;
        }
        b->data[b->len - 1] |= (unsigned char)((value >> i & 1) << b->bit);
        b->bit = (b->bit + 1) % 8;
    }
}

static void put_varint(struct bytes *b, uint64_t value)
{
    b->bit = 0;
    for (; value > 127; value >>= 7) {
        b->data[b->len++] = (unsigned char)(value | 128);
    }
    b->data[b->len++] = (unsigned char)value;
}

static uint64_t zigzag(uint64_t value)
{
    return value << 1 ^ (value >> 63 ? UINT64_MAX : 0);
}

static unsigned width_of(uint64_t value)
{
    unsigned width = 0;
    for (; value; value >>= 1) {
        width++;
    }
    return width;
}

/* One block of 128 in 4 miniblocks; n is at most 129. */
static void put_delta(struct bytes *b, const int64_t *values, size_t n, bool padded)
{
    put_varint(b, 128);
    put_varint(b, 4);
    put_varint(b, n);
    put_varint(b, zigzag((uint64_t)values[0]));
    if (n == 1) {
        return;
    }
    int64_t least = INT64_MAX;
    for (size_t i = 1; i < n; i++) {
        const int64_t d = (int64_t)((uint64_t)values[i] - (uint64_t)values[i - 1]);
        least = d < least ? d : least;
    }
    put_varint(b, zigzag((uint64_t)least));
    unsigned widths[4] = {0};
    for (size_t i = 1; i < n; i++) {
        const uint64_t d = (uint64_t)values[i] - (uint64_t)values[i - 1] - (uint64_t)least;
        const unsigned width = width_of(d);
        widths[(i - 1) / 32] = width > widths[(i - 1) / 32] ? width : widths[(i - 1) / 32];
    }
    for (size_t m = 0; m < 4; m++) {
        b->data[b->len++] = (unsigned char)widths[m];
    }
    b->bit = 0;
    for (size_t i = 1; i < (padded ? ((n - 1 + 31) / 32) * 32 + 1 : n); i++) {
        const uint64_t d =
            i < n ? (uint64_t)values[i] - (uint64_t)values[i - 1] - (uint64_t)least : 0;
        put_bits(b, d, widths[(i - 1) / 32]);
    }
}

// --- tests -----------------------------------------------------------------------------------------

static void differences_of_any_width_come_back(void **state)
{
    (void)state;
    for (unsigned width = 0; width <= 64; width++) {
        for (size_t n = 1; n <= 129; n += 16) {
            struct bytes b = {.len = 0};
            int64_t values[129];
            for (size_t i = 0; i < n; i++) {
                const uint64_t bits = random_bits();
                values[i] = (int64_t)(width == 0 ? 7 : bits >> (64 - width));
            }
            put_delta(&b, values, n, true);
            const size_t len = b.len;
            b.data[b.len++] = 0xee; // what follows
            unsigned char *exact = malloc(b.len);
            struct delta d;
            assert_non_null(exact);
            memcpy(exact, b.data, b.len);
            assert_true(delta_begin(&d, exact, b.len));
            assert_int_equal(d.n_left, n);
            for (size_t i = 0; i < n; i++) {
                int64_t value;
                assert_true(delta_next(&d, &value));
                assert_true(value == values[i]);
            }
            assert_ptr_equal(d.at, exact + len);
            free(exact);
        }
    }
}

static void a_last_miniblock_may_lack_its_padding(void **state)
{
    (void)state;
    const int64_t values[] = {1, 1000, 3, 77};
    struct bytes b = {.len = 0};
    struct delta d;
    uint64_t sum;
    put_delta(&b, values, 4, false);
    unsigned char *exact = malloc(b.len);
    assert_non_null(exact);
    memcpy(exact, b.data, b.len);
    assert_true(delta_begin(&d, exact, b.len));
    assert_true(delta_pass_over(&d, &sum));
    assert_int_equal(sum, 1081);
    for (size_t len = 0; len < b.len; len++) { // a cut one is refused
        assert_false(delta_begin(&d, exact, len) && delta_pass_over(&d, &sum));
        assert_non_null(d.why);
    }
    free(exact);
}

static void packed_groups_and_runs_of_any_width_come_back(void **state)
{
    (void)state;
    for (unsigned width = 0; width <= 32; width++) {
        struct bytes b = {.len = 0};
        uint32_t values[64], value;
        struct levels l;
        put_varint(&b, 8 << 1 | 1);
        for (size_t i = 0; i < 64; i++) {
            values[i] = width ? (uint32_t)(random_bits() >> (64 - width)) : 0;
            put_bits(&b, values[i], width);
        }
        put_varint(&b, 1000 << 1);
        put_bits(&b, values[0], (width + 7) / 8 * 8);
        unsigned char *exact = malloc(b.len);
        assert_non_null(exact);
        memcpy(exact, b.data, b.len);
        levels_begin(&l, exact, b.len, width);
        for (size_t i = 0; i < 1064; i++) {
            assert_true(levels_next(&l, &value));
            assert_int_equal(value, i < 64 ? values[i] : values[0]);
        }
        assert_false(levels_next(&l, &value));
        free(exact);
    }
}

static void a_header_is_read_to_its_end_and_no_further(void **state)
{
    (void)state;
    // field 1: i32 -3; field 2: "ab"; field 20: true; field 21: a list of 2 structs; stop
    static const unsigned char bytes[] = {0x15, 5,    0x18, 2, 'a', 'b', 0x01, 40,
                                          0x19, 0x2c, 0x15, 2, 0,   0,   0,    0xff};
    for (size_t len = 0; len <= sizeof bytes - 1; len++) {
        struct thrift t = {.at = bytes, .end = bytes + len};
        struct thrift_field f = {0};
        int64_t first = 0;
        bool flag = false;
        while (thrift_next(&t, &f)) {
            if (f.id == 1) {
                first = thrift_int(&t, &f);
            } else if (f.id == 20) {
                flag = thrift_bool(&t, &f);
            } else {
                thrift_skip(&t, &f);
            }
        }
        assert_int_equal(!t.why, len == sizeof bytes - 1);
        assert_true(t.why || (first == -3 && flag && t.at == bytes + len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_of_any_width_come_back),
        cmocka_unit_test(a_last_miniblock_may_lack_its_padding),
        cmocka_unit_test(packed_groups_and_runs_of_any_width_come_back),
        cmocka_unit_test(a_header_is_read_to_its_end_and_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
