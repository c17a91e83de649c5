/*
 * hypotheses.h - the file that says what neurons may stand for (YAML), as miners
 *
 *     hypotheses:
 *       - name: base64
 *         regex: '[A-Za-z0-9+/]{20,}={0,2}'
 *         mark: all              # all | first | last | next | a named group of the regex
 *         prefix: true           # only what stands before the token's end is seen
 *       - name: ice-cream
 *         tokens: [' ice', ' cream']        # or ids: [1234, 567]; the last one is labelled
 *       - {name: seen, code: seen_before}
 *       - {name: mine, plugin: ./libmine.so}
 *       - {name: mine-py, exec: [python3, mine.py]}
 *
 * Names differ and are 1 to 64 of A-Z a-z 0-9 . _ -.  Relative paths are from the file's folder.
 */
#ifndef GAPSCOPE_MINERS_HYPOTHESES_H
#define GAPSCOPE_MINERS_HYPOTHESES_H

#include <stddef.h>
#include <stdint.h>

#include "miners/miner.h"
#include "scan/base/err.h"

#define HYPOTHESES_MAX 1024

struct hypotheses {
    struct miner *items; // [n], in the order of the file
    size_t n, cap;
};

/* What the texts of 'tokens:' are looked up in: the id of the token that stands for exactly
 * text[len], or UINT32_MAX. */
typedef uint32_t hypotheses_token_id(const void *context, const char *text, size_t len);

struct hypotheses_options {
    hypotheses_token_id *token_id; // NULL: there is no tokenizer, 'tokens:' is refused
    const void *context;
};

/* Adds the hypotheses of a YAML file to *h ({0} at first).  Errors: ERR_IO, ERR_NOT_FOUND,
 * ERR_FORMAT ("FILE: line 7, column 12: ..."), ERR_NOMEM; *h is then as it was. */
int hypotheses_load(struct hypotheses *h, const char *path, const struct hypotheses_options *o,
                    struct err *err);

/* The same from memory: yaml[len]; 'name' stands for the file in messages, paths are from 'folder'.
 */
int hypotheses_parse(struct hypotheses *h, const char *yaml, size_t len, const char *name,
                     const char *folder, const struct hypotheses_options *o, struct err *err);

/* Adds --regex's "NAME=PATTERN".  Errors: ERR_USAGE, ERR_NOMEM; *h is then as it was. */
int hypotheses_add_regex(struct hypotheses *h, const char *text, struct err *err);

void hypotheses_free(struct hypotheses *h); // {0} is allowed

/* One thread's miners at work. */
struct labeller;
int labeller_new(struct labeller **out, const struct hypotheses *h, struct err *err);
void labeller_free(struct labeller *l); // NULL is allowed

/* Labels a document by hypothesis i < h->n: label[doc->n] becomes 0s and 1s.  Errors as
 * miner_kind's, with the hypothesis' name. */
int labeller_run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err);

#endif
