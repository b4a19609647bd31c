#include "resolver/frame.h"

#define OPTION_EXTENDED_ERROR 15
#define EDNS_SIZE 11
#define EXTENDED_SIZE 6

/* RFC 6891 6.1.2; the extended error RFC 8914 2. */
static void
write_edns(struct frame *frame)
{
	bool explains = frame->extended != WIRE_EDE_NONE;
	size_t options = explains ? EXTENDED_SIZE : 0;
	uint8_t *at = wire_make_room(&frame->writer, EDNS_SIZE + options);

	if (at == NULL)
		return;
	at[0] = 0;
	wire_put_u16(at + 1, WIRE_OPT);
	wire_put_u16(at + 3, QUESTION_UDP_SIZE);
	at[5] = (uint8_t)((unsigned)frame->rcode >> 4);
	at[6] = 0;
	wire_put_u16(at + 7, frame->question->dnssec_ok ? 0x8000 : 0);
	wire_put_u16(at + 9, (uint16_t)options);
	if (explains) {
		wire_put_u16(at + 11, OPTION_EXTENDED_ERROR);
		wire_put_u16(at + 13, 2);
		wire_put_u16(at + 15, (uint16_t)frame->extended);
	}
}

static void
write_question(struct frame *frame)
{
	const struct question *question = frame->question;
	size_t length = question->name_length;
	uint8_t *at = wire_make_room(&frame->writer, length + 4);

	if (at == NULL)
		return;
	wire_copy(at, question->name, length);
	wire_put_u16(at + length, question->type);
	wire_put_u16(at + length + 2, question->class);
}

static void
patch_header(struct frame *frame, bool truncated)
{
	const struct question *question = frame->question;
	uint8_t *header = frame->writer.start;
	unsigned echoed = question->flags & WIRE_OPCODE, flags = WIRE_QR;

	if (echoed == 0)
		echoed =
		    question->flags & (question->recursion_available ? WIRE_RD | WIRE_CD : WIRE_RD);
	flags |= echoed | ((unsigned)frame->rcode & 15);
	if (question->recursion_available)
		flags |= WIRE_RA;
	if (frame->authoritative)
		flags |= WIRE_AA;
	if (truncated)
		flags |= WIRE_TC;
	if (frame->authentic)
		flags |= WIRE_AD;
	if (frame->writer.failed || frame->writer.at < WIRE_HEADER)
		return;
	wire_put_u32(header, (uint32_t)question->id << 16 | flags);
	wire_put_u32(header + 4, (uint32_t)question->has_name << 16 | frame->answers);
	wire_put_u16(header + 8, frame->authorities);
	wire_put_u16(header + 10, (uint16_t)(frame->additional + question->edns));
}

void
frame_begin(struct frame *frame, const struct question *question, uint8_t *out, size_t size)
{
	*frame = (struct frame){.question = question, .extended = WIRE_EDE_NONE};
	wire_writer_init(&frame->writer, out, size);
	(void)wire_make_room(&frame->writer, WIRE_HEADER); /* for patch_header */
	if (question->has_name)
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
