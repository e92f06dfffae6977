/* Preloaded for the tests: writes down, in the file that CRYPT_CALLS names, the beginning of
 * what crypt(3) is asked for, whoever asks: checkpassword-pam or a PAM module. Not for use. */
#define _GNU_SOURCE
#include <crypt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void note(const char *setting)
{
    FILE *calls = fopen(getenv("CRYPT_CALLS"), "a");
    if (!calls) abort();
    fprintf(calls, "%.7s\n", setting);
    fclose(calls);
}

char *crypt(const char *phrase, const char *setting)
{
    char *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "crypt");
    note(setting);
    return real(phrase, setting);
}

char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
    char *(*real)(const char *, const char *, struct crypt_data *) = dlsym(RTLD_NEXT, "crypt_r");
    note(setting);
    return real(phrase, setting, data);
}
