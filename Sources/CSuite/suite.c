// SPDX-License-Identifier: Apache-2.0

#include "csuite.h"

// #embed is C23; the compilers of all Swift versions that build this package have it.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char questions[] = {
#embed "../../Fixtures/qa/heldout.jsonl" limit(2097152)
};

const unsigned char *csuite_questions(void) { return questions; }
size_t csuite_size(void) { return sizeof questions; }
