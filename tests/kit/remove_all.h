/*
 * remove_all.h - removes a folder with all that is in it, and follows no link
 */
#ifndef GAPSCOPE_TESTS_KIT_REMOVE_ALL_H
#define GAPSCOPE_TESTS_KIT_REMOVE_ALL_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
