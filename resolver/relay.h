/*
 * relay - the packet that libunbound made for another name, written anew for a client; pure
 *
 * Nothing of it is copied unread. The client gets the question as it spelled it, flags and EDNS
 * of ours, and DNSSEC's records only if it set DO or asked for them (RFC 4035 3.2.1).
 */
#ifndef RESOLVER_RELAY_H
#define RESOLVER_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/question.h"

#define RELAY_SIZE_MAX 65535

/*
 * The type to ask libunbound for. ANY is answered with little (RFC 8482): a CNAME or the A
 * records, and where there are none a made-up HINFO record.
 */
uint16_t relay_type(const struct question *question);

/* A name in presentation format that libunbound takes, in lower case. */
#define RELAY_NAME_MAX (4 * WIRE_NAME_MAX + 1)
void relay_name(const struct question *question, char *text);

/*
 * Write the reply into `out` (`size` bytes: the most the client may get) and return its length; 0
 * when the packet is not one that answers this question. `secure`: all of it is signed.
 */
size_t relay_write(const struct question *question, const uint8_t *packet, size_t length,
    bool secure, uint8_t *out, size_t size);

#endif
