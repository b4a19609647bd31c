/*
 * config_zones - the zone sections of a configuration: sites, grades, likeness, accounts
 */
#ifndef AGGREGATE_CONFIG_ZONES_H
#define AGGREGATE_CONFIG_ZONES_H

#include "aggregate/config_work.h"

/* Options that a zone does not give come from the zone that it is `like`. After the lists. */
void config_zones_read(struct config_work *work);

#endif
