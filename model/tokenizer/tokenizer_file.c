/*
 * tokenizer_file.c - reads tokenizer.json
 *
 * The members that decide how a text is cut, and the values that are supported:
 *
 *   1. added_tokens    single_word and lstrip false
 *   2. normalizer      null, NFC, Prepend and Replace of spaces, a Sequence of these
 *   3. pre_tokenizer   ByteLevel, alone or behind Digits or a Split by GPT-4's pattern; with spaces
 *                      that are replaced null, a Split by spaces, of which there are none; Metaspace
 *                      that cuts nothing
 *   4. model           BPE: vocab, merges, ignore_merges, byte_fallback with tokens for all bytes
 *   5. post_processor  does not change the cutting: those that only trim offsets (ByteLevel) or put
 *                      special tokens around the text (TemplateProcessing) are accepted, since the
 *                      caller adds BOS, which a template may name
 *   6. truncation, padding   do not matter: they are settings of a program that saved the file
 *   7. decoder         does not matter either
 *   8. unk_token, fuse_unk   do not matter: every byte has a token
 *
 * tokenizer_vocab.c reads the contents of vocab, merges and added_tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/path_error.h"
#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"
#include "model/tokenizer/pretokenize.h"
#include "model/tokenizer/tokenizer_internal.h"

/* --- what is refused ------------------------------------------------------------------------- */

/* The member "type" of 'part', or what 'part' is if it is not an object with a type. */
static const char *type_of(struct json_object *part)
{
    const char *type = json_c_string(json_member(part, "type"));
    return type                                          ? type
           : json_object_is_type(part, json_type_object) ? "an object without a type"
                                                         : json_kind(part);
}

static bool is_type(struct json_object *part, const char *type)
{
    return strcmp(type_of(part), type) == 0;
}

static int refuse_part(const char *part, struct json_object *value, const char *built,
                       struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "%s: %s is not supported; %s", part, type_of(value),
                   built);
}

/* Checks a member that must be absent, null, false, 0 or "". */
static int want_nothing(struct json_object *object, const char *key, struct err *err)
{
    struct json_object *value = json_member(object, key);
    bool nothing = false;
    switch (json_object_get_type(value)) {
    case json_type_null:
        nothing = true;
        break;
    case json_type_boolean:
        nothing = !json_object_get_boolean(value);
        break;
    case json_type_double:
    case json_type_int:
        nothing = json_object_get_double(value) == 0;
        break;
    case json_type_string:
        nothing = json_object_get_string_len(value) == 0;
        break;
    case json_type_object:
    case json_type_array:
        break;
    }
    return nothing ? 0
                   : err_set(err, ERR_UNSUPPORTED, "model: %s %s is not supported", key,
                             json_object_to_json_string(value));
}

/* --- normalizer, pre_tokenizer, post_processor ------------------------------------------------ */

/* What a file says of spaces. */
struct said_of_spaces {
    bool prepended, replaced;
};

/* Is member 'key' the text 'wanted'? */
static bool is_text(struct json_object *part, const char *key, const char *wanted)
{
    const char *text = json_c_string(json_member(part, key));
    return text && strcmp(text, wanted) == 0;
}

static int read_normalizer(struct json_object *part, bool *nfc, struct said_of_spaces *spaces,
                           struct err *err)
{
    if (!part) {
        return 0;
    }
    if (is_type(part, "NFC")) {
        *nfc = true;
        return 0;
    }
    if (is_type(part, "Prepend") && is_text(part, "prepend", NORMALIZE_SPACE) &&
        !spaces->replaced) {
        spaces->prepended = true;
        return 0;
    }
    if (is_type(part, "Replace") && is_text(json_member(part, "pattern"), "String", " ") &&
        is_text(part, "content", NORMALIZE_SPACE)) {
        spaces->replaced = true;
        return 0;
    }
    struct json_object *parts = json_member(part, "normalizers");
    if (!is_type(part, "Sequence") || !json_object_is_type(parts, json_type_array)) {
        return refuse_part("normalizer", part,
                           "NFC, Prepend of U+2581, Replace of spaces by it, a Sequence of these, "
                           "and null are",
                           err);
    }
    int rc = 0;
    for (size_t i = 0; !rc && i < json_object_array_length(parts); i++) {
        rc = read_normalizer(json_object_array_get_idx(parts, i), nfc, spaces, err);
    }
    return rc;
}

/* Both or neither, and not with NFC. */
static int take_spaces(struct tokenizer *t, const struct said_of_spaces *said, struct err *err)
{
    if (said->prepended && !said->replaced) {
        return err_set(err, ERR_UNSUPPORTED,
                       "normalizer: Prepend without Replace is not supported");
    }
    if (said->replaced && t->nfc) {
        return err_set(err, ERR_UNSUPPORTED,
                       "normalizer: NFC together with Replace is not supported");
    }
    t->spaces = said->prepended ? SPACES_PREPENDED : said->replaced ? SPACES_REPLACED : SPACES_STAY;
    return 0;
}

#define BUILT                                                                                      \
    "ByteLevel, alone or behind Digits or a Split by GPT-4's pattern, and what cuts nothing are"

static int read_byte_level(struct json_object *part, bool wanted_regex, struct err *err)
{
    if (!is_type(part, "ByteLevel")) {
        return refuse_part("pre_tokenizer", part, BUILT, err);
    }
    bool prefix_space = true, use_regex = true; // the defaults
    int rc = json_member_bool(part, "add_prefix_space", &prefix_space, err);
    rc = rc ? rc : json_member_bool(part, "use_regex", &use_regex, err);
    if (rc) {
        return err_prefix(err, "pre_tokenizer");
    }
    if (prefix_space || use_regex != wanted_regex) {
        return err_set(err, ERR_UNSUPPORTED, "pre_tokenizer: ByteLevel with %s is not supported%s",
                       prefix_space ? "add_prefix_space"
                       : use_regex  ? "use_regex"
                                    : "use_regex false",
                       prefix_space ? ""
                       : use_regex  ? " behind a Split"
                                    : " without a Split before it");
    }
    return 0;
}

/* A Split by a pattern, which is known by its text. */
static int read_split(struct tokenizer *t, struct json_object *part, struct err *err)
{
#define SHORT_FORMS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    static const struct {
        const char *pattern;
        size_t most_digits;
    } known[] = {
        {SHORT_FORMS WORDS OTHERS, 1},         // Qwen 2
        {SHORT_FORMS WORDS "{1,3}" OTHERS, 3}, // Llama 3
        // as tiktoken has it; it matches the same
        {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++"
         "[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
         3},
    };
    struct json_object *pattern = json_member(part, "pattern");
    const char *regex = json_c_string(json_member(pattern, "Regex"));
    bool invert = false;
    const int rc = json_member_bool(part, "invert", &invert, err);
    if (rc) {
        return err_prefix(err, "pre_tokenizer");
    }
    for (size_t i = 0; i < sizeof known / sizeof *known && regex && !invert; i++) {
        if (strcmp(regex, known[i].pattern) == 0 && is_text(part, "behavior", "Isolated")) {
            t->cut = CUT_GPT4;
            t->most_digits = known[i].most_digits;
            return 0;
        }
    }
    return err_set(
        err, ERR_UNSUPPORTED,
        "pre_tokenizer: this Split is not supported: %.300s; those of GPT-4, Llama 3 and "
        "Qwen 2 are",
        json_object_to_json_string(part));
}

/* A Metaspace that replaces spaces and cuts nothing. */
static int read_metaspace(struct tokenizer *t, struct json_object *part, struct err *err)
{
    bool split = true;
    const int rc = json_member_bool(part, "split", &split, err);
    if (rc) {
        return err_prefix(err, "pre_tokenizer");
    }
    if (split || !is_text(part, "replacement", NORMALIZE_SPACE) ||
        !is_text(part, "prepend_scheme", "first") || t->spaces != SPACES_STAY || t->nfc) {
        return err_set(err, ERR_UNSUPPORTED,
                       "pre_tokenizer: this Metaspace is not supported: %.300s; one that replaces "
                       "spaces by U+2581, with the prepend_scheme first and split false, and "
                       "without a normalizer is",
                       json_object_to_json_string(part));
    }
    t->spaces = SPACES_FIRST;
    t->cut = CUT_NOT;
    return 0;
}

static int read_sequence(struct tokenizer *t, struct json_object *parts, struct err *err)
{
    const size_t n = json_object_array_length(parts);
    struct json_object *first = n > 0 ? json_object_array_get_idx(parts, 0) : NULL;
    int rc = 0;
    if (n == 2 && is_type(first, "Digits")) {
        rc = json_member_bool(first, "individual_digits", &t->digits, err);
        if (rc || !t->digits) {
            return err_set(err, ERR_UNSUPPORTED,
                           "pre_tokenizer: Digits without individual_digits is not supported");
        }
    } else if (n == 2 && is_type(first, "Split")) {
        rc = read_split(t, first, err);
    } else if (n != 1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "pre_tokenizer: a Sequence of %zu that begins with %s is not supported; "
                       "[Digits, ByteLevel] and [Split, ByteLevel] are",
                       n, type_of(first));
    }
    return rc ? rc
              : read_byte_level(json_object_array_get_idx(parts, n - 1), t->cut == CUT_GPT2, err);
}

static int read_pre_tokenizer(struct tokenizer *t, struct json_object *part, struct err *err)
{
    struct json_object *parts = json_member(part, "pretokenizers");
    if (part && is_type(part, "Metaspace")) {
        return read_metaspace(t, part, err);
    }
    if (t->spaces != SPACES_STAY) {
        const bool no_space =
            part && is_type(part, "Split") && is_text(json_member(part, "pattern"), "String", " ");
        t->cut = CUT_NOT;
        return !part || no_space
                   ? 0
                   : refuse_part("pre_tokenizer", part,
                                 "null and a Split by spaces are, where spaces are replaced", err);
    }
    return is_type(part, "Sequence") && json_object_is_type(parts, json_type_array)
               ? read_sequence(t, parts, err)
               : read_byte_level(part, true, err);
}

/* Whether a template only puts special tokens around one text. */
static bool is_plain_template(struct json_object *part)
{
    struct json_object *pieces = json_member(part, "single");
    if (!json_object_is_type(pieces, json_type_array)) {
        return false;
    }
    size_t n_texts = 0;
    for (size_t i = 0; i < json_object_array_length(pieces); i++) {
        struct json_object *piece = json_object_array_get_idx(pieces, i);
        n_texts += json_member(piece, "SpecialToken") == NULL;
    }
    return n_texts == 1;
}

/* The special token that a template puts in front of a text; NULL: none. */
static const char *template_bos(struct json_object *part)
{
    struct json_object *parts = json_member(part, "processors");
    const char *found = NULL;
    if (json_object_is_type(parts, json_type_array)) {
        for (size_t i = 0; !found && i < json_object_array_length(parts); i++) {
            found = template_bos(json_object_array_get_idx(parts, i));
        }
        return found;
    }
    struct json_object *pieces = json_member(part, "single");
    struct json_object *first =
        json_object_is_type(pieces, json_type_array) ? json_object_array_get_idx(pieces, 0) : NULL;
    return json_c_string(json_member(json_member(first, "SpecialToken"), "id"));
}

static int read_post_processor(struct json_object *part, struct err *err)
{
    if (!part || is_type(part, "ByteLevel") ||
        (is_type(part, "TemplateProcessing") && is_plain_template(part))) {
        return 0;
    }
    struct json_object *parts = json_member(part, "processors");
    if (!is_type(part, "Sequence") || !json_object_is_type(parts, json_type_array)) {
        return refuse_part("post_processor", part,
                           "ByteLevel, a TemplateProcessing that adds special tokens to one text, "
                           "a Sequence of these, and null are",
                           err);
    }
    int rc = 0;
    for (size_t i = 0; !rc && i < json_object_array_length(parts); i++) {
        rc = read_post_processor(json_object_array_get_idx(parts, i), err);
    }
    return rc;
}

/* --- model ----------------------------------------------------------------------------------- */

static int read_model(struct tokenizer *t, struct json_object *model, struct json_object *added,
                      struct err *err)
{
    static const char *const nothings[] = {
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
    };
    bool byte_fallback = false;
    struct json_object *vocab = json_member(model, "vocab");
    struct json_object *merges = json_member(model, "merges");
    // GPT-2's own file is older than the member "type".
    if (!is_type(model, "BPE") && (json_member(model, "type") || !merges)) {
        return refuse_part("model", model, "BPE is", err);
    }
    int rc = 0;
    for (size_t i = 0; i < sizeof nothings / sizeof *nothings && !rc; i++) {
        rc = want_nothing(model, nothings[i], err);
    }
    rc = rc ? rc : json_member_bool(model, "ignore_merges", &t->bpe.whole_words, err);
    rc = rc ? rc : json_member_bool(model, "byte_fallback", &byte_fallback, err);
    if (rc) {
        return err_prefix(err, "model");
    }
    if (byte_fallback != (t->spaces != SPACES_STAY)) {
        return err_set(err, ERR_UNSUPPORTED, "model: %s is not supported",
                       byte_fallback ? "byte_fallback of a byte-level vocabulary"
                                     : "replaced spaces without byte_fallback");
    }
    if (!json_object_is_type(vocab, json_type_object) ||
        !json_object_is_type(merges, json_type_array)) {
        return err_set(err, ERR_FORMAT,
                       "model: vocab is %s and merges is %s; "
                       "expected an object and an array",
                       json_kind(vocab), json_kind(merges));
    }
    return tokenizer_put_vocab(t, vocab, merges, added, err);
}

/* --- BOS and EOS ----------------------------------------------------------------------------- */

/* Finds the id of BOS or EOS.  'name': its name in a file beside tokenizer.json, or NULL; 'usual':
 * its usual name; 'last': what is tried last, or NULL.  A name that is not a token is kept in
 * *unknown and not used: the library that wrote the file would add it after the vocabulary, where no
 * model has an embedding. */
static int find_mark(struct json_object *vocab, struct json_object *added, const char *name,
                     const char *usual, const char *last, uint32_t *id, char **unknown,
                     struct err *err)
{
    *id = name ? tokenizer_find_id(vocab, added, name) : TOKENIZER_NO_ID;
    if (name && *id == TOKENIZER_NO_ID) {
        *unknown = strdup(name);
        if (!*unknown) {
            return err_nomem(err, "a tokenizer");
        }
    }
    const char *const names[] = {usual, "<|endoftext|>", last};
    for (size_t i = 0; i < 3 && names[i] && *id == TOKENIZER_NO_ID; i++) {
        *id = tokenizer_find_id(vocab, added, names[i]);
    }
    return 0;
}

/* Marks the added tokens that are special, or BOS or EOS. */
static int mark_special(struct tokenizer *t, struct err *err)
{
    const struct added *const sets[] = {&t->raw, &t->normalized};
    t->special = mem_zero(t->n_vocab, 1);
    if (!t->special) {
        return err_nomem(err, "a tokenizer");
    }
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct added_token *a = &sets[s]->items[i];
            t->special[a->id] = a->special || a->id == t->bos || a->id == t->eos;
        }
    }
    return 0;
}

/* --- the file -------------------------------------------------------------------------------- */

static int read_root(struct tokenizer *t, struct json_object *root, const char *bos,
                     const char *eos, struct err *err)
{
    if (!json_object_is_type(root, json_type_object)) {
        return err_set(err, ERR_FORMAT, "it holds %s; expected an object", json_kind(root));
    }
    struct json_object *model = json_member(root, "model");
    struct json_object *vocab = json_member(model, "vocab");
    struct json_object *added = json_member(root, "added_tokens");
    struct said_of_spaces spaces = {0};
    const char *version = "1.0";
    int rc = json_member_string(root, "version", &version, err);
    if (rc) {
        return rc;
    }
    if (strcmp(version, "1.0") != 0) {
        return err_set(err, ERR_UNSUPPORTED, "version \"%s\" is not supported; 1.0 is", version);
    }
    if (added && !json_object_is_type(added, json_type_array)) {
        return err_set(err, ERR_FORMAT, "added_tokens is %s; expected an array", json_kind(added));
    }
    struct json_object *none = NULL;
    if (!added) {
        added = none = json_object_new_array();
        if (!none) {
            return err_nomem(err, "a tokenizer");
        }
    }
    rc = read_normalizer(json_member(root, "normalizer"), &t->nfc, &spaces, err);
    rc = rc ? rc : take_spaces(t, &spaces, err);
    rc = rc ? rc : read_pre_tokenizer(t, json_member(root, "pre_tokenizer"), err);
    rc = rc ? rc : read_post_processor(json_member(root, "post_processor"), err);
    rc = rc ? rc : read_model(t, model, added, err);
    rc = rc ? rc : tokenizer_put_added(t, vocab, added, err);
    rc = rc ? rc : tokenizer_put_words(t, vocab, err);
    const char *in_front = template_bos(json_member(root, "post_processor"));
    rc = rc ? rc
            : find_mark(vocab, added, bos, in_front ? in_front : "<|BOS|>", NULL, &t->bos,
                        &t->no_bos, err);
    rc = rc ? rc : find_mark(vocab, added, eos, "<|EOS|>", "</s>", &t->eos, &t->no_eos, err);
    rc = rc ? rc : mark_special(t, err);
    json_object_put(none);
    return rc;
}

int tokenizer_read(struct tokenizer **out, struct json_object *root, const char *bos,
                   const char *eos, struct err *err)
{
    pretokenize_init();
    normalize_init();
    struct tokenizer *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "a tokenizer");
    }
    const int rc = read_root(t, root, bos, eos, err);
    if (rc) {
        tokenizer_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tokenizer_parse(struct tokenizer **out, const char *json, size_t len, const char *bos,
                    const char *eos, struct err *err)
{
    struct json_object *root = NULL;
    if (len > TOKENIZER_FILE_MAX) { // so that 32 bits are enough for offsets in it
        return err_set(err, ERR_LIMIT, "larger than the limit of %zu bytes", TOKENIZER_FILE_MAX);
    }
    const size_t valid = utf8_valid_prefix(json, len);
    if (valid != len) {
        return err_set(err, ERR_FORMAT, "byte %zu: not valid UTF-8", valid);
    }
    struct json_parser *parser = json_parser_new();
    int rc = parser ? json_parse(parser, &root, json, len, err) : err_nomem(err, "a tokenizer");
    rc = rc ? rc : tokenizer_read(out, root, bos, eos, err);
    json_object_put(root);
    json_parser_free(parser);
    return rc;
}

/* The files beside 'path' that may name BOS and EOS; the first that does so counts. */
static const char *const beside[2] = {"tokenizer_config.json", "special_tokens_map.json"};

/* The path of 'name' beside another file; NULL: no memory. */
static char *path_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    char *out = folder ? file_join(folder, name) : NULL;
    free(folder);
    return out;
}

/* Reads beside[i], if it exists, into *out. */
static int read_beside(struct json_object **out, const char *path, size_t i, struct err *err)
{
    char *name = path_beside(path, beside[i]);
    int rc = 0;
    if (!name) {
        rc = err_nomem(err, "a path");
    } else {
        bool is_there;
        rc = path_is_file(name, &is_there, err);
        rc = is_there ? json_read_file(out, name, TOKENIZER_FILE_MAX, err) : rc;
    }
    free(name);
    return rc;
}

/* The text of "bos_token" or "eos_token", a string or an object with "content", or NULL. */
static const char *mark_text(struct json_object *const files[2], const char *key)
{
    for (size_t i = 0; i < 2; i++) {
        struct json_object *mark = json_member(files[i], key);
        if (json_object_is_type(mark, json_type_object)) {
            mark = json_member(mark, "content");
        }
        if (json_c_string(mark)) {
            return json_c_string(mark);
        }
    }
    return NULL;
}

/* vocab.json, whose bytes are in 'text', and merges.txt beside it. */
static int load_pair(struct tokenizer **out, const char *path, const struct buf *text,
                     const char *bos, const char *eos, struct err *err)
{
    struct buf merges = {0};
    char *beside_it = path_beside(path, "merges.txt");
    int rc = beside_it ? file_read_text(beside_it, TOKENIZER_FILE_MAX, &merges, err)
                       : err_nomem(err, "a path");
    if (!rc) {
        const struct tokenizer_pair pair = {text->data, merges.data, text->len, merges.len};
        rc = tokenizer_parse_pair(out, &pair, bos, eos, err);
        rc = rc ? err_prefix(err, "%s", path) : 0;
    }
    free(beside_it);
    buf_free(&merges);
    return rc;
}

int tokenizer_load(struct tokenizer **out, const char *path, struct err *err)
{
    struct buf text = {0};
    struct json_object *files[2] = {NULL, NULL};
    int rc = file_read_text(path, TOKENIZER_FILE_MAX, &text, err);
    rc = rc ? rc : read_beside(&files[0], path, 0, err);
    rc = rc ? rc : read_beside(&files[1], path, 1, err);
    if (rc) {
        goto out;
    }
    const char *bos = mark_text(files, "bos_token"), *eos = mark_text(files, "eos_token");
    if (file_ends_with(path, "vocab.json")) {
        rc = load_pair(out, path, &text, bos, eos, err);
        goto out;
    }
    rc = tokenizer_parse(out, text.data, text.len, bos, eos, err);
    if (rc) {
        err_prefix(err, "%s", path);
    }
out:
    json_object_put(files[0]);
    json_object_put(files[1]);
    buf_free(&text);
    return rc;
}
