#include "model/load/hub_cache.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"

/* The variable's value; NULL: it is not set, or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Appends what "~" or "~name" at the beginning of 'path' stands for; returns how much of 'path' that
 * is.  Where nobody knows, it stands for itself. */
static size_t expand_home(struct buf *out, const char *path, int *rc, struct err *err)
{
    const size_t len = strcspn(path, "/");
    const char *home = len == 1 ? variable("HOME") : NULL;
    if (*path != '~') {
        return 0;
    }
    if (!home) {
        char *name = strndup(path + 1, len - 1);
        const struct passwd *user = !name ? NULL : *name ? getpwnam(name) : getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
        free(name);
    }
    *rc = home ? buf_append(out, home, strlen(home), err) : buf_append(out, path, len, err);
    return len;
}

/* Appends the value of "$NAME" or "${NAME}" at the beginning of 'path'; returns how long that is; 0:
 * it is none, or the variable is not set. */
static size_t expand_variable(struct buf *out, const char *path, int *rc, struct err *err)
{
    char name[100];
    const bool braces = path[0] == '$' && path[1] == '{';
    const char *from = path + 1 + braces;
    size_t len = 0;
    while (isalnum((unsigned char)from[len]) || from[len] == '_') {
        len++;
    }
    if (path[0] != '$' || len == 0 || len >= sizeof name || (braces && from[len] != '}')) {
        return 0;
    }
    memcpy(name, from, len);
    name[len] = '\0';
    const char *value = getenv(name);
    if (!value) {
        return 0;
    }
    *rc = buf_append(out, value, strlen(value), err);
    return len + 1 + (braces ? 2 : 0);
}

/* Sets *out to 'path' with the home folder expanded, then variables. */
static int expand(char **out, const char *path, struct err *err)
{
    struct buf at_home = {0}, whole = {0};
    int rc = 0;
    const size_t used = expand_home(&at_home, path, &rc, err);
    rc = rc ? rc : buf_append(&at_home, path + used, strlen(path + used) + 1, err);
    for (const char *at = rc ? "" : at_home.data; *at && !rc;) {
        const size_t n = expand_variable(&whole, at, &rc, err);
        rc = rc || n ? rc : buf_append(&whole, at, 1, err);
        at += n ? n : 1;
    }
    rc = rc ? rc : buf_append(&whole, "", 1, err);
    buf_free(&at_home);
    if (rc) {
        buf_free(&whole);
        return rc;
    }
    *out = whole.data;
    return 0;
}

/* Sets *out to "first/second", and frees 'first'; a NULL 'first' gives NULL. */
static int join(char **out, char *first, const char *second, struct err *err)
{
    *out = first ? file_join(first, second) : NULL;
    const int rc = first && !*out ? err_nomem(err, "a path") : 0;
    free(first);
    return rc;
}

int hub_cache_home(char **out, struct err *err)
{
    const char *hf = variable("HF_HOME"), *xdg = variable("XDG_CACHE_HOME");
    char *cache = NULL;
    *out = NULL;
    if (hf) {
        return expand(out, hf, err);
    }
    int rc = expand(&cache, xdg ? xdg : "~/.cache", err);
    if (!rc && *cache == '~') { // there is no home folder
        free(cache);
        return 0;
    }
    return rc ? rc : join(out, cache, "huggingface", err);
}

int hub_cache_folder(char **out, struct err *err)
{
    const char *hub = variable("HF_HUB_CACHE");
    hub = hub ? hub : variable("HUGGINGFACE_HUB_CACHE");
    *out = NULL;
    if (hub) {
        return expand(out, hub, err);
    }
    char *home = NULL;
    const int rc = hub_cache_home(&home, err);
    return rc ? rc : join(out, home, "hub", err);
}

int hub_cache_repo(char **out, const char *kind, const char *repo, struct err *err)
{
    char *cache = NULL;
    struct buf path = {0};
    *out = NULL;
    int rc = hub_cache_folder(&cache, err);
    if (rc || !cache) {
        return rc;
    }
    rc = buf_printf(&path, err, "%s/%s--", cache, kind);
    for (const char *at = repo; *at && !rc; at++) {
        rc = *at == '/' ? buf_append(&path, "--", 2, err) : buf_append(&path, at, 1, err);
    }
    rc = rc ? rc : buf_append(&path, "", 1, err);
    free(cache);
    if (rc) {
        buf_free(&path);
        return rc;
    }
    *out = path.data;
    return 0;
}

bool hub_cache_says(const char *name)
{
    static const char *const yes[] = {"1", "ON", "YES", "TRUE"};
    const char *value = getenv(name);
    for (size_t i = 0; value && i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(value, yes[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool hub_cache_offline(void)
{
    return hub_cache_says("HF_HUB_OFFLINE") || hub_cache_says("TRANSFORMERS_OFFLINE");
}
