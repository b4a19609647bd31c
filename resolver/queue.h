/*
 * queue - a bounded queue of fixed-size messages from many threads to one
 *
 * Everything is allocated at the start. A full queue refuses; it never waits and never grows.
 */
#ifndef RESOLVER_QUEUE_H
#define RESOLVER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_open(size_t messages, size_t size); /* NULL without memory */
void queue_close(struct queue *queue);

/*
 * Append a message of the queue's size; false when it is full. *was_empty tells whether the
 * reader may be asleep.
 */
bool queue_push(struct queue *queue, const void *message, bool *was_empty);
bool queue_pop(struct queue *queue, void *message);

#endif
