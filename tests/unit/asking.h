/*
 * asking - what the tests of questions share: zones, and packets that are read and placed in them
 */
#ifndef TESTS_UNIT_ASKING_H
#define TESTS_UNIT_ASKING_H

#include "aggregate/compile.h"
#include "resolver/question.h"
#include "tests/unit/alike.h"
#include "tests/unit/packet.h"
#include "tests/unit/zone.h"

/* The beginnings of packets, for packet_make. */
#define H "0007 0000 0001 0000 0000 0000 "
#define NAME "@2.0.0.127.bl.example.net "
#define Q NAME "0001 0001 "
#define OPT "00 0029 04d0 00000000 "

#define SOA 6
#define ACCOUNT "u4711.bl.example.net"
#define FAR "a-1.dept.bl.example.net" /* dept.bl.example.net is no zone */

/* A zone of 189 characters: a reversed IPv6 address still fits in front of it. */
#define LABEL63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG LABEL63 "." LABEL63 ".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.example"

static struct policy *policy, *other;
static struct evidence_book *book;
static struct packet packet;
static struct question question, taken; /* read; and read and placed in one step */
static uint8_t *memory;                 /* of the packet that question.name points into */

static inline struct policy *
make_policy(const char *const *zones, size_t count)
{
	struct policy *made = policy_open();

	assert_non_null(made);
	for (size_t i = 0; i < count; i++)
		make_grade(make_zone(made, zones[i]), 1, 0x7f000002);
	assert_true(compile_policy(made, book));
	return made;
}

static inline int
open_policies(void **state)
{
	static const char *const zones[] = {FAR, "bl.example.net", ACCOUNT, "azaz.example", LONG};

	(void)state;
	book = evidence_book_open();
	if (book == NULL)
		return -1;
	policy = make_policy(zones, COUNT(zones));
	other = make_policy(zones + 2, 1);
	return 0;
}

static inline int
close_policies(void **state)
{
	(void)state;
	policy_close(policy);
	policy_close(other);
	evidence_book_close(book);
	free(memory);
	memory = NULL;
	return 0;
}

/*
 * Read the first `length` bytes of the packet, from memory that ends there. In one step it must
 * come to the same.
 */
static inline void
read_bytes(size_t length)
{
	free(memory);
	memory = packet_copy(&packet, length);
	memset(&question, 0xaa, sizeof question);
	question_read(&question, memory, length);
	memset(&taken, 0xaa, sizeof taken);
	question_take(&taken, policy, memory, length);
	if (question.about != QUESTION_NOTHING)
		assert_true(alike(&question, &taken));
}

static inline void
read_packet(void)
{
	read_bytes(packet.length);
}

static inline void
read_line(const char *line)
{
	packet_make(&packet, line);
	read_packet();
}

static inline void
place(void)
{
	if (question.about == QUESTION_NOTHING)
		question_place(&question, policy);
	assert_true(alike(&question, &taken));
}

static inline void
ask(const char *name, unsigned type)
{
	packet_ask(&packet, 7, 0, name, type);
	read_packet();
	place();
}

static inline void
ask_line(const char *line)
{
	read_line(line);
	place();
}

static inline void
expect_error(const char *what, enum wire_rcode rcode)
{
	if (question.about != QUESTION_ERROR || question.rcode != rcode)
		fail_msg("%s: about %d, rcode %d", what, question.about, question.rcode);
}

static inline void
expect_about(const char *what, enum question_about about)
{
	if (question.about != about)
		fail_msg("%s: about %d, rcode %d", what, question.about, question.rcode);
}

#endif
