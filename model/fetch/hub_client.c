#include "model/fetch/hub_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/file.h"
#include "model/fetch/fetch_hash.h"
#include "model/fetch/hub_client_internal.h"
#include "model/load/hub_cache.h"

#define DEFAULT_ENDPOINT "https://huggingface.co"
#define REDIRECTS_MAX 10

// --- opening -----------------------------------------------------------------------------------

/* The part of a URL up to its path: scheme, host and port. */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

static int set_endpoint(struct hub_client *c, struct err *err)
{
    const char *endpoint = getenv("HF_ENDPOINT");
    endpoint = endpoint && *endpoint ? endpoint : DEFAULT_ENDPOINT;
    size_t len = strlen(endpoint);
    while (len > 0 && endpoint[len - 1] == '/') {
        len--;
    }
    c->endpoint = strndup(endpoint, len);
    if (!c->endpoint) {
        return err_nomem(err, "a URL");
    }
    const bool http = strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0;
    const char *host = strstr(c->endpoint, "://");
    if (!http || !host[3]) {
        return err_set(err, ERR_USAGE, "HF_ENDPOINT is \"%s\"; expected https://HOST", endpoint);
    }
    snprintf(c->host, sizeof c->host, "%.*s", (int)strcspn(host + 3, "/"), host + 3);
    return 0;
}

/* Takes the token 'text', without what is blank around it; an empty one is none. */
static int take_token(struct hub_client *c, const char *text, const char *from, struct err *err)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        if (!isgraph((unsigned char)text[i])) {
            return err_set(err, ERR_USAGE, "the token in %s is not one: it has blanks", from);
        }
    }
    if (len == 0) {
        return 0;
    }
    snprintf(c->token_from, sizeof c->token_from, "%s", from);
    c->token = strndup(text, len);
    return c->token ? 0 : err_nomem(err, "a token");
}

/* Reads the token's file, if there is one. */
static int read_token_file(struct hub_client *c, struct err *err)
{
    const char *named = getenv("HF_TOKEN_PATH");
    char *home = NULL, *path = NULL;
    struct buf text = {0};
    int rc = hub_cache_home(&home, err);
    if (!rc && (home || (named && *named))) {
        path = named && *named ? strdup(named) : file_join(home, "token");
        rc = path ? 0 : err_nomem(err, "a path");
    }
    if (!rc && path && file_is_regular(path)) {
        rc = file_read(path, 4096, &text, err);
        rc = rc ? rc : buf_append(&text, "", 1, err);
        rc = rc ? rc : take_token(c, text.data, path, err);
    }
    buf_free(&text);
    free(path);
    free(home);
    return rc;
}

static int find_token(struct hub_client *c, struct err *err)
{
    static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (hub_cache_says("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
        return 0;
    }
    for (size_t i = 0; i < 2 && !c->token; i++) {
        const char *value = getenv(variables[i]);
        const int rc = value ? take_token(c, value, variables[i], err) : 0;
        if (rc) {
            return rc;
        }
    }
    return c->token ? 0 : read_token_file(c, err);
}

int hub_client_new(struct hub_client **out, bool quiet, struct err *err)
{
    struct hub_client *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "a client of the hub");
    }
    c->quiet = quiet;
    int rc = set_endpoint(c, err);
    rc = rc ? rc : find_token(c, err);
    rc = rc ? rc : http_new(&c->http, err);
    if (rc) {
        hub_client_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void hub_client_free(struct hub_client *c)
{
    if (!c) {
        return;
    }
    http_free(c->http);
    free(c->endpoint);
    free(c->token);
    free(c);
}

const char *hub_client_host(const struct hub_client *c)
{
    return c->host;
}

// --- URLs --------------------------------------------------------------------------------------

/* Appends text as it stands in a URL; 'plain': characters that stay besides letters and digits. */
static int append_quoted(struct buf *out, const char *text, const char *plain, struct err *err)
{
    int rc = 0;
    for (; *text && !rc; text++) {
        const unsigned char c = (unsigned char)*text;
        rc = isalnum(c) || strchr(plain, c) ? buf_append(out, text, 1, err)
                                            : buf_printf(out, err, "%%%02X", c);
    }
    return rc;
}

int hub_client_file_url(const struct hub_client *c, struct buf *out, const char *kind,
                        const char *repo, const char *revision, const char *path, struct err *err)
{
    const bool model = strcmp(kind, "models") == 0;
    int rc = buf_printf(out, err, "%s/%s%s%s/resolve/", c->endpoint, model ? "" : kind,
                        model ? "" : "/", repo);
    rc = rc ? rc : append_quoted(out, revision, "-._~", err);
    rc = rc ? rc : buf_append(out, "/", 1, err);
    rc = rc ? rc : append_quoted(out, path, "-._~/", err);
    return rc ? rc : buf_append(out, "", 1, err);
}

/* Sets *out to where 'location' leads from 'url'. */
static int follow(struct buf *out, const char *url, const char *location, struct err *err)
{
    const bool absolute =
        strncmp(location, "http://", 7) == 0 || strncmp(location, "https://", 8) == 0;
    struct buf to = {0};
    int rc = absolute ? 0 : buf_append(&to, url, origin_length(url), err);
    if (!rc && !absolute && *location != '/') {
        rc = err_set(err, ERR_IO, "%s: redirects to \"%s\", which is no address", url, location);
    }
    if (!rc && strncmp(url, "https://", 8) == 0 && strncmp(location, "http://", 7) == 0) {
        rc = err_set(err, ERR_IO, "%s: redirects from https to http: refused", url);
    }
    rc = rc ? rc : buf_append(&to, location, strlen(location) + 1, err);
    if (rc) {
        buf_free(&to);
        return rc;
    }
    buf_free(out);
    *out = to;
    return 0;
}

/* Whether 'url' is on the hub's own host. */
static bool is_hub(const struct hub_client *c, const char *url)
{
    const size_t n = origin_length(c->endpoint);
    return origin_length(url) == n && strncasecmp(url, c->endpoint, n) == 0;
}

static bool is_redirect(const struct http_answer *a)
{
    return a->end == HTTP_DONE && a->status >= 300 && a->status < 400 && *a->location;
}

// --- requests ----------------------------------------------------------------------------------

/* Asks, and follows redirects: all of them, or with 'here' those that stay on the hub's host. */
static int ask(struct hub_client *c, const char *url, struct http_request *request, bool here,
               struct http_answer *answer, struct err *err)
{
    struct buf at = {0};
    int rc = buf_append(&at, url, strlen(url) + 1, err);
    for (int i = 0; !rc; i++) {
        request->url = at.data;
        request->token = is_hub(c, at.data) ? c->token : NULL;
        rc = http_ask(c->http, request, answer, err);
        const bool relative = *answer->location == '/';
        if (rc || !is_redirect(answer) || (here && !relative)) {
            break;
        }
        if (i == REDIRECTS_MAX) {
            rc = err_set(err, ERR_IO, "%s: is redirected without end", url);
            break;
        }
        rc = follow(&at, at.data, answer->location, err);
        http_answer_free(answer);
    }
    buf_free(&at);
    return rc;
}

int hub_client_get(struct hub_client *c, const char *url, uint64_t from, http_sink *sink,
                   void *context, struct http_answer *answer, struct err *err)
{
    struct http_request request = {.from = from, .sink = sink, .context = context};
    return ask(c, url, &request, false, answer, err);
}

/* Removes "W/" and quotes. */
static void strip_etag(char *to, size_t size, const char *etag)
{
    etag += strncmp(etag, "W/", 2) == 0 ? 2 : 0;
    etag += *etag == '"';
    snprintf(to, size, "%s", etag);
    to[strcspn(to, "\"")] = '\0';
}

/* Takes what the hub says of a file from its headers. */
static int read_file(struct hub_file *file, const char *url, const struct http_answer *a,
                     struct err *err)
{
    const bool linked = *a->linked_size != '\0';
    const char *size = linked ? a->linked_size : a->status == 200 ? a->length : "";
    if (!fetch_hash_is(a->commit) || strlen(a->commit) != 40) {
        return err_set(
            err, ERR_FORMAT,
            "%s: the answer is not the hub's (it names no commit): a proxy, or a network "
            "that wants you to log in?",
            url);
    }
    if (*size < '0' || *size > '9') {
        return err_set(err, ERR_FORMAT, "%s: the hub does not say how long the file is", url);
    }
    snprintf(file->commit, sizeof file->commit, "%s", a->commit);
    strip_etag(file->etag, sizeof file->etag, *a->linked_etag ? a->linked_etag : a->etag);
    file->size = strtoull(size, NULL, 10);
    return 0;
}

int hub_client_head(struct hub_client *c, const char *url, const char *what, struct hub_file *file,
                    struct err *err)
{
    unsigned tries = 0;
    for (;;) {
        struct http_request request = {.head = true};
        struct http_answer answer;
        int rc = ask(c, url, &request, true, &answer, err);
        if (rc) {
            return rc;
        }
        const bool done = answer.end == HTTP_DONE && (answer.status == 200 || is_redirect(&answer));
        rc = done ? read_file(file, url, &answer, err)
                  : hub_client_again(c, &answer, what, &tries, err);
        http_answer_free(&answer);
        if (rc || done) {
            return rc;
        }
    }
}

int hub_client_api(struct hub_client *c, struct buf *body, const struct fetch_name *name,
                   const char *rest, struct err *err)
{
    struct buf url = {0};
    unsigned tries = 0;
    char what[500];
    snprintf(what, sizeof what, "%s%s%s", name->repo,
             strcmp(name->revision, "main") == 0 ? "" : "@",
             strcmp(name->revision, "main") == 0 ? "" : name->revision);
    int rc = buf_printf(&url, err, "%s/api/%s/%s%s", c->endpoint, name->kind, name->repo, rest);
    rc = rc ? rc : buf_append(&url, "", 1, err);
    for (bool done = false; !rc && !done;) {
        struct http_request request = {0};
        struct http_answer answer;
        rc = ask(c, url.data, &request, true, &answer, err);
        if (rc) {
            break;
        }
        done = answer.end == HTTP_DONE && answer.status == 200;
        if (done) {
            rc = buf_append(&answer.body, "", 1, err);
            buf_free(body);
            *body = answer.body;
            answer.body = (struct buf){0};
        } else {
            rc = hub_client_again(c, &answer, what, &tries, err);
        }
        http_answer_free(&answer);
    }
    buf_free(&url);
    return rc;
}
