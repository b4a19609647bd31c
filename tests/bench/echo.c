/*
 * echo - the floor: a DNS server that only turns questions into replies
 *
 * `echo ADDRESS PORT` sends each packet back with QR set, in batches, and does nothing else. What
 * it costs is what the kernel takes for receiving and sending; no server in user space that works
 * this way can be cheaper. Ends with its parent.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <signal.h>

#define BATCH 32
#define PACKET_MAX 4096
#define PACKET_STEP (PACKET_MAX + 64) /* as in resolver/udp.c */

static struct mmsghdr message[BATCH];
static struct iovec bytes[BATCH];
static struct sockaddr_in peer[BATCH];
static uint8_t packet[BATCH][PACKET_STEP];

static int
open_socket(const char *address, const char *port)
{
	struct sockaddr_in own = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	const int probe = IP_PMTUDISC_PROBE; /* as in resolver/udp.c */
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
	if (fd < 0 || inet_pton(AF_INET, address, &own.sin_addr) != 1 ||
	    bind(fd, (const struct sockaddr *)(const void *)&own, sizeof own) != 0) {
		perror("echo");
		exit(1);
	}
	return fd;
}

static void
make_ready(void)
{
	for (unsigned i = 0; i < BATCH; i++) {
		bytes[i] = (struct iovec){.iov_base = packet[i], .iov_len = PACKET_MAX};
		message[i].msg_hdr = (struct msghdr){.msg_name = &peer[i],
		    .msg_namelen = sizeof peer[i],
		    .msg_iov = &bytes[i],
		    .msg_iovlen = 1};
	}
}

static void
turn_round(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		packet[i][2] |= 0x80;
		bytes[i].iov_len = message[i].msg_len;
	}
}

int
main(int argc, char **argv)
{
	int fd;

	if (argc != 3) {
		fputs("usage: echo ADDRESS PORT\n", stderr);
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open_socket(argv[1], argv[2]);
	for (;;) {
		int got;

		make_ready();
		got = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
		if (got <= 0)
			continue;
		turn_round((unsigned)got);
		(void)sendmmsg(fd, message, (unsigned)got, 0);
	}
}
