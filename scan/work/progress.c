#include "scan/work/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_SECONDS 0.5
#define LOG_SECONDS 30.0

double progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(struct progress *p, const struct shards *shards, size_t n_parts,
                    uint64_t max_tokens)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO),
                           .begin = progress_clock(),
                           .n_parts = n_parts,
                           .max_tokens = max_tokens};
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

static uint64_t count_tokens(const struct tally *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->shape->n_shards; i++) {
        n += t->shards[i].tokens;
    }
    return n;
}

/* The share of the whole that is done, and how much is left for each share that this run did. */
static double share_done(const struct progress *p, const struct progress_now *now,
                         const struct tally *t, double *left)
{
    if (p->max_tokens) {
        const double all = (double)p->max_tokens, done = (double)count_tokens(t);
        *left = now->tokens && done < all ? (all - done) / (double)now->tokens : 0;
        return done < all ? done / all : 1;
    }
    const double all = (double)p->bytes, done = (double)(now->raw_done + now->raw_passed);
    *left = now->raw_done ? (all - done) / (double)p->n_parts / (double)now->raw_done : 0;
    return all > 0 ? done / all : 1;
}

/* Columns of the terminal; many where it does not say. */
static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 1000;
}

void progress_show(struct progress *p, const struct progress_now *now, const struct tally *tally,
                   bool asked)
{
    const double t = progress_clock(), elapsed = t - p->begin;
    if (!asked && t - p->last < (p->terminal ? TERMINAL_SECONDS : LOG_SECONDS)) {
        return;
    }
    p->last = t;
    double left;
    const double share = share_done(p, now, tally, &left);
    char line[256], time[32] = "?";
    if (now->units > 0) {
        progress_time(time, elapsed * left);
    }
    // The most wanted first: what a narrow terminal has no room for is cut off.
    size_t n = (size_t)snprintf(
        line, sizeof line, "%.1f %%, %s left, %.0f tokens a second, %" PRIu64 " tokens",
        100 * share, time, elapsed > 0 ? (double)now->tokens / elapsed : 0, count_tokens(tally));
    if (tally->shape->n_pairs > 0 && tally->pairs[0].gap.n > 0) {
        n += (size_t)snprintf(line + n, sizeof line - n, ", mean gap %+.4f",
                              moments_mean(&tally->pairs[0].gap));
    }
    const uint64_t rejects = count_rejects(tally);
    if (rejects) {
        snprintf(line + n, sizeof line - n, ", %" PRIu64 " skipped", rejects);
    }
    if (p->terminal && !asked) {
        const size_t width = terminal_width();
        fprintf(stderr, "\r\033[K%.*s", width > 1 ? (int)width - 1 : 0, line);
        fflush(stderr);
        p->shown = true;
    } else {
        fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "gapscope scan: ", line);
    }
}

void progress_end(struct progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
    }
}
