/*
 * A small tokenizer of SentencePiece's kind (tests/golden/tokenizers/characters.json): spaces become
 * U+2581, first tokens are characters or bytes, and nothing is cut into words
 */
#include "tests/kit/tokenizer_kit.h"

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "tests/kit/folder.h"

#define CHARACTERS "tests/golden/tokenizers/characters.json"
#define S "\u2581"

// ids of the file
enum { BOS = 1, BYTE = 3, SPACE = 259, A, B, C, D, E_ACUTE, SA, AB, SAB, BC, CD, SS, SABC };

static struct tokenizer *load_with(const char *from, const char *to)
{
    struct buf text = {0}, changed = {0};
    struct tokenizer *t = NULL;
    struct err err = {0};
    assert_int_equal(file_read_text(CHARACTERS, 1 << 20, &text, NULL), 0);
    assert_int_equal(buf_append(&text, "", 1, NULL), 0);
    const char *at = strstr(text.data, from);
    assert_non_null(at);
    assert_int_equal(buf_append(&changed, text.data, (size_t)(at - text.data), NULL), 0);
    assert_int_equal(buf_append(&changed, to, strlen(to), NULL), 0);
    at += strlen(from);
    assert_int_equal(buf_append(&changed, at, strlen(at), NULL), 0);
    if (tokenizer_parse(&t, changed.data, changed.len, NULL, NULL, &err)) {
        fail_msg("%s", err.msg);
    }
    buf_free(&text);
    buf_free(&changed);
    return t;
}

static void expect(const struct tokenizer *t, const char *text, const char *normalized,
                   const uint32_t *ids, size_t n)
{
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    assert_non_null(e);
    assert_int_equal(encode(e, text, strlen(text), SPECIAL_SPLIT, &got, NULL), 0);
    expect_ids(&got, text, ids, n);
    expect_tiles(t, &got);
    assert_int_equal(got.text_len, strlen(normalized));
    assert_memory_equal(got.text, normalized, got.text_len);
    tokens_free(&got);
    encoder_free(e);
}

static void texts_are_cut_into_characters_and_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normalized;
        size_t n;
        uint32_t ids[12];
    } cases[] = {
        {"", "", 0, {0}},
        {"abc", S "abc", 1, {SABC}},
        {" abc", S S "abc", 2, {SPACE, SABC}},
        {"abcd", S "abcd", 2, {SAB, CD}},
        {"dabcd", S "dabcd", 4, {SPACE, D, AB, CD}},
        {"\u00e9x", S "\u00e9x", 3, {SPACE, E_ACUTE, BYTE + 'x'}},
        {"\u2603", S "\u2603", 4, {SPACE, BYTE + 0xe2, BYTE + 0x98, BYTE + 0x83}},
        {"a\nb", S "a\nb", 3, {SA, BYTE + '\n', B}},
        {"<0x0A>",
         S "<0x0A>",
         7,
         {SPACE, BYTE + '<', BYTE + '0', BYTE + 'x', BYTE + '0', BYTE + 'A', BYTE + '>'}},
        // each piece between added tokens has its own U+2581
        {"<s>abc", "<s>" S "abc", 2, {BOS, SABC}},
        {"abc<s> <s><s>", S "abc<s>" S S "<s><s>", 5, {SABC, BOS, SS, BOS, BOS}},
    };
    struct tokenizer *t = load(CHARACTERS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(t, cases[i].text, cases[i].normalized, cases[i].ids, cases[i].n);
    }
    assert_int_equal(tokenizer_bos(t), BOS); // the template's
    assert_int_equal(tokenizer_eos(t), 2);
    tokenizer_free(t);
}

static void metaspace_prepends_to_the_text_alone(void **state)
{
    (void)state;
    static const char from[] =
        "\"normalizer\": {\n  \"type\": \"Sequence\",\n  \"normalizers\": [\n   {\n    \"type\": "
        "\"Prepend\",\n    \"prepend\": \"" S "\"\n   },\n   {\n    \"type\": \"Replace\",\n    "
        "\"pattern\": {\n     \"String\": \" \"\n    },\n    \"content\": \"" S
        "\"\n   }\n  ]\n },\n"
        " \"pre_tokenizer\": null";
    struct tokenizer *t =
        load_with(from, "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"Metaspace\", "
                        "\"replacement\": \"" S "\", \"prepend_scheme\": \"first\", "
                        "\"split\": false}");
    expect(t, "abc", S "abc", (const uint32_t[]){SABC}, 1);
    expect(t, " abc", S "abc", (const uint32_t[]){SABC}, 1);
    expect(t, S "abc", S "abc", (const uint32_t[]){SABC}, 1);
    expect(t, "<s>abc a", "<s>abc" S "a", (const uint32_t[]){BOS, AB, C, SA}, 4);
    tokenizer_free(t);
    t = load_with(from, "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
                        "\"content\": \"" S "\"}, \"pre_tokenizer\": {\"type\": \"Split\", "
                        "\"pattern\": {\"String\": \" \"}, \"behavior\": "
                        "\"MergedWithPrevious\", \"invert\": false}");
    expect(t, "abc abc", "abc" S "abc", (const uint32_t[]){AB, C, SABC}, 3);
    expect(t, "ab", "ab", (const uint32_t[]){AB}, 1);
    tokenizer_free(t);
}

/* Merges the pair of lowest rank, the leftmost, again and again: what the file says, slowly. */
static size_t slowly(const char *text, size_t len, uint32_t *ids)
{
    static const uint32_t merges[][3] = {{SPACE, A, SA}, {A, B, AB}, {SA, B, SAB},
                                         {B, C, BC},     {C, D, CD}, {SPACE, SPACE, SS},
                                         {SAB, C, SABC}};
    static const char *const characters[] = {S, "a", "b", "c", "d", "\u00e9"};
    size_t n = 0, used;
    for (size_t at = 0; at < len; at += used) {
        uint32_t id = 0;
        (void)utf8_decode_valid(text + at, &used);
        for (uint32_t k = 0; k < 6; k++) {
            const bool is_it =
                used == strlen(characters[k]) && memcmp(text + at, characters[k], used) == 0;
            id = is_it ? SPACE + k : id;
        }
        for (size_t k = 0; k < used && id == 0; k++) {
            ids[n++] = BYTE + (unsigned char)text[at + k];
        }
        if (id > 0) {
            ids[n++] = id;
        }
    }
    for (;;) {
        size_t best = 7, where = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            for (size_t k = 0; k < best; k++) {
                if (merges[k][0] == ids[i] && merges[k][1] == ids[i + 1]) {
                    best = k;
                    where = i;
                }
            }
        }
        if (best == 7) {
            return n;
        }
        ids[where] = merges[best][2];
        n--;
        memmove(ids + where + 1, ids + where + 2, (n - where - 1) * sizeof *ids);
    }
}

static void random_texts_are_as_merged_slowly(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "b",      "c", "d",      " ",
                                        " ", "\u00e9", "x", "\u2603", "\n"};
    struct tokenizer *t = load(CHARACTERS);
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    uint32_t seed = 1;
    for (size_t round = 0; round < 600; round++) {
        static char text[4000];
        static uint32_t ids[4000];
        text[0] = '\0';
        size_t len = 0;
        const size_t most = round % 3 == 0 ? 900 : 40; // a long word has a queue
        for (size_t i = 0; i < most; i++) {
            seed = seed * 1664525u + 1013904223u;
            const char *part = parts[(seed >> 8) % 10];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        assert_int_equal(encode(e, text, len, SPECIAL_SPLIT, &got, NULL), 0);
        const size_t n = slowly(got.text, got.text_len, ids);
        expect_ids(&got, "random", ids, n);
        expect_tiles(t, &got);
    }
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    struct tokenizer *t = NULL;
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"},\n  \"merges\": [", ", \"<0x41>a\": 272},\n  \"merges\": [[\"<0x41>\", \"a\"],",
         "merge 0: a merge of or into a token of a byte"},
        {"\"<0x0A>\"", "\"<0x0a>\"", "no token for the byte 0x0A; one with byte_fallback has"},
        {"\"byte_fallback\": true", "\"byte_fallback\": false", "without byte_fallback"},
        {"\"normalized\": false", "\"normalized\": true", "where spaces are replaced"},
        {"\"type\": \"Prepend\"", "\"type\": \"NFC\"", "NFC together with Replace"},
        {"\"pre_tokenizer\": null", "\"pre_tokenizer\": {\"type\": \"Whitespace\"}", "Whitespace"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf text = {0}, changed = {0};
        struct err err = {0};
        assert_int_equal(file_read_text(CHARACTERS, 1 << 20, &text, NULL), 0);
        assert_int_equal(buf_append(&text, "", 1, NULL), 0);
        const char *at = strstr(text.data, cases[i].from);
        assert_non_null(at);
        assert_int_equal(buf_append(&changed, text.data, (size_t)(at - text.data), NULL), 0);
        assert_int_equal(buf_append(&changed, cases[i].to, strlen(cases[i].to), NULL), 0);
        at += strlen(cases[i].from);
        assert_int_equal(buf_append(&changed, at, strlen(at), NULL), 0);
        assert_int_equal(tokenizer_parse(&t, changed.data, changed.len, NULL, NULL, &err),
                         ERR_UNSUPPORTED);
        if (!strstr(err.msg, cases[i].why)) {
            fail_msg("%s", err.msg);
        }
        buf_free(&text);
        buf_free(&changed);
    }
}

// --- vocab.json and merges.txt ------------------------------------------------------------------

static void put(const char *name, const char *text)
{
    FILE *f = fopen(folder_path(name), "w");
    assert_true(f && fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_pair_of_files_is_read(void **state)
{
    (void)state;
    struct buf text = {0};
    struct json_object *mini = NULL;
    struct tokenizer *t = NULL;
    struct err err = {0};
    assert_int_equal(json_read_file(&mini, MINI, 1 << 20, NULL), 0);
    struct json_object *vocab = json_member(json_member(mini, "model"), "vocab");
    put("vocab.json", json_object_to_json_string(vocab));
    json_object_put(mini);
    assert_int_equal(tokenizer_load(&t, folder_path("vocab.json"), &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "merges.txt"));
    put("merges.txt", "#version: 0.2\na b\r\nb c\nab c\n");
    put("special_tokens_map.json", "{\"bos_token\": \"<|x|>\"}");
    t = load(folder_path("vocab.json"));
    struct tokenizer *whole = NULL;
    assert_int_equal(file_read_text(MINI, 1 << 20, &text, NULL), 0);
    assert_int_equal(tokenizer_parse(&whole, text.data, text.len, "<|x|>", NULL, NULL), 0);
    assert_int_equal(tokenizer_same(t, whole, &err), 0);
    assert_true(tokenizer_hash(t) == tokenizer_hash(whole));
    assert_int_equal(tokenizer_bos(t), 260);
    tokenizer_free(t);
    tokenizer_free(whole);
    buf_free(&text);
    // only the first line is a head line: others may begin with '#'
    put("merges.txt", "#version: 0.2\n# #\n");
    assert_int_equal(tokenizer_load(&t, folder_path("vocab.json"), &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "\"##\" is not in the vocabulary"));
    put("merges.txt", "a b\n\xff c\n");
    assert_int_equal(tokenizer_load(&t, folder_path("vocab.json"), &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "merges.txt"));
    assert_non_null(strstr(err.msg, "UTF-8"));
    put("vocab.json", "[]");
    put("merges.txt", "a b\n");
    assert_int_equal(tokenizer_load(&t, folder_path("vocab.json"), &err), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_into_characters_and_bytes),
        cmocka_unit_test(metaspace_prepends_to_the_text_alone),
        cmocka_unit_test(random_texts_are_as_merged_slowly),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_pair_of_files_is_read),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
