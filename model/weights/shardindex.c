#include "model/weights/shardindex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"

#define SHARDS_MAX ((size_t)4096)

bool shardindex_is(const char *path)
{
    return file_ends_with(path, ".index.json");
}

void shardindex_free(struct shardindex *x)
{
    for (size_t i = 0; i < x->n; i++) {
        free(x->entries[i].tensor);
    }
    for (size_t i = 0; i < x->n_shards; i++) {
        free(x->shards[i]);
    }
    free(x->entries);
    free(x->shards);
    *x = (struct shardindex){0};
}

// --- keys that occur twice ----------------------------------------------------------------------

/* The colons of a JSON text outside of its strings: one for each key, at all depths. */
static size_t count_colons(const char *json, size_t len)
{
    size_t n = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            i += json[i] == '\\';
            in_string = i < len && json[i] != '"';
        } else {
            in_string = json[i] == '"';
            n += json[i] == ':';
        }
    }
    return n;
}

/* The keys that the parser has kept: of equal ones it keeps the last.  Its depth is limited. */
static size_t count_keys(struct json_object *value)
{
    size_t n = 0;
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            n += count_keys(json_object_array_get_idx(value, i));
        }
    } else if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            n += 1 + count_keys(member);
        }
    }
    return n;
}

// --- the map ------------------------------------------------------------------------------------

/* A plain file name leads to no other folder. */
static bool is_plain_name(struct json_object *value)
{
    const char *name = json_object_get_string(value);
    return json_object_is_type(value, json_type_string) && *name && !strchr(name, '/') &&
           !strchr(name, '\\') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strlen(name) == (size_t)json_object_get_string_len(value);
}

/* The number of the shard of this name, which is new or was named before. */
static int find_shard(struct shardindex *x, const char *name, size_t *cap, size_t *out,
                      struct err *err)
{
    for (size_t i = x->n_shards; i-- > 0;) { // mostly the last one
        if (strcmp(x->shards[i], name) == 0) {
            *out = i;
            return 0;
        }
    }
    if (x->n_shards == SHARDS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %zu shards", SHARDS_MAX);
    }
    const int rc = mem_reserve(&x->shards, cap, x->n_shards + 1, sizeof *x->shards, "shards", err);
    if (rc) {
        return rc;
    }
    x->shards[x->n_shards] = strdup(name);
    if (!x->shards[x->n_shards]) {
        return err_nomem(err, "shards");
    }
    *out = x->n_shards++;
    return 0;
}

static int by_tensor(const void *a, const void *b)
{
    const struct shardindex_entry *x = a, *y = b;
    return strcmp(x->tensor, y->tensor);
}

static int read_map(struct shardindex *x, struct json_object *map, struct err *err)
{
    size_t entries_cap = 0, shards_cap = 0;
    json_object_object_foreach(map, tensor, shard)
    {
        if (!is_plain_name(shard)) {
            return err_set(err, ERR_FORMAT,
                           "weight_map: the shard of \"%.100s\" is %.100s; expected the name of a "
                           "file in the same folder",
                           tensor, json_object_to_json_string(shard));
        }
        size_t number = 0;
        int rc = find_shard(x, json_object_get_string(shard), &shards_cap, &number, err);
        rc = rc ? rc
                : mem_reserve(&x->entries, &entries_cap, x->n + 1, sizeof *x->entries, "tensors",
                              err);
        if (rc) {
            return rc;
        }
        x->entries[x->n] = (struct shardindex_entry){.tensor = strdup(tensor), .shard = number};
        if (!x->entries[x->n].tensor) {
            return err_nomem(err, "tensors");
        }
        x->n++;
    }
    if (x->n > 0) {
        qsort(x->entries, x->n, sizeof *x->entries, by_tensor);
    }
    return 0;
}

int shardindex_parse(struct shardindex *out, const char *json, size_t len, struct err *err)
{
    struct shardindex x = {0};
    struct json_object *root = NULL;
    struct json_parser *parser = json_parser_new();
    int rc = parser ? json_parse(parser, &root, json, len, err) : err_nomem(err, "a parser");
    struct json_object *map = rc ? NULL : json_member(root, "weight_map");
    if (!rc && !json_object_is_type(map, json_type_object)) {
        rc = err_set(err, ERR_FORMAT, "\"weight_map\" is %s; expected an object", json_kind(map));
    }
    if (!rc && count_keys(root) != count_colons(json, len)) {
        rc = err_set(err, ERR_FORMAT, "a key occurs twice");
    }
    rc = rc ? rc : read_map(&x, map, err);
    if (!rc) {
        *out = x;
    } else {
        shardindex_free(&x);
    }
    json_object_put(root);
    json_parser_free(parser);
    return rc;
}

// --- against a shard ----------------------------------------------------------------------------

int shardindex_check(const struct shardindex *x, size_t shard, const struct tensorlist *list,
                     struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct shardindex_entry key = {.tensor = (char *)(uintptr_t)list->items[i].name};
        const struct shardindex_entry *e =
            x->n ? bsearch(&key, x->entries, x->n, sizeof key, by_tensor) : NULL;
        if (!e) {
            return err_set(err, ERR_FORMAT, "tensor \"%s\" is not listed in the index",
                           list->items[i].name);
        }
        if (e->shard != shard) {
            return err_set(err, ERR_FORMAT, "tensor \"%s\" is here, but the index lists it in %s",
                           e->tensor, x->shards[e->shard]);
        }
    }
    for (size_t i = 0; i < x->n; i++) {
        if (x->entries[i].shard == shard && !tensorlist_find(list, x->entries[i].tensor)) {
            return err_set(err, ERR_FORMAT, "tensor \"%s\" is listed here by the index, but is not",
                           x->entries[i].tensor);
        }
    }
    return 0;
}
