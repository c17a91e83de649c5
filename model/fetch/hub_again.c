/*
 * hub_again.c - what follows an answer that was none of use: a wait, or an error that says what to do
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/fetch/hub_client_internal.h"

#define WAIT_MAX_SECONDS 3600

// --- errors ------------------------------------------------------------------------------------

static bool says(const struct http_answer *a, const char *code)
{
    return strcmp(a->error_code, code) == 0;
}

/* An answer that the hub gives on purpose; 0: it is none of these. */
static int explain_refusal(const struct hub_client *c, const struct http_answer *a,
                           const char *what, struct err *err)
{
    if (a->status == 401 && strstr(a->error_message, "Invalid credentials")) {
        return err_set(err, ERR_USAGE, "%s: the token in %s is not valid", what, c->token_from);
    }
    if (says(a, "GatedRepo")) {
        return err_set(err, ERR_USAGE,
                       "%s: its terms must be accepted first: open its page on %s, then set "
                       "HF_TOKEN to your token%s",
                       what, c->host, c->token ? " (the one that is set has no access)" : "");
    }
    if (says(a, "RepoNotFound") || a->status == 401) {
        return err_set(err, ERR_NOT_FOUND,
                       "%s: there is no such repository, or it is private: check the name%s", what,
                       c->token ? ", and whether your token may read it" : ", or set HF_TOKEN");
    }
    if (says(a, "RevisionNotFound")) {
        return err_set(err, ERR_NOT_FOUND, "%s: the repository has no such revision", what);
    }
    if (says(a, "EntryNotFound")) {
        return err_set(err, ERR_NOT_FOUND, "%s: the repository has no such file", what);
    }
    if (a->status == 403) {
        return err_set(err, ERR_USAGE, "%s: %s", what,
                       *a->error_message ? a->error_message : "access is refused (403)");
    }
    return 0;
}

/* The error of an answer that is not to be tried again. */
static int explain(const struct hub_client *c, const struct http_answer *a, const char *what,
                   struct err *err)
{
    const int rc = a->end == HTTP_DONE ? explain_refusal(c, a, what, err) : 0;
    if (rc) {
        return rc;
    }
    if (a->end == HTTP_AWAY) {
        return err_set(err, ERR_IO, HUB_AWAY "%s: %s", c->host, a->why);
    }
    if (a->end != HTTP_DONE) {
        return err_set(err, ERR_IO, "%s: %s", what, a->why);
    }
    return err_set(err, ERR_IO, "%s: %s answers %ld%s%s", what, c->host, a->status,
                   *a->error_message ? ": " : "", a->error_message);
}

// --- waits -------------------------------------------------------------------------------------

/* The seconds after which the server will answer again, as it says; -1: it does not say. */
static long told_seconds(const struct http_answer *a)
{
    const char *limit = strstr(a->rate_limit, ";t=");
    if (limit && a->status == 429) {
        return strtol(limit + 3, NULL, 10) + 1;
    }
    char *end;
    const long after = strtol(a->retry_after, &end, 10);
    return end > a->retry_after && after >= 0 ? after : -1;
}

static bool may_pass(const struct http_answer *a)
{
    if (a->end != HTTP_DONE) {
        return a->end == HTTP_CUT;
    }
    return a->status == 429 || a->status == 408 || a->status >= 500;
}

int hub_client_again(struct hub_client *c, const struct http_answer *answer, const char *what,
                     unsigned *tries, struct err *err)
{
    const char *why = answer->end == HTTP_DONE ? "" : answer->why;
    if (!may_pass(answer)) {
        return explain(c, answer, what, err);
    }
    if (++*tries >= HUB_TRIES) {
        const int rc = explain(c, answer, what, err);
        err_prefix(err, "after %d tries", HUB_TRIES);
        return rc;
    }
    long wait = answer->end == HTTP_DONE ? told_seconds(answer) : -1;
    wait = wait >= 0 ? wait : *tries > 3 ? 8 : 1L << (*tries - 1); // 1, 2, 4, 8
    if (wait > WAIT_MAX_SECONDS) {
        return err_set(err, ERR_IO, "%s: %s asks for a wait of %ld seconds: try again later", what,
                       c->host, wait);
    }
    if (!c->quiet && answer->end == HTTP_DONE) {
        fprintf(stderr, "%s answers %ld; again in %ld s\n", c->host, answer->status, wait);
    } else if (!c->quiet) {
        fprintf(stderr, "%s: %s; again in %ld s\n", c->host, why, wait);
    }
    nanosleep(&(struct timespec){.tv_sec = wait}, NULL);
    return 0;
}
