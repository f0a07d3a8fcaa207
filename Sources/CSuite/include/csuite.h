// SPDX-License-Identifier: Apache-2.0
#ifndef CSUITE_H
#define CSUITE_H

#include <stddef.h>

/// The questions of the quality gate, one JSON object a line; the last line may be cut short.
const unsigned char *csuite_questions(void);

/// Their bytes.
size_t csuite_size(void);

#endif
