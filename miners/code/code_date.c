/*
 * code_date.c - dates and times of day
 *
 * date  2020-11-24 and 2020/11/24; 12/31/2020 and 31/12/2020, also with two digits for the year;
 *       31.12.2020 and 31-12-2020; 31 Dec 2020, 31st of December, 2020, December 31, 2020,
 *       Dec. 31, Nov 24th; also without a year; December 2020.  Months are English, with a capital
 *       or all in capitals (31-DEC-2020), whole or of three letters (Sept too).
 * time  13:12, 9:05:30, 13:12:55.250, and the am, pm or Z behind it; behind seconds also +07:00.
 *
 * Months are 1 to 12, days 1 to 31, hours 0 to 24, minutes and seconds 00 to 60.  A digit, a letter
 * or _ before or behind makes it something else, except the T behind an ISO date.  Every token that
 * shares a byte with it is labelled; that it is a date may show only in its later part (2020- could
 * be many things).
 *
 *     1/2, 3-4-5, 10.0.20, May, 1:2, x[0:10]   none
 *     Luke 1:12                                a time: it cannot be told from one
 */
#include "miners/code/code_list.h"

#include <string.h>
#include <strings.h>

#include "miners/core/miner.h"

/* Reads a number of lo to hi digits at *at and moves *at behind it; -1 if there is none. */
static int read_digits(const struct tokens *doc, size_t *at, size_t lo, size_t hi)
{
    int value = 0;
    size_t n = 0;
    while (n <= hi && text_is(doc, *at + n, TEXT_DIGIT)) {
        value = 10 * value + (doc->text[*at + n] - '0');
        n++;
    }
    if (n < lo || n > hi) {
        return -1;
    }
    *at += n;
    return value;
}

static bool is_day(int day)
{
    return day >= 1 && day <= 31;
}

static bool is_month(int month)
{
    return month >= 1 && month <= 12;
}

static size_t whole(const struct tokens *doc, size_t at)
{
    return text_at_name(doc, at) ? 0 : at;
}

/* The end of a date like 2020-11-24, or 0. */
static size_t iso_end(const struct tokens *doc, size_t at)
{
    const int year = read_digits(doc, &at, 4, 4);
    const char separator = at < doc->text_len ? doc->text[at] : '\0';
    if (year < 1000 || (separator != '-' && separator != '/')) {
        return 0;
    }
    at++;
    const int month = read_digits(doc, &at, 2, 2);
    if (!is_month(month) || !text_at(doc, at, separator)) {
        return 0;
    }
    at++;
    const int day = read_digits(doc, &at, 2, 2);
    const bool has_time = text_at(doc, at, 'T') && text_is(doc, at + 1, TEXT_DIGIT);
    return !is_day(day) ? 0 : has_time ? at : whole(doc, at);
}

/* The end of a date like 12/31/2020, or 0. */
static size_t slashed_end(const struct tokens *doc, size_t at)
{
    const int a = read_digits(doc, &at, 1, 2);
    const char separator = at < doc->text_len ? doc->text[at] : '\0';
    if (a < 0 || (separator != '-' && separator != '/' && separator != '.')) {
        return 0;
    }
    at++;
    const int b = read_digits(doc, &at, 1, 2);
    if (!text_at(doc, at, separator) ||
        !((is_month(a) && is_day(b)) || (is_day(a) && is_month(b)))) {
        return 0;
    }
    at++;
    const size_t year = at;
    if (read_digits(doc, &at, separator == '/' ? 2 : 4, 4) < 0 || at - year == 3 ||
        text_at(doc, at, separator)) {
        return 0;
    }
    return whole(doc, at);
}

/* The end of the name of a month at 'at', or 0. */
static size_t month_end(const struct tokens *doc, size_t at)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    const size_t end = text_run_end(doc, at, TEXT_ALPHA), n = end - at;
    if (n < 3 || n > 9 ||
        (text_run_end(doc, at + 1, TEXT_LOWER) != end &&
         text_run_end(doc, at + 1, TEXT_UPPER) != end)) {
        return 0;
    }
    for (size_t i = 0; i < 12; i++) {
        const size_t len = strlen(months[i]);
        if ((n == 3 || n == len || (n == 4 && i == 8)) &&
            strncasecmp(doc->text + at, months[i], n) == 0) {
            return whole(doc, end) ? end + (n < len && text_at(doc, end, '.')) : 0;
        }
    }
    return 0;
}

/* The end of a day, with or without st, nd, rd or th behind it, or 0. */
static size_t day_end(const struct tokens *doc, size_t at)
{
    if (!is_day(read_digits(doc, &at, 1, 2))) {
        return 0;
    }
    const bool nth = text_begins(doc, at, "st") || text_begins(doc, at, "nd") ||
                     text_begins(doc, at, "rd") || text_begins(doc, at, "th");
    return whole(doc, at + (nth ? 2 : 0));
}

/* The end of " 2020" or ", 2020" or "-2020" at 'at'; 'at' if there is no year. */
static size_t year_end(const struct tokens *doc, size_t at)
{
    size_t year = at + (text_at(doc, at, ',') ? 1 : 0);
    year += text_at(doc, year, ' ') || text_at(doc, year, '-');
    if (year == at || read_digits(doc, &year, 4, 4) < 1000 || text_at_name(doc, year)) {
        return at;
    }
    return year;
}

/* The end of a date like 31 Dec 2020, or 0. */
static size_t day_month_end(const struct tokens *doc, size_t at)
{
    size_t end = day_end(doc, at);
    if (!end || (!text_at(doc, end, ' ') && !text_at(doc, end, '-'))) {
        return 0;
    }
    end++;
    end += text_begins(doc, end, "of ") ? 3 : 0;
    const size_t month = text_is(doc, end, TEXT_UPPER) ? month_end(doc, end) : 0;
    return month ? year_end(doc, month) : 0;
}

/* The end of a date like December 31, 2020, or 0. */
static size_t month_day_end(const struct tokens *doc, size_t at)
{
    const size_t month = month_end(doc, at);
    if (!month) {
        return 0;
    }
    const size_t day = text_at(doc, month, ' ') ? day_end(doc, month + 1) : 0;
    const size_t end = year_end(doc, day ? day : month);
    return end > month ? end : 0;
}

/* The end of the date that begins at 'at', or 0. */
static size_t date_end(const struct tokens *doc, size_t at)
{
    if (text_is(doc, at, TEXT_UPPER)) {
        return month_day_end(doc, at);
    }
    // Digits and a separator in front exclude it: 1.12.31.2020 is not a date.
    const bool goes_on =
        text_is(doc, at - 2, TEXT_DIGIT) &&
        (text_at(doc, at - 1, '.') || text_at(doc, at - 1, '/') || text_at(doc, at - 1, '-'));
    size_t end = goes_on ? 0 : iso_end(doc, at);
    end = end || goes_on ? end : slashed_end(doc, at);
    return end ? end : day_month_end(doc, at);
}

/* The end of what may follow a time: am, pm, a.m., Z; and, behind seconds, +07:00. */
static size_t half_end(const struct tokens *doc, size_t at, bool has_seconds)
{
    static const char *const halves[] = {"a.m.", "p.m.", "am", "pm", "AM", "PM"};
    const size_t from = at + text_at(doc, at, ' ');
    for (size_t i = 0; i < 6; i++) {
        const size_t end = from + strlen(halves[i]);
        if (text_begins(doc, from, halves[i]) && !text_at_name(doc, end)) {
            return end;
        }
    }
    size_t zone = at + 1;
    if (has_seconds && (text_at(doc, at, '+') || text_at(doc, at, '-')) &&
        read_digits(doc, &zone, 2, 2) >= 0 && text_at(doc, zone, ':')) {
        zone++;
        return read_digits(doc, &zone, 2, 2) >= 0 ? zone : at;
    }
    return at + text_at(doc, at, 'Z');
}

/* The end of the time of day that begins at 'at', or 0. */
static size_t time_end(const struct tokens *doc, size_t at)
{
    if (text_at(doc, at - 1, ':') || text_at(doc, at - 1, '.') || text_at(doc, at - 1, '[')) {
        return 0; // x[0:10] is a slice
    }
    const int hour = read_digits(doc, &at, 1, 2);
    if (hour < 0 || hour > 24 || !text_at(doc, at, ':')) {
        return 0;
    }
    int n_parts = 1;
    for (; n_parts < 3 && text_at(doc, at, ':'); n_parts++) {
        at++;
        const int value = read_digits(doc, &at, 2, 2);
        if (value < 0 || value > 60) {
            return 0;
        }
    }
    if (n_parts == 3 && text_at(doc, at, '.')) {
        at = text_is(doc, at + 1, TEXT_DIGIT) ? text_run_end(doc, at + 1, TEXT_DIGIT) : at;
    }
    return text_at(doc, at, ':') ? 0 : whole(doc, half_end(doc, at, n_parts == 3));
}

static int mark(const struct tokens *doc, uint8_t *label, unsigned begins,
                size_t end_of(const struct tokens *, size_t))
{
    size_t token = 0;
    for (size_t at = 0; (at = text_find(doc, at, begins)) < doc->text_len;) {
        const bool after_t = begins == TEXT_DIGIT && text_at(doc, at - 1, 'T') &&
                             text_is(doc, at - 2, TEXT_DIGIT); // the T of an ISO date
        const size_t end = text_after_name(doc, at) && !after_t ? 0 : end_of(doc, at);
        if (end) {
            miner_mark(label, doc, &token, at, end, MARK_ALL);
        }
        at = end ? end : at + 1;
    }
    return 0;
}

CODE_LABEL(date, mark(doc, label, TEXT_DIGIT | TEXT_UPPER, date_end))
CODE_LABEL(time, mark(doc, label, TEXT_DIGIT, time_end))
