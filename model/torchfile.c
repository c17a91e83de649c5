/*
 * What torch.save writes for a dict of tensors (torch/serialization.py):
 *
 * A tensor is pickled as _rebuild_tensor_v2(storage, offset, sizes, strides, ...), a parameter as
 * _rebuild_parameter(tensor, ...), and a storage as the persistent id ("storage", XStorage, key,
 * location, elements); offset and strides count elements.  Several tensors may share a storage.
 *
 *   zip:    DIR/data.pkl      the pickle; DIR is any name without a slash
 *           DIR/data/KEY      a storage's elements
 *           DIR/byteorder     "little" or "big" (torch >= 2.0); other entries do not matter here
 *
 *   legacy: a pickle each of a magic number, 1001, a dict about the writer, the dict of tensors,
 *           and the list of keys; then for each key int64 elements and the elements
 */
#include "model/torchfile.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/le.h"
#include "model/pickle.h"
#include "model/zip.h"
#include "scan/base/mem.h"

#define LEGACY_PROTOCOL 1001

/* Keys are small numbers (zip) or addresses (legacy). */
#define MAX_KEY_DIGITS 20

struct storage {
    char key[MAX_KEY_DIGITS + 1];
    enum dtype dtype;
    size_t n;                  // elements
    const unsigned char *data; // [n] elements, in the file; NULL until it is found
};

/* The storages of a pickle, by the number of the persistent id. */
struct storages {
    struct storage *items; // [n]
    size_t n;
};

/* --- storages -------------------------------------------------------------------------------- */

static bool is_text(const struct pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && v->text_len == strlen(text) &&
           memcmp(v->text, text, v->text_len) == 0;
}

/* A whole number from 0. */
static bool read_size(const struct pickle_value *v, size_t *out)
{
    if (v->kind != PICKLE_INT || v->integer < 0) {
        return false;
    }
    *out = (size_t)v->integer;
    return true;
}

static bool read_key(const struct pickle_value *v, char key[MAX_KEY_DIGITS + 1])
{
    if (v->kind != PICKLE_TEXT || v->text_len == 0 || v->text_len > MAX_KEY_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < v->text_len; i++) {
        if (v->text[i] < '0' || v->text[i] > '9') {
            return false;
        }
    }
    memcpy(key, v->text, v->text_len);
    key[v->text_len] = '\0';
    return true;
}

static bool storage_dtype(const struct pickle_value *v, enum dtype *out)
{
    if (v->kind != PICKLE_GLOBAL) {
        return false;
    }
    switch (v->global) {
    case PICKLE_FLOAT_STORAGE:
        *out = DTYPE_F32;
        return true;
    case PICKLE_HALF_STORAGE:
        *out = DTYPE_F16;
        return true;
    case PICKLE_BFLOAT16_STORAGE:
        *out = DTYPE_BF16;
        return true;
    case PICKLE_DOUBLE_STORAGE:
        *out = DTYPE_F64;
        return true;
    case PICKLE_LONG_STORAGE:
        *out = DTYPE_I64;
        return true;
    case PICKLE_INT_STORAGE:
        *out = DTYPE_I32;
        return true;
    case PICKLE_SHORT_STORAGE:
        *out = DTYPE_I16;
        return true;
    case PICKLE_CHAR_STORAGE:
        *out = DTYPE_I8;
        return true;
    case PICKLE_BYTE_STORAGE:
        *out = DTYPE_U8;
        return true;
    case PICKLE_BOOL_STORAGE:
        *out = DTYPE_BOOL;
        return true;
    case PICKLE_ORDERED_DICT:
    case PICKLE_REBUILD_TENSOR:
    case PICKLE_REBUILD_PARAMETER:
        break;
    }
    return false;
}

/* ("storage", XStorage, key, location, elements), in legacy files with a last None. */
static int read_storage(const struct pickle_value *id, struct storage *out, struct err *err)
{
    if (id->n_items == 0 || !is_text(id->items[0], "storage")) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a persistent id that is no storage (a whole module?): save only "
                       "model.state_dict()");
    }
    if (id->n_items < 5 || id->n_items > 6) {
        return err_set(err, ERR_FORMAT, "a storage of %zu items", id->n_items);
    }
    if (!read_key(id->items[2], out->key)) {
        const struct pickle_value *key = id->items[2];
        const bool text = key->kind == PICKLE_TEXT;
        return err_set(err, ERR_FORMAT, "a storage's key is \"%.*s\"; digits are wanted",
                       text && key->text_len < 100 ? (int)key->text_len
                       : text                      ? 100
                                                   : 0,
                       text ? key->text : "");
    }
    if (!storage_dtype(id->items[1], &out->dtype)) {
        return err_set(err, ERR_FORMAT, "storage %s is of no known class", out->key);
    }
    size_t bytes;
    if (!read_size(id->items[4], &out->n) || !mem_mul(out->n, dtype_bytes(out->dtype), &bytes)) {
        return err_set(err, ERR_FORMAT, "storage %s has no possible size", out->key);
    }
    if (id->n_items == 6 && id->items[5]->kind != PICKLE_NONE) {
        return err_set(err, ERR_UNSUPPORTED, "storage %s is a view of another", out->key);
    }
    return 0;
}

static int read_storages(struct storages *out, const struct pickle *p, struct err *err)
{
    out->items = mem_zero(p->n_persistents, sizeof *out->items);
    if (!out->items) {
        return err_nomem(err, "the list of storages");
    }
    for (const struct pickle_item *i = p->persistents->first; i; i = i->next) {
        const int rc = read_storage(i->value->args, &out->items[out->n], err);
        if (rc) {
            return rc;
        }
        out->n++;
    }
    return 0;
}

/* --- tensors --------------------------------------------------------------------------------- */

/* Reads a tuple of whole numbers from 0. */
static bool read_sizes(const struct pickle_value *v, size_t *out, size_t n)
{
    if (v->kind != PICKLE_TUPLE || v->n_items != n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_size(v->items[i], &out[i])) {
            return false;
        }
    }
    return true;
}

/* All elements of t from element 'offset' on lie in the storage. */
static int check_extent(const struct tensor *t, size_t offset, const struct storage *s,
                        struct err *err)
{
    size_t last = offset;
    bool fits = true;
    for (size_t i = 0; i < t->n_dims && t->n > 0; i++) {
        size_t reach = 0;
        fits = fits && mem_mul(t->shape[i] - 1, t->stride[i], &reach) && reach <= SIZE_MAX - last;
        last += reach;
    }
    if (!fits || (t->n > 0 ? last >= s->n : last > s->n)) {
        return err_set(err, ERR_FORMAT,
                       "shape %s from element %zu reaches outside of storage %s of %zu elements",
                       tensor_shape_text(t).text, offset, s->key, s->n);
    }
    return 0;
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks[, metadata]) */
static int read_tensor(const struct pickle_value *args, const struct storages *storages,
                       struct tensor *t, struct err *err)
{
    if (args->n_items < 6 || args->n_items > 7 || args->items[0]->kind != PICKLE_PERSISTENT) {
        return err_set(err, ERR_FORMAT, "not the arguments of _rebuild_tensor_v2");
    }
    const struct storage *s = &storages->items[args->items[0]->number];
    const struct pickle_value *sizes = args->items[2];
    t->dtype = s->dtype;
    t->n_dims = sizes->kind == PICKLE_TUPLE ? sizes->n_items : 0;
    if (t->n_dims > TENSOR_MAX_DIMS) {
        return err_set(err, ERR_UNSUPPORTED, "%zu dimensions; at most %d are read", t->n_dims,
                       TENSOR_MAX_DIMS);
    }
    size_t offset;
    if (!read_size(args->items[1], &offset)) {
        return err_set(err, ERR_FORMAT, "its storage offset is not a whole number from 0");
    }
    if (!read_sizes(sizes, t->shape, t->n_dims)) {
        return err_set(err, ERR_FORMAT, "its sizes are not whole numbers from 0");
    }
    if (!read_sizes(args->items[3], t->stride, t->n_dims)) {
        return err_set(err, ERR_FORMAT, "its strides are not a whole number from 0 for each size");
    }
    int rc = tensor_count(t, err);
    if (!rc) {
        rc = check_extent(t, offset, s, err);
    }
    if (!rc) {
        t->data = s->data + offset * dtype_bytes(s->dtype);
    }
    return rc;
}

/* A dict's value: a tensor, or a parameter around one. */
static int read_value(const struct pickle_value *v, const struct storages *storages,
                      struct tensor *t, struct err *err)
{
    if (v->kind == PICKLE_DICT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "is a dict, not a tensor: of a checkpoint save only the state dict");
    }
    if (v->kind != PICKLE_CALL) {
        return err_set(err, ERR_UNSUPPORTED, "is %s, not a tensor: save only model.state_dict()",
                       pickle_kind_name(v->kind));
    }
    if (v->global == PICKLE_REBUILD_PARAMETER) {
        const struct pickle_value *args = v->args;
        if (args->n_items != 3 || args->items[0]->kind != PICKLE_CALL ||
            args->items[0]->global != PICKLE_REBUILD_TENSOR) {
            return err_set(err, ERR_FORMAT, "not the arguments of _rebuild_parameter");
        }
        v = args->items[0];
    }
    return read_tensor(v->args, storages, t, err);
}

static int read_dict(struct tensorlist *out, const struct pickle_value *dict,
                     const struct storages *storages, struct err *err)
{
    if (dict->kind != PICKLE_DICT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "holds %s, not a dict of tensors: save model.state_dict()",
                       pickle_kind_name(dict->kind));
    }
    for (const struct pickle_item *i = dict->first; i; i = i->next) {
        if (i->key->kind != PICKLE_TEXT) {
            return err_set(err, ERR_UNSUPPORTED, "key %zu of the dict is %s, not a tensor's name",
                           out->n, pickle_kind_name(i->key->kind));
        }
        const char *name = i->key->text;
        const size_t name_len = i->key->text_len;
        struct tensor t = {0};
        int rc = read_value(i->value, storages, &t, err);
        if (rc) {
            err_prefix(err, "\"%.*s\"", name_len < 200 ? (int)name_len : 200, name);
            return rc;
        }
        rc = tensorlist_add(out, name, name_len, &t, err);
        if (rc) {
            return rc;
        }
    }
    return tensorlist_index(out, err);
}

/* --- zip ------------------------------------------------------------------------------------- */

/* The entry "DIR/data.pkl"; *dir_len is the length of DIR. */
static int find_pickle(const struct zip *z, const struct zip_entry **out, size_t *dir_len,
                       struct err *err)
{
    static const char suffix[] = "/data.pkl";
    const size_t n = sizeof suffix - 1;
    *out = NULL;
    for (size_t i = 0; i < z->n; i++) {
        const struct zip_entry *e = &z->entries[i];
        if (e->name_len <= n || memcmp(e->name + e->name_len - n, suffix, n) != 0 ||
            memchr(e->name, '/', e->name_len - n)) {
            continue;
        }
        if (*out) {
            return err_set(err, ERR_FORMAT, "both \"%.*s\" and \"%.*s\" are there",
                           (int)(*out)->name_len, (*out)->name, (int)e->name_len, e->name);
        }
        *out = e;
        *dir_len = e->name_len - n;
    }
    return *out ? 0
                : err_set(err, ERR_FORMAT, "a zip archive without a data.pkl: not a torch file");
}

/* The entry "DIR/name", or NULL where there is none or no memory to look. */
static const struct zip_entry *find_record(const struct zip *z, const char *dir, size_t dir_len,
                                           const char *name)
{
    struct buf path = {0};
    const struct zip_entry *e = NULL;
    if (buf_printf(&path, NULL, "%.*s/%s", (int)dir_len, dir, name) == 0) {
        e = zip_find(z, path.data);
    }
    buf_free(&path);
    return e;
}

static int check_byte_order(const struct zip *z, const char *dir, size_t dir_len, struct err *err)
{
    const struct zip_entry *e = find_record(z, dir, dir_len, "byteorder");
    if (!e || (e->len == 6 && memcmp(e->data, "little", 6) == 0)) {
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "byte order \"%.*s\"; only \"little\" is read",
                   e->len < 20 ? (int)e->len : 20, (const char *)e->data);
}

static int locate_in_zip(struct storages *storages, const struct zip *z, const char *dir,
                         size_t dir_len, struct err *err)
{
    for (size_t i = 0; i < storages->n; i++) {
        struct storage *s = &storages->items[i];
        char name[MAX_KEY_DIGITS + sizeof "data/"];
        snprintf(name, sizeof name, "data/%s", s->key);
        const struct zip_entry *e = find_record(z, dir, dir_len, name);
        if (!e) {
            return err_set(err, ERR_FORMAT, "no entry \"%.*s/%s\"", (int)dir_len, dir, name);
        }
        if (s->n * dtype_bytes(s->dtype) > e->len) {
            return err_set(err, ERR_FORMAT, "entry \"%.*s/%s\": %zu elements of %s in %zu bytes",
                           (int)dir_len, dir, name, s->n, dtype_name(s->dtype), e->len);
        }
        s->data = e->data;
    }
    return 0;
}

int torchfile_read_zip(struct tensorlist *out, const unsigned char *bytes, size_t len,
                       struct err *err)
{
    struct zip z = {0};
    struct pickle p = {0};
    struct storages storages = {0};
    const struct zip_entry *e = NULL;
    size_t dir_len = 0;
    int rc = zip_open(&z, bytes, len, err);
    if (rc) {
        return rc;
    }
    rc = find_pickle(&z, &e, &dir_len, err);
    if (!rc) {
        rc = check_byte_order(&z, e->name, dir_len, err);
    }
    if (rc) {
        goto out;
    }
    rc = pickle_read(&p, e->data, e->len, err);
    if (!rc && p.used != e->len) {
        rc = err_set(err, ERR_FORMAT, "byte %zu: %zu bytes after the pickle", p.used,
                     e->len - p.used);
    }
    if (rc) {
        err_prefix(err, "%.*s%s", (int)e->name_len, e->name,
                   zip_entry_is_intact(e) ? "" : " (damaged: it does not match its CRC)");
        goto out;
    }
    rc = read_storages(&storages, &p, err);
    if (!rc) {
        rc = locate_in_zip(&storages, &z, e->name, dir_len, err);
    }
    if (!rc) {
        rc = read_dict(out, p.root, &storages, err);
    }
    // A pass over the whole file (0.2 s a gigabyte): a flipped bit in a weight would go unseen into
    // every number of a run.  It comes last, so that what is wrong by intent is named as that.
    if (!rc) {
        rc = zip_check(&z, err);
    }
out:
    free(storages.items);
    pickle_free(&p);
    zip_close(&z);
    return rc;
}

/* --- legacy ---------------------------------------------------------------------------------- */

/* Length of the pickle of the magic number 0x1950a86a20f9469cfc6c at bytes[0]; 0: there is none.
 * It is too long a number for pickle_read(), and always written in one of two ways. */
static size_t magic_len(const unsigned char *bytes, size_t len)
{
    static const unsigned char frame[] = {0x95, 13, 0, 0, 0, 0, 0, 0, 0}; // from protocol 4 on
    static const unsigned char magic[] = {0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                          0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    size_t at = 2; // PROTO n
    if (len < at || bytes[0] != 0x80) {
        return 0;
    }
    if (len - at >= sizeof frame && memcmp(bytes + at, frame, sizeof frame) == 0) {
        at += sizeof frame;
    }
    if (len - at < sizeof magic || memcmp(bytes + at, magic, sizeof magic) != 0) {
        return 0;
    }
    return at + sizeof magic;
}

bool torchfile_is_legacy(const unsigned char *bytes, size_t len)
{
    return magic_len(bytes, len) > 0;
}

/* The pickle at bytes[*at], and *at moved behind it. */
static int next_pickle(struct pickle *out, const unsigned char *bytes, size_t len, size_t *at,
                       const char *what, struct err *err)
{
    const int rc = pickle_read(out, bytes + *at, len - *at, err);
    if (rc) {
        err_prefix(err, "the pickle of %s, from byte %zu", what, *at);
        return rc;
    }
    *at += out->used;
    return 0;
}

static int check_protocol(const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    struct pickle p;
    int rc = next_pickle(&p, bytes, len, at, "the protocol", err);
    if (!rc && (p.root->kind != PICKLE_INT || p.root->integer != LEGACY_PROTOCOL)) {
        rc = err_set(err, ERR_UNSUPPORTED, "a torch file of another protocol than %d",
                     LEGACY_PROTOCOL);
    }
    pickle_free(&p);
    return rc;
}

static int check_writer(const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    struct pickle p;
    int rc = next_pickle(&p, bytes, len, at, "the writer", err);
    if (rc) {
        return rc;
    }
    bool little = false;
    const bool is_dict = p.root->kind == PICKLE_DICT;
    for (const struct pickle_item *i = is_dict ? p.root->first : NULL; i; i = i->next) {
        if (is_text(i->key, "little_endian")) {
            little = i->value->kind == PICKLE_BOOL && i->value->integer;
        }
    }
    if (!little) {
        rc = err_set(err, ERR_UNSUPPORTED, "not written by a little-endian machine");
    }
    pickle_free(&p);
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const struct storage *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Takes the storage of 'key' from bytes[*at] on and moves *at behind it.  'sorted' holds the
 * storages by key; equal keys are one storage. */
static int locate_key(struct storage **sorted, size_t n, const char *key,
                      const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t middle = lo + (hi - lo) / 2;
        if (strcmp(sorted[middle]->key, key) < 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    if (lo == n || strcmp(sorted[lo]->key, key) != 0) {
        return err_set(err, ERR_FORMAT, "storage %s belongs to no tensor", key);
    }
    const struct storage *first = sorted[lo];
    if (first->data) {
        return err_set(err, ERR_FORMAT, "storage %s is listed twice", key);
    }
    if (len - *at < 8) {
        return err_set(err, ERR_TRUNCATED, "the file ends before storage %s", key);
    }
    const uint64_t said = le_u64(bytes + *at);
    const size_t size = first->n * dtype_bytes(first->dtype);
    if (said != first->n) {
        return err_set(err, ERR_FORMAT, "byte %zu: storage %s has %llu elements, not %zu", *at, key,
                       (unsigned long long)said, first->n);
    }
    *at += 8;
    if (size > len - *at) {
        return err_set(err, ERR_TRUNCATED,
                       "storage %s has %zu bytes, of which %zu are there: the file was cut short; "
                       "fetch it again",
                       key, size, len - *at);
    }
    for (size_t i = lo; i < n && strcmp(sorted[i]->key, key) == 0; i++) {
        if (sorted[i]->n != first->n || sorted[i]->dtype != first->dtype) {
            return err_set(err, ERR_FORMAT, "storage %s has two sizes or classes", key);
        }
        sorted[i]->data = bytes + *at;
    }
    *at += size;
    return 0;
}

static int locate_in_legacy(struct storages *storages, const struct pickle_value *keys,
                            const unsigned char *bytes, size_t len, size_t *at, struct err *err)
{
    if (keys->kind != PICKLE_LIST) {
        return err_set(err, ERR_FORMAT, "the storages' keys are %s", pickle_kind_name(keys->kind));
    }
    struct storage **sorted = mem_new(storages->n, sizeof *sorted);
    if (!sorted) {
        return err_nomem(err, "the list of storages");
    }
    for (size_t i = 0; i < storages->n; i++) {
        sorted[i] = &storages->items[i];
    }
    qsort(sorted, storages->n, sizeof *sorted, by_key);
    int rc = 0;
    for (const struct pickle_item *i = keys->first; i && !rc; i = i->next) {
        char key[MAX_KEY_DIGITS + 1];
        rc = read_key(i->value, key)
                 ? locate_key(sorted, storages->n, key, bytes, len, at, err)
                 : err_set(err, ERR_FORMAT, "a storage's key that is no number");
    }
    for (size_t i = 0; i < storages->n && !rc; i++) {
        if (!sorted[i]->data) {
            rc = err_set(err, ERR_FORMAT, "storage %s is not in the list of keys", sorted[i]->key);
        }
    }
    free(sorted);
    return rc;
}

int torchfile_read_legacy(struct tensorlist *out, const unsigned char *bytes, size_t len,
                          struct err *err)
{
    struct pickle tensors = {0}, keys = {0};
    struct storages storages = {0};
    size_t at = magic_len(bytes, len);
    int rc = check_protocol(bytes, len, &at, err);
    if (!rc) {
        rc = check_writer(bytes, len, &at, err);
    }
    if (!rc) {
        rc = next_pickle(&tensors, bytes, len, &at, "the tensors", err);
    }
    if (!rc) {
        rc = next_pickle(&keys, bytes, len, &at, "the keys", err);
    }
    if (!rc) {
        rc = read_storages(&storages, &tensors, err);
    }
    if (!rc) {
        rc = locate_in_legacy(&storages, keys.root, bytes, len, &at, err);
    }
    if (!rc && at != len) {
        rc = err_set(err, ERR_FORMAT, "byte %zu: %zu bytes after the last storage", at, len - at);
    }
    if (!rc) {
        rc = read_dict(out, tensors.root, &storages, err);
    }
    free(storages.items);
    pickle_free(&tensors);
    pickle_free(&keys);
    return rc;
}
