#include "resolver/lockdown.h"

#include <string.h>

#include "resolver/confine.h"
#include "resolver/explain.h"
#include "resolver/listen.h"
#include "resolver/log.h"
#include "resolver/notify.h"
#include "resolver/operate.h"
#include "resolver/privilege.h"

/* Passed by systemd, or bound by us. */
static bool
open_sockets(struct daemon *daemon, unsigned thread, size_t i)
{
	const struct policy_server *server = &daemon->config->listen[i];
	struct listen_sockets *sockets = &daemon->sockets[thread][i];

	notify_sockets(server, sockets);
	if (sockets->udp >= 0 || sockets->tcp >= 0)
		return true;
	return listen_bind(server, daemon->threads > 1, sockets);
}

bool
lockdown_bind(struct daemon *daemon)
{
	notify_check_sockets(daemon->config->listen, daemon->config->listens);
	for (unsigned thread = 0; thread < daemon->threads; thread++)
		for (size_t i = 0; i < daemon->config->listens; i++)
			if (!open_sockets(daemon, thread, i))
				return false;
	return true;
}

/* "": the root. */
static void
control_directory(const struct config *config, char directory[CONFIG_PATH_MAX + 1])
{
	memcpy(directory, config->control, CONFIG_PATH_MAX + 1);
	*strrchr(directory, '/') = '\0';
}

/* The directory of the control socket, when only its last part is missing. */
static bool
prepare_control(const struct config *config, const struct privilege *privilege)
{
	char directory[CONFIG_PATH_MAX + 1];

	control_directory(config, directory);
	return directory[0] == '\0' || privilege_prepare_directory("control", privilege, directory);
}

/* While still root: root and the group of the user may control. */
static bool
open_control(struct daemon *daemon, const struct privilege *privilege)
{
	const struct config *config = daemon->config;

	if (config->control[0] == '\0')
		return true;
	daemon->checked = queue_open(OPERATE_CHECKS_MAX, sizeof(struct checked));
	if (daemon->checked == NULL) {
		log_error("out of memory");
		return false;
	}
	operate_begin();
	if (!prepare_control(config, privilege))
		return false;
	daemon->control = control_open(daemon->loop, config->control,
	    privilege->change ? (int)privilege->gid : -1, operate_run, daemon);
	return daemon->control != NULL;
}

bool
lockdown_become_user(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct privilege privilege;

	return privilege_find(config->user, &privilege) && open_control(daemon, &privilege) &&
	       privilege_prepare_directory("state-dir", &privilege, config->state_dir) &&
	       privilege_drop(&privilege) && privilege_can_write(config->state_dir);
}

bool
lockdown_confine(const struct config *config)
{
	static const char *const shared[] = {
	    "/usr/share/dns", "/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom"};
	char directory[CONFIG_PATH_MAX + 1];
	int fence = confine_begin();

	for (size_t i = 0; i < config->files; i++)
		confine_allow_beside(fence, config->file[i]);
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
		confine_allow(fence, shared[i], CONFINE_READ);
	if (config->trust_anchor[0] != '\0')
		confine_allow_beside(fence, config->trust_anchor);
	confine_allow(fence, config->state_dir, CONFINE_WRITE);
	if (config->control[0] != '\0') {
		control_directory(config, directory);
		confine_allow(fence, directory, CONFINE_REMOVE);
	}
	return confine_end(fence);
}
