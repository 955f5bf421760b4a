/* packet.h - what is in a packet that was logged (--packet): the event "packet" with the items
 * peer, direction, command and payload. */
#ifndef CATLOG_PACKET_H
#define CATLOG_PACKET_H
#include "base/log_record.h"

/* Whether it is a packet with this command. */
bool packet_is(const struct log_record *record, const char *command);
/* Appends what the payload says, as " key=value …"; nothing for what is no packet. */
void packet_print(struct text *text, const struct log_record *record);
#endif
