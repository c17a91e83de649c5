#include "model/tokenizer/pretokenize.h"

#include <pthread.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "model/tokenizer/pretokenize_table.h"

enum {
    OTHER,
    LETTER,
    NUMBER,
    SPACE,
    NEWER_NUMBER, // OTHER to ByteLevel, a NUMBER to Digits, which asks Unicode 17
};

static const uint32_t newer_numbers[][2] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

// set once by pretokenize_init(), then read only
static unsigned char classes[0x110000];

static void put_classes(const uint32_t runs[][2], size_t n, unsigned char class)
{
    for (size_t i = 0; i < n; i++) {
        memset(classes + runs[i][0], class, runs[i][1] - runs[i][0] + 1);
    }
}

static void make_classes(void)
{
    put_classes(letters, sizeof letters / sizeof *letters, LETTER);
    put_classes(numbers, sizeof numbers / sizeof *numbers, NUMBER);
    put_classes(spaces, sizeof spaces / sizeof *spaces, SPACE);
    put_classes(newer_numbers, sizeof newer_numbers / sizeof *newer_numbers, NEWER_NUMBER);
}

void pretokenize_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_classes);
}

/* The class of the character at text[0], and its length in *used. */
static inline unsigned char class_at(const char *text, size_t *used, bool digits)
{
    const unsigned char c = (unsigned char)text[0];
    if (c < 0x80) {
        *used = 1;
        return classes[c];
    }
    const unsigned char class = classes[utf8_decode_valid(text, used)];
    return class != NEWER_NUMBER ? class : digits ? NUMBER : OTHER;
}

/* The end of the run of characters of 'class' in which, or behind which, text[at] is. */
static size_t run_end(const char *text, size_t at, size_t len, unsigned char class, bool digits)
{
    size_t used;
    while (at < len && class_at(text + at, &used, digits) == class) {
        at += used;
    }
    return at;
}

/* The length of the contraction at text[0] == '\'', or 0. */
static size_t contraction(const char *text, size_t len)
{
    if (len >= 2 && memchr("stmd", text[1], 4)) {
        return 2;
    }
    if (len >= 3 && (memcmp(text + 1, "re", 2) == 0 || memcmp(text + 1, "ve", 2) == 0 ||
                     memcmp(text + 1, "ll", 2) == 0)) {
        return 3;
    }
    return 0;
}

/* The length of the word that begins with the white space text[0, used). */
static size_t space_word(const char *text, size_t used, size_t len, bool digits)
{
    size_t last = 0, end = used; // text[0, end) is white space, its last character begins at 'last'
    unsigned char next = SPACE;
    while (end < len) {
        next = class_at(text + end, &used, digits);
        if (next != SPACE) {
            break;
        }
        last = end;
        end += used;
    }
    if (end == len || (digits && next == NUMBER)) {
        return end; // \s+(?!\S) at the end of the text
    }
    if (last > 0) {
        return last; // \s+(?!\S) gives back one character, so that \S does not follow
    }
    return text[0] == ' ' ? run_end(text, end + used, len, next, digits) : end;
}

size_t pretokenize_word(const char *text, size_t len, bool digits)
{
    if (text[0] == '\'') {
        const size_t n = contraction(text, len);
        if (n > 0) {
            return n;
        }
    }
    size_t used;
    const unsigned char class = class_at(text, &used, digits);
    if (class == SPACE) {
        return space_word(text, used, len, digits);
    }
    if (class == NUMBER && digits) {
        return used;
    }
    return run_end(text, used, len, class, digits);
}

// --- GPT-4's pattern ----------------------------------------------------------------------------

/* The length of the contraction, in letters of either case, at text[0] == '\'', or 0. */
static size_t contraction_of_any_case(const char *text, size_t len)
{
    char small[3] = {0};
    for (size_t i = 1; i < 3 && i < len; i++) {
        const char c = text[i];
        small[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    if (len >= 3 && memcmp(text + 1, "\xC5\xBF", 2) == 0) {
        return 3; // U+017F, the long s
    }
    return len < 2 ? 0 : contraction(small, len < 3 ? len : 3);
}

/* The length of the word that begins with the white space text[0, used), which nothing follows that
 * it belongs to. */
static size_t space_word_gpt4(const char *text, size_t used, size_t len)
{
    size_t last = 0, end = used, newline = text[0] == '\r' || text[0] == '\n' ? used : 0;
    while (end < len && class_at(text + end, &used, false) == SPACE) {
        last = end;
        newline = text[end] == '\r' || text[end] == '\n' ? end + used : newline;
        end += used;
    }
    return newline > 0 ? newline : end == len || last == 0 ? end : last;
}

size_t pretokenize_gpt4(const char *text, size_t len, size_t most_digits)
{
    size_t used, more;
    const size_t short_form = text[0] == '\'' ? contraction_of_any_case(text, len) : 0;
    if (short_form > 0) {
        return short_form;
    }
    const unsigned char class = class_at(text, &used, false);
    if (class == LETTER) {
        return run_end(text, used, len, LETTER, false);
    }
    if (class == NUMBER) {
        for (size_t n = 1;
             n < most_digits && used < len && class_at(text + used, &more, false) == NUMBER; n++) {
            used += more;
        }
        return used;
    }
    const unsigned char next = used < len ? class_at(text + used, &more, false) : NUMBER;
    if (next == LETTER && text[0] != '\r' && text[0] != '\n') {
        return run_end(text, used, len, LETTER, false);
    }
    if (class == SPACE && !(text[0] == ' ' && next == OTHER)) {
        return space_word_gpt4(text, used, len);
    }
    size_t end = run_end(text, used, len, OTHER, false);
    while (end < len && (text[end] == '\r' || text[end] == '\n')) {
        end++;
    }
    return end;
}

size_t pretokenize_space_end(const char *text, size_t at, size_t len)
{
    return run_end(text, at, len, SPACE, false);
}
