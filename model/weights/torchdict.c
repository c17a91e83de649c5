#include "model/weights/torchdict.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* --- storages -------------------------------------------------------------------------------- */

bool torchdict_is_text(const struct pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && v->text_len == strlen(text) &&
           memcmp(v->text, text, v->text_len) == 0;
}

/* Reads a whole number from 0. */
static bool read_size(const struct pickle_value *v, size_t *out)
{
    if (v->kind != PICKLE_INT || v->integer < 0) {
        return false;
    }
    *out = (size_t)v->integer;
    return true;
}

bool torchdict_key(const struct pickle_value *v, char key[TORCHDICT_KEY_DIGITS + 1])
{
    if (v->kind != PICKLE_TEXT || v->text_len == 0 || v->text_len > TORCHDICT_KEY_DIGITS) {
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

/* Reads ("storage", XStorage, key, location, elements); legacy files add a None. */
static int read_storage(const struct pickle_value *id, struct torchdict_storage *out,
                        struct err *err)
{
    if (id->n_items == 0 || !torchdict_is_text(id->items[0], "storage")) {
        return err_set(err, ERR_UNSUPPORTED,
                       "a persistent id that is not a storage (a whole module?): save only "
                       "model.state_dict()");
    }
    if (id->n_items < 5 || id->n_items > 6) {
        return err_set(err, ERR_FORMAT, "a storage of %zu items", id->n_items);
    }
    if (!torchdict_key(id->items[2], out->key)) {
        const struct pickle_value *key = id->items[2];
        const bool text = key->kind == PICKLE_TEXT;
        return err_set(err, ERR_FORMAT, "a storage's key is \"%.*s\"; expected digits",
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

int torchdict_storages(struct torchdict_storages *out, const struct pickle *p, struct err *err)
{
    *out = (struct torchdict_storages){.items = mem_zero(p->n_persistents, sizeof *out->items)};
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

/* Checks that all elements of t, from element 'offset' of the storage on, are in the storage. */
static int check_extent(const struct tensor *t, size_t offset, const struct torchdict_storage *s,
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

/* Reads the arguments of _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad,
 * backward_hooks[, metadata]). */
static int read_tensor(const struct pickle_value *args, const struct torchdict_storages *storages,
                       struct tensor *t, struct err *err)
{
    if (args->n_items < 6 || args->n_items > 7 || args->items[0]->kind != PICKLE_PERSISTENT) {
        return err_set(err, ERR_FORMAT, "not the arguments of _rebuild_tensor_v2");
    }
    const struct torchdict_storage *s = &storages->items[args->items[0]->number];
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

/* Reads a dict's value, which is a tensor or a parameter around one. */
static int read_value(const struct pickle_value *v, const struct torchdict_storages *storages,
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

int torchdict_read(struct tensorlist *out, const struct pickle *p,
                   const struct torchdict_storages *storages, struct err *err)
{
    const struct pickle_value *dict = p->root;
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

void torchdict_free(struct torchdict_storages *storages)
{
    free(storages->items);
    *storages = (struct torchdict_storages){0};
}
