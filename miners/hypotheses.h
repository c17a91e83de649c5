/*
 * hypotheses.h - reads the YAML file that says what neurons may stand for, as miners
 *
 *     hypotheses:
 *       - name: base64
 *         regex: '[A-Za-z0-9+/]{20,}={0,2}'
 *         mark: all              # all | first | last | next | a named group of the regex
 *       - name: causal-base64
 *         regex: '[A-Za-z0-9+/]{20,}'
 *         prefix: true           # sees only the text before the token's end
 *       - name: ice-cream
 *         tokens: [' ice', ' cream']        # or ids: [1234, 567]; the last one is labelled
 *       - {name: seen, code: seen_before}
 *       - {name: mine, plugin: ./libmine.so}
 *       - {name: mine-py, exec: [python3, mine.py], timeout: 10}
 *       - name: cream                       # a set of tokens in a place; the token after
 *         tokens: [[' ice', ' hot']]
 *         after: 1
 *       - {name: both, all: [{regex: '\d'}, {code: in_parens}]}      # or any: of them
 *       - {name: after-the, regex: '\bthe\b', predicts: next}       # this | next
 *       - {name: verb, regex: '\bdogs\b', mark: last, answers: [' are', ' is']}
 *       - {name: ind, code: induction}         # says itself which token would follow
 *       - {name: mine, exec: [python3, mine.py], answers: true, windows: true}
 *
 * Names differ and are 1 to 64 of A-Z a-z 0-9 . _ -.  Relative paths start from the file's folder,
 * in which programs also run.  miners/README.md describes all keys.
 * 'predicts' changes no label: it says at which token log-probs are taken; not given it is next of
 * those that answer, else this.
 * 'answers' are one or two single tokens that would follow a labelled one, or true: a program says
 * it.  'windows' says that a program looks at windows: their size and packing are then part of what
 * the hypothesis is, as they are of built-in miners and plugins that look at them.
 *
 * The labels of a regex.  A pattern is PCRE2 with UTF and UCP and no other option: '(?m)', '(?s)',
 * '(?i)' are written in the pattern.  Matches are found from left to right in the document's whole
 * text, do not overlap and are never empty; 'mark' says which tokens of each match are labelled.
 *
 * With 'prefix: true' each token is judged by the text T up to the token's end alone: '$', '\b' and
 * lookaheads see T's end as the end of the text.  The token is labelled if the pattern can match
 * from one of the last 256 bytes of T (their first whole character or any later one) so that the
 * match ends with T, in any way that backtracking finds: it need not be the longest, and it may
 * overlap with a match that ends at another token.  Lookbehinds see all of T.
 * If the token ends inside of a character, T ends before that character; a token in which no
 * character ends is not labelled.
 */
#ifndef GAPSCOPE_MINERS_HYPOTHESES_H
#define GAPSCOPE_MINERS_HYPOTHESES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "miners/core/miner.h"

#define HYPOTHESES_MAX 1024
#define HYPOTHESES_NAME_MAX 64

struct hypotheses {
    struct miner *items; // [n], in the order of the file
    size_t n, cap;
    size_t n_vocab; // an answer is an id below it
};

/* Looks up a text of 'tokens:': the id of the token that stands for exactly text[len], or
 * UINT32_MAX. */
typedef uint32_t hypotheses_token_id(const void *context, const char *text, size_t len);

struct hypotheses_options {
    hypotheses_token_id *token_id; // NULL: there is no tokenizer, 'tokens:' is refused
    const void *context;
    size_t n_vocab;      // ids below it are in every vocabulary
    size_t n_ctx;        // of the windows; 0: a document is one window
    const char *packing; // "docs", "rows": how windows are filled; NULL where n_ctx is 0
};

/* Adds the hypotheses of a YAML file to *h ({0} at first).  Errors: ERR_IO, ERR_NOT_FOUND,
 * ERR_FORMAT and those of the kinds, each with its place ("FILE: line 7, column 12: ..."),
 * ERR_LIMIT (a file too large), ERR_NOMEM; *h is then as it was. */
int hypotheses_load(struct hypotheses *h, const char *path, const struct hypotheses_options *o,
                    struct err *err);

/* The same from memory: yaml[len]; 'name' stands for the file in messages, and paths start from
 * 'folder' ("": the current one). */
int hypotheses_parse(struct hypotheses *h, const char *yaml, size_t len, const char *name,
                     const char *folder, const struct hypotheses_options *o, struct err *err);

/* Adds --regex's "NAME=PATTERN".  Errors: ERR_USAGE, ERR_NOMEM; *h is then as it was. */
int hypotheses_add_regex(struct hypotheses *h, const char *text, struct err *err);

/* The first hypothesis that needs text and not just ids, or NULL. */
const struct miner *hypotheses_needing_text(const struct hypotheses *h);

void hypotheses_free(struct hypotheses *h); // {0} is allowed

#endif
