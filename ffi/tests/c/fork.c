/* A forked child harms neither side, and may measure itself. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void child(eco2_meter *parents, uint32_t name, const char *folder) {
    steady state = {0, 0};
    size_t needed = 0;
    uint64_t uj = 0;
    eco2_span_sum sum = {.struct_size = sizeof sum};
    eco2_work work = {.struct_size = sizeof work};
    eco2_energy_now now = {.struct_size = sizeof now};
    alarm(30);
    FAILS(eco2_span_begin(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_span_end(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_span_begin(parents, 4000000000u), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_step(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_start_steps(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_step_work(parents, name, &work), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_now(parents, &now), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_request_step(parents, NULL, NULL, 0), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_now_devices(parents, &uj, 1, &uj), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_span_between(parents, name, 1, 2), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_span_total(parents, name, &sum), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_meter_forked(parents), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_report(parents, 0, NULL, 0, &needed), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_meter_close(parents), ECO2_ERR_FORKED, "fork");
    eco2_meter_free(parents);
    steady_register(&state);
    eco2_meter *own = open_in(folder, "");
    CHECK(eco2_meter_forked(own) == ECO2_OK);
    wait_known(own);
    CHECK(eco2_span_id(own, "inner", &name) == ECO2_OK);
    CHECK(eco2_span_begin(own, name) == ECO2_OK);
    work_ms(20);
    CHECK(eco2_span_end(own, name) == ECO2_OK);
    CHECK(eco2_meter_close(own) == ECO2_OK && state.destroyed == 1);
    CHECK(eco2_span_total(own, name, &sum) == ECO2_OK && sum.count == 1 && sum.energy_uj > 0);
    eco2_meter_free(own);
    _exit(0);
}

int main(int argc, char **argv) {
    uint32_t name = 0;
    steady state = {0, 0};
    eco2_span_sum sum = {.struct_size = sizeof sum};
    CHECK(argc == 2);
    steady_register(&state);
    eco2_meter *meter = open_in(argv[1], "");
    wait_known(meter);
    CHECK(eco2_span_id(meter, "outer", &name) == ECO2_OK && eco2_span_begin(meter, name) == ECO2_OK);
    for (int i = 0; i < 20; i++) {
        int status = -1;
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(meter, name, argv[1]);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(eco2_span_end(meter, name) == ECO2_OK);
    CHECK(eco2_meter_close(meter) == ECO2_OK && state.destroyed == 1);
    CHECK(eco2_span_total(meter, name, &sum) == ECO2_OK && sum.count == 1 && sum.energy_uj > 0);
    eco2_meter_free(meter);
    return 0;
}
