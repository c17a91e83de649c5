/*
 * Every part of a tokenizer.json, and of the files beside it, has its effect, is refused by name,
 * or makes two tokenizers differ.
 */
#include "tests/kit/tokenizer_kit.h"

#include <sys/stat.h>
#include <unistd.h>

/* A Split by GPT-4's pattern with these digits, and ByteLevel. */
#define SPLIT(digits)                                                                              \
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": " \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits               \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, "    \
    "\"behavior\": "                                                                               \
    "\"Isolated\", \"invert\": false}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "    \
    "\"use_regex\": false}]}"

/* Changes of MINI, and the tokens of a text that they give. */
static const struct {
    struct change changes[3];
    const char *text;
    enum special_tokens special;
    size_t n;
    uint32_t ids[12];
} effects[] = {
    {{{0}}, "abcbc", SPECIAL_SPLIT, 2, {258, 257}},
    {{{0}}, "ab c<|x|>", SPECIAL_SPLIT, 4, {256, ' ', 'c', 260}},
    {{{0}}, "<|x|>", SPECIAL_PLAIN, 5, {'<', '|', 'x', '|', '>'}},
    {{{0}}, "e\u0301", SPECIAL_SPLIT, 3, {'e', 0xcc, 0x81}},
    // merges: the order is the rank; pairs are allowed; a version line is not a merge
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
    // Digits: "  " before a digit is at the end of its piece, and a word
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
    // an added token is cut out first, the longest of those that begin there
    {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"ca\", " RAW
                  ", {\"id\": 263, \"content\": \"cab\", " RAW "]"}},
     "abcabcacab",
     SPECIAL_PLAIN,
     4,
     {256, 263, 262, 263}},
    // a token that is not special is cut out in plain mode too, but not inside a special one
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
    // tokens with "normalized" are normalised and found in normalised text, others in raw text
    {{{ADDED_END, "\"special\": true}, {\"id\": 262, \"content\": \"e\u0301!\", " NORMALIZED "]"},
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
    // tokens of the vocabulary that are not special are not cut out (259, 261 do not occur)
    {{{ADDED_END, "\"special\": true}, {\"id\": 259, \"content\": \"  \", " NORMALIZED "]"}},
     "a  b",
     SPECIAL_SPLIT,
     4,
     {'a', ' ', ' ', 'b'}},
    {{{ADDED_END, "\"special\": true}, {\"id\": 256, \"content\": \"ab\", " NORMALIZED "]"}},
     "abc",
     SPECIAL_SPLIT,
     1,
     {258}},
    // but those of raw text are
    {{{ADDED_END, "\"special\": true}, {\"id\": 256, \"content\": \"ab\", " RAW "]"}},
     "abc",
     SPECIAL_SPLIT,
     2,
     {256, 'c'}},
    // "rstrip": white space behind the token belongs to it
    {{{"\"rstrip\": false", "\"rstrip\": true"}},
     "a<|x|> \u00a0\n\u2003b<|x|>",
     SPECIAL_SPLIT,
     4,
     {'a', 260, 'b', 260}},
    // settings of the program that saved the file, and a token that no text needs
    {{{"\"truncation\": null", "\"truncation\": {\"max_length\": 5}"},
      {"\"padding\": null", "\"padding\": {}"},
      {"\"unk_token\": null", "\"unk_token\": \"<|x|>\", \"fuse_unk\": true"}},
     "abcabcabc",
     SPECIAL_SPLIT,
     3,
     {258, 258, 258}},
    // ignore_merges: a word that is a token is that token, and no other is changed
    {{{"\"unk_token\": null", "\"ignore_merges\": true"}, {"\"  \": 259", "\"cab\": 259"}},
     "cab!cabc",
     SPECIAL_SPLIT,
     4,
     {259, '!', 'c', 258}},
    {{{"\"unk_token\": null", "\"ignore_merges\": false"}, {"\"  \": 259", "\"cab\": 259"}},
     "cab!cabc",
     SPECIAL_SPLIT,
     5,
     {'c', 256, '!', 'c', 258}},
    // GPT-4's pattern: digits are cut, one or three at a time, and short forms have any case
    {{{"\"merges\": [", "\"merges\": [\"1 1\", \"S '\", "},
      {"\"  \": 259", "\"11\": 259, \"S'\": 262"},
      {BYTE_LEVEL, SPLIT("\\\\p{N}{1,3}")}},
     "11111'S'",
     SPECIAL_SPLIT,
     6,
     {259, '1', 259, '\'', 'S', '\''}},
    {{{"\"merges\": [", "\"merges\": [\"1 1\", "},
      {"\"  \": 259", "\"11\": 259"},
      {BYTE_LEVEL, SPLIT("\\\\p{N}")}},
     "111",
     SPECIAL_SPLIT,
     3,
     {'1', '1', '1'}},
    // parts that do not change the cutting
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

static void every_part_of_the_file_has_its_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
        struct tokenizer *t = mini(effects[i].changes, 3);
        struct encoder *e = encoder_new(t);
        struct tokens got = {0};
        assert_non_null(e);
        const char *text = effects[i].text;
        assert_int_equal(encode(e, text, strlen(text), effects[i].special, &got, NULL), 0);
        expect_ids(&got, text, effects[i].ids, effects[i].n);
        if (!effects[i].changes[0].from || !strstr(effects[i].changes[0].from, "rstrip")) {
            expect_tiles(t, &got); // else white space belongs to a token whose text it is not
        }
        tokens_free(&got);
        encoder_free(e);
        tokenizer_free(t);
    }
}

/* Changes of MINI that are errors. */
static const struct {
    const char *from, *to;
    int code;
    const char *message; // a part of it
} refused[] = {
    {"\"version\": \"1.0\"", "\"version\": \"2.0\"", ERR_UNSUPPORTED, "version \"2.0\" is"},
    {NO_NORMALIZER, "\"normalizer\": {\"type\": \"NFKC\"}", ERR_UNSUPPORTED,
     "normalizer: NFKC is not supported; NFC"},
    {NO_NORMALIZER,
     "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, "
     "{\"type\": "
     "\"Lowercase\"}]}",
     ERR_UNSUPPORTED, "normalizer: Lowercase is"},
    {NO_NORMALIZER, "\"normalizer\": \"NFC\"", ERR_UNSUPPORTED, "normalizer: a string is"},
    {BYTE_LEVEL, "null", ERR_UNSUPPORTED, "pre_tokenizer: null is not supported"},
    {BYTE_LEVEL, "{\"type\": \"Metaspace\"}", ERR_UNSUPPORTED, "this Metaspace is not supported"},
    {NO_NORMALIZER, "\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \"_\"}", ERR_UNSUPPORTED,
     "normalizer: Prepend is not supported"},
    {NO_NORMALIZER, "\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \"\u2581\"}",
     ERR_UNSUPPORTED, "Prepend without Replace"},
    {NO_NORMALIZER,
     "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": "
     "\"b\"}",
     ERR_UNSUPPORTED, "normalizer: Replace is not supported"},
    {NO_NORMALIZER,
     "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": "
     "\"\u2581\"}",
     ERR_UNSUPPORTED, "where spaces are replaced"},
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
     ERR_UNSUPPORTED, "this Split is not supported"},
    {BYTE_LEVEL, SPLIT("\\\\p{N}{1,2}"), ERR_UNSUPPORTED, "{1,2}"},
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"BertProcessing\"}",
     ERR_UNSUPPORTED, "post_processor: BertProcessing is"},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {}}, "
     "{\"Sequence\": {}}]}",
     ERR_UNSUPPORTED, "post_processor: TemplateProcessing is"},
    {"\"type\": \"BPE\"", "\"type\": \"WordPiece\"", ERR_UNSUPPORTED, "model: WordPiece is"},
    {"\"dropout\": null", "\"dropout\": 0.1", ERR_UNSUPPORTED, "model: dropout 0.1 is"},
    {"\"unk_token\": null", "\"continuing_subword_prefix\": \"##\"", ERR_UNSUPPORTED,
     "continuing_subword_prefix \"##\""},
    {"\"unk_token\": null", "\"end_of_word_suffix\": \"</w>\"", ERR_UNSUPPORTED,
     "end_of_word_suffix"},
    {"\"unk_token\": null", "\"byte_fallback\": true", ERR_UNSUPPORTED,
     "byte_fallback of a byte-level vocabulary"},
    {"\"unk_token\": null", "\"ignore_merges\": 1", ERR_FORMAT, "\"ignore_merges\" is a number"},
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
    {"\"normalized\": false, ", "", ERR_FORMAT, "\"normalized\" is missing"},
    {"\"content\": \"<|x|>\"", "\"content\": \"\"", ERR_FORMAT, "\"content\" is \"\""},
    {"\"content\": \"<|x|>\"", "\"content\": \"<|x\\u0000\"", ERR_FORMAT, "without NUL"},
    {"\"content\": \"<|x|>\"", "\"content\": 5", ERR_FORMAT, "\"content\" is 5"},
    {ADDED_END, "\"special\": true}, {\"id\": 261, \"content\": \"y\", " NORMALIZED "]", ERR_NONE,
     ""},
    {ADDED_END, "\"special\": true}, {\"id\": 261, \"content\": \"y\", " RAW "]", ERR_FORMAT,
     "its id is 261; by the vocabulary it is 121"},
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

static void what_is_not_built_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct change change = {refused[i].from, refused[i].to};
        struct buf text = mini_with(&change, 1);
        struct tokenizer *t = NULL;
        struct err err = {0};
        const int rc = tokenizer_parse(&t, text.data, text.len, NULL, NULL, &err);
        if (rc != refused[i].code || !strstr(err.msg, refused[i].message)) {
            fail_msg("case %zu: %d, \"%s\" instead of %d, \"%s\"", i, rc, err.msg, refused[i].code,
                     refused[i].message);
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
        {"\"bc\": 257, \"</s>\": 262", NULL, NULL, TOKENIZER_NO_ID, 262},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct change change = {"\"bc\": 257", cases[i].vocab};
        struct buf text = mini_with(&change, 1);
        struct tokenizer *t = NULL;
        assert_int_equal(tokenizer_parse(&t, text.data, text.len, cases[i].bos, cases[i].eos, NULL),
                         0);
        assert_int_equal(tokenizer_bos(t), cases[i].bos_id);
        assert_int_equal(tokenizer_eos(t), cases[i].eos_id);
        const bool no_bos = cases[i].bos && strcmp(cases[i].bos, "<s>") == 0;
        assert_int_equal(tokenizer_unknown_bos(t) != NULL, no_bos);
        assert_true(!no_bos || strcmp(tokenizer_unknown_bos(t), "<s>") == 0);
        assert_int_equal(tokenizer_unknown_eos(t) != NULL,
                         cases[i].eos && strcmp(cases[i].eos, "</s>") == 0);
        // an added token is special, and BOS is one only if it is an added token
        assert_true(tokenizer_is_special(t, 260));
        assert_false(tokenizer_is_special(t, 257) || tokenizer_is_special(t, 1000));
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

static void tokenizers_that_cut_differently_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        struct change changes[2];
        const char *why; // NULL: the same
    } cases[] = {
        {{{0}}, NULL},
        {{{ADDED_END, "\"special\": true}, {\"id\": 259, \"content\": \"  \", " NORMALIZED "]"}},
         NULL},
        {{{BYTE_LEVEL, SPLIT("\\\\p{N}")}}, "into words in different ways"},
        {{{"\"unk_token\": null", "\"ignore_merges\": true"}}, "takes a word that is a token"},
        {{{"\"rstrip\": false", "\"rstrip\": true"}}, "is not cut out of raw text by the other"},
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_the_file_has_its_effect),
        cmocka_unit_test(what_is_not_built_is_refused_by_name),
        cmocka_unit_test(bos_and_eos_have_usual_names),
        cmocka_unit_test(bos_and_eos_are_read_from_the_files_beside),
        cmocka_unit_test(tokenizers_that_cut_differently_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
