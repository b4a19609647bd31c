#include "aggregate/line.h"

void
line_sum_up(struct content *content, uint32_t now)
{
	unsigned keys = line_keys(content);
	uint32_t clear = 0, first = LINE_SPAN;

	for (unsigned i = keys; i < LINE_WORDS; i++) {
		struct evidence evidence = line_evidence(content, i);

		if (evidence.said != EVIDENCE_CLEAR || evidence.expires <= now)
			continue;
		clear |= 1u << (i - keys);
		if (evidence.expires - content->base < first)
			first = evidence.expires - content->base;
	}
	content->meta = (content->meta & LINE_ABOUT) | clear << LINE_CLEAR_SHIFT |
			first / LINE_CLEAR_UNIT << LINE_CLEAR_FOR_SHIFT;
}

void
line_write(struct line *line, const struct content *content)
{
	uint64_t head = atomic_load_explicit(&line->head, memory_order_relaxed);
	uint64_t one = UINT64_C(1) << 32;

	atomic_store_explicit(&line->head, head + one, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (unsigned pair = 0; pair < LINE_PAIRS; pair++) {
		uint64_t two;

		memcpy(&two, (const char *)content + pair * sizeof two, sizeof two);
		atomic_store_explicit(&line->pair[pair], two, memory_order_relaxed);
	}
	head = (head + 2 * one) & ~(one - 1);
	atomic_store_explicit(&line->head, head | content->base, memory_order_release);
}
