/*
 * teller: what becomes of what leakwatch (leak/watch) finds in logcap: alerts go into the log, to the webhooks, and into the sinks
 * as records; the series go into state.db. And how the configuration says what is watched.
 *
 * Life: begin (with the watch), guest (for the keeper), start (before the watch's thread), stop (after it), end (before the watch).
 * Threads: begin to end main's, follow while the watch's loop is paused; alerts are told on the watch's.
 */
#pragma once

#include "config/config.h"
#include "leak/tell/alert_record.h"
#include "leak/tell/history.h"
#include "leak/tell/webhook.h"
#include "leak/watch/leakwatch.h"

struct teller {
    struct scope scope;
    struct alert_listener listener;
    struct leakwatch *watch;
    const struct config *config;
    struct history history;
    struct scope posting; /* the webhooks' */
    struct webhook of_tasks, of_resources;
    struct alert_records records;
    struct buf body;
};

/* What the watch is told of the configuration. */
struct leakwatch_settings teller_settings(const struct config *config);
/* Begins the watch too. 0 or -errno. */
int teller_begin(struct teller *t, struct scope *owner, const struct config *config, struct leakwatch *watch);
struct keeper_guest *teller_guest(struct teller *t);
/* 0 or -errno. */
int teller_start(struct teller *t, struct dispatcher *dispatcher, struct past *past);
void teller_follow(struct teller *t, const struct config *config); /* the watch too; nothing when it was not started */
void teller_stop(struct teller *t);
void teller_end(struct teller *t);
