#include "model/weights/torchdict.h"

#include <stdint.h>
#include <stdio.h>
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

/* Classes of storages, with the bytes of an element. */
static const struct {
    enum pickle_global global;
    enum dtype dtype;
    size_t bytes;
} classes[] = {
    {PICKLE_FLOAT_STORAGE, DTYPE_F32, 4},
    {PICKLE_HALF_STORAGE, DTYPE_F16, 2},
    {PICKLE_BFLOAT16_STORAGE, DTYPE_BF16, 2},
    {PICKLE_DOUBLE_STORAGE, DTYPE_F64, 8},
    {PICKLE_LONG_STORAGE, DTYPE_I64, 8},
    {PICKLE_INT_STORAGE, DTYPE_I32, 4},
    {PICKLE_SHORT_STORAGE, DTYPE_I16, 2},
    {PICKLE_CHAR_STORAGE, DTYPE_I8, 1},
    {PICKLE_BYTE_STORAGE, DTYPE_U8, 1},
    {PICKLE_BOOL_STORAGE, DTYPE_BOOL, 1},
    {PICKLE_COMPLEX_FLOAT_STORAGE, DTYPE_UNREAD, 8},
    {PICKLE_COMPLEX_DOUBLE_STORAGE, DTYPE_UNREAD, 16},
    {PICKLE_UNTYPED_STORAGE, DTYPE_UNREAD, 1},
};

/* Dtypes that a tensor in an untyped storage has; none of them is read. */
static const struct {
    enum pickle_global global;
    const char *name;
    size_t bytes;
} untyped[] = {
    {PICKLE_FLOAT8_E4M3FN, "float8_e4m3fn", 1},
    {PICKLE_FLOAT8_E5M2, "float8_e5m2", 1},
    {PICKLE_FLOAT8_E4M3FNUZ, "float8_e4m3fnuz", 1},
    {PICKLE_FLOAT8_E5M2FNUZ, "float8_e5m2fnuz", 1},
    {PICKLE_FLOAT8_E8M0FNU, "float8_e8m0fnu", 1},
    {PICKLE_UINT16, "uint16", 2},
    {PICKLE_UINT32, "uint32", 4},
    {PICKLE_UINT64, "uint64", 8},
};

static bool read_class(const struct pickle_value *v, struct torchdict_storage *out)
{
    for (size_t i = 0; v->kind == PICKLE_GLOBAL && i < sizeof classes / sizeof *classes; i++) {
        if (classes[i].global == v->global) {
            out->dtype = classes[i].dtype;
            out->item_bytes = classes[i].bytes;
            return true;
        }
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
    if (!read_class(id->items[1], out)) {
        return err_set(err, ERR_FORMAT, "storage %s is of no known class", out->key);
    }
    size_t bytes;
    if (!read_size(id->items[4], &out->n) || !mem_mul(out->n, out->item_bytes, &bytes)) {
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

/* Checks that all elements of t, from element 'offset' of the storage on, are in the storage, which
 * has n of them.  *past: the element behind the last. */
static int check_extent(const struct tensor *t, size_t offset, const struct torchdict_storage *s,
                        size_t n, size_t *past, struct err *err)
{
    size_t last = offset;
    bool fits = true;
    for (size_t i = 0; i < t->n_dims && t->n > 0; i++) {
        size_t reach = 0;
        fits = fits && mem_mul(t->shape[i] - 1, t->stride[i], &reach) && reach <= SIZE_MAX - last;
        last += reach;
    }
    if (!fits || (t->n > 0 ? last >= n : last > n)) {
        return err_set(err, ERR_FORMAT,
                       "shape %s from element %zu reaches outside of storage %s of %zu elements",
                       tensor_shape_text(t).text, offset, s->key, n);
    }
    *past = t->n > 0 ? last + 1 : last;
    return 0;
}

/* Sets the dtype of t in storage s, 'dtype': what _rebuild_tensor_v3 is given, or NULL.  *item_bytes:
 * of an element. */
static int read_dtype(const struct torchdict_storage *s, const struct pickle_value *dtype,
                      struct tensor *t, size_t *item_bytes, struct err *err)
{
    t->dtype = s->dtype;
    *item_bytes = s->item_bytes;
    if (s->dtype != DTYPE_UNREAD && !dtype) {
        return 0;
    }
    if (s->dtype == DTYPE_UNREAD && s->item_bytes > 1 && !dtype) {
        snprintf(t->unread, sizeof t->unread, "complex%zu", 8 * s->item_bytes);
        return 0;
    }
    const bool is_untyped = s->dtype == DTYPE_UNREAD && s->item_bytes == 1;
    for (size_t i = 0; i < sizeof untyped / sizeof *untyped && is_untyped && dtype; i++) {
        if (dtype->kind == PICKLE_GLOBAL && dtype->global == untyped[i].global) {
            snprintf(t->unread, sizeof t->unread, "%s", untyped[i].name);
            *item_bytes = untyped[i].bytes;
            return 0;
        }
    }
    return err_set(err, ERR_FORMAT, "its dtype does not go with storage %s", s->key);
}

/* Reads the arguments of _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad,
 * backward_hooks[, metadata]), or of _rebuild_tensor_v3, which has a dtype before metadata. */
static int read_tensor(const struct pickle_value *call, const struct torchdict_storages *storages,
                       struct tensor *t, struct err *err)
{
    const struct pickle_value *args = call->args;
    const size_t n_args = call->global == PICKLE_REBUILD_TENSOR_V3 ? 7 : 6;
    if (args->n_items < n_args || args->n_items > n_args + 1 ||
        args->items[0]->kind != PICKLE_PERSISTENT) {
        return err_set(err, ERR_FORMAT, "not the arguments of _rebuild_tensor_v%d",
                       n_args == 7 ? 3 : 2);
    }
    const struct torchdict_storage *s = &storages->items[args->items[0]->number];
    const struct pickle_value *sizes = args->items[2];
    t->n_dims = sizes->kind == PICKLE_TUPLE ? sizes->n_items : 0;
    if (t->n_dims > TENSOR_MAX_DIMS) {
        return err_set(err, ERR_UNSUPPORTED, "%zu dimensions; at most %d are read", t->n_dims,
                       TENSOR_MAX_DIMS);
    }
    size_t offset, item_bytes, past = 0;
    int rc = read_dtype(s, n_args == 7 ? args->items[6] : NULL, t, &item_bytes, err);
    if (rc) {
        return rc;
    }
    if (!read_size(args->items[1], &offset)) {
        return err_set(err, ERR_FORMAT, "its storage offset is not a whole number from 0");
    }
    if (!read_sizes(sizes, t->shape, t->n_dims)) {
        return err_set(err, ERR_FORMAT, "its sizes are not whole numbers from 0");
    }
    if (!read_sizes(args->items[3], t->stride, t->n_dims)) {
        return err_set(err, ERR_FORMAT, "its strides are not a whole number from 0 for each size");
    }
    rc = tensor_count(t, err);
    if (!rc) {
        rc = check_extent(t, offset, s, s->n * s->item_bytes / item_bytes, &past, err);
    }
    if (!rc) {
        t->data = s->data + offset * item_bytes;
        t->unread_bytes = t->dtype == DTYPE_UNREAD ? (past - offset) * item_bytes : 0;
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
            args->items[0]->global == PICKLE_REBUILD_PARAMETER) {
            return err_set(err, ERR_FORMAT, "not the arguments of _rebuild_parameter");
        }
        v = args->items[0];
    }
    return read_tensor(v, storages, t, err);
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
