#include "model/weights/tensorfile.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/foreign.h"
#include "corpora/base/mem.h"
#include "model/weights/safetensors.h"
#include "model/weights/tensorlist.h"
#include "model/weights/torchfile.h"

struct tensorfile {
    const char *format;
    struct tensorlist list;
    struct file_map map; // {0} for bytes in memory
};

/* Finds the format and reads the file.  A safetensors file may begin with any byte (it is a
 * length), but has the '{' of its header at byte 8, where neither torch format can have one. */
static int read_any(struct tensorfile *f, const unsigned char *bytes, size_t len, struct err *err)
{
    if (len > 8 && bytes[8] == '{') {
        f->format = "safetensors";
        return safetensors_read(&f->list, bytes, len, err);
    }
    if (len >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) {
        f->format = "torch zip";
        return torchfile_read_zip(&f->list, bytes, len, err);
    }
    if (torchfile_is_legacy(bytes, len)) {
        f->format = "torch legacy";
        return torchfile_read_legacy(&f->list, bytes, len, err);
    }
    if (len > 0 && bytes[0] == 0x80) {
        return err_set(err, ERR_FORMAT,
                       "a pickle, but not one that torch.save wrote: no magic number");
    }
    const int rc = foreign_refuse(bytes, len, err);
    return rc ? rc
              : err_set(err, ERR_FORMAT, "unknown format: neither a torch file nor safetensors");
}

static int new_file(struct tensorfile **out, struct file_map map, const void *bytes, size_t len,
                    struct err *err)
{
    struct tensorfile *f = mem_zero(1, sizeof *f);
    if (!f) {
        return err_nomem(err, "a list of tensors");
    }
    const int rc = read_any(f, bytes, len, err);
    if (rc) {
        tensorfile_close(f);
        return rc;
    }
    f->map = map;
    *out = f;
    return 0;
}

int tensorfile_open(struct tensorfile **out, const char *path, struct err *err)
{
    struct file_map map;
    int rc = file_map(&map, path, err);
    if (rc) {
        return rc;
    }
    rc = new_file(out, map, map.data, map.len, err);
    file_map_done_with(&map, 0, map.len); // the check of the CRCs has read it all
    if (rc) {
        file_unmap(&map);
        err_prefix(err, "%s", path);
    }
    return rc;
}

int tensorfile_parse(struct tensorfile **out, const void *bytes, size_t len, struct err *err)
{
    return new_file(out, (struct file_map){0}, bytes, len, err);
}

void tensorfile_close(struct tensorfile *f)
{
    if (!f) {
        return;
    }
    tensorlist_free(&f->list);
    file_unmap(&f->map);
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
    tensor_to_f32(t, dst, &f->map);
}
