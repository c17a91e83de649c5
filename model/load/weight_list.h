/*
 * weight_list.h - which tensors of a file are which weights of a model
 */
#ifndef GAPSCOPE_MODEL_LOAD_WEIGHT_LIST_H
#define GAPSCOPE_MODEL_LOAD_WEIGHT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "model/load/model.h"
#include "model/weights/tensor.h"

#define PARAM_DIMS ((size_t)4)

/* A dimension of what is read: n steps along an axis of the tensor; step 0: the same again. */
struct param_dim {
    size_t n, axis, step;
};

/* One weight of the model: its tensor in the file and its place in memory. */
struct param {
    char name[96];     // "": it is in no file, and is zero
    const float **dst; // NULL: the tensor is known, and not read
    size_t n_dims;
    size_t shape[3]; // of the tensor
    bool optional;   // a bias: zero if the file has none
    bool transposed; // the file has the last two axes swapped
    bool outside;    // the name stands behind the family's prefix no more: lm_head
    size_t n;        // number of elements in memory
    size_t n_own;    // of them, those that are parameters of their own
    size_t n_view;   // 0: all of the tensor, in its order
    struct param_dim view[PARAM_DIMS]; // [n_view]
    size_t from_axis, from;            // which begins at this place of an axis
    float times, plus;                 // x times + plus; times 0: 1
};

/* The list while it is made.  It remembers a failure, so that the code reads like a list. */
struct params {
    struct param *items; // [n]
    size_t n, cap;
    char prefix[64];             // for the names that are added: "blocks.0." or ""
    const struct family *family; // NULL: TransformerLens' names
    const char *outer; // [outer_len] stands in front of all names in the file: "module." or ""
    size_t outer_len;
    struct err *err;
    int rc;
};

/* Lists every weight of m by the file's names; p->rc is the result.  Errors: ERR_NOMEM, ERR_LIMIT. */
void weight_list(struct params *p, struct model *m);

/* Makes *view, which is all of p's tensor, what p takes of it. */
void param_view(const struct param *p, struct tensor *view);

#endif
