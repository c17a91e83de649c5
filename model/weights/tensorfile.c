#include "model/weights/tensorfile.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/foreign.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "model/weights/safetensors.h"
#include "model/weights/shardindex.h"
#include "model/weights/tensorlist.h"
#include "model/weights/torchfile.h"

struct tensorfile {
    const char *format;
    struct tensorlist list;
    struct file_map *maps; // [n_maps] one, or one of each shard; none for bytes in memory
    size_t n_maps;
};

// The largest index of shards: room for half a million tensors.
#define INDEX_MAX_BYTES ((size_t)64 << 20)

/* Finds the format and reads the file.  A safetensors file may begin with any byte (it is a
 * length), but has the '{' of its header at byte 8, where neither torch format can have one. */
static int read_any(struct tensorlist *list, const char **format, const unsigned char *bytes,
                    size_t len, struct err *err)
{
    if (len > 8 && bytes[8] == '{') {
        *format = "safetensors";
        return safetensors_read(list, bytes, len, err);
    }
    if (len >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) {
        *format = "torch zip";
        return torchfile_read_zip(list, bytes, len, err);
    }
    if (torchfile_is_legacy(bytes, len)) {
        *format = "torch legacy";
        return torchfile_read_legacy(list, bytes, len, err);
    }
    if (len > 0 && bytes[0] == 0x80) {
        return err_set(err, ERR_FORMAT,
                       "a pickle, but not one that torch.save wrote: no magic number");
    }
    const int rc = foreign_refuse(bytes, len, err);
    return rc ? rc
              : err_set(err, ERR_FORMAT, "unknown format: neither a torch file nor safetensors");
}

int tensorfile_parse(struct tensorfile **out, const void *bytes, size_t len, struct err *err)
{
    struct tensorfile *f = mem_zero(1, sizeof *f);
    if (!f) {
        return err_nomem(err, "a list of tensors");
    }
    const int rc = read_any(&f->list, &f->format, bytes, len, err);
    if (rc) {
        tensorfile_close(f);
        return rc;
    }
    *out = f;
    return 0;
}

/* Maps 'path' as f's next map and reads its tensors into *list.  f->maps has room. */
static int map_and_read(struct tensorfile *f, const char *path, struct tensorlist *list,
                        const char **format, struct err *err)
{
    struct file_map *map = &f->maps[f->n_maps];
    int rc = file_map(map, path, err);
    if (rc) {
        return rc;
    }
    f->n_maps++;
    rc = read_any(list, format, map->data, map->len, err);
    file_map_done_with(map, 0, map->len); // the check of the CRCs has read it all
    return rc ? err_prefix(err, "%s", path) : 0;
}

/* Adds the tensors of a shard to f's. */
static int read_shard(struct tensorfile *f, const struct shardindex *x, size_t shard,
                      const char *path, struct err *err)
{
    struct tensorlist list = {0};
    const char *format = NULL;
    int rc = map_and_read(f, path, &list, &format, err);
    if (!rc) {
        rc = shardindex_check(x, shard, &list, err);
        rc = rc ? err_prefix(err, "%s", path) : 0;
    }
    for (size_t i = 0; i < list.n && !rc; i++) {
        const struct tensor *t = &list.items[i];
        rc = tensorlist_add(&f->list, t->name, strlen(t->name), t, err);
    }
    tensorlist_free(&list);
    return rc;
}

/* Reads the shards of the index 'path'. */
static int read_shards(struct tensorfile *f, const char *path, struct err *err)
{
    struct buf text = {0};
    struct shardindex x = {0};
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    bool is_there;
    int rc = folder ? path_is_file(path, &is_there, err) : err_nomem(err, "a path");
    rc = rc ? rc : file_read_text(path, INDEX_MAX_BYTES, &text, err);
    if (rc) {
        goto out;
    }
    rc = shardindex_parse(&x, text.data, text.len, err);
    if (rc) {
        err_prefix(err, "%s", path);
        goto out;
    }
    f->format = "shards";
    f->maps = mem_zero(x.n_shards, sizeof *f->maps);
    rc = f->maps ? 0 : err_nomem(err, "shards");
    for (size_t i = 0; i < x.n_shards && !rc; i++) {
        char *shard = file_join(folder, x.shards[i]);
        rc = shard ? path_is_file(shard, &is_there, err) : err_nomem(err, "a path");
        if (!rc && !is_there) {
            rc = err_set(err, ERR_NOT_FOUND, "%s: shard %s is missing: download it again", path,
                         x.shards[i]);
        }
        rc = rc ? rc : read_shard(f, &x, i, shard, err);
        free(shard);
    }
    rc = rc ? rc : tensorlist_index(&f->list, err);
out:
    shardindex_free(&x);
    buf_free(&text);
    free(folder);
    return rc;
}

int tensorfile_open(struct tensorfile **out, const char *path, struct err *err)
{
    struct tensorfile *f = mem_zero(1, sizeof *f);
    int rc = f ? 0 : err_nomem(err, "a list of tensors");
    if (!rc && shardindex_is(path)) {
        rc = read_shards(f, path, err);
    } else if (!rc) {
        f->maps = mem_zero(1, sizeof *f->maps);
        rc = f->maps ? map_and_read(f, path, &f->list, &f->format, err)
                     : err_nomem(err, "a list of tensors");
    }
    if (rc) {
        tensorfile_close(f);
        return rc;
    }
    *out = f;
    return 0;
}

void tensorfile_close(struct tensorfile *f)
{
    if (!f) {
        return;
    }
    tensorlist_free(&f->list);
    for (size_t i = 0; i < f->n_maps; i++) {
        file_unmap(&f->maps[i]);
    }
    free(f->maps);
    free(f);
}

const char *tensorfile_format(const struct tensorfile *f)
{
    return f->format;
}

size_t tensorfile_n(const struct tensorfile *f)
{
    return f->list.n;
}

const struct tensor *tensorfile_at(const struct tensorfile *f, size_t i)
{
    return &f->list.items[i];
}

const struct tensor *tensorfile_find(const struct tensorfile *f, const char *name)
{
    return tensorlist_find(&f->list, name);
}

void tensor_read_f32(const struct tensorfile *f, const struct tensor *t, float *dst)
{
    const struct file_map *map = NULL;
    for (size_t i = 0; i < f->n_maps && !map; i++) {
        const struct file_map *m = &f->maps[i];
        map = m->data && t->data >= m->data && t->data <= m->data + m->len ? m : NULL;
    }
    tensor_to_f32(t, dst, map);
}
