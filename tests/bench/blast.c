/*
 * blast - ask a DNS server as fast as it answers
 *
 * `blast ADDRESS PORT SECONDS WINDOW [spin] < packets` keeps up to WINDOW questions under way on
 * one socket, in batches, and goes through the packets (each with a byte before it that tells its
 * length) round by round; SECONDS 0: one round. It prints how many were answered and lost, and the
 * seconds it took.
 * It costs less than a third of what dnsperf does, so that the server is what limits, on two cores.
 */
#include <stdbool.h>
#include <string.h>

#include "tests/bench/asking.h"

#define BATCH 32
#define PACKET_MAX 4096
#define PATIENCE_NS 1000000000u
#define SPIN_NS 5000

struct blast {
	int fd;
	struct packets packets;
	size_t at;
	bool once, over, spin;
	unsigned window, waiting;
	uint64_t sent, answered, lost;
};

static bool
has_more(const struct blast *blast)
{
	return blast->once ? blast->at < blast->packets.count : !blast->over;
}

static void
send_some(struct blast *blast)
{
	static struct mmsghdr message[BATCH];
	static struct iovec bytes[BATCH];
	unsigned count = 0;

	while (count < BATCH && blast->waiting + count < blast->window && has_more(blast)) {
		uint8_t *packet = blast->packets.packet[blast->at++ % blast->packets.count];

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

int
main(int argc, char **argv)
{
	struct blast blast = {0};
	uint64_t begun, end;

	if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "spin") != 0)) {
		fputs("usage: blast ADDRESS PORT SECONDS WINDOW [spin] < packets\n", stderr);
		return 2;
	}
	read_packets(&blast.packets);
	blast.fd = open_socket(argv[1], argv[2]);
	blast.spin = argc == 6;
	blast.once = strcmp(argv[3], "0") == 0;
	blast.window = (unsigned)strtoul(argv[4], NULL, 10);
	begun = now_ns();
	end = begun + strtoul(argv[3], NULL, 10) * 1000000000u;
	while (has_more(&blast) || blast.waiting > 0) {
		send_some(&blast);
		receive_some(&blast);
		if (!blast.once && now_ns() >= end)
			blast.over = true;
	}
	printf("answered %lu lost %lu seconds %.3f\n", (unsigned long)blast.answered,
	    (unsigned long)blast.lost, (double)(now_ns() - begun) / 1e9);
	free_packets(&blast.packets);
	return 0;
}
