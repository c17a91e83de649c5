/*
 * battery.h - what `gapscope battery` shows: classes of places, models, heads; and places to read
 */
#ifndef GAPSCOPE_OUT_TEXT_BATTERY_H
#define GAPSCOPE_OUT_TEXT_BATTERY_H

#include "corpora/base/err.h"
#include "out/read/battery.h"
#include "out/text/screen.h"

/* All rows, by class and model; only: those of this class, NULL: of all.  Errors: ERR_NOMEM. */
int put_battery(const struct screen *s, const struct battery *b, const char *only, struct err *err);

/* An object per row. */
void json_battery(FILE *to, const struct battery *b, const char *only);

/* Where the row's model is better than the base on its class (worst: where it is worse), each with
 * the tokens that both find most likely. */
void put_battery_places(const struct screen *s, const struct battery *b,
                        const struct battery_row *row, const struct battery_place *places, size_t n,
                        bool worst);

/* An object per place. */
void json_battery_places(FILE *to, const struct battery *b, const struct battery_row *row,
                         const struct battery_place *places, size_t n);

#endif
