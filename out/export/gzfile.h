/*
 * gzfile.h - a gzip file of lines that appears when it is whole
 *
 *     gzfile_open -> write to gz.to, count gz.lines -> gzfile_close
 */
#ifndef GAPSCOPE_OUT_EXPORT_GZFILE_H
#define GAPSCOPE_OUT_EXPORT_GZFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/file.h"

struct gzfile {
    struct outfile out;
    struct gzFile_s *file; // zlib's gzFile
    FILE *to;              // what is written here is compressed
    uint64_t lines;
};

/* gzfile_close() ends *z, {0} before, in any case.  Errors: outfile_open()'s, ERR_NOMEM. */
int gzfile_open(struct gzfile *z, const char *path, struct err *err);

/* Gives the file its name if rc is 0 and there is a line in it; *made: it did.  Returns rc or its
 * own error. */
int gzfile_close(struct gzfile *z, bool *made, int rc, struct err *err);

#endif
