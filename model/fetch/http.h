/*
 * http.h - one request over HTTP, by libcurl
 *
 * Redirects are not followed: the caller decides where to go, and what to send there.
 */
#ifndef GAPSCOPE_MODEL_FETCH_HTTP_H
#define GAPSCOPE_MODEL_FETCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"

struct http; // connections that are used again

/* Errors: ERR_NOMEM. */
int http_new(struct http **out, struct err *err);
void http_free(struct http *h); // NULL is allowed

/* Takes the next bytes of a body; of 'answer' the status and the headers are there.  False: it cannot
 * take them, and the request ends. */
struct http_answer;
typedef bool http_sink(void *context, const struct http_answer *answer, const char *bytes,
                       size_t len);

struct http_request {
    const char *url;
    bool head;
    const char *token; // sent as "Authorization: Bearer"; NULL: none
    uint64_t from; // the first byte that is asked for (a server may begin elsewhere); 0: the whole
    http_sink *sink; // gets the body of a 200 or a 206; NULL: the answer keeps it
    void *context;
};

enum http_end {
    HTTP_DONE,    // there is an answer
    HTTP_CUT,     // the connection ended, or nothing came for too long: it can be tried again
    HTTP_AWAY,    // nobody could be reached
    HTTP_SINK,    // the sink took no more
    HTTP_REFUSED, // not to be tried again: certificates, a wrong URL, ...
};

struct http_answer {
    enum http_end end;
    char why[300]; // what libcurl says, unless HTTP_DONE
    long status;
    // Headers that the hub's protocol needs; "" where they were not sent
    char location[4096], commit[80], etag[200], linked_etag[200], linked_size[40], length[40];
    char error_code[80], error_message[300], retry_after[80], rate_limit[200], content_range[80];
    char link[1000];
    struct buf body; // of an answer that no sink got: at most HTTP_BODY_BYTES
};

#define HTTP_BODY_BYTES ((size_t)64 << 20)

/* Asks, and fills *answer, which the caller ends with http_answer_free().  Errors: ERR_NOMEM; all
 * that can happen on a network is in answer->end. */
int http_ask(struct http *h, const struct http_request *request, struct http_answer *answer,
             struct err *err);
void http_answer_free(struct http_answer *answer);

#endif
