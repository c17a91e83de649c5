/*
 * hub_client.h - asks the Hugging Face hub: which files a repository has, and for a file
 *
 * The token goes to the hub's own host, never to another one that the hub redirects to.  What a
 * server or a network does that may pass (429, 5xx, a connection that is cut) is tried again after a
 * wait that is shown, HUB_TRIES times without progress.
 */
#ifndef GAPSCOPE_MODEL_FETCH_HUB_CLIENT_H
#define GAPSCOPE_MODEL_FETCH_HUB_CLIENT_H

#include <stdbool.h>

#include "model/fetch/fetch_name.h"
#include "model/fetch/http.h"

#define HUB_TRIES 5

struct hub_client;

/* The endpoint is HF_ENDPOINT's; the token HF_TOKEN's, HUGGING_FACE_HUB_TOKEN's, or that of the file
 * HF_TOKEN_PATH, else <home>/token.  quiet: waits are not shown.  Errors: ERR_NOMEM, ERR_USAGE. */
int hub_client_new(struct hub_client **out, bool quiet, struct err *err);
void hub_client_free(struct hub_client *c); // NULL is allowed

/* The name of the host, for messages. */
const char *hub_client_host(const struct hub_client *c);

/* The URL of a file: <endpoint>/[datasets/]REPO/resolve/REVISION/PATH.  Errors: ERR_NOMEM. */
int hub_client_file_url(const struct hub_client *c, struct buf *out, const char *kind,
                        const char *repo, const char *revision, const char *path, struct err *err);

/*
 * Asks for what the hub says of a repository, <endpoint>/api/KIND/REPO followed by 'rest' (which is
 * quoted already), into *body, JSON and a NUL.
 * Errors: ERR_NOT_FOUND (no such repository, revision, ...), ERR_USAGE (it needs a token or terms),
 * ERR_IO (the network; the message of an answer that nobody gave has HUB_AWAY), ERR_NOMEM.
 */
int hub_client_api(struct hub_client *c, struct buf *body, const struct fetch_name *name,
                   const char *rest, struct err *err);

/* What the hub knows of a file. */
struct hub_file {
    char commit[80];
    char etag[200]; // its hash
    uint64_t size;
};

/* Asks for the file at 'url', which messages call 'what', without its content.  Errors: as hub_client_api(); ERR_FORMAT (it does
 * not answer as the hub does). */
int hub_client_head(struct hub_client *c, const char *url, const char *what, struct hub_file *file,
                    struct err *err);

/*
 * Asks once for the bytes of the file at 'url' from 'from' on, wherever the hub redirects to.  The
 * answer is that of the last server; its status decides.  Errors: ERR_NOMEM, ERR_IO (redirects that
 * do not end, or lead from https to http).
 */
int hub_client_get(struct hub_client *c, const char *url, uint64_t from, http_sink *sink,
                   void *context, struct http_answer *answer, struct err *err);

/*
 * Decides what follows an answer that was none of use.  0: it is to be tried again, and the wait is
 * over; *tries counts those without progress.  Else the error, as hub_client_api() has them, which
 * calls the thing 'what'.
 */
int hub_client_again(struct hub_client *c, const struct http_answer *answer, const char *what,
                     unsigned *tries, struct err *err);

/* Begins the message where nobody could be reached. */
#define HUB_AWAY "cannot reach "

#endif
