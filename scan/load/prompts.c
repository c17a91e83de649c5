#include "scan/load/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/text/table.h"

static const char *const ordinals[2] = {"one", "two"};

// --- tokens for people and programs -------------------------------------------------------------

void prompts_text(const struct prompts *p, uint32_t id, char text[PROMPTS_TEXT])
{
    size_t len = 0, n = 0;
    const char *bytes = p->tokenizer ? tokenizer_bytes(p->tokenizer, id, &len) : NULL;
    for (size_t at = 0, used; bytes && at < len && n + 5 < PROMPTS_TEXT; at += used) {
        if (utf8_decode(bytes + at, len - at, &used) != UINT32_MAX && bytes[at]) {
            memcpy(text + n, bytes + at, used);
            n += used;
        } else {
            used = 1;
            n += (size_t)snprintf(text + n, PROMPTS_TEXT - n, "\\x%02X", (unsigned char)bytes[at]);
        }
    }
    text[n] = '\0';
}

void prompts_show(const struct prompts *p, uint32_t id, char text[PROMPTS_TEXT])
{
    size_t len;
    if (!p->tokenizer || !tokenizer_bytes(p->tokenizer, id, &len)) {
        snprintf(text, PROMPTS_TEXT, "%u", id);
        return;
    }
    char inner[PROMPTS_TEXT];
    prompts_text(p, id, inner);
    snprintf(text, PROMPTS_TEXT, "\"%.*s\"", (int)(PROMPTS_TEXT - 3), inner);
}

// --- side by side -------------------------------------------------------------------------------

static void cell(struct table *t, const struct prompts *p, size_t which, size_t at, bool there)
{
    char text[PROMPTS_TEXT] = "";
    if (there) {
        prompts_show(p, p->ids[which][at], text);
    }
    table_text(t, text);
}

int prompts_put(const struct prompts *p, FILE *to, size_t width, struct err *err)
{
    static const char *const heads[] = {"position", "<", "<one", "<two"};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 2, .group = 2};
    const size_t least = p->n[0] < p->n[1] ? p->n[0] : p->n[1];
    const size_t most = p->n[0] > p->n[1] ? p->n[0] : p->n[1];
    size_t before = 0, after = 0; // tokens that both end with
    while (before < least && p->ids[0][before] == p->ids[1][before]) {
        before++;
    }
    while (after < least - before &&
           p->ids[0][p->n[0] - 1 - after] == p->ids[1][p->n[1] - 1 - after]) {
        after++;
    }
    for (size_t i = 0; i < most; i++) {
        size_t at[2];
        bool there[2];
        for (size_t k = 0; k < 2; k++) { // a gap, if there is one, stands before the common end
            const bool ends = i >= most - after;
            at[k] = ends ? i - (most - p->n[k]) : i;
            there[k] = ends || i < p->n[k] - after;
        }
        const bool same = there[0] && there[1] && p->ids[0][at[0]] == p->ids[1][at[1]];
        table_count(&t, i);
        table_text(&t, same ? "" : "*");
        cell(&t, p, 0, at[0], there[0]);
        cell(&t, p, 1, at[1], there[1]);
    }
    const int rc = table_put(&t, to, 2, width, err);
    table_free(&t);
    return rc;
}

// --- reading ------------------------------------------------------------------------------------

/* Encodes a text; tokens_free() ends *out. */
static int cut(struct encoder *e, const char *text, const struct prompts_given *given,
               struct tokens *out, struct err *err)
{
    const size_t len = strlen(text);
    if (utf8_valid_prefix(text, len) < len) {
        return err_set(err, ERR_USAGE, "%s: not UTF-8", text);
    }
    return encode(e, text, len, given->special ? SPECIAL_SPLIT : SPECIAL_PLAIN, out, err);
}

static int read_text(struct prompts *p, size_t which, struct encoder *e,
                     const struct prompts_given *given, struct err *err)
{
    struct tokens t = {0};
    int rc = cut(e, p->texts[which], given, &t, err);
    if (!rc) {
        p->n[which] = t.n + 1;
        p->ids[which] = mem_new(t.n + 1, sizeof *p->ids[which]);
        rc = p->ids[which] ? 0 : err_nomem(err, "a prompt");
    }
    if (!rc) {
        p->ids[which][0] = tokenizer_bos(p->tokenizer);
        if (t.n > 0 && t.ids[0] == p->ids[which][0] && !given->quiet) {
            fprintf(stderr,
                    "gapscope: prompt %s begins with BOS, which stands in front of it anyway: "
                    "there it is twice\n",
                    ordinals[which]);
        }
        if (t.n > 0) {
            memcpy(p->ids[which] + 1, t.ids, t.n * sizeof *t.ids);
        } else {
            rc = err_set(err, ERR_USAGE, "prompt %s is empty", ordinals[which]);
        }
    }
    tokens_free(&t);
    return rc;
}

/* The tokens of an answer, for a message. */
static int not_one_token(const struct prompts *p, const char *answer, const struct tokens *t,
                         struct err *err)
{
    char shown[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < t->n && n + PROMPTS_TEXT + 8 < sizeof shown; i++) {
        char text[PROMPTS_TEXT];
        prompts_show(p, t->ids[i], text);
        n += (size_t)snprintf(shown + n, sizeof shown - n, "%s%s", i > 0 ? ", " : ": ", text);
    }
    return err_set(err, ERR_USAGE, "--answers \"%s\": %zu tokens%s; expected one token", answer,
                   t->n, shown);
}

static int read_answer(struct prompts *p, size_t which, struct encoder *e,
                       const struct prompts_given *given, struct err *err)
{
    struct tokens t = {0};
    int rc = cut(e, given->answers[which], given, &t, err);
    if (!rc && t.n != 1) {
        rc = not_one_token(p, given->answers[which], &t, err);
    } else if (!rc) {
        p->answers[which] = t.ids[0];
    }
    tokens_free(&t);
    return rc;
}

/* Parses one id. */
static int read_id(struct json_object *value, size_t d_vocab, const char *text, uint32_t *out,
                   struct err *err)
{
    const int64_t id =
        json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    if (id < 0 || (uint64_t)id >= d_vocab) {
        return err_set(err, ERR_USAGE, "%s: ids are whole numbers from 0 to %zu", text,
                       d_vocab - 1);
    }
    *out = (uint32_t)id;
    return 0;
}

static int read_ids(struct prompts *p, size_t which, struct json_object *list, size_t d_vocab,
                    struct err *err)
{
    const char *text = p->texts[which];
    if (!json_object_is_type(list, json_type_array)) {
        return err_set(err, ERR_USAGE, "%s: expected a list of ids, e.g. '[0,17,4]'", text);
    }
    p->n[which] = json_object_array_length(list);
    if (p->n[which] == 0) {
        return err_set(err, ERR_USAGE, "prompt %s is empty", ordinals[which]);
    }
    p->ids[which] = mem_new(p->n[which], sizeof *p->ids[which]);
    int rc = p->ids[which] ? 0 : err_nomem(err, "a prompt");
    for (size_t i = 0; i < p->n[which] && !rc; i++) {
        rc = read_id(json_object_array_get_idx(list, i), d_vocab, text, &p->ids[which][i], err);
    }
    return rc;
}

static int read_all_ids(struct prompts *p, const struct prompts_given *given, size_t d_vocab,
                        struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < 4 && !rc; i++) {
        const char *text = i < 2 ? given->texts[i] : given->answers[i - 2];
        struct json_parser *parser = json_parser_new();
        struct json_object *value = NULL;
        struct err why = {0};
        rc = parser ? 0 : err_nomem(err, "ids");
        if (!rc && json_parse(parser, &value, text, strlen(text), &why)) {
            rc = why.code == ERR_NOMEM
                     ? err_nomem(err, "ids")
                     : err_set(err, ERR_USAGE,
                               "%s: with --ids prompts are lists, answers numbers: %s", text,
                               why.msg);
        }
        if (!rc) {
            rc = i < 2 ? read_ids(p, i, value, d_vocab, err)
                       : read_id(value, d_vocab, text, &p->answers[i - 2], err);
        }
        json_object_put(value);
        json_parser_free(parser);
    }
    return rc;
}

static int read_all_texts(struct prompts *p, const struct prompts_given *given, struct err *err)
{
    struct encoder *e = encoder_new(p->tokenizer);
    int rc = e ? 0 : err_nomem(err, "an encoder");
    for (size_t i = 0; i < 2 && !rc; i++) {
        rc = read_answer(p, i, e, given, err);
    }
    for (size_t i = 0; i < 2 && !rc; i++) {
        rc = read_text(p, i, e, given, err);
    }
    encoder_free(e);
    return rc;
}

/* Checks that they make a pair. */
static int check(const struct prompts *p, const struct lineup *l, bool quiet, struct err *err)
{
    const char *bos = p->tokenizer ? " (BOS is one)" : "";
    if (p->answers[0] == p->answers[1]) {
        return err_set(err, ERR_USAGE, "--answers: both are the same token");
    }
    for (size_t i = 0; i < 2; i++) {
        if (p->n[i] > l->n_ctx) {
            return err_set(err, ERR_LIMIT, "prompt %s has %zu tokens%s; the models take %zu",
                           ordinals[i], p->n[i], bos, l->n_ctx);
        }
    }
    if (p->n[0] != p->n[1]) {
        const int rc = quiet ? 0 : prompts_put(p, stderr, 100, err);
        return rc ? rc
                  : err_set(err, ERR_USAGE,
                            "prompt one has %zu tokens, prompt two %zu%s: patching needs as many "
                            "in both",
                            p->n[0], p->n[1], bos);
    }
    if (memcmp(p->ids[0], p->ids[1], p->n[0] * sizeof *p->ids[0]) == 0) {
        return err_set(err, ERR_USAGE, "both prompts are the same tokens");
    }
    return 0;
}

int prompts_read(struct prompts *out, const struct lineup *l, const struct prompts_given *given,
                 struct err *err)
{
    *out = (struct prompts){.tokenizer = given->ids ? NULL : l->tokenizer,
                            .texts = {given->texts[0], given->texts[1]}};
    const int rc =
        given->ids ? read_all_ids(out, given, l->d_vocab, err) : read_all_texts(out, given, err);
    return rc ? rc : check(out, l, given->quiet, err);
}

void prompts_free(struct prompts *p)
{
    free(p->ids[0]);
    free(p->ids[1]);
    *p = (struct prompts){0};
}
