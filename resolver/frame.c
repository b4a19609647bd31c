#include "resolver/frame.h"

#define OPTION_EXTENDED_ERROR 15
#define EDNS_SIZE 11
#define EXTENDED_SIZE 6

/* RFC 6891 6.1.2; the extended error RFC 8914 2. */
static void
write_edns(struct frame *frame)
{
	struct wire_writer *writer = &frame->writer;
	bool explains = frame->extended != WIRE_EDE_NONE;

	wire_write_u8(writer, 0);
	wire_write_u16(writer, WIRE_OPT);
	wire_write_u16(writer, QUESTION_UDP_SIZE);
	wire_write_u8(writer, (uint8_t)((unsigned)frame->rcode >> 4));
	wire_write_u8(writer, 0);
	wire_write_u16(writer, frame->question->dnssec_ok ? 0x8000 : 0);
	wire_write_u16(writer, explains ? EXTENDED_SIZE : 0);
	if (explains) {
		wire_write_u16(writer, OPTION_EXTENDED_ERROR);
		wire_write_u16(writer, 2);
		wire_write_u16(writer, (uint16_t)frame->extended);
	}
}

static void
write_question(struct frame *frame)
{
	const struct question *question = frame->question;

	wire_write_bytes(&frame->writer, question->name, question->name_length);
	wire_write_u32(&frame->writer, (uint32_t)question->type << 16 | question->class);
}

/* Other opcodes and broken questions get the header alone. */
static bool
echoes_question(const struct question *question)
{
	return question->has_name &&
	       !(question->about == QUESTION_ERROR &&
		   (question->rcode == WIRE_FORMERR || question->rcode == WIRE_NOTIMP));
}

static void
patch_header(struct frame *frame, bool truncated)
{
	const struct question *question = frame->question;
	uint8_t *header = frame->writer.start;
	unsigned flags = WIRE_QR | (unsigned)question->opcode << 11 | ((unsigned)frame->rcode & 15);

	if (frame->authoritative)
		flags |= WIRE_AA;
	if (truncated)
		flags |= WIRE_TC;
	if (question->recursion_desired && question->opcode == 0)
		flags |= WIRE_RD;
	if (question->recursion_available)
		flags |= question->checking_disabled ? WIRE_RA | WIRE_CD : WIRE_RA;
	if (frame->authentic)
		flags |= WIRE_AD;
	if (frame->writer.failed || frame->writer.at < WIRE_HEADER)
		return;
	wire_put_u16(header, question->id);
	wire_put_u16(header + 2, (uint16_t)flags);
	wire_put_u16(header + 4, frame->echo);
	wire_put_u16(header + 6, frame->answers);
	wire_put_u16(header + 8, frame->authorities);
	wire_put_u16(header + 10, (uint16_t)(frame->additional + question->edns));
}

void
frame_begin(struct frame *frame, const struct question *question, uint8_t *out, size_t size)
{
	static const uint8_t header[WIRE_HEADER];

	*frame = (struct frame){
	    .question = question, .extended = WIRE_EDE_NONE, .echo = echoes_question(question)};
	wire_writer_init(&frame->writer, out, size);
	wire_write_bytes(&frame->writer, header, sizeof header);
	if (frame->echo)
		write_question(frame);
	frame->body = frame->writer.at;
}

bool
frame_fits(const struct frame *frame)
{
	size_t edns = 0;

	if (frame->question->edns)
		edns = frame->extended == WIRE_EDE_NONE ? EDNS_SIZE : EDNS_SIZE + EXTENDED_SIZE;
	return !frame->writer.failed && frame->writer.size - frame->writer.at >= edns;
}

size_t
frame_end(struct frame *frame)
{
	bool truncated;

	if (frame->question->edns)
		write_edns(frame);
	truncated = frame->writer.failed;
	if (truncated) {
		frame->writer.failed = false;
		frame->writer.at = frame->body;
		frame->answers = frame->authorities = frame->additional = 0;
		if (frame->question->edns)
			write_edns(frame);
	}
	patch_header(frame, truncated);
	return frame->writer.failed ? 0 : frame->writer.at;
}
