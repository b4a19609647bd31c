/*
 * worker - a thread with an event loop: others knock, hand it messages, change its view, end it
 */
#ifndef RESOLVER_WORKER_H
#define RESOLVER_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "aggregate/view.h"
#include "resolver/loop.h"
#include "resolver/queue.h"

struct worker {
	struct loop *loop;
	void (*before_turn)(void *owner); /* of the loop, in the thread; or NULL */
	void *owner;
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	_Atomic(const struct view *) next; /* to be taken over, or NULL */
	sem_t done;
};

/* `woken` as for loop_open. False without memory; worker_close is due all the same. */
bool worker_open(struct worker *worker, void (*woken)(void *owner), void *owner);
void worker_close(struct worker *worker);

bool worker_start(struct worker *worker);
void worker_stop(struct worker *worker); /* ends the thread, if it was started */

/* For the thread, when it is woken: the view that it shall go on under, or NULL. */
const struct view *worker_next(struct worker *worker);

/* Done what another thread waits for in worker_wait or worker_view. */
void worker_done(struct worker *worker);

/* Any other thread, one at a time: wake it, and wait until it has done what it was told to. */
void worker_wait(struct worker *worker);
void worker_view(struct worker *worker, const struct view *view);

/* Any thread: put a message into one of its queues; false when that is full. */
bool worker_send(struct worker *worker, struct queue *queue, const void *message);

#endif
