/*
 * assets.h - the files of scan/report/page as strings: made by CMakeLists.txt
 */
#ifndef GAPSCOPE_OUT_REPORT_ASSETS_H
#define GAPSCOPE_OUT_REPORT_ASSETS_H

#include <stddef.h>

extern const char asset_page[], asset_style[];
extern const char *const asset_scripts[]; // [asset_n_scripts], in the order in which they run
extern const size_t asset_n_scripts;

#endif
