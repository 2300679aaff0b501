/* A fault inside the library: a status, a dead meter, a program that goes on. */
#include "check.h"

int main(int argc, char **argv) {
    uint32_t name = 0;
    size_t needed = 0;
    steady state = {0, 0};
    CHECK(argc == 2);
    steady_register(&state);
    eco2_meter *meter = open_in(argv[1], "");
    CHECK(eco2_span_id(meter, "step", &name) == ECO2_OK);
    FAILS(eco2_debug_panic(meter), ECO2_ERR_PANIC, "eco2_debug_panic");
    FAILS(eco2_span_begin(meter, name), ECO2_ERR_PANIC, "dead");
    FAILS(eco2_report(meter, 0, NULL, 0, &needed), ECO2_ERR_PANIC, "dead");
    FAILS(eco2_meter_close(meter), ECO2_ERR_PANIC, "dead");
    CHECK(eco2_meter_forked(meter) == ECO2_OK);
    eco2_meter_free(meter);
    CHECK(state.destroyed == 1);

    meter = open_in(argv[1], "");
    CHECK(eco2_span_id(meter, "step", &name) == ECO2_OK && eco2_step(meter, name) == ECO2_OK);
    CHECK(eco2_meter_close(meter) == ECO2_OK);
    eco2_meter_free(meter);
    return 0;
}
