/* json.h - a record as one line of JSON. */
#ifndef CATLOG_JSON_H
#define CATLOG_JSON_H
#include "base/log_record.h"

/* {"time":SECONDS,"level":…,"facility":…,"event":…,"items":{NAME:VALUE,…}}: INTEGERs as numbers,
 * BYTES in hex (32 bytes reversed, as hashes are shown). Without is_big a long value is cut, and
 * NAME_size says what it had. */
void json_print(struct text *text, const struct log_record *record, bool is_big);
#endif
