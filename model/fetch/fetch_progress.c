#include "model/fetch/fetch_progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/load/hub_cache.h"

double fetch_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *fetch_size_text(char text[FETCH_SIZE_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t unit = 0;
    if (bytes < 1000) {
        snprintf(text, FETCH_SIZE_TEXT, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
        return text;
    }
    for (size /= 1000; size >= 999.95 && unit < 3; unit++) {
        size /= 1000;
    }
    snprintf(text, FETCH_SIZE_TEXT, "%.1f %s", size, units[unit]);
    return text;
}

void fetch_progress_begin(struct fetch_progress *p, const char *name, uint64_t size, uint64_t from,
                          bool quiet)
{
    *p = (struct fetch_progress){.name = name, .size = size, .from = from, .began = fetch_clock()};
    p->on = !quiet && isatty(STDERR_FILENO) && !hub_cache_says("HF_HUB_DISABLE_PROGRESS_BARS");
}

void fetch_progress_show(struct fetch_progress *p, uint64_t done)
{
    const double now = fetch_clock();
    if (!p->on || (now - p->drawn < 0.1 && done < p->size)) {
        return;
    }
    char size[FETCH_SIZE_TEXT], rate[FETCH_SIZE_TEXT], bar[21];
    const double share = p->size ? (double)done / (double)p->size : 1;
    const size_t full = (size_t)(20 * (share < 1 ? share : 1));
    const double seconds = now - p->began;
    const double speed = seconds > 0 ? (double)(done - p->from) / seconds : 0;
    memset(bar, '#', full);
    memset(bar + full, '.', 20 - full);
    bar[20] = '\0';
    p->drawn = now;
    fprintf(stderr, "\r%.40s [%s] %3.0f %% of %s, %s per second", p->name, bar, 100 * share,
            fetch_size_text(size, p->size), fetch_size_text(rate, (uint64_t)speed));
    if (speed > 0 && done < p->size) {
        fprintf(stderr, ", %.0f s left", (double)(p->size - done) / speed);
    }
    fputs("\033[K", stderr);
}

void fetch_progress_end(struct fetch_progress *p)
{
    if (p->on) {
        fputs("\r\033[K", stderr);
    }
}
