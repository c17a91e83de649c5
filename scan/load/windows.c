#include "scan/load/windows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/doc.h"
#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/idlist.h"
#include "corpora/source.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/load/nothing_read.h"

struct windows {
    char *path;
    size_t n_ctx;

    // ids as they are
    struct idlist *list;
    uint64_t n_lists;

    // text
    struct source *source;
    struct encoder *encoder;
    enum special_tokens special;
    struct tokens tokens; // of the current doc
    uint64_t doc;
    uint64_t number; // number of the next window of that doc
    size_t at;       // its first token
    bool more;       // the current doc has a next window
    uint32_t bos;
    uint64_t n_double;    // docs that begin with BOS themselves
    uint32_t *ids, *ends; // [n_ctx]
};

uint64_t input_settings(const struct input_options *input)
{
    const char *const words[] = {input->field, input->format};
    const unsigned char flags[2] = {input->ids, input->special};
    uint64_t hash = XXH64(flags, sizeof flags, 0); // the hash so far seeds the next one
    for (size_t i = 0; i < 2; i++) {
        const char *word = words[i] ? words[i] : "";
        hash = XXH64(word, strlen(word), hash);
    }
    return hash;
}

bool input_skips_special(const struct input_options *input)
{
    return input->special && !input->no_skip_special && !input->ids;
}

int input_check_special(const struct input_options *input, struct err *err)
{
    const char *given = input->skip_special      ? "--skip-special"
                        : input->no_skip_special ? "--no-skip-special"
                                                 : NULL;
    if (input->skip_special && input->no_skip_special) {
        return err_set(err, ERR_USAGE, "--skip-special contradicts --no-skip-special");
    }
    if (given && input->ids) {
        return err_set(err, ERR_USAGE,
                       "%s does not go with --ids: only a tokenizer knows special tokens", given);
    }
    return given && !input->special
               ? err_set(err, ERR_USAGE,
                         "%s needs --special: without it special tokens in the text are read as "
                         "ordinary text",
                         given)
               : 0;
}

int input_format(const struct input_options *options, enum source_format *out, struct err *err)
{
    *out = SOURCE_AUTO;
    if (!options->format) {
        return 0;
    }
    if (strcmp(options->format, "jsonl") == 0) {
        *out = SOURCE_JSONL;
    } else if (strcmp(options->format, "text") == 0) {
        *out = SOURCE_TEXT;
    } else {
        return err_set(err, ERR_USAGE, "--format %s: expected jsonl or text", options->format);
    }
    return 0;
}

void input_say_ids_key(const char *key)
{
    if (key) {
        fprintf(stderr, "gapscope: the ids are those of \"%s\" (--field NAME takes others)\n", key);
    }
}

int input_open(struct source **out, const char *path, const struct input_options *options,
               struct err *err)
{
    struct source_options o = {.field = options->field};
    const int rc = input_format(options, &o.format, err);
    return rc ? rc : source_open(out, path, &o, err);
}

int input_finish(const struct source *s, const char *path, const struct input_options *options)
{
    const struct rejects *r = source_rejects(s);
    path = strcmp(path, "-") == 0 ? "standard input" : path;
    for (int reason = 0; reason < REJECT_N; reason++) {
        const uint64_t n = r->n[reason];
        if (n == 0) {
            continue;
        }
        if (reject_is_damage((enum reject_reason)reason)) {
            fprintf(stderr, "gapscope: %s: %s: %s\n  the whole %s before it were printed\n", path,
                    reject_name((enum reject_reason)reason), r->places[reason][0].why,
                    source_has_rows(s) ? "rows" : "lines");
            continue;
        }
        fprintf(stderr, "gapscope: %s: %" PRIu64 " record%s skipped: %s\n", path, n,
                n == 1 ? "" : "s", reject_name((enum reject_reason)reason));
        for (uint64_t i = 0; i < n && i < REJECT_PLACES; i++) {
            const struct reject_place *p = &r->places[reason][i];
            fprintf(stderr, "  %s %" PRIu64 ", byte %" PRIu64 ": %s\n",
                    source_has_rows(s) ? "row" : "line", p->line, p->byte, p->why);
        }
        if (n > REJECT_PLACES) {
            fprintf(stderr, "  and %" PRIu64 " more\n", n - REJECT_PLACES);
        }
    }
    if (source_repaired(s)) {
        char text[REPAIRED_TEXT];
        fprintf(stderr, "gapscope: %s: %s\n", path, repaired_text(text, source_repaired(s)));
    }
    const bool none = source_docs(s) == 0 && rejects_total(r) > 0;
    if (none) {
        struct err err;
        nothing_read(r->n, options->field, source_keys(s), &err);
        fprintf(stderr, "gapscope: %s: %s\n", path, err.msg);
    } else if (source_docs(s) == 0) {
        fprintf(stderr, "gapscope: %s: empty: there is no record in it\n", path);
    }
    return none || source_damaged(s) || (options->strict && rejects_total(r) > 0) ? 1 : 0;
}

static void windows_close(struct windows *w)
{
    if (!w) {
        return;
    }
    idlist_close(w->list);
    source_close(w->source);
    encoder_free(w->encoder);
    tokens_free(&w->tokens);
    free(w->ids);
    free(w->ends);
    free(w->path);
    free(w);
}

static int open_text(struct windows *w, const struct input_options *options,
                     const struct tokenizer *tokenizer, struct err *err)
{
    w->bos = tokenizer_bos(tokenizer);
    w->encoder = encoder_new(tokenizer);
    w->ids = mem_new(w->n_ctx, sizeof *w->ids);
    w->ends = mem_new(w->n_ctx, sizeof *w->ends);
    if (!w->encoder || !w->ids || !w->ends) {
        return err_nomem(err, "windows");
    }
    w->special = options->special ? SPECIAL_SPLIT : SPECIAL_PLAIN;
    return input_open(&w->source, w->path, options, err);
}

static int windows_open(struct windows **out, const char *path, const struct input_options *options,
                        const struct lineup *lineup, struct err *err)
{
    struct windows *w = mem_zero(1, sizeof *w);
    if (!w) {
        return err_nomem(err, "windows");
    }
    w->n_ctx = lineup->n_ctx;
    w->path = strdup(path);
    int rc = w->path ? 0 : err_nomem(err, "a path");
    if (!rc && options->ids) {
        rc = idlist_open(&w->list, path, options->field, lineup->n_ctx, lineup->d_vocab, err);
    } else if (!rc) {
        rc = open_text(w, options, lineup->tokenizer, err);
    }
    if (rc) {
        windows_close(w);
        return rc;
    }
    *out = w;
    return 0;
}

/* The next window of the current doc. */
static void cut(struct windows *w, struct window *window)
{
    const struct tokens *t = &w->tokens;
    const size_t left = t->n - w->at;
    const size_t take = left < w->n_ctx - 1 ? left : w->n_ctx - 1;
    w->ids[0] = w->bos;
    w->ends[0] = w->at ? t->ends[w->at - 1] : 0;
    if (take) {
        memcpy(w->ids + 1, t->ids + w->at, take * sizeof *w->ids);
        memcpy(w->ends + 1, t->ends + w->at, take * sizeof *w->ends);
    }
    *window = (struct window){.doc = w->doc,
                              .number = w->number++,
                              .ids = w->ids,
                              .ends = w->ends,
                              .n = take + 1,
                              .tokens = t,
                              .begin = w->at};
    w->at += take;
    w->more = w->at < t->n;
}

/* The next window, valid until the next call; window->n is 0 at the end. */
static int windows_next(struct windows *w, struct window *window, struct err *err)
{
    *window = (struct window){0};
    if (w->list) {
        window->doc = w->n_lists++;
        return idlist_next(w->list, &window->ids, &window->n, err);
    }
    if (!w->more) {
        struct doc doc;
        const enum source_status status = source_next(w->source, &doc, err);
        if (status != SOURCE_DOC) {
            return status == SOURCE_END ? 0 : (int)err->code;
        }
        const int rc = encode(w->encoder, doc.text, doc.len, w->special, &w->tokens, err);
        if (rc) {
            return err_prefix(err, "%s: doc %" PRIu64, w->path, doc.number);
        }
        w->n_double += w->tokens.n > 0 && w->tokens.ids[0] == w->bos;
        w->doc = doc.number;
        w->number = 0;
        w->at = 0;
    }
    cut(w, window);
    return 0;
}

/* Up to the end, or where writing failed: outfile_commit() says why. */
static int see_all(struct windows *windows, window_fn *each, void *context, FILE *to,
                   struct err *err)
{
    while (!to || !ferror(to)) {
        struct window window;
        const int rc = windows_next(windows, &window, err);
        if (rc || window.n == 0) {
            return rc;
        }
        each(context, &window, to);
    }
    return 0;
}

int windows_see(const char *path, const struct input_options *options, const struct lineup *lineup,
                window_fn *each, void *context, uint64_t *docs, struct err *err)
{
    struct windows *windows = NULL;
    int rc = windows_open(&windows, path, options, lineup, err);
    rc = rc ? rc : see_all(windows, each, context, NULL, err);
    *docs = rc ? 0 : windows->list ? windows->n_lists - 1 : source_docs(windows->source);
    windows_close(windows);
    return rc;
}

int windows_run(const char *path, const struct input_options *options, const struct lineup *lineup,
                const char *output, window_fn *each, window_end_fn *end, void *context, int *status,
                struct err *err)
{
    struct windows *windows = NULL;
    struct outfile out = {0};
    int rc = outfile_open(&out, output, err); // before the input, which may be slow to arrive
    if (!rc) {
        rc = windows_open(&windows, path, options, lineup, err);
    }
    rc = rc ? rc : see_all(windows, each, context, out.stream, err);
    if (!rc && end) {
        end(context, out.stream);
    }
    if (!rc) {
        rc = outfile_commit(&out, err);
    }
    if (!rc && windows->list && !options->field) {
        const char *key = idlist_key(windows->list);
        input_say_ids_key(key && strcmp(key, "ids") != 0 ? key : NULL);
    }
    if (!rc && windows->source) {
        *status = input_finish(windows->source, path, options);
        lineup_say_double_bos(lineup->tokenizer, path, windows->n_double);
    }
    outfile_discard(&out);
    windows_close(windows);
    return rc;
}

void window_head(struct jsonout *j, const struct window *w)
{
    jsonout_key(j, "doc");
    jsonout_u64(j, w->doc);
    jsonout_key(j, "window");
    jsonout_u64(j, w->number);
    jsonout_key(j, "ids");
    jsonout_u32s(j, w->ids, w->n);
    if (w->ends) {
        jsonout_key(j, "ends");
        jsonout_u32s(j, w->ends, w->n);
    }
}
