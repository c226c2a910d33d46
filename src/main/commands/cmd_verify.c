/* `logcap verify`: whether what is kept in the state directory is whole, what is in it, and its repair. */
#include <inttypes.h>
#include <stdio.h>

#include "main/commands/args.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "main/commands/verify.h"
#include "store/store.h"

static const char help[] =
    "usage: logcap verify [-c FILE | --state-dir DIR] [--repair]\n"
    "\n"
    "Checks what is kept in the state directory, byte by byte, and says what is in it. Also beside a running agent;\n"
    "nothing is changed.\n"
    "\n"
    "  -c, --config FILE    the agent's configuration; without it /etc/logcap/logcap.yaml, else the defaults\n"
    "      --state-dir DIR  this directory instead\n"
    "      --repair         set aside what is damaged and go on with what is whole, as an agent does when it starts;\n"
    "                       stop the agent first\n"
    "\n"
    "Exit code: 0 all is good, 1 something is damaged or cannot be read, 2 wrong usage or configuration.\n";

static const struct verify_part *const parts[] = {&verify_store, &verify_spool};
enum { PARTS = sizeof parts / sizeof *parts };

/* The worst of all parts; *damaged: one can be repaired. */
static enum verify_outcome look_at_all(struct verify *v, bool *damaged)
{
    enum verify_outcome worst = VERIFY_GOOD;
    *damaged = false;
    for (int i = 0; i < PARTS; i++) {
        enum verify_outcome one = parts[i]->look(v);
        *damaged |= one == VERIFY_DAMAGED;
        if (one > worst)
            worst = one;
    }
    return worst;
}

static int repair_all(struct verify *v)
{
    int r = 0;
    for (int i = 0; i < PARTS && r == 0; i++)
        r = parts[i]->repair(v);
    return r;
}

static void show_holder(const char *state_dir, int64_t holder)
{
    printf("%s: ", state_dir);
    if (holder > 0)
        printf("in use by the agent with process id %" PRId64 "\n", holder);
    else
        printf("%s\n", holder < 0 ? "in use by an agent" : "no agent works here");
}

static int verify(struct verify *v, bool repair)
{
    bool damaged;
    int64_t holder = store_holder(v->state_dir);
    if (repair && holder != 0) {
        fprintf(stderr, "logcap: an agent (process %" PRId64 ") works with %s: stop it first\n", holder, v->state_dir);
        return EXIT_FAILED;
    }
    show_holder(v->state_dir, holder);
    enum verify_outcome worst = look_at_all(v, &damaged);
    if (damaged && !repair)
        printf("\nlogcap verify --repair sets aside what is damaged; an agent that starts here does so too.\n");
    if (damaged && repair) {
        printf("\nRepairing.\n\n");
        fflush(stdout);
        if (repair_all(v) < 0)
            return EXIT_FAILED;
        worst = look_at_all(v, &damaged);
    }
    if (worst == VERIFY_GOOD)
        printf("\nAll is good.\n");
    return worst == VERIFY_GOOD ? EXIT_DONE : EXIT_FAILED;
}

int cmd_verify(int argc, char **argv)
{
    const char *config = NULL, *state_dir = NULL;
    bool repair = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &config, NULL},
                               {"state-dir", 0, &state_dir, NULL},
                               {"repair", 0, NULL, &repair},
                               {0}};
    struct scope scope;
    int n = args_parse(argc, argv, help, args, 0, 0, &words), code = EXIT_USAGE;
    if (n < 0)
        return args_code(n);
    if (scope_begin(&scope, &scope_root, "verify command") < 0)
        return EXIT_FAILED;
    struct config *c = state_dir ? NULL : load_place_or_say(&scope, config);
    struct verify v = {.scope = &scope, .state_dir = c ? c->state_dir : state_dir};
    if (v.state_dir)
        v.spool_dir = c ? c->spool_dir : scope_printf(&scope, "%s/spool", state_dir);
    if (v.spool_dir)
        code = verify(&v, repair);
    scope_end(&scope);
    return code;
}
