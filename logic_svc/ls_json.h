/*
 * JSON as Go writes it, into a buffer: goim's answers to the byte.
 */

#ifndef LS_JSON_H_INCLUDED
#define LS_JSON_H_INCLUDED


#include <event2/buffer.h>

#include "goim.h"


/*
 * A string with its quotes.  "<", ">", "&" and the two line separators of
 * Unicode are escaped as Go does, and what is no UTF-8 becomes U+FFFD.
 */
void ls_json_string(struct evbuffer *buf, const void *data, size_t len);

/* {"code":<code>,"message":"<message>" - and no end. */
void ls_json_envelope(struct evbuffer *buf, int code, const char *message);


#endif /* LS_JSON_H_INCLUDED */
