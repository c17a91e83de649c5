/*
 * values.h - what the value of an option is, judged by what --help calls it
 */
#ifndef GAPSCOPE_SCAN_CLI_VALUES_H
#define GAPSCOPE_SCAN_CLI_VALUES_H

enum value_kind {
    VALUE_TEXT,
    VALUE_WORDS, // one of few, as "docs|rows" says
    VALUE_FILE,  // "FILE", "run.db", "F.ngrams"
    VALUE_FOLDER,
    VALUE_MODEL, // "M"
};

enum value_kind value_kind(const char *value);

#endif
