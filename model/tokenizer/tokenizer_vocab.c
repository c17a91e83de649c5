/*
 * tokenizer_vocab.c - reads the tokens of a tokenizer.json: vocab, merges and added_tokens
 *
 * Added tokens are matched as by tokenizers < 0.14, with which the models were trained: a token
 * that is not special, that is cut out of normalised text, and whose text is also in the vocabulary is
 * not cut out.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"
#include "model/tokenizer/tokenizer_internal.h"

#define ID_MAX ((UINT32_C(1) << 24) - 1)

/* --- vocab ----------------------------------------------------------------------------------- */

/* The byte that a character of a byte-level vocabulary stands for, or -1.  Bytes that print in
 * Latin-1 are themselves; the 68 others are U+0100, U+0101, ... in their order. */
static int byte_of(uint32_t code)
{
    if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) ||
        (code >= 0xae && code <= 0xff)) {
        return (int)code;
    }
    if (code < 0x100 || code > 0x143) {
        return -1;
    }
    const int n = (int)code - 0x100;
    return n < 0x21 ? n : n < 0x43 ? n - 0x21 + 0x7f : 0xad;
}

/* The byte that a name like "<0x0A>" stands for, or -1. */
static int byte_named(const char *name)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high = NULL, *low = NULL;
    if (strlen(name) == 6 && memcmp(name, "<0x", 3) == 0 && name[5] == '>') {
        high = strchr(digits, name[3]);
        low = strchr(digits, name[4]);
    }
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

/* The same of a vocabulary of characters: the name, or the byte that it names. */
static int put_character_name(struct tokenizer *t, uint32_t id, const char *name, struct err *err)
{
    const int byte = byte_named(name);
    const size_t len = byte >= 0 ? 1 : strlen(name), at = t->bytes.len;
    const char one = (char)byte;
    const int rc = buf_append(&t->bytes, byte >= 0 ? &one : name, len, err);
    if (rc) {
        return rc;
    }
    t->texts[id] = (struct token_text){(uint32_t)at, (uint32_t)len};
    t->bpe.token_bytes[id] = (uint32_t)len;
    if (byte >= 0) {
        t->bpe.byte_ids[byte] = id;
    }
    return 0;
}

/* Sets the text of token 'id' to the bytes that 'name' stands for, or, if a character of it stands
 * for no byte, to the name itself (no merge makes such a token). */
static int put_name(struct tokenizer *t, uint32_t id, const char *name, struct err *err)
{
    if (t->spaces != SPACES_STAY) {
        return put_character_name(t, id, name, err);
    }
    const size_t len = strlen(name), at = t->bytes.len;
    int rc = buf_reserve(&t->bytes, len, err); // a text is never longer than its name
    if (rc) {
        return rc;
    }
    size_t n = 0;
    bool is_bytes = true;
    for (size_t from = 0, used; is_bytes && from < len; from += used) {
        const int byte = byte_of(utf8_decode_valid(name + from, &used));
        t->bytes.data[at + n++] = (char)byte;
        is_bytes = byte >= 0;
    }
    if (!is_bytes) {
        memcpy(t->bytes.data + at, name, len);
        n = len;
    }
    t->bytes.len += n;
    t->texts[id] = (struct token_text){(uint32_t)at, (uint32_t)n};
    t->bpe.token_bytes[id] = (uint32_t)n;
    if (is_bytes && n == 1) {
        t->bpe.byte_ids[(unsigned char)t->bytes.data[at]] = id;
    }
    return 0;
}

/* Reads the id of the token 'name' from 'value'. */
static int read_id(struct json_object *value, const char *name, uint32_t *id, struct err *err)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0) {
        return err_set(err, ERR_FORMAT, "the id of token \"%s\" is %s; expected a whole number",
                       name, json_object_to_json_string(value));
    }
    if (json_object_get_int64(value) > ID_MAX) {
        return err_set(err, ERR_LIMIT, "the id of token \"%s\" is %s; ids go up to %u here", name,
                       json_object_to_json_string(value), ID_MAX);
    }
    *id = (uint32_t)json_object_get_int64(value);
    return 0;
}

static int read_vocab(struct tokenizer *t, struct json_object *vocab, struct err *err)
{
    json_object_object_foreach(vocab, name, value)
    {
        uint32_t id;
        int rc = read_id(value, name, &id, err);
        if (rc) {
            return rc;
        }
        if (t->texts[id].at != 0) {
            return err_set(err, ERR_FORMAT, "two tokens have the id %u; \"%s\" is the second", id,
                           name);
        }
        rc = put_name(t, id, name, err);
        if (rc) {
            return rc;
        }
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        const bool occurs = byte < 0xf5 && byte != 0xc0 && byte != 0xc1; // ... in valid UTF-8
        if (occurs && t->bpe.byte_ids[byte] == BPE_NONE) {
            return err_set(
                err, ERR_UNSUPPORTED, "the vocabulary has no token for the byte 0x%02X; %s has",
                byte, t->spaces != SPACES_STAY ? "one with byte_fallback" : "a byte-level one");
        }
    }
    return 0;
}

/* --- merges ---------------------------------------------------------------------------------- */

/* Puts the two parts of a merge, "a b" or ["a", "b"], into *parts one after the other, each with a
 * NUL at its end. */
static bool split_merge(struct json_object *merge, struct buf *parts, size_t *right)
{
    parts->len = 0;
    struct json_object *item[2] = {merge, NULL};
    size_t n = 1;
    if (json_object_is_type(merge, json_type_array)) {
        if (json_object_array_length(merge) != 2) {
            return false;
        }
        n = 2;
        item[0] = json_object_array_get_idx(merge, 0);
        item[1] = json_object_array_get_idx(merge, 1);
    }
    for (size_t i = 0; i < n; i++) {
        if (!json_object_is_type(item[i], json_type_string)) {
            return false;
        }
        const char *text = json_object_get_string(item[i]);
        const size_t len = (size_t)json_object_get_string_len(item[i]);
        if (memchr(text, '\0', len) || buf_append(parts, text, len + 1, NULL)) {
            return false;
        }
    }
    if (n == 2) {
        *right = strlen(parts->data) + 1;
        return true;
    }
    char *space = strchr(parts->data, ' ');
    if (!space || strchr(space + 1, ' ')) {
        return false;
    }
    *space = '\0';
    *right = (size_t)(space - parts->data) + 1;
    return true;
}

static bool find_name(struct json_object *vocab, const char *name, uint32_t *id)
{
    struct json_object *value;
    if (!json_object_object_get_ex(vocab, name, &value)) {
        return false;
    }
    *id = (uint32_t)json_object_get_int64(value);
    return true;
}

/* Is the token one of a byte? */
static bool is_byte(const struct tokenizer *t, uint32_t id)
{
    return t->bpe.token_bytes[id] == 1 &&
           t->bpe.byte_ids[(unsigned char)t->bytes.data[t->texts[id].at]] == id;
}

static int read_merge(struct tokenizer *t, struct json_object *vocab, struct json_object *merge,
                      uint32_t rank, struct buf *parts, struct err *err)
{
    size_t at;
    if (!split_merge(merge, parts, &at)) {
        return err_set(err, ERR_FORMAT, "it is %s; expected \"left right\" or [left, right]",
                       json_object_to_json_string(merge));
    }
    uint32_t left = BPE_NONE, right = BPE_NONE, made = BPE_NONE;
    const char *absent = NULL;
    if (!find_name(vocab, parts->data, &left)) {
        absent = parts->data;
    } else if (!find_name(vocab, parts->data + at, &right)) {
        absent = parts->data + at;
    } else {
        memmove(parts->data + at - 1, parts->data + at, parts->len - at);
        absent = find_name(vocab, parts->data, &made) ? NULL : parts->data;
    }
    if (absent) {
        return err_set(err, ERR_FORMAT, "\"%s\" is not in the vocabulary", absent);
    }
    if (t->bpe.by_character && (is_byte(t, left) || is_byte(t, right) || is_byte(t, made))) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a merge of or into a token of a byte, such as <0x0A>, is not supported");
    }
    bpe_put(&t->bpe, rank, left, right, made);
    return 0;
}

static int read_merges(struct tokenizer *t, struct json_object *vocab, struct json_object *merges,
                       struct err *err)
{
    struct buf parts = {0};
    uint32_t rank = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < json_object_array_length(merges); i++) {
        struct json_object *merge = json_object_array_get_idx(merges, i);
        // The head line of a merges.txt; the reference skips it here too.
        if (json_object_is_type(merge, json_type_string) &&
            strncmp(json_object_get_string(merge), "#version", 8) == 0) {
            continue;
        }
        rc = read_merge(t, vocab, merge, rank++, &parts, err);
        if (rc) {
            err_prefix(err, "merge %zu", i);
        }
    }
    buf_free(&parts);
    return rc;
}

/* --- both ------------------------------------------------------------------------------------ */

/* One more than the largest id; wrong ids are found later. */
static size_t count_ids(struct json_object *vocab, struct json_object *added)
{
    int64_t most = -1;
    json_object_object_foreach(vocab, name, value)
    {
        (void)name;
        const int64_t id = json_object_get_int64(value);
        most = id > most && id <= ID_MAX ? id : most;
    }
    for (size_t i = 0; i < json_object_array_length(added); i++) {
        const int64_t id =
            json_object_get_int64(json_member(json_object_array_get_idx(added, i), "id"));
        most = id > most && id <= ID_MAX ? id : most;
    }
    return (size_t)(most + 1);
}

int tokenizer_put_vocab(struct tokenizer *t, struct json_object *vocab, struct json_object *merges,
                        struct json_object *added, struct err *err)
{
    t->n_vocab = count_ids(vocab, added);
    t->texts = mem_zero(t->n_vocab, sizeof *t->texts);
    if (!t->texts) {
        return err_nomem(err, "the vocabulary");
    }
    const bool whole_words = t->bpe.whole_words;
    int rc = bpe_init(&t->bpe, json_object_array_length(merges), t->n_vocab, err);
    t->bpe.whole_words = whole_words;
    t->bpe.by_character = t->spaces != SPACES_STAY;
    rc = rc ? rc : buf_append(&t->bytes, "", 1, err);
    rc = rc ? rc : read_vocab(t, vocab, err);
    return rc ? rc : read_merges(t, vocab, merges, err);
}

/* --- added_tokens ---------------------------------------------------------------------------- */

struct added_flags {
    bool special, normalized, single_word, lstrip, rstrip;
};

static int read_flags(struct json_object *token, struct added_flags *flags, struct err *err)
{
    *flags = (struct added_flags){0};
    if (!json_member(token, "special") || !json_member(token, "normalized")) {
        return err_set(err, ERR_FORMAT, "\"special\" or \"normalized\" is missing");
    }
    int rc = json_member_bool(token, "special", &flags->special, err);
    rc = rc ? rc : json_member_bool(token, "normalized", &flags->normalized, err);
    rc = rc ? rc : json_member_bool(token, "single_word", &flags->single_word, err);
    rc = rc ? rc : json_member_bool(token, "lstrip", &flags->lstrip, err);
    return rc ? rc : json_member_bool(token, "rstrip", &flags->rstrip, err);
}

/* Sets the text of an added token, or compares it with that of the same name in the vocabulary. */
static int put_text(struct tokenizer *t, uint32_t id, bool known, const char *text, size_t len,
                    struct err *err)
{
    struct token_text *own = &t->texts[id];
    if (known) {
        if (own->len != len || memcmp(t->bytes.data + own->at, text, len) != 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "in the vocabulary its name stands for other bytes than in the text");
        }
        return 0;
    }
    *own = (struct token_text){(uint32_t)t->bytes.len, (uint32_t)len};
    return buf_append(&t->bytes, text, len, err);
}

static int read_added_token(struct tokenizer *t, struct json_object *vocab,
                            struct json_object *token, const char *name, uint32_t *next_id,
                            bool *seen, struct err *err)
{
    struct added_flags flags;
    uint32_t id, known_id;
    int rc = read_id(json_member(token, "id"), name, &id, err);
    rc = rc ? rc : read_flags(token, &flags, err);
    if (rc) {
        return rc;
    }
    const bool known = find_name(vocab, name, &known_id);
    if (known && !flags.special && flags.normalized) {
        return 0; // see the head of this file
    }
    // The reference itself numbers those that are not in the vocabulary, whatever the file says.
    const uint32_t its_id = known ? known_id : *next_id;
    if (id != its_id) {
        return err_set(err, ERR_FORMAT, "its id is %u; by the vocabulary it is %u", id, its_id);
    }
    if (!known && t->texts[id].at != 0) {
        return err_set(err, ERR_FORMAT, "its id %u is that of another token", id);
    }
    if (seen[id]) {
        return err_set(err, ERR_FORMAT, "it is there twice");
    }
    seen[id] = true;
    *next_id += !known;
    if (flags.single_word || flags.lstrip) {
        return err_set(err, ERR_UNSUPPORTED, "%s is not supported",
                       flags.single_word ? "single_word" : "lstrip");
    }
    if (flags.normalized && t->spaces != SPACES_STAY) {
        return err_set(err, ERR_UNSUPPORTED,
                       "\"normalized\" is not supported where spaces are replaced");
    }
    struct normalize_work work = {0};
    struct buf text = {0};
    size_t copied = 0;
    const size_t len = strlen(name);
    struct added *set = flags.normalized ? &t->normalized : &t->raw;
    if (flags.normalized && t->nfc) {
        rc = normalize_nfc(&work, name, 0, len, &copied, &text, err);
        if (rc) {
            goto out;
        }
    }
    if (copied == 0) {
        rc = buf_append(&text, name, len, err);
        if (rc) {
            goto out;
        }
    }
    rc = put_text(t, id, known, text.data, text.len, err);
    rc = rc ? rc : added_put(set, text.data, text.len, id, flags.special, flags.rstrip, err);
out:
    normalize_work_free(&work);
    buf_free(&text);
    return rc;
}

int tokenizer_put_added(struct tokenizer *t, struct json_object *vocab, struct json_object *added,
                        struct err *err)
{
    uint32_t next_id = (uint32_t)json_object_object_length(vocab);
    bool *seen = mem_zero(t->n_vocab, sizeof *seen);
    int rc = seen ? 0 : err_nomem(err, "added tokens");
    for (size_t i = 0; !rc && i < json_object_array_length(added); i++) {
        struct json_object *token = json_object_array_get_idx(added, i);
        struct json_object *content = json_member(token, "content");
        const char *name =
            json_object_is_type(content, json_type_string) ? json_object_get_string(content) : "";
        if (name[0] == '\0' || strlen(name) != (size_t)json_object_get_string_len(content)) {
            rc = err_set(err, ERR_FORMAT, "\"content\" is %s; expected a text without NUL",
                         json_object_to_json_string(content));
        } else {
            rc = read_added_token(t, vocab, token, name, &next_id, seen, err);
        }
        if (rc) {
            err_prefix(err, "added token %zu \"%s\"", i, name);
        }
    }
    free(seen);
    rc = rc ? rc : added_seal(&t->raw, err);
    return rc ? rc : added_seal(&t->normalized, err);
}

/* Does the token's name stand for its text: bytes in a byte-level vocabulary, else characters? */
static bool is_spelt(const struct tokenizer *t, const char *name)
{
    bool is_bytes = true;
    for (size_t at = 0, used; is_bytes && name[at]; at += used) {
        is_bytes = byte_of(utf8_decode_valid(name + at, &used)) >= 0;
    }
    return is_bytes || t->bpe.by_character;
}

int tokenizer_put_words(struct tokenizer *t, struct json_object *vocab, struct err *err)
{
    if (!t->bpe.by_character && !t->bpe.whole_words) {
        return 0;
    }
    const int rc =
        bpe_words_init(&t->bpe, (size_t)json_object_object_length(vocab), t->bytes.data, err);
    if (rc) {
        return rc;
    }
    json_object_object_foreach(vocab, name, value)
    {
        const uint32_t id = (uint32_t)json_object_get_int64(value);
        const struct token_text *text = &t->texts[id];
        const bool is_byte = t->bpe.by_character && byte_named(name) >= 0;
        if (!is_byte && t->bpe.token_bytes[id] > 0 && is_spelt(t, name)) {
            bpe_words_put(&t->bpe, text->at, text->len, id);
        }
    }
    return 0;
}

uint32_t tokenizer_find_id(struct json_object *vocab, struct json_object *added, const char *name)
{
    uint32_t id;
    if (find_name(vocab, name, &id)) {
        return id;
    }
    for (size_t i = 0; i < json_object_array_length(added); i++) {
        struct json_object *token = json_object_array_get_idx(added, i);
        if (strcmp(json_object_get_string(json_member(token, "content")), name) == 0) {
            return (uint32_t)json_object_get_int64(json_member(token, "id"));
        }
    }
    return TOKENIZER_NO_ID;
}
