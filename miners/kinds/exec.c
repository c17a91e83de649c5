/*
 * exec.c - the kind "exec": a program that is asked about one document after another
 *
 * It gets one line per document on its standard input and answers with one line on its standard
 * output:
 *
 *     {"text":"two words","ends":[3,9]}            ->   {"labels":[0,1]}   or   {"gave_up":true}
 *
 * With windows: true the first line also has "window_begin":[0,0], the first token of the text in the
 * model's window of each token.  With answers: true it has "ids":[31,7] of the tokens, and the second
 * line has "answers":[null,12], the id of the token that would follow each labelled one, and anything
 * at the others.
 *
 * Each thread has a process of its own in a process group of its own; it starts with the thread's
 * first document and ends with the thread.  Nothing it does may stop or end gapscope: both pipes
 * are watched at once, so that neither side waits for the other to read; everything has a deadline;
 * a document without a proper answer counts as given up, and the process is killed and restarted.
 * FAILURES_MAX such documents in a row end the run.  Where the run is to stop, nobody waits for an
 * answer any more: the process is killed.
 */
#include "miners/core/kinds.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"
#include "miners/kinds/child.h"

#define FAILURES_MAX 5
#define STARTING_FACTOR 3            // the first document may take this many times as long
#define LAST_WORDS_MS 1000           // time that a program has to end after its input has ended
#define STOPPED_WORDS_MS 100         // the same where the run is to stop
#define STOP_LOOK_MS 50              // how often to look whether it is: no signal need end a poll()
#define READ_BYTES ((size_t)1 << 16) // bytes read at once
#define ANSWER_BYTES 65536           // longest answer: this many bytes ...
#define LABEL_BYTES 16               // ... and this many more per token

struct exec {
    char **argv; // [argc] and NULL
    size_t argc;
    char *folder;
    unsigned timeout_sec;
    bool answers, windows; // as in struct exec_options
};

/* The process of one thread. */
struct ctx {
    const struct exec *x;
    const atomic_int *stop; // NULL: none
    struct child child;
    bool fresh;          // it has not answered yet
    bool left;           // it exited by itself without an answer
    unsigned n_failures; // documents in a row without a proper answer
    char why[256];       // the reason for the last of them
    struct buf request, answer;
    struct json_parser *parser;
};

/* Notes why there is no proper answer; returns false. */
__attribute__((format(printf, 2, 3))) static bool no_answer(struct ctx *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, args);
    va_end(args);
    return false;
}

// --- asking ------------------------------------------------------------------------------------

/* Notes why it has closed its output. */
static bool died(struct ctx *r)
{
    const bool ended = child_wait(&r->child, LAST_WORDS_MS);
    const int how = child_end(&r->child);
    r->left = ended && WIFEXITED(how) && WEXITSTATUS(how) == 0 && r->answer.len == 0;
    return !ended             ? no_answer(r, "it closed its output")
           : WIFSIGNALED(how) ? no_answer(r, "it was ended by signal %d (%s)", WTERMSIG(how),
                                          strsignal(WTERMSIG(how)))
                              : no_answer(r, "it ended with status %d", WEXITSTATUS(how));
}

static int64_t now_ms(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Sends as much of the request from *sent on as the pipe takes; an error shows when the answer is
 * read. */
static void send_some(struct ctx *r, size_t *sent)
{
    const ssize_t n = child_write(&r->child, r->request.data + *sent, r->request.len - *sent);
    if (n > 0) {
        *sent += (size_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        child_close_input(&r->child); // it no longer reads
    }
}

/* Reads the bytes that are there; returns 1 if there were some, 0 if none yet, -1 at the end. */
static int read_some(struct ctx *r, struct err *err)
{
    if (buf_reserve(&r->answer, READ_BYTES, err)) {
        return -1;
    }
    const ssize_t n = read(r->child.out, r->answer.data + r->answer.len, READ_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    r->answer.len += n > 0 ? (size_t)n : 0;
    return n > 0 ? 1 : -1;
}

/* Whether what was read is one line and nothing more. */
static bool check_line(struct ctx *r, size_t sent)
{
    const char *line_end = memchr(r->answer.data, '\n', r->answer.len);
    if (line_end + 1 != r->answer.data + r->answer.len) {
        return no_answer(r, "it answered with more than one line");
    }
    return sent == r->request.len ||
           no_answer(r, "it answered before it had read the whole document");
}

/* How long to wait at most until the deadline or the stop are looked at. */
static int wait_ms(const struct ctx *r, int64_t left_ms)
{
    const int64_t most = r->stop ? STOP_LOOK_MS : 60000;
    return (int)(left_ms < most ? left_ms : most);
}

/* Sends the request and reads a line into r->answer before the deadline. */
static bool exchange(struct ctx *r, size_t answer_max, struct err *err)
{
    const int64_t timeout_ms = (int64_t)r->x->timeout_sec * 1000 * (r->fresh ? STARTING_FACTOR : 1);
    const int64_t deadline = now_ms() + timeout_ms;
    size_t sent = 0;
    r->answer.len = 0;
    for (;;) {
        const int64_t left_ms = deadline - now_ms();
        if (is_stopped(r->stop)) {
            return no_answer(r, "the run was stopped");
        }
        if (left_ms <= 0) {
            return no_answer(r, "it did not answer within %" PRId64 " s", timeout_ms / 1000);
        }
        struct pollfd fds[2] = {
            {.fd = r->child.out, .events = POLLIN},
            {.fd = sent < r->request.len ? r->child.in : -1, .events = POLLOUT},
        };
        if (poll(fds, 2, wait_ms(r, left_ms)) < 0 && errno != EINTR) {
            return no_answer(r, "poll: %s", strerror(errno));
        }
        if (fds[1].revents) {
            send_some(r, &sent);
        }
        if (!fds[0].revents) {
            continue;
        }
        const size_t before = r->answer.len;
        if (read_some(r, err) < 0) {
            return err->code ? false : died(r);
        }
        if (memchr(r->answer.data + before, '\n', r->answer.len - before)) {
            return check_line(r, sent);
        }
        if (r->answer.len > answer_max) {
            return no_answer(r, "its answer is longer than %zu bytes", answer_max);
        }
    }
}

// --- documents ---------------------------------------------------------------------------------

static int put_number(struct buf *b, uint32_t number, struct err *err)
{
    char digits[11];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return buf_append(b, digits + at, sizeof digits - at, err);
}

static int make_request(struct buf *b, const struct exec *x, const struct tokens *doc,
                        struct err *err)
{
    b->len = 0;
    int rc = buf_printf(b, err, "{\"text\":");
    rc = rc ? rc : jsonw_string(b, doc->text, doc->text_len, err);
    rc = rc ? rc : buf_printf(b, err, ",\"ends\":[");
    for (size_t i = 0; i < doc->n && !rc; i++) {
        rc = i > 0 ? buf_append(b, ",", 1, err) : 0;
        rc = rc ? rc : put_number(b, doc->ends[i], err);
    }
    rc = rc || !x->answers ? rc : buf_printf(b, err, "],\"ids\":[");
    for (size_t i = 0; x->answers && i < doc->n && !rc; i++) {
        rc = i > 0 ? buf_append(b, ",", 1, err) : 0;
        rc = rc ? rc : put_number(b, doc->ids[i], err);
    }
    rc = rc || !x->windows ? rc : buf_printf(b, err, "],\"window_begin\":[");
    for (size_t i = 0; x->windows && i < doc->n && !rc; i++) {
        rc = i > 0 ? buf_append(b, ",", 1, err) : 0;
        rc = rc ? rc : put_number(b, (uint32_t)tokens_window(doc, i), err);
    }
    return rc ? rc : buf_printf(b, err, "]}\n");
}

/* The value of a label: 0 or 1 for 0, 1, false or true; else -1. */
static int label_value(struct json_object *value)
{
    const int64_t number = json_object_get_int64(value);
    return json_object_is_type(value, json_type_boolean)                    ? (int)number
           : json_object_is_type(value, json_type_int) && (number | 1) == 1 ? (int)number
                                                                            : -1;
}

/* Reads what follows the labelled tokens; ids: NULL where only labels are asked for. */
static bool read_ids(struct ctx *r, struct json_object *answer, size_t n, const uint8_t *labels,
                     uint32_t *ids)
{
    struct json_object *list = json_member(answer, "answers");
    if (!r->x->answers) {
        return !list || no_answer(r, "its answer has \"answers\", which the hypothesis does not "
                                     "have: give it answers: true");
    }
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != n) {
        return no_answer(r, "its answer has no list \"answers\" of %zu ids or nulls", n);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const int64_t id = json_object_get_int64(item);
        if (labels[i] &&
            (!json_object_is_type(item, json_type_int) || id < 0 || id >= UINT32_MAX)) {
            return no_answer(r, "it labels token %zu and its answer there is no id", i);
        }
        if (ids) {
            ids[i] = labels[i] ? (uint32_t)id : 0;
        }
    }
    return true;
}

/* Reads the labels, and the ids, from the answer. */
static bool read_answer(struct ctx *r, struct json_object *answer, size_t n, uint8_t *labels,
                        uint32_t *ids, enum miner_verdict *verdict)
{
    struct json_object *gave_up = json_member(answer, "gave_up");
    struct json_object *list = json_member(answer, "labels");
    if (json_object_is_type(gave_up, json_type_boolean) && json_object_get_boolean(gave_up)) {
        *verdict = MINER_GAVE_UP;
        return true;
    }
    if (!json_object_is_type(list, json_type_array)) {
        return no_answer(r, "its answer has no list \"labels\"");
    }
    if (json_object_array_length(list) != n) {
        return no_answer(r, "its answer has %zu labels for %zu tokens",
                         json_object_array_length(list), n);
    }
    for (size_t i = 0; i < n; i++) {
        const int value = label_value(json_object_array_get_idx(list, i));
        if (value < 0) {
            return no_answer(r, "its label of token %zu is neither 0 nor 1", i);
        }
        labels[i] = (uint8_t)value;
    }
    *verdict = MINER_DONE;
    return read_ids(r, answer, n, labels, ids);
}

/* Asks about one document.  False: there was no proper answer, or there is an error in *err. */
static bool ask(struct ctx *r, const struct tokens *doc, uint8_t *labels, uint32_t *ids,
                enum miner_verdict *verdict, struct err *err)
{
    struct err bad = {0};
    struct json_object *answer = NULL;
    const size_t lists = r->x->answers ? 2 : 1;
    if (!exchange(r, ANSWER_BYTES + lists * LABEL_BYTES * doc->n, err)) {
        return false;
    }
    if (json_parse_line(r->parser, &answer, r->answer.data, r->answer.len, &bad)) {
        if (bad.code == ERR_NOMEM) {
            *err = bad;
        }
        return no_answer(r, "its answer is not JSON: %s", bad.msg);
    }
    const bool good = read_answer(r, answer, doc->n, labels, ids, verdict);
    json_object_put(answer);
    r->fresh = false;
    return good;
}

/* Replaces a process that has ended or kept on writing since its last answer: the current document
 * is not the cause. */
static void check_silence(struct ctx *r, struct err *err)
{
    if (r->child.pid > 0) {
        r->answer.len = 0;
        if (read_some(r, err) != 0) {
            child_end(&r->child);
        }
    }
}

static int start(struct ctx *r, struct err *err)
{
    r->fresh = true;
    return child_start(&r->child, r->x->argv, r->x->folder, err);
}

static int answer(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                  uint32_t *ids, enum miner_verdict *verdict, struct err *err)
{
    const struct exec *x = self;
    struct ctx *r = ctx;
    struct err e = {0};
    int rc = make_request(&r->request, x, doc, &e);
    bool answered = false;
    for (bool again = true; !rc && again;) {
        check_silence(r, &e);
        rc = e.code ? (int)e.code : r->child.pid > 0 ? 0 : start(r, &e);
        // A process that exits by itself after an answer may not have seen this document
        const bool fresh = r->fresh;
        r->left = false;
        answered = !rc && ask(r, doc, labels, ids, verdict, &e);
        again = !answered && !e.code && r->left && !fresh;
    }
    if (answered) {
        r->n_failures = 0;
        return 0;
    }
    if (!rc && !e.code) {
        child_end(&r->child);
        *verdict = MINER_GAVE_UP;
        if (is_stopped(r->stop) || ++r->n_failures < FAILURES_MAX) {
            return 0;
        }
        err_set(&e, ERR_FORMAT, "%s: no proper answer to %d documents in a row; to the last: %s",
                x->argv[0], FAILURES_MAX, r->why);
    }
    if (err) {
        *err = e;
    }
    return (int)e.code;
}

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    return answer(self, ctx, doc, labels, NULL, verdict, err);
}

static const char *why(const void *ctx)
{
    const struct ctx *r = ctx;
    return r->why;
}

static void ctx_watch(void *ctx, const atomic_int *stop)
{
    struct ctx *r = ctx;
    r->stop = stop;
}

static void ctx_free(void *ctx)
{
    struct ctx *r = ctx;
    if (!r) {
        return;
    }
    child_close_input(&r->child); // most programs end when their input does
    const int words_ms = is_stopped(r->stop) ? STOPPED_WORDS_MS : LAST_WORDS_MS;
    for (int64_t deadline = now_ms() + words_ms, left; r->child.pid > 0;) {
        struct pollfd fd = {.fd = r->child.out, .events = POLLIN};
        left = deadline - now_ms();
        r->answer.len = 0;
        if (left <= 0 || poll(&fd, 1, (int)left) == 0 || read_some(r, NULL) < 0) {
            break;
        }
    }
    child_end(&r->child);
    buf_free(&r->request);
    buf_free(&r->answer);
    json_parser_free(r->parser);
    free(r);
}

static int ctx_new(void **ctx, const void *self, struct err *err)
{
    struct ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a program's memory");
    }
    r->x = self;
    r->child = CHILD_NONE;
    r->parser = json_lines_parser_new();
    if (!r->parser) {
        ctx_free(r);
        return err_nomem(err, "a JSON parser");
    }
    *ctx = r;
    return 0;
}

// --- making one --------------------------------------------------------------------------------

static void exec_free(void *self)
{
    struct exec *x = self;
    if (!x) {
        return;
    }
    for (size_t i = 0; x->argv && i < x->argc; i++) {
        free(x->argv[i]);
    }
    free(x->argv);
    free(x->folder);
    free(x);
}

static const struct miner_kind kind = {
    .name = "exec",
    .needs_text = true,
    .ctx_new = ctx_new,
    .ctx_watch = ctx_watch,
    .ctx_free = ctx_free,
    .label = label,
    .answer = answer,
    .why = why,
    .free = exec_free,
};

static int copy_options(struct exec *x, const struct exec_options *o, struct err *err)
{
    x->timeout_sec = o->timeout_sec;
    x->answers = o->answers;
    x->windows = o->windows;
    x->folder = strdup(o->folder);
    x->argv = mem_zero(o->argc + 1, sizeof *x->argv);
    bool whole = x->folder && x->argv;
    for (; whole && x->argc < o->argc; x->argc++) {
        x->argv[x->argc] = strdup(o->argv[x->argc]);
        whole = x->argv[x->argc] != NULL;
    }
    return whole ? 0 : err_nomem(err, "a program's arguments");
}

/* The path of 'file' relative to the folder that the program runs in; NULL: no memory. */
static char *path_of(const struct exec *x, const char *file)
{
    return file[0] == '/' ? strdup(file) : file_join(x->folder, file);
}

static int append_hash(struct buf *spec, const char *path, struct err *err)
{
    struct file_map map;
    int rc = file_map(&map, path, err);
    if (rc) {
        return rc;
    }
    rc = buf_printf(spec, err, "\"xxh3:%016" PRIx64 "\"",
                    (uint64_t)XXH3_64bits(map.len ? map.data : NULL, map.len));
    file_unmap(&map);
    return rc;
}

/* Appends argument i: a file by its contents and not by its path. */
static int append_argument(struct buf *spec, const struct exec *x, size_t i, struct err *err)
{
    char *path = path_of(x, x->argv[i]);
    if (!path) {
        return err_nomem(err, "a path");
    }
    const bool is_file = (i > 0 || strchr(x->argv[0], '/')) && file_is_regular(path);
    const int rc = is_file ? append_hash(spec, path, err)
                           : jsonw_string(spec, x->argv[i], strlen(x->argv[i]), err);
    free(path);
    return rc;
}

static int make_spec(struct buf *spec, const struct exec *x, struct err *err)
{
    int rc = buf_printf(spec, err, "{\"exec\":[");
    for (size_t i = 0; i < x->argc && !rc; i++) {
        rc = i > 0 ? buf_append(spec, ",", 1, err) : 0;
        rc = rc ? rc : append_argument(spec, x, i, err);
    }
    return rc ? rc : buf_printf(spec, err, "]}");
}

int exec_miner(struct miner *m, const struct exec_options *o, struct err *err)
{
    struct buf spec = {0};
    struct exec *x = mem_zero(1, sizeof *x);
    int rc = x ? copy_options(x, o, err) : err_nomem(err, "a program");
    rc = rc ? rc : child_find(x->argv[0], x->folder, err);
    rc = rc ? rc : make_spec(&spec, x, err);
    if (rc) {
        buf_free(&spec);
        exec_free(x);
        return rc;
    }
    *m = (struct miner){.kind = &kind,
                        .self = x,
                        .spec = spec.data,
                        .answers_itself = x->answers,
                        .windows = x->windows};
    return 0;
}
