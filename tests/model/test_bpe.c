#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/tokenizer/bpe.h"

struct merge {
    uint32_t left, right, made;
};

/* Makes a BPE whose bytes are their own tokens, with merges[n] in the order of their ranks. */
static void make(struct bpe *b, const struct merge *merges, size_t n)
{
    size_t n_vocab = 256;
    for (size_t i = 0; i < n; i++) {
        n_vocab = merges[i].made >= n_vocab ? merges[i].made + 1 : n_vocab;
    }
    assert_int_equal(bpe_init(b, n, n_vocab, NULL), 0);
    for (uint32_t byte = 0; byte < 256; byte++) {
        b->byte_ids[byte] = byte;
        b->token_bytes[byte] = 1;
    }
    // A later merge may make a part, so lengths take several passes.
    for (size_t changes = 1; changes > 0;) {
        changes = 0;
        for (size_t i = 0; i < n; i++) {
            const uint32_t left = b->token_bytes[merges[i].left];
            const uint32_t right = b->token_bytes[merges[i].right];
            if (left && right && b->token_bytes[merges[i].made] == 0) {
                b->token_bytes[merges[i].made] = left + right;
                changes++;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        bpe_put(b, (uint32_t)i, merges[i].left, merges[i].right, merges[i].made);
    }
}

/* BPE by its definition. */
static size_t naive(const struct bpe *b, const char *word, size_t n, uint32_t *ids)
{
    for (size_t i = 0; i < n; i++) {
        ids[i] = (unsigned char)word[i];
    }
    for (;;) {
        size_t best = n;
        uint32_t lowest = BPE_NONE;
        for (size_t i = 0; i + 1 < n; i++) {
            const uint32_t rank = bpe_rank(b, ids[i], ids[i + 1]);
            if (rank < lowest) {
                lowest = rank;
                best = i;
            }
        }
        if (best == n) {
            return n;
        }
        ids[best] = b->made[lowest];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        n--;
    }
}

static void expect_ids(struct bpe_worker *w, const char *word, const uint32_t *ids, size_t n)
{
    struct tokens out = {0};
    assert_int_equal(bpe_encode(w, word, strlen(word), 100, &out, NULL), 0);
    assert_int_equal(out.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out.ids[i], ids[i]);
    }
    if (n > 0) {
        assert_int_equal(out.ends[n - 1], 100 + strlen(word));
    }
    free(out.ids);
    free(out.ends);
}

static void the_lowest_rank_goes_first_and_the_leftmost_of_equals(void **state)
{
    (void)state;
    // ab=256 before bc=257; aa=258; abc=259 comes from ab+c only, aab=260 from aa+b.
    static const struct merge merges[] = {
        {'a', 'b', 256}, {'b', 'c', 257}, {'a', 'a', 258}, {256, 'c', 259}, {258, 'b', 260},
    };
    static const struct {
        const char *word;
        size_t n;
        uint32_t ids[4];
    } cases[] = {
        {"", 0, {0}},
        {"x", 1, {'x'}},
        {"abc", 1, {259}},
        {"bc", 1, {257}},
        {"xbcab", 3, {'x', 257, 256}},
        {"aaa", 2, {258, 'a'}},
        {"aaaa", 2, {258, 258}},
        {"aab", 2, {'a', 256}}, // ab before aa
        {"abcabc", 2, {259, 259}},
        {"cba", 3, {'c', 'b', 'a'}},
    };
    struct bpe b;
    make(&b, merges, sizeof merges / sizeof *merges);
    struct bpe_worker *w = bpe_worker_new(&b);
    assert_non_null(w);
    for (int round = 0; round < 2; round++) { // the second is from the cache
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            expect_ids(w, cases[i].word, cases[i].ids, cases[i].n);
        }
    }
    bpe_worker_free(w);
    bpe_free(&b);
}

static void the_last_of_equal_pairs_counts(void **state)
{
    (void)state;
    static const struct merge merges[] = {{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 256}};
    struct bpe b;
    make(&b, merges, 3);
    struct bpe_worker *w = bpe_worker_new(&b);
    assert_non_null(w);
    assert_int_equal(bpe_rank(&b, 'a', 'b'), 2);
    expect_ids(w, "abc", (const uint32_t[]){'a', 257}, 2);
    bpe_worker_free(w);
    bpe_free(&b);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#define LETTERS 3
#define MERGES 60
#define WORD_MAX 1000
#define TOKEN_MAX 12

/* Tokens by their strings, so that several merges can make the same one. */
struct strings {
    char text[LETTERS + MERGES][2 * TOKEN_MAX + 1];
    uint32_t n;
};

static uint32_t id_of(uint32_t string)
{
    return string < LETTERS ? 'a' + string : 256 + string - LETTERS;
}

/* The token of the string left + right, which is added if it is new. */
static uint32_t joined(struct strings *s, uint32_t left, uint32_t right)
{
    char text[4 * TOKEN_MAX + 1];
    snprintf(text, sizeof text, "%s%s", s->text[left], s->text[right]);
    for (uint32_t i = 0; i < s->n; i++) {
        if (strcmp(s->text[i], text) == 0) {
            return i;
        }
    }
    memcpy(s->text[s->n], text, strlen(text) + 1);
    return s->n++;
}

/* Random merges over few letters.  If they are not in order, ranks are random, so that a merge
 * often creates a pair of lower rank: training does not make such merges, but a file can have
 * them. */
static void random_merges(struct merge *merges, uint32_t n_letters, bool in_order, uint32_t *seed)
{
    struct strings s = {{"a", "b", "c"}, LETTERS};
    for (uint32_t i = 0; i < MERGES; i++) {
        uint32_t part[2];
        for (int k = 0; k < 2; k++) {
            do {
                part[k] = next_random(seed) % s.n;
            } while ((part[k] >= n_letters && part[k] < LETTERS) ||
                     strlen(s.text[part[k]]) > TOKEN_MAX);
        }
        if (next_random(seed) % 3 == 0) {
            part[1] = part[0]; // pairs overlap, so their order matters
        }
        merges[i] =
            (struct merge){id_of(part[0]), id_of(part[1]), id_of(joined(&s, part[0], part[1]))};
    }
    for (size_t i = MERGES; !in_order && i > 1; i--) {
        const size_t j = next_random(seed) % i;
        const struct merge swapped = merges[i - 1];
        merges[i - 1] = merges[j];
        merges[j] = swapped;
    }
}

static void words_of_every_length_are_merged_as_the_definition_says(void **state)
{
    (void)state;
    uint32_t seed = 1;
    static uint32_t want[WORD_MAX];
    static char word[WORD_MAX];
    size_t n_checked = 0;
    for (int round = 0; round < 48; round++) {
        struct merge merges[MERGES];
        struct bpe b;
        const uint32_t n_letters = 1 + (uint32_t)round % LETTERS;
        random_merges(merges, n_letters, round / LETTERS % 2, &seed);
        make(&b, merges, MERGES);
        struct bpe_worker *w = bpe_worker_new(&b);
        assert_non_null(w);
        struct tokens out = {0};
        for (int k = 0; k < 40; k++) {
            static const uint32_t most[] = {8, 40, 300, WORD_MAX};
            const size_t len = 1 + next_random(&seed) % most[k % 4];
            for (size_t i = 0; i < len; i++) {
                word[i] = (char)('a' + next_random(&seed) % n_letters);
            }
            const size_t n = naive(&b, word, len, want);
            out.n = 0;
            assert_int_equal(bpe_encode(w, word, len, 0, &out, NULL), 0);
            assert_int_equal(out.n, n);
            size_t end = 0;
            for (size_t i = 0; i < n; i++) {
                end += b.token_bytes[want[i]];
                assert_int_equal(out.ids[i], want[i]);
                assert_int_equal(out.ends[i], end);
            }
            assert_int_equal(end, len);
            n_checked++;
        }
        free(out.ids);
        free(out.ends);
        bpe_worker_free(w);
        bpe_free(&b);
    }
    assert_int_equal(n_checked, 1920);
}

static void a_megabyte_of_one_letter_is_one_word(void **state)
{
    (void)state;
    struct merge merges[10]; // aa, aaaa, ... up to 1024 letters
    for (uint32_t i = 0; i < 10; i++) {
        const uint32_t part = i ? 255 + i : 'a';
        merges[i] = (struct merge){part, part, 256 + i};
    }
    struct bpe b;
    make(&b, merges, 10);
    struct bpe_worker *w = bpe_worker_new(&b);
    assert_non_null(w);
    const size_t len = (1 << 20) + 3;
    char *word = malloc(len);
    assert_non_null(word);
    memset(word, 'a', len);
    struct tokens out = {0};
    assert_int_equal(bpe_encode(w, word, len, 0, &out, NULL), 0);
    assert_int_equal(out.n, 1024 + 2); // and aa, a
    assert_int_equal(out.ids[0], 265);
    assert_int_equal(out.ids[1024], 256);
    assert_int_equal(out.ids[1025], 'a');
    assert_int_equal(out.ends[1025], len);
    free(word);
    free(out.ids);
    free(out.ends);
    bpe_worker_free(w);
    bpe_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_rank_goes_first_and_the_leftmost_of_equals),
        cmocka_unit_test(the_last_of_equal_pairs_counts),
        cmocka_unit_test(words_of_every_length_are_merged_as_the_definition_says),
        cmocka_unit_test(a_megabyte_of_one_letter_is_one_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
