/* parse_result.h - what a parser of lists says. */
#ifndef CODEC_PARSE_RESULT_H
#define CODEC_PARSE_RESULT_H

enum parse_result {
    PARSE_OK,
    PARSE_MALFORMED, /* passed over, as the reference node does */
    PARSE_EXCEEDED,  /* more entries than the protocol allows */
};
#endif
