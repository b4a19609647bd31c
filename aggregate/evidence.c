#include "aggregate/evidence.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/name.h"

struct list_sets {
	char name[NAME_TEXT_MAX + 1];
	uint64_t source;
	uint32_t count;
	struct answers set[EVIDENCE_SETS_MAX];
	_Atomic uint32_t lifetime[EVIDENCE_ANSWERS + EVIDENCE_SETS_MAX]; /* by `said` */
};

/* lists <= EVIDENCE_LISTS_MAX; list[i] is set for i < lists and never moves */
struct evidence_book {
	pthread_mutex_t adding;
	_Atomic unsigned lists; /* raised after list[lists] is set */
	struct list_sets *list[EVIDENCE_LISTS_MAX];
};

struct evidence_book *
evidence_book_open(void)
{
	struct evidence_book *book = calloc(1, sizeof *book);

	if (book != NULL && pthread_mutex_init(&book->adding, NULL) != 0) {
		free(book);
		return NULL;
	}
	return book;
}

void
evidence_book_close(struct evidence_book *book)
{
	if (book == NULL)
		return;
	for (unsigned i = 0; i < book->lists; i++)
		free(book->list[i]);
	pthread_mutex_destroy(&book->adding);
	free(book);
}

int
evidence_list_find(const struct evidence_book *book, const char *name)
{
	unsigned lists = evidence_list_count(book);

	for (unsigned i = 0; i < lists; i++)
		if (strcmp(book->list[i]->name, name) == 0)
			return (int)i;
	return -1;
}

const char *
evidence_list_name(const struct evidence_book *book, unsigned list)
{
	return book->list[list]->name;
}

uint64_t
evidence_list_source(const struct evidence_book *book, unsigned list)
{
	return book->list[list]->source;
}

void
evidence_list_take_from(struct evidence_book *book, unsigned list, uint64_t source)
{
	book->list[list]->source = source;
}

static int
list_find_or_add(struct evidence_book *book, const char *name)
{
	int number = evidence_list_find(book, name);
	unsigned lists = atomic_load(&book->lists);
	struct list_sets *sets;

	if (number >= 0)
		return number;
	if (lists == EVIDENCE_LISTS_MAX || strlen(name) > NAME_TEXT_MAX)
		return -1;
	sets = calloc(1, sizeof *sets);
	if (sets == NULL)
		return -1;
	memcpy(sets->name, name, strlen(name) + 1);
	book->list[lists] = sets;
	atomic_store(&book->lists, lists + 1);
	return (int)lists;
}

int
evidence_list_number(struct evidence_book *book, const char *name)
{
	int number;

	pthread_mutex_lock(&book->adding);
	number = list_find_or_add(book, name);
	pthread_mutex_unlock(&book->adding);
	return number;
}

unsigned
evidence_list_count(const struct evidence_book *book)
{
	return atomic_load_explicit(&book->lists, memory_order_acquire);
}

bool
answers_add(struct answers *answers, uint32_t address)
{
	uint32_t at = 0;

	while (at < answers->count && answers->address[at] < address)
		at++;
	if (at < answers->count && answers->address[at] == address)
		return true;
	if (answers->count == EVIDENCE_ANSWERS_MAX)
		return false;
	memmove(&answers->address[at + 1], &answers->address[at],
	    (answers->count - at) * sizeof answers->address[0]);
	answers->address[at] = address;
	answers->count++;
	return true;
}

static bool
answers_equal(const struct answers *a, const struct answers *b)
{
	return a->count == b->count &&
	       memcmp(a->address, b->address, a->count * sizeof a->address[0]) == 0;
}

static uint16_t
set_find_or_add(struct list_sets *list, const struct answers *answers)
{
	uint32_t i;

	for (i = 0; i < list->count; i++)
		if (answers_equal(&list->set[i], answers))
			return (uint16_t)(EVIDENCE_ANSWERS + i);
	if (i == EVIDENCE_SETS_MAX)
		return EVIDENCE_DIVERSE;
	list->set[i] = *answers;
	list->count++;
	return (uint16_t)(EVIDENCE_ANSWERS + i);
}

uint16_t
evidence_intern(struct evidence_book *book, unsigned list, const struct answers *answers)
{
	uint16_t said;

	assert(answers->count > 0 && answers->count <= EVIDENCE_ANSWERS_MAX);
	pthread_mutex_lock(&book->adding);
	assert(list < book->lists);
	said = set_find_or_add(book->list[list], answers);
	pthread_mutex_unlock(&book->adding);
	return said;
}

unsigned
evidence_set_count(struct evidence_book *book, unsigned list)
{
	unsigned count;

	pthread_mutex_lock(&book->adding);
	count = book->list[list]->count;
	pthread_mutex_unlock(&book->adding);
	return count;
}

const struct answers *
evidence_answers(const struct evidence_book *book, unsigned list, uint16_t said)
{
	assert(said >= EVIDENCE_ANSWERS);
	return &book->list[list]->set[said - EVIDENCE_ANSWERS];
}

void
evidence_note_lifetime(struct evidence_book *book, unsigned list, uint16_t said, uint32_t lifetime)
{
	atomic_store_explicit(&book->list[list]->lifetime[said], lifetime, memory_order_relaxed);
}

uint32_t
evidence_lifetime(const struct evidence_book *book, unsigned list, uint16_t said)
{
	return atomic_load_explicit(&book->list[list]->lifetime[said], memory_order_relaxed);
}

uint32_t
evidence_age(
    const struct evidence_book *book, unsigned list, const struct evidence *evidence, uint32_t now)
{
	uint32_t given = evidence_lifetime(book, list, evidence->said);
	int64_t left = (int64_t)evidence->expires - now;

	if (evidence->stale != 0) /* it says itself how long ago it expired */
		return given + 60u * (evidence->stale - 1u);
	return left < given ? (uint32_t)(given - left) : 0;
}

const char *
evidence_word(uint16_t said)
{
	static const char *const word[EVIDENCE_ANSWERS] = {
	    [EVIDENCE_NONE] = "not asked",
	    [EVIDENCE_CLEAR] = "clear",
	    [EVIDENCE_TIMEOUT] = "timeout",
	    [EVIDENCE_FAILED] = "its servers fail or are silent",
	    [EVIDENCE_MALFORMED] = "malformed reply",
	    [EVIDENCE_FOREIGN] = "answer outside 127.0.0.0/8",
	    [EVIDENCE_OVERLOAD] = "overload",
	    [EVIDENCE_ABSENT] = "quarantined",
	    [EVIDENCE_DIVERSE] = "too many different replies",
	    [EVIDENCE_DOWN] = "down",
	    [EVIDENCE_RATE] = "over max-qps",
	    [EVIDENCE_BUDGET] = "over max-per-day",
	};

	if (said >= EVIDENCE_ANSWERS || word[said] == NULL)
		return "answers";
	return word[said];
}
