// SPDX-License-Identifier: Apache-2.0
//
// The few functions of ICU that are needed, under lasting names and with types of their own: ICU renames its symbols
// by its version, and its headers clash with those of the ICU that Swift's Foundation carries within it.
#ifndef CTEXT_ICU_H
#define CTEXT_ICU_H

#include <stdint.h>

// Finds the borders of sentences or words. Serves one thread.
typedef struct icu_breaker icu_breaker;

// What lies between borders.
typedef enum { ICU_SENTENCES, ICU_WORDS } icu_unit;

// A breaker by the rules of `locale`; NULL on failure. Close it in the end.
icu_breaker *icu_breaker_open(icu_unit unit, const char *locale);
void icu_breaker_close(icu_breaker *breaker);

// Sets the UTF-8 text to break, which must stay where it is as long as borders are asked for. 0 on failure.
int icu_breaker_set(icu_breaker *breaker, const char *utf8, int64_t length);

// The byte offset of the next border behind 0, or -1 behind the last.
int32_t icu_breaker_next(icu_breaker *breaker);

// Whether what stands before the last border is a word, and no white space or punctuation.
int icu_breaker_is_word(const icu_breaker *breaker);

// Converts text from a named charset to UTF-8, with U+FFFD for what is none. Returns the length needed, of which at
// most `capacity` bytes are written, or -1 for a charset that is not known.
int32_t icu_to_utf8(const char *charset, char *target, int32_t capacity, const char *source, int32_t length);

#endif
