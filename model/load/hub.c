#include "model/load/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "corpora/base/path_error.h"
#include "model/load/hub_cache.h"

// Losses: TransformerLens, tests/acceptance/test_hooked_transformer.py.
static const struct hub_model models[] = {
    {"attn-only-1l", "NeelNanda/Attn_Only_1L512W_C4_Code", 512, 48262, 0},
    {"attn-only-2l", "NeelNanda/Attn_Only_2L512W_C4_Code", 512, 48262, 0},
    {"attn-only-3l", "NeelNanda/Attn_Only_3L512W_C4_Code", 512, 48262, 5.747507095336914},
    {"attn-only-4l", "NeelNanda/Attn_Only_4L512W_C4_Code", 512, 48262, 0},
    {"gelu-1l", "NeelNanda/GELU_1L512W_C4_Code", 512, 48262, 0},
    {"gelu-2l", "NeelNanda/GELU_2L512W_C4_Code", 512, 48262, 6.501802444458008},
    {"gelu-3l", "NeelNanda/GELU_3L512W_C4_Code", 512, 48262, 0},
    {"gelu-4l", "NeelNanda/GELU_4L512W_C4_Code", 512, 48262, 0},
    {"solu-1l", "NeelNanda/SoLU_1L512W_C4_Code", 512, 48262, 5.256411552429199},
    {"solu-2l", "NeelNanda/SoLU_2L512W_C4_Code", 512, 48262, 0},
    {"solu-3l", "NeelNanda/SoLU_3L512W_C4_Code", 512, 48262, 0},
    {"solu-4l", "NeelNanda/SoLU_4L512W_C4_Code", 512, 48262, 0},
    {"solu-6l", "NeelNanda/SoLU_6L768W_C4_Code", 768, 48262, 5.7042999267578125},
    {"solu-8l", "NeelNanda/SoLU_8L1024W_C4_Code", 1024, 48262, 0},
    {"solu-10l", "NeelNanda/SoLU_10L1280W_C4_Code", 1280, 48262, 0},
    {"solu-12l", "NeelNanda/SoLU_12L1536W_C4_Code", 1536, 48262, 0},
    {"attn-only-2l-demo", "NeelNanda/Attn-Only-2L512W-Shortformer-6B-big-lr", 512, 50277,
     5.701841354370117},
    {"solu-1l-pile", "NeelNanda/SoLU_1L_v9_old", 1024, 50278, 0},
    {"solu-2l-pile", "NeelNanda/SoLU_2L_v10_old", 736, 50278, 0},
    {"solu-4l-pile", "NeelNanda/SoLU_4L_v11_old", 512, 50278, 5.6021833419799805},
    {"solu-6l-pile", "NeelNanda/SoLU_6L_v13_old", 768, 50278, 0},
    {"solu-8l-pile", "NeelNanda/SoLU_8L_v21_old", 1024, 50278, 0},
    {"solu-10l-pile", "NeelNanda/SoLU_10L_v22_old", 1280, 50278, 0},
    {"solu-12l-pile", "NeelNanda/SoLU_12L_v23_old", 1536, 50278, 0},
    {"solu-1l-wiki", "NeelNanda/SoLU_1L512W_Wiki_Finetune", 512, 48262, 0},
    {"solu-4l-wiki", "NeelNanda/SoLU_4L512W_Wiki_Finetune", 512, 48262, 0},
    {"redwood_attn_2l", "ArthurConmy/redwood_attn_2l", 256, 50259, 10.530948638916016},
};

#define HUB_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

static const char *after_owner(const char *repo)
{
    const char *slash = strrchr(repo, '/');
    return slash ? slash + 1 : repo;
}

const struct hub_model *hub_find(const char *name)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const struct hub_model *m = &models[i];
        if (strcmp(name, m->alias) == 0 || strcmp(name, m->repo) == 0 ||
            strcmp(name, after_owner(m->repo)) == 0) {
            return m;
        }
    }
    return NULL;
}

const struct hub_model *hub_known(size_t i)
{
    return i < sizeof models / sizeof *models ? &models[i] : NULL;
}

bool hub_is_repo(const char *name)
{
    const size_t owner = strspn(name, HUB_NAME_CHARACTERS);
    if (owner == 0 || name[owner] != '/' || *name == '.') {
        return false;
    }
    const char *repo = name + owner + 1;
    return *repo && *repo != '.' && repo[strspn(repo, HUB_NAME_CHARACTERS)] == '\0';
}

/* Sets *out to "first/second" if that is a folder and *out is still NULL. */
static int try_folder(char **out, const char *first, const char *second, struct err *err)
{
    char *path = file_join(first, second);
    if (!path) {
        return err_nomem(err, "a path");
    }
    if (!*out && file_is_folder(path)) {
        *out = path;
    } else {
        free(path);
    }
    return 0;
}

/* Tries <folder>/<name> for each folder of the colon-separated 'list'. */
static int search_list(char **out, const char *list, const char *name, struct err *err)
{
    while (list && !*out) {
        const char *colon = strchr(list, ':');
        char *folder = strndup(list, colon ? (size_t)(colon - list) : strlen(list));
        if (!folder) {
            return err_nomem(err, "a path");
        }
        const int rc = *folder ? try_folder(out, folder, name, err) : 0;
        free(folder);
        if (rc) {
            return rc;
        }
        list = colon ? colon + 1 : NULL;
    }
    return 0;
}

/* Sets *out to the snapshot that refs/main of the repository in 'folder' names, if it is there. */
static int search_snapshot(char **out, const char *folder, struct err *err)
{
    struct buf path = {0}, commit = {0};
    bool known = false; // which commit it is
    int rc = buf_printf(&path, err, "%s/refs/main", folder);
    rc = rc ? rc : path_is_file(path.data, &known, err);
    rc = rc || !known ? rc : file_read(path.data, 4096, &commit, err);
    if (!rc && known) {
        while (commit.len > 0 && (unsigned char)commit.data[commit.len - 1] <= ' ') {
            commit.len--;
        }
        path.len = 0;
        rc = buf_printf(&path, err, "%s/snapshots", folder);
        rc = rc ? rc : buf_append(&commit, "", 1, err); // a NUL
        rc = rc ? rc : try_folder(out, path.data, commit.data, err);
    }
    buf_free(&commit);
    buf_free(&path);
    return rc;
}

/* Finds models--<owner>--<repository>/snapshots/<refs/main> in the cache; 'repo' has an owner. */
static int search_cache(char **out, const char *repo, struct err *err)
{
    char *folder = NULL;
    int rc = hub_cache_repo(&folder, "models", repo, err);
    rc = rc || !folder ? rc : search_snapshot(out, folder, err);
    free(folder);
    return rc;
}

/* Finds the folder of a repository, known or not; *out stays NULL if there is none. */
static int find_repo(char **out, const char *name, const struct hub_model *known, struct err *err)
{
    const char *list = getenv("GAPSCOPE_MODELS");
    const char *names[] = {name, known ? known->alias : NULL, known ? known->repo : NULL,
                           known ? after_owner(known->repo) : after_owner(name)};
    int rc = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !rc && !*out; i++) {
        if (names[i] && list && *list) {
            rc = search_list(out, list, names[i], err);
        }
    }
    const char *repo = known ? known->repo : name;
    if (!rc && !*out && strchr(repo, '/')) {
        rc = search_cache(out, repo, err);
    }
    return rc;
}

/* Aliases and repositories that 'where' may stand for. */
static struct nearest nearest_model(const char *where)
{
    const char *names[2 * sizeof models / sizeof *models];
    const size_t n = sizeof models / sizeof *models;
    for (size_t i = 0; i < n; i++) {
        names[i] = models[i].alias;
        names[n + i] = strchr(where, '/') ? models[i].repo : after_owner(models[i].repo);
    }
    return nearest_names(where, "", names, 2 * n);
}

static int not_found(const char *where, const struct hub_model *known, struct err *err)
{
    const char *list = getenv("GAPSCOPE_MODELS");
    char *cache = NULL;
    (void)hub_cache_folder(&cache, NULL);
    if (known) {
        err_set(err, ERR_NOT_FOUND,
                "%s: %s is neither in GAPSCOPE_MODELS (%s) nor in the Hugging Face cache (%s); "
                "`gapscope fetch %s` fetches it",
                where, known->repo, list && *list ? list : "not set", cache ? cache : "no HOME",
                where);
    } else if (file_is_regular(where)) {
        err_set(err, ERR_NOT_FOUND, "%s: is a file; a model is the folder with its config.json",
                where);
    } else {
        err_set(err, ERR_NOT_FOUND,
                "%s: no such folder, no alias of TransformerLens, and no such repository in "
                "GAPSCOPE_MODELS (%s) or the Hugging Face cache (%s)%s%s%s%s%s",
                where, list && *list ? list : "not set", cache ? cache : "no HOME",
                nearest_model(where).text, hub_is_repo(where) ? "; `gapscope fetch " : "",
                hub_is_repo(where) ? where : "",
                hub_is_repo(where) ? "` fetches a repository of that name" : "",
                strchr(where, '@') ? "; changes after @ begin with zero., mean. or resample." : "");
    }
    free(cache);
    return ERR_NOT_FOUND;
}

/* The name of a folder's model: that of the folder, or for a cache's snapshot of the repository. */
static char *name_of_folder(const char *dir)
{
    static const char mark[] = "models--";
    const char *repo = NULL;
    for (const char *p = dir; (p = strstr(p, mark)); p++) {
        repo = p + sizeof mark - 1;
    }
    if (repo && strstr(repo, "/snapshots/")) {
        const char *name = strstr(repo, "--");
        name = name ? name + 2 : repo;
        return strndup(name, strcspn(name, "/"));
    }
    char *real = realpath(dir, NULL); // "." has a name too
    if (!real && errno == ENOMEM) {
        return NULL;
    }
    char *name = file_base_name(real ? real : dir);
    free(real);
    return name;
}

int hub_resolve(struct hub_place *out, const char *spec, struct err *err)
{
    struct hub_place place = {0};
    int rc = 0;
    const char *equals = strchr(spec, '=');
    const char *where = equals ? equals + 1 : spec;
    if (equals == spec || !*where) {
        return err_set(err, ERR_FORMAT, "model \"%s\": expected NAME=FOLDER, a folder or a name",
                       spec);
    }
    const struct hub_model *known = NULL;
    if (file_is_folder(where)) {
        place.dir = strdup(where);
        rc = place.dir ? 0 : err_nomem(err, "a path");
    } else {
        known = hub_find(where);
        rc = find_repo(&place.dir, where, known, err);
        if (!rc && !place.dir) {
            rc = not_found(where, known, err);
        }
    }
    if (rc) {
        goto out;
    }
    place.name = equals  ? strndup(spec, (size_t)(equals - spec))
                 : known ? strdup(where)
                         : name_of_folder(place.dir);
    if (!place.name) {
        rc = err_nomem(err, "a name");
        goto out;
    }
    *out = place;
    place = (struct hub_place){0};
out:
    hub_place_free(&place);
    return rc;
}

void hub_place_free(struct hub_place *p)
{
    free(p->name);
    free(p->dir);
    *p = (struct hub_place){0};
}

/* Sets *out to dir/name if it exists.  Errors: path_is_file()'s. */
static int file_in(char **out, const char *dir, const char *name, struct err *err)
{
    char *path = file_join(dir, name);
    if (!path) {
        return err_nomem(err, "a path");
    }
    bool is_there;
    const int rc = path_is_file(path, &is_there, err);
    if (is_there) {
        *out = path;
    } else {
        free(path);
    }
    return rc;
}

/* The same of dir/tokenizer.json, else of dir/vocab.json where merges.txt is beside it. */
static int tokenizer_in(char **out, const char *dir, struct err *err)
{
    char *merges = NULL;
    int rc = file_in(out, dir, "tokenizer.json", err);
    rc = rc || *out ? rc : file_in(&merges, dir, "merges.txt", err);
    rc = rc || !merges ? rc : file_in(out, dir, "vocab.json", err);
    free(merges);
    return rc;
}

/* If config.json names no tokenizer, the size of the vocabulary decides (the C4_Code models have
 * 48262 tokens, those trained on the Pile have the 50277 or 50278 of NeoX-20B). */
const char *hub_tokenizer_repo(const char *tokenizer_name, size_t d_vocab)
{
    if (tokenizer_name) {
        return tokenizer_name;
    }
    if (d_vocab == 48262) {
        return "NeelNanda/gpt-neox-tokenizer-digits";
    }
    return d_vocab == 50277 || d_vocab == 50278 ? "EleutherAI/gpt-neox-20b" : NULL;
}

int hub_tokenizer(char **out, const char *model_dir, const struct config *config, struct err *why)
{
    *out = NULL;
    int rc = tokenizer_in(out, model_dir, why);
    const char *repo = hub_tokenizer_repo(config->tokenizer_name, config->d_vocab);
    if (!rc && !*out && repo) {
        char *dir = NULL;
        rc = find_repo(&dir, repo, NULL, why);
        if (!rc && dir) {
            rc = tokenizer_in(out, dir, why);
        }
        free(dir);
    }
    if (!rc && !*out) {
        err_set(why, ERR_NOT_FOUND, "no tokenizer.json in %s%s%s%s%s%s", model_dir,
                repo ? ", and no " : "", repo ? repo : "",
                repo ? " in GAPSCOPE_MODELS or the Hugging Face cache; `gapscope fetch " : "",
                repo ? repo : "", repo ? "` fetches it" : "");
    }
    return rc;
}
