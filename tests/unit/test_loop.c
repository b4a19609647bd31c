#include "resolver/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct loop *loop;
static unsigned woken;
static void (*when_woken)(void);
static int64_t hand_ns, asleep_ns; /* the clocks, where they are set by hand; how long was slept */

static int64_t
tick_ns(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return tick.tv_nsec;
}

/* In place of the library's. A clock that goes by ticks lags half a tick to one and a half. */
int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t time = hand_ns, tick = tick_ns();

	if (hand_ns == 0)
		return (int)syscall(SYS_clock_gettime, clock, now);
	if (clock == CLOCK_MONOTONIC_COARSE)
		time -= time % tick + tick / 2;
	else if (clock != CLOCK_MONOTONIC)
		time += asleep_ns;
	*now = (struct timespec){.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000};
	return 0;
}

static void
on_woken(void *owner)
{
	assert_ptr_equal(owner, &woken);
	woken++;
	if (when_woken != NULL)
		when_woken();
}

static int
begin(void **state)
{
	(void)state;
	woken = 0;
	when_woken = NULL;
	hand_ns = asleep_ns = 0;
	loop = loop_open(on_woken, &woken);
	return loop == NULL;
}

static int
end(void **state)
{
	(void)state;
	loop_close(loop);
	return 0;
}

static int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A pipe whose reading end is watched; then() is called when it is ready. */
struct pipe {
	struct loop_watch watch;
	int in;
	unsigned calls;
	uint32_t events;
	void (*then)(struct pipe *pipe);
};

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct pipe *pipe = (struct pipe *)(void *)watch;

	pipe->calls++;
	pipe->events = events;
	if (pipe->then != NULL)
		pipe->then(pipe);
}

static void
open_pipe(struct pipe *to, void (*then)(struct pipe *pipe))
{
	int ends[2];

	memset(to, 0, sizeof *to);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	to->watch.fd = ends[0];
	to->in = ends[1];
	to->watch.events = EPOLLIN;
	to->watch.ready = on_ready;
	to->then = then;
	assert_true(loop_watch_add(loop, &to->watch));
}

static void
close_pipe(struct pipe *pipe)
{
	loop_watch_remove(loop, &pipe->watch);
	close(pipe->watch.fd);
	close(pipe->in);
}

static void
fill(struct pipe *pipe)
{
	assert_int_equal(write(pipe->in, "x", 1), 1);
}

static void
drain(struct pipe *pipe)
{
	char byte;

	assert_int_equal(read(pipe->watch.fd, &byte, 1), 1);
}

/* One turn that does not sleep: the knock comes at once. */
static void
turn(void)
{
	loop_wake(loop);
	loop_turn(loop);
}

/* --- descriptors ------------------------------------------------------------------------ */

static struct pipe pipes[3];

static void
what_is_ready_is_called_until_it_is_read(void **state)
{
	(void)state;
	open_pipe(&pipes[0], NULL);
	open_pipe(&pipes[1], drain);
	turn();
	assert_int_equal(pipes[0].calls + pipes[1].calls, 0);
	fill(&pipes[0]);
	fill(&pipes[1]);
	turn();
	turn();
	assert_int_equal(pipes[0].calls, 2);
	assert_int_equal(pipes[0].events, EPOLLIN);
	assert_int_equal(pipes[1].calls, 1);
	close_pipe(&pipes[0]);
	close_pipe(&pipes[1]);
}

static void
close_the_other(struct pipe *pipe)
{
	close_pipe(&pipes[pipe == &pipes[0] ? 1 : 0]);
}

/* Both are in the batch: whichever is served first takes the other out. */
static void
a_watch_taken_out_inside_the_batch_is_not_called(void **state)
{
	(void)state;
	open_pipe(&pipes[0], close_the_other);
	open_pipe(&pipes[1], close_the_other);
	fill(&pipes[0]);
	fill(&pipes[1]);
	turn();
	assert_int_equal(pipes[0].calls + pipes[1].calls, 1);
	assert_int_equal(pipes[0].watch.added + pipes[1].watch.added, 1);
	close_pipe(&pipes[pipes[0].watch.added ? 0 : 1]);
}

static struct pipe *freed[40];

static void
free_all_the_others(struct pipe *pipe)
{
	for (unsigned i = 0; i < COUNT(freed); i++)
		if (freed[i] != NULL && freed[i] != pipe) {
			close_pipe(freed[i]);
			free(freed[i]);
			freed[i] = NULL;
		}
}

static void
a_watch_taken_out_inside_the_batch_may_be_freed(void **state)
{
	unsigned calls = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(freed); i++) {
		freed[i] = malloc(sizeof *freed[i]);
		assert_non_null(freed[i]);
		open_pipe(freed[i], free_all_the_others);
		fill(freed[i]);
	}
	turn();
	turn();
	for (unsigned i = 0; i < COUNT(freed); i++)
		if (freed[i] != NULL) {
			calls += freed[i]->calls;
			close_pipe(freed[i]);
			free(freed[i]);
		}
	assert_int_equal(calls, 2); /* one is left, and served in both turns */
}

static void
free_itself(struct pipe *pipe)
{
	close_pipe(pipe);
	free(pipe);
}

static void
a_watch_may_take_itself_out(void **state)
{
	struct pipe *pipe = malloc(sizeof *pipe);

	(void)state;
	assert_non_null(pipe);
	open_pipe(pipe, free_itself);
	fill(pipe);
	turn();
	turn();
	loop_watch_remove(loop, &(struct loop_watch){.fd = 0}); /* one that is not in */
}

/* The newcomer gets the number of the descriptor that went, but not its event. */
static void
replace_the_other(struct pipe *pipe)
{
	unsigned other = pipe == &pipes[0] ? 1 : 0;

	close_pipe(&pipes[other]);
	open_pipe(&pipes[2], NULL);
	pipe->then = NULL;
}

static void
a_new_watch_on_an_old_number_gets_no_old_event(void **state)
{
	unsigned left;

	(void)state;
	open_pipe(&pipes[0], replace_the_other);
	open_pipe(&pipes[1], replace_the_other);
	fill(&pipes[0]);
	fill(&pipes[1]);
	turn();
	left = pipes[0].watch.added ? 0 : 1;
	assert_int_equal(pipes[2].watch.fd, pipes[1 - left].watch.fd);
	assert_int_equal(pipes[2].calls, 0);
	fill(&pipes[2]);
	turn();
	assert_int_equal(pipes[2].calls, 1);
	close_pipe(&pipes[left]);
	close_pipe(&pipes[2]);
}

static void
take_the_other_out_and_in(struct pipe *pipe)
{
	struct pipe *other = &pipes[pipe == &pipes[0] ? 1 : 0];

	pipe->then = NULL;
	other->then = NULL;
	loop_watch_remove(loop, &other->watch);
	assert_true(loop_watch_add(loop, &other->watch));
}

static void
a_watch_put_in_again_is_called_in_a_later_turn(void **state)
{
	(void)state;
	open_pipe(&pipes[0], take_the_other_out_and_in);
	open_pipe(&pipes[1], take_the_other_out_and_in);
	fill(&pipes[0]);
	fill(&pipes[1]);
	turn();
	assert_int_equal(pipes[0].calls + pipes[1].calls, 1);
	turn();
	assert_int_equal(pipes[0].calls + pipes[1].calls, 3);
	close_pipe(&pipes[0]);
	close_pipe(&pipes[1]);
}

static void
the_events_of_a_watch_can_change(void **state)
{
	struct pipe writing = {0};

	(void)state;
	open_pipe(&pipes[0], NULL);
	fill(&pipes[0]);
	assert_true(loop_watch_change(loop, &pipes[0].watch, 0));
	turn();
	assert_int_equal(pipes[0].calls, 0);
	assert_true(loop_watch_change(loop, &pipes[0].watch, EPOLLIN));
	assert_true(loop_watch_change(loop, &pipes[0].watch, EPOLLIN));
	turn();
	assert_int_equal(pipes[0].calls, 1);
	writing.watch = (struct loop_watch){.fd = pipes[0].in, .ready = on_ready};
	assert_true(loop_watch_add(loop, &writing.watch));
	turn();
	assert_int_equal(writing.calls, 0);
	assert_true(loop_watch_change(loop, &writing.watch, EPOLLOUT));
	turn();
	assert_int_equal(writing.calls, 1);
	assert_int_equal(writing.events, EPOLLOUT);
	loop_watch_remove(loop, &writing.watch);
	close_pipe(&pipes[0]);
}

static void
a_hang_up_is_reported(void **state)
{
	(void)state;
	open_pipe(&pipes[0], NULL);
	close(pipes[0].in);
	turn();
	assert_int_equal(pipes[0].calls, 1);
	assert_int_equal(pipes[0].events & EPOLLHUP, EPOLLHUP);
	pipes[0].in = -1;
	close_pipe(&pipes[0]);
}

static void
a_descriptor_that_cannot_be_watched_is_refused(void **state)
{
	struct loop_watch watch = {.fd = -1, .events = EPOLLIN, .ready = on_ready};

	(void)state;
	assert_false(loop_watch_add(loop, &watch));
	assert_false(watch.added);
	loop_watch_remove(loop, &watch);
}

static struct pipe many[150];

static void
more_than_a_batch_is_served_in_several_turns(void **state)
{
	unsigned turns = 0, served = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(many); i++) {
		open_pipe(&many[i], drain);
		fill(&many[i]);
	}
	for (; served < COUNT(many); turns++) {
		assert_true(turns < 10);
		turn();
		served = 0;
		for (unsigned i = 0; i < COUNT(many); i++)
			served += many[i].calls;
	}
	for (unsigned i = 0; i < COUNT(many); i++) {
		assert_int_equal(many[i].calls, 1);
		close_pipe(&many[i]);
	}
}

static unsigned
open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void
a_closed_loop_leaves_nothing_open(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct loop *another = loop_open(on_woken, &woken);

		assert_non_null(another);
		assert_int_equal(open_descriptors(), before + 2);
		loop_close(another);
	}
	assert_int_equal(open_descriptors(), before);
	loop_close(NULL);
}

/* --- timers ----------------------------------------------------------------------------- */

struct clock {
	struct loop_timer timer;
	unsigned calls;
	int64_t called_ms;
	void (*then)(struct clock *clock);
};

static struct clock clocks[5];
static unsigned order[8], expired;

static void
on_expired(struct loop_timer *timer)
{
	struct clock *clock = (struct clock *)(void *)timer;

	clock->calls++;
	clock->called_ms = loop_now_ms(loop);
	order[expired++ % COUNT(order)] = (unsigned)(clock - clocks);
	if (clock->then != NULL)
		clock->then(clock);
}

static void
set(unsigned i, int64_t in_ms, void (*then)(struct clock *clock))
{
	clocks[i].timer.expired = on_expired;
	clocks[i].then = then;
	assert_true(loop_timer_set(loop, &clocks[i].timer, loop_now_ms(loop) + in_ms));
}

static int
begin_clocks(void **state)
{
	memset(clocks, 0, sizeof clocks);
	expired = 0;
	return begin(state);
}

static void
wait_for(unsigned calls)
{
	for (unsigned turns = 0; expired < calls; turns++) {
		assert_true(turns < 100);
		loop_turn(loop);
	}
}

static void
the_time_of_a_turn_is_the_boot_clock(void **state)
{
	int64_t before = clock_ms();

	(void)state;
	assert_in_range(before - loop_now_ms(loop), 0, 1000);
	turn();
	assert_true(loop_now_ms(loop) >= before && loop_now_ms(loop) <= clock_ms());
}

static void
the_clock_that_goes_by_ticks_is_never_behind(void **state)
{
	struct loop_ticks ticks = {0};

	(void)state;
	hand_ns = 5000000000;
	asleep_ns = 86400 * INT64_C(1000000000);
	for (unsigned i = 0; i < 30000; i++, hand_ns += 100000) {
		int64_t lead = loop_time_of_tick(&ticks).now_ms - clock_ms();

		assert_in_range(lead, 0, 2 * tick_ns() / 1000000 + 2);
		assert_int_equal(ticks.wall, hand_ns / 1000000000 + 86400);
	}
}

static void
the_clock_that_goes_by_ticks_hears_at_once_that_the_machine_has_slept(void **state)
{
	struct loop_ticks ticks = {0};

	(void)state;
	hand_ns = 5000000000;
	assert_true(loop_time_of_tick(&ticks).now_ms < 6000);
	asleep_ns = 86400 * INT64_C(1000000000);
	assert_true(loop_time_of_tick(&ticks).now_ms > 86400000);
}

static void
timers_expire_in_order_and_never_early(void **state)
{
	int64_t begun = loop_now_ms(loop);

	(void)state;
	set(0, 40, NULL);
	set(1, 10, NULL);
	set(2, 25, NULL);
	wait_for(3);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 0);
	assert_in_range(clocks[1].called_ms - begun, 10, 5000);
	assert_in_range(clocks[2].called_ms - begun, 25, 5000);
	assert_in_range(clocks[0].called_ms - begun, 40, 5000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(clocks[i].calls, 1);
}

static void
a_timer_in_the_past_expires_in_the_next_turn(void **state)
{
	(void)state;
	set(0, -100000, NULL);
	assert_int_equal(clocks[0].calls, 0);
	loop_turn(loop);
	assert_int_equal(clocks[0].calls, 1);
	turn();
	assert_int_equal(clocks[0].calls, 1);
}

static void
a_timer_can_be_moved_or_cleared(void **state)
{
	(void)state;
	set(0, 5, NULL);
	set(1, 100000, NULL);
	set(2, 1, NULL);
	set(0, 100000, NULL);
	set(1, 5, NULL);
	loop_timer_clear(loop, &clocks[2].timer);
	loop_timer_clear(loop, &clocks[2].timer);
	wait_for(1);
	assert_int_equal(order[0], 1);
	loop_timer_clear(loop, &clocks[0].timer);
}

static void
clear_the_rest(struct clock *clock)
{
	(void)clock;
	for (unsigned i = 1; i < 4; i++)
		loop_timer_clear(loop, &clocks[i].timer);
}

static void
a_timer_cleared_inside_a_callback_does_not_expire(void **state)
{
	(void)state;
	set(0, -10, clear_the_rest);
	set(1, -9, NULL);
	set(2, -8, NULL);
	set(3, 5, NULL);
	set(4, 20, NULL);
	wait_for(2);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], 4);
	assert_int_equal(expired, 2);
}

static void
set_again(struct clock *clock)
{
	if (clock->calls < 3)
		assert_true(loop_timer_set(loop, &clock->timer, loop_now_ms(loop) + 5));
}

static void
a_timer_may_set_itself_again(void **state)
{
	int64_t begun = loop_now_ms(loop);

	(void)state;
	set(0, 5, set_again);
	wait_for(3);
	assert_in_range(loop_now_ms(loop) - begun, 15, 5000);
	turn();
	assert_int_equal(clocks[0].calls, 3);
}

static void
set_others(struct clock *clock)
{
	(void)clock;
	set(1, 0, NULL);
	set(2, 5, NULL);
}

static void
a_timer_may_set_others(void **state)
{
	(void)state;
	set(0, -1, set_others);
	set(1, 100000, NULL);
	loop_turn(loop);
	assert_int_equal(expired, 1);
	loop_turn(loop);
	assert_int_equal(expired, 2); /* the one that was due at once */
	assert_int_equal(order[1], 1);
	wait_for(3);
	assert_int_equal(order[2], 2);
}

static void
set_again_at_once(struct clock *clock)
{
	assert_true(loop_timer_set(loop, &clock->timer, loop_now_ms(loop)));
}

static void
a_timer_that_sets_itself_again_leaves_the_rest_their_turn(void **state)
{
	int64_t begun = loop_now_ms(loop);

	(void)state;
	open_pipe(&pipes[0], drain);
	set(0, -1, set_again_at_once);
	set(1, 20, NULL);
	loop_turn(loop);
	assert_int_equal(clocks[0].calls, 1);
	fill(&pipes[0]);
	loop_turn(loop); /* nobody knocks: it does not sleep */
	assert_int_equal(clocks[0].calls, 2);
	assert_int_equal(pipes[0].calls, 1);
	while (clocks[1].calls == 0) {
		assert_in_range(loop_now_ms(loop) - begun, 0, 5000);
		loop_turn(loop);
	}
	loop_timer_clear(loop, &clocks[0].timer);
	close_pipe(&pipes[0]);
}

static void
set_a_clock(struct pipe *pipe)
{
	drain(pipe);
	set(0, 5, NULL);
	loop_timer_clear(loop, &clocks[1].timer);
}

static void
a_descriptor_may_set_and_clear_timers(void **state)
{
	(void)state;
	open_pipe(&pipes[0], set_a_clock);
	set(1, -1, NULL); /* due in the turn that clears it: descriptors come first */
	fill(&pipes[0]);
	loop_turn(loop);
	wait_for(1);
	assert_int_equal(order[0], 0);
	assert_int_equal(clocks[1].calls, 0);
	close_pipe(&pipes[0]);
}

static void
close_a_pipe(struct clock *clock)
{
	(void)clock;
	close_pipe(&pipes[0]);
}

static void
a_timer_may_take_a_watch_out(void **state)
{
	(void)state;
	open_pipe(&pipes[0], NULL);
	set(0, -1, close_a_pipe);
	fill(&pipes[0]);
	turn();
	assert_true(pipes[0].calls <= 1);
	turn();
	assert_true(pipes[0].calls <= 1);
	assert_false(pipes[0].watch.added);
}

/* --- other threads ---------------------------------------------------------------------- */

static void *
knock_later(void *argument)
{
	struct timespec wait = {.tv_nsec = 20000000};

	nanosleep(&wait, NULL);
	loop_wake(argument);
	return NULL;
}

static void
a_knock_from_another_thread_ends_the_sleep(void **state)
{
	pthread_t thread;
	int64_t begun = clock_ms();

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, knock_later, loop), 0);
	while (woken == 0)
		loop_turn(loop);
	pthread_join(thread, NULL);
	assert_in_range(clock_ms() - begun, 20, 5000);
	assert_int_equal(woken, 1);
}

static void
many_knocks_are_one_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		loop_wake(loop);
	loop_turn(loop);
	assert_int_equal(woken, 1);
	set(0, 1, NULL);
	wait_for(1);
	assert_int_equal(woken, 1);
	turn();
	assert_int_equal(woken, 2);
}

static void
knock_again(void)
{
	if (woken == 1)
		loop_wake(loop);
}

static void
a_knock_while_woken_is_not_lost(void **state)
{
	(void)state;
	when_woken = knock_again;
	turn();
	assert_int_equal(woken, 1);
	loop_turn(loop);
	assert_int_equal(woken, 2);
}

#define KNOCKS 2000

static _Atomic unsigned said;

static void *
say_and_knock(void *argument)
{
	for (unsigned i = 0; i < KNOCKS; i++) {
		said++;
		loop_wake(argument);
	}
	return NULL;
}

static unsigned heard;

static void
hear(void)
{
	heard = said;
}

/* Whatever was said before a knock is heard after it. */
static void
no_knock_of_several_threads_is_lost(void **state)
{
	pthread_t thread[2];
	unsigned last;

	(void)state;
	said = heard = 0;
	when_woken = hear;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, say_and_knock, loop), 0);
	while (heard < 2 * KNOCKS) {
		last = heard;
		loop_turn(loop);
		assert_true(heard >= last);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

static void
on_signal(int number)
{
	(void)number;
}

static void *
signal_later(void *argument)
{
	struct timespec wait = {.tv_nsec = 10000000};

	nanosleep(&wait, NULL);
	pthread_kill(*(pthread_t *)argument, SIGUSR1);
	return NULL;
}

static void
a_signal_ends_the_sleep_and_nothing_else(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, old;
	pthread_t self = pthread_self(), thread;
	int64_t begun = clock_ms();

	(void)state;
	sigaction(SIGUSR1, &action, &old);
	open_pipe(&pipes[0], drain);
	fill(&pipes[0]);
	loop_turn(loop);
	assert_int_equal(pipes[0].calls, 1);
	set(0, 60, NULL);
	assert_int_equal(pthread_create(&thread, NULL, signal_later, &self), 0);
	loop_turn(loop);
	pthread_join(thread, NULL);
	wait_for(1);
	assert_int_equal(pipes[0].calls, 1); /* nothing of the last turn is served again */
	assert_in_range(clock_ms() - begun, 60, 5000);
	close_pipe(&pipes[0]);
	sigaction(SIGUSR1, &old, NULL);
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, begin_clocks, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_LOOP(what_is_ready_is_called_until_it_is_read),
	    ON_LOOP(a_watch_taken_out_inside_the_batch_is_not_called),
	    ON_LOOP(a_watch_taken_out_inside_the_batch_may_be_freed),
	    ON_LOOP(a_watch_may_take_itself_out),
	    ON_LOOP(a_new_watch_on_an_old_number_gets_no_old_event),
	    ON_LOOP(a_watch_put_in_again_is_called_in_a_later_turn),
	    ON_LOOP(the_events_of_a_watch_can_change),
	    ON_LOOP(a_hang_up_is_reported),
	    ON_LOOP(a_descriptor_that_cannot_be_watched_is_refused),
	    ON_LOOP(more_than_a_batch_is_served_in_several_turns),
	    ON_LOOP(a_closed_loop_leaves_nothing_open),
	    ON_LOOP(the_time_of_a_turn_is_the_boot_clock),
	    ON_LOOP(the_clock_that_goes_by_ticks_is_never_behind),
	    ON_LOOP(the_clock_that_goes_by_ticks_hears_at_once_that_the_machine_has_slept),
	    ON_LOOP(timers_expire_in_order_and_never_early),
	    ON_LOOP(a_timer_in_the_past_expires_in_the_next_turn),
	    ON_LOOP(a_timer_can_be_moved_or_cleared),
	    ON_LOOP(a_timer_cleared_inside_a_callback_does_not_expire),
	    ON_LOOP(a_timer_may_set_itself_again),
	    ON_LOOP(a_timer_may_set_others),
	    ON_LOOP(a_timer_that_sets_itself_again_leaves_the_rest_their_turn),
	    ON_LOOP(a_descriptor_may_set_and_clear_timers),
	    ON_LOOP(a_timer_may_take_a_watch_out),
	    ON_LOOP(a_knock_from_another_thread_ends_the_sleep),
	    ON_LOOP(many_knocks_are_one_call),
	    ON_LOOP(a_knock_while_woken_is_not_lost),
	    ON_LOOP(no_knock_of_several_threads_is_lost),
	    ON_LOOP(a_signal_ends_the_sleep_and_nothing_else),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
