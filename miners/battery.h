/*
 * battery.h - the hypotheses of the battery: miners/battery.yaml
 */
#ifndef GAPSCOPE_MINERS_BATTERY_H
#define GAPSCOPE_MINERS_BATTERY_H

extern const char battery_yaml[]; // ends with a NUL

#endif
