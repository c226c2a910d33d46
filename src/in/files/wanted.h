/*
 * wanted: which paths the configuration asks for. Pure, but for what it knows of the monitor's groups.
 */
#pragma once

#include "config/config.h"

struct files;
struct group;

/* Whether the group takes the path, with the pattern that decided in *by. */
bool group_takes(const struct files_group *group, const char *path, const char **by);
bool group_excludes(const struct files_group *group, const char *path, const char **by);
/* Whether the path lies in a directory that logcap writes to: that directory, or NULL. */
const char *own_directory_of(const struct config *config, const char *path);

/* The first group whose paths match and whose excludes do not, with the pattern in *by; or NULL. */
struct group *wanted_group(struct files *f, const char *path, const char **by);
/* Whether a pattern can match something below this directory, and logcap does not write there. */
bool wanted_directory(struct files *f, const char *path);
