/*
 * tensorfile.h - reads a weight file as a list of named tensors
 *
 * The first bytes decide between three formats: torch's zip (torch >= 1.6), torch's older pickle
 * stream, and safetensors.  A pickle is read by a machine that knows only what torch.save writes
 * for a state dict; every other global or opcode is an error, since a pickle can run code.
 *
 * A path that ends in ".index.json" is the index of several such files (shardindex.h), which are
 * read as one.
 *
 *     tensorfile_open -> tensorfile_find, tensor_read_f32, ... -> tensorfile_close
 *
 * The file is mapped; tensors are views into it until they are read.  tensorfile_open() checks all
 * offsets, sizes and strides against the file, and, if a zip archive has CRCs, all data against
 * them.
 *
 * Threads: immutable once open.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_TENSORFILE_H
#define GAPSCOPE_MODEL_WEIGHTS_TENSORFILE_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/tensor.h"

struct tensorfile;

/* Errors: ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_TRUNCATED, ERR_CORRUPT (a CRC), ERR_UNSUPPORTED (a
 * global or opcode not allowed, big-endian, a compressed entry), ERR_LIMIT (a pickle or header
 * beyond reason), ERR_NOMEM; the message begins with the path. */
int tensorfile_open(struct tensorfile **out, const char *path, struct err *err);

/* The same for bytes in memory, which must outlive the tensorfile.  For tests and fuzzing. */
int tensorfile_parse(struct tensorfile **out, const void *bytes, size_t len, struct err *err);

void tensorfile_close(struct tensorfile *f); // NULL is allowed

const char *tensorfile_format(
    const struct tensorfile *f); // "torch zip", "torch legacy", "safetensors", "shards"
size_t tensorfile_n(const struct tensorfile *f);

/* Tensor i in the file's order.  Valid as long as the tensorfile. */
const struct tensor *tensorfile_at(const struct tensorfile *f, size_t i);
const struct tensor *tensorfile_find(const struct tensorfile *f, const char *name); // or NULL

/*
 * Writes t, whose dtype is read (tensor_is_read()), row-major, to dst[t->n] as f32 (f64 is rounded to nearest, integers become numbers).
 * Pages of the file are released as they are read, so the peak of memory is little more than dst.
 */
void tensor_read_f32(const struct tensorfile *f, const struct tensor *t, float *dst);

#endif
