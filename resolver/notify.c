#include "resolver/notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "resolver/log.h"
#include "resolver/udp.h"

void
notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void
notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void
notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

bool
notify_watched(void)
{
	return sd_watchdog_enabled(0, NULL) > 0;
}

void
notify_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

/* Is this socket bound to the address? */
static bool
is_bound_to(int fd, const struct policy_server *server)
{
	struct sockaddr_in6 address = {0};
	socklen_t length = sizeof address;
	struct subject bound, wanted;

	if (getsockname(fd, (struct sockaddr *)(void *)&address, &length) != 0 ||
	    !subject_parse(server->address, &wanted))
		return false;
	udp_peer(&address, &bound);
	/* sin_port and sin6_port are at the same place */
	return subject_equal(&bound, &wanted) &&
	       (uint16_t)(address.sin6_port >> 8 | address.sin6_port << 8) == server->port;
}

static void
set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void
notify_sockets(const struct policy_server *server, struct listen_sockets *sockets)
{
	int passed = sd_listen_fds(0);

	sockets->udp = sockets->tcp = -1;
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + passed; fd++) {
		int *found = NULL;

		if (!is_bound_to(fd, server))
			continue;
		if (sockets->udp < 0 && sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) > 0)
			found = &sockets->udp;
		else if (sockets->tcp < 0 && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0)
			found = &sockets->tcp;
		if (found == NULL)
			continue;
		*found = fcntl(fd, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + passed);
		if (*found >= 0)
			set_blocking(*found, found == &sockets->udp);
	}
}

void
notify_check_sockets(const struct policy_server *server, size_t servers)
{
	int passed = sd_listen_fds(0);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + passed; fd++) {
		size_t i = 0;

		while (i < servers && !is_bound_to(fd, &server[i]))
			i++;
		if (i == servers)
			log_warning("nobody answers on socket %d that systemd passed: it has an "
				    "address that listen does not name",
			    fd - SD_LISTEN_FDS_START);
	}
}

#else

void
notify_ready(void)
{
}

void
notify_reloading(void)
{
}

void
notify_stopping(void)
{
}

bool
notify_watched(void)
{
	return false;
}

void
notify_alive(void)
{
}

void
notify_sockets(const struct policy_server *server, struct listen_sockets *sockets)
{
	(void)server;
	sockets->udp = sockets->tcp = -1;
}

void
notify_check_sockets(const struct policy_server *server, size_t servers)
{
	(void)server;
	(void)servers;
}

#endif
