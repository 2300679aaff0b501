/* A source of energy that only this program can read: a power meter in the mains, here simulated.
 *
 *     cc source.c $(pkg-config --cflags --libs eco2) -o source && ./source
 */
#include <eco2.h>
#include <stdio.h>
#include <time.h>

/* The simulated meter draws 40 W and counts millijoules since an instant before the program began. */
#define WATTS 40

typedef struct mains_meter {
    unsigned long reads;
} mains_meter;

static uint64_t clock_ns(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Called on the meter's sampling thread only, so the state needs no lock. Must return soon. */
static int32_t read_mains(void *user_data, uint32_t domain, uint64_t *value) {
    mains_meter *mains = user_data;
    if (domain != 0) return ECO2_FAULT_NOT_AVAILABLE;
    mains->reads++;
    *value = clock_ns() / 1000000u * WATTS;
    return ECO2_OK;
}

/* Called once, before eco2_meter_close() returns: no read follows. */
static void release_mains(void *user_data) {
    printf("mains meter released after %s reads\n", ((mains_meter *)user_data)->reads > 1 ? "several" : "no");
}

static int failed(const char *call) {
    fprintf(stderr, "%s: %s\n", call, eco2_last_error());
    return 1;
}

int main(void) {
    static mains_meter mains;
    static char json[1 << 16];
    size_t needed;
    eco2_source_domain domain = {
        .struct_size = sizeof domain,
        .component = ECO2_COMPONENT_OTHER, /* other devices are part of what a mains meter measures: no sum with them */
        .kind = ECO2_KIND_ENERGY,
        .id = "mains-0",
        .domain = "mains",
        .name = "Mains power meter",
        .base_per_raw = 1e-3, /* joules per millijoule */
        .max_w = 2000,
    };
    eco2_source source = {
        .struct_size = sizeof source,
        .domain_count = 1,
        .name = "mains",
        .domains = &domain,
        .read = read_mains,
        .user_data = &mains,
        .destroy = release_mains,
    };
    eco2_meter *meter = NULL;
    if (eco2_register_source(&source) != ECO2_OK) return failed("register");
    if (eco2_meter_open("{\"name\": \"source.c\", \"zone\": \"DE\"}", &meter) != ECO2_OK) return failed("open");
    for (uint64_t end_ns = clock_ns() + 300000000u; clock_ns() < end_ns;) {
        /* the work that is measured */
    }
    if (eco2_meter_close(meter) != ECO2_OK) return failed("close");
    uint32_t count = 0;
    eco2_device_count(meter, &count);
    for (uint32_t i = 0; i < count; i++) {
        char id[64] = "?", model[64] = "";
        eco2_device device = {.struct_size = sizeof device};
        eco2_device_text(meter, i, ECO2_TEXT_ID, id, sizeof id, &needed);
        eco2_device_text(meter, i, ECO2_TEXT_MODEL, model, sizeof model, &needed);
        if (eco2_device_get(meter, i, &device) != ECO2_OK || device.energy_uj == ECO2_UNKNOWN) continue;
        printf("%s %s: %.3f J, mean %.1f W\n", id, model, (double)device.energy_uj / 1e6, device.mean_w);
    }
    if (eco2_report(meter, ECO2_REPORT_JSON, json, sizeof json, &needed) != ECO2_OK) return failed("report");
    eco2_meter_free(meter);
    return 0;
}
