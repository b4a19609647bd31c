#include "resolver/heap.h"

#include "tests/unit/unit.h"

#define ENTRIES 300

static struct heap heap;
static struct heap_entry entry[ENTRIES];

static int
empty_heap(void **state)
{
	(void)state;
	heap_free(&heap);
	memset(entry, 0, sizeof entry);
	return 0;
}

/* The invariants of heap.h, and that the entries know their places. */
static void
check_heap(void)
{
	size_t in = 0;

	for (size_t i = 0; i < heap.count; i++) {
		assert_int_equal(heap.entry[i]->place, i + 1);
		if (i > 0)
			assert_true(heap.entry[(i - 1) / 2]->due_ms <= heap.entry[i]->due_ms);
	}
	for (size_t i = 0; i < ENTRIES; i++)
		in += entry[i].place != 0;
	assert_int_equal(in, heap.count);
	assert_true(heap.count <= heap.room);
}

static struct heap_entry *
least(void)
{
	struct heap_entry *found = NULL;

	for (size_t i = 0; i < ENTRIES; i++)
		if (entry[i].place != 0 && (found == NULL || entry[i].due_ms < found->due_ms))
			found = &entry[i];
	return found;
}

static void
an_empty_heap_has_no_first(void **state)
{
	(void)state;
	assert_null(heap_first(&heap));
	heap_remove(&heap, &entry[0]); /* in no heap: nothing happens */
	assert_null(heap_first(&heap));
	assert_true(heap_set(&heap, &entry[0], 7));
	heap_remove(&heap, &entry[0]);
	assert_null(heap_first(&heap));
	heap_remove(&heap, &entry[0]);
	check_heap();
}

static void
entries_come_out_in_the_order_of_their_times(void **state)
{
	int64_t last = INT64_MIN;

	(void)state;
	for (size_t i = 0; i < ENTRIES; i++)
		assert_true(heap_set(&heap, &entry[i], (int64_t)(i * 7919 % ENTRIES)));
	check_heap();
	for (size_t i = 0; i < ENTRIES; i++) {
		struct heap_entry *first = heap_first(&heap);

		assert_true(first->due_ms >= last);
		last = first->due_ms;
		heap_remove(&heap, first);
		check_heap();
	}
	assert_null(heap_first(&heap));
}

static void
an_entry_can_be_moved_to_an_earlier_or_a_later_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < 20; i++)
		assert_true(heap_set(&heap, &entry[i], (int64_t)(100 + i)));
	assert_true(heap_set(&heap, &entry[19], 1));
	assert_ptr_equal(heap_first(&heap), &entry[19]);
	assert_true(heap_set(&heap, &entry[19], 200));
	assert_ptr_equal(heap_first(&heap), &entry[0]);
	assert_true(heap_set(&heap, &entry[0], 100)); /* the same again */
	assert_ptr_equal(heap_first(&heap), &entry[0]);
	assert_int_equal(heap.count, 20);
	check_heap();
}

static void
times_may_be_equal_or_extreme(void **state)
{
	(void)state;
	for (size_t i = 0; i < 50; i++)
		assert_true(heap_set(&heap, &entry[i], 5));
	assert_true(heap_set(&heap, &entry[50], INT64_MAX));
	assert_true(heap_set(&heap, &entry[51], INT64_MIN));
	check_heap();
	assert_ptr_equal(heap_first(&heap), &entry[51]);
	heap_remove(&heap, &entry[51]);
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(heap_first(&heap)->due_ms, 5);
		heap_remove(&heap, heap_first(&heap));
		check_heap();
	}
	assert_ptr_equal(heap_first(&heap), &entry[50]);
}

static void
entries_come_and_go_in_any_order(void **state)
{
	struct chance chance = {7};

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		struct heap_entry *any = &entry[chance_below(&chance, ENTRIES)];

		if (chance_below(&chance, 3) == 0)
			heap_remove(&heap, any);
		else
			assert_true(heap_set(&heap, any, chance_below(&chance, 100)));
		if (step % 16 == 0)
			check_heap();
		if (least() == NULL)
			assert_null(heap_first(&heap));
		else
			assert_int_equal(heap_first(&heap)->due_ms, least()->due_ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(an_empty_heap_has_no_first, empty_heap),
	    cmocka_unit_test_teardown(entries_come_out_in_the_order_of_their_times, empty_heap),
	    cmocka_unit_test_teardown(
		an_entry_can_be_moved_to_an_earlier_or_a_later_time, empty_heap),
	    cmocka_unit_test_teardown(times_may_be_equal_or_extreme, empty_heap),
	    cmocka_unit_test_teardown(entries_come_and_go_in_any_order, empty_heap),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
