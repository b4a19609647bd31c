#include "resolver/worker.h"

bool
worker_open(struct worker *worker, void (*woken)(void *owner), void *owner)
{
	worker->owner = owner;
	sem_init(&worker->done, 0, 0);
	worker->loop = loop_open(woken, owner);
	return worker->loop != NULL;
}

void
worker_close(struct worker *worker)
{
	loop_close(worker->loop);
	sem_destroy(&worker->done);
}

static void *
run(void *argument)
{
	struct worker *worker = argument;

	while (!atomic_load(&worker->stopping)) {
		if (worker->before_turn != NULL)
			worker->before_turn(worker->owner);
		loop_turn(worker->loop);
	}
	return NULL;
}

bool
worker_start(struct worker *worker)
{
	worker->running = pthread_create(&worker->thread, NULL, run, worker) == 0;
	return worker->running;
}

void
worker_stop(struct worker *worker)
{
	if (!worker->running)
		return;
	atomic_store(&worker->stopping, true);
	loop_wake(worker->loop);
	pthread_join(worker->thread, NULL);
}

const struct view *
worker_next(struct worker *worker)
{
	return atomic_exchange(&worker->next, NULL);
}

void
worker_done(struct worker *worker)
{
	sem_post(&worker->done);
}

void
worker_wait(struct worker *worker)
{
	loop_wake(worker->loop);
	while (sem_wait(&worker->done) != 0)
		; /* a signal */
}

void
worker_view(struct worker *worker, const struct view *view)
{
	atomic_store(&worker->next, view);
	worker_wait(worker);
}

bool
worker_send(struct worker *worker, struct queue *queue, const void *message)
{
	bool was_empty;

	if (!queue_push(queue, message, &was_empty))
		return false;
	if (was_empty)
		loop_wake(worker->loop);
	return true;
}
