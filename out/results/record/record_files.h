/*
 * record_files.h - files of a record: written whole and on disk before the next step
 */
#ifndef GAPSCOPE_OUT_RESULTS_RECORD_RECORD_FILES_H
#define GAPSCOPE_OUT_RESULTS_RECORD_RECORD_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* ERR_IO with the path and what errno says. */
int record_io_error(struct err *err, const char *path);

/* dir/name, a new string; NULL: no memory. */
char *record_join_number(const char *dir, uint64_t number);

/* The names in a folder are on disk. */
int record_sync_folder(const char *path, struct err *err);

/* A file that appears whole: head[head_len] and data[len], on disk before it has its name. */
int record_put_file(const char *path, const void *head, size_t head_len, const void *data,
                    size_t len, struct err *err);

/* dir/name holds the text. */
int record_put_text(const char *dir, const char *name, const char *text, struct err *err);

/* Makes a folder unless it is there. */
int record_make_folder(const char *path, struct err *err);

/* Calls each(path, name) for everything in a folder; a folder that is not there has nothing. */
int record_list(const char *dir,
                int (*each)(void *context, const char *path, const char *name, struct err *err),
                void *context, struct err *err);

#endif
