/* A training loop in C with the energy of every step.
 *
 *     cc train.c $(pkg-config --cflags --libs eco2) -o train && ./train
 */
#include <eco2.h>
#include <inttypes.h>
#include <stdio.h>

#define STEPS 5

/* A stand-in for a training step: arithmetic for about 50 ms. */
static double train(void) {
    volatile double loss = 1.0;
    for (long i = 1; i < 20000000; i++) {
        loss = loss + 1.0 / (double)i / (double)i;
    }
    return loss;
}

static int failed(const char *call) {
    fprintf(stderr, "%s: %s\n", call, eco2_last_error());
    return 1;
}

int main(void) {
    eco2_meter *meter = NULL;
    uint32_t step = 0;
    static char report[1 << 16];
    size_t needed = 0;
    if (eco2_abi_version() != ECO2_ABI_VERSION) {
        fprintf(stderr, "libeco2 %s does not fit this program\n", eco2_version());
        return 1;
    }
    if (eco2_meter_open("{\"name\": \"train.c\", \"zone\": \"DE\"}", &meter) != ECO2_OK) {
        return failed("open");
    }
    if (eco2_span_id(meter, "step", &step) != ECO2_OK) {
        return failed("span");
    }
    eco2_energy_now before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    int known = eco2_now(meter, &before) == ECO2_OK;
    for (int i = 0; i < STEPS; i++) {
        eco2_span_begin(meter, step);
        double loss = train();
        eco2_span_end(meter, step);
        known = known && eco2_now(meter, &after) == ECO2_OK;
        if (known) {
            printf("step %d: loss %.3f, about %.3f J\n", i, loss, (double)(after.total_uj - before.total_uj) / 1e6);
            before = after;
        } else {
            printf("step %d: loss %.3f, energy not known\n", i, loss);
        }
    }
    if (eco2_meter_close(meter) != ECO2_OK) {
        return failed("close");
    }
    eco2_span_sum sum = {.struct_size = sizeof sum};
    if (eco2_span_total(meter, step, &sum) == ECO2_OK && sum.energy_uj != ECO2_UNKNOWN) {
        printf("%" PRIu64 " steps: %.3f J, at least %.3f J\n", sum.count, (double)sum.energy_uj / 1e6, (double)sum.low_uj / 1e6);
    }
    if (eco2_report(meter, ECO2_REPORT_TEXT, report, sizeof report, &needed) == ECO2_OK) {
        fputs(report, stdout);
    }
    eco2_meter_free(meter);
    return 0;
}
