// SPDX-License-Identifier: Apache-2.0
//
// Numeric kernels with the instruction set chosen once at run time. Every symbol is named ck_…; every kernel has a
// scalar form that the vector forms are tested against.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "ck_attention.h"
#include "ck_convert.h"
#include "ck_cpu.h"
#include "ck_packed.h"
#include "ck_place.h"
#include "ck_q8.h"
#include "ck_rows.h"

#endif
