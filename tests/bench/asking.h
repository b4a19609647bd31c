/*
 * asking - what the generators share: questions from standard input, a socket, a clock
 *
 * A question comes with a byte before it that tells its length.
 */
#ifndef TESTS_BENCH_ASKING_H
#define TESTS_BENCH_ASKING_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

struct packets {
	uint8_t *input;
	uint8_t **packet; /* each behind its length */
	size_t count;
};

static inline void
die(const char *what)
{
	perror(what);
	exit(1);
}

static inline size_t
read_input(uint8_t **input)
{
	size_t size = 1u << 20, length = 0, got;

	*input = malloc(size);
	while (*input != NULL && (got = fread(*input + length, 1, size - length, stdin)) > 0) {
		length += got;
		if (length == size)
			*input = realloc(*input, size *= 2);
	}
	if (*input == NULL)
		die("no memory");
	return length;
}

static inline void
read_packets(struct packets *packets)
{
	size_t length = read_input(&packets->input);

	packets->packet = calloc(length + 1, sizeof *packets->packet);
	if (packets->packet == NULL)
		die("no memory");
	for (size_t at = 0; at < length; at += 1u + packets->input[at])
		packets->packet[packets->count++] = packets->input + at + 1;
}

static inline void
free_packets(struct packets *packets)
{
	free(packets->packet);
	free(packets->input);
}

/* A socket that asks this server, and waits a second for what it says. */
static inline int
open_socket(const char *address, const char *port)
{
	struct sockaddr_in server = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	struct timeval patience = {.tv_sec = 1};
	int buffer = 1 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &server.sin_addr) != 1 ||
	    connect(fd, (const struct sockaddr *)(const void *)&server, sizeof server) != 0)
		die(address);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	return fd;
}

static inline uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
