/*
 * fetch_list.h - which files of a repository are to be fetched
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_LIST_H
#define GAPSCOPE_MODEL_FETCH_FETCH_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/json.h"
#include "model/fetch/fetch_name.h"

/* A file of a repository. */
struct repo_file {
    const char *name; // in the JSON of the list
    uint64_t size;
    bool wanted;
};

struct repo_files {
    struct json_object *json; // the hub's answer
    const char *commit;       // 40 digits, in it
    const char *licence;      // "mit"; NULL: it says none
    struct repo_file *items;  // [n]
    size_t n;
};

/* Reads the hub's answer, which becomes *out's.  Errors: ERR_FORMAT, ERR_NOMEM. */
int repo_files_read(struct repo_files *out, const char *text, struct err *err);
void repo_files_free(struct repo_files *f); // {0} is allowed

/* Marks what a model needs: config.json, the weights that gapscope would read, and its tokenizer's
 * files; of a repository of a tokenizer alone those.  Errors: ERR_NOT_FOUND (neither is there). */
int repo_files_choose_model(struct repo_files *f, const char *repo, struct err *err);

/* Marks the file 'path', or the files in the folder 'path'.  Errors: ERR_NOT_FOUND. */
int repo_files_choose_path(struct repo_files *f, const char *repo, const char *path,
                           struct err *err);

/* The number and bytes of the files that are marked. */
size_t repo_files_wanted(const struct repo_files *f, uint64_t *bytes);

#endif
