/*
 * groups: what the monitor makes of the configuration's groups: their pipelines; and how files change from those of one
 * configuration to those of the next (files_reload(), in files.h).
 */
#pragma once

struct files;
struct file;
struct group;

/* Of f->options. 0 or -errno. */
int groups_begin(struct files *f);
/* A file is another group's from now on; by: what made it so, for as long as the source is. */
void groups_change(struct files *f, struct file *file, struct group *group, const char *by);
/* The group that its name asks for now; or it is let go of. */
void groups_find(struct files *f, struct file *file);
