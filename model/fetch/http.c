#include "model/fetch/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_SECONDS 10
#define STALL_SECONDS 10 // without a byte

struct http {
    CURL *curl;
};

/* What libcurl's functions get. */
struct exchange {
    CURL *curl;
    const struct http_request *request;
    struct http_answer *answer;
    bool sink_full, no_memory;
};

int http_new(struct http **out, struct err *err)
{
    struct http *h = mem_zero(1, sizeof *h);
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(h->curl = curl_easy_init())) {
        free(h);
        return err_nomem(err, "libcurl");
    }
    *out = h;
    return 0;
}

void http_free(struct http *h)
{
    if (!h) {
        return;
    }
    curl_easy_cleanup(h->curl);
    curl_global_cleanup();
    free(h);
}

void http_answer_free(struct http_answer *answer)
{
    buf_free(&answer->body);
}

/* Copies the header's value if its name is 'name'. */
static void take_header(const char *line, size_t len, const char *name, char *to, size_t size)
{
    const size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') {
        return;
    }
    const char *value = line + n + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (unsigned char)end[-1] <= ' ') {
        end--;
    }
    snprintf(to, size, "%.*s", (int)(end - value), value);
}

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    struct http_answer *a = x->answer;
    const size_t len = size * n;
#define TAKE(name, field) take_header(line, len, name, a->field, sizeof a->field)
    TAKE("Location", location);
    TAKE("X-Repo-Commit", commit);
    TAKE("ETag", etag);
    TAKE("X-Linked-Etag", linked_etag);
    TAKE("X-Linked-Size", linked_size);
    TAKE("Content-Length", length);
    TAKE("X-Error-Code", error_code);
    TAKE("X-Error-Message", error_message);
    TAKE("Retry-After", retry_after);
    TAKE("RateLimit", rate_limit);
    TAKE("Content-Range", content_range);
    TAKE("Link", link);
#undef TAKE
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    const size_t len = size * n;
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    x->answer->status = status;
    if (x->request->sink && (status == 200 || status == 206)) {
        x->sink_full = !x->request->sink(x->request->context, x->answer, bytes, len);
        return x->sink_full ? 0 : len;
    }
    if (x->answer->body.len + len > HTTP_BODY_BYTES) {
        x->sink_full = true;
        return 0;
    }
    x->no_memory = buf_append(&x->answer->body, bytes, len, NULL) != 0;
    return x->no_memory ? 0 : len;
}

/* What a result of libcurl means. */
static enum http_end end_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_DONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return HTTP_AWAY;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_CUT;
    default:
        return HTTP_REFUSED;
    }
}

/* A number of seconds from an environment variable of the hub's client. */
static long seconds(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    const long value = text ? strtol(text, NULL, 10) : 0;
    return value > 0 ? value : otherwise;
}

/* The certificates that people set for the curl program and for OpenSSL. */
static void set_certificates(CURL *curl)
{
    static const char *const variables[] = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE",
                                            "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *file = getenv(variables[i]);
        if (file && *file) {
            curl_easy_setopt(curl, CURLOPT_CAINFO, file);
            return;
        }
    }
}

static void set_options(CURL *curl, struct exchange *x, struct curl_slist *headers, char *why)
{
    const struct http_request *r = x->request;
    curl_easy_reset(curl); // connections stay
    curl_easy_setopt(curl, CURLOPT_URL, r->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "gapscope/" GAPSCOPE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOBODY, r->head ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, seconds("HF_HUB_ETAG_TIMEOUT", CONNECT_SECONDS));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                     seconds("HF_HUB_DOWNLOAD_TIMEOUT", STALL_SECONDS));
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    if (r->from > 0) {
        char range[32];
        snprintf(range, sizeof range, "%llu-", (unsigned long long)r->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range); // it is copied
    }
    set_certificates(curl);
}

/* The headers of a request; NULL: no memory. */
static struct curl_slist *headers_of(const struct http_request *r)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (!list || !r->token) {
        return list;
    }
    struct buf line = {0};
    struct curl_slist *longer = NULL;
    if (buf_printf(&line, NULL, "Authorization: Bearer %s", r->token) == 0 &&
        buf_append(&line, "", 1, NULL) == 0) {
        longer = curl_slist_append(list, line.data);
    }
    buf_free(&line);
    if (!longer) {
        curl_slist_free_all(list);
    }
    return longer;
}

int http_ask(struct http *h, const struct http_request *request, struct http_answer *answer,
             struct err *err)
{
    char why[CURL_ERROR_SIZE] = "";
    struct exchange x = {.curl = h->curl, .request = request, .answer = answer};
    memset(answer, 0, sizeof *answer);
    struct curl_slist *headers = headers_of(request);
    if (!headers) {
        return err_nomem(err, "a request");
    }
    set_options(h->curl, &x, headers, why);
    const CURLcode code = curl_easy_perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_slist_free_all(headers);
    answer->end = x.sink_full ? HTTP_SINK : end_of(code);
    snprintf(answer->why, sizeof answer->why, "%s", *why ? why : curl_easy_strerror(code));
    return x.no_memory ? err_nomem(err, "an answer") : 0;
}
