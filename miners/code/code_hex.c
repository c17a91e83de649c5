/*
 * code_hex.c - bytes written in hexadecimal
 *
 * hex   an even number of hex digits, 8 or more, that stands alone: no letter, digit or _ on either
 *       side, though 0x may be in front (and is labelled with it).  Letters are all small or all
 *       capitals.  Numbers and words are excluded: there must be a digit, and a letter other than
 *       the e of 1000000e10; after 0x neither is needed.
 * hash  hex of 32, 40, 64 or 128 digits without 0x: MD5, SHA-1, SHA-256, SHA-512
 * uuid  8-4-4-4-12 hex digits that stand alone; braces around it are allowed and not labelled
 *
 * Every token that shares a byte with it is labelled; its length shows only at its end.
 *
 *     d41d8cd98f00b204e9800998ecf8427e           hex, hash
 *     123e4567-e89b-12d3-a456-426614174000       uuid; its first part and its last may be hex
 *     0xDEADBEEF                                 hex
 *     deadbeef, 20201124, 1000000e10, 12abCDEF   none
 */
#include "miners/code/code_list.h"

#include "miners/core/miner.h"

/* Whether text[from, to), hex digits, is more than a number or a word. */
static bool is_hex(const struct tokens *doc, size_t from, size_t to)
{
    size_t n_digits = 0, n_upper = 0, n_lower = 0, n_e = 0;
    for (size_t i = from; i < to; i++) {
        n_digits += text_is(doc, i, TEXT_DIGIT);
        n_upper += text_is(doc, i, TEXT_UPPER);
        n_lower += text_is(doc, i, TEXT_LOWER);
        n_e += (doc->text[i] | 0x20) == 'e';
    }
    const size_t n_letters = n_upper + n_lower;
    return n_digits > 0 && n_letters > 0 && (!n_upper || !n_lower) && !(n_letters == 1 && n_e == 1);
}

static bool is_hash_len(size_t n)
{
    return n == 32 || n == 40 || n == 64 || n == 128;
}

static int mark_hex(const struct tokens *doc, uint8_t *label, bool only_hashes)
{
    size_t token = 0;
    for (size_t from = 0, to; from < doc->text_len; from = to + 1) {
        to = text_run_end(doc, from, TEXT_NAME);
        if (to - from < 8) {
            continue;
        }
        const bool prefixed = text_begins(doc, from, "0x") || text_begins(doc, from, "0X");
        const size_t first = from + (prefixed ? 2 : 0), n = to - first;
        if (n < 8 || n % 2 || text_run_end(doc, first, TEXT_HEX) != to ||
            (!prefixed && !is_hex(doc, first, to)) || text_after_name(doc, from) ||
            text_at_name(doc, to)) {
            continue;
        }
        if (!only_hashes || (!prefixed && is_hash_len(n))) {
            miner_mark(label, doc, &token, from, to, MARK_ALL);
        }
    }
    return 0;
}

/* The end of the UUID that begins at 'at', or 0. */
static size_t uuid_end(const struct tokens *doc, size_t at)
{
    static const size_t lens[] = {8, 4, 4, 4, 12};
    for (size_t i = 0; i < 5; i++) {
        const size_t end = text_run_end(doc, at, TEXT_HEX);
        if (end - at != lens[i] || (i < 4 && !text_at(doc, end, '-'))) {
            return 0;
        }
        at = end + (i < 4);
    }
    return text_at_name(doc, at) || text_at(doc, at, '-') ? 0 : at;
}

static int mark_uuids(const struct tokens *doc, uint8_t *label)
{
    size_t token = 0;
    for (size_t at = 0; (at = text_find_byte(doc, at, '-')) < doc->text_len; at++) {
        const size_t from = at - 8;
        if (at < 8 || text_after_name(doc, from) || text_at(doc, from - 1, '-')) {
            continue;
        }
        const size_t end = uuid_end(doc, from);
        if (end) {
            miner_mark(label, doc, &token, from, end, MARK_ALL);
        }
    }
    return 0;
}

CODE_LABEL(hash, mark_hex(doc, label, true))
CODE_LABEL(hex, mark_hex(doc, label, false))
CODE_LABEL(uuid, mark_uuids(doc, label))
