#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/load/hub.h"
#include "scan/cli/complete.h"
#include "scan/cli/manual.h"
#include "scan/cmd/commands.h"

/* The models of a folder of GAPSCOPE_MODELS that have no alias. */
static void put_folder(FILE *to, const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char *config = NULL;
        if (e->d_name[0] != '.' && !hub_find(e->d_name) &&
            asprintf(&config, "%s/%s/config.json", path, e->d_name) > 0 &&
            file_is_regular(config)) {
            fprintf(to, "%s\n", e->d_name);
        }
        free(config);
    }
    if (folder) {
        closedir(folder);
    }
}

static void put_models(FILE *to)
{
    const struct hub_model *m;
    for (size_t i = 0; (m = hub_known(i)); i++) {
        struct hub_place place = {0};
        if (hub_resolve(&place, m->alias, NULL) == 0) {
            fprintf(to, "%s\n", m->alias);
        }
        hub_place_free(&place);
    }
    const char *list = getenv("GAPSCOPE_MODELS");
    char *copy = list ? strdup(list) : NULL, *rest = copy;
    for (char *path; rest && (path = strsep(&rest, ":"));) {
        put_folder(to, path);
    }
    free(copy);
}

static int put(FILE *to, const struct command_list *commands, const char *what, struct err *err)
{
    if (strcmp(what, "man") == 0) {
        manual_put(to, commands);
    } else if (strcmp(what, "bash") == 0) {
        complete_bash(to, commands);
    } else if (strcmp(what, "zsh") == 0) {
        complete_zsh(to, commands);
    } else if (strcmp(what, "models") == 0) {
        put_models(to);
    } else {
        return err_set(err, ERR_USAGE, "%s: expected man, bash, zsh or models", what);
    }
    return 0;
}

int cmd_complete(const struct command_list *commands, int argc, char **argv)
{
    struct err err = {0};
    struct outfile out = {0};
    int rc = outfile_open(&out, argc > 1 ? argv[1] : NULL, &err);
    rc = rc ? rc : put(out.stream, commands, argc > 0 ? argv[0] : "", &err);
    rc = rc ? rc : outfile_commit(&out, &err);
    outfile_discard(&out);
    if (rc) {
        fprintf(stderr, "gapscope __complete: %s\n", err.msg);
    }
    return rc == ERR_USAGE ? 2 : rc != 0;
}
