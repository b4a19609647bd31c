#include "resolver/holder.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/text.h"

/* A line of /proc/net/udp or udp6: numbers in hexadecimal, words of the address in host order. */
struct socket_line {
	uint32_t word[4];
	unsigned words; /* 1 or 4 */
	unsigned port;
	unsigned long inode;
};

/* Eight digits each; how many, 0 when it is no address. */
static unsigned
read_words(const char *digits, uint32_t word[4])
{
	unsigned words = 0;

	for (; strlen(digits) >= 8 && words < 4; digits += 8) {
		char eight[9] = "";

		memcpy(eight, digits, 8);
		word[words++] = (uint32_t)strtoul(eight, NULL, 16);
	}
	return *digits == '\0' ? words : 0;
}

/* Fields: slot, local, remote, state, queues, timer, retransmissions, user, timeout, inode. */
static bool
read_socket(char *line, struct socket_line *socket)
{
	char *field[10], *rest = line, *port;

	for (unsigned i = 0; i < 10; i++)
		if ((field[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest)) == NULL)
			return false;
	port = strchr(field[1], ':');
	if (port == NULL)
		return false;
	*port++ = '\0';
	socket->words = read_words(field[1], socket->word);
	socket->port = (unsigned)strtoul(port, NULL, 16);
	socket->inode = strtoul(field[9], NULL, 10);
	return socket->words == 1 || socket->words == 4;
}

static bool
is_wildcard(const struct socket_line *socket)
{
	for (unsigned i = 0; i < socket->words; i++)
		if (socket->word[i] != 0)
			return false;
	return true;
}

/* Look through one table; the socket of the address itself goes before one of all addresses. */
static unsigned long
find_socket(const char *path, const struct policy_server *server, struct holder *holder)
{
	uint32_t wanted[4] = {0};
	unsigned words = inet_pton(AF_INET, server->address, wanted) == 1 ? 1 : 4;
	unsigned long inode = 0;
	FILE *file = fopen(path, "re");
	char line[512];

	if (words == 4)
		(void)inet_pton(AF_INET6, server->address, wanted);
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		struct socket_line socket;
		bool same;

		if (!read_socket(line, &socket) || socket.port != server->port)
			continue;
		same = socket.words == words &&
		       memcmp(socket.word, wanted, words * sizeof wanted[0]) == 0;
		if (!same && (inode != 0 || !is_wildcard(&socket)))
			continue;
		holder->found = true;
		holder->wildcard = !same;
		inode = socket.inode;
		if (same)
			break;
	}
	if (file != NULL)
		(void)fclose(file);
	return inode;
}

/* Has this process the socket among its descriptors? */
static bool
has_socket(const char *pid, const char *wanted)
{
	char path[300], target[64];
	DIR *directory;
	struct dirent *entry;
	bool has = false;

	(void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
	directory = opendir(path);
	while (directory != NULL && !has && (entry = readdir(directory)) != NULL) {
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target);

		has = length == (ssize_t)strlen(wanted) &&
		      memcmp(target, wanted, (size_t)length) == 0;
	}
	if (directory != NULL)
		closedir(directory);
	return has;
}

static void
read_name(const char *pid, struct holder *holder)
{
	char path[300], raw[32] = "";
	struct text text;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(raw, sizeof raw, file) != NULL)
		raw[strcspn(raw, "\n")] = '\0';
	(void)fclose(file);
	text_init(&text, holder->name, sizeof holder->name);
	text_add_printable(&text, raw, strlen(raw));
}

static void
find_process(unsigned long inode, struct holder *holder)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char wanted[64];

	(void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !has_socket(entry->d_name, wanted))
			continue;
		holder->pid = strtol(entry->d_name, NULL, 10);
		read_name(entry->d_name, holder);
		break;
	}
	if (directory != NULL)
		closedir(directory);
}

static bool
has_address(const struct sockaddr *address, int family, const void *wanted)
{
	if (address == NULL || address->sa_family != family)
		return false;
	if (family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)(const void *)address)->sin_addr,
			   wanted, 4) == 0;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, wanted,
		   16) == 0;
}

bool
holder_is_here(const struct policy_server *server)
{
	char plain[46];
	uint8_t wanted[16];
	struct ifaddrs *all = NULL;
	int family = AF_INET;
	bool here = false;

	(void)snprintf(plain, sizeof plain, "%s", server->address);
	plain[strcspn(plain, "%")] = '\0'; /* the interface of a link-local address */
	if (inet_pton(AF_INET, plain, wanted) != 1) {
		family = AF_INET6;
		if (inet_pton(AF_INET6, plain, wanted) != 1)
			return false;
	} else if (wanted[0] == 127) {
		return true;
	}
	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *one = all; one != NULL && !here; one = one->ifa_next)
		here = has_address(one->ifa_addr, family, wanted);
	freeifaddrs(all);
	return here;
}

void
holder_find(const struct policy_server *server, struct holder *holder)
{
	unsigned long inode = 0;

	*holder = (struct holder){0};
	if (strchr(server->address, ':') == NULL)
		inode = find_socket("/proc/self/net/udp", server, holder);
	if (inode == 0) /* a socket of [::] takes IPv4 packets too */
		inode = find_socket("/proc/self/net/udp6", server, holder);
	if (inode != 0)
		find_process(inode, holder);
}
