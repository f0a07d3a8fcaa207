// SPDX-License-Identifier: Apache-2.0
#ifndef CDOCUMENTS_H
#define CDOCUMENTS_H

#include <stddef.h>

/// The OpenAPI document of the sidecar, in JSON.
const unsigned char *cdocuments_openapi(void);

/// Its bytes.
size_t cdocuments_openapi_size(void);

#endif
