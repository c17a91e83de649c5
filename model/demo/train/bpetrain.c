#include "model/demo/train/bpetrain.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/jsonw.h"
#include "model/tokenizer/pretokenize.h"

#define FIRST_BYTE 2 // ids of bytes come after the special tokens
#define FIRST_MERGE (FIRST_BYTE + 256)
#define GONE UINT16_MAX // not a symbol: the end of a word

// --- words --------------------------------------------------------------------------------------

static uint32_t *find(const struct bpetrain *b, const char *word, size_t len)
{
    size_t i = XXH3_64bits(word, len) & (b->slots_n - 1);
    for (; b->slots[i]; i = (i + 1) & (b->slots_n - 1)) {
        const struct bpetrain_word *w = &b->words[b->slots[i] - 1];
        if (w->len == len && memcmp(b->bytes.data + w->at, word, len) == 0) {
            break;
        }
    }
    return &b->slots[i];
}

static int grow(struct bpetrain *b, struct err *err)
{
    const size_t n = b->slots_n ? 2 * b->slots_n : 1024;
    uint32_t *slots = mem_zero(n, sizeof *slots);
    if (!slots) {
        return err_nomem(err, "the words");
    }
    free(b->slots);
    b->slots = slots;
    b->slots_n = n;
    for (size_t i = 0; i < b->n_words; i++) {
        *find(b, b->bytes.data + b->words[i].at, b->words[i].len) = (uint32_t)i + 1;
    }
    return 0;
}

static int count_word(struct bpetrain *b, const char *word, size_t len, struct err *err)
{
    int rc = 2 * b->n_words >= b->slots_n ? grow(b, err) : 0;
    if (rc) {
        return rc;
    }
    uint32_t *slot = find(b, word, len);
    if (!*slot) {
        rc = mem_reserve(&b->words, &b->words_cap, b->n_words + 1, sizeof *b->words, "the words",
                         err);
        const size_t at = b->bytes.len;
        rc = rc ? rc : buf_append(&b->bytes, word, len, err);
        if (rc) {
            return rc;
        }
        b->words[b->n_words++] = (struct bpetrain_word){.at = at, .len = len};
        *slot = (uint32_t)b->n_words;
    }
    b->words[*slot - 1].n++;
    return 0;
}

int bpetrain_text(struct bpetrain *b, const char *text, size_t len, struct err *err)
{
    normalize_init();
    pretokenize_init();
    size_t copied = 0;
    b->text.len = 0;
    int rc = normalize_nfc(&b->normal, text, 0, len, &copied, &b->text, err);
    rc = rc ? rc : buf_append(&b->text, text + copied, len - copied, err);
    for (size_t at = 0, n; at < b->text.len && !rc; at += n) {
        n = pretokenize_word(b->text.data + at, b->text.len - at, true);
        rc = count_word(b, b->text.data + at, n, err);
    }
    return rc;
}

void bpetrain_free(struct bpetrain *b)
{
    buf_free(&b->bytes);
    buf_free(&b->text);
    normalize_work_free(&b->normal);
    free(b->words);
    free(b->slots);
    *b = (struct bpetrain){0};
}

// --- merges -------------------------------------------------------------------------------------
//
// A table [n_vocab][n_vocab] has the count of every pair, and an array has the best of each row; a
// merge changes few rows.  Each merge goes through all words: a second of work for a thousand
// merges of a million symbols.

struct merges {
    size_t n_vocab, n; // n: entries so far
    uint16_t *symbols; // [n_symbols], each word ended by GONE
    size_t n_symbols;
    uint64_t *seen;         // [n_vocab][n_vocab]
    uint16_t *best;         // [n_vocab]
    unsigned char *stale;   // [n_vocab] the row's best must be searched again
    uint16_t (*made_of)[2]; // [n_vocab] of a merge
};

static int merges_begin(struct merges *m, const struct bpetrain *b, size_t n_vocab, struct err *err)
{
    *m = (struct merges){.n_vocab = n_vocab, .n = FIRST_MERGE};
    m->symbols = mem_new(b->bytes.len + b->n_words, sizeof *m->symbols);
    m->seen = mem_zero(n_vocab, n_vocab * sizeof *m->seen);
    m->best = mem_zero(n_vocab, sizeof *m->best);
    m->stale = mem_new(n_vocab, 1);
    m->made_of = mem_zero(n_vocab, sizeof *m->made_of);
    if (!m->symbols || !m->seen || !m->best || !m->stale || !m->made_of) {
        return err_nomem(err, "the pairs of a vocabulary");
    }
    memset(m->stale, 1, n_vocab);
    for (size_t i = 0; i < b->n_words; i++) {
        const struct bpetrain_word *w = &b->words[i];
        for (size_t k = 0; k < w->len; k++) {
            const unsigned char byte = (unsigned char)b->bytes.data[w->at + k];
            m->symbols[m->n_symbols++] = (uint16_t)(FIRST_BYTE + byte);
            if (k > 0) {
                const uint16_t *s = &m->symbols[m->n_symbols - 2];
                m->seen[s[0] * n_vocab + s[1]] += w->n;
            }
        }
        m->symbols[m->n_symbols++] = GONE;
    }
    return 0;
}

static void merges_free(struct merges *m)
{
    free(m->symbols);
    free(m->seen);
    free(m->best);
    free(m->stale);
    free(m->made_of);
}

/* Finds the most frequent pair; false: none occurs twice. */
static bool choose(struct merges *m, uint16_t pair[2])
{
    uint64_t most = 1;
    for (size_t left = 0; left < m->n; left++) {
        const uint64_t *row = m->seen + left * m->n_vocab;
        if (m->stale[left]) {
            m->stale[left] = 0;
            m->best[left] = 0;
            for (size_t right = 1; right < m->n; right++) {
                m->best[left] = row[right] > row[m->best[left]] ? (uint16_t)right : m->best[left];
            }
        }
        if (row[m->best[left]] > most) {
            most = row[m->best[left]];
            pair[0] = (uint16_t)left;
            pair[1] = m->best[left];
        }
    }
    return most > 1;
}

static void change(struct merges *m, uint16_t left, uint16_t right, uint64_t n, bool more)
{
    if (left != GONE && right != GONE) {
        uint64_t *seen = &m->seen[left * m->n_vocab + right];
        *seen = more ? *seen + n : *seen - n;
        m->stale[left] = 1;
    }
}

static void apply(struct merges *m, const struct bpetrain *b, const uint16_t pair[2])
{
    const uint16_t made = (uint16_t)m->n;
    memcpy(m->made_of[m->n++], pair, sizeof *m->made_of);
    uint16_t *s = m->symbols, before = GONE;
    size_t to = 0, word = 0;
    for (size_t i = 0; i < m->n_symbols; i++) {
        uint16_t symbol = s[i];
        if (symbol == pair[0] && s[i + 1] == pair[1]) {
            const uint64_t n = b->words[word].n;
            const uint16_t after = s[i + 2];
            change(m, before, pair[0], n, false);
            change(m, pair[0], pair[1], n, false);
            change(m, pair[1], after, n, false);
            change(m, before, made, n, true);
            change(m, made, after, n, true);
            symbol = made;
            i++;
        }
        s[to++] = before = symbol;
        word += symbol == GONE;
    }
    m->n_symbols = to;
}

// --- tokenizer.json -----------------------------------------------------------------------------

/* GPT-2's letter for a byte: itself where it can be seen, else the next from U+0100 on. */
static uint32_t letter(unsigned byte)
{
    uint32_t hidden = 0;
    for (unsigned i = 0; i <= byte; i++) {
        const bool seen = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        if (i == byte && seen) {
            return byte;
        }
        hidden += !seen;
    }
    return 255 + hidden;
}

/* Appends the written form of token 'id', without JSON's escapes. */
static int spell(const struct merges *m, size_t id, struct buf *out, struct err *err)
{
    if (id >= FIRST_MERGE) {
        const int rc = spell(m, m->made_of[id][0], out, err);
        return rc ? rc : spell(m, m->made_of[id][1], out, err);
    }
    const uint32_t code = letter((unsigned)id - FIRST_BYTE);
    const char bytes[2] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 63))};
    const char plain = (char)code;
    return code < 128 ? buf_append(out, &plain, 1, err) : buf_append(out, bytes, 2, err);
}

/* Appends the string "ab", or for a merge "a b". */
static int put_spelling(const struct merges *m, size_t id, bool parts, struct buf *out,
                        struct err *err)
{
    struct buf word = {0};
    int rc = spell(m, parts ? m->made_of[id][0] : id, &word, err);
    if (rc) {
        goto out;
    }
    if (parts) {
        rc = buf_append(&word, " ", 1, err);
        rc = rc ? rc : spell(m, m->made_of[id][1], &word, err);
        if (rc) {
            goto out;
        }
    }
    rc = jsonw_string(out, word.data, word.len, err);
out:
    buf_free(&word);
    return rc;
}

static int put_json(const struct merges *m, struct buf *out, struct err *err)
{
    static const char head[] =
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[\n"
        "{\"id\":0,\"content\":\"<|endoftext|>\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":false,\"special\":true},\n"
        "{\"id\":1,\"content\":\"<|padding|>\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":false,\"special\":true}],\n"
        "\"normalizer\":{\"type\":\"NFC\"},\n"
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Digits\",\"individual_digits\":true},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
        "\"use_regex\":true}]},\n"
        "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
        "\"trim_offsets\":true,\"use_regex\":true},\n"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
        "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
        "\"byte_fallback\":false,\"vocab\":{\n\"<|endoftext|>\":0,\n\"<|padding|>\":1";
    int rc = buf_append(out, head, sizeof head - 1, err);
    for (size_t id = FIRST_BYTE; id < m->n && !rc; id++) {
        rc = buf_append(out, ",\n", 2, err);
        rc = rc ? rc : put_spelling(m, id, false, out, err);
        rc = rc ? rc : buf_printf(out, err, ":%zu", id);
    }
    rc = rc ? rc : buf_printf(out, err, "},\n\"merges\":[");
    for (size_t id = FIRST_MERGE; id < m->n && !rc; id++) {
        rc = buf_printf(out, err, id > FIRST_MERGE ? ",\n" : "\n");
        rc = rc ? rc : put_spelling(m, id, true, out, err);
    }
    return rc ? rc : buf_printf(out, err, "]}}\n");
}

int bpetrain_json(const struct bpetrain *b, size_t n_vocab, size_t *n_out, struct buf *out,
                  struct err *err)
{
    struct merges m;
    uint16_t pair[2] = {0};
    int rc = merges_begin(&m, b, n_vocab, err);
    if (!rc) {
        while (m.n < m.n_vocab && choose(&m, pair)) {
            apply(&m, b, pair);
        }
        rc = put_json(&m, out, err);
        *n_out = m.n;
    }
    merges_free(&m);
    return rc;
}
