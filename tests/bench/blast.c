/*
 * blast - ask a DNS server as fast as it answers
 *
 * `blast ADDRESS PORT SECONDS WINDOW [spin] < packets` keeps up to WINDOW questions under way on
 * one socket, in batches, and goes through the packets (each with a byte before it that tells its
 * length) round by round; SECONDS 0: one round. It prints how many were answered and lost, the
 * seconds it took, and for WINDOW 1 the median and the 90th percentile of the latency in us.
 * It costs less than a third of what dnsperf does, so that the server is what limits, on two cores.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BATCH 32
#define PACKET_MAX 4096
#define PATIENCE_NS 1000000000u
#define SPIN_NS 5000
#define TOOK_MAX 1000 /* us: longer ones count as this */

struct blast {
	int fd;
	uint8_t *input;
	uint8_t **packet; /* points behind its length */
	size_t packets, at;
	bool once, spin;
	unsigned window, waiting;
	uint64_t sent, answered, lost;
	uint64_t took[TOOK_MAX + 1];
};

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t
read_input(struct blast *blast)
{
	size_t size = 1u << 20, length = 0, got;

	blast->input = malloc(size);
	while (blast->input != NULL &&
	       (got = fread(blast->input + length, 1, size - length, stdin)) > 0) {
		length += got;
		if (length == size)
			blast->input = realloc(blast->input, size *= 2);
	}
	if (blast->input == NULL)
		die("blast");
	return length;
}

static void
read_packets(struct blast *blast)
{
	size_t length = read_input(blast);

	blast->packet = calloc(length + 1, sizeof *blast->packet);
	if (blast->packet == NULL)
		die("blast");
	for (size_t at = 0; at < length; at += 1u + blast->input[at])
		blast->packet[blast->packets++] = blast->input + at + 1;
}

static void
open_socket(struct blast *blast, const char *address, const char *port)
{
	struct sockaddr_in server = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	struct timeval patience = {.tv_sec = 1};
	int buffer = 1 << 20;

	blast->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (blast->fd < 0 || inet_pton(AF_INET, address, &server.sin_addr) != 1 ||
	    connect(blast->fd, (const struct sockaddr *)(const void *)&server, sizeof server) != 0)
		die("blast");
	(void)setsockopt(blast->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(blast->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool
has_more(const struct blast *blast)
{
	return !blast->once || blast->at < blast->packets;
}

static void
send_some(struct blast *blast)
{
	static struct mmsghdr message[BATCH];
	static struct iovec bytes[BATCH];
	unsigned count = 0;

	while (count < BATCH && blast->waiting + count < blast->window && has_more(blast)) {
		uint8_t *packet = blast->packet[blast->at++ % blast->packets];

		bytes[count] = (struct iovec){.iov_base = packet, .iov_len = packet[-1]};
		message[count].msg_hdr = (struct msghdr){.msg_iov = &bytes[count], .msg_iovlen = 1};
		count++;
	}
	if (count > 0 && sendmmsg(blast->fd, message, count, 0) != (int)count)
		die("sendmmsg");
	blast->waiting += count;
	blast->sent += count;
}

/* Wait for some microseconds; a server on the same core, where it has two threads, is not slowed.
 */
static void
spin(void)
{
	uint64_t end = now_ns() + SPIN_NS;

	while (now_ns() < end)
#if defined(__x86_64__) || defined(__i386__)
		for (unsigned i = 0; i < 20; i++)
			__builtin_ia32_pause();
#else
		continue;
#endif
}

/*
 * With `spin` it does not sleep: a server that had to wake it would pay for that, the more often
 * the faster it is.
 */
static int
receive(struct blast *blast, struct mmsghdr *message)
{
	uint64_t end = now_ns() + PATIENCE_NS;
	int got;

	if (!blast->spin)
		return recvmmsg(blast->fd, message, BATCH, MSG_WAITFORONE, NULL);
	while (
	    (got = recvmmsg(blast->fd, message, BATCH, MSG_DONTWAIT, NULL)) <= 0 && now_ns() < end)
		spin();
	return got;
}

static void
receive_some(struct blast *blast)
{
	static struct mmsghdr message[BATCH];
	static struct iovec bytes[BATCH];
	static uint8_t packet[BATCH][PACKET_MAX];
	int got;

	for (unsigned i = 0; i < BATCH; i++) {
		bytes[i] = (struct iovec){.iov_base = packet[i], .iov_len = PACKET_MAX};
		message[i].msg_hdr = (struct msghdr){.msg_iov = &bytes[i], .msg_iovlen = 1};
	}
	got = receive(blast, message);
	if (got <= 0) {
		blast->lost += blast->waiting;
		blast->waiting = 0;
		return;
	}
	blast->answered += (unsigned)got;
	blast->waiting -= (unsigned)got < blast->waiting ? (unsigned)got : blast->waiting;
}

static void
print_latency(const struct blast *blast)
{
	static const unsigned percent[] = {50, 90};

	for (unsigned p = 0; p < 2; p++) {
		uint64_t below = 0;
		unsigned us = 0;

		while (us < TOOK_MAX &&
		       (below += blast->took[us]) * 100 < blast->answered * percent[p])
			us++;
		printf(" p%u %u", percent[p], us);
	}
}

int
main(int argc, char **argv)
{
	struct blast blast = {0};
	uint64_t begun, end, before;

	if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "spin") != 0)) {
		fputs("usage: blast ADDRESS PORT SECONDS WINDOW [spin] < packets\n", stderr);
		return 2;
	}
	read_packets(&blast);
	open_socket(&blast, argv[1], argv[2]);
	blast.spin = argc == 6;
	blast.once = strcmp(argv[3], "0") == 0;
	blast.window = (unsigned)strtoul(argv[4], NULL, 10);
	begun = now_ns();
	end = begun + strtoul(argv[3], NULL, 10) * 1000000000u;
	while ((has_more(&blast) && (blast.once || now_ns() < end)) || blast.waiting > 0) {
		before = blast.window == 1 ? now_ns() : 0;
		if (blast.once || before < end)
			send_some(&blast);
		receive_some(&blast);
		if (blast.window == 1) {
			uint64_t us = (now_ns() - before) / 1000;

			blast.took[us < TOOK_MAX ? us : TOOK_MAX]++;
		}
		if (!blast.once && now_ns() >= end)
			blast.window = 0;
	}
	printf("answered %lu lost %lu seconds %.3f", (unsigned long)blast.answered,
	    (unsigned long)blast.lost, (double)(now_ns() - begun) / 1e9);
	print_latency(&blast);
	putchar('\n');
	free(blast.packet);
	free(blast.input);
	return 0;
}
