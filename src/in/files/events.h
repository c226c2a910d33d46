/*
 * events: what inotify tells of the directories. Hints that make discovery fast; the scan is the truth, so an event that
 * is lost, or a host without inotify, costs time and nothing else.
 */
#pragma once

#include "in/files/file.h"

/* Without inotify a warning, and only scans. */
void events_begin(struct files *f);
/* For tests: from now on only scans. */
void events_end(struct files *f);
