/*
 * Texts are cut as the reference cuts them, and as a slow tokenizer does, from any thread.
 */
#include "tests/kit/tokenizer_kit.h"

#include <pthread.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"
#include "tests/ref/words_ref.h"

/* --- texts ----------------------------------------------------------------------------------- */

// Expected values: tokenizers 0.23.2.
static void the_toy_tokenizer_cuts_as_the_reference_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len, norm_len, n;
        uint32_t ids[16];
    } cases[] = {
        {"", 0, 0, 0, {0}},
        {"Hello world!", 12, 12, 5, {74, 301, 387, 1671, 35}},
        {"I don't know.  It'll be 2024",
         28,
         28,
         14,
         {75, 1494, 632, 1265, 48, 34, 1218, 2725, 340, 34, 52, 50, 52, 54}},
        {"na\u00efve cafe\u0301", 13, 12, 8, {3117, 197, 177, 344, 1327, 104, 197, 171}},
        {"cafe\u1df6\u0301", 9, 9, 7, {2337, 1170, 227, 185, 184, 206, 131}},
        {"<|endoftext|> the<|padding|>", 28, 28, 3, {0, 271, 1}},
        {"<|endoftext", 11, 11, 6, {62, 126, 454, 113, 953, 541}},
        {"a \n\n b  ", 8, 8, 5, {99, 34, 449, 284, 258}},
        {"\u65e5\u672c\u8a9e", 9, 9, 9, {232, 153, 167, 232, 158, 174, 234, 172, 160}},
        {"\u1100\u1161\u11a8 \u00bd\u00b2", 14, 8, 8, {236, 178, 131, 34, 196, 191, 196, 180}},
        {"  12", 4, 4, 3, {258, 51, 52}},
        {"\u212b\0", 4, 3, 3, {197, 135, 2}},
    };
    struct tokenizer *t = load(TOY);
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    assert_non_null(e);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(encode(e, cases[i].text, cases[i].len, SPECIAL_SPLIT, &got, NULL), 0);
        expect_ids(&got, cases[i].text, cases[i].ids, cases[i].n);
        assert_int_equal(got.text_len, cases[i].norm_len);
        assert_int_equal(got.text == cases[i].text, cases[i].len == cases[i].norm_len);
        expect_tiles(t, &got);
    }
    assert_int_equal(encode(e, NULL, 0, SPECIAL_SPLIT, &got, NULL), 0);
    assert_int_equal(got.n + got.text_len, 0);
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
}

static void a_special_token_is_text_where_wanted(void **state)
{
    (void)state;
    static const char text[] = "a<|endoftext|>b";
    struct tokenizer *t = load(TOY);
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    assert_non_null(e);
    assert_int_equal(encode(e, text, 15, SPECIAL_SPLIT, &got, NULL), 0);
    expect_ids(&got, text, (const uint32_t[]){99, 0, 100}, 3);
    assert_int_equal(encode(e, text, 15, SPECIAL_PLAIN, &got, NULL), 0);
    // The tokens of "<|endoftext" above, then "|>" and "b".
    expect_ids(&got, text, (const uint32_t[]){99, 62, 126, 454, 113, 953, 541, 126, 64, 100}, 10);
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
}

/* --- against a slow one ---------------------------------------------------------------------- */

struct slow {
    struct json_object *root, *vocab;
    struct json_object *ranks; // "left right" -> rank
};

static void slow_load(struct slow *s)
{
    assert_int_equal(json_read_file(&s->root, TOY, 1 << 24, NULL), 0);
    struct json_object *model = json_member(s->root, "model");
    struct json_object *merges = json_member(model, "merges");
    s->vocab = json_member(model, "vocab");
    s->ranks = json_object_new_object();
    for (size_t i = 0; i < json_object_array_length(merges); i++) {
        json_object_object_add(s->ranks,
                               json_object_get_string(json_object_array_get_idx(merges, i)),
                               json_object_new_int((int)i));
    }
}

/* The character that GPT-2's encoder writes for a byte. */
static void name_byte(unsigned byte, char *name)
{
    uint32_t code = 256;
    if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad)) {
        code = byte;
    } else {
        for (unsigned b = 0; b < byte; b++) {
            code += !((b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad));
        }
    }
    name[utf8_encode(code, name)] = '\0';
}

/* BPE on strings by its definition, in quadratic time. */
static size_t slow_word(const struct slow *s, const char *word, size_t len, uint32_t *ids)
{
    static char parts[400][200];
    size_t n = len;
    assert_in_range(len, 1, 400);
    for (size_t i = 0; i < len; i++) {
        name_byte((unsigned char)word[i], parts[i]);
    }
    for (;;) {
        int lowest = INT32_MAX;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            char pair[402];
            struct json_object *rank;
            snprintf(pair, sizeof pair, "%.199s %.199s", parts[i], parts[i + 1]);
            if (json_object_object_get_ex(s->ranks, pair, &rank) &&
                json_object_get_int(rank) < lowest) {
                lowest = json_object_get_int(rank);
                best = i;
            }
        }
        if (lowest == INT32_MAX) {
            break;
        }
        const size_t left = strlen(parts[best]), right = strlen(parts[best + 1]);
        assert_true(left + right < sizeof parts[0]);
        memcpy(parts[best] + left, parts[best + 1], right + 1);
        memmove(parts + best + 1, parts + best + 2, (n - best - 2) * sizeof parts[0]);
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *id;
        assert_true(json_object_object_get_ex(s->vocab, parts[i], &id));
        ids[i] = (uint32_t)json_object_get_int(id);
    }
    return n;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static size_t random_text(uint32_t *seed, char *text)
{
    static const char *const pieces[] = {
        " the",   "ing",          "  ",     "\n",   "'s",           "123",    "e\u0301",
        "\u00e9", "\u65e5\u672c", "don't",  "\t",   "def ",         "_",      ".",
        "\u00a0", "\u0130",       "\u0323", " and", "\u1100\u1161", "return",
    };
    size_t len = 0;
    for (uint32_t n = next_random(seed) % 30; n > 0; n--) {
        if (next_random(seed) % 3) {
            const char *piece = pieces[next_random(seed) % (sizeof pieces / sizeof *pieces)];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        } else {
            const uint32_t code = next_random(seed) % (next_random(seed) % 2 ? 0x80 : 0xd800);
            len += utf8_encode(code, text + len);
        }
    }
    return len;
}

static void random_texts_are_cut_as_a_slow_tokenizer_cuts_them(void **state)
{
    (void)state;
    struct tokenizer *t = load(TOY);
    struct encoder *e = encoder_new(t);
    struct slow slow;
    struct tokens got = {0};
    struct normalize_work work = {0};
    slow_load(&slow);
    assert_non_null(e);
    uint32_t seed = 7;
    for (int round = 0; round < 1500; round++) {
        char text[400];
        const size_t len = random_text(&seed, text);
        struct buf norm = {0};
        size_t copied = 0, n_want = 0, ends[400], from = 0;
        uint32_t want[400];
        assert_int_equal(normalize_nfc(&work, text, 0, len, &copied, &norm, NULL), 0);
        if (copied == 0) {
            assert_int_equal(buf_append(&norm, text, len, NULL), 0);
        }
        const size_t n_words = words_ref(norm.data, norm.len, true, ends);
        for (size_t i = 0; i < n_words; i++) {
            n_want += slow_word(&slow, norm.data + from, ends[i] - from, want + n_want);
            from = ends[i];
        }
        assert_int_equal(encode(e, text, len, SPECIAL_PLAIN, &got, NULL), 0);
        expect_ids(&got, text, want, n_want);
        expect_tiles(t, &got);
        buf_free(&norm);
    }
    json_object_put(slow.root);
    json_object_put(slow.ranks);
    normalize_work_free(&work);
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
}

/* --- the rest -------------------------------------------------------------------------------- */

struct share {
    const struct tokenizer *t;
    uint32_t n_tokens; // in all texts; an error adds none
};

static void *encode_much(void *arg)
{
    struct share *share = arg;
    struct encoder *e = encoder_new(share->t);
    struct tokens got = {0};
    uint32_t seed = 3;
    for (int round = 0; e && round < 500; round++) {
        char text[400];
        const size_t len = random_text(&seed, text);
        if (encode(e, text, len, SPECIAL_SPLIT, &got, NULL) == 0) {
            share->n_tokens += (uint32_t)got.n;
        }
    }
    tokens_free(&got);
    encoder_free(e);
    return NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    struct tokenizer *t = load(TOY);
    struct share shares[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        shares[i] = (struct share){t, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_much, &shares[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(shares[i].n_tokens, shares[0].n_tokens);
    }
    assert_true(shares[0].n_tokens > 10000);
    tokenizer_free(t);
}

static void a_token_stands_for_its_bytes(void **state)
{
    (void)state;
    struct tokenizer *t = load(TOY);
    size_t len = 7;
    assert_int_equal(tokenizer_n_vocab(t), 4096);
    assert_int_equal(tokenizer_bos(t), 0);
    assert_int_equal(tokenizer_eos(t), 0);
    assert_memory_equal(tokenizer_bytes(t, 271, &len), " the", 4);
    assert_int_equal(len, 4);
    assert_memory_equal(tokenizer_bytes(t, 206, &len), "\xcc", 1); // half a character
    assert_int_equal(len, 1);
    assert_memory_equal(tokenizer_bytes(t, 1, &len), "<|padding|>", 11);
    assert_int_equal(len, 11);
    assert_null(tokenizer_bytes(t, 4096, &len));
    assert_null(tokenizer_bytes(t, TOKENIZER_NO_ID, &len));
    tokenizer_free(t);

    static const struct change hole = {"\"bc\": 257", "\"bc\": 300"};
    t = mini(&hole, 1);
    assert_int_equal(tokenizer_n_vocab(t), 301);
    assert_null(tokenizer_bytes(t, 257, &len));
    assert_memory_equal(tokenizer_bytes(t, 300, &len), "bc", 2);
    tokenizer_free(t);
}

int main(void)
{
    normalize_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_toy_tokenizer_cuts_as_the_reference_does),
        cmocka_unit_test(a_special_token_is_text_where_wanted),
        cmocka_unit_test(random_texts_are_cut_as_a_slow_tokenizer_cuts_them),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(a_token_stands_for_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
