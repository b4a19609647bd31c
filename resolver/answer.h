/*
 * answer - a question and a verdict in, packet bytes out; pure
 *
 * One pass, nothing trimmed afterwards. Names in records point into the question (RFC 1035
 * 4.1.4), so an answer stays under 512 bytes in all but contrived cases; one that is over the
 * client's size becomes the question alone with TC set.
 */
#ifndef RESOLVER_ANSWER_H
#define RESOLVER_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "aggregate/verdict.h"
#include "resolver/question.h"

#define ANSWER_SIZE_MAX 1280 /* bytes that any answer fits in */

/*
 * Write the reply to a question about a subject into `out` (`size` bytes: the most the client may
 * get) and return its length; 0 when there is nothing to send. The verdict is closed; `text` is
 * that of the TXT record, used when it is listed.
 */
size_t answer_verdict(const struct question *question, const struct policy *policy,
    const struct verdict *verdict, const char *text, uint8_t *out, size_t size);

/* The same where the verdict is no more than "not listed", for `ttl` seconds. */
size_t answer_clear(const struct question *question, const struct policy *policy, uint32_t ttl,
    uint8_t *out, size_t size);

/* The same to any other question. */
size_t answer_write(
    const struct question *question, const struct policy *policy, uint8_t *out, size_t size);

#endif
