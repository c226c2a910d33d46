/*
 * own: the container that logcap itself runs in, so that it does not read what it says.
 *
 * Found in /proc/self/mountinfo: runtimes mount /etc/hostname, /etc/hosts or /etc/resolv.conf from a directory that has the
 * container's id in its path; and in /proc/self/cgroup, whose last name is or has the id, where cgroups have no namespace of their own.
 */
#pragma once

#include "base/scope.h"
#include "in/containers/facts.h"

/* The id, or "": logcap runs in no container that says so. */
void own_id(struct scope *scratch, char id[FACTS_ID + 1]);

/* Pure: from the text of the two files. */
void own_id_from(const char *mountinfo, const char *cgroup, char id[FACTS_ID + 1]);
