/*
 * Which partitions are consumed, and from which offsets.
 */

#ifndef JW_ASSIGN_H_INCLUDED
#define JW_ASSIGN_H_INCLUDED


#include "jw_consumer.h"


/*
 * Asks Kafka which partitions the topics have, when that is due; at most
 * half a second.
 */
void jw_assign_discover(jw_consumer_t *c);

/*
 * Finds offsets for partitions that a lane does not know, corrects those that
 * Kafka no longer holds, and assigns, each if it is necessary.  Asking Kafka
 * takes half a second at most; what could not be learnt is asked again later.
 */
void jw_assign_update(jw_consumer_t *c);


#endif /* JW_ASSIGN_H_INCLUDED */
