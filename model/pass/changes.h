/*
 * changes.h - what makes a changed model of a model: which component is replaced, by what, and who
 * reads the replacement
 *
 *     M@zero.L1H3,mean.L0MLP,resample.L0H2-L1H1.q
 *
 *     CHANGE   VERB.WHAT | VERB.WHAT-READER
 *     VERB     zero | mean | resample
 *     WHAT     L1H3  a head's z (hook_z; b_O stays)      L1H*  each head of the layer
 *              L0MLP its whole output (hook_mlp_out)
 *              L0N424  a neuron's post (hook_post)       L0N*  each neuron of the layer
 *              of an edge also embed, pos_embed, L0b_O, and * (the whole stream)
 *     READER   L2H1.q | L2H1.k | L2H1.v | L2H*.k (all heads of the layer) | L2MLP | logits
 *
 * Without a reader a component is replaced for all that read it, at all positions: zero, mean and
 * resample ablation.  With one, an edge is ablated along its direct path (path patching): the
 * reader alone reads the residual stream in which WHAT's write is replaced; its norm then runs as
 * usual.
 *
 * A change replaces a value of each position: a head's z [d_head], an MLP's output [d_model], a
 * neuron's post [1], a write or the whole stream [d_model].  The values of all changes of a model
 * stand side by side: a row of changes->width floats.
 *
 * Threads: changes are immutable once they are parsed.
 */
#ifndef GAPSCOPE_MODEL_PASS_CHANGES_H
#define GAPSCOPE_MODEL_PASS_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/config.h"

enum change_verb { CHANGE_ZERO, CHANGE_MEAN, CHANGE_RESAMPLE };

enum change_what {
    CHANGE_HEAD,
    CHANGE_MLP,
    CHANGE_NEURON,
    CHANGE_EMBED,
    CHANGE_POS_EMBED,
    CHANGE_B_O,
    CHANGE_STREAM, // '*': all that the reader reads
};

enum change_reader { READER_ALL, READER_Q, READER_K, READER_V, READER_MLP, READER_LOGITS };

#define CHANGE_ALL_HEADS SIZE_MAX

struct change {
    enum change_verb verb;
    enum change_what what;
    size_t layer, index; // of WHAT; index: head or neuron
    enum change_reader reader;
    size_t reader_layer, reader_head; // head: of q, k, v; CHANGE_ALL_HEADS: all of the layer
    size_t point;                     // of an edge: the number of its reader, among different ones
    size_t at, width;                 // where its value stands in a row, and how long it is
};

struct changes {
    struct change *items; // [n], wildcards of WHAT spelt out
    size_t n;
    size_t width;    // of a row of values, floats
    size_t n_points; // different readers of edges
    bool has[3];     // verbs
};

/* Where the changes of a model's spec begin, behind its last '@': what follows begins with a verb
 * and a dot.  NULL: there are none, and an '@' is part of a path. */
const char *changes_find(const char *spec);

/*
 * Parses "zero.L1H3,mean.L0MLP" for a model of this config.  On success the caller ends *out with
 * changes_free().  Errors, which name the change: ERR_USAGE (no such change, no such layer, head,
 * neuron; a reader that reads before WHAT is written; a component that is changed twice), ERR_NOMEM.
 */
int changes_parse(struct changes *out, const char *text, const struct config *config,
                  struct err *err);

void changes_free(struct changes *c); // {0} is allowed

/*
 * Puts the values of several changed models of one model in one row, so that they are recorded
 * once: the values of models[n] get new places, those that are the same the same one.  *all becomes
 * all of them as changes for engine_record(); their verbs have no meaning.  On success the caller
 * ends *all with changes_free().  Errors: ERR_NOMEM; the models' are then fit for changes_free()
 * alone.
 */
int changes_join(struct changes *all, struct changes *const *models, size_t n, struct err *err);

/* "L1H3", "L0MLP", "L0N424", "embed", ...: what a change replaces. */
#define CHANGE_NAME 32
void change_name(char name[CHANGE_NAME], const struct change *x);

/* "zero", "mean" or "resample"; and the verb of that name, false: there is none. */
const char *change_verb_name(enum change_verb verb);
bool change_verb_parse(enum change_verb *out, const char *name);

#endif
