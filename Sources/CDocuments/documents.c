// SPDX-License-Identifier: Apache-2.0

#include "CDocuments.h"

// #embed is C23; the compilers of all Swift versions that build this package have it.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi[] = {
#embed "openapi.json"
};

const unsigned char *cdocuments_openapi(void) { return openapi; }
size_t cdocuments_openapi_size(void) { return sizeof openapi; }
