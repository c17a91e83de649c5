#include "miners/code_text.h"

#include <string.h>
#include <utf8proc.h>

#include "scan/base/utf8.h"

#define SIGNS_MAX                                                                                  \
    128 // characters; longer ones may hold pictures, with zeros or ones (////) in plenty

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

/* What of text[n], a run of capitals (or none) followed by a run of small letters (or none), is in
 * words. */
static size_t in_words(const char *text, size_t n_upper, size_t n)
{
    size_t covered = 0;
    const bool small_word = n - n_upper + (n_upper > 0) >= 3;
    const size_t n_caps = n_upper - (small_word && n_upper);
    bool has_vowel = false, has_zeros = false;
    for (size_t i = n_upper; i < n; i++) {
        has_vowel |= memchr("aeiou", text[i], 5) != NULL;
    }
    for (size_t i = 1; i < n_caps; i++) {
        has_zeros |= text[i] == 'A' && text[i - 1] == 'A';
    }
    if (small_word && has_vowel) {
        covered += n - n_caps;
    }
    if (n_caps >= 3 && !has_zeros) {
        covered += n_caps;
    }
    return covered;
}

bool text_is_random(const char *text, size_t n)
{
    const struct tokens doc = {.text = text, .text_len = n};
    size_t covered = 0, n_different = 0, n_signs = 0;
    unsigned classes = 0;
    bool seen[256] = {false};
    for (size_t at = 0; at < n;) {
        const size_t lower = text_run_end(&doc, at, TEXT_UPPER);
        size_t end = text_run_end(&doc, lower, TEXT_LOWER);
        if (end > at) {
            covered += in_words(text + at, lower - at, end - at);
        } else {
            end = text_run_end(&doc, at, TEXT_DIGIT);
            covered += end - at >= 4 ? end - at : 0;
            n_signs += end == at;
            classes |= end > at ? TEXT_DIGIT : 0;
            end += end == at; // a sign
        }
        for (; at < end; at++) {
            const unsigned char byte = (unsigned char)text[at];
            n_different += !seen[byte];
            seen[byte] = true;
            classes |= text_classes[byte] & TEXT_ALPHA;
        }
    }
    return classes == TEXT_ALNUM && n_different >= 8 && 2 * covered <= n &&
           (n > SIGNS_MAX || 8 * n_signs <= n);
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
