/*
 * code_list.h - the list of built-in miners, which their files and code.c share
 *
 * To add a miner: add a line here, in the order of names; CODE_LABEL(its name, ...) in its file;
 * and a row in builtin.md.
 */
#ifndef GAPSCOPE_MINERS_CODE_CODE_LIST_H
#define GAPSCOPE_MINERS_CODE_CODE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "miners/code/code.h"
#include "miners/code/code_text.h"

#define CODE_MINERS(X, W)                                                                          \
    X(accented, "a Latin letter beyond ASCII")                                                     \
    X(after_newline, "a token that begins right behind a line's end")                              \
    X(all_caps, "a word in capitals: NASA, MAX_VALUE")                                             \
    W(ambiguous_earlier, true,                                                                     \
      "of a token with several followers: another one than the latest follows (later text)")       \
    W(ambiguous_latest, true, "... the latest one follows (later text)")                           \
    W(ambiguous_neither, true, "... none of them follows (later text)")                            \
    W(ambiguous_rare_earlier, true,                                                                \
      "... of 2 to 4 places with the same token before; another follows (later text)")             \
    W(ambiguous_rare_latest, true, "... the latest one follows (later text)")                      \
    W(ambiguous_rare_neither, true, "... none of them follows (later text)")                       \
    X(arabic, "Arabic letters")                                                                    \
    X(base64, "a base64 or base64url payload (labels need later text)")                            \
    X(base64_der, "base64 of DER: certificates, keys (later text)")                                \
    X(base64_gzip, "base64 of gzip (later text)")                                                  \
    X(base64_jpeg, "base64 of JPEG (later text)")                                                  \
    X(base64_png, "base64 of PNG (later text)")                                                    \
    X(base64_random, "base64 of nothing known (later text)")                                       \
    X(base64_text, "base64 of text (later text)")                                                  \
    X(bracket_depth_1, "inside of one pair of ()[]{} (later text: that it is closed)")             \
    X(bracket_depth_2, "inside of two pairs of ()[]{} (later text)")                               \
    X(bracket_depth_3plus, "inside of three or more pairs of ()[]{} (later text)")                 \
    X(c_comment, "inside of a comment of C-like code (whether it is such: later text)")            \
    X(c_string, "inside of a string of C-like code (later text)")                                  \
    X(camel_case, "a camelCase or CamelCase word (later text)")                                    \
    X(capitalised_mid, "a capitalised word in the middle of a sentence")                           \
    X(cjk, "Chinese, Japanese or Korean letters")                                                  \
    X(cyrillic, "Cyrillic letters")                                                                \
    X(date, "a date (later text)")                                                                 \
    X(decimal_fraction, "digits behind a decimal point")                                           \
    X(email, "an e-mail address (later text)")                                                     \
    X(first_occurrence, "a token that did not occur earlier in the document")                      \
    W(go, true, "the end of a repeat of four tokens that goes on (later text)")                    \
    W(go_at_end, true, "... where it ends a sentence or string (later text)")                      \
    X(greek, "Greek letters")                                                                      \
    X(hash, "a hash in hex: 32, 40, 64 or 128 digits (later text)")                                \
    X(hebrew, "Hebrew letters")                                                                    \
    X(hex, "8 or more hex digits that are no number (later text)")                                 \
    X(html_attribute, "an attribute's name in a tag (later text)")                                 \
    X(html_comment, "a comment of HTML (whether it is such: later text)")                          \
    X(html_tag_name, "a tag's name (later text)")                                                  \
    X(html_text, "text between tags (later text)")                                                 \
    X(html_value, "an attribute's value in a tag (later text)")                                    \
    X(in_braces, "inside of { } (later text: that it is closed)")                                  \
    X(in_comment, "inside of a Python comment (whether it is Python: later text)")                 \
    X(in_docstring, "inside of a Python docstring (later text)")                                   \
    X(in_parens, "inside of ( ) (later text)")                                                     \
    X(in_quotes, "inside of double quotes (later text)")                                           \
    X(in_square, "inside of [ ] (later text)")                                                     \
    X(in_string, "inside of a Python string (later text)")                                         \
    X(indent, "white space at the beginning of a line that is not blank (later text)")             \
    X(indent_1, "... of a line one level deep (later text)")                                       \
    X(indent_2, "... two levels deep (later text)")                                                \
    X(indent_3plus, "... three levels deep or more (later text)")                                  \
    X(indent_less, "the first token of a line that is less deep than the last")                    \
    X(indent_more, "the first token of a line that is deeper than the last")                       \
    W(induction, true, "a token that stood earlier in its window; answers what followed it")       \
    X(induction_next, "what followed the last time that the token before it occurred")             \
    W(induction_rare_right, true,                                                                  \
      "... 1 to 4 times, with the same token before; the answer follows (later text)")             \
    W(induction_rare_wrong, true, "... another token follows (later text)")                        \
    W(induction_right, true, "a token that stood earlier; the answer follows (later text)")        \
    W(induction_wrong, true, "... another token follows (later text)")                             \
    X(line_first, "the first token of a line that is not white space")                             \
    X(non_latin, "letters of a script that is not Latin")                                          \
    X(number, "any token of a number")                                                             \
    X(number_2, "the second token of a number")                                                    \
    X(number_3plus, "the third token of a number, and all after it")                               \
    X(number_first, "the first token of a number")                                                 \
    X(other_tokenisation, "a word that was other tokens earlier in the document")                  \
    X(quoted_email, "a line quoted with > (whether it is mail: later text)")                       \
    X(repeat_end, "the token that breaks off a repeat of three tokens or more")                    \
    X(repeat_long, "it and the seven tokens before it occurred earlier, in this order")            \
    X(repeat_ngram, "it and the two tokens before it occurred earlier, in this order")             \
    X(seen_before, "a token that occurred earlier in the document")                                \
    X(several_followers, "the token before it was followed by different ones earlier")             \
    X(snake_case, "a snake_case word (later text)")                                                \
    W(split_none, false,                                                                           \
      "the end of a word of four letters that stands nowhere earlier (later text)")                \
    W(split_right, true,                                                                           \
      "... that was other tokens earlier; what followed it then follows (later text)")             \
    W(split_wrong, true, "... another token follows (later text)")                                 \
    W(stop, true, "the end of a repeat of four tokens that stops here (later text)")               \
    W(stop_at_end, true, "... where it ends a sentence or string (later text)")                    \
    X(time, "a time of day (later text)")                                                          \
    X(url, "a URL (later text)")                                                                   \
    X(uuid, "a UUID (later text)")                                                                 \
    X(word_inside, "a token with a later part of a word")                                          \
    X(word_start, "a token with the beginning of a word")                                          \
    X(year, "a year from 1500 to 2099 (later text)")

/* The label function of the miner NAME, as struct code_miner wants it, is code_label_NAME, and the
 * answering one of those that see windows, W(name, whether it answers, help), code_answer_NAME. */
#define CODE_ARGUMENTS                                                                             \
    const struct tokens *doc, uint8_t *label, struct code_scratch *s, struct err *err
#define CODE_ANSWER_ARGUMENTS                                                                      \
    const struct tokens *doc, uint8_t *label, uint32_t *answer, struct code_scratch *s,            \
        struct err *err

#define X(name, help) int code_label_##name(CODE_ARGUMENTS);
#define W(name, answers, help)                                                                     \
    int code_label_##name(CODE_ARGUMENTS);                                                         \
    int code_answer_##name(CODE_ANSWER_ARGUMENTS);
CODE_MINERS(X, W)
#undef X
#undef W

/* Defines that function as 'call', which may use doc, label, s and err. */
#define CODE_LABEL(name, call)                                                                     \
    int code_label_##name(CODE_ARGUMENTS)                                                          \
    {                                                                                              \
        (void)s;                                                                                   \
        (void)err;                                                                                 \
        return call;                                                                               \
    }

/* Defines both as 'call', which may use doc, label, answer (NULL: labels alone), s and err. */
#define CODE_ANSWER(name, call)                                                                    \
    int code_answer_##name(CODE_ANSWER_ARGUMENTS)                                                  \
    {                                                                                              \
        return call;                                                                               \
    }                                                                                              \
    int code_label_##name(CODE_ARGUMENTS)                                                          \
    {                                                                                              \
        return code_answer_##name(doc, label, NULL, s, err);                                       \
    }

#endif
