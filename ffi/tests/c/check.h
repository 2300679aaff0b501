/* Shared by the C tests: a check that prints its place, options without this machine's hardware, and a source of known
 * power: 100 W by the monotonic clock. */
#ifndef CHECK_H
#define CHECK_H

#include <eco2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, eco2_last_error()); \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* The call fails with that status, and the message names that. */
#define FAILS(call, status, word)                              \
    do {                                                       \
        CHECK((call) == (status));                             \
        CHECK(strstr(eco2_last_error(), (word)) != NULL);      \
    } while (0)

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void work_ms(uint64_t milliseconds) {
    uint64_t until = now_ns() + milliseconds * 1000000u;
    while (now_ns() < until) {
    }
}

typedef struct steady {
    int reads;
    int destroyed;
} steady;

/* A microjoule every 10 us, updated every 5 ms. */
static inline int32_t steady_read(void *user_data, uint32_t domain, uint64_t *value) {
    ((steady *)user_data)->reads++;
    if (domain != 0) {
        return ECO2_FAULT_NOT_AVAILABLE;
    }
    *value = now_ns() / 5000000u * 5000000u / 10000u;
    return ECO2_OK;
}

static inline void steady_destroy(void *user_data) {
    ((steady *)user_data)->destroyed++;
}

static inline void steady_register(steady *state) {
    eco2_source_domain domain;
    eco2_source source;
    memset(&domain, 0, sizeof domain);
    memset(&source, 0, sizeof source);
    domain.struct_size = sizeof domain;
    domain.component = ECO2_COMPONENT_GPU;
    domain.kind = ECO2_KIND_ENERGY;
    domain.id = "GPU-1";
    domain.domain = "board";
    domain.base_per_raw = 1e-6;
    domain.max_w = 150;
    source.struct_size = sizeof source;
    source.domain_count = 1;
    source.name = "steady";
    source.domains = &domain;
    source.read = steady_read;
    source.user_data = state;
    source.destroy = steady_destroy;
    CHECK(eco2_register_source(&source) == ECO2_OK);
}

/* A meter on nothing but the registered sources; `more` is further JSON members, each beginning with a comma. */
static inline eco2_meter *open_in(const char *folder, const char *more) {
    char options[4096];
    eco2_meter *meter = NULL;
    snprintf(options, sizeof options,
             "{\"sysfs\": \"%s/none\", \"nvml\": \"%s/none\", \"estimate\": false, \"log\": \"%s\", \"zone\": \"DE\"%s}",
             folder, folder, folder, more);
    CHECK(eco2_meter_open(options, &meter) == ECO2_OK);
    CHECK(meter != NULL);
    return meter;
}

/* Waits until energy is known; a loaded machine takes its time. */
static inline void wait_known(const eco2_meter *meter) {
    eco2_energy_now now;
    uint64_t until = now_ns() + 10000000000u;
    memset(&now, 0, sizeof now);
    now.struct_size = sizeof now;
    while (eco2_now(meter, &now) != ECO2_OK) {
        CHECK(now_ns() < until);
    }
}

#endif
