#include "resolver/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregate/ledger.h"
#include "aggregate/store.h"
#include "resolver/log.h"
#include "resolver/reader.h"

bool
daemon_change_view(struct daemon *daemon)
{
	struct view *old = daemon->view,
		    *new = view_open(daemon->config, daemon->exceptions, daemon->quarantined);

	if (new == NULL) {
		log_error("out of memory: the old view stays in force");
		return false;
	}
	new->renown = daemon->learned.renown;
	if (daemon->learned.policy != NULL)
		new->policy = daemon->learned.policy;
	daemon->view = new;
	for (unsigned i = 0; i < daemon->threads; i++)
		if (daemon->shard[i] != NULL)
			shard_view(daemon->shard[i], new);
	if (daemon->recurse != NULL)
		recurse_view(daemon->recurse, new);
	for (unsigned i = 0; i < daemon->threads; i++)
		if (daemon->listener[i] != NULL)
			listen_view(daemon->listener[i], new);
	view_close(old);
	return true;
}

void
daemon_note_sources(struct daemon *daemon)
{
	const struct policy *policy = daemon->config->policy;

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (policy->numbered[i] != NULL)
			evidence_list_take_from(daemon->book, i, policy->numbered[i]->source);
}

/* --- kept evidence ---------------------------------------------------------------------- */

static struct kept_moment
moment_now(const struct daemon *daemon)
{
	struct kept_moment moment = {.now = (uint32_t)(loop_now_ms(daemon->loop) / 1000)};

	moment.booted = (int64_t)loop_wall(daemon->loop) - moment.now;
	memcpy(moment.boot, daemon->boot, sizeof moment.boot);
	return moment;
}

void
daemon_open_kept(struct daemon *daemon, uint64_t key[2])
{
	struct kept_moment moment = moment_now(daemon);

	daemon->keeper = keeper_open(daemon->config->state_dir, &moment, daemon->book);
	if (daemon->keeper != NULL)
		memcpy(key, keeper_key(daemon->keeper), 2 * sizeof *key);
}

static bool
restores(const struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->threads; i++)
		if (shard_restores(daemon->shard[i]))
			return true;
	return false;
}

void
daemon_keep(struct daemon *daemon)
{
	struct kept_moment moment;
	struct kept_worth worth = {.unwanted = daemon->quarantined};

	while (restores(daemon))
		loop_turn(daemon->loop); /* what is not taken over yet would be lost */
	moment = moment_now(daemon);
	worth.now = moment.now;
	worth.max_stale = daemon->config->policy->max_stale;
	keeper_write(daemon->config->state_dir, daemon->cache, daemon->book, &moment, &worth);
}

/* --- exceptions ------------------------------------------------------------------------- */

static struct store_stamp
stamp_file(const struct daemon *daemon, const char *file)
{
	char path[300];
	struct stat status;

	(void)snprintf(path, sizeof path, "%s/%s", daemon->config->state_dir, file);
	if (stat(path, &status) != 0 || status.st_size == 0)
		return (struct store_stamp){0};
	return (struct store_stamp){.inode = status.st_ino,
	    .changed_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
}

static bool
same_stamp(struct store_stamp a, struct store_stamp b)
{
	return a.changed_ns == b.changed_ns && a.inode == b.inode;
}

bool
daemon_store_changed(const struct daemon *daemon)
{
	return !same_stamp(stamp_file(daemon, STORE_FILE), daemon->store);
}

bool
daemon_recommendations_changed(const struct daemon *daemon)
{
	return !same_stamp(stamp_file(daemon, LEDGER_FILE), daemon->ledger) ||
	       (daemon->ledger.inode != 0 &&
		   daemon->settled != loop_wall(daemon->loop) / TRUST_DAY);
}

bool
daemon_take_recommendations(struct daemon *daemon, struct text *error)
{
	struct learned old = daemon->learned, new;
	uint32_t now = loop_wall(daemon->loop);

	daemon->ledger = stamp_file(daemon, LEDGER_FILE);
	daemon->settled = now / TRUST_DAY;
	if (!learned_load(&new, daemon->config, now, error))
		return false;
	daemon->learned = new;
	if (daemon->view != NULL && !daemon_change_view(daemon)) {
		daemon->learned = old;
		learned_close(&new, daemon->config, NULL);
		text_add(error, "out of memory");
		return false;
	}
	learned_close(&old, daemon->config, NULL);
	if (new.recommendations > 0)
		log_info("recommendations settled count=%llu listed=%zu moved=%zu",
		    (unsigned long long)new.recommendations, renown_count(new.renown), new.moved);
	return true;
}

/*
 * A table that is up to date, and where it stands: ours and the changes since, or all of it anew.
 * NULL with `error`.
 */
static struct exceptions *
read_changes(const struct daemon *daemon, bool anew, struct reader_at *at, struct text *error)
{
	struct exceptions *table = anew ? exceptions_open() : exceptions_copy(daemon->exceptions);

	*at = daemon->at;
	if (anew)
		*at = (struct reader_at){0};
	if (table == NULL) {
		text_add(error, "out of memory");
		return NULL;
	}
	if (!reader_load(daemon->config->state_dir, at, table, error)) {
		exceptions_close(table);
		return NULL;
	}
	return table;
}

bool
daemon_take_exceptions(struct daemon *daemon, struct text *error)
{
	struct exceptions *old = daemon->exceptions, *new;
	bool anew = daemon->at.serial == 0;
	struct reader_at at;

	daemon->store = stamp_file(daemon, STORE_FILE);
	if (daemon->store.inode == 0 && !anew) {
		text_add(error, "the store is gone");
		return false;
	}
	new = read_changes(daemon, anew, &at, error);
	if (new != NULL && !anew &&
	    (at.identity != daemon->at.identity || at.serial < daemon->at.serial)) {
		/* another store, or an older copy of ours: the changes since mean nothing */
		exceptions_close(new);
		anew = true;
		new = read_changes(daemon, anew, &at, error);
	}
	if (new == NULL)
		return false;
	if (at.serial == daemon->at.serial && (!anew || at.serial == 0)) {
		exceptions_close(new);
		return true;
	}
	daemon->exceptions = new;
	if (!daemon_change_view(daemon)) {
		daemon->exceptions = old;
		exceptions_close(new);
		text_add(error, "out of memory");
		return false;
	}
	daemon->at = at;
	exceptions_close(old);
	log_info("exceptions changed serial=%llu entries=%zu", (unsigned long long)at.serial,
	    exceptions_count(new));
	return true;
}

void
daemon_note(void *owner, const struct question *question, const struct verdict *verdict,
    const struct evidence *evidence, uint32_t wall)
{
	struct daemon *daemon = owner;

	refusals_note(daemon->refusals, question->zone, &question->subject, verdict, daemon->book,
	    evidence, wall);
}

static bool
write_case(struct daemon *daemon, const struct casebook_entry *entry)
{
	if (daemon->casebook == NULL)
		daemon->casebook = casebook_open(daemon->config->state_dir);
	return daemon->casebook != NULL && casebook_add(daemon->casebook, entry);
}

void
daemon_write_cases(struct daemon *daemon)
{
	struct casebook_entry entry;

	while (daemon->refusals != NULL && refusals_take(daemon->refusals, &entry)) {
		bool written = write_case(daemon, &entry);

		if (!written && !daemon->caseless)
			log_error("%s/" CASEBOOK_FILE ": cannot be written: %s",
			    daemon->config->state_dir, strerror(errno));
		daemon->caseless = !written;
	}
}

bool
daemon_load_recommendations(struct daemon *daemon)
{
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	if (!daemon_take_recommendations(daemon, &error))
		log_error("recommendations: " RENOWN_LIST " lists nobody: %s", said);
	return true;
}

/* The store is broken: what the snapshot beside it says. */
static bool
load_snapshot(struct daemon *daemon, const char *why)
{
	char said[400];
	struct text error;
	struct exceptions *table = exceptions_open();

	text_init(&error, said, sizeof said);
	log_error("exceptions: %s", why);
	if (table != NULL && reader_load_snapshot(daemon->config->state_dir, table, &error)) {
		exceptions_close(daemon->exceptions);
		daemon->exceptions = table;
		log_error(
		    "exceptions: answering from the snapshot entries=%zu", exceptions_count(table));
		return true;
	}
	exceptions_close(table);
	log_error("exceptions: no snapshot either: %s", said);
	if (!daemon->config->without_exceptions)
		log_error("without-exceptions = true would start all the same");
	return daemon->config->without_exceptions;
}

bool
daemon_load_exceptions(struct daemon *daemon)
{
	struct exceptions *table = exceptions_open();
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	daemon->exceptions = exceptions_open();
	if (table == NULL || daemon->exceptions == NULL) {
		log_error("out of memory");
		exceptions_close(table);
		return false;
	}
	daemon->store = stamp_file(daemon, STORE_FILE);
	if (reader_load(daemon->config->state_dir, &daemon->at, table, &error)) {
		if (daemon->at.serial == 0 && reader_has_snapshot(daemon->config->state_dir)) {
			exceptions_close(table);
			text_add_format(&error,
			    "%s/" STORE_FILE ": the store is gone, but there is a snapshot of it",
			    daemon->config->state_dir);
			return load_snapshot(daemon, said);
		}
		exceptions_close(daemon->exceptions);
		daemon->exceptions = table;
		return true;
	}
	daemon->at = (struct reader_at){0};
	exceptions_close(table);
	return load_snapshot(daemon, said);
}

void
daemon_warn_of_strays(const struct daemon *daemon)
{
	const char *zone;
	size_t entries;

	for (size_t n = 0; (zone = exceptions_zone(daemon->exceptions, n, &entries)) != NULL; n++)
		if (zone[0] != '\0' && entries > 0 &&
		    policy_zone_find(daemon->config->policy, zone) == NULL)
			log_warning("exceptions of a zone that is not there count nowhere zone=%s "
				    "entries=%zu",
			    zone, entries);
}

const struct policy_zone *
daemon_written(const struct daemon *daemon, const struct policy_zone *zone)
{
	return daemon->config->policy->zone[zone->index];
}

bool
daemon_alive(struct daemon *daemon)
{
	bool alive = recurse_alive(daemon->recurse);

	for (unsigned i = 0; i < daemon->threads; i++) {
		bool shard = shard_alive(daemon->shard[i]);
		bool listener = listen_alive(daemon->listener[i]);

		alive = alive && shard && listener;
	}
	return alive;
}
