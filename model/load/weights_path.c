#include "model/load/weights_path.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"

/* Is it one of several, like "model-00001-of-00003.safetensors"? */
static bool is_shard(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of > name && of[-1] >= '0' && of[-1] <= '9' && of[4] >= '0' && of[4] <= '9';
}

/* Sets *out to the path of the one file of 'dir' whose name ends in 'end' (NULL: none).  Two such
 * files are an error. */
static int find_one(const char *dir, const char *end, char **out, struct err *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    char *found = NULL;
    int rc = 0;
    for (struct dirent *e; !rc && (e = file_entry(d, dir, &rc, err));) {
        if (e->d_name[0] == '.' || !file_ends_with(e->d_name, end)) {
            continue;
        }
        if (is_shard(e->d_name)) {
            rc = err_set(err, ERR_NOT_FOUND,
                         "%s: %s is a shard, and the index that lists all shards "
                         "(model.safetensors.index.json) is missing: download it",
                         dir, e->d_name);
        } else if (found) {
            rc = err_set(err, ERR_FORMAT,
                         "%s: several files end in \"%s\"; leave one, or name it model_final.pth",
                         dir, end);
        } else if (!(found = file_join(dir, e->d_name))) {
            rc = err_nomem(err, "a path");
        }
    }
    closedir(d);
    if (rc) {
        free(found);
        return rc;
    }
    *out = found;
    return 0;
}

int weights_path(char **out, const char *dir, struct err *err)
{
    static const struct {
        const char *name;
        bool is_end;
    } wanted[] = {
        {"model_final.pth", false},   {"final.pth", true},
        {"model.safetensors", false}, {"model.safetensors.index.json", false},
        {"pytorch_model.bin", false}, {"pytorch_model.bin.index.json", false},
        {".index.json", true},        {".pth", true},
        {".safetensors", true},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *path = NULL;
        if (wanted[i].is_end) {
            const int rc = find_one(dir, wanted[i].name, &path, err);
            if (rc) {
                return rc;
            }
        } else {
            path = file_join(dir, wanted[i].name);
            if (!path) {
                return err_nomem(err, "a path");
            }
            if (!file_is_regular(path)) {
                free(path);
                path = NULL;
            }
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
