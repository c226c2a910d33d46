#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/fd.h"

enum { MAP_KEYS = 1000 }; /* keys are compared with each other */

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {"nothing", "a single value", "a list", "a map of keys"};
    return names[kind];
}

struct node *node_child(const struct node *map, const char *key)
{
    if (map && map->kind == NODE_MAP)
        for (struct node *n = map->first; n; n = n->next)
            if (strcmp(n->key, key) == 0)
                return n;
    return NULL;
}

bool node_is(const struct node *n, const char *text)
{
    return n && n->kind == NODE_SCALAR && strcasecmp(n->text, text) == 0;
}

/* libyaml's own objects, under the scope from their first moment. */
struct yaml_handle {
    struct thing thing;
    yaml_parser_t parser;
    yaml_document_t document;
    bool has_parser, has_document;
};

static void yaml_handle_end(struct thing *t)
{
    struct yaml_handle *h = container_of(t, struct yaml_handle, thing);
    if (h->has_document)
        yaml_document_delete(&h->document);
    if (h->has_parser)
        yaml_parser_delete(&h->parser);
}

struct builder {
    struct scope *scope;
    struct problems *problems;
    const char *file;
    yaml_document_t *document;
    const char *const *only; /* of the root's keys; NULL: all */
    const char *variable;    /* the last one that was put in */
    bool *visited; /* by the node's index: libyaml gives an alias the index of its anchor's node */
    bool no_memory;
};

static struct place place_of(const struct builder *b, const yaml_mark_t *mark)
{
    return (struct place){b->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

static bool is_name_char(char c, bool first)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (!first && c >= '0' && c <= '9');
}

/* Appends what ${...} at `p` stands for; returns where the text goes on, or NULL after a problem. */
static const char *expand_one(struct builder *b, struct place at, const char *p, struct buf *out)
{
    const char *name = p + 2, *end = strchr(name, '}');
    size_t len = 0;
    while (is_name_char(name[len], len == 0))
        len++;
    bool has_default = strncmp(name + len, ":-", 2) == 0;
    if (!end || len == 0 || (!has_default && name[len] != '}')) {
        problem(b->problems, at, "'%.40s' is no variable: write ${NAME} or ${NAME:-default}, and $${ for a plain ${", p);
        return NULL;
    }
    char variable[256];
    snprintf(variable, sizeof variable, "%.*s", (int)len, name);
    const char *value = len < sizeof variable ? getenv(variable) : NULL;
    if (has_default && (!value || !*value))
        buf_add(out, name + len + 2, (size_t)(end - name - len - 2));
    else if (value) {
        buf_puts(out, value);
        b->variable = scope_strdup(b->scope, variable);
    } else {
        problem(b->problems, at, "the environment variable %s is not set; set it, or write ${%s:-default}", variable,
                variable);
        return NULL;
    }
    return end + 1;
}

/* The text with its variables replaced, in the arena; "" after a problem. */
static const char *expand(struct builder *b, struct place at, const char *text)
{
    if (!strstr(text, "${"))
        return scope_strdup(b->scope, text);
    struct buf out;
    const char *done = NULL;
    if (buf_begin(&out, b->scope, "variables", CONFIG_BYTES) < 0)
        return NULL;
    buf_add(&out, "", 0);
    for (const char *p = text; p;) {
        const char *dollar = strstr(p, "${");
        bool escaped = dollar && dollar > p && dollar[-1] == '$';
        buf_add(&out, p, dollar ? (size_t)(dollar - p) - escaped : strlen(p));
        if (!dollar)
            break;
        if (escaped) {
            buf_puts(&out, "${");
            p = dollar + 2;
        } else if (!(p = expand_one(b, at, dollar, &out))) {
            done = "";
        }
    }
    if (!done && !out.failed)
        done = scope_strdup(b->scope, out.data);
    buf_end(&out);
    return done;
}

static struct node *new_node(struct builder *b, enum node_kind kind, struct place at)
{
    struct node *n = scope_alloc(b->scope, sizeof *n);
    if (!n) {
        b->no_memory = true;
        return NULL;
    }
    n->kind = kind;
    n->at = at;
    return n;
}

static bool known_tag(const char *tag)
{
    return !tag || strncmp(tag, "tag:yaml.org,2002:", 18) == 0;
}

static struct node *build(struct builder *b, int index);

static struct node *build_scalar(struct builder *b, const yaml_node_t *y, struct place at)
{
    const char *text = (const char *)y->data.scalar.value;
    bool plain = y->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        {
        struct node *null = new_node(b, NODE_NULL, at);
        if (null && *text == 'n')
            null->text = "null"; /* also the name of a sink type */
        return null;
    }
    struct node *n = new_node(b, NODE_SCALAR, at);
    if (!n)
        return NULL;
    if (strlen(text) != y->data.scalar.length) {
        problem(b->problems, at, "a value cannot contain NUL bytes");
        n->text = "";
        n->wrong = true;
    } else {
        unsigned before = b->problems->n;
        b->variable = NULL;
        n->text = expand(b, at, text);
        n->variable = b->variable;
        n->wrong = b->problems->n > before;
        b->no_memory |= !n->text;
    }
    return n;
}

static struct node *build_list(struct builder *b, const yaml_node_t *y, struct place at)
{
    struct node *list = new_node(b, NODE_LIST, at), **tail = list ? &list->first : NULL;
    if (!list)
        return NULL;
    for (yaml_node_item_t *i = y->data.sequence.items.start; i < y->data.sequence.items.top; i++) {
        struct node *item = build(b, *i);
        if (!item)
            return NULL;
        *tail = item;
        tail = &item->next;
    }
    return list;
}

/* The key's text, or NULL after a problem. */
static const char *build_key(struct builder *b, const struct node *map, int index, struct place *at)
{
    const yaml_node_t *key = yaml_document_get_node(b->document, index);
    *at = place_of(b, &key->start_mark);
    if (key->type != YAML_SCALAR_NODE || strlen((char *)key->data.scalar.value) != key->data.scalar.length) {
        problem(b->problems, *at, "a key must be a plain word");
        return NULL;
    }
    const char *text = (const char *)key->data.scalar.value;
    if (strcmp(text, "<<") == 0) {
        problem(b->problems, *at, "merge keys ('<<') are not supported; write the values out");
        return NULL;
    }
    const struct node *before = node_child(map, text);
    if (before) {
        problem(b->problems, *at, "'%s' is here twice: the first is in line %u", text, before->key_at.line);
        return NULL;
    }
    text = scope_strdup(b->scope, text);
    b->no_memory |= !text;
    return text;
}

static bool is_passed_over(const struct builder *b, const yaml_node_t *map, const yaml_node_pair_t *p)
{
    const yaml_node_t *key = yaml_document_get_node(b->document, p->key);
    bool wanted = !b->only || map != yaml_document_get_root_node(b->document) || key->type != YAML_SCALAR_NODE;
    for (const char *const *name = b->only; !wanted && *name; name++)
        wanted = strcmp(*name, (const char *)key->data.scalar.value) == 0;
    return !wanted;
}

static struct node *build_map(struct builder *b, const yaml_node_t *y, struct place at)
{
    struct node *map = new_node(b, NODE_MAP, at), **tail = map ? &map->first : NULL;
    if (!map)
        return NULL;
    if (y->data.mapping.pairs.top - y->data.mapping.pairs.start > MAP_KEYS) {
        problem(b->problems, at, "a map cannot have more than %d keys", MAP_KEYS);
        return map;
    }
    for (yaml_node_pair_t *p = y->data.mapping.pairs.start; p < y->data.mapping.pairs.top; p++) {
        struct place key_at;
        if (is_passed_over(b, y, p))
            continue;
        const char *key = build_key(b, map, p->key, &key_at);
        struct node *value = b->no_memory ? NULL : build(b, p->value);
        if (!value)
            return NULL;
        if (!key)
            continue;
        value->key = key;
        value->key_at = key_at;
        *tail = value;
        tail = &value->next;
    }
    return map;
}

static struct node *build(struct builder *b, int index)
{
    const yaml_node_t *y = yaml_document_get_node(b->document, index);
    struct place at = place_of(b, &y->start_mark);
    if (b->visited[index]) {
        /* Each node is built once: aliases can then neither recurse nor multiply. */
        problem(b->problems, at, "this value is used again through an alias ('*name'); aliases are not supported, "
                                 "write the value out");
        return new_node(b, NODE_NULL, at);
    }
    b->visited[index] = true;
    if (!known_tag((const char *)y->tag))
        problem(b->problems, at, "the tag '%s' is not supported; leave it out", (const char *)y->tag);
    if (y->type == YAML_SCALAR_NODE)
        return build_scalar(b, y, at);
    return y->type == YAML_SEQUENCE_NODE ? build_list(b, y, at) : build_map(b, y, at);
}

/* Where the scanner stopped: that mark is the next character of its buffer. */
static bool stopped_at_tab(const yaml_parser_t *p)
{
    return p->error == YAML_SCANNER_ERROR && p->problem_mark.index == p->mark.index && p->unread && *p->buffer.pointer == '\t';
}

static void say_parser_error(struct problems *problems, const char *file, const yaml_parser_t *p)
{
    struct place at = {file, (unsigned)p->problem_mark.line + 1, (unsigned)p->problem_mark.column + 1};
    /* The reader's errors (bad UTF-8) have a byte offset only. */
    if (p->error == YAML_READER_ERROR)
        problem(problems, (struct place){file, 0, 0}, "byte %zu is no text that YAML allows: %s", p->problem_offset,
                p->problem ? p->problem : "invalid");
    else if (stopped_at_tab(p))
        problem(problems, at, "here is a tab, but YAML wants spaces as indentation");
    else
        problem(problems, at, "this is no valid YAML: %s%s%s", p->problem ? p->problem : "invalid", p->context ? ", " : "",
                p->context ? p->context : "");
}

static struct node *build_document(struct builder *b)
{
    yaml_node_t *root = yaml_document_get_root_node(b->document);
    struct place start = {b->file, 1, 1};
    if (!root)
        return new_node(b, NODE_MAP, start);
    size_t n = (size_t)(b->document->nodes.top - b->document->nodes.start) + 1;
    b->visited = scope_alloc(b->scope, n);
    if (!b->visited)
        return NULL;
    struct node *tree = build(b, 1);
    if (!tree || b->no_memory)
        return NULL;
    if (tree->kind == NODE_NULL)
        tree->kind = NODE_MAP;
    if (tree->kind != NODE_MAP) {
        problem(b->problems, tree->at, "the file must be a map of keys, such as 'sinks:', but this is %s",
                node_kind_name(tree->kind));
        return NULL;
    }
    return tree;
}

static bool load_document(struct yaml_handle *h, struct problems *problems, const char *file)
{
    h->has_document = yaml_parser_load(&h->parser, &h->document);
    if (!h->has_document)
        say_parser_error(problems, file, &h->parser);
    return h->has_document;
}

struct node *node_parse(struct scope *scope, const char *file, const char *bytes, size_t size, const char *const *only,
                        struct problems *problems)
{
    struct yaml_handle h = {0};
    struct builder b = {.scope = scope, .problems = problems, .file = file, .document = &h.document, .only = only};
    struct node *tree = NULL;

    if (size > CONFIG_BYTES) {
        problem(problems, (struct place){file, 0, 0}, "the file is larger than %d bytes", CONFIG_BYTES);
        return NULL;
    }
    if (thing_begin(&h.thing, scope, BIRTH_HANDLE, "yaml", 0, yaml_handle_end) < 0)
        return NULL;
    h.has_parser = yaml_parser_initialize(&h.parser);
    if (h.has_parser) {
        yaml_parser_set_input_string(&h.parser, (const unsigned char *)bytes, size);
        yaml_parser_set_encoding(&h.parser, YAML_UTF8_ENCODING);
        if (load_document(&h, problems, file))
            tree = build_document(&b);
    }
    if (tree && yaml_document_get_root_node(&h.document)) {
        yaml_document_delete(&h.document);
        if (load_document(&h, problems, file)) {
            yaml_node_t *second = yaml_document_get_root_node(&h.document);
            if (second)
                problem(problems, place_of(&b, &second->start_mark), "a second YAML document ('---') is not read");
        }
    }
    thing_end(&h.thing);
    return tree;
}

struct node *node_read(struct scope *scope, const char *path, const char *const *only, struct problems *problems)
{
    struct place at = {path, 0, 0};
    struct fd f;
    struct buf text;
    struct stat st;
    struct node *tree = NULL;
    /* Non-blocking: a FIFO in config.d must not stop the start. */
    int r = fd_open(&f, scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (r < 0) {
        problem(problems, at, "cannot open the file: %s", strerror(-r));
        return NULL;
    }
    if (fstat(f.n, &st) < 0 || !S_ISREG(st.st_mode)) {
        problem(problems, at, "this is no regular file");
    } else if (buf_begin(&text, scope, "yaml text", CONFIG_BYTES + 1) == 0) {
        ssize_t got = 0;
        while ((r = buf_reserve(&text, 1)) == 0 && (got = fd_read(f.n, text.data + text.len, text.cap - text.len)) > 0)
            text.len += (size_t)got;
        if (r == -EFBIG)
            problem(problems, at, "the file is larger than %d bytes", CONFIG_BYTES);
        else if (r < 0 || got < 0)
            problem(problems, at, "cannot read the file: %s", strerror(r < 0 ? -r : (int)-got));
        else
            tree = node_parse(scope, path, text.data, text.len, only, problems);
        buf_end(&text);
    }
    fd_close(&f);
    return tree;
}

static void replace(struct node *old, struct node *by)
{
    struct node *next = old->next;
    *old = *by;
    old->next = next;
}

void node_merge(struct node *into, struct node *more)
{
    struct node **tail = &into->first;
    while (*tail)
        tail = &(*tail)->next;
    for (struct node *n = more->first, *next; n; n = next) {
        next = n->next;
        struct node *old = node_child(into, n->key);
        if (old && old->kind == NODE_MAP && n->kind == NODE_MAP) {
            node_merge(old, n);
        } else if (old) {
            replace(old, n);
        } else {
            n->next = NULL;
            *tail = n;
            tail = &n->next;
        }
    }
}
