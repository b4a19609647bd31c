/*
 * turns - how long a lone question takes, of several servers in turn
 *
 * `turns ROUNDS QUESTIONS ADDRESS PORT [ADDRESS PORT ...] < packets` asks each server QUESTIONS
 * questions, one after the other, then the next server, and so on for ROUNDS rounds. For each
 * round it prints a line: the mean of each server's answers in us. So short a turn that a machine
 * with other work to do is as slow for all, which makes a tenth of a microsecond seen.
 */
#include <string.h>

#include "tests/bench/asking.h"

#define SERVERS_MAX 8

/* The mean time of an answer in us; *at goes on. */
static double
ask(int fd, const struct packets *packets, size_t *at, unsigned long questions)
{
	uint64_t begun = now_ns();
	uint8_t reply[4096];

	for (unsigned long i = 0; i < questions; i++) {
		const uint8_t *packet = packets->packet[(*at)++ % packets->count];

		if (send(fd, packet, packet[-1], 0) < 0 || recv(fd, reply, sizeof reply, 0) < 0)
			die("turns");
	}
	return (double)(now_ns() - begun) / (double)questions / 1e3;
}

int
main(int argc, char **argv)
{
	struct packets packets = {0};
	size_t at[SERVERS_MAX] = {0};
	unsigned servers = (unsigned)(argc - 3) / 2;
	int fd[SERVERS_MAX];

	if (argc < 5 || argc % 2 == 0 || servers > SERVERS_MAX) {
		fputs("usage: turns ROUNDS QUESTIONS ADDRESS PORT ... < packets\n", stderr);
		return 2;
	}
	read_packets(&packets);
	for (unsigned i = 0; i < servers; i++)
		fd[i] = open_socket(argv[3 + 2 * i], argv[4 + 2 * i]);
	for (unsigned long round = strtoul(argv[1], NULL, 10); round > 0; round--)
		for (unsigned i = 0; i < servers; i++)
			printf("%.3f%c", ask(fd[i], &packets, &at[i], strtoul(argv[2], NULL, 10)),
			    i + 1 == servers ? '\n' : ' ');
	free_packets(&packets);
	return 0;
}
