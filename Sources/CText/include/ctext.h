// SPDX-License-Identifier: Apache-2.0
//
// Text libraries of the system behind headers of our own.
#include "ctext_html.h"
#include "ctext_icu.h"
