/*
 * What libunbound hands over for another name: relay_write. The first two bytes choose how the
 * client asked and how large a reply it takes; the question is the packet's own. A reply must be
 * one message from the first byte to the last, and relayed once more it must stay the same.
 */
#include "resolver/relay.h"
#include "tests/fuzz/fuzz.h"

static uint8_t first[RELAY_SIZE_MAX], second[RELAY_SIZE_MAX];

static void
check_message(const uint8_t *bytes, size_t length)
{
	struct wire_reader reader;
	struct wire_record record;
	uint8_t name[WIRE_NAME_MAX];
	unsigned records = 0;

	wire_reader_init(&reader, bytes, length);
	wire_skip(&reader, 4);
	fuzz_check(wire_read_u16(&reader) == 1, "not one question");
	for (unsigned i = 0; i < 3; i++)
		records += wire_read_u16(&reader);
	(void)wire_read_name(&reader, name);
	wire_skip(&reader, 4);
	for (; records > 0; records--) {
		struct wire_reader owner = reader;

		fuzz_check(wire_read_name(&owner, name) > 0, "an owner that is none");
		wire_read_record(&reader, &record);
		wire_skip(&reader, record.length);
	}
	fuzz_check(!reader.failed && reader.at == length, "not one whole message");
}

static bool
ask(struct question *question, const uint8_t *bytes, size_t length, unsigned flags)
{
	struct wire_reader reader;

	*question = (struct question){.about = QUESTION_ELSEWHERE, .recursion_available = true};
	wire_reader_init(&reader, bytes, length);
	wire_skip(&reader, WIRE_HEADER);
	question->name = bytes + reader.at;
	question->name_length = (uint8_t)wire_read_plain_name(&reader);
	question->type = (flags & 1) != 0 ? WIRE_ANY : wire_read_u16(&reader);
	question->class = WIRE_IN;
	question->has_name = true;
	question->dnssec_ok = (flags & 2) != 0;
	question->flags = (flags & 4) != 0 ? WIRE_AD : 0;
	question->edns = (flags & 8) != 0;
	question->extended = WIRE_EDE_NONE;
	return !reader.failed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct question question;
	size_t size, written, again;

	if (length < 2 || !ask(&question, bytes + 2, length - 2, bytes[0]))
		return 0;
	size = (bytes[0] & 16) != 0 ? sizeof first : bytes[1] * 16u;
	written = relay_write(&question, bytes + 2, length - 2, (bytes[0] & 32) != 0, first, size);
	fuzz_check(written <= size, "a reply that is too long");
	if (written == 0)
		return 0;
	check_message(first, written);
	if (question.type == WIRE_ANY || (first[2] & 2) != 0)
		return 0;
	again = relay_write(&question, first, written, (first[3] & 0x20) != 0, second, size);
	fuzz_check(again == written && memcmp(first, second, written) == 0,
	    "a reply that is another when relayed again");
	return 0;
}
