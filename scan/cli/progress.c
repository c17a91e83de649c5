#include "scan/cli/progress.h"

#include <inttypes.h>
#include <math.h>
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

void progress_begin(struct progress *p, const struct progress_whole *whole)
{
    *p = (struct progress){
        .whole = *whole, .terminal = isatty(STDERR_FILENO), .begin = progress_clock()};
    p->last = p->begin;
}

bool progress_is_due(const struct progress *p)
{
    return progress_clock() - p->last >= (p->terminal ? TERMINAL_SECONDS : LOG_SECONDS);
}

/* The bytes of the input that are to be done here.  Units are dealt to parts in turn, so until the
 * input is read each part has an equal share. */
static double bytes_here(const struct progress *p, const struct progress_now *now)
{
    const double all = (double)p->whole.bytes;
    if (p->whole.n_parts <= 1) {
        return all;
    }
    return now->read ? all - (double)now->bytes_others : all / (double)p->whole.n_parts;
}

/* The share of the whole that is done.  *left: what is left, as a multiple of what this run has
 * done; NAN where it has done nothing. */
static double share_done(const struct progress *p, const struct progress_now *now, double *left)
{
    const struct progress_whole *w = &p->whole;
    const double all = w->n ? (double)w->n : bytes_here(p, now);
    const double done = w->n ? (double)now->items : (double)(now->bytes_now + now->bytes_before);
    const double by_us = w->n ? (double)now->items_now : (double)now->bytes_now;
    *left = by_us > 0 ? fmax(0, all - done) / by_us : NAN;
    return done < all ? done / all : 1;
}

/* Columns of the terminal; many where it does not say. */
static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 1000;
}

/* "16:50:12", local time: a log is read hours later. */
static void time_of_day(char out[16])
{
    const time_t now = time(NULL);
    struct tm tm;
    if (!localtime_r(&now, &tm) || strftime(out, 16, "%H:%M:%S", &tm) == 0) {
        snprintf(out, 16, "--:--:--");
    }
}

void progress_numbers(const struct progress *p, const struct progress_now *now,
                      struct progress_numbers *out)
{
    const double elapsed = progress_clock() - p->begin;
    double left;
    out->share = share_done(p, now, &left);
    out->left = elapsed * left;
    out->rate = elapsed > 0 ? (double)now->items_now / elapsed : 0;
}

void progress_show(struct progress *p, const struct progress_now *now, bool asked)
{
    struct progress_numbers numbers;
    p->last = progress_clock();
    progress_numbers(p, now, &numbers);
    const double rate = numbers.rate;
    char line[256], time[32] = "?";
    if (!isnan(numbers.left)) {
        progress_time(time, numbers.left);
    }
    // What matters most comes first: a narrow terminal cuts off the end.
    snprintf(line, sizeof line, "%.1f %%, %s left, %.*f %s per second, %" PRIu64 " %s%s",
             100 * numbers.share, time, rate < 10 ? 1 : 0, rate, p->whole.items, now->items,
             p->whole.items, now->more ? now->more : "");
    if (p->terminal && !asked) {
        const size_t width = terminal_width();
        fprintf(stderr, "\r\033[K%.*s", width > 1 ? (int)width - 1 : 0, line);
        fflush(stderr);
        p->shown = true;
    } else if (p->terminal) {
        fprintf(stderr, "\r\033[K%s\n", line);
    } else {
        char now_text[16];
        time_of_day(now_text);
        fprintf(stderr, "gapscope %s: %s %s\n", p->whole.command, now_text, line);
    }
}

void progress_end(struct progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
    }
}
