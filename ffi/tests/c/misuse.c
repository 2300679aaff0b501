/* Everything that can be wrong with a call is a status and a message that names it. */
#include <math.h>
#include <pthread.h>

#include "check.h"

static void null_arguments(const eco2_meter *meter) {
    eco2_meter *none = NULL;
    eco2_work work = {.struct_size = sizeof work};
    eco2_energy_now now = {.struct_size = sizeof now};
    eco2_span_sum sum = {.struct_size = sizeof sum};
    eco2_device device = {.struct_size = sizeof device};
    eco2_budget budget = {.struct_size = sizeof budget};
    eco2_request request = {.struct_size = sizeof request};
    eco2_request_totals requests = {.struct_size = sizeof requests};
    uint32_t id = 0;
    uint64_t number = 0;
    size_t needed = 0;
    char text[8];
    FAILS(eco2_meter_open(NULL, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_meter_close(none), ECO2_ERR_NULL, "meter");
    eco2_meter_free(none);
    FAILS(eco2_span_id(none, "a", &id), ECO2_ERR_NULL, "meter");
    FAILS(eco2_span_id(meter, NULL, &id), ECO2_ERR_NULL, "name");
    FAILS(eco2_span_id(meter, "a", NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_span_begin(none, 0), ECO2_ERR_NULL, "meter");
    FAILS(eco2_span_end(none, 0), ECO2_ERR_NULL, "meter");
    FAILS(eco2_step(none, 0), ECO2_ERR_NULL, "meter");
    FAILS(eco2_start_steps(none, 0), ECO2_ERR_NULL, "meter");
    FAILS(eco2_step_work(none, 0, &work), ECO2_ERR_NULL, "meter");
    FAILS(eco2_step_work(meter, 0, NULL), ECO2_ERR_NULL, "work");
    FAILS(eco2_extra(none, "a", 1), ECO2_ERR_NULL, "meter");
    FAILS(eco2_extra(meter, NULL, 1), ECO2_ERR_NULL, "name");
    FAILS(eco2_declare_sync(none, 0, 0), ECO2_ERR_NULL, "meter");
    FAILS(eco2_now(none, &now), ECO2_ERR_NULL, "meter");
    FAILS(eco2_now(meter, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_now_devices(none, &number, 1, &number), ECO2_ERR_NULL, "meter");
    FAILS(eco2_now_devices(meter, NULL, 1, &number), ECO2_ERR_NULL, "uj");
    FAILS(eco2_now_devices(meter, &number, 1, NULL), ECO2_ERR_NULL, "at_ns");
    FAILS(eco2_request_step(none, &number, &number, 1), ECO2_ERR_NULL, "meter");
    FAILS(eco2_request_step(meter, NULL, &number, 1), ECO2_ERR_NULL, "ids");
    FAILS(eco2_request_step(meter, &number, NULL, 1), ECO2_ERR_NULL, "tokens");
    FAILS(eco2_request_step(meter, &number, &number, SIZE_MAX), ECO2_ERR_ARGUMENT, "count");
    FAILS(eco2_request_get(none, 1, &request), ECO2_ERR_NULL, "meter");
    FAILS(eco2_request_get(meter, 1, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_request_end(none, 1, &request), ECO2_ERR_NULL, "meter");
    FAILS(eco2_request_end(meter, 1, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_request_sums(none, &requests), ECO2_ERR_NULL, "meter");
    FAILS(eco2_request_sums(meter, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_span_total(none, 0, &sum), ECO2_ERR_NULL, "meter");
    FAILS(eco2_span_total(meter, 0, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_series(none, "a", &number, &number, &number, 1, &needed), ECO2_ERR_NULL, "meter");
    FAILS(eco2_series(meter, NULL, &number, &number, &number, 1, &needed), ECO2_ERR_NULL, "device");
    FAILS(eco2_series(meter, "a", NULL, &number, &number, 1, &needed), ECO2_ERR_NULL, "lo_ns");
    FAILS(eco2_series(meter, "a", &number, NULL, &number, 1, &needed), ECO2_ERR_NULL, "hi_ns");
    FAILS(eco2_series(meter, "a", &number, &number, NULL, 1, &needed), ECO2_ERR_NULL, "uj");
    FAILS(eco2_series(meter, "a", &number, &number, &number, 1, NULL), ECO2_ERR_NULL, "needed");
    FAILS(eco2_device_count(none, &id), ECO2_ERR_NULL, "meter");
    FAILS(eco2_device_count(meter, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_device_get(none, 0, &device), ECO2_ERR_NULL, "meter");
    FAILS(eco2_device_get(meter, 0, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_device_text(meter, 0, 0, NULL, 8, &needed), ECO2_ERR_NULL, "buffer");
    FAILS(eco2_device_text(meter, 0, 0, text, 8, NULL), ECO2_ERR_NULL, "needed");
    FAILS(eco2_report(none, 0, text, 8, &needed), ECO2_ERR_NULL, "meter");
    FAILS(eco2_report(meter, 0, NULL, 8, &needed), ECO2_ERR_NULL, "buffer");
    FAILS(eco2_report(meter, 0, text, 8, NULL), ECO2_ERR_NULL, "needed");
    FAILS(eco2_budget_check(none, &budget), ECO2_ERR_NULL, "meter");
    FAILS(eco2_budget_check(meter, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_register_source(NULL), ECO2_ERR_NULL, "source");
    FAILS(eco2_set_log_callback(NULL, NULL, steady_destroy), ECO2_ERR_NULL, "callback");
    FAILS(eco2_meter_forked(none), ECO2_ERR_NULL, "meter");
    FAILS(eco2_meter_rank(none, &id), ECO2_ERR_NULL, "meter");
    FAILS(eco2_meter_rank(meter, NULL), ECO2_ERR_NULL, "out");
    FAILS(eco2_debug_panic(none), ECO2_ERR_NULL, "meter");
}

static void wrong_sizes(const eco2_meter *meter, uint32_t name) {
    struct {
        eco2_work work;
        uint64_t tail;
    } larger;
    eco2_energy_now now = {.struct_size = 0};
    memset(&larger, 0, sizeof larger);
    for (uint32_t wrong = 0; wrong < sizeof(eco2_work); wrong++) {
        larger.work.struct_size = wrong;
        FAILS(eco2_step_work(meter, name, &larger.work), ECO2_ERR_STRUCT_SIZE, "work: struct_size");
    }
    larger.work.struct_size = sizeof larger;
    CHECK(eco2_step_work(meter, name, &larger.work) == ECO2_OK);
    larger.tail = 1;
    FAILS(eco2_step_work(meter, name, &larger.work), ECO2_ERR_STRUCT_SIZE, "not zero");
    FAILS(eco2_now(meter, &now), ECO2_ERR_STRUCT_SIZE, "out: struct_size");
    now.struct_size = UINT32_MAX;
    FAILS(eco2_now(meter, &now), ECO2_ERR_STRUCT_SIZE, "out: struct_size");
    CHECK(now.total_uj == 0 && now.at_ns == 0);
}

static void wrong_values(const eco2_meter *meter, uint32_t name) {
    uint32_t id = 7;
    size_t needed = 0;
    char text[4];
    char longest[258];
    eco2_work work = {.struct_size = sizeof work, .flags = 2};
    eco2_device device = {.struct_size = sizeof device};
    eco2_span_sum sum = {.struct_size = sizeof sum};
    FAILS(eco2_span_id(meter, "a\xff", &id), ECO2_ERR_UTF8, "name");
    FAILS(eco2_span_id(meter, "", &id), ECO2_ERR_ARGUMENT, "name");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    FAILS(eco2_span_id(meter, longest, &id), ECO2_ERR_ARGUMENT, "257");
    CHECK(id == 7);
    FAILS(eco2_extra(meter, "\xc3", 1), ECO2_ERR_UTF8, "name");
    FAILS(eco2_extra(meter, "a", NAN), ECO2_ERR_ARGUMENT, "value");
    FAILS(eco2_series(meter, "\xff", NULL, NULL, NULL, 0, &needed), ECO2_ERR_UTF8, "device");
    FAILS(eco2_span_begin(meter, 4000000000u), ECO2_ERR_ARGUMENT, "name is 4000000000");
    FAILS(eco2_span_end(meter, 4000000000u), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_step(meter, 4000000000u), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_start_steps(meter, 4000000000u), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_span_total(meter, 4000000000u, &sum), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_span_total(meter, name, &sum), ECO2_ERR_NO_DATA, "ended");
    FAILS(eco2_step_work(meter, name, &work), ECO2_ERR_ARGUMENT, "flags");
    FAILS(eco2_declare_sync(meter, name, 3), ECO2_ERR_ARGUMENT, "sync");
    FAILS(eco2_declare_sync(meter, 4000000000u, 0), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_device_get(meter, 1000, &device), ECO2_ERR_ARGUMENT, "index");
    FAILS(eco2_device_text(meter, 0, 0, text, 4, &needed), ECO2_ERR_ARGUMENT, "index");
    FAILS(eco2_report(meter, -1, text, 4, &needed), ECO2_ERR_ARGUMENT, "format");
    memcpy(text, "abc", 4);
    FAILS(eco2_report(meter, 0, text, 4, &needed), ECO2_ERR_BUFFER, "buffer");
    CHECK(needed > 100 && strcmp(text, "abc") == 0);
}

static void wrong_options(void) {
    eco2_meter *out = (eco2_meter *)&out;
    eco2_meter *untouched = out;
    FAILS(eco2_meter_open("{\"zoen\": \"DE\"}", &out), ECO2_ERR_OPTIONS, "did you mean \"zone\"?");
    FAILS(eco2_meter_open("{\"pue\": 0.5}", &out), ECO2_ERR_OPTIONS, "options_json:1: pue");
    FAILS(eco2_meter_open("{\"zone\": \"Atlantis\"}", &out), ECO2_ERR_OPTIONS, "Atlantis");
    FAILS(eco2_meter_open("{\"sources\": [\"abacus\"]}", &out), ECO2_ERR_OPTIONS, "sources is a list");
    FAILS(eco2_meter_open("{\"labels\": {\"seed\": 1}}", &out), ECO2_ERR_OPTIONS, "labels");
    FAILS(eco2_meter_open("not json", &out), ECO2_ERR_OPTIONS, "not valid JSON");
    FAILS(eco2_meter_open("", &out), ECO2_ERR_OPTIONS, "not valid JSON");
    FAILS(eco2_meter_open("{\"name\": \"\xff\"}", &out), ECO2_ERR_UTF8, "options_json");
    FAILS(eco2_meter_open("{\"json\": \"-\"}", &out), ECO2_ERR_OPTIONS, "does not print");
    CHECK(out == untouched);
}

static void wrong_sources(void) {
    eco2_source_domain domains[2];
    eco2_source good, source;
    memset(domains, 0, sizeof domains);
    memset(&good, 0, sizeof good);
    domains[0].struct_size = domains[1].struct_size = sizeof domains[0];
    domains[0].id = domains[1].id = "a";
    domains[0].domain = domains[1].domain = "board";
    domains[0].base_per_raw = domains[1].base_per_raw = 1;
    good.struct_size = sizeof good;
    good.name = "mine";
    good.read = steady_read;
    good.domains = domains;
    good.domain_count = 1;
    source = good;
    source.struct_size = 3;
    FAILS(eco2_register_source(&source), ECO2_ERR_STRUCT_SIZE, "source");
    source = good;
    source.name = NULL;
    FAILS(eco2_register_source(&source), ECO2_ERR_NULL, "source: name");
    source = good;
    source.read = NULL;
    FAILS(eco2_register_source(&source), ECO2_ERR_NULL, "source: read");
    source = good;
    source.domains = NULL;
    FAILS(eco2_register_source(&source), ECO2_ERR_NULL, "source: domains");
    source = good;
    source.domain_count = 0;
    FAILS(eco2_register_source(&source), ECO2_ERR_ARGUMENT, "domain_count");
    source = good;
    source.domain_count = 2;
    FAILS(eco2_register_source(&source), ECO2_ERR_ARGUMENT, "two domains");
    domains[1].struct_size += 8;
    domains[1].id = "b";
    FAILS(eco2_register_source(&source), ECO2_ERR_ARGUMENT, "differ");
    domains[0].kind = 7;
    FAILS(eco2_register_source(&good), ECO2_ERR_ARGUMENT, "kind");
    domains[0].kind = ECO2_KIND_POWER;
    domains[0].component = -1;
    FAILS(eco2_register_source(&good), ECO2_ERR_ARGUMENT, "component");
    domains[0].component = ECO2_COMPONENT_OTHER;
    domains[0].base_per_raw = NAN;
    FAILS(eco2_register_source(&good), ECO2_ERR_ARGUMENT, "base_per_raw");
    domains[0].base_per_raw = 1;
    domains[0].max_w = -1;
    FAILS(eco2_register_source(&good), ECO2_ERR_ARGUMENT, "max_w");
    domains[0].max_w = 0;
    domains[0].reserved = 1;
    FAILS(eco2_register_source(&good), ECO2_ERR_ARGUMENT, "reserved");
}

static void spans_out_of_order(const eco2_meter *meter, uint32_t name) {
    FAILS(eco2_span_end(meter, name), ECO2_ERR_NOT_OPEN, "not begun");
    CHECK(eco2_span_begin(meter, name) == ECO2_OK);
    CHECK(eco2_span_end(meter, name) == ECO2_OK);
    FAILS(eco2_span_end(meter, name), ECO2_ERR_NOT_OPEN, "has ended");
    int open = 0;
    while (eco2_span_begin(meter, name) == ECO2_OK) {
        CHECK(++open < 1000000);
    }
    FAILS(eco2_span_begin(meter, name), ECO2_ERR_DROPPED, "no room");
    /* The two that were dropped have ends too. */
    FAILS(eco2_span_end(meter, name), ECO2_ERR_NOT_OPEN, "dropped");
    FAILS(eco2_span_end(meter, name), ECO2_ERR_NOT_OPEN, "dropped");
    while (open-- > 0) {
        CHECK(eco2_span_end(meter, name) == ECO2_OK);
    }
    FAILS(eco2_span_end(meter, name), ECO2_ERR_NOT_OPEN, "has ended");
}

typedef struct job {
    eco2_meter *meter;
    uint32_t name;
} job;

static char *report_text(eco2_meter *meter) {
    size_t needed = 0;
    CHECK(eco2_report(meter, ECO2_REPORT_JSON, NULL, 0, &needed) == ECO2_OK);
    char *text = malloc(needed);
    CHECK(text != NULL && eco2_report(meter, ECO2_REPORT_JSON, text, needed, &needed) == ECO2_OK);
    return text;
}

/* Calls whatever there is until the meter is closed under it; returns the report that it reads at once. */
static void *hammer(void *at) {
    const job *given = at;
    int32_t status = ECO2_OK;
    while (status != ECO2_ERR_CLOSED) {
        uint32_t id = 0, count = 0;
        eco2_energy_now now = {.struct_size = sizeof now};
        status = eco2_span_begin(given->meter, given->name);
        int32_t ended = eco2_span_end(given->meter, given->name);
        CHECK(status == ECO2_OK || status == ECO2_ERR_CLOSED || status == ECO2_ERR_DROPPED);
        CHECK(ended == ECO2_OK || ended == ECO2_ERR_CLOSED || ended == ECO2_ERR_NOT_OPEN);
        (void)eco2_now(given->meter, &now);
        (void)eco2_span_id(given->meter, "other", &id);
        CHECK(eco2_device_count(given->meter, &count) == ECO2_OK);
    }
    return report_text(given->meter);
}

static void two_threads(const char *folder) {
    pthread_t threads[3];
    job given = {open_in(folder, ""), 0};
    eco2_span_sum sum = {.struct_size = sizeof sum};
    CHECK(eco2_span_id(given.meter, "shared", &given.name) == ECO2_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, hammer, &given) == 0);
    }
    work_ms(50);
    CHECK(eco2_meter_close(given.meter) == ECO2_OK);
    char *final = report_text(given.meter);
    for (int i = 0; i < 3; i++) {
        void *report = NULL;
        CHECK(pthread_join(threads[i], &report) == 0);
        CHECK(strcmp(report, final) == 0);
        free(report);
    }
    free(final);
    CHECK(eco2_span_total(given.meter, given.name, &sum) == ECO2_OK && sum.count > 0);
    eco2_meter_free(given.meter);
}

static void after_close(eco2_meter *meter, uint32_t name) {
    eco2_work work = {.struct_size = sizeof work};
    eco2_energy_now now = {.struct_size = sizeof now};
    uint32_t id = 0;
    size_t needed = 0;
    CHECK(eco2_meter_close(meter) == ECO2_OK);
    FAILS(eco2_meter_close(meter), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_span_begin(meter, name), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_span_between(meter, name, 0, 0), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_span_end(meter, name), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_step(meter, name), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_start_steps(meter, name), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_step_work(meter, name, &work), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_span_id(meter, "x", &id), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_extra(meter, "x", 1), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_declare_sync(meter, name, 0), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_now(meter, &now), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_now_devices(meter, NULL, 0, &now.at_ns), ECO2_ERR_CLOSED, "closed");
    FAILS(eco2_request_step(meter, NULL, NULL, 0), ECO2_ERR_CLOSED, "closed");
    CHECK(eco2_report(meter, 0, NULL, 0, &needed) == ECO2_OK);
}

int main(int argc, char **argv) {
    uint32_t name = 0;
    steady state = {0, 0};
    eco2_energy_now now = {.struct_size = sizeof now};
    CHECK(argc == 2);
    eco2_meter *meter = open_in(argv[1], ""); /* nothing can be measured */
    CHECK(eco2_now(meter, &now) == ECO2_ERR_NO_DATA);
    CHECK(now.at_ns == 0 && now.total_uj == 0);
    CHECK(eco2_span_id(meter, "step", &name) == ECO2_OK);
    null_arguments(meter);
    wrong_values(meter, name);
    wrong_sizes(meter, name);
    wrong_sources();
    steady_register(&state);
    wrong_options();
    CHECK(state.destroyed == 0); /* it waits for a meter that opens */
    CHECK(eco2_span_end(meter, name) == ECO2_OK); /* the one good step above */
    spans_out_of_order(meter, name);
    after_close(meter, name);
    eco2_meter_free(meter);
    two_threads(argv[1]);
    CHECK(state.destroyed == 1);
    return 0;
}
