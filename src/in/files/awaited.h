/*
 * awaited: the directories of followed logs that are not there yet. The nearest one above that is there is watched until they come: a scan
 * would find them after the container, its log and they are gone. Only for src/in/files/.
 */
#pragma once

#include "in/files/followed_internal.h"

/* Lists the log's directory, or awaits it. */
void awaited_look(struct followed *fl);
/* A directory was made in this one, below which some are awaited. */
void awaited_came(struct files *f, const struct directory *above);
void awaited_end(struct followed *fl);
