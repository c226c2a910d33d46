/*
 * alert_form: the forms in which an alert is told: logcap's own JSON, what Alertmanager takes (POST /api/v2/alerts), what Slack's
 * incoming webhooks take.
 *
 * Own JSON: the members of alert.h, host, version; and, where they were asked for, what details.h adds.
 *
 * Pure. Source of the formats: Alertmanager's OpenAPI (api/v2/openapi.yaml, postableAlerts); Slack's reference for incoming
 * webhooks.
 */
#pragma once

#include "config/config.h"
#include "leak/watch/alert.h"

/* A whole document in `format`. details: JSON members ("\"stacks\":[...]") for the own format, or "". */
int alert_write(const struct alert *a, enum alert_format format, const char *host, const char *details, struct buf *out);
