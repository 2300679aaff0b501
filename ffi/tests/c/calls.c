/* One run from open to report, through every call. */
#include <math.h>
#include <signal.h>

#include "check.h"

static int logged;
static int log_destroyed;

static void on_log(void *user_data, int32_t level, const char *text) {
    CHECK(user_data == &logged && text[0] != '\0');
    CHECK(level == ECO2_LOG_WARN || level == ECO2_LOG_ERROR || level == ECO2_LOG_DEBUG);
    logged++;
}

static void on_log_destroyed(void *user_data) {
    CHECK(user_data == &logged);
    log_destroyed++;
}

/* Handlers before and after must be the same: the library installs none. */
static void handlers(struct sigaction *all) {
    memset(all, 0, 65 * sizeof *all); /* some numbers are the C library's own and refused */
    for (int signal = 1; signal < 65; signal++) {
        sigaction(signal, NULL, &all[signal]);
    }
}

static char *report_of(const eco2_meter *meter, int32_t format) {
    size_t needed = 0, again = 0;
    CHECK(eco2_report(meter, format, NULL, 0, &needed) == ECO2_OK && needed > 10);
    needed += 4096;
    char *text = malloc(needed);
    CHECK(text != NULL);
    CHECK(eco2_report(meter, format, text, needed, &again) == ECO2_OK);
    CHECK(strlen(text) + 1 == again);
    return text;
}

static void look_at_device(const eco2_meter *meter) {
    uint32_t count = 0;
    char id[16] = "?";
    size_t needed = 0;
    eco2_device device = {.struct_size = sizeof device};
    CHECK(eco2_device_count(meter, &count) == ECO2_OK && count == 1);
    CHECK(eco2_device_get(meter, 0, &device) == ECO2_OK);
    CHECK(device.struct_size == sizeof device && device.flags == ECO2_DEVICE_SUMMED);
    CHECK(device.component == ECO2_COMPONENT_GPU && device.quality == ECO2_QUALITY_MEASURED);
    CHECK(device.low_uj <= device.energy_uj && device.energy_uj <= device.high_uj);
    CHECK(isnan(device.gain_percent) && device.coverage > 0 && device.coverage <= 1);
    CHECK(eco2_device_text(meter, 0, ECO2_TEXT_ID, id, sizeof id, &needed) == ECO2_OK);
    CHECK(strcmp(id, "GPU-1") == 0 && needed == 6);
    CHECK(eco2_device_text(meter, 0, ECO2_TEXT_SOURCE, id, sizeof id, &needed) == ECO2_OK);
    CHECK(strcmp(id, "steady") == 0);
    FAILS(eco2_device_text(meter, 0, ECO2_TEXT_SOURCE, id, 3, &needed), ECO2_ERR_BUFFER, "buffer");
    CHECK(needed == 7 && strcmp(id, "steady") == 0);
    CHECK(eco2_device_text(meter, 0, ECO2_TEXT_MODEL, id, sizeof id, &needed) == ECO2_OK && id[0] == '\0');
    CHECK(eco2_device_text(meter, 0, ECO2_TEXT_METHOD, id, sizeof id, &needed) == ECO2_OK && needed == 1);
    FAILS(eco2_device_text(meter, 0, 9, id, sizeof id, &needed), ECO2_ERR_ARGUMENT, "which");
}

static void look_at_series(const eco2_meter *meter) {
    enum { ROOM = 4096 };
    static uint64_t lo[ROOM], hi[ROOM], uj[ROOM];
    size_t needed = 0;
    CHECK(eco2_series(meter, "GPU-1", NULL, NULL, NULL, 0, &needed) == ECO2_OK && needed >= 2);
    FAILS(eco2_series(meter, "GPU-1", lo, hi, uj, 1, &needed), ECO2_ERR_BUFFER, "capacity");
    CHECK(eco2_series(meter, "GPU-1", lo, hi, uj, ROOM, &needed) == ECO2_OK);
    for (size_t i = 1; i < needed; i++) {
        CHECK(lo[i] <= hi[i] && hi[i - 1] < hi[i] && uj[i - 1] < uj[i]);
    }
    CHECK(eco2_series(meter, "GPU-2", lo, hi, uj, ROOM, &needed) == ECO2_OK && needed == 0);
}

/* One device: its energy is the total. A new reading between two calls may correct what was extrapolated before it, by
 * more than this allows where the sampling thread gets no CPU for long: then the next try counts. */
static int one_device_is_the_total(const eco2_meter *meter) {
    uint64_t uj[2] = {1, 1}, later = 0, from_ns = 0, to_ns = 0;
    eco2_energy_now now = {.struct_size = sizeof now};
    CHECK(eco2_now_devices(meter, uj, 2, &from_ns) == ECO2_OK);
    CHECK(eco2_now(meter, &now) == ECO2_OK);
    CHECK(eco2_now_devices(meter, &later, 1, &to_ns) == ECO2_OK);
    CHECK(uj[1] == ECO2_UNKNOWN && from_ns <= now.at_ns && now.at_ns <= to_ns);
    return uj[0] <= now.total_uj && now.total_uj <= later && later - uj[0] <= (to_ns - from_ns) / 5000 + 2;
}

static void look_at_now(const eco2_meter *meter) {
    uint64_t at_ns;
    int tries = 0;
    CHECK(eco2_now_devices(meter, NULL, 0, &at_ns) == ECO2_OK);
    while (!one_device_is_the_total(meter)) {
        CHECK(++tries < 1000);
    }
}

/* Until energy has grown; a loaded machine takes its time. */
static void wait_grown(const eco2_meter *meter, const eco2_energy_now *before) {
    eco2_energy_now now = {.struct_size = sizeof now};
    uint64_t until = now_ns() + 10000000000u;
    do {
        CHECK(now_ns() < until);
        CHECK(eco2_now(meter, &now) == ECO2_OK && now.at_ns > before->at_ns);
    } while (now.total_uj <= before->total_uj);
}

/* Two requests in one step, of which one ends, and energy of none. */
static void look_at_requests(const eco2_meter *meter) {
    uint64_t ids[2] = {7, 8}, tokens[2] = {200, 1};
    eco2_request one = {.struct_size = sizeof one}, other = {.struct_size = sizeof other};
    eco2_request_totals all = {.struct_size = sizeof all};
    eco2_energy_now now = {.struct_size = sizeof now};
    CHECK(eco2_request_step(meter, NULL, NULL, 0) == ECO2_OK);
    CHECK(eco2_request_sums(meter, &all) == ECO2_OK && all.idle_uj > 0 && all.energy_uj == 0);
    CHECK(all.p50_uj_per_token == ECO2_UNKNOWN);
    CHECK(eco2_now(meter, &now) == ECO2_OK);
    wait_grown(meter, &now);
    CHECK(eco2_request_step(meter, ids, tokens, 2) == ECO2_OK);
    CHECK(eco2_request_get(meter, 8, &other) == ECO2_OK && other.tokens == 1);
    CHECK(eco2_request_end(meter, 7, &one) == ECO2_OK && one.tokens == 200 && one.flags == ECO2_NOW_COMPLETE);
    FAILS(eco2_request_end(meter, 7, &one), ECO2_ERR_NOT_OPEN, "7 is not open");
    CHECK(eco2_request_sums(meter, &all) == ECO2_OK && all.finished == 1 && all.open == 1 && all.tokens == 201);
    CHECK(all.energy_uj == one.energy_uj + other.energy_uj && all.flags == ECO2_NOW_COMPLETE);
    CHECK(all.p50_uj_per_token != ECO2_UNKNOWN && all.p50_uj_per_token <= all.p95_uj_per_token);
    CHECK(all.energy_uj + all.idle_uj >= now.total_uj);
    CHECK(eco2_now(meter, &now) == ECO2_OK && all.energy_uj + all.idle_uj <= now.total_uj);
}

/* A caller of version 0.1 knows 88 bytes of it: nothing is written behind them. */
static void look_at_an_older_budget(eco2_meter *meter) {
    eco2_budget older = {.struct_size = 88, .low = -1, .quality = -1};
    CHECK(eco2_budget_check(meter, &older) == ECO2_OK && older.struct_size == 88);
    CHECK(older.spent > 0 && older.low == -1 && older.quality == -1);
}

int main(int argc, char **argv) {
    struct sigaction before[65], after[65];
    steady state = {0, 0};
    uint32_t step = 99, other = 99;
    eco2_energy_now first = {.struct_size = sizeof first};
    eco2_work work = {.struct_size = sizeof work, .flags = ECO2_WORK_HAS_LOSS, .samples = 32, .tokens = 640, .loss = 0.5};
    eco2_span_sum sum = {.struct_size = sizeof sum};
    eco2_budget budget = {.struct_size = sizeof budget};
    char json[1024];
    CHECK(argc == 2 && eco2_abi_version() == ECO2_ABI_VERSION);
    CHECK(strcmp(eco2_status_name(ECO2_ERR_FORKED), "ECO2_ERR_FORKED") == 0);
    CHECK(strcmp(eco2_status_name(-1), "unknown status") == 0);
    handlers(before);
    CHECK(eco2_set_log_callback(on_log, &logged, on_log_destroyed) == ECO2_OK);
    steady_register(&state);
    snprintf(json, sizeof json, ", \"json\": \"%s/report.json\", \"budget\": {\"max_energy_kwh\": 1e-9}", argv[1]);
    eco2_meter *meter = open_in(argv[1], json);
    handlers(after);
    for (int signal = 1; signal < 65; signal++) {
        CHECK(before[signal].sa_handler == after[signal].sa_handler);
    }
    CHECK(logged > 0); /* rapl and nvml are missing: the log has messages about them */
    CHECK(eco2_meter_forked(meter) == ECO2_OK);
    FAILS(eco2_meter_rank(meter, &step), ECO2_ERR_NO_DATA, "rank");

    CHECK(eco2_span_id(meter, "step", &step) == ECO2_OK && eco2_span_id(meter, "batch", &other) == ECO2_OK);
    CHECK(step != other);
    CHECK(eco2_declare_sync(meter, step, ECO2_SYNC_SYNCHRONIZE) == ECO2_OK);
    wait_known(meter);
    work_ms(20);
    CHECK(eco2_now(meter, &first) == ECO2_OK && first.flags == ECO2_NOW_COMPLETE);
    for (int i = 0; i < 10; i++) {
        CHECK(eco2_span_begin(meter, step) == ECO2_OK);
        work_ms(5);
        CHECK(eco2_span_end(meter, step) == ECO2_OK);
        CHECK(eco2_step(meter, other) == ECO2_OK);
    }
    CHECK(eco2_start_steps(meter, other) == ECO2_OK); /* discards the open step */
    CHECK(eco2_step_work(meter, other, &work) == ECO2_OK);
    CHECK(eco2_extra(meter, "accuracy", 0.75) == ECO2_OK);
    wait_grown(meter, &first);
    look_at_now(meter);
    look_at_requests(meter);
    look_at_device(meter);
    free(report_of(meter, ECO2_REPORT_TEXT));
    CHECK(eco2_budget_check(meter, &budget) == ECO2_OK);
    CHECK(budget.decision == ECO2_BUDGET_STOP && budget.limits == 1 && budget.share > 1);
    CHECK(budget.low <= budget.spent && budget.spent <= budget.high && budget.held >= 0);
    CHECK(budget.quality == ECO2_QUALITY_MEASURED && budget.quality_percent == 100);
    look_at_an_older_budget(meter);

    CHECK(eco2_meter_close(meter) == ECO2_OK);
    CHECK(state.destroyed == 1 && state.reads > 1);
    CHECK(eco2_span_total(meter, step, &sum) == ECO2_OK);
    CHECK(sum.count == 10 && sum.sync == ECO2_SYNC_SYNCHRONIZE);
    /* On a machine too busy to read the counter in time the sum stays provisional. */
    CHECK(sum.state == ECO2_STATE_FINAL || sum.state == ECO2_STATE_PROVISIONAL);
    CHECK(sum.low_uj <= sum.duration_ns / 10000 && sum.duration_ns / 10000 <= sum.high_uj);
    /* Eleven calls are eleven steps; the first began when the meter opened. */
    CHECK(eco2_span_total(meter, other, &sum) == ECO2_OK && sum.count == 11);
    look_at_device(meter);
    look_at_series(meter);
    char *report = report_of(meter, ECO2_REPORT_JSON);
    CHECK(strstr(report, "\"accuracy\": 0.75") != NULL && strstr(report, "\"tokens\": 640") != NULL);
    free(report);
    free(report_of(meter, ECO2_REPORT_CSV));
    report = report_of(meter, ECO2_REPORT_SPANS_CSV);
    CHECK(strstr(report, "step,10,") != NULL);
    free(report);
    CHECK(eco2_budget_check(meter, &budget) == ECO2_OK && budget.decision == ECO2_BUDGET_STOP);
    eco2_meter_free(meter);
    CHECK(state.destroyed == 1);

    CHECK(eco2_set_log_callback(NULL, NULL, NULL) == ECO2_OK && log_destroyed == 1);
    steady_register(&state);
    eco2_meter_free(open_in(argv[1], "")); /* freed without being closed */
    CHECK(state.destroyed == 2);
    return 0;
}
