/*
 * The battery's miners: places that are marked by hand, and a slow reference that looks at all pairs
 * of positions, on documents in windows of several sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "miners/code/code.h"
#include "tests/kit/code_kit.h"
#include "tests/kit/random.h"

// --- by hand ------------------------------------------------------------------------------------

/* Tokens between |, labelled ones with ^ in front; windows begin where a token has % in front. */
static const struct by_hand {
    const char *name, *cut, *answers; // of the labelled ones, in order
} by_hand[] = {
    {"induction", "a|b|c|^a|^b|^c|d|^a|^b|^d|^d|e", "b|c|a|b|c|a|d"},
    {"induction", "a|b|^a|%a|b|^a|^a|^b|%b|a", "b|b|a|a"},
    {"induction", "x|y|z|^x|^y|^z|^x|^y|^z|^x|^y|^z", "y|z|x|y|z|x|y|z|x"},
    {"induction_right", "a|b|c|^a|^b|c|d|^a|b|e|a|c|^a|c", "b|c|b|c"},
    {"induction_right", "a|b|^a|b|%a|b|^a|b|%b|c|^b|^c|^b|^c|b", "b|b|c|b|c|b"},
    {"induction_right", "x|y|z|^x|^y|^z|^x|^y|^z|^x|^y|^z|x", "y|z|x|y|z|x|y|z|x"},
    {"induction_right", "p|^p|^p|p|q|r|%q|r|s|^q|^r|s|t", "p|p|r|s"},
    {"induction_wrong", "a|b|c|^a|d|^a|e|^a|^b|^d|f|b|^d|^d|e", "b|d|e|c|a|f|d"},
    {"induction_wrong", "a|b|%a|c|^a|d|%a|b|^a|e|^b|f", "c|b|a"},
    {"induction_wrong", "x|y|^x|z|^x|w|^x|v|^x|u|^x|t|^x|s|^x|r|^x|q|^x|p|^x|o|^x|n|x",
     "y|z|w|v|u|t|s|r|q|p|o"},
    {"induction_rare_right", "a|b|c|d|a|^b|^c|d|x|b|e", "c|d"},
    {"induction_rare_right", "q|a|b|q|^a|^b|q|^a|^b|q|^a|^b|q|^a|^b|q|a|b", "b|q|b|q|b|q|b|q"},
    {"induction_rare_right", "a|b|%a|b|c|a|^b|c|%b|c|d|e|b|^c|^d|e", "c|d|e"},
    {"induction_rare_right", "a|b|c|d|e|f|g|h|i|j|k|l|a|^b|^c|^d|^e|^f|^g|^h|^i|^j|^k|l",
     "c|d|e|f|g|h|i|j|k|l"},
    {"induction_rare_right", "m|n|m|^n|m|n|o", "m"},
    {"induction_rare_wrong", "a|b|c|d|a|^b|e|c|b|f|a|b|g", "c"},
    {"induction_rare_wrong", "q|a|b|q|^a|c|q|^a|d|q|^a|e|q|^a|f|q|a|g", "b|c|d|e"},
    {"induction_rare_wrong", "q|a|%q|a|b|q|^a|c|%a|b|q|a|^b|x|q|a|y", "b|q"},
    {"induction_rare_wrong", "a|b|1|a|^b|2|c|d|1|c|^d|3|e|f|1|e|^f|4|g|h|1|g|^h|5", "1|1|1|1"},
    {"induction_rare_wrong", "i|j|1|i|^j|2|k|l|1|k|^l|3|m|n|1|m|^n|4|o|p|1|o|^p|5", "1|1|1|1"},
    {"induction_rare_wrong", "q|r|1|q|^r|2|s|t|1|s|^t|3|u|v|1|u|^v|4|w|x|1|w|^x|5", "1|1|1|1"},
    {"induction_rare_wrong", "y|z|1|y|^z|2|A|B|1|A|^B|3", "1|1"},
    {"split_right", "Cl|aire| sat|.|^ Claire| sat|.| Claire| sat", " sat"},
    {"split_right", " Claire| sat|.|Cl|^aire| sat|;|Cl|aire| ran", " sat"},
    {"split_right", "Cl|aire| sat|%.| Claire| ran", NULL},
    {"split_right",
     " mine|,|mi|^ne|,| four|;|fo|^ur|;| book|:|bo|^ok|:| lamp|!|la|^mp|!| tree|?|tr|^ee|?",
     ",|;|:|!|?"},
    {"split_right",
     " wind|,|wi|^nd|,| rain|;|ra|^in|;| snow|:|sn|^ow|:| hail|!|ha|^il|!| fogs|?|fo|^gs|?",
     ",|;|:|!|?"},
    {"split_right",
     "re|d\xc3\xa9|1|^ red\xc3\xa9|1|bl|ue|2|^ blue|2|gr|ay|3|^ gray|3|pi|nk|4|^ pink|4", NULL},
    {"split_right", "ta|ck|1|^ tack|1|no|il|2|^ noil|2|sc|rw|3|^ scrw|3|bo|lt|4|^ bolt|4",
     "1|2|3|4"},
    {"split_right", "wa|sh|1|^ wash|1|sp|in|2|^ spin|2", "1|2"},
    {"split_wrong", "Cl|aire| sat|.|^ Claire| ran|.| Claire| sat", " sat"},
    {"split_wrong", " Claire| sat|.|Cl|^aire| ran|%.|Cl|aire| sat|^ Claire|;", " sat| sat"},
    {"split_wrong",
     " mine|,|mi|^ne|1| four|;|fo|^ur|1| book|:|bo|^ok|1| lamp|!|la|^mp|1| tree|?|tr|^ee|1",
     ",|;|:|!|?"},
    {"split_wrong",
     " wind|,|wi|^nd|1| rain|;|ra|^in|1| snow|:|sn|^ow|1| hail|!|ha|^il|1| fogs|?|fo|^gs|1",
     ",|;|:|!|?"},
    {"split_wrong", "wa|sh|1|^ wash|2|sp|in|3|^ spin|4|dr|yy|5|^ dryy|6", "1|3|5"},
    {"split_wrong", "ta|ck|1|^ tack|2|no|il|3|^ noil|4|sc|rw|5|^ scrw|6", "1|3|5"},
    {"split_wrong", "bo|lt|1|^ bolt|2", "1"},
    {"split_none", "^ Claire| sat|.|Cl|aire| ran| at|^ here| now| are|^ they|.", NULL},
    {"split_none", "Cl|^aire|5|^tailor|5|tail|or|ta|^il|.|%|^ Claire|5|^there", NULL},
    {"split_none",
     "^ mine|,|^ four|;|^ book|:|^ lamp|!|^ tree|?|^ wind|,|^ rain|;|^ snow|:|^ hail|!|^ fogs",
     NULL},
    {"split_none", "^ over|,|^ into|,|^ upon|,|^ with|,| by", NULL},
    {"ambiguous_latest", "a|x|a|y|^a|y|^a|y|b|a|z|^a|z", "x|x|y"},
    {"ambiguous_latest", "a|x|a|x|a|y|a|z|^a|z|^a|z", "x|x"},
    {"ambiguous_latest", "a|x|%a|x|a|y|^a|y|%a|y|a|x|^a|x|^a|x", "x|y|y"},
    {"ambiguous_latest", "c|1|c|2|^c|2|c|3|^c|3|c|4|^c|4|c|5|^c|5|c|6|^c|6|c|7|^c|7", NULL},
    {"ambiguous_latest", "d|1|d|2|^d|2|d|3|^d|3|d|4|^d|4|d|5|^d|5|d|6|^d|6|d|7|^d|7", NULL},
    {"ambiguous_earlier", "a|x|a|y|^a|x|^a|y|^a|x|b|a|z|^a|y", "y|x|y|z"},
    {"ambiguous_earlier", "a|x|%a|x|a|y|^a|x|%a|y|a|x|^a|y", "y|x"},
    {"ambiguous_earlier",
     "c|1|c|2|^c|1|^c|2|^c|1|^c|2|^c|1|^c|2|^c|1|^c|2|^c|1|^c|2|^c|1|^c|2|^c|1|^c|2", NULL},
    {"ambiguous_neither", "a|x|a|y|^a|z|^a|w|b|a|z", "y|z"},
    {"ambiguous_neither", "a|x|%a|x|a|y|^a|z|%a|y|a|x|^a|z", "y|x"},
    {"ambiguous_neither",
     "c|1|c|2|^c|3|^c|4|^c|5|^c|6|^c|7|^c|8|^c|9|^c|10|^c|11|^c|12|^c|13|^c|14|^c|15|^c|16|^c|17",
     "2|3|4|5|6|7|8|9|10|11|12|13|14|15|16"},
    {"ambiguous_neither", "d|1|d|2|^d|3|c", "2"},
    {"ambiguous_rare_latest", "b|a|x|b|a|y|b|^a|y|b|^a|y|b|^a|y", "x|x|x"},
    {"ambiguous_rare_latest", "a|x|b|a|y|b|a|y|b|a|y|c|d|1|c|d|2|c|^d|2", "1"},
    {"ambiguous_rare_latest", "b|a|%b|a|x|b|a|y|b|^a|y|%a|y|b|a|x|b|a|x", "x"},
    {"ambiguous_rare_latest", "q|r|1|q|r|2|q|^r|2|q|^r|2|s|t|1|s|t|2|s|^t|2|s|^t|2", "1|1|1|1"},
    {"ambiguous_rare_latest", "u|v|1|u|v|2|u|^v|2|u|^v|2|w|z|1|w|z|2|w|^z|2|w|^z|2", "1|1|1|1"},
    {"ambiguous_rare_latest", "e|f|1|e|f|2|e|^f|2|e|^f|2|g|h|1|g|h|2|g|^h|2|g|^h|2", "1|1|1|1"},
    {"ambiguous_rare_latest", "i|j|1|i|j|2|i|^j|2|i|^j|2|k|l|1|k|l|2|k|^l|2|k|^l|2", "1|1|1|1"},
    {"ambiguous_rare_earlier", "b|a|x|b|a|y|b|^a|x|b|^a|y|b|^a|x", NULL},
    {"ambiguous_rare_earlier", "q|r|1|q|r|2|q|^r|1|q|^r|2|s|t|1|s|t|2|s|^t|1|s|^t|2", "2|1|2|1"},
    {"ambiguous_rare_earlier", "u|v|1|u|v|2|u|^v|1|u|^v|2|w|z|1|w|z|2|w|^z|1|w|^z|2", "2|1|2|1"},
    {"ambiguous_rare_earlier", "e|f|1|e|f|2|e|^f|1|e|^f|2|g|h|1|g|h|2|g|^h|1|g|^h|2", "2|1|2|1"},
    {"ambiguous_rare_earlier", "i|j|1|i|j|2|i|^j|1|i|^j|2|k|l|1|k|l|2|k|^l|1|k|^l|2", "2|1|2|1"},
    {"ambiguous_rare_earlier", "m|n|%m|n|1|m|n|2|m|^n|1|%n|1|m|n|1|m|n|2|m|n|1", "2"},
    {"ambiguous_rare_neither", "b|a|x|b|a|y|b|^a|z|b|^a|w|b|^a|v|b|a|u", NULL},
    {"ambiguous_rare_neither", "q|r|1|q|r|2|q|^r|3|q|^r|4|s|t|1|s|t|2|s|^t|3|s|^t|4", "2|3|2|3"},
    {"ambiguous_rare_neither", "u|v|1|u|v|2|u|^v|3|u|^v|4|w|z|1|w|z|2|w|^z|3|w|^z|4", "2|3|2|3"},
    {"ambiguous_rare_neither", "e|f|1|e|f|2|e|^f|3|e|^f|4|g|h|1|g|h|2|g|^h|3|g|^h|4", "2|3|2|3"},
    {"ambiguous_rare_neither", "i|j|1|i|j|2|i|^j|3|i|^j|4|k|l|1|k|l|2|k|^l|3|k|^l|4", "2|3|2|3"},
    {"ambiguous_rare_neither", "m|n|%m|n|1|m|n|2|m|^n|3|%n|1|m|n|1|m|n|2|m|n|3", "2"},
    {"go", "a|b|c|d|e|x|a|b|c|^d|e|f|b|c|d|e|y", "e"},
    {"go", "a|b|c|d|a|b|c|^d|^a|^b|^c|d|%b|c|d|e|f|b|c|d|^e|f", NULL},
    {"go", "q|q|q|q|^q|^q|^q|q|r", "q|q|q"},
    {"go", "1|2|3|4|5|6|7|8|9|0|1|2|3|^4|^5|^6|^7|^8|^9|^0|1", "5|6|7|8|9|0|1"},
    {"go", "u|v|w|x|y|z|-|+|u|v|w|^x|^y|^z|^-|+", "y|z|-|+"},
    {"stop", "a|b|c|d|e|a|b|c|^d|f|a|b|c|^d|g|b|c|d|a|b|c|^d|e", "e|f|g"},
    {"stop", "a|b|c|d|%a|b|c|d|e|a|b|c|^d|f|%a|b|c|d|e", "e"},
    {"stop", "q|q|q|q|^q|r|1|2|3|4|5|1|2|3|^4|6|1|2|3|^4|7|1|2|3|^4|8", "q|5|6|7"},
    {"stop", "m|n|o|p|0|m|n|o|^p|1|m|n|o|^p|2|m|n|o|^p|3|m|n|o|^p|4|m|n|o|^p|5|m|n|o|^p|6", NULL},
    {"stop", "i|j|k|l|0|i|j|k|^l|1|i|j|k|^l|2|i|j|k|^l|3|i|j|k|^l|4|i|j|k|^l|5|i|j|k|^l|6", NULL},
    {"go_at_end", "a|b|c|.|e|x|a|b|c|^.|e|b|c|.|e|a|b|c|d|e|a|b|c|d|e", "e"},
    {"go_at_end", "a|b|c|?\"|e|x|a|b|c|^?\"|e|%a|b|c|?\"|e|a|b|c|^?\"|e|z|a|b|c|^?\"|e", NULL},
    {"go_at_end", "b|c|'|)|]|;|!|\n|b|c|'|^)|^]|^;|^!|\n|z|b|c|'|^)|^]|^;|^!|\n", NULL},
    {"go_at_end", "1|2|3|.|5|1|2|3|^.|5|1|2|3|^.|5|1|2|3|^.|5|1|2|3|^.|5|1|2|3|^.|5", NULL},
    {"go_at_end", "w|x|y|;|0|w|x|y|^;|0|w|x|y|^;|0|w|x|y|^;|0", "0|0|0"},
    {"stop_at_end", "a|b|c|.|e|a|b|c|^.|f|a|b|c|^.|g|a|b|c|d|e|a|b|c|d|f", "e|f"},
    {"stop_at_end", "a|b|c|.|%a|b|c|.|e|a|b|c|^.|f|m|n|o|\n|0|m|n|o|^\n|1|m|n|o|^\n|2", NULL},
    {"stop_at_end", "i|j|k|!|0|i|j|k|^!|1|i|j|k|^!|2|i|j|k|^!|3|i|j|k|^!|4|i|j|k|^!|5", NULL},
    {"stop_at_end", "i|j|k|]|0|i|j|k|^]|1|i|j|k|^]|2|i|j|k|^]|3|i|j|k|^]|4|i|j|k|^]|5", NULL},
    {"stop_at_end", "i|j|k|'|0|i|j|k|^'|1|i|j|k|^'|2|i|j|k|^'|3|i|j|k|^'|4|i|j|k|^'|5", NULL},
};

/* The document of a case; window_begin[] gets as many as it has tokens. */
static void read_case(struct code_doc *d, const char *cut, uint32_t *window_begin)
{
    char plain[512], *to = plain;
    uint32_t begin = 0, n = 0;
    for (bool first = true; *cut; cut++) {
        if (first) {
            begin = *cut == '%' ? n : begin;
            window_begin[n++] = begin;
            cut += *cut == '%';
        }
        first = *cut == '|';
        if (*cut) {
            *to++ = *cut;
        }
    }
    *to = '\0';
    code_doc_cut(d, plain);
    assert_int_equal(d->tokens.n, n);
    d->tokens.window_begin = window_begin;
}

static size_t count_wrong(const struct by_hand *c, const struct code_doc *d, const uint32_t *answer)
{
    const char *at = c->answers;
    for (size_t i = 0; i < d->tokens.n && at; i++) {
        if (d->want[i]) {
            size_t k = 0;
            while (k < d->tokens.n && d->tokens.ids[k] != answer[i]) {
                k++;
            }
            assert_true(k < d->tokens.n); // an answer is a token of the document
            const size_t from = k ? d->tokens.ends[k - 1] : 0, len = d->tokens.ends[k] - from;
            if (strncmp(at, d->tokens.text + from, len) != 0 || (at[len] && at[len] != '|')) {
                print_error("%s: %s: token %zu: '%.*s' in place of %s\n", c->name, c->cut, i,
                            (int)len, d->tokens.text + from, at);
                return 1;
            }
            at += len + (at[len] == '|');
        }
    }
    return at && *at;
}

static void classes_by_hand(void **state)
{
    (void)state;
    size_t marked[256] = {0}, n_wrong = 0;
    for (size_t c = 0; c < sizeof by_hand / sizeof *by_hand; c++) {
        const struct code_miner *m = code_named(by_hand[c].name);
        struct code_scratch scratch = {0};
        struct code_doc d;
        uint32_t begin[128], answer[128] = {0};
        uint8_t label[128] = {0}, again[128] = {0};
        read_case(&d, by_hand[c].cut, begin);
        assert_int_equal(m->label(&d.tokens, label, &scratch, NULL), 0);
        for (size_t i = 0; i < d.tokens.n; i++) {
            marked[m - code_at(0)] += d.want[i];
            if (label[i] != d.want[i]) {
                print_error("%s: %s: token %zu is %d\n", m->name, by_hand[c].cut, i, label[i]);
                n_wrong++;
            }
        }
        if (m->answer) {
            assert_int_equal(m->answer(&d.tokens, again, answer, &scratch, NULL), 0);
            assert_memory_equal(label, again, d.tokens.n);
            n_wrong += count_wrong(&by_hand[c], &d, answer);
        }
        code_scratch_free(&scratch);
        code_doc_free(&d);
    }
    for (size_t i = 0; code_at(i); i++) {
        if (code_at(i)->windows && marked[i] < 20) {
            print_error("%s: only %zu places are marked\n", code_at(i)->name, marked[i]);
            n_wrong++;
        }
    }
    assert_int_equal(n_wrong, 0);
}

// --- the reference ------------------------------------------------------------------------------

static const char *const pieces[] = {" Claire", "Cl", "aire",     " sat", ".",  "a", " b",
                                     "x",       "\n", "\xc3\xa9", "tail", "or", ")", " tailor"};
enum { N_PIECES = sizeof pieces / sizeof *pieces, N_MAX = 90, N_DOCS = 1500 };

static bool stands(const struct tokens *t, size_t i, size_t s, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (i < tokens_window(t, i) + k || s < tokens_window(t, i) + k ||
            t->ids[i - k] != t->ids[s - k]) {
            return false;
        }
    }
    return true;
}

/* The latest place before i where the n tokens up to it equal those up to i; i: none. */
static size_t latest(const struct tokens *t, size_t i, size_t n)
{
    size_t at = i;
    for (size_t s = tokens_window(t, i); s < i; s++) {
        at = stands(t, i, s, n) ? s : at;
    }
    return at;
}

static bool is_rare(const struct tokens *t, size_t i, size_t least)
{
    size_t n = 0, pairs = 0;
    for (size_t s = tokens_window(t, i); s < i; s++) {
        n += stands(t, i, s, 1);
        pairs += stands(t, i, s, 2);
    }
    return n >= least && n <= 4 && pairs == n;
}

/* Whether 'follower' stands behind an earlier place of x, how often, and where last. */
static size_t follows(const struct tokens *t, size_t i, uint32_t follower, size_t *last)
{
    size_t n = 0;
    for (size_t s = tokens_window(t, i); s < i; s++) {
        if (stands(t, i, s, 1) && t->ids[s + 1] == follower) {
            n++;
            *last = s;
        }
    }
    return n;
}

/* 0: no, else it is labelled and *answer is set. */
static bool induction(const char *name, const struct tokens *t, size_t i, uint32_t *answer)
{
    const size_t s = latest(t, i, 1);
    if (s == i || (strstr(name, "rare") && !is_rare(t, i, 1))) {
        return false;
    }
    *answer = t->ids[s + 1];
    return strcmp(name, "induction") == 0 ||
           (tokens_has_next(t, i) && (t->ids[i + 1] == *answer) == (strstr(name, "right") != NULL));
}

static bool ambiguous(const char *name, const struct tokens *t, size_t i, uint32_t *answer)
{
    const size_t s = latest(t, i, 1);
    size_t other = 0, other_last = 0, last = 0;
    if (s == i || !tokens_has_next(t, i) || (strstr(name, "rare") && !is_rare(t, i, 2))) {
        return false;
    }
    const uint32_t now = t->ids[i + 1], of_latest = t->ids[s + 1];
    uint32_t most = UINT32_MAX;
    for (size_t k = tokens_window(t, i); k < i; k++) {
        if (stands(t, i, k, 1) && t->ids[k + 1] != of_latest) {
            const size_t n = follows(t, i, t->ids[k + 1], &last);
            if (n > other || (n == other && last >= other_last)) {
                most = t->ids[k + 1];
                other = n;
                other_last = last;
            }
        }
    }
    if (most == UINT32_MAX) {
        return false;
    }
    const bool is_latest = now == of_latest, is_some = follows(t, i, now, &last) > 0;
    *answer = is_latest ? most : of_latest;
    return strstr(name, "_latest")    ? is_latest
           : strstr(name, "_earlier") ? !is_latest && is_some
                                      : !is_some;
}

static bool repeat(const char *name, const struct tokens *t, size_t i, uint32_t *answer)
{
    const size_t s = latest(t, i, 4);
    if (s == i || !tokens_has_next(t, i)) {
        return false;
    }
    *answer = t->ids[s + 1];
    const char end = t->text[t->ends[i] - 1];
    const bool at_end = end == '.' || end == ')' || end == '\n';
    return (t->ids[i + 1] == *answer) == (name[0] == 'g') && (!strstr(name, "at_end") || at_end);
}

static bool is_letter(const struct tokens *t, size_t at)
{
    const unsigned char c = at < t->text_len ? (unsigned char)t->text[at] : ' ';
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* The word that ends at byte 'end': its first byte and first token; false: none of four letters. */
static bool word_before(const struct tokens *t, size_t end, size_t *from, size_t *first)
{
    size_t n = 0;
    *from = end;
    if (is_letter(t, end)) {
        return false;
    }
    while (*from > 0 && is_letter(t, *from - 1)) {
        --*from;
        n += ((unsigned char)t->text[*from] & 0xc0) != 0x80;
    }
    for (*first = 0; *first < t->n && t->ends[*first] <= *from;) {
        ++*first;
    }
    return n >= 4;
}

static bool split(const char *name, const struct tokens *t, size_t i, uint32_t *answer)
{
    const size_t end = t->ends[i], window = tokens_window(t, i);
    size_t from, first, other_from, other_first, at = i;
    bool anywhere = false;
    if (!word_before(t, end, &from, &first) || first < window || latest(t, i, 1) != i) {
        return false;
    }
    for (size_t byte = 1; byte <= from; byte++) { // all ends of an earlier word
        if (word_before(t, byte, &other_from, &other_first) && byte - other_from == end - from &&
            memcmp(t->text + other_from, t->text + from, end - from) == 0 &&
            other_first >= window) {
            anywhere = true;
            for (size_t s = 0; s < i; s++) {
                at = t->ends[s] == byte ? s : at;
            }
        }
    }
    if (strcmp(name, "split_none") == 0) {
        return !anywhere;
    }
    if (at == i || !tokens_has_next(t, i)) {
        return false;
    }
    *answer = t->ids[at + 1];
    return (t->ids[i + 1] == *answer) == (strcmp(name, "split_right") == 0);
}

static bool reference(const char *name, const struct tokens *t, size_t i, uint32_t *answer)
{
    return strncmp(name, "induction", 9) == 0   ? induction(name, t, i, answer)
           : strncmp(name, "ambiguous", 9) == 0 ? ambiguous(name, t, i, answer)
           : strncmp(name, "split", 5) == 0     ? split(name, t, i, answer)
                                                : repeat(name, t, i, answer);
}

/* Classes of which no token is in two, and the one that all of them are in (NULL: none). */
static const char *const disjoint[][4] = {
    {"induction_right", "induction_wrong", NULL, "induction"},
    {"induction_rare_right", "induction_rare_wrong", NULL, "induction"},
    {"ambiguous_latest", "ambiguous_earlier", "ambiguous_neither", "induction"},
    {"ambiguous_rare_latest", "ambiguous_rare_earlier", "ambiguous_rare_neither", "induction"},
    {"split_right", "split_wrong", "split_none", NULL},
    {"stop", "go", NULL, NULL},
    {"stop_at_end", "go_at_end", NULL, NULL},
    {"ambiguous_earlier", "ambiguous_neither", NULL, "induction_wrong"},
    {"ambiguous_latest", NULL, NULL, "induction_right"},
    {"stop", NULL, NULL, "induction"},
};

static size_t index_of(const char *name)
{
    return (size_t)(code_named(name) - code_at(0));
}

static void classes_are_disjoint(uint8_t labels[][N_MAX], size_t n)
{
    for (size_t c = 0; c < sizeof disjoint / sizeof *disjoint; c++) {
        for (size_t i = 0; i < n; i++) {
            int in = 0;
            for (size_t k = 0; k < 3 && disjoint[c][k]; k++) {
                in += labels[index_of(disjoint[c][k])][i];
            }
            assert_true(in <= 1);
            assert_true(!in || !disjoint[c][3] || labels[index_of(disjoint[c][3])][i]);
        }
    }
}

static void what_the_reference_finds_in_any_windows(void **state)
{
    (void)state;
    static uint8_t labels[256][N_MAX];
    struct code_scratch scratch = {0};
    size_t found[256] = {0};
    for (size_t doc = 0; doc < N_DOCS; doc++) {
        uint32_t ids[N_MAX], ends[N_MAX], begin[N_MAX], answer[N_MAX];
        char text[8 * N_MAX];
        const size_t n = next_random(N_MAX), kinds = 3 + next_random(doc % 3 ? N_PIECES - 2 : 4);
        // windows of one size; in rows the first is what another document has left of it
        const size_t size = 1 + next_random(60);
        const size_t left = doc % 2 ? 1 + next_random((uint32_t)size) : size;
        struct tokens t = {.ids = ids, .ends = ends, .text = text, .window_begin = begin};
        for (; t.n < n; t.n++) {
            ids[t.n] = (uint32_t)next_random(kinds);
            const size_t len = strlen(pieces[ids[t.n]]);
            memcpy(text + t.text_len, pieces[ids[t.n]], len);
            t.text_len += len;
            ends[t.n] = (uint32_t)t.text_len;
            begin[t.n] = (uint32_t)(t.n < left ? 0 : t.n - (t.n - left) % size);
        }
        if (doc % 5 == 0) {
            t.window_begin = NULL; // the document is one
        }
        for (size_t m = 0; code_at(m); m++) {
            const struct code_miner *of = code_at(m);
            if (!of->windows) {
                continue;
            }
            memset(labels[m], 0, N_MAX);
            assert_int_equal(of->answer ? of->answer(&t, labels[m], answer, &scratch, NULL)
                                        : of->label(&t, labels[m], &scratch, NULL),
                             0);
            for (size_t i = 0; i < n; i++) {
                uint32_t want = 0;
                const bool is = reference(of->name, &t, i, &want);
                found[m] += is;
                if (is != labels[m][i] || (is && of->answer && want != answer[i])) {
                    fail_msg("%s: document %zu, token %zu: %d, answer %u; %d, answer %u", of->name,
                             doc, i, labels[m][i], answer[i], is, want);
                }
            }
        }
        classes_are_disjoint(labels, n);
    }
    for (size_t m = 0; code_at(m); m++) {
        if (code_at(m)->windows && found[m] < 10) {
            fail_msg("%s: %zu places", code_at(m)->name, found[m]);
        }
    }
    code_scratch_free(&scratch);
}

/* A document of one token again and again, and one of new followers all the time, are no slower. */
static void long_documents_take_linear_time(void **state)
{
    (void)state;
    enum { N = 400000 };
    uint32_t *ids = malloc(N * sizeof *ids), *ends = malloc(N * sizeof *ends);
    uint32_t *answer = malloc(N * sizeof *answer);
    char *text = malloc(N);
    uint8_t *label = malloc(N);
    struct code_scratch scratch = {0};
    for (int kind = 0; kind < 3; kind++) {
        for (uint32_t i = 0; i < N; i++) {
            ids[i] = kind == 0 ? 1 : i % 2 == 0 ? 0 : kind == 1 ? i : i / 4;
            ends[i] = i + 1;
            text[i] = i % 2 ? '.' : 'a';
        }
        const struct tokens t = {.ids = ids, .ends = ends, .n = N, .text = text, .text_len = N};
        for (size_t m = 0; code_at(m); m++) {
            if (code_at(m)->answer) {
                memset(label, 0, N);
                assert_int_equal(code_at(m)->answer(&t, label, answer, &scratch, NULL), 0);
            }
        }
    }
    code_scratch_free(&scratch);
    free(ids);
    free(ends);
    free(answer);
    free(text);
    free(label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_by_hand),
        cmocka_unit_test(what_the_reference_finds_in_any_windows),
        cmocka_unit_test(long_documents_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
