/*
 * weights_path.h - which file of a model's folder has its weights
 *
 *     1. model_final.pth, else the one file that ends in "final.pth"
 *     2. model.safetensors, else model.safetensors.index.json, which lists shards
 *     3. pytorch_model.bin, else pytorch_model.bin.index.json
 *     4. the one *.index.json, *.pth, or *.safetensors
 *
 * Shards without their index are refused, and so is what is there but is no regular file: a folder, a
 * pipe, a link to what is not there (a hub's snapshot that was not downloaded whole).
 */
#ifndef GAPSCOPE_MODEL_LOAD_WEIGHTS_PATH_H
#define GAPSCOPE_MODEL_LOAD_WEIGHTS_PATH_H

#include "corpora/base/err.h"

/* *out: the path, which the caller frees.  Errors: ERR_NOT_FOUND (none; a shard without its index),
 * ERR_FORMAT (several), ERR_IO, ERR_NOMEM; the message begins with the folder. */
int weights_path(char **out, const char *dir, struct err *err);

#endif
