/* Does what it must not: shows that an instrument is on. `faulty` reads what it has freed, `faulty shift` shifts an int by
 * its width. */
#include <eco2.h>
#include <stdlib.h>

static int shifts(int by) {
    return 1 << by;
}

int main(int argc, char **argv) {
    (void)argv;
    volatile char *volatile gone = malloc(8);
    if (gone == NULL || eco2_abi_version() != ECO2_ABI_VERSION) {
        return 0;
    }
    if (argc > 1) {
        return shifts(argc * 16) == 2;
    }
    char *volatile alias = (char *)gone;
    gone[0] = 1;
    free((void *)gone);
    return alias[0] == 2;
}
