#include "resolver/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* used <= messages; message i of the queue is at slot (first + i) % messages */
struct queue {
	pthread_mutex_t lock;
	size_t messages, size;
	size_t first, used;
	unsigned char *slot;
};

struct queue *
queue_open(size_t messages, size_t size)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL)
		return NULL;
	queue->messages = messages;
	queue->size = size;
	queue->slot = calloc(messages, size);
	if (queue->slot == NULL || pthread_mutex_init(&queue->lock, NULL) != 0) {
		free(queue->slot);
		free(queue);
		return NULL;
	}
	return queue;
}

void
queue_close(struct queue *queue)
{
	if (queue == NULL)
		return;
	pthread_mutex_destroy(&queue->lock);
	free(queue->slot);
	free(queue);
}

bool
queue_push(struct queue *queue, const void *message, bool *was_empty)
{
	bool room;

	pthread_mutex_lock(&queue->lock);
	*was_empty = queue->used == 0;
	room = queue->used < queue->messages;
	if (room) {
		size_t at = (queue->first + queue->used++) % queue->messages;

		memcpy(queue->slot + at * queue->size, message, queue->size);
	}
	pthread_mutex_unlock(&queue->lock);
	return room;
}

bool
queue_pop(struct queue *queue, void *message)
{
	bool any;

	pthread_mutex_lock(&queue->lock);
	any = queue->used > 0;
	if (any) {
		memcpy(message, queue->slot + queue->first * queue->size, queue->size);
		queue->first = (queue->first + 1) % queue->messages;
		queue->used--;
	}
	pthread_mutex_unlock(&queue->lock);
	return any;
}
