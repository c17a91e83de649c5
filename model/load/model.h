/*
 * model.h - a model's weights in memory, named and shaped as in TransformerLens
 *
 * Everything is f32, row-major, in one block.  Loading converts other layouts (the old one's names
 * and transposed weights; those of families.h), so nothing after model_load() knows of them: keys
 * and values that several heads share stand there for each head, an embedding that is scaled is
 * stored scaled, and W_U is there by itself.
 *
 * Threads: immutable once loaded, shared by all.
 */
#ifndef GAPSCOPE_MODEL_LOAD_MODEL_H
#define GAPSCOPE_MODEL_LOAD_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/config.h"

/* One layer.  Norm weights are NULL if the model's norm has none; all of the MLP is NULL if the
 * model is attention-only.  A bias that the file does not have is zero. */
struct layer {
    const float *ln1_w, *ln1_b;       // [d_model]
    const float *W_Q, *W_K, *W_V;     // [n_heads][d_model][d_head]
    const float *b_Q, *b_K, *b_V;     // [n_heads][d_head]
    const float *W_O;                 // [n_heads][d_head][d_model]
    const float *b_O;                 // [d_model]
    const float *ln2_w, *ln2_b;       // [d_model]
    const float *W_in;                // [d_model][d_mlp]
    const float *b_in;                // [d_mlp]
    const float *W_gate, *b_gate;     // the same, of a gated MLP: pre; W_in makes what it gates
    const float *ln_mlp_w, *ln_mlp_b; // [d_mlp], SoLU only
    const float *W_out;               // [d_mlp][d_model]
    const float *b_out;               // [d_model]
};

struct model {
    char *name; // the user's name for the model, which is the key in outputs
    char *dir;
    char *weights_path;
    struct config config;
    const float *W_E;                     // [d_vocab][d_model]
    const float *W_pos;                   // [n_ctx][d_model]; NULL with rotary positions
    struct layer *layers;                 // [n_layers]
    const float *ln_final_w, *ln_final_b; // [d_model]; NULL if the norm has none
    const float *W_U;                     // [d_model][d_vocab]
    const float *b_U;                     // [d_vocab]

    float *rotary; // [n_ctx][2][rotary_dims / 2] cosines and sines; NULL without rotary positions

    size_t n_params;  // of the model; what is shared counts once
    size_t n_tensors; // number of tensors read from the file
    char *prefix;     // what stood in front of all names in the file: "module.", ...; "": nothing
    char **unused;    // [n_unused] tensors of the file that the model does not have
    size_t n_unused;
    size_t n_floats;
    float *block; // [n_floats], into which all weights point
};

/* What makes a neuron's pre of the MLP's input: [d_model][d_mlp]. */
const float *layer_W_pre(const struct layer *layer);

/*
 * Loads dir/config.json and the weights (weights_path.h says which).  Every tensor is checked for
 * presence, shape and finiteness; those that the model does not have are of any dtype.  A prefix
 * that all weights have, as wrappers of a module leave it, is left out.  On success the caller ends
 * *out with model_free().
 * Errors: ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_UNSUPPORTED, ERR_LIMIT, ERR_NOMEM; the message
 * names the file and the tensor.
 */
int model_load(struct model **out, const char *name, const char *dir, struct err *err);

void model_free(struct model *m); // NULL is allowed

/* XXH64 of all weights in f32, in the order of 'block': it identifies a training run.  Where the
 * formula is not the usual one (LN, standard positions, usual eps and scales), it is hashed too, so
 * that two models of the same weights differ. */
uint64_t model_hash(const struct model *m);

/*
 * A site is the place where a neuron's activation is read: TransformerLens' hook_pre, hook_mid
 * (SoLU before its norm) and hook_post.
 */
enum site { SITE_DEFAULT, SITE_PRE, SITE_MID, SITE_POST };

const char *site_name(enum site site); // "pre", "mid", "post"

/* The site of this name, as --site gives it; SITE_DEFAULT for NULL.  Errors: ERR_USAGE. */
int site_parse(const char *text, enum site *out, struct err *err);

/* The site that a request means for this model: SITE_DEFAULT is mid for SoLU, post otherwise.
 * Errors: ERR_UNSUPPORTED (mid of a model that is not SoLU, any site of an attention-only one). */
int model_site(const struct model *m, enum site wish, enum site *out, struct err *err);

/* The text of --site; SITE_DEFAULT for NULL.  Errors: ERR_USAGE. */
int site_parse(const char *text, enum site *out, struct err *err);

#endif
