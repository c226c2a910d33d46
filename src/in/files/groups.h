/*
 * groups: what the monitor makes of the configuration's groups: their pipelines; and how files change from those of one
 * configuration to those of the next (files_reload(), in files.h).
 */
#pragma once

struct files;

/* Of f->options. 0 or -errno. */
int groups_begin(struct files *f);
