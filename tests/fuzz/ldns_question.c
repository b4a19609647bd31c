/*
 * The same as fuzz_question, with ldns as the referee: it must read the question as we do, and our
 * answer as our decoder does. The mutator knows what a question is made of. Only for `make fuzz`.
 */
#define LLVMFuzzerTestOneInput without_referee
#include "tests/fuzz/fuzz_question.c"
#undef LLVMFuzzerTestOneInput

#include <ldns/ldns.h>

#include "tests/fuzz/grow.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed);

static bool
same_name(const ldns_rdf *name, const char *expected)
{
	char text[DECODE_NAME] = "";
	struct decoded d = {.packet = ldns_rdf_data(name), .length = ldns_rdf_size(name)};

	return decode_name(&d, text) && d.at == d.length && strcmp(text, expected) == 0;
}

static void
referee_question(const struct question *question, const ldns_pkt *pkt)
{
	const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	const ldns_rdf *name = ldns_rr_owner(asked);
	size_t size = ldns_pkt_edns_udp_size(pkt);

	fuzz_check(ldns_pkt_id(pkt) == question->id, "q: id");
	fuzz_check(
	    ldns_pkt_get_opcode(pkt) == (ldns_pkt_opcode)(question->flags >> 11 & 15), "q: opcode");
	fuzz_check(ldns_pkt_rd(pkt) == ((question->flags & WIRE_RD) != 0), "q: RD");
	fuzz_check(ldns_pkt_ad(pkt) == ((question->flags & WIRE_AD) != 0), "q: AD");
	fuzz_check(ldns_pkt_cd(pkt) == ((question->flags & WIRE_CD) != 0), "q: CD");
	fuzz_check(ldns_rdf_size(name) == question->name_length &&
		       memcmp(ldns_rdf_data(name), question->name, question->name_length) == 0,
	    "q: name");
	fuzz_check((unsigned)ldns_rr_get_type(asked) == question->type, "q: type");
	fuzz_check((unsigned)ldns_rr_get_class(asked) == question->class, "q: class");
	fuzz_check(ldns_pkt_edns(pkt) == question->edns, "q: EDNS");
	if (!question->edns)
		return;
	size = size < 512 ? 512 : size > QUESTION_UDP_SIZE ? QUESTION_UDP_SIZE : size;
	fuzz_check(question->udp_size == size, "q: EDNS size");
	fuzz_check(ldns_pkt_edns_do(pkt) == question->dnssec_ok, "q: DO");
	fuzz_check((ldns_pkt_edns_version(pkt) != 0) ==
		       (question->rcode == WIRE_BADVERS && question->about == QUESTION_ERROR),
	    "q: EDNS version");
}

static bool
same_data(const ldns_rr *rr, const struct decoded_record *record)
{
	const ldns_rdf *first = ldns_rr_rdf(rr, 0);
	bool same = true;

	switch (record->type) {
	case 1:
	case 28:
		return memcmp(ldns_rdf_data(first), record->address, ldns_rdf_size(first)) == 0;
	case 16:
		return ldns_rr_rd_count(rr) == 1 &&
		       ldns_rdf_size(first) == strlen(record->text) + 1 &&
		       memcmp(ldns_rdf_data(first) + 1, record->text, strlen(record->text)) == 0;
	case 6:
		for (unsigned i = 0; i < 5; i++)
			same = same &&
			       ldns_rdf2native_int32(ldns_rr_rdf(rr, 2 + i)) == record->number[i];
		return same && same_name(first, record->name[0]) &&
		       same_name(ldns_rr_rdf(rr, 1), record->name[1]);
	default:
		return same_name(first, record->name[0]);
	}
}

static void
referee_records(const ldns_rr_list *list, const struct decoded_record *record, unsigned count)
{
	fuzz_check(ldns_rr_list_rr_count(list) == count, "a: number of records");
	for (unsigned i = 0; i < count; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		fuzz_check(same_name(ldns_rr_owner(rr), record[i].owner), "a: owner");
		fuzz_check((unsigned)ldns_rr_get_type(rr) == record[i].type, "a: type");
		fuzz_check((unsigned)ldns_rr_get_class(rr) == record[i].class, "a: class");
		fuzz_check(ldns_rr_ttl(rr) == record[i].ttl, "a: TTL");
		fuzz_check(same_data(rr, &record[i]), "a: data");
	}
}

static void
referee_answer(const struct question *question, const uint8_t *out, size_t written)
{
	static struct decoded d;
	ldns_pkt *pkt = NULL;
	unsigned flags, rcode;

	fuzz_check(ldns_wire2pkt(&pkt, out, written) == LDNS_STATUS_OK, "a: not read");
	fuzz_check(decode(&d, out, written), "a: not decoded");
	flags = (unsigned)(ldns_pkt_qr(pkt) << 15 | (int)ldns_pkt_get_opcode(pkt) << 11 |
			   ldns_pkt_aa(pkt) << 10 | ldns_pkt_tc(pkt) << 9 | ldns_pkt_rd(pkt) << 8 |
			   ldns_pkt_ra(pkt) << 7 | ldns_pkt_ad(pkt) << 5 | ldns_pkt_cd(pkt) << 4 |
			   (int)ldns_pkt_get_rcode(pkt));
	rcode = (unsigned)ldns_pkt_get_rcode(pkt) | (unsigned)ldns_pkt_edns_extended_rcode(pkt)
							<< 4;
	fuzz_check(ldns_pkt_id(pkt) == d.id && flags == d.flags, "a: id or flags");
	fuzz_check(
	    ldns_pkt_rd(pkt) == ((question->flags & (WIRE_OPCODE | WIRE_RD)) == WIRE_RD), "a: RD");
	fuzz_check(rcode == d.rcode, "a: response code");
	fuzz_check(ldns_pkt_edns(pkt) == d.edns, "a: EDNS");
	if (d.edns)
		fuzz_check(ldns_pkt_edns_udp_size(pkt) == d.udp_size, "a: EDNS size");
	if (d.questions > 0) {
		const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);

		fuzz_check(same_name(ldns_rr_owner(asked), d.question), "a: question");
		fuzz_check(
		    (unsigned)ldns_rr_get_type(asked) == question->type, "a: type asked for");
	}
	referee_records(ldns_pkt_answer(pkt), d.answer, d.answers);
	referee_records(ldns_pkt_authority(pkt), d.authority, d.authorities);
	ldns_pkt_free(pkt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t out[ANSWER_SIZE_MAX];
	struct question question;
	size_t written = answer_packet(bytes, length, &question, out);
	ldns_pkt *pkt = NULL;
	bool read;

	if (written == 0)
		return 0;
	referee_answer(&question, out, written);
	if (question.rcode == WIRE_FORMERR || !question.has_name)
		return 0;
	/* it looks into records of which we only want to know where they end, and trips over some
	 */
	if (bytes[10] != 0 || bytes[11] > 1)
		return 0;
	read = ldns_wire2pkt(&pkt, bytes, length) == LDNS_STATUS_OK;
	fuzz_check(read || bytes[11] != question.edns, "q: not read");
	if (read)
		referee_question(&question, pkt);
	ldns_pkt_free(pkt);
	return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed)
{
	struct chance chance = {seed};

	if (chance_below(&chance, 4) == 0 || most < GROWN_MAX)
		return LLVMFuzzerMutate(bytes, length, most);
	return grow(&chance, bytes, length);
}
