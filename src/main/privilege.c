#include "main/privilege.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>


static const cap_value_t kept = CAP_DAC_READ_SEARCH;

static void end_caps(cap_t *caps)
{
    if (*caps)
        cap_free(*caps);
}

static int has(cap_flag_t flag, bool *yes)
{
    __attribute__((cleanup(end_caps))) cap_t now = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    if (!now || cap_get_flag(now, kept, flag, &value) < 0)
        return -errno;
    *yes = value == CAP_SET;
    return 0;
}

/* Needs CAP_SETPCAP: without it the set cannot be narrowed, nor, with no_new_privs, be used. */
static void narrow_bounding_set(void)
{
    for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++) {
        if (c != kept)
            cap_drop_bound(c);
    }
}

static int keep_only_one(bool keep)
{
    __attribute__((cleanup(end_caps))) cap_t caps = cap_init();
    if (!caps)
        return -errno;
    if (keep && (cap_set_flag(caps, CAP_PERMITTED, 1, &kept, CAP_SET) < 0 ||
                 cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept, CAP_SET) < 0))
        return -errno;
    return cap_set_proc(caps) < 0 ? -errno : 0;
}

int privilege_drop(void)
{
    bool keep = false;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int r = has(CAP_PERMITTED, &keep);
    if (r < 0)
        return r;
    narrow_bounding_set();
    r = keep_only_one(keep);
    if (r < 0)
        return r;
    if (keep && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

bool privilege_reads_all(void)
{
    bool yes = false;
    return has(CAP_EFFECTIVE, &yes) == 0 && yes;
}
