#include "resolver/nameservers.h"

#include <stdio.h>
#include <string.h>

static void
add_server(struct nameservers *nameservers, const char *address)
{
	struct policy_server *server = &nameservers->server[nameservers->servers];

	if (address == NULL || nameservers->servers == NAMESERVERS_MAX ||
	    strlen(address) >= sizeof server->address)
		return;
	(void)snprintf(server->address, sizeof server->address, "%s", address);
	server->port = 53;
	nameservers->servers++;
}

/* One line: resolv.conf(5). */
static void
read_line(struct nameservers *nameservers, char *line)
{
	static const char blank[] = " \t\r\n";
	char *rest = line, *word = strtok_r(line, blank, &rest);

	if (word == NULL)
		return;
	if (strcmp(word, "nameserver") == 0) {
		add_server(nameservers, strtok_r(NULL, blank, &rest));
	} else if (strcmp(word, "options") == 0) {
		while ((word = strtok_r(NULL, blank, &rest)) != NULL)
			nameservers->rotate = nameservers->rotate || strcmp(word, "rotate") == 0;
	}
}

bool
nameservers_read(const char *path, struct nameservers *nameservers)
{
	FILE *file = fopen(path, "re");
	char line[1024];

	*nameservers = (struct nameservers){0};
	if (file == NULL)
		return false;
	while (fgets(line, sizeof line, file) != NULL)
		read_line(nameservers, line);
	(void)fclose(file);
	if (nameservers->servers == 0)
		add_server(nameservers, "127.0.0.1");
	return true;
}

bool
nameservers_equal(const struct nameservers *a, const struct nameservers *b)
{
	return policy_same_servers(a->server, a->servers, b->server, b->servers);
}
