/*
 * tool_store - how tallyctl changes the store: all or nothing, told to the daemon, with a snapshot
 */
#ifndef RESOLVER_TOOL_STORE_H
#define RESOLVER_TOOL_STORE_H

#include "aggregate/store.h"
#include "resolver/tool.h"

/*
 * Apply changes in one transaction: `apply` is called with the open store, and once more should
 * the store have to grow. TOOL_DONE: they are on disk, the snapshot beside the store says the
 * same, and a running daemon obeys them. Otherwise what went wrong is said.
 */
enum tool_status tool_change(
    const struct tool *tool, bool (*apply)(struct store *store, void *context), void *context);

/*
 * The store, to be read. One that is gone while its snapshot is there has an error; otherwise as
 * store_open.
 */
struct store *tool_open_store(const struct tool *tool);

/* Who is at the terminal: the one behind sudo, or the user of this process. */
void tool_author(char *author, size_t size);
/* The prefix length from which on an exception is no mistake: /8, for IPv6 /16. */
unsigned tool_widest(const struct prefix *prefix);
bool tool_has_zone(const struct tool *tool, const char *zone);

/* --zone, --for, --until and --reason into an entry. */
enum tool_status tool_read_terms(const struct tool *tool, struct exception_entry *entry);

/* serial 0: left out. */
struct json_t *tool_entry_json(const struct exception_entry *entry, uint64_t serial);

#endif
