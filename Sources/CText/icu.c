// SPDX-License-Identifier: Apache-2.0

#include "ctext_icu.h"

#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/ucnv.h>
#include <unicode/utext.h>

struct icu_breaker {
    UBreakIterator *iterator;
    UText text;
};

icu_breaker *icu_breaker_open(icu_unit unit, const char *locale) {
    icu_breaker *breaker = malloc(sizeof *breaker);
    if (!breaker) return NULL;
    UErrorCode status = U_ZERO_ERROR;
    breaker->text = (UText)UTEXT_INITIALIZER;
    breaker->iterator = ubrk_open(unit == ICU_SENTENCES ? UBRK_SENTENCE : UBRK_WORD, locale, NULL, 0, &status);
    if (U_SUCCESS(status)) return breaker;
    free(breaker);
    return NULL;
}

void icu_breaker_close(icu_breaker *breaker) {
    ubrk_close(breaker->iterator);
    utext_close(&breaker->text);
    free(breaker);
}

int icu_breaker_set(icu_breaker *breaker, const char *utf8, int64_t length) {
    UErrorCode status = U_ZERO_ERROR;
    utext_openUTF8(&breaker->text, utf8, length, &status);
    ubrk_setUText(breaker->iterator, &breaker->text, &status);
    return U_SUCCESS(status);
}

int32_t icu_breaker_next(icu_breaker *breaker) { return ubrk_next(breaker->iterator); }

int icu_breaker_is_word(const icu_breaker *breaker) {
    return ubrk_getRuleStatus(breaker->iterator) >= UBRK_WORD_NONE_LIMIT;
}

int32_t icu_to_utf8(const char *charset, char *target, int32_t capacity, const char *source, int32_t length) {
    UErrorCode status = U_ZERO_ERROR;
    int32_t needed = ucnv_convert("UTF-8", charset, target, capacity, source, length, &status);
    return U_SUCCESS(status) || status == U_BUFFER_OVERFLOW_ERROR ? needed : -1;
}
