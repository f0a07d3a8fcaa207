// SPDX-License-Identifier: Apache-2.0

#include "ctext_html.h"

#include <libxml/HTMLparser.h>
#include <string.h>

typedef struct {
    const html_events *events;
    void *context;
} html_reader;

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes) {
    html_reader *reader = data;
    reader->events->start(reader->context, (const char *)name, (const char *const *)attributes);
}

static void on_end(void *data, const xmlChar *name) {
    html_reader *reader = data;
    reader->events->end(reader->context, (const char *)name);
}

static void on_text(void *data, const xmlChar *utf8, int length) {
    html_reader *reader = data;
    reader->events->text(reader->context, (const char *)utf8, length);
}

int html_parse(const char *utf8, int32_t length, const html_events *events, void *context) {
    xmlInitParser();
    htmlParserCtxtPtr parser = htmlNewParserCtxt();
    if (!parser) return 0;
    html_reader reader = {events, context};
    memset(parser->sax, 0, sizeof *parser->sax);
    parser->sax->startElement = on_start;
    parser->sax->endElement = on_end;
    parser->sax->characters = on_text;
    parser->sax->ignorableWhitespace = on_text;
    parser->userData = &reader;
    xmlDocPtr tree = htmlCtxtReadMemory(
        parser, utf8, length, NULL, "UTF-8", HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET);
    if (tree) xmlFreeDoc(tree);
    htmlFreeParserCtxt(parser);
    return 1;
}
