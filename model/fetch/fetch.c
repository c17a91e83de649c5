#include "model/fetch/fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/fetch/fetch_file.h"
#include "model/fetch/fetch_list.h"
#include "model/fetch/fetch_progress.h"
#include "model/load/hub.h"
#include "model/load/hub_cache.h"

/* What is being fetched. */
struct fetching {
    const struct fetch_name *name;
    const struct fetch_options *options;
    struct hub_client *client;
    struct hub_store store;
    struct repo_files files;
    FILE *out;
};

static bool is_model(const struct fetch_name *name)
{
    return strcmp(name->kind, "models") == 0;
}

// --- the cache alone ---------------------------------------------------------------------------

/* Whether the snapshot has what was asked for; a model has a config or a tokenizer. */
static bool has(const char *snapshot, const struct fetch_name *name)
{
    const char *const needed[] = {*name->path ? name->path : "config.json", "tokenizer.json"};
    bool any = false;
    for (size_t i = 0; i < (*name->path ? 1 : 2) && !any; i++) {
        char *path = file_join(snapshot, needed[i]);
        any = path && access(path, F_OK) == 0;
        free(path);
    }
    return any;
}

/* Prints the place of what is in the cache; *found: it is there. */
static int print_cached(const struct fetching *f, bool *found, struct err *err)
{
    char *commit = NULL;
    int rc = hub_store_ref(&f->store, f->name->revision, &commit, err);
    char *snapshot = rc || !commit ? NULL : hub_store_path(&f->store, "snapshots", commit);
    *found = snapshot && has(snapshot, f->name);
    if (*found) {
        fprintf(f->out, "%s%s%s\n", snapshot, *f->name->path ? "/" : "", f->name->path);
    }
    free(snapshot);
    free(commit);
    return rc;
}

/* The hub cannot be reached, or must not be asked: err says why. */
static int take_cached(const struct fetching *f, const char *why, struct err *err)
{
    bool found = false;
    struct err unread;
    char text[1024];
    snprintf(text, sizeof text, "%s", why);
    if (print_cached(f, &found, &unread) == 0 && found) {
        if (!f->options->quiet) {
            fprintf(stderr, "%s: %s; it is in the cache\n", f->name->repo, text);
        }
        return 0;
    }
    return err_set(
        err, ERR_NOT_FOUND,
        "%s: %s, and it is not in the cache (%s); where there is a network, `hf download "
        "%s%s` or this command fetches it",
        f->name->repo, text, f->store.folder, is_model(f->name) ? "" : "--repo-type dataset ",
        f->name->repo);
}

// --- the list of files -------------------------------------------------------------------------

static int list_files(struct fetching *f, struct err *err)
{
    struct buf rest = {0}, body = {0};
    int rc = buf_printf(&rest, err, "/revision/");
    for (const char *at = f->name->revision; *at && !rc; at++) {
        rc = *at == '/' ? buf_append(&rest, "%2F", 3, err) : buf_append(&rest, at, 1, err);
    }
    rc = rc ? rc : buf_printf(&rest, err, "?blobs=true");
    rc = rc ? rc : buf_append(&rest, "", 1, err);
    rc = rc ? rc : hub_client_api(f->client, &body, f->name, rest.data, err);
    if (!rc) {
        rc = repo_files_read(&f->files, body.data, err);
        rc = rc ? err_prefix(err, "%s: %s does not answer as the hub does", f->name->repo,
                             hub_client_host(f->client))
                : 0;
    }
    buf_free(&rest);
    buf_free(&body);
    return rc;
}

/* Prints the files that are to be fetched, and where to. */
static void print_plan(const struct fetching *f)
{
    char size[FETCH_SIZE_TEXT];
    uint64_t bytes;
    const size_t n = repo_files_wanted(&f->files, &bytes);
    fprintf(stderr, "%s at %.12s%s%s: %zu file%s, %s, from %s to %s\n", f->name->repo,
            f->files.commit, f->files.licence ? ", licence " : "",
            f->files.licence ? f->files.licence : "", n, n == 1 ? "" : "s",
            fetch_size_text(size, bytes), hub_client_host(f->client), f->store.folder);
    for (size_t i = 0; i < f->files.n; i++) {
        if (f->files.items[i].wanted) {
            fprintf(stderr, "  %10s  %s\n", fetch_size_text(size, f->files.items[i].size),
                    f->files.items[i].name);
        }
    }
}

/* Asks the person at the terminal. */
static bool agreed(void)
{
    char line[100];
    fputs("Fetch it? [Y/n] ", stderr);
    if (!fgets(line, sizeof line, stdin)) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return !*line || strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

/* Fetches one file and prints its place, unless it belongs to a model. */
static int fetch_one(struct fetching *f, const char *name, struct err *err)
{
    char size[FETCH_SIZE_TEXT];
    struct fetch_file file = {.client = f->client,
                              .store = &f->store,
                              .kind = f->name->kind,
                              .repo = f->name->repo,
                              .commit = f->files.commit,
                              .name = name,
                              .quiet = f->options->quiet};
    const double began = fetch_clock();
    const int rc = fetch_file(&file, err);
    if (!rc && *f->name->path) {
        fprintf(f->out, "%s\n", file.path);
    }
    if (!rc && !f->options->quiet && file.fetched > 0) {
        fprintf(stderr, "%s: %s in %.1f s\n", name, fetch_size_text(size, file.fetched),
                fetch_clock() - began);
    } else if (!rc && !f->options->quiet) {
        fprintf(stderr, "%s: in the cache\n", name);
    }
    free(file.path);
    return rc;
}

static int fetch_wanted(struct fetching *f, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < f->files.n && !rc; i++) {
        if (f->files.items[i].wanted) {
            rc = fetch_one(f, f->files.items[i].name, err);
        }
    }
    return rc ? rc : hub_store_set_ref(&f->store, f->name->revision, f->files.commit, err);
}

// --- models ------------------------------------------------------------------------------------

/* The repository of the tokenizer that the config of the snapshot names; NULL: it has its own, or
 * nobody knows. */
static char *tokenizer_repo(const struct repo_files *files, const char *snapshot)
{
    for (size_t i = 0; i < files->n; i++) {
        const char *name = files->items[i].name;
        if (files->items[i].wanted &&
            (strcmp(name, "tokenizer.json") == 0 || strcmp(name, "vocab.json") == 0)) {
            return NULL;
        }
    }
    struct json_object *config = NULL;
    const char *name = NULL, *repo = NULL;
    char *path = file_join(snapshot, "config.json"), *copy = NULL;
    size_t d_vocab = 0;
    if (path && json_read_file(&config, path, (size_t)1 << 20, NULL) == 0 &&
        json_member_string(config, "tokenizer_name", &name, NULL) == 0 &&
        json_member_size(config, "d_vocab", &d_vocab, NULL) == 0) {
        repo = hub_tokenizer_repo(name, d_vocab);
        copy = repo && hub_is_repo(repo) ? strdup(repo) : NULL;
    }
    json_object_put(config);
    free(path);
    return copy;
}

/* Prints the folder of the model and fetches its tokenizer. */
static int finish_model(struct fetching *f, struct err *err)
{
    struct fetch_name tokenizer = {.kind = "models", .revision = "main"};
    struct fetch_options options = *f->options;
    char *snapshot = hub_store_path(&f->store, "snapshots", f->files.commit);
    char *repo = snapshot ? tokenizer_repo(&f->files, snapshot) : NULL;
    int rc = 0;
    if (snapshot) {
        fprintf(f->out, "%s\n", snapshot);
    } else {
        rc = err_nomem(err, "a path");
    }
    if (!rc && repo && !options.no_tokenizer && strlen(repo) < sizeof tokenizer.repo) {
        bool declined;
        FILE *nowhere = fopen("/dev/null", "w");
        snprintf(tokenizer.repo, sizeof tokenizer.repo, "%s", repo);
        options.no_tokenizer = true;
        options.ask = false;
        rc = nowhere ? fetch(&tokenizer, &options, nowhere, &declined, err)
                     : err_set(err, ERR_IO, "/dev/null cannot be opened");
        rc = rc ? err_prefix(err, "its tokenizer (--no-tokenizer leaves it out)") : 0;
        if (nowhere) {
            fclose(nowhere);
        }
    }
    free(repo);
    free(snapshot);
    return rc;
}

// --- data sets ---------------------------------------------------------------------------------

/* Prints the Parquet files of a data set as names for this command: those that the hub made of it, or
 * with a revision that was named those in it. */
static int list_parquet(struct fetching *f, struct err *err)
{
    const struct fetch_name *asked = f->name;
    struct fetch_name name = *asked;
    size_t n = 0;
    if (!name.has_revision) {
        snprintf(name.revision, sizeof name.revision, "refs/convert/parquet");
    }
    f->name = &name;
    const int rc = list_files(f, err);
    f->name = asked;
    for (size_t i = 0; i < f->files.n && !rc; i++) {
        if (file_ends_with(f->files.items[i].name, ".parquet")) {
            fprintf(f->out, "hf://datasets/%s@%s/%s\n", name.repo, name.revision,
                    f->files.items[i].name);
            n++;
        }
    }
    if (rc) {
        return rc;
    }
    if (n == 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: no Parquet file in revision %s", name.repo,
                       name.revision);
    }
    fprintf(stderr, "%s: %zu Parquet file%s; fetch those that you need by their names\n", name.repo,
            n, n == 1 ? "" : "s");
    return 0;
}

// --- all of them -------------------------------------------------------------------------------

static int fetch_online(struct fetching *f, bool *declined, struct err *err)
{
    if (!is_model(f->name) && !*f->name->path) {
        return list_parquet(f, err);
    }
    int rc = list_files(f, err);
    if (!rc) {
        rc = *f->name->path ? repo_files_choose_path(&f->files, f->name->repo, f->name->path, err)
                            : repo_files_choose_model(&f->files, f->name->repo, err);
    }
    if (rc) {
        return rc;
    }
    if (!f->options->quiet || f->options->dry_run || f->options->ask) {
        print_plan(f);
    }
    *declined = f->options->ask && !agreed();
    if (f->options->dry_run || *declined) {
        return 0;
    }
    rc = fetch_wanted(f, err);
    return rc || *f->name->path ? rc : finish_model(f, err);
}

int fetch(const struct fetch_name *name, const struct fetch_options *options, FILE *out,
          bool *declined, struct err *err)
{
    struct fetching f = {.name = name, .options = options, .out = out};
    *declined = false;
    int rc = hub_store_open(&f.store, name->kind, name->repo, err);
    if (!rc && hub_cache_offline()) {
        rc = take_cached(&f, "HF_HUB_OFFLINE forbids asking the hub", err);
    } else if (!rc) {
        rc = hub_client_new(&f.client, options->quiet, err);
        rc = rc ? rc : fetch_online(&f, declined, err);
        if (rc == ERR_IO && strncmp(err->msg, HUB_AWAY, strlen(HUB_AWAY)) == 0) {
            const struct err away = *err;
            rc = take_cached(&f, away.msg, err);
        }
    }
    repo_files_free(&f.files);
    hub_client_free(f.client);
    hub_store_close(&f.store);
    return rc;
}
