/*
 * standard_error.h - how a standard error is shown to people
 *
 * Standard errors are clustered by document: of fewer than 2 documents there is none, and of fewer
 * than STANDARD_ERROR_DOCS it is so rough that a warning stands beside it.
 */
#ifndef GAPSCOPE_OUT_READ_STANDARD_ERROR_H
#define GAPSCOPE_OUT_READ_STANDARD_ERROR_H

#define STANDARD_ERROR_DOCS 5
#define STANDARD_ERROR_TEXT 32 // bytes that hold any

/* "0.0615", with so many digits behind the point; "-" where there is none.  Returns 'text'. */
const char *standard_error_text(char text[STANDARD_ERROR_TEXT], double se, int digits);

#endif
