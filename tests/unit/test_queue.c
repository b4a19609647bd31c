#include "resolver/queue.h"

#include <pthread.h>
#include <sched.h>

#include "tests/unit/unit.h"

struct message {
	unsigned from, number;
	char padding[37];
};

static void
messages_come_out_in_the_order_they_went_in(void **state)
{
	struct queue *queue = queue_open(5, sizeof(unsigned));
	unsigned in = 0, out = 0, message;
	bool was_empty;

	(void)state;
	assert_non_null(queue);
	for (unsigned round = 0; round < 100; round++) { /* the slots wrap */
		for (unsigned i = 0; i < 1 + round % 5; i++) {
			assert_true(queue_push(queue, &in, &was_empty));
			assert_int_equal(was_empty, i == 0);
			in++;
		}
		while (queue_pop(queue, &message))
			assert_int_equal(message, out++);
		assert_int_equal(out, in);
	}
	queue_close(queue);
}

static void
a_full_queue_refuses_and_keeps_what_it_has(void **state)
{
	struct queue *queue = queue_open(3, sizeof(unsigned));
	unsigned message;
	bool was_empty;

	(void)state;
	assert_non_null(queue);
	for (unsigned i = 0; i < 3; i++)
		assert_true(queue_push(queue, &i, &was_empty));
	for (unsigned i = 100; i < 110; i++) {
		assert_false(queue_push(queue, &i, &was_empty));
		assert_false(was_empty);
	}
	assert_true(queue_pop(queue, &message));
	assert_int_equal(message, 0);
	message = 3;
	assert_true(queue_push(queue, &message, &was_empty));
	assert_false(queue_push(queue, &message, &was_empty));
	for (unsigned i = 1; i < 4; i++) {
		assert_true(queue_pop(queue, &message));
		assert_int_equal(message, i);
	}
	assert_false(queue_pop(queue, &message));
	queue_close(queue);
}

static void
an_empty_queue_gives_nothing_and_leaves_the_message_alone(void **state)
{
	struct queue *queue = queue_open(1, sizeof(unsigned));
	unsigned message = 77;

	(void)state;
	assert_non_null(queue);
	assert_false(queue_pop(queue, &message));
	assert_int_equal(message, 77);
	queue_close(queue);
	queue_close(NULL);
}

static void
a_message_is_copied_whole(void **state)
{
	struct queue *queue = queue_open(4, sizeof(struct message));
	struct message in, out;
	bool was_empty;

	(void)state;
	assert_non_null(queue);
	memset(&in, 0x5a, sizeof in);
	memset(&out, 0, sizeof out);
	assert_true(queue_push(queue, &in, &was_empty));
	memset(&in, 0xa5, sizeof in);
	assert_true(queue_push(queue, &in, &was_empty));
	assert_true(queue_pop(queue, &out));
	memset(&in, 0x5a, sizeof in);
	assert_memory_equal(&in, &out, sizeof in);
	queue_close(queue);
}

#define THREADS 4
#define EACH 5000

struct sender {
	struct queue *queue;
	unsigned number, saw_empty;
};

static void *
send_all(void *argument)
{
	struct sender *sender = argument;
	struct message message = {.from = sender->number};

	for (message.number = 0; message.number < EACH;) {
		bool was_empty;

		if (queue_push(sender->queue, &message, &was_empty)) {
			message.number++;
			sender->saw_empty += was_empty;
		} else {
			sched_yield();
		}
	}
	return NULL;
}

/* Of many threads none loses a message, and each one's come in its order. */
static void
many_threads_may_push_at_once(void **state)
{
	struct queue *queue = queue_open(64, sizeof(struct message));
	struct sender sender[THREADS];
	pthread_t thread[THREADS];
	unsigned next[THREADS] = {0}, got = 0, saw_empty = 0;
	struct message message;

	(void)state;
	assert_non_null(queue);
	for (unsigned i = 0; i < THREADS; i++) {
		sender[i] = (struct sender){queue, i, 0};
		assert_int_equal(pthread_create(&thread[i], NULL, send_all, &sender[i]), 0);
	}
	while (got < THREADS * EACH) {
		if (!queue_pop(queue, &message)) {
			sched_yield();
			continue;
		}
		assert_in_range(message.from, 0, THREADS - 1);
		assert_int_equal(message.number, next[message.from]++);
		got++;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		saw_empty += sender[i].saw_empty;
	}
	assert_true(saw_empty > 0);
	assert_false(queue_pop(queue, &message));
	queue_close(queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_out_in_the_order_they_went_in),
	    cmocka_unit_test(a_full_queue_refuses_and_keeps_what_it_has),
	    cmocka_unit_test(an_empty_queue_gives_nothing_and_leaves_the_message_alone),
	    cmocka_unit_test(a_message_is_copied_whole),
	    cmocka_unit_test(many_threads_may_push_at_once),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
