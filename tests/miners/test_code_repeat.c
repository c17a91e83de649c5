#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "miners/code/code_text.h"
#include "tests/kit/code_kit.h"

static void repeats_by_hand(void **state)
{
    (void)state;
    check_tokens("seen_before", "a|b|^a|c|^b|^a");
    check_tokens("first_occurrence", "^a|^b|a|^c|b|a");
    check_tokens("repeat_ngram", "a|b|c|d|a|b|^c|^d|e|a|b|^c");
    check_tokens("repeat_ngram", "a|a|a|^a|^a");
    check_tokens("repeat_long", "a|b|c|d|e|f|g|h|i|a|b|c|d|e|f|g|^h|^i|j");
    check_tokens("repeat_end", "a|b|c|d|a|b|c|^e|a|b|c|d|a|b|c|e|a|b|c|^f");
    check_tokens("induction_next", "a|b|c|a|^b|d|a|^b|c|^a|c|^a|^c");
    check_tokens("several_followers", "a|b|a|c|a|^d|b|a");
    check_tokens("several_followers", "a|b|a|b|a|b|c|b|^a");
}

enum { N_DOCS = 400, N_MAX = 60 };

/* Whether the n ids that end with tokens i and j are the same. */
static bool same(const uint32_t *ids, size_t i, size_t j, size_t n)
{
    return i + 1 >= n && j + 1 >= n &&
           memcmp(ids + i + 1 - n, ids + j + 1 - n, n * sizeof *ids) == 0;
}

static bool occurred(const uint32_t *ids, size_t i, size_t n)
{
    for (size_t j = 0; j < i; j++) {
        if (same(ids, i, j, n)) {
            return true;
        }
    }
    return false;
}

static bool induction(const uint32_t *ids, size_t i)
{
    for (size_t j = i - 1; i > 0 && j-- > 0;) {
        if (ids[j] == ids[i - 1]) {
            return ids[j + 1] == ids[i];
        }
    }
    return false;
}

static bool several(const uint32_t *ids, size_t i)
{
    size_t first = i;
    for (size_t j = 0; i > 0 && j + 1 < i; j++) {
        if (ids[j] == ids[i - 1]) {
            first = first == i ? j + 1 : first;
            if (ids[j + 1] != ids[first]) {
                return true;
            }
        }
    }
    return false;
}

static bool breaks(const uint32_t *ids, size_t i)
{
    return i >= 3 && occurred(ids, i - 1, 3) && !occurred(ids, i, 4);
}

static bool expected(const char *miner, const uint32_t *ids, size_t i)
{
    return strcmp(miner, "seen_before") == 0        ? occurred(ids, i, 1)
           : strcmp(miner, "first_occurrence") == 0 ? !occurred(ids, i, 1)
           : strcmp(miner, "repeat_ngram") == 0     ? occurred(ids, i, 3)
           : strcmp(miner, "repeat_long") == 0      ? occurred(ids, i, 8)
           : strcmp(miner, "repeat_end") == 0       ? breaks(ids, i)
           : strcmp(miner, "induction_next") == 0   ? induction(ids, i)
                                                    : several(ids, i);
}

static void repeats_agree_with_plain_definitions(void **state)
{
    (void)state;
    static const char *const miners[] = {"seen_before",      "first_occurrence", "repeat_ngram",
                                         "repeat_long",      "repeat_end",       "induction_next",
                                         "several_followers"};
    uint64_t x = 7;
    size_t n_labelled = 0;
    for (size_t k = 0; k < N_DOCS; k++) {
        uint32_t ids[N_MAX], ends[N_MAX];
        const size_t n = k % N_MAX;
        for (size_t i = 0; i < n; i++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            ids[i] = (uint32_t)(x >> 40) % (1 + (uint32_t)k % 6);
            ids[i] = ids[i] == 1 ? UINT32_MAX : ids[i];
            ends[i] = (uint32_t)i + 1;
        }
        char text[N_MAX];
        memset(text, 'a', N_MAX);
        const struct tokens doc = {.ids = ids, .ends = ends, .n = n, .text = text, .text_len = n};
        for (size_t m = 0; m < sizeof miners / sizeof *miners; m++) {
            uint8_t *label = code_label(miners[m], &doc);
            for (size_t i = 0; i < n; i++) {
                n_labelled += label[i];
                if (label[i] != expected(miners[m], ids, i)) {
                    fail_msg("%s: document %zu, token %zu: %d", miners[m], k, i, label[i]);
                }
            }
            free(label);
        }
    }
    assert_true(n_labelled > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_by_hand),
        cmocka_unit_test(repeats_agree_with_plain_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
