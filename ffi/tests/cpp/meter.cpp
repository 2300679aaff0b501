// The C++ header: results, ownership, scopes. It is included first and twice, so it needs no other header.
#include <eco2.hpp>
#include <eco2.hpp>

#include <thread>
#include <type_traits>

#include "../c/check.h"

using eco2::Meter;
using eco2::Result;
using eco2::Span;

static_assert(std::is_nothrow_move_constructible_v<Meter> && std::is_nothrow_move_assignable_v<Meter>);
static_assert(!std::is_copy_constructible_v<Meter> && !std::is_copy_assignable_v<Meter>);
static_assert(std::is_nothrow_destructible_v<Meter> && std::is_nothrow_destructible_v<Span>);
static_assert(std::is_nothrow_move_constructible_v<Span> && std::is_nothrow_move_assignable_v<Span>);
static_assert(!std::is_copy_constructible_v<Span> && !std::is_copy_assignable_v<Span>);

static std::string options(const std::string &folder) {
    return "{\"sysfs\": \"" + folder + "/none\", \"nvml\": \"" + folder + "/none\", \"estimate\": false, \"log\": \"" +
           folder + "\", \"zone\": \"DE\", \"budget\": {\"max_energy_kwh\": 1000}}";
}

static void failures_are_values() {
    Result<Meter> wrong = Meter::open("{\"zoen\": 1}");
    CHECK(!wrong && wrong.error().code == ECO2_ERR_OPTIONS);
    CHECK(wrong.error().text.find("did you mean \"zone\"") != std::string::npos);
    Result<Meter> cut = Meter::open(std::string("{}\0{", 4));
    CHECK(!cut && cut.error().code == ECO2_ERR_OPTIONS);
}

static void scopes_end_spans(const Meter &meter) {
    const eco2::Name outer = *meter.name("outer"), inner = *meter.name("inner"), batch = *meter.name("batch");
    {
        Span whole = meter.span(outer);
        CHECK(whole.recorded());
        for (int i = 0; i < 5; ++i) {
            Span one = meter.span(inner);
            work_ms(5);
            Span moved = std::move(one);
            Span next = meter.span(inner);
            next = std::move(moved);  // ends the one it held
            CHECK(next.end());
            CHECK(meter.step(batch, {32, 640, 0.5}));
        }
    }
    CHECK(!meter.end(outer) && !meter.end(inner));
    std::thread([&] {
        for (int i = 0; i < 5; ++i) meter.span(inner).end().has_value();
    }).join();
    CHECK(meter.begin(outer) && meter.end(outer) && meter.step(batch) && meter.start_steps(batch));
    CHECK(meter.declare_sync(inner, ECO2_SYNC_EVENT));
    CHECK(meter.extra("accuracy", 0.5) && !meter.extra("accuracy", NAN));
}

static void a_run(const std::string &folder) {
    steady state = {0, 0};
    steady_register(&state);
    Result<Meter> opened = Meter::open(options(folder));
    CHECK(opened.has_value());
    Meter meter = *std::move(opened);
    wait_known(meter.get());
    work_ms(20);
    scopes_end_spans(meter);
    const Result<eco2::Now> now = meter.now();
    CHECK(now && now->complete && now->total_uj > 0);
    const Result<eco2::DevicesNow> parts = meter.now_devices();
    CHECK(parts && parts->uj.size() == 1 && parts->uj.front() > 0u && parts->at_ns >= now->at_ns);
    CHECK(meter.request_step() && meter.request_step({{1, 200}, {2, 1}}) && meter.request(2)->tokens == 1);
    CHECK(meter.request_end(1)->tokens == 200 && !meter.request_end(1));
    const Result<eco2::Requests> requests = meter.requests();
    CHECK(requests && requests->finished == 1 && requests->open == 1 && requests->tokens == 201 && requests->complete);
    CHECK(*requests->energy_uj + *requests->idle_uj >= now->total_uj && requests->p50_uj_per_token);
    CHECK(meter.close() && state.destroyed == 1);
    CHECK(!meter.now_devices());
    CHECK(meter.close().error().code == ECO2_ERR_CLOSED);
    const Result<eco2::Total> inner = meter.total(*Result<eco2::Name>(eco2::Name{1}));
    CHECK(inner && inner->count == 15 && inner->sync == ECO2_SYNC_EVENT && inner->high_uj && inner->energy_uj);
    CHECK(inner->low_uj <= *inner->energy_uj && *inner->energy_uj <= *inner->high_uj && inner->free_low_uj <= inner->low_uj && inner->range_kind != ECO2_RANGE_UNKNOWN && inner->energy_uj);
    const auto devices = meter.devices();
    CHECK(devices && devices->size() == 1 && devices->front().id == "GPU-1" && devices->front().energy_uj > 0u);
    CHECK(devices->front().model.empty() && devices->front().method.empty());
    CHECK(!meter.forked() && !meter.rank());
    CHECK(devices->front().summed && !devices->front().gain_percent);
    const auto series = meter.series("GPU-1");
    CHECK(series && !series->uj.empty() && series->uj.size() == series->lo_ns.size());
    const Result<eco2::Budget> budget = meter.budget();
    CHECK(budget && budget->decision == ECO2_BUDGET_GO && budget->limits == 1 && budget->unit == ECO2_UNIT_MICROJOULES);
    CHECK(budget->low <= budget->spent && budget->spent <= budget->high && *budget->spent < *budget->limit);
    CHECK(budget->quality == ECO2_QUALITY_MEASURED && budget->quality_percent == 100 && budget->finish == budget->spent);
    const std::string json = *meter.report();
    CHECK(json.front() == '{' && json.find("\"eco2.report/1\"") != std::string::npos);
    CHECK(!meter.report(99) && meter.report(99).error().code == ECO2_ERR_ARGUMENT);

    Meter other = std::move(meter);
    CHECK(meter.get() == nullptr && !meter.name("x"));
    meter = std::move(other);
    CHECK(meter.get() != nullptr);
}

static void plans_and_zones_are_texts() {
    const Result<std::string> plan = eco2::plan(
        R"({"duration": 1, "within": 2, "power": 1000, "series": {"schema": "eco2.series/1", "points": [
            {"time": "2026-01-01T00:00Z", "value": 300}, {"time": "2026-01-01T01:00Z", "value": 100}]}})");
    CHECK(plan && plan->find("\"grams\": 100.0") != std::string::npos && plan->back() == '\n');
    CHECK(eco2::plan("{}").error().code == ECO2_ERR_ARGUMENT);
    CHECK(eco2::plan(std::string("{}\0", 3)).error().text.find("NUL") != std::string::npos);
    const Result<std::string> zone = eco2::zone("DE");
    CHECK(zone && zone->find("\"zone\": \"DE\"") != std::string::npos);
    CHECK(eco2::zone("Narnia").error().code == ECO2_ERR_ARGUMENT && !eco2::zone(std::string("DE\0", 3)));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    failures_are_values();
    plans_and_zones_are_texts();
    a_run(argv[1]);
    return 0;
}
