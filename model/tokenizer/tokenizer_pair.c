/*
 * tokenizer_pair.c - a tokenizer of GPT-2's kind from vocab.json and merges.txt
 *
 * The two are what a tokenizer.json of that kind is made of: no normalizer, ByteLevel.  Added tokens
 * are BOS and EOS, as a file beside them names them, and <|endoftext|>, where they are in vocab.json.
 */
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "model/tokenizer/tokenizer_internal.h"

/* Each line of text[len], which is UTF-8, as a merge; the first may be a head line, "#version: 0.2". */
static int read_lines(struct json_object *merges, const char *text, size_t len, struct err *err)
{
    for (size_t at = 0, line = 1, end; at < len; at = end + 1, line++) {
        const char *newline = memchr(text + at, '\n', len - at);
        end = newline ? (size_t)(newline - text) : len;
        const size_t n = end > at && text[end - 1] == '\r' ? end - at - 1 : end - at;
        if (n == 0 || (line == 1 && n >= 8 && memcmp(text, "#version", 8) == 0)) {
            continue;
        }
        if (memchr(text + at, '\0', n)) {
            return err_set(err, ERR_FORMAT, "line %zu: a NUL in it", line);
        }
        struct json_object *merge = json_object_new_string_len(text + at, (int)n);
        if (!merge || json_object_array_add(merges, merge)) {
            json_object_put(merge);
            return err_nomem(err, "merges");
        }
    }
    return 0;
}

/* Appends the added token 'name', if vocab has it and it is not there yet. */
static bool add_special(struct json_object *added, struct json_object *vocab, const char *name)
{
    struct json_object *id = name ? json_member(vocab, name) : NULL;
    for (size_t i = 0; id && i < json_object_array_length(added); i++) {
        struct json_object *other = json_object_array_get_idx(added, i);
        id = strcmp(json_c_string(json_member(other, "content")), name) == 0 ? NULL : id;
    }
    if (!id) {
        return true;
    }
    struct json_object *token = json_object_new_object();
    return token && !json_object_array_add(added, token) &&
           !json_object_object_add(token, "id", json_object_get(id)) &&
           !json_object_object_add(token, "content", json_object_new_string(name)) &&
           !json_object_object_add(token, "special", json_object_new_boolean(true)) &&
           !json_object_object_add(token, "normalized", json_object_new_boolean(false));
}

/* Puts vocab, merges and added tokens into an object of this form. */
static bool fill(struct json_object *whole, struct json_object *vocab, struct json_object *merges,
                 struct json_object *added)
{
    struct json_object *model = json_member(whole, "model");
    return !json_object_object_add(model, "vocab", json_object_get(vocab)) &&
           !json_object_object_add(model, "merges", json_object_get(merges)) &&
           !json_object_object_add(whole, "added_tokens", json_object_get(added));
}

static int join(struct json_object **root, const struct tokenizer_pair *pair, const char *bos,
                const char *eos, struct err *err)
{
    static const char form[] = "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":"
                               "false,\"use_regex\":true},\"model\":{\"type\":\"BPE\"}}";
    struct json_object *vocab = NULL, *whole = NULL;
    struct json_parser *parser = json_parser_new();
    struct json_object *merges = json_object_new_array(), *added = json_object_new_array();
    int rc = parser && merges && added ? json_parse(parser, &whole, form, sizeof form - 1, err)
                                       : err_nomem(err, "a tokenizer");
    if (!rc) {
        rc = json_parse(parser, &vocab, pair->vocab, pair->vocab_len, err);
        rc = rc ? err_prefix(err, "vocab.json") : 0;
    }
    if (!rc) {
        rc = read_lines(merges, pair->merges, pair->merges_len, err);
        rc = rc ? err_prefix(err, "merges.txt") : 0;
    }
    if (!rc && !(add_special(added, vocab, bos) && add_special(added, vocab, eos) &&
                 add_special(added, vocab, "<|endoftext|>") && fill(whole, vocab, merges, added))) {
        rc = err_nomem(err, "a tokenizer");
    }
    if (!rc) {
        *root = whole;
        whole = NULL;
    }
    json_object_put(whole);
    json_object_put(vocab);
    json_object_put(merges);
    json_object_put(added);
    json_parser_free(parser);
    return rc;
}

int tokenizer_parse_pair(struct tokenizer **out, const struct tokenizer_pair *pair, const char *bos,
                         const char *eos, struct err *err)
{
    struct json_object *root = NULL;
    const struct {
        const char *name, *text;
        size_t len;
    } both[] = {{"vocab.json", pair->vocab, pair->vocab_len},
                {"merges.txt", pair->merges, pair->merges_len}};
    for (size_t i = 0; i < 2; i++) {
        if (both[i].len > TOKENIZER_FILE_MAX) {
            return err_set(err, ERR_LIMIT, "%s: larger than the limit of %zu bytes", both[i].name,
                           TOKENIZER_FILE_MAX);
        }
        const size_t valid = utf8_valid_prefix(both[i].text, both[i].len);
        if (valid != both[i].len) {
            return err_set(err, ERR_FORMAT, "%s: byte %zu: not valid UTF-8", both[i].name, valid);
        }
    }
    int rc = join(&root, pair, bos, eos, err);
    rc = rc ? rc : tokenizer_read(out, root, bos, eos, err);
    json_object_put(root);
    return rc;
}
