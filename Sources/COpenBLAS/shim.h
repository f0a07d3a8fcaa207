#include <cblas.h>

// LAPACK's routines, which the library has and Debian's headers for it don't declare. Matrices are column by column.
void dgeqp3_(const int *rows, const int *columns, double *matrix, const int *stride, int *pivots, double *reflectors,
             double *work, const int *work_size, int *info);
void dorgqr_(const int *rows, const int *columns, const int *reflector_count, double *matrix, const int *stride,
             const double *reflectors, double *work, const int *work_size, int *info);
void dsyev_(const char *job, const char *half, const int *order, double *matrix, const int *stride, double *eigenvalues,
            double *work, const int *work_size, int *info);
