/*
 * tokens_spec.h - the spec of tokens given by their texts
 */
#ifndef GAPSCOPE_MINERS_TOKENS_SPEC_H
#define GAPSCOPE_MINERS_TOKENS_SPEC_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "miners/core/miner.h"
#include "miners/yamltree.h"

/* Puts the texts of a list, whose items are texts or lists of them, into m->spec in place of the
 * ids: people read them better, and they mean the same as long as the tokenizer does.
 * Errors: ERR_NOMEM, *m is then freed. */
int tokens_spec(struct miner *m, const struct yamltree_node *list, size_t after, struct err *err);

#endif
