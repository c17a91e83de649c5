/*
 * torchdict.h - reads the tensors that torch's pickle of a dict describes
 *
 *     torchdict_storages -> set 'data' of each storage -> torchdict_read -> torchdict_free
 *
 * A tensor is pickled as _rebuild_tensor_v2(storage, offset, sizes, strides, ...), a parameter as
 * _rebuild_parameter(tensor, ...), and a storage as the persistent id ("storage", XStorage, key,
 * location, elements); offset and strides count elements.  Several tensors may share a storage.
 * The file's format decides where a storage's elements are.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_TORCHDICT_H
#define GAPSCOPE_MODEL_WEIGHTS_TORCHDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/pickle.h"
#include "model/weights/tensorlist.h"

/* Keys are small numbers (zip) or addresses (legacy). */
#define TORCHDICT_KEY_DIGITS 20

/* One persistent id; ids with equal keys mean the same elements. */
struct torchdict_storage {
    char key[TORCHDICT_KEY_DIGITS + 1]; // digits
    enum dtype dtype;          // DTYPE_UNREAD: the elements are complex, or bytes of any dtype
    size_t item_bytes;         // of an element
    size_t n;                  // elements; n * item_bytes fits
    const unsigned char *data; // [n] elements, in the file; NULL until it is found
};

/* The storages, by the number of their persistent id. */
struct torchdict_storages {
    struct torchdict_storage *items; // [n]
    size_t n;
};

/* Reads the pickle's storages.  The caller ends *out with torchdict_free(), also after an error.
 * Errors: ERR_FORMAT, ERR_UNSUPPORTED, ERR_NOMEM. */
int torchdict_storages(struct torchdict_storages *out, const struct pickle *p, struct err *err);

/* Adds the tensors of p's dict, which are views into the storages' data, to *out and indexes it.
 * Errors: ERR_FORMAT, ERR_UNSUPPORTED (anything but a dict of tensors), ERR_NOMEM. */
int torchdict_read(struct tensorlist *out, const struct pickle *p,
                   const struct torchdict_storages *storages, struct err *err);

void torchdict_free(struct torchdict_storages *storages);

/* Copies a storage's key; false: v is not a key. */
bool torchdict_key(const struct pickle_value *v, char key[TORCHDICT_KEY_DIGITS + 1]);

/* Whether v is this text. */
bool torchdict_is_text(const struct pickle_value *v, const char *text);

#endif
