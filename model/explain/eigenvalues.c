#include "model/explain/eigenvalues.h"

#include <float.h>
#include <math.h>

// More steps than this for one eigenvalue were never seen; about 2 are usual.
#define STEPS_MAX 100

/* x[n] becomes the Householder vector v, v[0] = 1, of the reflection
 * I - beta v v' that makes x a multiple of its first unit vector.  Returns beta; 0: x is so. */
static double householder(double *x, size_t n)
{
    double scale = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(x[i]));
    }
    for (size_t i = 1; i < n; i++) {
        const double y = scale > 0 ? x[i] / scale : 0;
        rest += y * y;
    }
    if (rest == 0) {
        return 0;
    }
    const double first = x[0] / scale, length = sqrt(first * first + rest);
    const double head = first + copysign(length, first);
    for (size_t i = 1; i < n; i++) {
        x[i] = x[i] / scale / head;
    }
    x[0] = 1;
    return 2 * head * head / (head * head + rest);
}

/* Rows [at, at + m) of a become P times themselves, in columns [from, to). */
static void reflect_rows(double *a, size_t n, size_t at, const double *v, size_t m, double beta,
                         size_t from, size_t to)
{
    for (size_t j = from; j < to; j++) {
        double sum = 0;
        for (size_t i = 0; i < m; i++) {
            sum += v[i] * a[(at + i) * n + j];
        }
        for (size_t i = 0; i < m; i++) {
            a[(at + i) * n + j] -= beta * sum * v[i];
        }
    }
}

/* Columns [at, at + m) of a become themselves times P, in rows [from, to). */
static void reflect_columns(double *a, size_t n, size_t at, const double *v, size_t m, double beta,
                            size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        double sum = 0, *row = a + i * n + at;
        for (size_t j = 0; j < m; j++) {
            sum += row[j] * v[j];
        }
        for (size_t j = 0; j < m; j++) {
            row[j] -= beta * sum * v[j];
        }
    }
}

/* a becomes upper Hessenberg: zero below the first subdiagonal.  v[n] is working memory. */
static void hessenberg(double *a, size_t n, double *v)
{
    for (size_t k = 0; k + 2 < n; k++) {
        const size_t m = n - k - 1;
        for (size_t i = 0; i < m; i++) {
            v[i] = a[(k + 1 + i) * n + k];
        }
        const double beta = householder(v, m);
        if (beta != 0) {
            reflect_rows(a, n, k + 1, v, m, beta, k, n);
            reflect_columns(a, n, k + 1, v, m, beta, 0, n);
        }
        for (size_t i = 1; i < m; i++) {
            a[(k + 1 + i) * n + k] = 0;
        }
    }
}

/* The eigenvalues of the 2 x 2 block at 'i'. */
static void pair(const double *h, size_t n, size_t i, double *re, double *im)
{
    const double a = h[i * n + i], b = h[i * n + i + 1];
    const double c = h[(i + 1) * n + i], d = h[(i + 1) * n + i + 1];
    const double half = (a - d) / 2, square = half * half + b * c, middle = d + half;
    im[i] = im[i + 1] = 0;
    if (square >= 0) { // the one farther from d first: no cancellation
        const double far = half + copysign(sqrt(square), half);
        re[i] = d + far;
        re[i + 1] = far != 0 ? d - b * c / far : d;
    } else {
        re[i] = re[i + 1] = middle;
        im[i] = sqrt(-square);
        im[i + 1] = -im[i];
    }
}

/* One implicit double step on the unreduced block [low, high] of at least 3 rows, by two shifts of
 * sum s and product t.  The rest of the matrix is left as it is: eigenvalues do not need it. */
static void double_step(double *h, size_t n, size_t low, size_t high, double s, double t)
{
    const double *at = h + low * n + low;
    double x[3] = {
        at[0] * at[0] + at[1] * at[n] - s * at[0] + t,
        at[n] * (at[0] + at[n + 1] - s),
        at[n] * at[2 * n + 1],
    };
    for (size_t k = low; k < high; k++) { // chases the bulge down
        const size_t m = high - k < 2 ? 2 : 3;
        if (k > low) {
            for (size_t i = 0; i < m; i++) {
                x[i] = h[(k + i) * n + k - 1];
            }
        }
        const double beta = householder(x, m);
        if (beta != 0) {
            const size_t to = k + 4 < high + 1 ? k + 4 : high + 1;
            reflect_rows(h, n, k, x, m, beta, k > low ? k - 1 : low, high + 1);
            reflect_columns(h, n, k, x, m, beta, low, to);
        }
        for (size_t i = 1; i < m && k > low; i++) {
            h[(k + i) * n + k - 1] = 0;
        }
    }
}

/* Sets what is negligible beside its neighbours on the diagonal (beside the matrix' norm where they
 * are 0) to 0, and returns where the unreduced block that ends at 'high' begins. */
static size_t block_begin(double *h, size_t n, size_t high, double norm)
{
    size_t i = high;
    for (; i > 0; i--) {
        double size = fabs(h[(i - 1) * n + i - 1]) + fabs(h[i * n + i]);
        size = size > 0 ? size : norm;
        if (fabs(h[i * n + i - 1]) <= DBL_EPSILON * size) {
            h[i * n + i - 1] = 0;
            break;
        }
    }
    return i;
}

/* The root of the sum of squares of x[n]; not finite where an element is not, or it overflows. */
static double norm_of(const double *x, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        square += x[i] * x[i];
    }
    return sqrt(square);
}

bool eigenvalues(double *a, size_t n, double *re, double *im)
{
    const double norm = norm_of(a, n * n);
    if (!isfinite(norm)) {
        return false;
    }
    hessenberg(a, n, re);
    size_t left = n; // how many eigenvalues are not yet known
    int steps = 0;
    while (left > 0) {
        const size_t high = left - 1, low = block_begin(a, n, high, norm);
        if (low == high) {
            re[high] = a[high * n + high];
            im[high] = 0;
            left -= 1;
            steps = 0;
        } else if (low + 1 == high) {
            pair(a, n, low, re, im);
            left -= 2;
            steps = 0;
        } else if (steps++ == STEPS_MAX) {
            return false;
        } else {
            const double *end = a + (high - 1) * n + high - 1;
            double s = end[0] + end[n + 1], t = end[0] * end[n + 1] - end[1] * end[n];
            if (steps % 10 == 0) { // an exceptional shift breaks a cycle
                const double size = fabs(end[n]) + fabs(a[(high - 1) * n + high - 2]);
                s = 1.5 * size + 2 * end[n + 1];
                t = size * size + s * end[n + 1] - end[n + 1] * end[n + 1];
            }
            double_step(a, n, low, high, s, t);
        }
    }
    return isfinite(norm_of(re, n)) && isfinite(norm_of(im, n));
}
