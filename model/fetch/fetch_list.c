#include "model/fetch/fetch_list.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/fetch/fetch_hash.h"

/* The licence is a tag, "license:mit". */
static const char *find_licence(struct json_object *json)
{
    struct json_object *tags = json_member(json, "tags");
    const size_t n =
        json_object_is_type(tags, json_type_array) ? json_object_array_length(tags) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *tag = json_c_string(json_object_array_get_idx(tags, i));
        if (tag && strncmp(tag, "license:", 8) == 0) {
            return tag + 8;
        }
    }
    return NULL;
}

/* Takes one entry of "siblings". */
static int take_file(struct repo_file *out, struct json_object *entry, struct err *err)
{
    size_t size = 0;
    out->name = json_c_string(json_member(entry, "rfilename"));
    if (!out->name) {
        return err_set(err, ERR_FORMAT, "a file without a name");
    }
    const int rc = json_member_size(entry, "size", &size, err);
    out->size = size;
    return rc ? rc : fetch_name_check_path(out->name, err);
}

int repo_files_read(struct repo_files *out, const char *text, struct err *err)
{
    struct repo_files f = {0};
    struct json_parser *parser = json_parser_new();
    int rc = parser ? json_parse(parser, &f.json, text, strlen(text), err)
                    : err_nomem(err, "a reader of JSON");
    json_parser_free(parser);
    struct json_object *list = json_member(f.json, "siblings");
    f.commit = json_c_string(json_member(f.json, "sha"));
    if (!rc &&
        (!f.commit || !fetch_hash_is(f.commit) || !json_object_is_type(list, json_type_array))) {
        rc = err_set(err, ERR_FORMAT, "no commit or no list of files in it");
    }
    if (!rc) {
        f.licence = find_licence(f.json);
        f.n = json_object_array_length(list);
        f.items = mem_zero(f.n, sizeof *f.items);
        rc = f.items ? 0 : err_nomem(err, "a list of files");
    }
    for (size_t i = 0; i < f.n && !rc; i++) {
        rc = take_file(&f.items[i], json_object_array_get_idx(list, i), err);
    }
    if (rc) {
        repo_files_free(&f);
        return err ? err_prefix(err, "the hub's list of files") : rc;
    }
    *out = f;
    return 0;
}

void repo_files_free(struct repo_files *f)
{
    json_object_put(f->json);
    free(f->items);
    *f = (struct repo_files){0};
}

/* Marks the file of that name; false: there is none. */
static bool want(struct repo_files *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->items[i].name, name) == 0) {
            f->items[i].wanted = true;
            return true;
        }
    }
    return false;
}

/* Marks the shards of "model.safetensors" or "pytorch_model.bin" and their index. */
static bool want_shards(struct repo_files *f, const char *stem, const char *index)
{
    if (!want(f, index)) {
        return false;
    }
    for (size_t i = 0; i < f->n; i++) {
        const char *name = f->items[i].name;
        f->items[i].wanted |=
            strncmp(name, stem, strlen(stem)) == 0 && strstr(name, "-of-") != NULL;
    }
    return true;
}

/* Marks the one file in the root that ends in 'end'. */
static bool want_ending(struct repo_files *f, const char *end)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!strchr(f->items[i].name, '/') && file_ends_with(f->items[i].name, end)) {
            f->items[i].wanted = true;
            return true;
        }
    }
    return false;
}

/* In the order in which gapscope looks for them. */
static bool want_weights(struct repo_files *f)
{
    return want(f, "model_final.pth") || want_ending(f, "final.pth") ||
           want(f, "model.safetensors") ||
           want_shards(f, "model-", "model.safetensors.index.json") ||
           want(f, "pytorch_model.bin") ||
           want_shards(f, "pytorch_model-", "pytorch_model.bin.index.json") ||
           want_ending(f, ".safetensors") || want_ending(f, ".pth");
}

static bool want_tokenizer(struct repo_files *f)
{
    const bool whole = want(f, "tokenizer.json");
    want(f, "tokenizer_config.json");
    return whole || (want(f, "vocab.json") && want(f, "merges.txt"));
}

int repo_files_choose_model(struct repo_files *f, const char *repo, struct err *err)
{
    const bool config = want(f, "config.json");
    const bool weights = config && want_weights(f);
    const bool tokenizer = want_tokenizer(f);
    return weights || tokenizer
               ? 0
               : err_set(
                     err, ERR_NOT_FOUND,
                     "%s: %s, and no tokenizer.json: it is no model; hf://%s/PATH fetches a file",
                     repo, config ? "no weights beside its config.json" : "no config.json", repo);
}

int repo_files_choose_path(struct repo_files *f, const char *repo, const char *path,
                           struct err *err)
{
    const size_t len = strlen(path);
    bool any = want(f, path);
    for (size_t i = 0; i < f->n; i++) {
        const char *name = f->items[i].name;
        if (strncmp(name, path, len) == 0 && name[len] == '/') {
            f->items[i].wanted = any = true;
        }
    }
    return any ? 0
               : err_set(err, ERR_NOT_FOUND, "%s: no file and no folder \"%s\" among its %zu files",
                         repo, path, f->n);
}

size_t repo_files_wanted(const struct repo_files *f, uint64_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    for (size_t i = 0; i < f->n; i++) {
        n += f->items[i].wanted;
        *bytes += f->items[i].wanted ? f->items[i].size : 0;
    }
    return n;
}
