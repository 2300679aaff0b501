/* Reads what it has freed: shows that a memory checker is on. */
#include <eco2.h>
#include <stdlib.h>

int main(void) {
    volatile char *volatile gone = malloc(8);
    if (gone == NULL || eco2_abi_version() != ECO2_ABI_VERSION) {
        return 0;
    }
    char *volatile alias = (char *)gone;
    gone[0] = 1;
    free((void *)gone);
    return alias[0] == 2;
}
