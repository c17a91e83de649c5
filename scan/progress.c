#include "scan/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "scan/pipeline.h"

#define TERMINAL_SECONDS 0.5
#define LOG_SECONDS 30.0

double progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(struct progress *p, const struct shards *shards)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO), .begin = progress_clock()};
    p->last = p->begin;
    for (size_t i = 0; i < shards->n; i++) {
        p->bytes += shards->items[i].bytes;
    }
}

void progress_time(char out[32], double seconds)
{
    const unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(out, 32, "%luh %02lum", s / 3600, s / 60 % 60);
    } else if (s >= 60) {
        snprintf(out, 32, "%lum %02lus", s / 60, s % 60);
    } else {
        snprintf(out, 32, "%lus", s);
    }
}

static uint64_t count_rejects(const struct tally *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->shape->n_shards; i++) {
        n += t->shards[i].skipped;
    }
    return n;
}

void progress_show(struct progress *p, const struct pipeline_result *done,
                   const struct tally *tally, uint64_t raw_read, bool asked)
{
    const double t = progress_clock(), elapsed = t - p->begin;
    if (!asked && t - p->last < (p->terminal ? TERMINAL_SECONDS : LOG_SECONDS)) {
        return;
    }
    p->last = t;
    // What is read runs ahead of what is scored by the queue, which matters only at the beginning.
    const double share = p->bytes ? (double)raw_read / (double)p->bytes : 1;
    char left[32] = "?";
    if (share > 0 && done->units > 0) {
        progress_time(left, elapsed * (1 - share) / share);
    }
    fprintf(stderr, "%s%" PRIu64 " tokens, %.0f a second, %.1f %% read, %s left",
            p->terminal ? "\r\033[K" : "gapscope scan: ", done->tokens,
            elapsed > 0 ? (double)done->tokens / elapsed : 0, 100 * share, left);
    if (tally->shape->n_pairs > 0 && tally->pairs[0].gap.n > 0) {
        fprintf(stderr, ", mean gap %+.4f", moments_mean(&tally->pairs[0].gap));
    }
    const uint64_t rejects = count_rejects(tally);
    if (rejects) {
        fprintf(stderr, ", %" PRIu64 " skipped", rejects);
    }
    if (p->terminal && !asked) {
        fflush(stderr);
        p->shown = true;
    } else {
        fputc('\n', stderr);
    }
}

void progress_end(struct progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
    }
}
