/*
 * A packet from a client: question_read, question_place, answer_write; and the answer is taken
 * apart by another decoder. The id of the packet chooses what the verdict is, and the size that
 * the answer may have.
 */
#include "aggregate/compile.h"
#include "resolver/answer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/alike.h"
#include "tests/unit/decode.h"

#define TEXT                                                                                       \
	"192.0.2.1 is listed by a.example, b.example; see https://www.example.org/?ip=192.0.2.1"

static struct policy *policy;
static struct evidence_book *book;

static void
add_zone(const char *name)
{
	struct policy_zone *zone = policy_zone_add(policy, name);

	fuzz_check(zone != NULL && policy_zone_add_grade(zone, 1, 0x7f000002), "no memory");
	zone->negative_ttl = 60;
	zone->max_ttl = 60;
}

static void
make_policy(void)
{
	policy = policy_open();
	book = evidence_book_open();
	fuzz_check(policy != NULL && book != NULL, "no memory");
	add_zone("bl.example.net");
	add_zone("u4711.bl.example.net");
	add_zone("a.b-c.bl.example.net");
	add_zone("other.example");
	fuzz_check(compile_policy(policy, book), "the policy can't be compiled");
	fuzz_check(subject_parse("127.0.0.2", &policy->address[0]), "no address");
	fuzz_check(subject_parse("::1", &policy->address[1]), "no address");
	policy->addresses = 2;
}

static struct verdict
verdict_of(uint16_t id)
{
	static const enum verdict_state states[] = {
	    VERDICT_LISTED, VERDICT_CLEAR, VERDICT_DEFERRED, VERDICT_SUBSTITUTE};

	return (struct verdict){.state = states[id & 3], .address = 0x7f000004, .ttl = 17};
}

static void
check_echo(const struct question *question, const struct decoded *decoded, const uint8_t *out,
    const uint8_t *bytes)
{
	if (decoded->questions == 0)
		return;
	fuzz_check(question->has_name, "a question out of nothing");
	fuzz_check(memcmp(out + 12, bytes + 12, question->name_length + 4u) == 0,
	    "another question than was asked");
}

static void
check_answer(const struct question *question, const uint8_t *out, size_t length,
    const uint8_t *bytes, size_t limit)
{
	static struct decoded decoded;

	fuzz_check(length <= limit, "an answer over its size");
	if (!decode(&decoded, out, length))
		fuzz_check(0, decoded.wrong);
	check_echo(question, &decoded, out, bytes);
	fuzz_check(decoded.id == ((unsigned)bytes[0] << 8 | bytes[1]), "another id");
	fuzz_check((decoded.flags & 0x8000) != 0, "no reply");
	fuzz_check((decoded.flags >> 11 & 15) == (bytes[2] >> 3 & 15), "another opcode");
	fuzz_check((decoded.flags & 0x00f0) == 0, "a flag that is not ours");
	fuzz_check(decoded.edns == question->edns, "EDNS where there was none, or none");
	fuzz_check((decoded.edns_flags & 0x7fff) == 0, "an EDNS flag that is not ours");
	if (decoded.rcode != 0)
		fuzz_check(decoded.answers == 0, "an error with answers");
	if (decoded.flags & 0x0200)
		fuzz_check(limit < ANSWER_SIZE_MAX, "truncated over TCP");
	if (decoded.answers == 0 && (decoded.rcode == 0 || decoded.rcode == 3) &&
	    (decoded.flags & 0x0200) == 0 && question->about != QUESTION_CHAOS)
		fuzz_check(decoded.authorities == 1, "a negative answer without SOA");
}

/* What becomes of a packet; 0 for nothing. `out` has room for any answer. */
static size_t
answer_packet(const uint8_t *bytes, size_t length, struct question *question, uint8_t *out)
{
	struct question taken;
	struct verdict verdict;
	size_t limit, written;

	if (policy == NULL)
		make_policy();
	question_read(question, bytes, length);
	if (question->about == QUESTION_DROP) {
		fuzz_check(length < 12 || (bytes[2] & 0x80) != 0, "a question was dropped");
		return 0;
	}
	fuzz_check(question->udp_size >= 512 && question->udp_size <= 1232, "a size out of bounds");
	if (question->about == QUESTION_NOTHING)
		question_place(question, policy);
	question_take(&taken, policy, bytes, length);
	fuzz_check(alike(question, &taken), "in one step it is another question");
	verdict = verdict_of(question->id);
	limit = question->id & 4 ? ANSWER_SIZE_MAX : question->udp_size;
	written = question->about == QUESTION_SUBJECT
		      ? answer_verdict(
			    question, policy, &verdict, question->id & 8 ? TEXT : "", out, limit)
		      : answer_write(question, policy, out, limit);
	fuzz_check(written > 0, "no answer");
	check_answer(question, out, written, bytes, limit);
	return written;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t out[ANSWER_SIZE_MAX];
	struct question question;

	(void)answer_packet(bytes, length, &question, out);
	return 0;
}
