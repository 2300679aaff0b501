/* Cost of the calls from C: every case in turns, in thread CPU time.
 *
 *     bindings ROUNDS     prints one line per case, `name ns ns ...`: nanoseconds per operation, one value per round
 */
#include <eco2.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DOMAINS 8
/* Spans in a round: two events each, which fit the ring of 2048 events without being drained. */
#define CALLS 900
#define MOST_ROUNDS 1001

static const eco2_meter *meter;
static uint32_t span, step;
static uint64_t sums[DOMAINS];

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, eco2_last_error());
    exit(1);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 100 W in steps of 5 ms. */
static int32_t steady(void *user_data, uint32_t domain, uint64_t *value) {
    (void)user_data;
    (void)domain;
    *value = clock_ns(CLOCK_MONOTONIC) / 5000000u * 50000u;
    return ECO2_OK;
}

static int32_t one_clock(void) {
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t);
}

static int32_t two_clocks(void) { return one_clock() | one_clock(); }

static int32_t no_work(void) { return (int32_t)eco2_abi_version() - ECO2_ABI_VERSION; }

static int32_t record_pair(void) { return eco2_span_begin(meter, span) | eco2_span_end(meter, span); }

static int32_t record_step(void) { return eco2_step(meter, step); }

static int32_t now(void) {
    eco2_energy_now total = {.struct_size = sizeof total};
    return eco2_now(meter, &total);
}

/* Adds to every domain's sum what it took between two instants. */
static void add(const uint64_t *from, const uint64_t *to) {
    for (int domain = 0; domain < DOMAINS; domain++) {
        if (from[domain] != ECO2_UNKNOWN && to[domain] != ECO2_UNKNOWN) {
            sums[domain] += to[domain] - from[domain];
        }
    }
}

static int32_t immediate_span(void) {
    uint64_t from[DOMAINS], to[DOMAINS], at_ns;
    int32_t status = eco2_now_devices(meter, from, DOMAINS, &at_ns);
    status |= eco2_now_devices(meter, to, DOMAINS, &at_ns);
    add(from, to);
    return status;
}

static int32_t immediate_step(void) {
    static uint64_t last[DOMAINS];
    uint64_t to[DOMAINS], at_ns;
    int32_t status = eco2_now_devices(meter, to, DOMAINS, &at_ns);
    add(last, to);
    memcpy(last, to, sizeof last);
    return status;
}

typedef struct timed {
    const char *name;
    int32_t (*call)(void);
} timed;

static const timed cases[] = {
    {"clock", one_clock},
    {"clocks", two_clocks},
    {"no_work", no_work},
    {"pair", record_pair},
    {"step", record_step},
    {"now", now},
    {"immediate_span", immediate_span},
    {"immediate_step", immediate_step},
};
enum { COUNT = sizeof cases / sizeof *cases };

static double each_ns(const timed *one) {
    uint32_t devices;
    int32_t status = 0;
    uint64_t from_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < CALLS; i++) {
        status |= one->call();
    }
    uint64_t took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from_ns;
    if (status != 0) {
        fail(one->name);
    }
    /* Drains the rings, as the sampling thread would. */
    eco2_device_count(meter, &devices);
    return (double)took_ns / CALLS;
}

static eco2_meter *open_meter(void) {
    static const char *const ids[DOMAINS] = {"GPU-0", "GPU-1", "GPU-2", "GPU-3", "GPU-4", "GPU-5", "GPU-6", "GPU-7"};
    static eco2_source_domain domains[DOMAINS];
    eco2_source source = {.struct_size = sizeof source, .domain_count = DOMAINS, .name = "steady"};
    eco2_meter *opened = NULL;
    for (int i = 0; i < DOMAINS; i++) {
        domains[i].struct_size = sizeof *domains;
        domains[i].component = ECO2_COMPONENT_GPU;
        domains[i].kind = ECO2_KIND_ENERGY;
        domains[i].id = ids[i];
        domains[i].domain = "board";
        domains[i].base_per_raw = 1e-6;
    }
    source.domains = domains;
    source.read = steady;
    if (eco2_register_source(&source) != ECO2_OK) {
        fail("source");
    }
    /* A source that is never there live, so that only our own is read. */
    if (eco2_meter_open("{\"sources\": [\"replay\"], \"log\": false, \"quiet\": true}", &opened) != ECO2_OK) {
        fail("open");
    }
    return opened;
}

/* Until the counters have moved and the clock is calibrated. */
static void settle(void) {
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    for (int tries = 0; now() != ECO2_OK; tries++) {
        if (tries > 50) {
            fail("now");
        }
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv) {
    static double figures[COUNT][MOST_ROUNDS];
    int rounds = argc == 2 ? atoi(argv[1]) : 0;
    if (rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bindings ROUNDS (1 to %d)\n", MOST_ROUNDS);
        return 2;
    }
    eco2_meter *opened = open_meter();
    meter = opened;
    settle();
    if (eco2_span_id(meter, "span", &span) != ECO2_OK || eco2_span_id(meter, "step", &step) != ECO2_OK) {
        fail("name");
    }
    for (int round = -1; round < rounds; round++) {
        for (int one = 0; one < COUNT; one++) {
            double figure = each_ns(&cases[one]);
            if (round >= 0) {
                figures[one][round] = figure;
            }
        }
    }
    eco2_meter_free(opened);
    for (int one = 0; one < COUNT; one++) {
        fputs(cases[one].name, stdout);
        for (int round = 0; round < rounds; round++) {
            printf(" %.3f", figures[one][round]);
        }
        puts("");
    }
    return sums[0] == UINT64_MAX;
}
