#include "model/fetch/fetch_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/load/hub.h"

static int wrong(const char *text, struct err *err)
{
    return err_set(err, ERR_USAGE,
                   "%s: expected an alias (gelu-1l), OWNER/NAME, "
                   "hf://OWNER/NAME[@REVISION][/PATH] or "
                   "hf://datasets/OWNER/NAME[@REVISION][/PATH]",
                   text);
}

/* Copies from[len]; false: it is too long, or empty. */
static bool copy(char *to, size_t size, const char *from, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

/* The length of the revision that 'text' begins with. */
static size_t revision_length(const char *text)
{
    const bool with_slashes =
        strncmp(text, "refs/pr/", 8) == 0 || strncmp(text, "refs/convert/", 13) == 0;
    size_t len = strcspn(text, "/");
    for (int i = 0; with_slashes && i < 2 && text[len]; i++) {
        len += 1 + strcspn(text + len + 1, "/");
    }
    return len;
}

/* Turns %2F into slashes. */
static void unquote(char *text)
{
    for (char *at; (at = strstr(text, "%2F"));) {
        *at = '/';
        memmove(at + 1, at + 3, strlen(at + 3) + 1);
    }
}

int fetch_name_check_path(const char *path, struct err *err)
{
    for (const char *at = path; at;) {
        const size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && *at == '.') || (len == 2 && at[0] == '.' && at[1] == '.')) {
            return err_set(err, ERR_FORMAT, "\"%s\" is no path of a file in a repository", path);
        }
        at = at[len] ? at + len + 1 : NULL;
    }
    return 0;
}

/* Reads "OWNER/NAME[@REV][/PATH]". */
static int read_address(struct fetch_name *out, const char *text, const char *at, struct err *err)
{
    const char *slash = strchr(at, '/');
    if (!slash) {
        return wrong(text, err);
    }
    const size_t repo = (size_t)(slash - at) + 1 + strcspn(slash + 1, "@/");
    if (!copy(out->repo, sizeof out->repo, at, repo) || !hub_is_repo(out->repo)) {
        return wrong(text, err);
    }
    at += repo;
    if (*at == '@') {
        const size_t len = revision_length(at + 1);
        if (!copy(out->revision, sizeof out->revision, at + 1, len)) {
            return wrong(text, err);
        }
        unquote(out->revision);
        out->has_revision = true;
        at += 1 + len;
    }
    size_t len = strlen(at);
    while (len > 1 && at[len - 1] == '/') {
        len--;
    }
    if (len <= 1) {
        return 0;
    }
    if (!copy(out->path, sizeof out->path, at + 1, len - 1)) {
        return wrong(text, err);
    }
    return fetch_name_check_path(out->path, NULL) ? wrong(text, err) : 0;
}

int fetch_name_read(struct fetch_name *out, const char *text, struct err *err)
{
    static const char scheme[] = "hf://";
    *out = (struct fetch_name){.kind = "models", .revision = "main"};
    if (strncmp(text, scheme, sizeof scheme - 1) == 0) {
        const char *at = text + sizeof scheme - 1;
        if (strncmp(at, "datasets/", 9) == 0) {
            out->kind = "datasets";
            at += 9;
        } else if (strncmp(at, "models/", 7) == 0) {
            at += 7;
        }
        return read_address(out, text, at, err);
    }
    const struct hub_model *known = hub_find(text);
    const char *repo = known ? known->repo : text;
    if (!known && !hub_is_repo(text)) {
        return wrong(text, err);
    }
    return copy(out->repo, sizeof out->repo, repo, strlen(repo)) ? 0 : wrong(text, err);
}
