/* message_result.h - what a parser of lists says. */
#ifndef CODEC_MESSAGE_RESULT_H
#define CODEC_MESSAGE_RESULT_H

enum message_result {
    MESSAGE_PARSED,
    MESSAGE_MALFORMED, /* passed over, as the reference node does */
    MESSAGE_EXCEEDED,  /* more entries than the protocol allows */
};
#endif
