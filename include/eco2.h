/* eco2: energy use and emissions of machine-learning training, with an uncertainty range. SPDX: MIT OR Apache-2.0
 *
 * Functions return ECO2_OK (0) or a status code; eco2_last_error() has the reason. They write results to the last
 * parameters, on success only. Several threads may use a meter at once; recording is wait-free. Set struct_size before
 * you pass a struct. The library prints nothing and installs no signal handler, and no measurement error ends the
 * program. In a forked child every call on the parent's meter returns ECO2_ERR_FORKED; the child may open its own. Do not
 * call the library from signal handlers.
 *
 * Meter: one measured run. Device: one measured quantity, such as a CPU package or a GPU board. Span: a named stretch of
 * time on one thread. Step: a span whose end begins the next one. Complete programs are at eco2_meter_open(),
 * eco2_span_begin(), eco2_budget_check(), eco2_plan() and eco2_register_source().
 *
 * Written by scripts/header from the library's source: do not edit. */

#ifndef ECO2_H
#define ECO2_H

#include <stddef.h>
#include <stdint.h>

#define ECO2_VERSION "0.2.0"
#define ECO2_VERSION_MAJOR 0
#define ECO2_VERSION_MINOR 2
#define ECO2_VERSION_PATCH 0

/*
 Success.
 */
#define ECO2_OK 0

/*
 A required argument is NULL.
 */
#define ECO2_ERR_NULL 1

/*
 A text is not UTF-8.
 */
#define ECO2_ERR_UTF8 2

/*
 An argument is out of range, or names something that does not exist.
 */
#define ECO2_ERR_ARGUMENT 3

/*
 The struct_size of a struct is wrong, or fields that this version does not know are not zero.
 */
#define ECO2_ERR_STRUCT_SIZE 4

/*
 The buffer is too small; the size that is needed was stored.
 */
#define ECO2_ERR_BUFFER 5

/*
 An option is wrong: unknown, of a wrong type or out of range.
 */
#define ECO2_ERR_OPTIONS 10

/*
 The meter could not be opened.
 */
#define ECO2_ERR_OPEN 11

/*
 A file could not be written.
 */
#define ECO2_ERR_WRITE 12

/*
 A report could not be rendered.
 */
#define ECO2_ERR_RENDER 13

/*
 The meter is closed.
 */
#define ECO2_ERR_CLOSED 20

/*
 No span of that name is open on this thread.
 */
#define ECO2_ERR_NOT_OPEN 21

/*
 There was no room to record the span; it is counted in the report.
 */
#define ECO2_ERR_DROPPED 22

/*
 Nothing is known yet, or nothing can be measured.
 */
#define ECO2_ERR_NO_DATA 23

/*
 The meter was opened in the process that forked this one; open another.
 */
#define ECO2_ERR_FORKED 30

/*
 A fault inside the library was caught; the meter is dead and can only be freed.
 */
#define ECO2_ERR_PANIC 31

/*
 The library has another version than the header; returned by wrappers.
 */
#define ECO2_ERR_VERSION 40

/*
 Value of an unsigned 64-bit field that is not known, or of an upper bound that does not exist. Never 0.
 */
#define ECO2_UNKNOWN UINT64_MAX

/*
 Level of a log message: an operation failed.
 */
#define ECO2_LOG_ERROR 1

/*
 Level of a log message: something is missing or was ignored.
 */
#define ECO2_LOG_WARN 2

/*
 Level of a log message: a detail, such as a sensor that this machine does not have.
 */
#define ECO2_LOG_DEBUG 4

/*
 Flag of eco2_work: `loss` is given.
 */
#define ECO2_WORK_HAS_LOSS 1

/*
 Spans of a name begin and end without a wait for queued GPU work; the default.
 */
#define ECO2_SYNC_NONE 0

/*
 The host waits for the device when a span begins and ends.
 */
#define ECO2_SYNC_SYNCHRONIZE 1

/*
 The device records itself when a span begins and ends.
 */
#define ECO2_SYNC_EVENT 2

/*
 Flag of eco2_energy_now: every device's part is known.
 */
#define ECO2_NOW_COMPLETE 1

/*
 Values that may still change with a counter's next update.
 */
#define ECO2_STATE_PROVISIONAL 0

/*
 Final values.
 */
#define ECO2_STATE_FINAL 1

/*
 A processor package or a part of one.
 */
#define ECO2_COMPONENT_CPU 0

/*
 Main memory.
 */
#define ECO2_COMPONENT_MEMORY 1

/*
 A GPU board or a part of one.
 */
#define ECO2_COMPONENT_GPU 2

/*
 Anything else.
 */
#define ECO2_COMPONENT_OTHER 3

/*
 Read from an energy counter.
 */
#define ECO2_QUALITY_MEASURED 0

/*
 Integrated from power readings.
 */
#define ECO2_QUALITY_DERIVED 1

/*
 Computed by a model.
 */
#define ECO2_QUALITY_ESTIMATED 2

/*
 Generated, because an option requested it.
 */
#define ECO2_QUALITY_SYNTHETIC 3

/*
 Nothing is known.
 */
#define ECO2_QUALITY_MISSING 4

/*
 Nothing is known, so there is no range.
 */
#define ECO2_RANGE_UNKNOWN 0

/*
 The range contains the true value whatever the load did.
 */
#define ECO2_RANGE_HARD 1

/*
 The range contains the true value with the stated coverage.
 */
#define ECO2_RANGE_PLAUSIBLE 2

/*
 Flag of eco2_device: its energy is part of the total.
 */
#define ECO2_DEVICE_SUMMED 1

/*
 Text of a device: its id, as in the report (`package-0`, `GPU-...`).
 */
#define ECO2_TEXT_ID 0

/*
 Text of a device: its name for people.
 */
#define ECO2_TEXT_NAME 1

/*
 Text of a device: which quantity it is (`package`, `dram`, `board`, ...).
 */
#define ECO2_TEXT_DOMAIN 2

/*
 Text of a device: the source that reads it.
 */
#define ECO2_TEXT_SOURCE 3

/*
 Text of a device: the model of its hardware (`AMD EPYC 7763`); empty where it is not known. Since 0.2.
 */
#define ECO2_TEXT_MODEL 4

/*
 Text of a device: how its energy was estimated; empty for a sensor. Since 0.2.
 */
#define ECO2_TEXT_METHOD 5

/*
 The domain is a counter of energy.
 */
#define ECO2_KIND_ENERGY 0

/*
 The domain is an instantaneous power.
 */
#define ECO2_KIND_POWER 1

/*
 The read failed.
 */
#define ECO2_FAULT_FAILED 101

/*
 Permission was denied.
 */
#define ECO2_FAULT_DENIED 102

/*
 The device does not offer this quantity.
 */
#define ECO2_FAULT_UNSUPPORTED 103

/*
 The device reports that it has no value now.
 */
#define ECO2_FAULT_NOT_AVAILABLE 104

/*
 The device is lost.
 */
#define ECO2_FAULT_LOST 105

/*
 The interface is gone.
 */
#define ECO2_FAULT_GONE 106

/*
 The whole report as JSON, schema eco2.report/1.
 */
#define ECO2_REPORT_JSON 0

/*
 A summary for people.
 */
#define ECO2_REPORT_TEXT 1

/*
 Total and devices as CSV.
 */
#define ECO2_REPORT_CSV 2

/*
 Spans as CSV.
 */
#define ECO2_REPORT_SPANS_CSV 3

/*
 Metrics as OpenMetrics text, names `eco2_...` in base units.
 */
#define ECO2_REPORT_OPENMETRICS 4

/*
 Metrics as OpenMetrics text under the names of HF Eco2AI, `hf_training_...`.
 */
#define ECO2_REPORT_OPENMETRICS_HF 5

/*
 A header and a row of CodeCarbon's emissions.csv.
 */
#define ECO2_REPORT_CODECARBON 6

/*
 The values in the names and units of HF Eco2AI, as JSON.
 */
#define ECO2_REPORT_HF_JSON 7

/*
 Software carbon intensity with all its terms, as JSON.
 */
#define ECO2_REPORT_SCI 8

/*
 The block `co2_eq_emissions` of a Hugging Face model card, in grams, as YAML.
 */
#define ECO2_REPORT_HF 9

/*
 A BoAmps report, as JSON.
 */
#define ECO2_REPORT_BOAMPS 10

/*
 Purchased electricity by method and period, with factors and sources, as CSV.
 */
#define ECO2_REPORT_SCOPE2 11

/*
 The energy values that Annex XI of the EU AI Act names, as JSON.
 */
#define ECO2_REPORT_AI_ACT 12

/*
 A paragraph for the methods section of a paper.
 */
#define ECO2_REPORT_METHODS 13

/*
 A summary to share, without names, hosts, ids, labels, commands and days, as JSON.
 */
#define ECO2_REPORT_SUMMARY 14

/*
 eco2_batch: energies of intervals, microjoules, and their durations.
 */
#define ECO2_BATCH_ENERGIES 0

/*
 eco2_batch: running totals, microjoules, at rising instants; the first is where counting starts.
 */
#define ECO2_BATCH_TOTALS 1

/*
 eco2_batch: mean powers of intervals, microwatts, and their durations.
 */
#define ECO2_BATCH_POWERS 2

/*
 eco2_powers: `duration_s` has one element, for all rows.
 */
#define ECO2_POWERS_ONE_DURATION 1

/*
 eco2_powers: `g_per_kwh` has one element, for all rows.
 */
#define ECO2_POWERS_ONE_INTENSITY 2

/*
 No limit is close, or there is none.
 */
#define ECO2_BUDGET_GO 0

/*
 Most of a limit is spent, or the forecast exceeds it.
 */
#define ECO2_BUDGET_WARN 1

/*
 A limit is spent, or would be by the next steps and the reserve.
 */
#define ECO2_BUDGET_STOP 2

/*
 Between a warning and a stop: wait for an hour with a lower carbon intensity, or for a person to decide. Returned only
 where an option enables it. Since 0.1.
 */
#define ECO2_BUDGET_PAUSE 3

/*
 Unit of a limit: microjoules.
 */
#define ECO2_UNIT_MICROJOULES 0

/*
 Unit of a limit: grams CO2e.
 */
#define ECO2_UNIT_GRAMS 1

/*
 Unit of a limit: money, in the option's currency.
 */
#define ECO2_UNIT_MONEY 2

/*
 Version of the interface that this header describes. A program compares it with eco2_abi_version() at start.
 */
#define ECO2_ABI_VERSION 1

/*
 One measured run. Opaque: only the library knows its contents.
 */
typedef struct eco2_meter eco2_meter;

/*
 Takes one message: what was registered with it, a level (ECO2_LOG_...), a text that ends with NUL and is valid
 during the call. Must not throw and must not call the library.
 */
typedef void (*eco2_log_fn)(void *user_data, int32_t level, const char *text);

/*
 Frees what was registered with a callback; called once, after the callback's last call. Must not throw.
 */
typedef void (*eco2_destroy_fn)(void *user_data);

/*
 Work of one step. Zero the struct, set struct_size, then the fields.
 */
typedef struct eco2_work {
  /*
   sizeof(eco2_work).
   */
  uint32_t struct_size;
  /*
   ECO2_WORK_HAS_LOSS, or 0.
   */
  uint32_t flags;
  /*
   Samples processed.
   */
  uint64_t samples;
  /*
   Tokens processed.
   */
  uint64_t tokens;
  /*
   Loss, if `flags` has ECO2_WORK_HAS_LOSS; a value that is not finite is ignored.
   */
  double loss;
} eco2_work;

/*
 Energy at an instant, extrapolated from the last readings: always provisional. Set struct_size before the call.
 */
typedef struct eco2_energy_now {
  /*
   sizeof(eco2_energy_now).
   */
  uint32_t struct_size;
  /*
   ECO2_NOW_COMPLETE, or 0 where the total lacks a device.
   */
  uint32_t flags;
  /*
   The instant, nanoseconds of the monotonic clock.
   */
  uint64_t at_ns;
  /*
   Microjoules since the meter's first readings, over devices that do not overlap.
   */
  uint64_t total_uj;
} eco2_energy_now;

/*
 The total of one span name. Set struct_size before the call.
 */
typedef struct eco2_span_sum {
  /*
   sizeof(eco2_span_sum).
   */
  uint32_t struct_size;
  /*
   ECO2_STATE_PROVISIONAL or ECO2_STATE_FINAL.
   */
  int32_t state;
  /*
   How start and end were declared: ECO2_SYNC_...
   */
  int32_t sync;
  /*
   0.
   */
  uint32_t reserved;
  /*
   Spans that have ended.
   */
  uint64_t count;
  /*
   Sum of their durations, nanoseconds.
   */
  uint64_t duration_ns;
  /*
   Sum of their energies, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t energy_uj;
  /*
   Lower bound, microjoules.
   */
  uint64_t low_uj;
  /*
   Upper bound, microjoules; ECO2_UNKNOWN: none.
   */
  uint64_t high_uj;
  /*
   Lower bound without any assumption on power, microjoules.
   */
  uint64_t free_low_uj;
  /*
   Upper bound without any assumption on power, microjoules; ECO2_UNKNOWN: none.
   */
  uint64_t free_high_uj;
  /*
   Coverage of the range from low_uj to high_uj, percent; NaN if nothing is known.
   */
  double range_percent;
  /*
   Kind of that range: ECO2_RANGE_...
   */
  int32_t range_kind;
  /*
   0.
   */
  uint32_t reserved2;
} eco2_span_sum;

/*
 A device's values until now. Set struct_size before the call.
 */
typedef struct eco2_device {
  /*
   sizeof(eco2_device).
   */
  uint32_t struct_size;
  /*
   ECO2_DEVICE_SUMMED, or 0 where it overlaps another device.
   */
  uint32_t flags;
  /*
   ECO2_COMPONENT_...
   */
  int32_t component;
  /*
   ECO2_QUALITY_...
   */
  int32_t quality;
  /*
   Microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t energy_uj;
  /*
   Lower bound, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t low_uj;
  /*
   Upper bound, microjoules; ECO2_UNKNOWN: none.
   */
  uint64_t high_uj;
  /*
   Wraps of the counter.
   */
  uint64_t wraps;
  /*
   Resets of the counter.
   */
  uint64_t resets;
  /*
   Share of the run's time that readings cover, 0 to 1.
   */
  double coverage;
  /*
   Mean power, watts; NaN if not known.
   */
  double mean_w;
  /*
   Highest power measured, watts; NaN if not known.
   */
  double peak_w;
  /*
   Declared gain error of the sensor, percent of the reading, not part of the bounds; NaN if not known.
   */
  double gain_percent;
  /*
   Lower bound without any assumption on power, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t free_low_uj;
  /*
   Upper bound without any assumption on power, microjoules; ECO2_UNKNOWN: none.
   */
  uint64_t free_high_uj;
  /*
   Coverage of the range from low_uj to high_uj, percent; NaN if nothing is known.
   */
  double range_percent;
  /*
   Kind of that range: ECO2_RANGE_...
   */
  int32_t range_kind;
  /*
   0.
   */
  uint32_t reserved;
} eco2_device;

/*
 Energy of one request, extrapolated as in eco2_now(). Set struct_size before the call.
 */
typedef struct eco2_request {
  /*
   sizeof(eco2_request).
   */
  uint32_t struct_size;
  /*
   ECO2_NOW_COMPLETE, or 0 where the energy lacks a device or a step.
   */
  uint32_t flags;
  /*
   Tokens computed, of prompt and answer.
   */
  uint64_t tokens;
  /*
   Its share of the steps that it took part in, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t energy_uj;
} eco2_request;

/*
 All requests so far. Set struct_size before the call.
 */
typedef struct eco2_request_totals {
  /*
   sizeof(eco2_request_totals).
   */
  uint32_t struct_size;
  /*
   ECO2_NOW_COMPLETE, or 0 where the energies lack a device or a step.
   */
  uint32_t flags;
  /*
   Requests that have ended.
   */
  uint64_t finished;
  /*
   Requests that are open: their energy is in the sum, and may still grow.
   */
  uint64_t open;
  /*
   Tokens of all requests.
   */
  uint64_t tokens;
  /*
   Energy of all requests, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t energy_uj;
  /*
   Energy between steps, and of steps without tokens, microjoules; ECO2_UNKNOWN if nothing is known.
   */
  uint64_t idle_uj;
  /*
   Median of the energy per token of ended requests, microjoules; ECO2_UNKNOWN before one of known energy has ended.
   */
  uint64_t p50_uj_per_token;
  /*
   Their 95 % quantile, as above.
   */
  uint64_t p95_uj_per_token;
} eco2_request_totals;

/*
 State of the budget. Set struct_size before the call.
 */
typedef struct eco2_budget {
  /*
   sizeof(eco2_budget).
   */
  uint32_t struct_size;
  /*
   ECO2_BUDGET_GO, ECO2_BUDGET_WARN, ECO2_BUDGET_PAUSE or ECO2_BUDGET_STOP: the most severe of all limits.
   */
  int32_t decision;
  /*
   Number of limits.
   */
  uint32_t limits;
  /*
   0.
   */
  uint32_t reserved;
  /*
   Highest share of a limit that is spent; 0 without limits, NaN where no spent amount is known.
   */
  double share;
  /*
   The unit of the limit that decides, in which the amounts below are: ECO2_UNIT_...
   */
  int32_t unit;
  /*
   0.
   */
  uint32_t reserved2;
  /*
   Spent so far; NaN where it is not known (the decision is then a warning), and without limits, as all fields below.
   */
  double spent;
  /*
   The limit.
   */
  double limit;
  /*
   Held back for the energy until the next check, and as a reserve.
   */
  double held;
  /*
   Forecast of the amount at the end of the run; NaN without a forecast, as the next three fields.
   */
  double finish;
  /*
   Lower end of the forecast's 90 % interval.
   */
  double finish_low;
  /*
   Upper end of the forecast's 90 % interval.
   */
  double finish_high;
  /*
   Not exceeded at the end in nine of ten runs.
   */
  double finish_p90;
  /*
   Lower bound of `spent`; NaN where there is none: without limits, and for money, because a price may be negative.
   */
  double low;
  /*
   Upper bound of `spent`; NaN where there is none: the decision is then at least a warning.
   */
  double high;
  /*
   Share of the energy that has the quality below, percent; NaN where nothing is known.
   */
  double quality_percent;
  /*
   The worst quality among the parts of the energy: ECO2_QUALITY_..., ECO2_QUALITY_MISSING where nothing is known.
   */
  int32_t quality;
  /*
   0.
   */
  uint32_t reserved3;
} eco2_budget;

/*
 Columns of intervals, and output columns for their energy and emissions. Zero the struct, set struct_size, then the fields.
 */
typedef struct eco2_batch {
  /*
   sizeof(eco2_batch).
   */
  uint32_t struct_size;
  /*
   Meaning of `amount`: ECO2_BATCH_...
   */
  int32_t kind;
  /*
   Number of rows; each column has as many elements, or is NULL where it may be.
   */
  uint64_t count;
  /*
   Microjoules or microwatts, depending on `kind`.
   */
  const uint64_t *amount;
  /*
   Nanoseconds: durations, or instants for ECO2_BATCH_TOTALS.
   */
  const uint64_t *time_ns;
  /*
   Grams CO2e per kilowatt-hour, 0 to 5000; NaN: not known.
   */
  const double *g_per_kwh;
  /*
   Power usage effectiveness, 1 or more; 0: 1.
   */
  double pue;
  /*
   Price of carbon per tonne; 0: none.
   */
  double price_per_tonne;
  /*
   Kilowatt-hours of each interval, before PUE; NULL: not needed.
   */
  double *kwh;
  /*
   Mean power of each interval, watts, before PUE; NaN without a duration. NULL: not needed.
   */
  double *watts;
  /*
   Grams CO2e of each interval, PUE included; NaN: not known. NULL: not needed.
   */
  double *grams;
  /*
   Grams per second; NaN without a duration. NULL: not needed.
   */
  double *grams_per_s;
  /*
   Price of the grams in the price's currency; NaN without a price. NULL: not needed.
   */
  double *credit_cost;
} eco2_batch;

/*
 Columns of intervals of known mean power, and output columns for their energy and emissions. Zero the struct, set
 struct_size, then the fields.
 */
typedef struct eco2_powers {
  /*
   sizeof(eco2_powers).
   */
  uint32_t struct_size;
  /*
   ECO2_POWERS_... or 0.
   */
  uint32_t flags;
  /*
   Number of rows; each column has as many elements.
   */
  uint64_t count;
  /*
   Mean power, watts: 0 to 1.8e13.
   */
  const double *power_w;
  /*
   Duration, seconds: 0 to 1.8e10. With ECO2_POWERS_ONE_DURATION one element, for all rows.
   */
  const double *duration_s;
  /*
   Carbon intensity, grams CO2e per kilowatt-hour, 0 to 5000; NaN: not known. With ECO2_POWERS_ONE_INTENSITY one
   element, for all rows.
   */
  const double *g_per_kwh;
  /*
   Power usage effectiveness, 1 or more; 0: 1.
   */
  double pue;
  /*
   Kilowatt-hours of each interval, before PUE.
   */
  double *kwh;
  /*
   Kilograms CO2e of each interval, PUE included; NaN: not known.
   */
  double *kg;
  /*
   Kilograms CO2e per second; NaN: not known, or without a duration.
   */
  double *kg_per_s;
} eco2_powers;

/*
 Returns an element of a sequence; NULL: no such element. CPython's `PyList_GetItem` is one.
 */
typedef void *(*eco2_item_fn)(void *sequence, ptrdiff_t index);

/*
 Returns an element's number; -1 may mean that it is not a number. CPython's `PyFloat_AsDouble` is one.
 */
typedef double (*eco2_number_fn)(void *item);

/*
 Called after a -1: not NULL if that was a failure. CPython's `PyErr_Occurred` is one.
 */
typedef void *(*eco2_failed_fn)(void);

/*
 One quantity that a source reads. Zero the struct, set struct_size, then the fields.
 */
typedef struct eco2_source_domain {
  /*
   sizeof(eco2_source_domain).
   */
  uint32_t struct_size;
  /*
   ECO2_COMPONENT_...
   */
  int32_t component;
  /*
   ECO2_KIND_...
   */
  int32_t kind;
  /*
   0.
   */
  uint32_t reserved;
  /*
   Id, 1 to 256 bytes, unique within a run.
   */
  const char *id;
  /*
   Which quantity it is: `package`, `dram`, `board`, ...; 1 to 256 bytes.
   */
  const char *domain;
  /*
   Name for people; NULL: the id.
   */
  const char *name;
  /*
   Id of the domain that contains this one; NULL: none.
   */
  const char *parent;
  /*
   Joules (ECO2_KIND_ENERGY) or watts (ECO2_KIND_POWER) in one raw unit, 1e-15 to 1e12.
   */
  double base_per_raw;
  /*
   Number of raw values before the counter wraps to 0; 0: it does not wrap.
   */
  uint64_t range;
  /*
   Highest power that it can draw, watts; 0: not known.
   */
  double max_w;
} eco2_source_domain;

/*
 Reads one domain (its index in eco2_source.domains) into `*value`, in the domain's raw unit. Returns ECO2_OK or one of
 ECO2_FAULT_...; any other number counts as ECO2_FAULT_FAILED. Must not throw and must not call the library.
 */
typedef int32_t (*eco2_read_fn)(void *user_data, uint32_t domain, uint64_t *value);

/*
 A source that the program implements. Zero the struct, set struct_size, then the fields.
 */
typedef struct eco2_source {
  /*
   sizeof(eco2_source).
   */
  uint32_t struct_size;
  /*
   Number of domains, 1 to 64.
   */
  uint32_t domain_count;
  /*
   Name of the source in reports, 1 to 256 bytes.
   */
  const char *name;
  /*
   The domains, all with the `struct_size` of the first. Copied.
   */
  const struct eco2_source_domain *domains;
  /*
   Reads a domain.
   */
  eco2_read_fn read;
  /*
   Passed to `read` and `destroy`.
   */
  void *user_data;
  /*
   Called once when the source is no longer needed; may be NULL.
   */
  eco2_destroy_fn destroy;
} eco2_source;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The name of a status code, such as "ECO2_ERR_NULL"; "unknown status" for any other number.

 The text is constant. Any thread. Since 0.1.
 */
const char *eco2_status_name(int32_t status);

/*
 The library's version, such as "0.2.0".

 The text is constant. Any thread. Since 0.1.
 */
const char *eco2_version(void);

/*
 The version of the interface that the library implements. If it differs from ECO2_ABI_VERSION, call nothing else.

 Any thread. Since 0.1.
 */
uint32_t eco2_abi_version(void);

/*
 The reason why the last failed call on this thread failed; an empty text if none failed. Never NULL.

 Valid until the next call that fails on this thread, or until the thread ends. Any thread. Since 0.1.
 */
const char *eco2_last_error(void);

/*
 Sets the function that takes the library's log messages; NULL for none, as at the start and in a forked child.

 The callback is called on the thread that opens or closes a meter or plans, before that call returns. It replaces the
 previous one; `destroy`, if not NULL, is called with `user_data` when the callback was replaced and its last call has
 returned. On failure the caller keeps `user_data`. Any thread. Since 0.1.

 # Safety
 `callback` and `destroy` are NULL or functions of that type, fit for `user_data` and for every thread that opens or
 closes meters, or plans.
 */
int32_t eco2_set_log_callback(eco2_log_fn callback,
                              void *user_data,
                              eco2_destroy_fn destroy);

/*
 Opens a meter and starts the run.

 `options_json` is one JSON object with the options' names (`{"name": "bert", "zone": "DE"}`), or NULL. It takes
 precedence over the environment (`ECO2_*`), `./eco2.toml`, the user's and the machine's configuration. Sources that were
 registered with eco2_register_source() go to this meter. Missing hardware is no error: the report and the log name it.
 On success `*out` is a meter that eco2_meter_free() frees. Waits up to 250 ms for the first readings.
 Any thread; no other thread may change the environment meanwhile. Since 0.1.

 ```c
 #include <eco2.h>
 #include <stdio.h>

 int main(void) {
     eco2_meter *meter = NULL;
     uint32_t step;
     static char report[1 << 16];
     size_t needed;
     if (eco2_meter_open("{\"name\": \"train\", \"zone\": \"DE\"}", &meter) != ECO2_OK
         || eco2_span_id(meter, "step", &step) != ECO2_OK) {
         fprintf(stderr, "%s\n", eco2_last_error());
         return 1;
     }
     for (int i = 0; i < 100; i++) {
         eco2_work work = {.struct_size = sizeof work, .samples = 32};
         eco2_step_work(meter, step, &work);
     }
     eco2_meter_close(meter);
     if (eco2_report(meter, ECO2_REPORT_TEXT, report, sizeof report, &needed) == ECO2_OK) {
         fputs(report, stdout);
     }
     eco2_meter_free(meter);
     return 0;
 }
 ```

 # Safety
 `options_json` is NULL or ends with NUL; `out` is NULL or writable.
 */
int32_t eco2_meter_open(const char *options_json,
                        struct eco2_meter **out);

/*
 Ends the run: waits for the counters' next updates (at most 250 ms), completes the log and the report.

 After that the meter can be read (eco2_report(), eco2_span_total(), eco2_device_get(), eco2_series(),
 eco2_budget_check()), and records nothing more. ECO2_ERR_CLOSED if it was closed before. ECO2_ERR_WRITE: it is closed,
 but the file of the option `json` could not be written. Any thread; other threads may go on calling: those that read the
 meter wait until it is closed. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_meter_close(struct eco2_meter *meter);

/*
 Frees a meter. A run that goes on is ended without waiting. NULL: nothing happens.

 In a forked child nothing of the parent's is touched or freed. No other call on this meter may be under way or
 follow. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; no thread uses it any more.
 */
void eco2_meter_free(struct eco2_meter *meter);

/*
 ECO2_ERR_FORKED if this process is a fork of the one that opened the meter, ECO2_OK if not.

 Wait-free. Any thread; in a closed meter, and after a fault in the library, too. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_meter_forked(const struct eco2_meter *meter);

/*
 This process's rank among those that a launcher started (torchrun, mpirun, srun and others), as in the report.

 ECO2_ERR_NO_DATA if no launcher gave it one. Takes no lock. Any thread; in a closed meter too. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or writable.
 */
int32_t eco2_meter_rank(const struct eco2_meter *meter,
                        uint32_t *out);

/*
 Causes a fault inside the library, to test how a program reacts: returns ECO2_ERR_PANIC, and the meter is dead.

 Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_debug_panic(const struct eco2_meter *meter);

/*
 Returns the id of a span name (1 to 256 bytes of UTF-8); the same id for the same text. Keep it for the recording calls.

 Takes a lock. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL; `out` is NULL or writable.
 */
int32_t eco2_span_id(const struct eco2_meter *meter,
                     const char *name,
                     uint32_t *out);

/*
 Begins a span on this thread. Wait-free. Any thread. Since 0.1.

 ```c
 #include <eco2.h>
 #include <stdio.h>

 int main(void) {
     eco2_meter *meter = NULL;
     uint32_t evaluation;
     eco2_span_sum sum = {.struct_size = sizeof sum};
     if (eco2_meter_open(NULL, &meter) != ECO2_OK || eco2_span_id(meter, "evaluation", &evaluation) != ECO2_OK) {
         fprintf(stderr, "%s\n", eco2_last_error());
         return 1;
     }
     eco2_span_begin(meter, evaluation);
     for (volatile int i = 0; i < 10000000; i = i + 1) {
     }
     eco2_span_end(meter, evaluation);
     eco2_meter_close(meter);
     if (eco2_span_total(meter, evaluation, &sum) == ECO2_OK && sum.energy_uj != ECO2_UNKNOWN) {
         printf("%.3f J in %.3f s\n", (double)sum.energy_uj / 1e6, (double)sum.duration_ns / 1e9);
     } else {
         printf("energy not known: %s\n", eco2_last_error());
     }
     eco2_meter_free(meter);
     return 0;
 }
 ```

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_span_begin(const struct eco2_meter *meter,
                        uint32_t name);

/*
 Ends this thread's nearest open span of that name. ECO2_ERR_NOT_OPEN if there is none. Wait-free. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_span_end(const struct eco2_meter *meter, uint32_t name);

/*
 Ends this thread's step and begins the next at one instant. A loop of ten calls is ten steps: the first began when the
 meter opened, or where eco2_start_steps() was called. After an explicit eco2_span_end() of that name the next call only
 begins. Until 0.1 the first call only began a step, so that ten calls were nine steps. Wait-free. Since 0.1.

 Steps are counted on each thread. The run's own steps, which budgets, forecasts and the report's work count, are those
 of the name in the option `step_name`: by default `step`, and without spans of that name the first that is stepped.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_step(const struct eco2_meter *meter,
                  uint32_t name);

/*
 Starts the steps of that name on this thread: the next one begins here. For set-up before the first step, and for pauses
 between steps; an open step is discarded and does not count. Wait-free. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_start_steps(const struct eco2_meter *meter,
                         uint32_t name);

/*
 eco2_step() with the work of the ended step: its samples and tokens. A loss takes a lock. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `work` is NULL or as long as its `struct_size`.
 */
int32_t eco2_step_work(const struct eco2_meter *meter, uint32_t name, const struct eco2_work *work);

/*
 Records a span by its start and end, nanoseconds of the monotonic clock (as in eco2_energy_now), soon after it ended.

 For times that a device records (ECO2_SYNC_EVENT) and the host reads later. ECO2_ERR_ARGUMENT: `end_ns` is before `begin_ns`
 or in the future, or `begin_ns` is before the run or too long ago (5 s at 100 readings per second).
 ECO2_ERR_CLOSED: the run has ended, nothing is recorded. Takes a lock. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_span_between(const struct eco2_meter *meter,
                          uint32_t name,
                          uint64_t begin_ns,
                          uint64_t end_ns);

/*
 Adds a value of the program to the report; the last value of a name counts. Takes a lock. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL.
 */
int32_t eco2_extra(const struct eco2_meter *meter,
                   const char *name,
                   double value);

/*
 Declares whether a name's spans begin and end with a wait for queued GPU work (ECO2_SYNC_...). Takes a lock. Any thread.
 Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed.
 */
int32_t eco2_declare_sync(const struct eco2_meter *meter,
                          uint32_t name,
                          int32_t sync);

/*
 Energy now. ECO2_ERR_NO_DATA before the first reading, or where nothing can be read.

 Wait-free. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_now(const struct eco2_meter *meter, struct eco2_energy_now *out);

/*
 Energy now by device: `uj[i]` microjoules of device `i` (as for eco2_device_get()) since its first reading, or
 ECO2_UNKNOWN where there is no such device or its energy is not known. Extrapolated, as in eco2_now().

 Writes `count` elements, and to `*at_ns` the instant, nanoseconds of the monotonic clock. The difference of two
 calls is each device's energy between them, known at once and provisional. ECO2_ERR_NO_DATA as for eco2_now(); the
 elements are then undefined.
 Wait-free. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `uj` is writable for `count` elements; `at_ns` is NULL or writable.
 */
int32_t eco2_now_devices(const struct eco2_meter *meter,
                         uint64_t *uj,
                         size_t count,
                         uint64_t *at_ns);

/*
 The total of a name's spans that have ended. ECO2_ERR_NO_DATA if none has. In a closed meter too.

 Takes a lock and allocates. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_span_total(const struct eco2_meter *meter, uint32_t name, struct eco2_span_sum *out);

/*
 The counter changes (knots) of a device: its energy reached `uj[i]` microjoules (since its first reading) no earlier than `lo_ns[i]`
 and no later than `hi_ns[i]` (nanoseconds since the start of the run). Thinned in long runs. In a closed meter too.

 `*needed` is always set to the number of knots. ECO2_ERR_BUFFER: `capacity` is less, nothing else was written. With
 capacity 0 the arrays may be NULL and only `*needed` is set. Takes a lock. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `device` is NULL or ends with NUL; the arrays are writable for `capacity`
 elements; `needed` is NULL or writable.
 */
int32_t eco2_series(const struct eco2_meter *meter,
                    const char *device,
                    uint64_t *lo_ns,
                    uint64_t *hi_ns,
                    uint64_t *uj,
                    size_t capacity,
                    size_t *needed);

/*
 The number of devices. Indices keep their meaning; devices may be added while the run goes on (hot-plug).

 Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or writable.
 */
int32_t eco2_device_count(const struct eco2_meter *meter, uint32_t *out);

/*
 The values of a device, by its index below eco2_device_count().

 Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_device_get(const struct eco2_meter *meter, uint32_t index, struct eco2_device *out);

/*
 A text of a device (ECO2_TEXT_...), by its index below eco2_device_count(). Sizes as for eco2_report().

 Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
 */
int32_t eco2_device_text(const struct eco2_meter *meter,
                         uint32_t index,
                         int32_t which,
                         char *buffer,
                         size_t size,
                         size_t *needed);

/*
 Ends a step of an inference engine: divides the energy since the last call among requests, in proportion to the tokens
 that the step computed for each: `tokens[i]` of request `ids[i]`, a number of your choice.

 Requests that run at the same time share the device, so this and not a span per request is their energy. A request is
 open from its first step to eco2_request_end(). With `count` 0 (the arrays may be NULL), or without any token, the energy
 is idle: call it so before a step after a pause. The first call divides the energy since the meter opened. The
 requests and the idle energy add up to eco2_now() at the last call exactly. One engine per meter.

 Takes a lock and allocates. Any thread. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed; the arrays are readable for `count` elements.
 */
int32_t eco2_request_step(const struct eco2_meter *meter,
                          const uint64_t *ids,
                          const uint64_t *tokens,
                          size_t count);

/*
 An open request so far. ECO2_ERR_NOT_OPEN: it was in no step, or has ended. Takes a lock. Any thread. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_request_get(const struct eco2_meter *meter,
                         uint64_t id,
                         struct eco2_request *out);

/*
 Ends a request; its energy does not change any more. ECO2_ERR_NOT_OPEN as for eco2_request_get(). Takes a lock. Any
 thread. Since 0.2.

 # Safety
 As for eco2_request_get().
 */
int32_t eco2_request_end(const struct eco2_meter *meter,
                         uint64_t id,
                         struct eco2_request *out);

/*
 The sums over all requests so far. In a closed meter too. Takes a lock. Any thread. Since 0.2.

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_request_sums(const struct eco2_meter *meter, struct eco2_request_totals *out);

/*
 The report as text (ECO2_REPORT_...): final once the meter is closed, provisional before.

 `*needed` is set to the size of the text, its NUL included, also where the buffer is too small (ECO2_ERR_BUFFER, and
 nothing else was written). With size 0 the buffer may be NULL and only `*needed` is set; the report of a live meter
 may have grown by the next call. Takes a lock and allocates. Any thread. Since 0.1.

 # Safety
 `meter` is NULL or was opened and not freed; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
 */
int32_t eco2_report(const struct eco2_meter *meter,
                    int32_t format,
                    char *buffer,
                    size_t size,
                    size_t *needed);

/*
 Merges JSON reports (schema eco2.report/1) of one run into one, as JSON. Every counter counts once, however many
 processes read it.

 `reports` are `count` texts, in any order; merged ones may be among them, and one may be there twice. `*needed` is set
 to the size of the result, its NUL included, also where the buffer is too small (ECO2_ERR_BUFFER, and nothing else was
 written). With size 0 the buffer may be NULL and only `*needed` is set. A text that is no report is ECO2_ERR_ARGUMENT,
 and the message names its place. Needs no meter; allocates. Any thread. Since 0.1.

 # Safety
 `reports` is NULL or has `count` texts that end with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or
 writable.
 */
int32_t eco2_merge(const char *const *reports,
                   size_t count,
                   char *buffer,
                   size_t size,
                   size_t *needed);

/*
 Compares the spent amount with every limit of the options (`budget.max_energy_kwh`, `max_co2_kg`, `max_cost`), and the
 forecast for the end where the run's length is known (`budget.total_steps` or `total_hours`).

 Nothing is stopped: the program decides. Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.

 ```c
 #include <eco2.h>
 #include <stdio.h>

 int main(void) {
     eco2_meter *meter = NULL;
     uint32_t step;
     if (eco2_meter_open("{\"budget\": {\"max_energy_kwh\": 5, \"total_steps\": 1000}}", &meter) != ECO2_OK
         || eco2_span_id(meter, "step", &step) != ECO2_OK) {
         fprintf(stderr, "%s\n", eco2_last_error());
         return 1;
     }
     for (int i = 0; i < 1000; i++) {
         eco2_step(meter, step);
         if (i % 100 == 99) {
             eco2_budget budget = {.struct_size = sizeof budget};
             if (eco2_budget_check(meter, &budget) == ECO2_OK && budget.decision == ECO2_BUDGET_STOP) {
                 printf("stopped: %.0f of %.0f are spent\n", budget.spent, budget.limit);
                 break;
             }
         }
     }
     eco2_meter_close(meter);
     printf("done\n");
     eco2_meter_free(meter);
     return 0;
 }
 ```

 # Safety
 `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
 */
int32_t eco2_budget_check(const struct eco2_meter *meter,
                          struct eco2_budget *out);

/*
 Energy and emissions of many intervals at once. A row that is out of range fails the call, and so does a total or an
 instant of ECO2_BATCH_TOTALS that is less than the one before; nothing is written then.

 Needs no meter, takes no lock, allocates nothing. Any thread. Since 0.1.

 # Safety
 `batch` is NULL or as long as its `struct_size`; its columns that are not NULL have `count` elements, the last five writable.
 Every column is aligned to 8 bytes; no column overlaps another.
 */
int32_t eco2_batch_impact(const struct eco2_batch *batch);

/*
 Energy and emissions of many intervals of known mean power, in one pass over the caller's columns.

 Sets `*unknown` to the number of rows with a NaN in a result. A row that is out of range fails the call with
 ECO2_ERR_ARGUMENT, naming the row; the output columns are then undefined. Needs no meter, takes no lock,
 allocates nothing. Any thread. Since 0.2.

 # Safety
 `batch` is NULL or as long as its `struct_size`; its columns have `count` elements (or one, with the flag for that
 column), the last three writable. Every column is aligned to 8 bytes; no output column overlaps another column. `unknown` is NULL or writable.
 */
int32_t eco2_batch_powers(const struct eco2_powers *batch,
                          uint64_t *unknown);

/*
 Fills a column with the numbers of a sequence of another language, through that language's own functions.

 Stops with ECO2_ERR_ARGUMENT at the first element that is missing or not a number, and names its row; elements before it are
 written. Calls nothing else, takes no lock, allocates nothing. The caller holds the locks that the functions need. Since 0.2.

 # Safety
 The functions are fit for `sequence` and its elements; `out` is NULL or writable for `count` elements.
 */
int32_t eco2_column_fill(void *sequence,
                         eco2_item_fn item,
                         eco2_number_fn number,
                         eco2_failed_fn failed,
                         double *out,
                         uint64_t count);

/*
 Plans when, where and with how many workers to run, as `eco2 plan --json` does: the same keys, from the same calculation.

 `request` is a JSON object with the command's flags as keys, `-` written as `_`: "series" (a file's path, or an object
 of schema eco2.series/1), "duration" and "within" in hours, "start", "zone", "interruptible", "power" in watts, "pue",
 "profile", "whole_slots", "start_cost", "switch_cost", "rank", "transfer", "jobs", "machines". Without a series there is
 no plan: the library never invents a curve. `*needed` is set to the size of the answer, its NUL included, also where the buffer is too
 small (ECO2_ERR_BUFFER, and nothing else was written). With size 0 the buffer may be NULL and only `*needed` is set. A
 request or file that cannot be used is ECO2_ERR_ARGUMENT, and the message names the place and the remedy. Assumptions
 (without "power": 1000 W) go to the log callback when an answer is written. Needs no meter; reads the files that the
 request names; uses no network; allocates. Any thread. Since 0.1.

 ```c
 #include <eco2.h>
 #include <stdio.h>

 int main(void) {
     static char plan[1 << 14];
     size_t needed;
     const char *request =
         "{\"duration\": 1, \"within\": 2, \"power\": 2000, \"series\": {\"schema\": \"eco2.series/1\", \"points\": ["
         "{\"time\": \"2026-01-01T00:00Z\", \"value\": 300}, {\"time\": \"2026-01-01T01:00Z\", \"value\": 100}]}}";
     if (eco2_plan(request, plan, sizeof plan, &needed) != ECO2_OK) {
         fprintf(stderr, "%s\n", eco2_last_error());
         return 1;
     }
     fputs(plan, stdout);
     return 0;
 }
 ```

 # Safety
 `request` is NULL or ends with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
 */
int32_t eco2_plan(const char *request,
                  char *buffer,
                  size_t size,
                  size_t *needed);

/*
 The carbon intensity of a zone from the yearly table, as `eco2 grid ZONE --json` prints it: "zone", "name",
 "g_per_kwh", "kind", "year", "source", "licence", "note", "mix", "cloud"; unknown values are null.

 `name` is a code, a name or an alias: "DE", "Germany", "US-CA", "aws:us-east-1". An unknown name is
 ECO2_ERR_ARGUMENT, and the message has the nearest ones; no other zone's value is used instead. Buffer and `needed` as for
 eco2_plan(). Needs no meter, reads no file, uses no network; allocates. Any thread. Since 0.1.

 # Safety
 `name` is NULL or ends with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
 */
int32_t eco2_zone(const char *name,
                  char *buffer,
                  size_t size,
                  size_t *needed);

/*
 Registers a source that the program implements. The next meter that this process opens takes it over.

 `read` is called on that meter's sampling thread only, several times a second, with no lock held; it must return
 soon. `destroy`, if not NULL, is called once, on any thread, after the last read and before closing or freeing the
 meter returns (unless `read` does not return). If opening fails the source waits for the next meter. On failure of this
 call the caller keeps `user_data`. Any thread. Since 0.1.

 ```c
 #include <eco2.h>
 #include <stdio.h>
 #include <time.h>

 static int32_t read_energy(void *user_data, uint32_t domain, uint64_t *value) {
     (void)user_data;
     if (domain != 0) {
         return ECO2_FAULT_NOT_AVAILABLE;
     }
     struct timespec now;
     timespec_get(&now, TIME_UTC);
     *value = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) * 40;
     return ECO2_OK;
 }

 int main(void) {
     eco2_source_domain domain = {.struct_size = sizeof domain, .component = ECO2_COMPONENT_OTHER,
                                  .kind = ECO2_KIND_ENERGY, .id = "mains-0", .domain = "mains",
                                  .base_per_raw = 1e-3};
     eco2_source source = {.struct_size = sizeof source, .domain_count = 1, .name = "mains",
                           .domains = &domain, .read = read_energy};
     eco2_meter *meter = NULL;
     if (eco2_register_source(&source) != ECO2_OK || eco2_meter_open(NULL, &meter) != ECO2_OK) {
         fprintf(stderr, "%s\n", eco2_last_error());
         return 1;
     }
     uint32_t count;
     if (eco2_device_count(meter, &count) == ECO2_OK) {
         printf("%u devices\n", (unsigned)count);
     }
     eco2_meter_free(meter);
     return 0;
 }
 ```

 # Safety
 `source` is NULL or as long as its `struct_size`, and so are its domains; its texts end with NUL; its functions are fit for
 `user_data` and for the sampling thread.
 */
int32_t eco2_register_source(const struct eco2_source *source);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ECO2_H */
