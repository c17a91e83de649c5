#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/ref/words_ref.h"

#define TOY "tests/golden/tokenizers/toy/tokenizer.json"
#define MINI "tests/golden/tokenizers/mini.json"

static struct tokenizer *load(const char *path)
{
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_load(&t, path, &err)) {
        fail_msg("%s", err.msg);
    }
    return t;
}

static void expect_ids(const struct tokens *got, const char *text, const uint32_t *ids, size_t n)
{
    if (got->n != n) {
        fail_msg("\"%s\" has %zu tokens, not %zu", text, got->n, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (got->ids[i] != ids[i]) {
            fail_msg("\"%s\": token %zu is %u, not %u", text, i, got->ids[i], ids[i]);
        }
    }
}

/* Tokens tile the text, and their bytes are the text's. */
static void expect_tiles(const struct tokenizer *t, const struct tokens *got)
{
    size_t at = 0;
    for (size_t i = 0; i < got->n; i++) {
        size_t len;
        const char *bytes = tokenizer_bytes(t, got->ids[i], &len);
        assert_non_null(bytes);
        assert_int_equal(got->ends[i], at + len);
        assert_memory_equal(got->text + at, bytes, len);
        at += len;
    }
    assert_int_equal(at, got->text_len);
}

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
    // As "<|endoftext" above, then "|>" and "b".
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

/* BPE on strings, as the definition has it: quadratic. */
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

/* --- variants of a small file ---------------------------------------------------------------- */

/*
 * MINI: every byte is its own id; ab=256 bc=257 abc=258 ("a b", "b c", "ab c", in this order),
 * "  "=259 and "\u0120\u0120\u0120"=261 are in the vocabulary too, and so is "<|x|>"=260, a
 * special added token.  No normaliser, ByteLevel alone.
 */
#define ADDED_END "\"special\": true}]"
#define FLAGS "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
#define RAW FLAGS "\"normalized\": false, \"special\": false}"
#define NORMALIZED FLAGS "\"normalized\": true, \"special\": false}"
#define NO_NORMALIZER "\"normalizer\": null"
#define NFC "\"normalizer\": {\"type\": \"NFC\"}"
#define BYTE_LEVEL                                                                                 \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "              \
    "\"use_regex\": true}"

struct change {
    const char *from, *to;
};

/* MINI with the changes made, each of which must apply once. */
static struct buf mini_with(const struct change *changes, size_t n)
{
    struct buf text = {0};
    assert_int_equal(file_read(MINI, 1 << 20, &text, NULL), 0);
    for (size_t i = 0; i < n && changes[i].from; i++) {
        const size_t from_len = strlen(changes[i].from);
        const char *hit = memmem(text.data, text.len, changes[i].from, from_len);
        if (!hit) {
            fail_msg("no %s in " MINI, changes[i].from);
        }
        const size_t at = (size_t)(hit - text.data);
        struct buf changed = {0};
        buf_append(&changed, text.data, at, NULL);
        buf_append(&changed, changes[i].to, strlen(changes[i].to), NULL);
        buf_append(&changed, hit + from_len, text.len - at - from_len, NULL);
        buf_free(&text);
        text = changed;
    }
    return text;
}

static struct tokenizer *mini(const struct change *changes, size_t n)
{
    struct buf text = mini_with(changes, n);
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_parse(&t, text.data, text.len, NULL, NULL, &err)) {
        fail_msg("%s", err.msg);
    }
    buf_free(&text);
    return t;
}

static void every_part_of_the_file_has_its_effect(void **state)
{
    (void)state;
    static const struct {
        struct change changes[3];
        const char *text;
        enum special_tokens special;
        size_t n;
        uint32_t ids[12];
    } cases[] = {
        {{{0}}, "abcbc", SPECIAL_SPLIT, 2, {258, 257}},
        {{{0}}, "ab c<|x|>", SPECIAL_SPLIT, 4, {256, ' ', 'c', 260}},
        {{{0}}, "<|x|>", SPECIAL_PLAIN, 5, {'<', '|', 'x', '|', '>'}},
        {{{0}}, "e\u0301", SPECIAL_SPLIT, 3, {'e', 0xcc, 0x81}},
        // merges: the order is the rank; pairs are as good as strings; a version line is none
        {{{"[\"a b\", \"b c\", \"ab c\"]", "[\"b c\", \"a b\", \"ab c\"]"}},
         "abc",
         SPECIAL_SPLIT,
         2,
         {'a', 257}},
        {{{"[\"a b\", \"b c\", \"ab c\"]", "[[\"a\", \"b\"], [\"b\", \"c\"], [\"ab\", \"c\"]]"}},
         "abcbc",
         SPECIAL_SPLIT,
         2,
         {258, 257}},
        {{{"[\"a b\"", "[\"#version: 0.2\", \"a b\""}}, "abcbc", SPECIAL_SPLIT, 2, {258, 257}},
        {{{"[\"a b\"", "[\"b c\", \"a b\""}}, "abcbc", SPECIAL_SPLIT, 2, {258, 257}},
        // NFC
        {{{NO_NORMALIZER, NFC}}, "e\u0301", SPECIAL_SPLIT, 2, {0xc3, 0xa9}},
        {{{NO_NORMALIZER, "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": "
                          "[{\"type\": \"NFC\"}]}"}},
         "e\u0301",
         SPECIAL_SPLIT,
         2,
         {0xc3, 0xa9}},
        {{{NO_NORMALIZER, NFC}}, "e<|x|>\u0301", SPECIAL_SPLIT, 4, {'e', 260, 0xcc, 0x81}},
        {{{NO_NORMALIZER, NFC}},
         "e\u0301<|x|>e\u0301x<|x|>",
         SPECIAL_SPLIT,
         7,
         {0xc3, 0xa9, 260, 0xc3, 0xa9, 'x', 260}},
        // Digits: "  " before a digit is at the end of its text, and a word
        {{{"\"merges\": [", "\"merges\": [\"\u0120 \u0120\", "},
          {"\"  \": 259", "\"\u0120\u0120\": 259"}},
         "a  1",
         SPECIAL_SPLIT,
         4,
         {'a', ' ', ' ', '1'}},
        {{{"\"merges\": [", "\"merges\": [\"\u0120 \u0120\", "},
          {"\"  \": 259", "\"\u0120\u0120\": 259"},
          {BYTE_LEVEL, "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
                       "\"individual_digits\": true}, " BYTE_LEVEL "]}"}},
         "a  1",
         SPECIAL_SPLIT,
         3,
         {'a', 259, '1'}},
        // a token added to the vocabulary is cut out first, the longest of those that begin there
        {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"ca\", " RAW
                      ", {\"id\": 263, \"content\": \"cab\", " RAW "]"}},
         "abcabcacab",
         SPECIAL_PLAIN,
         4,
         {256, 263, 262, 263}},
        // one that is not special is cut out in plain mode too, but not out of a special one
        {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"|x\", " RAW "]"}},
         "|x<|x|>",
         SPECIAL_PLAIN,
         6,
         {262, '<', '|', 'x', '|', '>'}},
        {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"|x\", " RAW "]"}},
         "|x<|x|>|x|",
         SPECIAL_SPLIT,
         4,
         {262, 260, 262, '|'}},
        // normalised ones are themselves normalised and found in normalised text, others in raw
        {{{ADDED_END,
           "\"special\": true}, {\"id\": 262, \"content\": \"e\u0301!\", " NORMALIZED "]"},
          {NO_NORMALIZER, NFC}},
         "e\u0301!\u00e9!",
         SPECIAL_SPLIT,
         2,
         {262, 262}},
        {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"e\u0301!\", " RAW "]"},
          {NO_NORMALIZER, NFC}},
         "e\u0301!\u00e9!",
         SPECIAL_SPLIT,
         4,
         {262, 0xc3, 0xa9, '!'}},
        // in the vocabulary already and not special: not cut out (259, 261 stay unreached)
        {{{ADDED_END, "\"special\": true}, {\"id\": 259, \"content\": \"  \", " NORMALIZED "]"}},
         "a  b",
         SPECIAL_SPLIT,
         4,
         {'a', ' ', ' ', 'b'}},
        {{{ADDED_END, "\"special\": true}, {\"id\": 256, \"content\": \"ab\", " RAW "]"}},
         "abc",
         SPECIAL_SPLIT,
         1,
         {258}},
        // no part in cutting
        {{{"\"post_processor\": null", "\"post_processor\": {\"type\": \"Sequence\", "
                                       "\"processors\": [{\"type\": \"ByteLevel\"}, "
                                       "{\"type\": \"TemplateProcessing\", \"single\": "
                                       "[{\"SpecialToken\": {\"id\": \"<|x|>\"}},"
                                       " {\"Sequence\": {\"id\": \"A\"}}]}]}"}},
         "abc",
         SPECIAL_SPLIT,
         1,
         {258}},
        {{{"\"type\": \"BPE\", ", ""}, {"\"unk_token\": null", "\"end_of_word_suffix\": \"\""}},
         "abc",
         SPECIAL_SPLIT,
         1,
         {258}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tokenizer *t = mini(cases[i].changes, 3);
        struct encoder *e = encoder_new(t);
        struct tokens got = {0};
        assert_non_null(e);
        const char *text = cases[i].text;
        assert_int_equal(encode(e, text, strlen(text), cases[i].special, &got, NULL), 0);
        expect_ids(&got, text, cases[i].ids, cases[i].n);
        expect_tiles(t, &got);
        tokens_free(&got);
        encoder_free(e);
        tokenizer_free(t);
    }
}

static void what_is_not_built_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int code;
        const char *message; // a part of it
    } cases[] = {
        {"\"version\": \"1.0\"", "\"version\": \"2.0\"", ERR_UNSUPPORTED, "version \"2.0\" is"},
        {"\"truncation\": null", "\"truncation\": {\"max_length\": 5}", ERR_UNSUPPORTED,
         "truncation {"},
        {"\"padding\": null", "\"padding\": {}", ERR_UNSUPPORTED, "padding { } is not supported"},
        {NO_NORMALIZER, "\"normalizer\": {\"type\": \"NFKC\"}", ERR_UNSUPPORTED,
         "normalizer: NFKC is not supported; NFC"},
        {NO_NORMALIZER,
         "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, "
         "{\"type\": "
         "\"Lowercase\"}]}",
         ERR_UNSUPPORTED, "normalizer: Lowercase is"},
        {NO_NORMALIZER, "\"normalizer\": \"NFC\"", ERR_UNSUPPORTED, "normalizer: a string is"},
        {BYTE_LEVEL, "null", ERR_UNSUPPORTED, "pre_tokenizer: null is not supported"},
        {BYTE_LEVEL, "{\"type\": \"Metaspace\"}", ERR_UNSUPPORTED, "pre_tokenizer: Metaspace is"},
        {"\"add_prefix_space\": false", "\"add_prefix_space\": true", ERR_UNSUPPORTED,
         "ByteLevel with add_prefix_space is"},
        {"\"add_prefix_space\": false, ", "", ERR_UNSUPPORTED, "add_prefix_space"},
        {"\"use_regex\": true", "\"use_regex\": false", ERR_UNSUPPORTED, "use_regex false"},
        {"\"use_regex\": true", "\"use_regex\": 1", ERR_FORMAT, "\"use_regex\" is a number"},
        {BYTE_LEVEL,
         "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
         "\"individual_digits\": "
         "false}, " BYTE_LEVEL "]}",
         ERR_UNSUPPORTED, "Digits without individual_digits"},
        {BYTE_LEVEL,
         "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\"}, " BYTE_LEVEL "]}",
         ERR_UNSUPPORTED, "a Sequence of 2 that begins with Split"},
        {"\"post_processor\": null", "\"post_processor\": {\"type\": \"BertProcessing\"}",
         ERR_UNSUPPORTED, "post_processor: BertProcessing is"},
        {"\"post_processor\": null",
         "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {}}, "
         "{\"Sequence\": {}}]}",
         ERR_UNSUPPORTED, "post_processor: TemplateProcessing is"},
        {"\"type\": \"BPE\"", "\"type\": \"WordPiece\"", ERR_UNSUPPORTED, "model: WordPiece is"},
        {"\"dropout\": null", "\"dropout\": 0.1", ERR_UNSUPPORTED, "model: dropout 0.1 is"},
        {"\"unk_token\": null", "\"unk_token\": \"<unk>\"", ERR_UNSUPPORTED,
         "model: unk_token \"<unk>\" is"},
        {"\"unk_token\": null", "\"continuing_subword_prefix\": \"##\"", ERR_UNSUPPORTED,
         "continuing_subword_prefix \"##\""},
        {"\"unk_token\": null", "\"end_of_word_suffix\": \"</w>\"", ERR_UNSUPPORTED,
         "end_of_word_suffix"},
        {"\"unk_token\": null", "\"fuse_unk\": true", ERR_UNSUPPORTED, "fuse_unk true is"},
        {"\"unk_token\": null", "\"byte_fallback\": true", ERR_UNSUPPORTED, "byte_fallback true"},
        {"\"unk_token\": null", "\"ignore_merges\": true", ERR_UNSUPPORTED, "ignore_merges true"},
        {"\"merges\": [\"a b\", \"b c\", \"ab c\"]", "\"merges\": 3", ERR_FORMAT,
         "vocab is an object and merges is a number"},
        {"\"ab c\"]", "\"ab d\"]", ERR_FORMAT, "merge 2: \"abd\" is not in the vocabulary"},
        {"\"ab c\"]", "\"ab \\u00ffc\"]", ERR_FORMAT, "merge 2: \"\u00ffc\" is not in"},
        {"\"ab c\"]", "\"abc\"]", ERR_FORMAT, "merge 2: it is \"abc\""},
        {"\"ab c\"]", "\"a b c\"]", ERR_FORMAT, "merge 2: it is \"a b c\""},
        {"\"ab c\"]", "[\"ab\"]]", ERR_FORMAT, "merge 2: it is [ \"ab\" ]"},
        {"\"ab c\"]", "7]", ERR_FORMAT, "merge 2: it is 7"},
        {"\"bc\": 257", "\"bc\": 256", ERR_FORMAT, "two tokens have the id 256; \"bc\" is"},
        {"\"bc\": 257", "\"bc\": -1", ERR_FORMAT, "the id of token \"bc\" is -1"},
        {"\"bc\": 257", "\"bc\": 2.5", ERR_FORMAT, "the id of token \"bc\" is 2.5"},
        {"\"bc\": 257", "\"bc\": 16777216", ERR_LIMIT, "ids go up to 16777215"},
        {"\"A\": 65", "\"AA\": 65", ERR_UNSUPPORTED, "no token for the byte 0x41"},
        {"\"\u0120\": 32", "\" \": 32", ERR_UNSUPPORTED, "no token for the byte 0x20"},
        {"\"id\": 260", "\"id\": 300", ERR_FORMAT,
         "added token 0 \"<|x|>\": its id is 300; by the vocabulary it is 260"},
        {"\"id\": 260", "\"id\": null", ERR_FORMAT, "the id of token \"<|x|>\" is null"},
        {"\"single_word\": false", "\"single_word\": true", ERR_UNSUPPORTED,
         "added token 0 \"<|x|>\": single_word is not supported"},
        {"\"lstrip\": false", "\"lstrip\": true", ERR_UNSUPPORTED, "lstrip is not supported"},
        {"\"rstrip\": false", "\"rstrip\": true", ERR_UNSUPPORTED, "rstrip is not supported"},
        {"\"normalized\": false, ", "", ERR_FORMAT, "\"normalized\" is missing"},
        {"\"content\": \"<|x|>\"", "\"content\": \"\"", ERR_FORMAT, "\"content\" is \"\""},
        {"\"content\": \"<|x|>\"", "\"content\": \"<|x\\u0000\"", ERR_FORMAT, "without NUL"},
        {"\"content\": \"<|x|>\"", "\"content\": 5", ERR_FORMAT, "\"content\" is 5"},
        {ADDED_END, "\"special\": true}, {\"id\": 261, \"content\": \"y\", " RAW "]", ERR_NONE, ""},
        {ADDED_END, "\"special\": true}, {\"id\": 261, \"content\": \"yy\", " RAW "]", ERR_FORMAT,
         "its id is 261; by the vocabulary it is 262"},
        {ADDED_END,
         "\"special\": true}, {\"id\": 260, \"content\": \"<|x|>\", " FLAGS
         "\"normalized\": true, \"special\": true}]",
         ERR_FORMAT, "added token 1 \"<|x|>\": it is there twice"},
        {ADDED_END,
         "\"special\": true}, {\"id\": 261, \"content\": \"\u0120\u0120\u0120\", " FLAGS
         "\"normalized\": false, \"special\": true}]",
         ERR_UNSUPPORTED, "stands for other bytes"},
        {"\"decoder\": null", "\"decoder\": nul", ERR_FORMAT, "line "},
        {"\"decoder\": null", "\"decoder\": \"\xff\"", ERR_FORMAT, "not valid UTF-8"},
        {"\"added_tokens\": [", "\"added_tokens\": 1, \"x\": [", ERR_FORMAT,
         "added_tokens is a number; expected an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct change change = {cases[i].from, cases[i].to};
        struct buf text = mini_with(&change, 1);
        struct tokenizer *t = NULL;
        struct err err = {0};
        const int rc = tokenizer_parse(&t, text.data, text.len, NULL, NULL, &err);
        if (rc != cases[i].code || !strstr(err.msg, cases[i].message)) {
            fail_msg("case %zu: %d, \"%s\" instead of %d, \"%s\"", i, rc, err.msg, cases[i].code,
                     cases[i].message);
        }
        tokenizer_free(t);
        buf_free(&text);
    }
    struct tokenizer *t = NULL;
    struct err err = {0};
    static const struct change hole[] = {
        {"\"bc\": 257", "\"bc\": 262"},
        {ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"yy\", " RAW "]"}};
    struct buf text = mini_with(hole, 2);
    assert_int_equal(tokenizer_parse(&t, text.data, text.len, NULL, NULL, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "added token 1 \"yy\": its id 262 is that of another token");
    buf_free(&text);
    assert_int_equal(tokenizer_parse(&t, "[]", 2, NULL, NULL, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "it holds an array; expected an object");
    assert_int_equal(tokenizer_load(&t, "tests/golden/none.json", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "tests/golden/none.json: "));
}

/* --- BOS and EOS ----------------------------------------------------------------------------- */

static void bos_and_eos_have_usual_names(void **state)
{
    (void)state;
    static const struct {
        const char *vocab; // in place of "bc": 257
        const char *bos, *eos;
        uint32_t bos_id, eos_id;
    } cases[] = {
        {"\"bc\": 257", NULL, NULL, TOKENIZER_NO_ID, TOKENIZER_NO_ID},
        {"\"bc\": 257", "<|x|>", "bc", 260, 257},
        {"\"bc\": 257, \"<|endoftext|>\": 262", NULL, NULL, 262, 262},
        {"\"bc\": 257, \"<|EOS|>\": 262, \"<|BOS|>\": 263", NULL, NULL, 263, 262},
        {"\"bc\": 257, \"<|EOS|>\": 262, \"<|BOS|>\": 263", "<|x|>", NULL, 260, 262},
        {"\"bc\": 257, \"<|EOS|>\": 262, \"<|BOS|>\": 263", "<s>", "</s>", 263, 262},
        {"\"bc\": 257", "<s>", NULL, TOKENIZER_NO_ID, TOKENIZER_NO_ID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct change change = {"\"bc\": 257", cases[i].vocab};
        struct buf text = mini_with(&change, 1);
        struct tokenizer *t = NULL;
        assert_int_equal(tokenizer_parse(&t, text.data, text.len, cases[i].bos, cases[i].eos, NULL),
                         0);
        assert_int_equal(tokenizer_bos(t), cases[i].bos_id);
        assert_int_equal(tokenizer_eos(t), cases[i].eos_id);
        tokenizer_free(t);
        buf_free(&text);
    }
}

static void write_file(const char *folder, const char *name, const char *text, size_t len)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void bos_and_eos_are_read_from_the_files_beside(void **state)
{
    (void)state;
    static const struct {
        const char *config, *map; // NULL: no such file
        uint32_t bos, eos;
    } cases[] = {
        {NULL, NULL, TOKENIZER_NO_ID, TOKENIZER_NO_ID},
        {"{\"bos_token\": \"ab\", \"eos_token\": {\"content\": \"bc\"}}", NULL, 256, 257},
        {"{\"bos_token\": null}", "{\"bos_token\": \"ab\"}", 256, TOKENIZER_NO_ID},
        {"{\"bos_token\": \"ab\"}", "{\"bos_token\": \"bc\", \"eos_token\": \"<|x|>\"}", 256, 260},
    };
    char folder[] = "/tmp/gapscope-test-XXXXXX", path[300];
    assert_non_null(mkdtemp(folder));
    struct buf text = mini_with(NULL, 0);
    write_file(folder, "tokenizer.json", text.data, text.len);
    buf_free(&text);
    struct err err = {0};
    struct tokenizer *t = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].config) {
            write_file(folder, "tokenizer_config.json", cases[i].config, strlen(cases[i].config));
        }
        if (cases[i].map) {
            write_file(folder, "special_tokens_map.json", cases[i].map, strlen(cases[i].map));
        }
        snprintf(path, sizeof path, "%s/tokenizer.json", folder);
        assert_int_equal(tokenizer_load(&t, path, &err), 0);
        assert_int_equal(tokenizer_bos(t), cases[i].bos);
        assert_int_equal(tokenizer_eos(t), cases[i].eos);
        tokenizer_free(t);
    }
    write_file(folder, "tokenizer_config.json", "{", 1);
    assert_int_equal(tokenizer_load(&t, path, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "/tokenizer_config.json: line 1"));
    write_file(folder, "tokenizer_config.json", "{}", 2);
    write_file(folder, "tokenizer.json", "{}", 2);
    assert_int_equal(tokenizer_load(&t, path, &err), ERR_UNSUPPORTED);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* --- the rest -------------------------------------------------------------------------------- */

struct share {
    const struct tokenizer *t;
    uint32_t n_tokens; // of all texts; an error adds none
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

static void tokenizers_that_cut_differently_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        struct change changes[2];
        const char *why; // NULL: the same
    } cases[] = {
        {{{0}}, NULL},
        {{{ADDED_END, "\"special\": true}, {\"id\": 259, \"content\": \"  \", " RAW "]"}}, NULL},
        {{{"\"a b\"", "[\"a\", \"b\"]"}}, NULL},
        {{{NO_NORMALIZER, NFC}}, "one normalises to NFC, the other does not"},
        {{{BYTE_LEVEL, "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
                       "\"individual_digits\": true}, " BYTE_LEVEL "]}"}},
         "one cuts digits apart, the other does not"},
        {{{"\"  \": 259", "\"\u0120c\u00e2\": 259"}},
         "token 259 is \"  \" in one and \" c\\xE2\" in the other"},
        {{{"\"  \": 259", "\"  \": 262"}}, "token 259 is \"  \" in one and absent in the other"},
        {{{"\"b c\"", "\"b b\""}, {"\"  \": 259", "\"bb\": 259"}}, "token 259 is"},
        {{{"\"b c\", ", ""}}, "merge 1, \"b\" and \"c\", has another place in the other"},
        {{{"\"a b\", \"b c\"", "\"b c\", \"a b\""}}, "merge 0, \"a\" and \"b\", has"},
        {{{"\"normalized\": false", "\"normalized\": true"}},
         "the added token 260, \"<|x|>\", is not cut out of raw text by the other"},
        {{{"\"bc\": 257, ", "\"bc\": 257, \"<|BOS|>\": 262, "}}, "token 262 is absent in one"},
    };
    struct tokenizer *a = mini(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tokenizer *b = mini(cases[i].changes, 2);
        struct err why = {0};
        const int rc = tokenizer_same(a, b, &why);
        if (rc != (cases[i].why ? ERR_MISMATCH : 0) ||
            (cases[i].why && !strstr(why.msg, cases[i].why))) {
            fail_msg("case %zu: \"%s\"", i, why.msg);
        }
        tokenizer_free(b);
    }
    struct tokenizer *b = NULL;
    struct buf text = mini_with(NULL, 0);
    struct err why = {0};
    assert_int_equal(tokenizer_parse(&b, text.data, text.len, "<|x|>", NULL, NULL), 0);
    assert_int_equal(tokenizer_same(a, b, &why), ERR_MISMATCH);
    assert_non_null(strstr(why.msg, "BOS is "));
    buf_free(&text);
    tokenizer_free(b);
    tokenizer_free(a);
}

int main(void)
{
    normalize_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_toy_tokenizer_cuts_as_the_reference_does),
        cmocka_unit_test(a_special_token_is_text_where_wanted),
        cmocka_unit_test(random_texts_are_cut_as_a_slow_tokenizer_cuts_them),
        cmocka_unit_test(every_part_of_the_file_has_its_effect),
        cmocka_unit_test(what_is_not_built_is_refused_by_name),
        cmocka_unit_test(bos_and_eos_have_usual_names),
        cmocka_unit_test(bos_and_eos_are_read_from_the_files_beside),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(a_token_stands_for_its_bytes),
        cmocka_unit_test(tokenizers_that_cut_differently_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
