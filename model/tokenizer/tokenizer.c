#include "model/tokenizer/tokenizer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY // for a state on the stack
#include <xxhash.h>

#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"
#include "model/tokenizer/pretokenize.h"
#include "model/tokenizer/tokenizer_internal.h"

/* --- its parts ------------------------------------------------------------------------------- */

void tokenizer_free(struct tokenizer *t)
{
    if (t) {
        free(t->texts);
        buf_free(&t->bytes);
        bpe_free(&t->bpe);
        added_free(&t->raw);
        added_free(&t->normalized);
        free(t->no_bos);
        free(t->no_eos);
        free(t->special);
        free(t);
    }
}

uint32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

uint32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

const char *tokenizer_unknown_bos(const struct tokenizer *t)
{
    return t->no_bos;
}

const char *tokenizer_unknown_eos(const struct tokenizer *t)
{
    return t->no_eos;
}

bool tokenizer_is_special(const struct tokenizer *t, uint32_t id)
{
    return id < t->n_vocab && t->special[id];
}

size_t tokenizer_n_vocab(const struct tokenizer *t)
{
    return t->n_vocab;
}

const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *len)
{
    if (id >= t->n_vocab || t->texts[id].at == 0) {
        *len = 0;
        return NULL;
    }
    *len = t->texts[id].len;
    return t->bytes.data + t->texts[id].at;
}

/* --- are two the same? ----------------------------------------------------------------------- */

/* A token for a message: its text in quotes, with bytes that are not UTF-8 as \xNN. */
static void show_token(char *out, size_t size, const struct tokenizer *t, uint32_t id)
{
    size_t len;
    const char *text = tokenizer_bytes(t, id, &len);
    if (!text) {
        snprintf(out, size, "absent");
        return;
    }
    size_t n = 0;
    out[n++] = '"';
    for (size_t at = 0, used; at < len && n + 8 < size; at += used) {
        if (utf8_decode(text + at, len - at, &used) != UINT32_MAX) {
            memcpy(out + n, text + at, used);
            n += used;
        } else {
            used = 1;
            n += (size_t)snprintf(out + n, size - n, "\\x%02X", (unsigned char)text[at]);
        }
    }
    out[n++] = '"';
    out[n] = '\0';
}

static int same_texts(const struct tokenizer *a, const struct tokenizer *b, struct err *why)
{
    const size_t n = a->n_vocab > b->n_vocab ? a->n_vocab : b->n_vocab;
    for (size_t id = 0; id < n; id++) {
        size_t a_len, b_len;
        const char *a_text = tokenizer_bytes(a, (uint32_t)id, &a_len);
        const char *b_text = tokenizer_bytes(b, (uint32_t)id, &b_len);
        if (!a_text != !b_text || a_len != b_len || (a_len && memcmp(a_text, b_text, a_len) != 0)) {
            char in_a[200], in_b[200];
            show_token(in_a, sizeof in_a, a, (uint32_t)id);
            show_token(in_b, sizeof in_b, b, (uint32_t)id);
            return err_set(why, ERR_MISMATCH, "token %zu is %s in one and %s in the other", id,
                           in_a, in_b);
        }
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (a->bpe.byte_ids[byte] != b->bpe.byte_ids[byte]) {
            return err_set(why, ERR_MISMATCH,
                           "the byte 0x%02X is token %u in one and %u in the "
                           "other",
                           byte, a->bpe.byte_ids[byte], b->bpe.byte_ids[byte]);
        }
    }
    return 0;
}

/* Reports the merge of lowest rank in a that is another one, or none, in b. */
static struct bpe_merge first_not_in(const struct bpe *a, const struct bpe *b)
{
    struct bpe_merge first = {BPE_NONE, BPE_NONE, BPE_NONE};
    for (size_t i = 0; i <= a->slots_mask; i++) {
        const struct bpe_merge *m = &a->slots[i];
        if (m->rank < first.rank && bpe_rank(b, m->left, m->right) != m->rank) {
            first = *m;
        }
    }
    return first;
}

static int same_merges(const struct tokenizer *a, const struct tokenizer *b, struct err *why)
{
    const struct bpe_merge in_a = first_not_in(&a->bpe, &b->bpe);
    const struct bpe_merge in_b = first_not_in(&b->bpe, &a->bpe);
    const struct bpe_merge *m = in_b.rank < in_a.rank ? &in_b : &in_a;
    if (m->rank == BPE_NONE) {
        return 0; // the texts determine the token that a merge makes
    }
    char left[200], right[200];
    show_token(left, sizeof left, a, m->left);
    show_token(right, sizeof right, a, m->right);
    return err_set(why, ERR_MISMATCH, "merge %u, %s and %s, has another place in the other",
                   m->rank, left, right);
}

/* Called when equal ids are known to have equal texts. */
static int same_added(const struct added *a, const struct added *b, const char *where,
                      struct err *why)
{
    const size_t n = a->n > b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++) {
        if (i >= a->n || i >= b->n || a->items[i].id != b->items[i].id ||
            a->items[i].special != b->items[i].special ||
            a->items[i].takes_space != b->items[i].takes_space) {
            const struct added *has = i < a->n ? a : b;
            return err_set(why, ERR_MISMATCH,
                           "the added token %u, \"%.*s\", is not cut out of %s text by the other",
                           has->items[i].id, (int)has->items[i].len, has->items[i].text, where);
        }
    }
    return 0;
}

int tokenizer_same(const struct tokenizer *a, const struct tokenizer *b, struct err *why)
{
    if (a->nfc != b->nfc) {
        return err_set(why, ERR_MISMATCH, "one normalises to NFC, the other does not");
    }
    if (a->digits != b->digits) {
        return err_set(why, ERR_MISMATCH, "one cuts digits apart, the other does not");
    }
    if (a->cut != b->cut || a->most_digits != b->most_digits) {
        return err_set(why, ERR_MISMATCH, "they cut texts into words in different ways");
    }
    if (a->spaces != b->spaces) {
        return err_set(why, ERR_MISMATCH, "they do not replace spaces alike");
    }
    if (a->bpe.whole_words != b->bpe.whole_words) {
        return err_set(why, ERR_MISMATCH,
                       "one takes a word that is a token as it is, the other by its merges");
    }
    int rc = same_texts(a, b, why);
    rc = rc ? rc : same_merges(a, b, why);
    rc = rc ? rc : same_added(&a->raw, &b->raw, "raw", why);
    rc = rc ? rc : same_added(&a->normalized, &b->normalized, "normalised", why);
    if (rc) {
        return rc;
    }
    return a->bos == b->bos ? 0
                            : err_set(why, ERR_MISMATCH,
                                      "BOS is token %u in one and %u in the other", a->bos, b->bos);
}

static void hash_number(XXH64_state_t *state, uint64_t number)
{
    XXH64_update(state, &number, sizeof number);
}

static void hash_added(XXH64_state_t *state, const struct added *a)
{
    hash_number(state, a->n);
    for (size_t i = 0; i < a->n; i++) {
        hash_number(state, a->items[i].id);
        hash_number(state, a->items[i].special + 2u * a->items[i].takes_space);
    }
}

uint64_t tokenizer_hash(const struct tokenizer *t)
{
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    for (size_t id = 0; id < t->n_vocab; id++) {
        size_t len;
        const char *text = tokenizer_bytes(t, (uint32_t)id, &len);
        hash_number(&state, text ? len : UINT64_MAX);
        if (len) {
            XXH64_update(&state, text, len);
        }
    }
    XXH64_update(&state, t->bpe.byte_ids, sizeof t->bpe.byte_ids);
    XXH64_update(&state, t->bpe.made, t->bpe.n_ranks * sizeof *t->bpe.made);
    hash_added(&state, &t->raw);
    hash_added(&state, &t->normalized);
    hash_number(&state, (uint64_t)t->nfc << 33 | (uint64_t)t->digits << 32 | t->bos);
    if (t->cut != CUT_GPT2 || t->spaces != SPACES_STAY || t->bpe.whole_words) {
        hash_number(&state, t->cut);
        hash_number(&state, t->most_digits);
        hash_number(&state, t->spaces);
        hash_number(&state, t->bpe.whole_words);
    }
    return XXH64_digest(&state);
}

/* --- cutting a text -------------------------------------------------------------------------- */

struct encoder {
    const struct tokenizer *t;
    struct bpe_worker *bpe;
    struct normalize_work work;
    struct buf text; // the normalised text, if it differs from the raw text
    size_t copied;   // the raw bytes that 'text' stands for
};

struct encoder *encoder_new(const struct tokenizer *t)
{
    struct encoder *e = mem_zero(1, sizeof *e);
    if (!e) {
        return NULL;
    }
    e->t = t;
    e->bpe = bpe_worker_new(&t->bpe);
    if (!e->bpe) {
        encoder_free(e);
        return NULL;
    }
    return e;
}

void encoder_free(struct encoder *e)
{
    if (e) {
        bpe_worker_free(e->bpe);
        normalize_work_free(&e->work);
        buf_free(&e->text);
        free(e);
    }
}

static int put_added(struct tokens *out, uint32_t id, size_t end, struct err *err)
{
    const int rc = bpe_reserve(out, 1, err);
    if (!rc) {
        out->ids[out->n] = id;
        out->ends[out->n] = (uint32_t)end;
        out->n++;
    }
    return rc;
}

/* Appends the tokens of text[from, to); text[0] has offset 'base' in the normalised text. */
static int encode_words(struct encoder *e, const char *text, size_t from, size_t to, size_t base,
                        struct tokens *out, struct err *err)
{
    const struct tokenizer *t = e->t;
    int rc = 0;
    while (!rc && from < to) {
        const size_t rest = to - from;
        const size_t len = t->cut == CUT_GPT2 ? pretokenize_word(text + from, rest, t->digits)
                           : t->cut == CUT_GPT4
                               ? pretokenize_gpt4(text + from, rest, t->most_digits)
                               : rest;
        rc = bpe_encode(e->bpe, text + from, len, (uint32_t)(base + from), out, err);
        from += len;
    }
    return rc;
}

/* Does U+2581 come in front of the piece text[from, to)? */
static bool is_prepended(const struct tokenizer *t, const char *text, size_t from, size_t to)
{
    return t->spaces == SPACES_PREPENDED ||
           (t->spaces == SPACES_FIRST && from == 0 && to > 0 && text[0] != ' ' &&
            !(to >= 3 && memcmp(text, NORMALIZE_SPACE, 3) == 0));
}

/* Appends the tokens of the raw text[from, to), between added tokens. */
static int encode_piece(struct encoder *e, const char *text, size_t from, size_t to,
                        enum special_tokens special, struct tokens *out, struct err *err)
{
    // Bytes that are not in e->text are equal to the raw ones, so this piece begins in either at:
    const size_t base = e->text.len + (from - e->copied);
    const size_t copied = e->copied;
    int rc = 0;
    if (e->t->nfc) {
        rc = normalize_nfc(&e->work, text, from, to, &e->copied, &e->text, err);
    } else if (e->t->spaces != SPACES_STAY) {
        rc = normalize_spaces(text, from, to, is_prepended(e->t, text, from, to), &e->copied,
                              &e->text, err);
    }
    if (rc) {
        return rc;
    }
    const bool changed = e->copied != copied;
    const char *piece = changed ? e->text.data + base : text + from;
    const size_t len = changed ? e->text.len - base : to - from;
    if (base >= UINT32_MAX || len >= UINT32_MAX - base) {
        return err_set(err, ERR_LIMIT, "a normalised text of 4 GiB or more");
    }

    struct added_match match;
    size_t at = 0;
    while (!rc && added_next(&e->t->normalized, piece, at, len, special, &match)) {
        rc = encode_words(e, piece, at, match.begin, base, out, err);
        rc = rc ? rc : put_added(out, match.id, base + match.end, err);
        at = match.end;
    }
    return rc ? rc : encode_words(e, piece, at, len, base, out, err);
}

int encode(struct encoder *e, const char *text, size_t len, enum special_tokens special,
           struct tokens *out, struct err *err)
{
    if (len >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "a text of 4 GiB or more");
    }
    assert(utf8_valid_prefix(text, len) == len);
    e->text.len = 0;
    e->copied = 0;
    out->n = 0;
    if (len == 0) { // 'text' may be NULL
        out->text = text;
        out->text_len = 0;
        return 0;
    }
    struct added_match match;
    size_t at = 0;
    while (added_next(&e->t->raw, text, at, len, special, &match)) {
        int rc = encode_piece(e, text, at, match.begin, special, out, err);
        rc = rc ? rc : put_added(out, match.id, e->text.len + (match.end - e->copied), err);
        if (rc) {
            return rc;
        }
        at = match.end;
    }
    int rc = encode_piece(e, text, at, len, special, out, err);
    if (rc) {
        return rc;
    }
    if (e->copied == 0) {
        out->text = text;
        out->text_len = len;
        return 0;
    }
    rc = buf_append(&e->text, text + e->copied, len - e->copied, err);
    if (rc) {
        return rc;
    }
    out->text = e->text.data;
    out->text_len = e->text.len;
    return 0;
}

void tokens_free(struct tokens *t)
{
    free(t->ids);
    free(t->ends);
    *t = (struct tokens){0};
}
