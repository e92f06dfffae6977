/* A PAM module for the tests, which does what the real ones at hand do not: settle on
 * another user, ask for something other than the password, have trouble, and leave little memory.
 * Not for use.
 *
 * user=NAME  settle on this user
 * ask=STYLE  ask a question: hidden, shown or radio; say something: text or error
 * trouble    a fault of the system's
 * starve     from now on the process gets 4 MiB more and no more
 * Without arguments it succeeds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <security/pam_modules.h>
#include <security/pam_appl.h>

static int style_of(const char *name)
{
    if (!strcmp(name, "hidden")) return PAM_PROMPT_ECHO_OFF;
    if (!strcmp(name, "shown")) return PAM_PROMPT_ECHO_ON;
    if (!strcmp(name, "radio")) return PAM_RADIO_TYPE;
    if (!strcmp(name, "error")) return PAM_ERROR_MSG;
    return PAM_TEXT_INFO;
}

static int ask(pam_handle_t *pamh, const char *name)
{
    const struct pam_conv *conv = NULL;
    struct pam_message message = { style_of(name), "What now? " };
    const struct pam_message *messages = &message;
    struct pam_response *response = NULL;
    int result = pam_get_item(pamh, PAM_CONV, (const void **)&conv);
    if (result != PAM_SUCCESS) return result;
    result = conv->conv(1, &messages, &response, conv->appdata_ptr);
    if (response) {
        free(response->resp);
        free(response);
    }
    return result;
}

static int starve(void)
{
    unsigned long pages = 0;
    struct rlimit limit;
    FILE *statm = fopen("/proc/self/statm", "r");
    int items = statm ? fscanf(statm, "%lu", &pages) : 0;
    if (statm) fclose(statm);
    limit.rlim_cur = limit.rlim_max = pages * sysconf(_SC_PAGESIZE) + (4UL << 20);
    return items == 1 && !setrlimit(RLIMIT_AS, &limit) ? PAM_SUCCESS : PAM_ABORT;
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    int result = PAM_SUCCESS;
    (void)flags;
    for (int i = 0; i < argc && result == PAM_SUCCESS; i++) {
        if (!strncmp(argv[i], "user=", 5)) result = pam_set_item(pamh, PAM_USER, argv[i] + 5);
        if (!strcmp(argv[i], "trouble")) result = PAM_SYSTEM_ERR;
        if (!strcmp(argv[i], "starve")) result = starve();
        if (!strncmp(argv[i], "ask=", 4)) result = ask(pamh, argv[i] + 4);
    }
    return result;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}
