#include "model/load/weights_path.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/path_error.h"

/* Is it one of several, like "model-00001-of-00003.safetensors"? */
static bool is_shard(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of > name && of[-1] >= '0' && of[-1] <= '9' && of[4] >= '0' && of[4] <= '9';
}

/* The files of a folder whose names end alike: the first two by name, and how many there are. */
struct alike {
    char *first, *second; // NULL: there is none
    size_t n;
};

static void alike_free(struct alike *a)
{
    free(a->first);
    free(a->second);
}

static int alike_add(struct alike *a, const char *name, struct err *err)
{
    char *mine = strdup(name);
    if (!mine) {
        return err_nomem(err, "a name");
    }
    a->n++;
    if (!a->first || strcmp(mine, a->first) < 0) {
        free(a->second);
        a->second = a->first;
        a->first = mine;
    } else if (!a->second || strcmp(mine, a->second) < 0) {
        free(a->second);
        a->second = mine;
    } else {
        free(mine);
    }
    return 0;
}

/* Lists the files of 'dir' whose names end in 'end'; shards: only those that are shards by name. */
static int list_alike(struct alike *a, const char *dir, const char *end, bool shards,
                      struct err *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    int rc = 0;
    for (const struct dirent *e; !rc && (e = file_entry(d, dir, &rc, err));) {
        if (e->d_name[0] != '.' && file_ends_with(e->d_name, end) &&
            (!shards || is_shard(e->d_name))) {
            rc = alike_add(a, e->d_name, err);
        }
    }
    closedir(d);
    return rc;
}

/* Shards cannot be read without the index, and of several files none is the model. */
static int refuse(const struct alike *a, const char *dir, const char *end, struct err *err)
{
    const bool safe = strcmp(end, ".safetensors") == 0;
    const char *index = safe ? "model.safetensors.index.json" : "pytorch_model.bin.index.json";
    if (is_shard(a->first)) {
        return err_set(err, ERR_NOT_FOUND,
                       "%s: %s is a shard, and the index that lists all shards (%s) is missing: "
                       "download it",
                       dir, a->first, index);
    }
    if (safe) {
        return err_set(err, ERR_FORMAT,
                       "%s: %zu files end in \"%s\" (%s, %s%s): if they are shards of one model, "
                       "the index that lists them (%s) is missing: download it; else leave one",
                       dir, a->n, end, a->first, a->second, a->n > 2 ? ", ..." : "", index);
    }
    return err_set(err, ERR_FORMAT, "%s: %zu files end in \"%s\" (%s, %s%s); leave one%s", dir,
                   a->n, end, a->first, a->second, a->n > 2 ? ", ..." : "",
                   file_ends_with(end, ".pth") ? ", or name it model_final.pth" : "");
}

/* Sets *out to the path of the one file of 'dir' whose name ends in 'end' (NULL: none).  Two such
 * files are an error, and so is a shard. */
static int find_one(const char *dir, const char *end, bool shards, char **out, struct err *err)
{
    struct alike a = {0};
    int rc = list_alike(&a, dir, end, shards, err);
    if (!rc && a.n > 0 && (a.n > 1 || is_shard(a.first))) {
        rc = refuse(&a, dir, end, err);
    }
    if (!rc && a.n == 1) {
        *out = file_join(dir, a.first);
        rc = *out ? 0 : err_nomem(err, "a path");
    }
    alike_free(&a);
    return rc;
}

/* Sets *out to dir/name (NULL: it is not there). */
static int find_named(const char *dir, const char *name, char **out, struct err *err)
{
    bool is_there;
    char *path = file_join(dir, name);
    const int rc = path ? path_is_file(path, &is_there, err) : err_nomem(err, "a path");
    if (!rc && is_there) {
        *out = path;
    } else {
        free(path);
    }
    return rc;
}

int weights_path(char **out, const char *dir, struct err *err)
{
    enum how { NAMED, ENDS, SHARD };
    static const struct {
        const char *name;
        enum how how;
    } wanted[] = {
        {"model_final.pth", NAMED},   {"final.pth", ENDS},
        {"model.safetensors", NAMED}, {"model.safetensors.index.json", NAMED},
        {"pytorch_model.bin", NAMED}, {"pytorch_model.bin.index.json", NAMED},
        {".index.json", ENDS},        {".pth", ENDS},
        {".safetensors", ENDS},       {".bin", SHARD}, // others are no weights: training_args.bin
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *path = NULL;
        const int rc = wanted[i].how == NAMED
                           ? find_named(dir, wanted[i].name, &path, err)
                           : find_one(dir, wanted[i].name, wanted[i].how == SHARD, &path, err);
        if (rc) {
            return rc;
        }
        if (path) {
            *out = path;
            return 0;
        }
    }
    return err_set(
        err, ERR_NOT_FOUND,
        "%s: no weights: expected a file model_final.pth, *final.pth, model.safetensors or "
        "model.safetensors.index.json",
        dir);
}
