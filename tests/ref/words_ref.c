/*
 * Every character is stood for by one ASCII character of its class - those of ASCII by themselves,
 * since the pattern names some - so that the pattern can be written without classes of Unicode.
 */
#include "tests/ref/words_ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "corpora/base/utf8.h"

static const char pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\\sA-Za-z0-9]+"
                              "|\\s+(?!\\S)|\\s+";
// The same for GPT-4's, of which %zu is how many digits a word has at most.
static const char pattern_gpt4[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\nA-Za-z0-9]?[A-Za-z]+"
                                   "|[0-9]{1,%zu}| ?[^\\sA-Za-z0-9]+[\\r\\n]*|\\s*[\\r\\n]+"
                                   "|\\s+(?!\\S)|\\s+";
static char classes[0x110000];
static pcre2_code *code_of_pattern;
static pcre2_match_data *match_data;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "words_ref: %s\n", what);
        abort();
    }
}

static pcre2_code *compile(const char *text)
{
    int error;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
    must(code, "the pattern");
    return code;
}

static void load(void)
{
    if (code_of_pattern) {
        return;
    }
    memset(classes, 'O', sizeof classes);
    FILE *f = fopen("tests/golden/tokenizers/bytelevel_classes.tsv", "r");
    must(f, "no bytelevel_classes.tsv");
    char line[200], class;
    unsigned first, last;
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%x %x %c", &first, &last, &class) == 3) {
            memset(classes + first, class, last - first + 1);
            n++;
        }
    }
    fclose(f);
    must(n > 500, "bytelevel_classes.tsv is too short");
    code_of_pattern = compile(pattern);
    match_data = pcre2_match_data_create_from_pattern(code_of_pattern, NULL);
    must(match_data, "memory");
}

char words_ref_class(uint32_t code)
{
    load();
    return classes[code];
}

/* The words of stand[n], characters that begin at byte starts[i]; returns their number. */
static size_t match_all(const pcre2_code *code, const char *stand, const size_t *starts, size_t n,
                        size_t *ends)
{
    size_t n_words = 0;
    for (size_t at = 0; at < n;) {
        const int rc =
            pcre2_match(code, (PCRE2_SPTR)stand, n, at, PCRE2_ANCHORED, match_data, NULL);
        must(rc > 0, "no word matches");
        at = pcre2_get_ovector_pointer(match_data)[1];
        ends[n_words++] = starts[at];
    }
    return n_words;
}

/* What stands for each character of text[len], and where it begins; returns their number. */
static size_t stand_in(const char *text, size_t len, char *stand, size_t *starts)
{
    size_t n = 0, used;
    for (size_t at = 0; at < len; at += used, n++) {
        const uint32_t code = utf8_decode_valid(text + at, &used);
        const char class = words_ref_class(code);
        starts[n] = at;
        stand[n] = code < 0x80    ? (char)code
                   : class == 'L' ? 'x'
                   : class == 'N' ? '0'
                   : class == 'S' ? '\v'
                                  : '#';
    }
    starts[n] = len;
    return n;
}

size_t words_ref(const char *text, size_t len, bool digits, size_t *ends)
{
    load();
    char *stand = malloc(len + 1);
    size_t *starts = malloc((len + 1) * sizeof *starts);
    must(stand && starts, "memory");
    size_t n_words = 0;
    const size_t n = stand_in(text, len, stand, starts);
    // Digits: each number is a text of its own, and so is what lies between two.
    for (size_t from = 0, to; from < n; from = to) {
        to = digits ? from : n;
        while (to < n && (stand[to] < '0' || stand[to] > '9')) {
            to++;
        }
        to += to == from;
        n_words +=
            match_all(code_of_pattern, stand + from, starts + from, to - from, ends + n_words);
    }
    free(stand);
    free(starts);
    return n_words;
}

size_t words_ref_gpt4(const char *text, size_t len, size_t most_digits, size_t *ends)
{
    load();
    char own[300], *stand = malloc(len + 1);
    size_t *starts = malloc((len + 1) * sizeof *starts);
    must(stand && starts, "memory");
    const size_t n = stand_in(text, len, stand, starts);
    for (size_t i = 0; i < n; i++) {
        if (memcmp(text + starts[i], "\xC5\xBF", 2) == 0) {
            stand[i] = 's'; // the long s is one where case does not count
        }
    }
    snprintf(own, sizeof own, pattern_gpt4, most_digits);
    pcre2_code *code = compile(own);
    const size_t n_words = match_all(code, stand, starts, n, ends);
    pcre2_code_free(code);
    free(stand);
    free(starts);
    return n_words;
}
