#include "resolver/ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/name.h"

#define FLAG_CD 0x0010
#define EDNS_DO 0x8000
#define TRIES 2

size_t
ask_write(const struct ask_question *question, uint16_t id, uint8_t packet[ASK_PACKET_MAX])
{
	struct wire_writer writer;
	uint8_t name[NAME_WIRE_MAX];
	size_t length = name_to_wire(question->name, name);

	wire_writer_init(&writer, packet, ASK_PACKET_MAX);
	wire_write_u16(&writer, id);
	wire_write_u16(&writer, WIRE_RD | (question->unchecked ? FLAG_CD : 0));
	wire_write_u16(&writer, 1);
	wire_write_u32(&writer, 0);
	wire_write_u16(&writer, question->dnssec_ok ? 1 : 0);
	wire_write_bytes(&writer, name, length);
	wire_write_u16(&writer, (uint16_t)question->type);
	wire_write_u16(&writer, (uint16_t)question->class);
	if (question->dnssec_ok) { /* RFC 6891 6.1.2 */
		wire_write_u8(&writer, 0);
		wire_write_u16(&writer, WIRE_OPT);
		wire_write_u16(&writer, 1232);
		wire_write_u32(&writer, EDNS_DO);
		wire_write_u16(&writer, 0);
	}
	return writer.failed ? 0 : writer.at;
}

/* The question section as it was sent: RFC 5452 9.1. */
static bool
same_question(const uint8_t *sent, size_t sent_length, const uint8_t *packet, size_t length)
{
	struct wire_reader reader;

	wire_reader_init(&reader, sent, sent_length);
	wire_skip(&reader, WIRE_HEADER);
	(void)wire_read_plain_name(&reader);
	wire_skip(&reader, 4);
	return !reader.failed && length >= reader.at && memcmp(sent, packet, 2) == 0 &&
	       (packet[2] & 0x80) != 0 && packet[4] == 0 && packet[5] == 1 &&
	       memcmp(sent + WIRE_HEADER, packet + WIRE_HEADER, reader.at - WIRE_HEADER) == 0;
}

static void
read_text(struct wire_reader *reader, unsigned records, char *printed, size_t size)
{
	struct text text;

	text_init(&text, printed, size);
	for (; records > 0; records--) {
		struct wire_record record;
		uint8_t length;

		wire_read_record(reader, &record);
		if (reader->failed || record.type != WIRE_TXT || record.length == 0) {
			wire_skip(reader, record.length);
			continue;
		}
		length = wire_read_u8(reader);
		if (!reader->failed && length < record.length)
			text_add_printable(&text, reader->start + reader->at, length);
		return;
	}
}

bool
ask_read(const uint8_t *sent, size_t sent_length, const uint8_t *packet, size_t length,
    struct ask_reply *reply)
{
	struct wire_reader reader;

	if (!same_question(sent, sent_length, packet, length))
		return false;
	*reply = (struct ask_reply){.outcome = ASK_ANSWERED, .rcode = packet[3] & 15};
	wire_reader_init(&reader, packet, length);
	wire_skip(&reader, 6);
	reply->records = wire_read_u16(&reader);
	wire_skip(&reader, 4);
	wire_skip_name(&reader);
	wire_skip(&reader, 4);
	read_text(&reader, reply->records, reply->text, sizeof reply->text);
	reply_read(&reply->answer, packet, length);
	return true;
}

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A socket that takes packets from this server alone; -1 with errno. */
static int
connect_server(const struct policy_server *server)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	char port[8];
	int fd;

	(void)snprintf(port, sizeof port, "%u", (unsigned)server->port);
	if (getaddrinfo(server->address, port, &hints, &found) != 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* Wait until `end` for the reply. True when there is nothing left to wait for. */
static bool
await(int fd, const uint8_t *sent, size_t length, long long end, struct ask_reply *reply)
{
	uint8_t packet[ASK_PACKET_MAX];
	long long left;

	while ((left = end - now_ms()) > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		got = recv(fd, packet, sizeof packet, 0);
		if (got >= 0 && ask_read(sent, length, packet, (size_t)got, reply))
			return true;
		if (got < 0 && errno != EAGAIN && errno != EINTR) {
			reply->outcome = ASK_UNREACHABLE;
			reply->error = errno;
			return true;
		}
	}
	return false;
}

void
ask(const struct policy_server *server, const struct ask_question *question, unsigned patience_ms,
    struct ask_reply *reply)
{
	uint8_t packet[ASK_PACKET_MAX];
	uint16_t id = 0;
	size_t length;
	int fd = connect_server(server);

	*reply = (struct ask_reply){.outcome = ASK_UNREACHABLE, .error = errno};
	if (fd < 0)
		return;
	reply->outcome = ASK_SILENCE;
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		id = (uint16_t)now_ms();
	length = ask_write(question, id, packet);
	for (unsigned i = 0; i < TRIES; i++) {
		if (send(fd, packet, length, MSG_NOSIGNAL) < 0) {
			reply->outcome = ASK_UNREACHABLE;
			reply->error = errno;
			break;
		}
		if (await(fd, packet, length, now_ms() + patience_ms / TRIES, reply))
			break;
	}
	close(fd);
}

void
ask_print_server(const struct policy_server *server, struct text *text)
{
	text_add(text, server->address);
	if (server->port != 53)
		text_add_format(text, "@%u", (unsigned)server->port);
}
