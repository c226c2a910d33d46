/*
 * choose: whether a container is to be read, by its name and labels.
 *
 * Names are matched by globs of which '*' takes anything, '/' too. Of labels an entry is "NAME", which has the label whatever its
 * value, or "NAME=GLOB". What is excluded is not read, whatever includes it. Pure; any thread.
 */
#pragma once

#include "config/config.h"

bool choose_name(const struct string_list *patterns, const char *name);
bool choose_label(const struct string_list *entries, const char *name, const char *value);

/* NULL: it is read; else why not, as the end of a sentence. included, excluded: what choose_label() found over all its labels. */
const char *choose(const struct containers_config *c, const char *name, bool included, bool excluded);
