#include "in/containers/facts.h"

#include <stdlib.h>
#include <string.h>

#include "codec/timestamp.h"
#include "codec/utf8.h"
#include "in/containers/choose.h"

enum { ESCAPED_MOST = 16 * 1024 };

bool facts_is_id(const char *text, size_t n)
{
    return n == FACTS_ID && strspn(text, "0123456789abcdef") >= n;
}

/* The text of the token at hand, cut; "" for what is no string. */
static void text_of(const struct json *j, char *out, size_t size)
{
    char whole[ESCAPED_MOST];
    const char *text = j->text;
    size_t n = j->len;
    out[0] = 0;
    if ((j->type != JSON_STRING && j->type != JSON_KEY) || (j->escaped && n > sizeof whole))
        return;
    if (j->escaped) {
        n = json_unescape(j, whole);
        text = whole;
    }
    n = strnlen(text, n); /* a NUL within ends it */
    n = n < size ? n : utf8_cut(text, n, size - 1);
    memcpy(out, text, n);
    out[n] = 0;
}

static bool next_text(struct json *j, char *out, size_t size)
{
    json_next(j);
    text_of(j, out, size);
    return json_skip(j);
}

static bool next_id(struct json *j, char id[FACTS_ID + 1])
{
    char text[FACTS_ID + 2];
    bool whole = next_text(j, text, sizeof text);
    if (facts_is_id(text, strlen(text)))
        memcpy(id, text, sizeof text - 1);
    return whole;
}

/* Docker puts a '/' before a name. */
static void name_of(const struct json *j, char out[FACTS_NAME])
{
    char text[FACTS_NAME + 1];
    text_of(j, text, sizeof text);
    const char *name = text + (text[0] == '/');
    size_t n = utf8_cut(name, strlen(name), FACTS_NAME - 1);
    memcpy(out, name, n);
    out[n] = 0;
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '_'; /* no engine takes such a name; it comes into the log, metrics and files */
}

static bool next_name(struct json *j, char out[FACTS_NAME])
{
    json_next(j);
    name_of(j, out);
    return json_skip(j);
}

static bool next_time(struct json *j, int64_t *time)
{
    char text[64];
    int64_t unit, found;
    bool whole = next_text(j, text, sizeof text);
    if (text[0] && timestamp_parse("auto", text, strlen(text), 0, &found, &unit))
        *time = found;
    return whole;
}

/* Behind JSON_OBJECT_BEGIN: calls fn at each key, which reads its value. false: JSON is at fault. */
static bool each_key(struct json *j, bool (*fn)(struct json *j, void *arg), void *arg)
{
    while (json_next(j) == JSON_KEY)
        if (!fn(j, arg))
            return false;
    return j->type == JSON_OBJECT_END;
}

/* The value of the key at hand, if it is an object; else it is passed over. */
static bool object_value(struct json *j, bool (*fn)(struct json *j, void *arg), void *arg)
{
    return json_next(j) == JSON_OBJECT_BEGIN ? each_key(j, fn, arg) : json_skip(j);
}

struct reading {
    struct facts *facts;
    const struct containers_config *options;
};

static bool label(struct json *j, void *arg)
{
    const struct reading *r = arg;
    struct facts *f = r->facts;
    char name[FACTS_NAME], value[FACTS_VALUE];
    text_of(j, name, sizeof name);
    if (!next_text(j, value, sizeof value))
        return false;
    if (strcmp(name, "com.docker.compose.project") == 0 || strcmp(name, "io.podman.compose.project") == 0)
        strcpy(f->project, value);
    else if (strcmp(name, "com.docker.compose.service") == 0)
        strcpy(f->service, value);
    for (unsigned i = 0; i < r->options->labels.n && i < FACTS_LABELS; i++)
        if (strcmp(r->options->labels.items[i], name) == 0)
            strcpy(f->chosen[i], value);
    f->included |= choose_label(&r->options->include_labels, name, value);
    f->excluded |= choose_label(&r->options->exclude_labels, name, value);
    return true;
}

static bool labels(struct json *j, struct reading *r)
{
    r->facts->labels_known = true;
    return object_value(j, label, r);
}

/* ---- an entry of the list ---- */

static bool first_name(struct json *j, char *out)
{
    if (json_next(j) != JSON_ARRAY_BEGIN)
        return json_skip(j);
    if (json_next(j) == JSON_STRING)
        name_of(j, out);
    while (j->type != JSON_ARRAY_END && j->type != JSON_ERROR) {
        if (!json_skip(j))
            return false;
        json_next(j);
    }
    return j->type == JSON_ARRAY_END;
}

static bool entry_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    struct facts *f = r->facts;
    if (json_is(j, "Id"))
        return next_id(j, f->id);
    if (json_is(j, "Names"))
        return first_name(j, f->name);
    if (json_is(j, "Image"))
        return next_text(j, f->image, sizeof f->image);
    if (json_is(j, "State"))
        return next_text(j, f->state, sizeof f->state);
    return json_is(j, "Labels") ? labels(j, r) : json_skip(j);
}

bool facts_entry(struct facts *f, struct json *j, const struct containers_config *options)
{
    struct reading r = {f, options};
    return json_next(j) == JSON_OBJECT_BEGIN && each_key(j, entry_key, &r);
}

/* ---- one that was inspected ---- */

static bool config_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    if (json_is(j, "Image"))
        return next_text(j, r->facts->image, sizeof r->facts->image);
    if (json_is(j, "Labels"))
        return labels(j, r);
    if (!json_is(j, "Tty"))
        return json_skip(j);
    r->facts->tty = json_next(j) == JSON_TRUE;
    return json_skip(j);
}

static bool log_config_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    return json_is(j, "Type") ? next_text(j, r->facts->driver, sizeof r->facts->driver) : json_skip(j);
}

static bool host_config_key(struct json *j, void *arg)
{
    return json_is(j, "LogConfig") ? object_value(j, log_config_key, arg) : json_skip(j);
}

static bool state_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    return json_is(j, "Status") ? next_text(j, r->facts->state, sizeof r->facts->state) : json_skip(j);
}

static bool inspected_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    struct facts *f = r->facts;
    if (json_is(j, "Id"))
        return next_id(j, f->id);
    if (json_is(j, "Name"))
        return next_name(j, f->name);
    if (json_is(j, "Created"))
        return next_time(j, &f->created);
    if (json_is(j, "LogPath"))
        return next_text(j, f->log_path, sizeof f->log_path);
    if (json_is(j, "Config"))
        return object_value(j, config_key, r);
    if (json_is(j, "HostConfig"))
        return object_value(j, host_config_key, r);
    return json_is(j, "State") ? object_value(j, state_key, r) : json_skip(j);
}

static bool whole_object(const char *text, size_t len, bool (*fn)(struct json *j, void *arg), void *arg)
{
    struct json j;
    json_begin(&j, text, len);
    return json_next(&j) == JSON_OBJECT_BEGIN && each_key(&j, fn, arg) && json_next(&j) == JSON_END;
}

bool facts_inspected(struct facts *f, const char *text, size_t len, const struct containers_config *options)
{
    struct reading r = {f, options};
    return whole_object(text, len, inspected_key, &r) && f->id[0];
}

/* ---- an event ---- */

/* The container's labels stand among its other attributes. */
static bool attribute(struct json *j, void *arg)
{
    struct reading *r = arg;
    if (json_is(j, "name"))
        return next_name(j, r->facts->name);
    if (json_is(j, "image"))
        return next_text(j, r->facts->image, sizeof r->facts->image);
    return label(j, r);
}

static bool actor_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    if (json_is(j, "ID"))
        return next_id(j, r->facts->id);
    return json_is(j, "Attributes") ? object_value(j, attribute, r) : json_skip(j);
}

static bool event_key(struct json *j, void *arg)
{
    struct reading *r = arg;
    struct facts *f = r->facts;
    if (json_is(j, "Action"))
        return next_text(j, f->action, sizeof f->action);
    if (json_is(j, "Actor"))
        return object_value(j, actor_key, r);
    if (!json_is(j, "timeNano"))
        return json_skip(j);
    if (json_next(j) == JSON_NUMBER)
        json_int(j, &f->time);
    return json_skip(j);
}

bool facts_event(struct facts *f, const char *text, size_t len, const struct containers_config *options)
{
    struct reading r = {f, options};
    return whole_object(text, len, event_key, &r) && f->id[0] && f->action[0];
}

/* ---- the engine ---- */

/* The minor of "1.41"; later majors speak 1.x no more. */
static bool next_minor(struct json *j, unsigned *minor)
{
    char text[16];
    bool whole = next_text(j, text, sizeof text);
    if (strncmp(text, "1.", 2) == 0)
        *minor = (unsigned)strtoul(text + 2, NULL, 10);
    return whole;
}

static bool component_key(struct json *j, void *arg)
{
    struct engine_facts *f = arg;
    char name[32];
    if (!json_is(j, "Name"))
        return json_skip(j);
    bool whole = next_text(j, name, sizeof name);
    f->podman |= strncmp(name, "Podman", 6) == 0;
    return whole;
}

static bool components(struct json *j, struct engine_facts *f)
{
    if (json_next(j) != JSON_ARRAY_BEGIN)
        return json_skip(j);
    while (json_next(j) != JSON_ARRAY_END)
        if (j->type == JSON_ERROR || !(j->type == JSON_OBJECT_BEGIN ? each_key(j, component_key, f) : json_skip(j)))
            return false;
    return true;
}

static bool version_key(struct json *j, void *arg)
{
    struct engine_facts *f = arg;
    if (json_is(j, "ApiVersion"))
        return next_minor(j, &f->api_most);
    if (json_is(j, "MinAPIVersion"))
        return next_minor(j, &f->api_least);
    if (json_is(j, "Version"))
        return next_text(j, f->version, sizeof f->version);
    return json_is(j, "Components") ? components(j, f) : json_skip(j);
}

bool facts_version(struct engine_facts *f, const char *text, size_t len)
{
    return whole_object(text, len, version_key, f) && f->api_most;
}

static bool info_key(struct json *j, void *arg)
{
    struct engine_facts *f = arg;
    if (json_is(j, "ID"))
        return next_text(j, f->id, sizeof f->id);
    if (json_is(j, "DockerRootDir"))
        return next_text(j, f->root, sizeof f->root);
    if (json_is(j, "Driver"))
        return next_text(j, f->storage, sizeof f->storage);
    return json_is(j, "SystemTime") ? next_time(j, &f->now) : json_skip(j);
}

bool facts_info(struct engine_facts *f, const char *text, size_t len)
{
    return whole_object(text, len, info_key, f);
}

static bool message_key(struct json *j, void *arg)
{
    return json_is(j, "message") ? next_text(j, arg, FACTS_VALUE) : json_skip(j);
}

bool facts_message(char out[FACTS_VALUE], const char *text, size_t len)
{
    out[0] = 0;
    if (!whole_object(text, len, message_key, out))
        out[0] = 0;
    return *out;
}
