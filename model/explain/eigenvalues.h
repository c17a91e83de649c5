/*
 * eigenvalues.h - all eigenvalues of a real square matrix
 *
 * Householder reflections make the matrix upper Hessenberg; then the implicit double-shift QR
 * algorithm splits it into blocks of one or two (Francis 1961; Golub and Van Loan, "Matrix
 * Computations", 7.4 and 7.5).  It is plain C in f64, so that every machine gives the same bits, as
 * results that are merged must have; a LAPACK is as fast or as exact as whoever built it.
 *
 * Eigenvalues of well-conditioned matrices are within about 1e-14 n of the matrix' norm.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_EIGENVALUES_H
#define GAPSCOPE_MODEL_EXPLAIN_EIGENVALUES_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the real and imaginary parts of the eigenvalues of a[n][n] to re[n] and im[n]; a complex
 * pair stands together, the positive imaginary part first.  'a' is overwritten.  False: a number
 * is not finite, their squares overflow, or the iteration did not end (which is not known of any finite matrix); re and
 * im are then undefined. */
bool eigenvalues(double *a, size_t n, double *re, double *im);

#endif
