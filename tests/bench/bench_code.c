/*
 * bench_code.c - what the built-in miners cost
 *
 *     bench_code tokenizer.json FILE...
 *
 * Each FILE is cut into documents of 4 KiB, as long as web pages are, and into tokens; then every
 * miner labels all of them.  Prints the ns a token of the best of several rounds, and what share of
 * the tokens was labelled, for each miner; then the sum over all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/utf8_repair.h"
#include "miners/code/code.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/bench/rounds.h"

#define ROUNDS 5
#define DOC_BYTES ((size_t)4096)

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_code: %s failed\n", what);
        exit(1);
    }
}

struct corpus {
    struct tokens *docs;
    size_t n, cap, n_tokens, n_bytes;
};

static void add_doc(struct corpus *c, struct encoder *e, const char *text, size_t len)
{
    must(mem_reserve(&c->docs, &c->cap, c->n + 1, sizeof *c->docs, "docs", NULL) == 0, "memory");
    struct tokens *doc = &c->docs[c->n++];
    *doc = (struct tokens){0};
    must(encode(e, text, len, SPECIAL_PLAIN, doc, NULL) == 0, "encode");
    char *own = mem_new(doc->text_len, 1);
    must(own != NULL, "memory");
    doc->text = memcpy(own, doc->text, doc->text_len);
    c->n_tokens += doc->n;
    c->n_bytes += doc->text_len;
}

static void add_file(struct corpus *c, struct encoder *e, const char *path)
{
    struct buf raw = {0}, text = {0};
    struct err err = {0};
    uint64_t n_repaired = 0;
    must(file_read(path, SIZE_MAX, &raw, &err) == 0, path);
    must(utf8_repair(&text, raw.data, raw.len, &n_repaired, &err) == 0, "memory");
    for (size_t at = 0, end; at < text.len; at = end) {
        end = text.len - at > DOC_BYTES ? at + DOC_BYTES : text.len;
        while (end < text.len && ((unsigned char)text.data[end] & 0xc0) == 0x80) {
            end++; // not inside a character
        }
        add_doc(c, e, text.data + at, end - at);
    }
    buf_free(&raw);
    buf_free(&text);
}

/* The best time of a round in ns a token; *n_labelled of one. */
static double measure(const struct code_miner *m, const struct corpus *c, uint8_t *label,
                      size_t *n_labelled)
{
    struct code_scratch scratch = {0};
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double took = 0;
        *n_labelled = 0;
        for (size_t i = 0; i < c->n; i++) {
            const struct tokens *doc = &c->docs[i];
            memset(label, 0, doc->n);
            const double began = cpu_seconds();
            must(m->label(doc, label, &scratch, NULL) == 0, m->name);
            took += cpu_seconds() - began;
            for (size_t k = 0; k < doc->n; k++) {
                *n_labelled += label[k];
            }
        }
        best = took < best ? took : best;
    }
    code_scratch_free(&scratch);
    return best * 1e9 / (double)c->n_tokens;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_code tokenizer.json FILE...\n");
        return 2;
    }
    struct tokenizer *t;
    struct err err = {0};
    if (tokenizer_load(&t, argv[1], &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    struct encoder *e = encoder_new(t);
    must(e != NULL, "memory");
    struct corpus c = {0};
    for (int i = 2; i < argc; i++) {
        add_file(&c, e, argv[i]);
    }
    printf("%zu docs, %zu tokens, %.1f MB, %.2f bytes a token\n", c.n, c.n_tokens,
           (double)c.n_bytes * 1e-6, (double)c.n_bytes / (double)c.n_tokens);

    uint8_t *label = mem_new(2 * DOC_BYTES, 1); // a token has a byte at least
    must(label != NULL, "memory");
    double sum = 0, most = 0;
    for (size_t i = 0; code_at(i); i++) {
        size_t n_labelled;
        const double ns = measure(code_at(i), &c, label, &n_labelled);
        printf("%-20s %6.1f ns a token  %7.3f %% labelled\n", code_at(i)->name, ns,
               100.0 * (double)n_labelled / (double)c.n_tokens);
        sum += ns;
        most = ns > most ? ns : most;
    }
    printf("all %.0f ns a token, the dearest %.1f\n", sum, most);
    for (size_t i = 0; i < c.n; i++) {
        char *own = (char *)(uintptr_t)c.docs[i].text;
        tokens_free(&c.docs[i]);
        free(own);
    }
    free(c.docs);
    free(label);
    encoder_free(e);
    tokenizer_free(t);
    return 0;
}
