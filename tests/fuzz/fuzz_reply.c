/*
 * What libunbound hands over for a list: reply_read, and what must hold of whatever it says.
 */
#include "resolver/reply.h"
#include "tests/fuzz/fuzz.h"

static void
check_answers(const struct answers *answers)
{
	fuzz_check(answers->count >= 1 && answers->count <= EVIDENCE_ANSWERS_MAX,
	    "answers, but none or too many");
	for (uint32_t i = 0; i < answers->count; i++) {
		fuzz_check(answers->address[i] >> 24 == 127, "an address outside 127.0.0.0/8");
		fuzz_check(i == 0 || answers->address[i - 1] < answers->address[i],
		    "addresses that are not in order");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct reply_answer answer;

	reply_read(&answer, bytes, length);
	switch (answer.said) {
	case EVIDENCE_ANSWERS:
		fuzz_check(answer.has_ttl, "answers without a TTL");
		check_answers(&answer.answers);
		break;
	case EVIDENCE_CLEAR:
	case EVIDENCE_FOREIGN:
		fuzz_check(length >= 12, "a reply of less than a header");
		break;
	case EVIDENCE_FAILED:
	case EVIDENCE_MALFORMED:
		return 0;
	default:
		fuzz_check(0, "something that no reply says");
	}
	fuzz_check((bytes[2] & 0x80) != 0, "a question taken for a reply");
	if (answer.has_ttl)
		fuzz_check(answer.ttl < UINT32_C(1) << 31, "a TTL of 2^31 or more");
	return 0;
}
