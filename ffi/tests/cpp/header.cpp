// The C header alone, as C++17.
#include <eco2.h>
#include <eco2.h>

int main() { return eco2_abi_version() == ECO2_ABI_VERSION ? 0 : 1; }
