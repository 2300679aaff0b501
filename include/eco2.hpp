// eco2 for C++17: Meter and Span over eco2.h, header-only. A failure is a value: Result<T> holds a T or an Error. Only
// std::string and std::vector throw, when memory runs out; no destructor throws.
#ifndef ECO2_HPP
#define ECO2_HPP

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "eco2.h"

namespace eco2 {

/// The failure of a call.
struct Error {
    /// ECO2_ERR_...
    std::int32_t code;
    /// Message for people: the argument and, where there is one, the remedy.
    std::string text;
};

/// A value, or the error instead of it.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

    /// Whether there is a value.
    bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; check has_value() first.
    T &value() & { return std::get<0>(held_); }
    const T &value() const & { return std::get<0>(held_); }
    T &&value() && { return std::get<0>(std::move(held_)); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T &&operator*() && { return std::move(*this).value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }

    /// The value, or the argument if there is none.
    T value_or(T other) const & { return has_value() ? value() : std::move(other); }

    /// The error; check has_value() first.
    const Error &error() const & { return std::get<1>(held_); }

private:
    std::variant<T, Error> held_;
};

/// Success, or an error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    /// The error; check has_value() first.
    const Error &error() const & { return *error_; }

private:
    std::optional<Error> error_;
};

/// The last error of this thread.
inline Error last_error(std::int32_t code) { return Error{code, eco2_last_error()}; }

/// A status as a result.
inline Result<void> checked(std::int32_t status) {
    if (status == ECO2_OK) return {};
    return last_error(status);
}

/// A text of unknown length from `call(buffer, size, needed)`; it may grow between two calls.
template <typename Call>
Result<std::string> text_of(Call call) {
    std::size_t needed = 0;
    std::int32_t status = call(nullptr, 0, &needed);
    std::string text;
    do {
        if (status != ECO2_OK && status != ECO2_ERR_BUFFER) return last_error(status);
        text.resize(needed + 256);
        status = call(text.data(), text.size(), &needed);
    } while (status != ECO2_OK);
    text.resize(needed - 1);
    return text;
}

/// The plan of when, where and with how many workers to run, as JSON; `request` is a JSON object, as eco2_plan() takes it.
inline Result<std::string> plan(const std::string &request) {
    // The text would end at the NUL, and the rest would not be checked.
    if (request.find('\0') != std::string::npos) return Error{ECO2_ERR_ARGUMENT, "request holds a NUL"};
    return text_of([&](char *buffer, std::size_t size, std::size_t *needed) {
        return eco2_plan(request.c_str(), buffer, size, needed);
    });
}

/// The carbon intensity of a zone, as JSON; see eco2_zone().
inline Result<std::string> zone(const std::string &name) {
    if (name.find('\0') != std::string::npos) return Error{ECO2_ERR_ARGUMENT, "name holds a NUL"};
    return text_of([&](char *buffer, std::size_t size, std::size_t *needed) {
        return eco2_zone(name.c_str(), buffer, size, needed);
    });
}

/// A span name's id, given by Meter::name().
struct Name {
    std::uint32_t id;
};

/// Energy now: always provisional.
struct Now {
    /// Nanoseconds of the monotonic clock.
    std::uint64_t at_ns;
    /// Microjoules since the meter's first readings.
    std::uint64_t total_uj;
    /// Whether every device's part is known.
    bool complete;
};

/// Energy now of every device: always provisional.
struct DevicesNow {
    /// Nanoseconds of the monotonic clock.
    std::uint64_t at_ns;
    /// Microjoules by device, in the order of Meter::devices(); none where it is not known yet.
    std::vector<std::optional<std::uint64_t>> uj;
};

/// Energy of one request, extrapolated as Now.
struct Request {
    /// Tokens computed, of prompt and answer.
    std::uint64_t tokens;
    /// Microjoules; none: nothing is known.
    std::optional<std::uint64_t> energy_uj;
    /// Whether every device's part in every step is known.
    bool complete;
};

/// All requests so far.
struct Requests {
    std::uint64_t finished;
    std::uint64_t open;
    std::uint64_t tokens;
    /// Microjoules of all requests, and of none.
    std::optional<std::uint64_t> energy_uj;
    std::optional<std::uint64_t> idle_uj;
    /// Median and 95 % quantile of the energy per token of ended requests.
    std::optional<std::uint64_t> p50_uj_per_token;
    std::optional<std::uint64_t> p95_uj_per_token;
    /// Whether every device's part in every step is known.
    bool complete;
};

/// Work of one step.
struct Work {
    std::uint64_t samples = 0;
    std::uint64_t tokens = 0;
    std::optional<double> loss = std::nullopt;
};

/// The total of one span name.
struct Total {
    std::uint64_t count;
    std::uint64_t duration_ns;
    /// None: no device was read.
    std::optional<std::uint64_t> energy_uj;
    std::uint64_t low_uj;
    /// None: no upper bound.
    std::optional<std::uint64_t> high_uj;
    /// Whether the values are final.
    bool final;
    /// ECO2_SYNC_...
    std::int32_t sync;
    /// Bounds without any assumption on power; None: no upper bound.
    std::uint64_t free_low_uj;
    std::optional<std::uint64_t> free_high_uj;
    /// Kind of the range from low_uj to high_uj: ECO2_RANGE_..., with its coverage in percent.
    std::int32_t range_kind;
    std::optional<double> range_percent;
};

/// A device's values until now.
struct Device {
    std::string id;
    std::string name;
    std::string domain;
    std::string source;
    /// ECO2_COMPONENT_...
    std::int32_t component;
    /// ECO2_QUALITY_...
    std::int32_t quality;
    /// Whether it is part of the total.
    bool summed;
    std::optional<std::uint64_t> energy_uj;
    std::optional<std::uint64_t> low_uj;
    std::optional<std::uint64_t> high_uj;
    double coverage;
    std::optional<double> mean_w;
    std::optional<double> peak_w;
    std::optional<double> gain_percent;
    /// Bounds without any assumption on power.
    std::optional<std::uint64_t> free_low_uj;
    std::optional<std::uint64_t> free_high_uj;
    /// Kind of the range from low_uj to high_uj: ECO2_RANGE_..., with its coverage in percent.
    std::int32_t range_kind;
    std::optional<double> range_percent;
    /// Model of the hardware; empty where it is not known.
    std::string model{};
    /// How the energy was estimated; empty for a sensor.
    std::string method{};
};

/// The knots (counter changes) of a device: energy `uj[i]` was reached within `[lo_ns[i], hi_ns[i]]` of the run.
struct Series {
    std::vector<std::uint64_t> lo_ns;
    std::vector<std::uint64_t> hi_ns;
    std::vector<std::uint64_t> uj;
};

/// State of the budget.
struct Budget {
    /// ECO2_BUDGET_...
    std::int32_t decision;
    std::uint32_t limits;
    double share;
    /// Unit of the amounts below, ECO2_UNIT_...; they are those of the limit that decides.
    std::int32_t unit{};
    /// None: not known, or there is no limit.
    std::optional<double> spent{};
    std::optional<double> low{};
    /// None: no upper bound.
    std::optional<double> high{};
    std::optional<double> limit{};
    /// Held back for the energy until the next check, and as a reserve.
    std::optional<double> held{};
    /// Forecast of the amount at the end, with its 90 % interval; none without a forecast.
    std::optional<double> finish{};
    std::optional<double> finish_low{};
    std::optional<double> finish_high{};
    std::optional<double> finish_p90{};
    /// The worst quality among the parts of the energy, ECO2_QUALITY_..., and its share in percent.
    std::int32_t quality{ECO2_QUALITY_MISSING};
    std::optional<double> quality_percent{};
};

/// A span of this thread that ends with its scope. Move-only; end it on the thread that began it.
class [[nodiscard]] Span {
public:
    Span(const eco2_meter *meter, Name name) noexcept
        : meter_(meter), name_(name), status_(eco2_span_begin(meter, name.id)) {}
    Span(Span &&other) noexcept : meter_(std::exchange(other.meter_, nullptr)), name_(other.name_), status_(other.status_) {}
    Span &operator=(Span &&other) noexcept {
        if (this != &other) {
            close();
            meter_ = std::exchange(other.meter_, nullptr);
            name_ = other.name_;
            status_ = other.status_;
        }
        return *this;
    }
    Span(const Span &) = delete;
    Span &operator=(const Span &) = delete;
    ~Span() { close(); }

    /// Whether the start of the span was recorded.
    bool recorded() const noexcept { return status_ == ECO2_OK; }

    /// Ends the span before its scope ends.
    Result<void> end() { return checked(close()); }

private:
    std::int32_t close() noexcept {
        const eco2_meter *meter = std::exchange(meter_, nullptr);
        if (meter == nullptr || status_ != ECO2_OK) return status_;
        return eco2_span_end(meter, name_.id);
    }

    const eco2_meter *meter_;
    Name name_;
    std::int32_t status_;
};

/// One measured run. Move-only. Every const member may be called from many threads at once; a Span must not outlive it.
class Meter {
public:
    /// Opens a meter; `options` is a JSON object, as eco2_meter_open() takes it.
    static Result<Meter> open(const std::string &options = "{}") {
        if (eco2_abi_version() != ECO2_ABI_VERSION) {
            return Error{ECO2_ERR_VERSION, std::string("libeco2 ") + eco2_version() + " does not fit the header of " ECO2_VERSION};
        }
        // The text would end at the NUL, and the rest would not be checked.
        if (options.find('\0') != std::string::npos) return Error{ECO2_ERR_OPTIONS, "options hold a NUL"};
        eco2_meter *meter = nullptr;
        const std::int32_t status = eco2_meter_open(options.c_str(), &meter);
        if (status != ECO2_OK) return last_error(status);
        return Meter(meter);
    }

    Meter(Meter &&other) noexcept : meter_(std::exchange(other.meter_, nullptr)) {}
    Meter &operator=(Meter &&other) noexcept {
        if (this != &other) eco2_meter_free(std::exchange(meter_, std::exchange(other.meter_, nullptr)));
        return *this;
    }
    Meter(const Meter &) = delete;
    Meter &operator=(const Meter &) = delete;
    ~Meter() { eco2_meter_free(meter_); }

    /// The handle, for functions that this header does not wrap; the meter still owns it.
    eco2_meter *get() const noexcept { return meter_; }

    /// The id of a span name; keep it.
    Result<Name> name(const std::string &text) const {
        Name name{0};
        const std::int32_t status = eco2_span_id(meter_, text.c_str(), &name.id);
        if (status != ECO2_OK) return last_error(status);
        return name;
    }

    /// A span from now to the end of its scope. Wait-free.
    Span span(Name name) const noexcept { return Span(meter_, name); }
    /// Wait-free; false if it was not recorded.
    bool begin(Name name) const noexcept { return eco2_span_begin(meter_, name.id) == ECO2_OK; }
    /// Wait-free; false if no span of that name is open on this thread.
    bool end(Name name) const noexcept { return eco2_span_end(meter_, name.id) == ECO2_OK; }
    /// Ends a step and begins the next. Ten calls are ten steps: the first began when the meter opened, or where
    /// start_steps() was called (until 0.1 the first call only began one). Wait-free.
    bool step(Name name) const noexcept { return eco2_step(meter_, name.id) == ECO2_OK; }

    /// Starts the steps of a name on this thread: the next one begins here, and an open one is discarded. Wait-free.
    bool start_steps(Name name) const noexcept { return eco2_start_steps(meter_, name.id) == ECO2_OK; }

    /// Ends a step with its work and begins the next.
    Result<void> step(Name name, const Work &done) const {
        eco2_work work{};
        work.struct_size = sizeof work;
        work.samples = done.samples;
        work.tokens = done.tokens;
        if (done.loss) {
            work.flags = ECO2_WORK_HAS_LOSS;
            work.loss = *done.loss;
        }
        return checked(eco2_step_work(meter_, name.id, &work));
    }

    /// Adds a value of the program to the report.
    Result<void> extra(const std::string &text, double value) const {
        return checked(eco2_extra(meter_, text.c_str(), value));
    }

    /// Declares whether a name's spans begin and end with a wait for queued GPU work: ECO2_SYNC_...
    Result<void> declare_sync(Name name, std::int32_t sync) const {
        return checked(eco2_declare_sync(meter_, name.id, sync));
    }

    /// Energy now. Wait-free where it succeeds.
    Result<Now> now() const {
        eco2_energy_now now{};
        now.struct_size = sizeof now;
        const std::int32_t status = eco2_now(meter_, &now);
        if (status != ECO2_OK) return last_error(status);
        return Now{now.at_ns, now.total_uj, (now.flags & ECO2_NOW_COMPLETE) != 0};
    }

    /// Energy now of every device. Allocates; the call into the library is wait-free where it succeeds.
    Result<DevicesNow> now_devices() const {
        std::uint32_t count = 0;
        std::int32_t status = eco2_device_count(meter_, &count);
        if (status != ECO2_OK) return last_error(status);
        std::vector<std::uint64_t> energies(count);
        DevicesNow now{0, {}};
        status = eco2_now_devices(meter_, energies.data(), count, &now.at_ns);
        if (status != ECO2_OK) return last_error(status);
        for (const std::uint64_t uj : energies) now.uj.push_back(known(uj));
        return now;
    }

    /// Ends a step of an inference engine: divides the energy since the last call among requests, by the number of tokens
    /// that the step computed for each id; see eco2_request_step().
    Result<void> request_step(const std::vector<std::pair<std::uint64_t, std::uint64_t>> &tokens_by_id = {}) const {
        std::vector<std::uint64_t> ids, tokens;
        for (const auto &[id, count] : tokens_by_id) {
            ids.push_back(id);
            tokens.push_back(count);
        }
        return checked(eco2_request_step(meter_, ids.data(), tokens.data(), ids.size()));
    }
    /// An open request so far.
    Result<Request> request(std::uint64_t id) const { return request_by(eco2_request_get, id); }
    /// Ends a request.
    Result<Request> request_end(std::uint64_t id) const { return request_by(eco2_request_end, id); }

    /// The sums over all requests so far.
    Result<Requests> requests() const {
        eco2_request_totals all{};
        all.struct_size = sizeof all;
        const std::int32_t status = eco2_request_sums(meter_, &all);
        if (status != ECO2_OK) return last_error(status);
        return Requests{all.finished, all.open, all.tokens, known(all.energy_uj), known(all.idle_uj),
                        known(all.p50_uj_per_token), known(all.p95_uj_per_token), (all.flags & ECO2_NOW_COMPLETE) != 0};
    }

    /// The total of a name's spans that have ended.
    Result<Total> total(Name name) const {
        eco2_span_sum sum{};
        sum.struct_size = sizeof sum;
        const std::int32_t status = eco2_span_total(meter_, name.id, &sum);
        if (status != ECO2_OK) return last_error(status);
        return Total{sum.count, sum.duration_ns, known(sum.energy_uj), sum.low_uj, known(sum.high_uj),
                     sum.state == ECO2_STATE_FINAL, sum.sync, sum.free_low_uj, known(sum.free_high_uj),
                     sum.range_kind, known(sum.range_percent)};
    }

    /// The devices' values until now.
    Result<std::vector<Device>> devices() const {
        std::uint32_t count = 0;
        const std::int32_t status = eco2_device_count(meter_, &count);
        if (status != ECO2_OK) return last_error(status);
        std::vector<Device> devices;
        for (std::uint32_t index = 0; index < count; ++index) {
            Result<Device> next = device(index);
            if (!next) return next.error();
            devices.push_back(*std::move(next));
        }
        return devices;
    }

    /// The counter changes (knots) of a device.
    Result<Series> series(const std::string &id) const {
        std::size_t needed = 0;
        std::int32_t status = eco2_series(meter_, id.c_str(), nullptr, nullptr, nullptr, 0, &needed);
        for (;;) {
            if (status != ECO2_OK && status != ECO2_ERR_BUFFER) return last_error(status);
            // Room for knots that are added between the calls; if there are more, the next round fetches them.
            const std::size_t room = needed + 64;
            Series series{std::vector<std::uint64_t>(room), std::vector<std::uint64_t>(room), std::vector<std::uint64_t>(room)};
            status = eco2_series(meter_, id.c_str(), series.lo_ns.data(), series.hi_ns.data(), series.uj.data(), room, &needed);
            if (status == ECO2_OK) {
                series.lo_ns.resize(needed);
                series.hi_ns.resize(needed);
                series.uj.resize(needed);
                return series;
            }
        }
    }

    /// The report as ECO2_REPORT_...: final once closed.
    Result<std::string> report(std::int32_t format = ECO2_REPORT_JSON) const {
        return text_of([&](char *buffer, std::size_t size, std::size_t *needed) {
            return eco2_report(meter_, format, buffer, size, needed);
        });
    }

    /// Compares the spent amounts with every limit.
    Result<Budget> budget() const {
        eco2_budget budget{};
        budget.struct_size = sizeof budget;
        const std::int32_t status = eco2_budget_check(meter_, &budget);
        if (status != ECO2_OK) return last_error(status);
        return Budget{budget.decision,
                      budget.limits,
                      budget.share,
                      budget.unit,
                      known(budget.spent),
                      known(budget.low),
                      known(budget.high),
                      known(budget.limit),
                      known(budget.held),
                      known(budget.finish),
                      known(budget.finish_low),
                      known(budget.finish_high),
                      known(budget.finish_p90),
                      budget.quality,
                      known(budget.quality_percent)};
    }

    /// Whether this process is a fork of the one that opened the meter; then every call fails.
    bool forked() const noexcept { return eco2_meter_forked(meter_) == ECO2_ERR_FORKED; }

    /// This process's rank among those that a launcher started; none without one.
    std::optional<std::uint32_t> rank() const noexcept {
        std::uint32_t rank = 0;
        if (eco2_meter_rank(meter_, &rank) != ECO2_OK) return std::nullopt;
        return rank;
    }

    /// Ends the run; the meter can still be read. The destructor ends it too, without a wait for the last knots.
    Result<void> close() { return checked(eco2_meter_close(meter_)); }

private:
    explicit Meter(eco2_meter *meter) noexcept : meter_(meter) {}

    static std::optional<std::uint64_t> known(std::uint64_t value) {
        if (value == ECO2_UNKNOWN) return std::nullopt;
        return value;
    }

    static std::optional<double> known(double value) {
        if (std::isnan(value)) return std::nullopt;
        return value;
    }

    Result<Request> request_by(decltype(eco2_request_get) call, std::uint64_t id) const {
        eco2_request found{};
        found.struct_size = sizeof found;
        const std::int32_t status = call(meter_, id, &found);
        if (status != ECO2_OK) return last_error(status);
        return Request{found.tokens, known(found.energy_uj), (found.flags & ECO2_NOW_COMPLETE) != 0};
    }

    Result<Device> device(std::uint32_t index) const {
        eco2_device found{};
        found.struct_size = sizeof found;
        const std::int32_t status = eco2_device_get(meter_, index, &found);
        if (status != ECO2_OK) return last_error(status);
        std::string texts[ECO2_TEXT_METHOD + 1];
        for (std::int32_t which = ECO2_TEXT_ID; which <= ECO2_TEXT_METHOD; ++which) {
            Result<std::string> text = text_of([&](char *buffer, std::size_t size, std::size_t *needed) {
                return eco2_device_text(meter_, index, which, buffer, size, needed);
            });
            if (!text) return text.error();
            texts[which] = *std::move(text);
        }
        return Device{std::move(texts[ECO2_TEXT_ID]),
                      std::move(texts[ECO2_TEXT_NAME]),
                      std::move(texts[ECO2_TEXT_DOMAIN]),
                      std::move(texts[ECO2_TEXT_SOURCE]),
                      found.component,
                      found.quality,
                      (found.flags & ECO2_DEVICE_SUMMED) != 0,
                      known(found.energy_uj),
                      known(found.low_uj),
                      known(found.high_uj),
                      found.coverage,
                      known(found.mean_w),
                      known(found.peak_w),
                      known(found.gain_percent),
                      known(found.free_low_uj),
                      known(found.free_high_uj),
                      found.range_kind,
                      known(found.range_percent),
                      std::move(texts[ECO2_TEXT_MODEL]),
                      std::move(texts[ECO2_TEXT_METHOD])};
    }

    eco2_meter *meter_;
};

}  // namespace eco2

#endif
