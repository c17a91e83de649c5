/*
 * standard_error.h - standard errors that say little
 *
 * Standard errors are clustered by document: of fewer than 2 documents there is none, and of fewer
 * than STANDARD_ERROR_DOCS it is so rough that a warning stands beside it.
 */
#ifndef GAPSCOPE_OUT_READ_STANDARD_ERROR_H
#define GAPSCOPE_OUT_READ_STANDARD_ERROR_H

#define STANDARD_ERROR_DOCS 5

#endif
