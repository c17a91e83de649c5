#include "miners/code/code_text.h"

#include <string.h>
#include <utf8proc.h>

#include "corpora/base/utf8.h"

// In characters.  From LONG on, chance does not turn half of a random text into words; a text
// longer than SIGNS_MAX may hold a picture, with many zeros or ones (////).
enum { LONG = 40, SIGNS_MAX = 128 };

const uint8_t text_classes[256] = {
    ['\t'] = TEXT_BLANK,
    ['\n'] = TEXT_LF,
    ['\v'] = TEXT_BLANK,
    ['\f'] = TEXT_BLANK,
    ['\r'] = TEXT_BLANK,
    [' '] = TEXT_BLANK,
    ['0' ... '9'] = TEXT_DIGIT | TEXT_HEX,
    ['A' ... 'F'] = TEXT_UPPER | TEXT_HEX,
    ['G' ... 'Z'] = TEXT_UPPER,
    ['_'] = TEXT_UNDER,
    ['a' ... 'f'] = TEXT_LOWER | TEXT_HEX,
    ['g' ... 'z'] = TEXT_LOWER,
    [0x80 ... 0xff] = TEXT_HIGH,
};

uint32_t text_char_before(const struct tokens *doc, size_t at)
{
    if (at == 0 || at > doc->text_len) {
        return 0;
    }
    do {
        at--;
    } while (((unsigned char)doc->text[at] & 0xc0) == 0x80 && at > 0);
    size_t used;
    return utf8_decode_valid(doc->text + at, &used);
}

static bool has_case(uint32_t code)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
}

bool text_after_name(const struct tokens *doc, size_t at)
{
    return text_is(doc, at - 1, TEXT_NAME) ||
           (text_is(doc, at - 1, TEXT_HIGH) && has_case(text_char_before(doc, at)));
}

bool text_at_name(const struct tokens *doc, size_t at)
{
    size_t used;
    return text_is(doc, at, TEXT_NAME) ||
           (text_is(doc, at, TEXT_HIGH) && has_case(utf8_decode_valid(doc->text + at, &used)));
}

size_t text_find_byte(const struct tokens *doc, size_t at, char byte)
{
    if (at >= doc->text_len) {
        return doc->text_len;
    }
    const char *found = memchr(doc->text + at, byte, doc->text_len - at);
    return found ? (size_t)(found - doc->text) : doc->text_len;
}

bool text_begins(const struct tokens *doc, size_t at, const char *word)
{
    const size_t n = strlen(word);
    return at <= doc->text_len && doc->text_len - at >= n && memcmp(doc->text + at, word, n) == 0;
}

/* Whether the character beyond ASCII that begins at 'at' is a letter or a mark on one. */
static bool is_letter(const struct tokens *doc, size_t at, size_t *used)
{
    const utf8proc_category_t category =
        utf8proc_category((utf8proc_int32_t)utf8_decode_valid(doc->text + at, used));
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME;
}

size_t text_letters_begin(const struct tokens *doc, size_t at)
{
    size_t used = 1;
    while ((at = text_find(doc, at, TEXT_ALPHA | TEXT_HIGH)) < doc->text_len) {
        if (text_is(doc, at, TEXT_ALPHA) || is_letter(doc, at, &used)) {
            break;
        }
        at += used;
    }
    return at;
}

size_t text_letters_end(const struct tokens *doc, size_t at)
{
    size_t used = 0;
    do {
        at = text_run_end(doc, at + used, TEXT_ALPHA);
    } while (text_is(doc, at, TEXT_HIGH) && is_letter(doc, at, &used));
    return at;
}

bool text_line(const struct tokens *doc, struct text_line *l)
{
    if (l->next >= doc->text_len) {
        return false;
    }
    l->begin = l->next;
    l->first = text_run_end(doc, l->begin, TEXT_BLANK);
    l->end = text_find_byte(doc, l->first, '\n');
    l->next = l->end + 1;
    return true;
}

bool text_string(const struct tokens *doc, size_t at, size_t *end)
{
    const char quote = doc->text[at];
    for (at++; at < doc->text_len && doc->text[at] != '\n'; at++) {
        if (doc->text[at] == quote) {
            *end = at + 1;
            return true;
        }
        at += doc->text[at] == '\\';
    }
    *end = at < doc->text_len ? at : doc->text_len;
    return false;
}

/* The end of the part of a text that begins at 'at'.  A part is capitals; small letters, two or
 * more with the capital before them; digits; or one sign. */
static size_t part_end(const struct tokens *doc, size_t at)
{
    const size_t upper = text_run_end(doc, at, TEXT_UPPER);
    const size_t lower = text_run_end(doc, upper, TEXT_LOWER);
    if (upper > at && lower - upper >= 2) {
        return upper - at == 1 ? lower : upper - 1;
    }
    if (lower > at) {
        return upper > at ? upper : lower;
    }
    const size_t digits = text_run_end(doc, at, TEXT_DIGIT);
    return digits > at ? digits : at + 1;
}

/* Whether text[n], a part, looks like a word or a number. */
static bool is_word(const char *text, size_t n)
{
    bool has_vowel = false, has_zeros = false;
    for (size_t i = 0; i < n; i++) {
        has_vowel |= memchr("aeiouyAEIOUY", text[i], 12) != NULL;
        has_zeros |= i > 0 && text[i] == 'A' && text[i - 1] == 'A'; // as base64 writes them
    }
    const unsigned class = n ? text_classes[(unsigned char)text[n - 1]] : 0;
    return class & TEXT_DIGIT   ? n >= 4
           : class & TEXT_LOWER ? n >= 3 && has_vowel
                                : n >= 3 && !has_zeros;
}

/* Whether capitals and small letters mix between two signs, except for a capital in front. */
static bool mixes_case(const struct tokens *doc)
{
    for (size_t at = 0, end; at < doc->text_len; at = end + 1) {
        unsigned classes = 0;
        end = text_run_end(doc, at, TEXT_ALNUM);
        for (size_t i = at; i < end; i++) {
            const unsigned class = text_classes[(unsigned char)doc->text[i]];
            classes |= i > at ? class : class & TEXT_LOWER;
        }
        if ((classes & TEXT_ALPHA) == TEXT_ALPHA) {
            return true;
        }
    }
    return false;
}

bool text_is_random(const char *text, size_t n)
{
    const struct tokens doc = {.text = text, .text_len = n};
    size_t n_in_words = 0, n_different = 0, n_signs = 0;
    unsigned classes = 0; // of the characters outside of words
    bool seen[256] = {false};
    for (size_t at = 0, end; at < n; at = end) {
        end = part_end(&doc, at);
        const bool word = is_word(text + at, end - at);
        n_in_words += word ? end - at : 0;
        n_signs += !text_is(&doc, at, TEXT_ALNUM);
        for (size_t i = at; i < end; i++) {
            const unsigned char byte = (unsigned char)text[i];
            n_different += !seen[byte];
            seen[byte] = true;
            classes |= word ? 0 : text_classes[byte] & TEXT_ALNUM;
        }
    }
    const bool wordy = n < LONG ? 2 * n_in_words >= n : 3 * n_in_words >= 2 * n;
    return classes == TEXT_ALNUM && n_different >= 8 && !wordy &&
           (n > SIGNS_MAX || 8 * n_signs <= n) && mixes_case(&doc);
}

void mark_state(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to)
{
    size_t i = *at;
    while (i < doc->n && doc->ends[i] < from) {
        i++;
    }
    for (; i < doc->n && doc->ends[i] < to; i++) {
        label[i] = 1;
    }
    *at = i;
}

void mark_nth(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
              size_t lo, size_t hi)
{
    while (*at < doc->n && doc->ends[*at] <= from) {
        (*at)++;
    }
    size_t nth = 1;
    for (size_t i = *at; i < doc->n && token_begin(doc, i) < to && nth <= hi; i++, nth++) {
        label[i] |= nth >= lo;
    }
}
