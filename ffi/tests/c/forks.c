/* A thousand forks while the meter samples a thousand times a second: nothing hangs, the parent loses nothing, every
 * call of a child fails, and each twentieth child measures itself. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define FORKS 1000
#define REOPENS 20
/* Time limit of the whole test, seconds. */
#define LIMIT_S 240

static void child(eco2_meter *parents, uint32_t name, const char *folder, int reopens) {
    steady state = {0, 0};
    eco2_energy_now now = {.struct_size = sizeof now};
    signal(SIGALRM, SIG_DFL);
    alarm(LIMIT_S);
    FAILS(eco2_span_end(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_step(parents, name), ECO2_ERR_FORKED, "fork");
    FAILS(eco2_now(parents, &now), ECO2_ERR_FORKED, "fork");
    eco2_meter_free(parents);
    if (reopens) {
        steady_register(&state);
        eco2_meter *own = open_in(folder, ", \"interval\": \"1ms\"");
        wait_known(own);
        CHECK(eco2_span_id(own, "inner", &name) == ECO2_OK && eco2_step(own, name) == ECO2_OK);
        CHECK(eco2_meter_close(own) == ECO2_OK && state.destroyed == 1);
        eco2_meter_free(own);
    }
    _exit(0);
}

/* Every span and all of the energy is there: 1 uJ every 10 us. */
static void nothing_is_lost(const eco2_meter *meter, uint32_t name, uint64_t least_ns, uint64_t most_ns) {
    static char report[1 << 20];
    size_t needed = 0;
    eco2_span_sum sum = {.struct_size = sizeof sum};
    eco2_device device = {.struct_size = sizeof device};
    const uint64_t update_ns = 5000000;
    CHECK(eco2_span_total(meter, name, &sum) == ECO2_OK && sum.count == FORKS);
    CHECK(eco2_device_get(meter, 0, &device) == ECO2_OK);
    CHECK(device.resets == 0 && device.wraps == 0);
    CHECK(device.energy_uj >= (least_ns - 2 * update_ns) / 10000 && device.energy_uj <= (most_ns + 2 * update_ns) / 10000);
    CHECK(eco2_report(meter, ECO2_REPORT_JSON, report, sizeof report, &needed) == ECO2_OK);
    CHECK(strstr(report, "\"gaps\": []") != NULL && strstr(report, "\"dropped\": 0") != NULL);
}

int main(int argc, char **argv) {
    uint32_t name = 0;
    steady state = {0, 0};
    CHECK(argc == 2);
    alarm(LIMIT_S);
    steady_register(&state);
    uint64_t opening_ns = now_ns();
    eco2_meter *meter = open_in(argv[1], ", \"interval\": \"1ms\"");
    wait_known(meter);
    uint64_t known_ns = now_ns();
    CHECK(eco2_span_id(meter, "fork", &name) == ECO2_OK);
    for (int i = 0; i < FORKS; i++) {
        int status = -1;
        CHECK(eco2_span_begin(meter, name) == ECO2_OK);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(meter, name, argv[1], i % REOPENS == 0);
        }
        CHECK(eco2_span_end(meter, name) == ECO2_OK);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    uint64_t closing_ns = now_ns();
    CHECK(eco2_meter_close(meter) == ECO2_OK && state.destroyed == 1);
    nothing_is_lost(meter, name, closing_ns - known_ns, now_ns() - opening_ns);
    eco2_meter_free(meter);
    return 0;
}
