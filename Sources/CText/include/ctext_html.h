// SPDX-License-Identifier: Apache-2.0
//
// libxml2's HTML parser as a stream of events. Its own headers bring in those of ICU, which clash with those of the
// ICU that Swift's Foundation carries within it.
#ifndef CTEXT_HTML_H
#define CTEXT_HTML_H

#include <stdint.h>

// What is called, each with the caller's context. Elements that a page leaves open are ended all the same.
typedef struct {
    // An element begins. `attributes` is NULL, or names and values (or NULL for a value) in turn, with NULL at its end.
    void (*start)(void *context, const char *name, const char *const *attributes);
    // An element ends.
    void (*end)(void *context, const char *name);
    // Text in UTF-8, entities decoded, in pieces of any size.
    void (*text)(void *context, const char *utf8, int length);
} html_events;

// Parses a page in UTF-8. Builds no tree: memory and stack stay small whatever its size and depth. 0 on failure.
int html_parse(const char *utf8, int32_t length, const html_events *events, void *context);

#endif
