/* Property: any bytes as a file of hypotheses give an error with its place, and nothing is added,
 * or miners with names, specs and kinds, which can label a document. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "miners/hypotheses.h"
#include "miners/labeller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static uint32_t token_id(const void *context, const char *text, size_t len)
{
    (void)context;
    return len == 1 ? (uint32_t)(unsigned char)text[0] : UINT32_MAX;
}

/* Is 'word' in the file?  Objects that are loaded and programs that are run are not to be chosen by
 * a fuzzer. */
static int holds(const uint8_t *data, size_t size, const char *word)
{
    return size > 0 && memmem(data, size, word, strlen(word)) != NULL;
}

static void label_a_document(const struct hypotheses *h)
{
    uint32_t ids[] = {'a', 'b', 195, 169, ' ', '1'}, ends[] = {1, 2, 3, 4, 5, 6};
    const struct tokens doc = {
        .ids = ids, .ends = ends, .n = 6, .cap = 6, .text = "ab\xc3\xa9 1", .text_len = 6};
    struct labeller *l;
    check(labeller_new(&l, h, NULL) == 0);
    for (size_t i = 0; i < h->n; i++) {
        uint8_t label[6];
        enum miner_verdict verdict;
        check(labeller_run(l, i, &doc, label, &verdict, NULL) == 0);
        for (size_t k = 0; k < doc.n; k++) {
            check(label[k] <= (verdict == MINER_DONE));
        }
    }
    labeller_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hypotheses_options options = {.token_id = token_id};
    struct hypotheses h = {0};
    struct err err = {0};
    if (holds(data, size, "plug") || holds(data, size, "exec") || holds(data, size, "\\")) {
        return 0;
    }
    const int rc =
        hypotheses_parse(&h, (const char *)data, size, "fuzz", "/nowhere", &options, &err);
    if (rc) {
        unsigned line = 0, column = 0;
        check(h.n == 0 && (unsigned)rc == err.code);
        check(rc == ERR_NOMEM || rc == ERR_LIMIT ||
              (sscanf(err.msg, "fuzz: line %u, column %u: ", &line, &column) == 2 && line > 0 &&
               column > 0));
    } else {
        check(h.n > 0 && h.n <= HYPOTHESES_MAX);
        for (size_t i = 0; i < h.n; i++) {
            check(h.items[i].kind && strlen(h.items[i].name) > 0 && h.items[i].spec[0] == '{');
        }
        label_a_document(&h);
    }
    hypotheses_free(&h);
    return 0;
}
