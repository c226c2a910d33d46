/* check: what must hold between options; each says where to look and what to write instead. */
#pragma once

#include "config/option.h"
#include "config/yaml.h"

void check_group(struct node *const *seen, const struct option_set *set, struct problems *problems);
void check_sink(const struct config *c, struct sink_config *s, const struct node *n, struct problems *problems);
void check_config(const struct config *c, const struct binding *agent, const struct binding *files,
                  struct problems *problems);
void check_containers(const struct config *c, const struct binding *containers, struct problems *problems);
