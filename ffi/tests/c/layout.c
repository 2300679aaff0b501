/* Sizes and offsets of the structs in C; the header needs no other header and may be included twice. */
#include <eco2.h>
#include <eco2.h>
#include <string.h>

#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)

SIZE(eco2_work, 32);
AT(eco2_work, struct_size, 0);
AT(eco2_work, flags, 4);
AT(eco2_work, samples, 8);
AT(eco2_work, tokens, 16);
AT(eco2_work, loss, 24);

SIZE(eco2_energy_now, 24);
AT(eco2_energy_now, flags, 4);
AT(eco2_energy_now, at_ns, 8);
AT(eco2_energy_now, total_uj, 16);

SIZE(eco2_span_sum, 88);
AT(eco2_span_sum, state, 4);
AT(eco2_span_sum, sync, 8);
AT(eco2_span_sum, reserved, 12);
AT(eco2_span_sum, count, 16);
AT(eco2_span_sum, duration_ns, 24);
AT(eco2_span_sum, energy_uj, 32);
AT(eco2_span_sum, low_uj, 40);
AT(eco2_span_sum, high_uj, 48);
AT(eco2_span_sum, free_low_uj, 56);
AT(eco2_span_sum, free_high_uj, 64);
AT(eco2_span_sum, range_percent, 72);
AT(eco2_span_sum, range_kind, 80);

SIZE(eco2_device, 120);
AT(eco2_device, flags, 4);
AT(eco2_device, component, 8);
AT(eco2_device, quality, 12);
AT(eco2_device, energy_uj, 16);
AT(eco2_device, low_uj, 24);
AT(eco2_device, high_uj, 32);
AT(eco2_device, wraps, 40);
AT(eco2_device, resets, 48);
AT(eco2_device, coverage, 56);
AT(eco2_device, mean_w, 64);
AT(eco2_device, peak_w, 72);
AT(eco2_device, gain_percent, 80);
AT(eco2_device, free_low_uj, 88);
AT(eco2_device, free_high_uj, 96);
AT(eco2_device, range_percent, 104);
AT(eco2_device, range_kind, 112);

SIZE(eco2_budget, 120);
AT(eco2_budget, decision, 4);
AT(eco2_budget, limits, 8);
AT(eco2_budget, share, 16);
AT(eco2_budget, unit, 24);
AT(eco2_budget, spent, 32);
AT(eco2_budget, limit, 40);
AT(eco2_budget, held, 48);
AT(eco2_budget, finish, 56);
AT(eco2_budget, finish_low, 64);
AT(eco2_budget, finish_high, 72);
AT(eco2_budget, finish_p90, 80);
AT(eco2_budget, low, 88);
AT(eco2_budget, high, 96);
AT(eco2_budget, quality_percent, 104);
AT(eco2_budget, quality, 112);

SIZE(eco2_request, 24);
AT(eco2_request, flags, 4);
AT(eco2_request, tokens, 8);
AT(eco2_request, energy_uj, 16);

SIZE(eco2_request_totals, 64);
AT(eco2_request_totals, flags, 4);
AT(eco2_request_totals, finished, 8);
AT(eco2_request_totals, open, 16);
AT(eco2_request_totals, tokens, 24);
AT(eco2_request_totals, energy_uj, 32);
AT(eco2_request_totals, idle_uj, 40);
AT(eco2_request_totals, p50_uj_per_token, 48);
AT(eco2_request_totals, p95_uj_per_token, 56);

SIZE(eco2_powers, 72);
AT(eco2_powers, flags, 4);
AT(eco2_powers, count, 8);
AT(eco2_powers, power_w, 16);
AT(eco2_powers, duration_s, 24);
AT(eco2_powers, g_per_kwh, 32);
AT(eco2_powers, pue, 40);
AT(eco2_powers, kwh, 48);
AT(eco2_powers, kg, 56);
AT(eco2_powers, kg_per_s, 64);

SIZE(eco2_batch, 96);
AT(eco2_batch, kind, 4);
AT(eco2_batch, count, 8);
AT(eco2_batch, amount, 16);
AT(eco2_batch, time_ns, 24);
AT(eco2_batch, g_per_kwh, 32);
AT(eco2_batch, pue, 40);
AT(eco2_batch, price_per_tonne, 48);
AT(eco2_batch, kwh, 56);
AT(eco2_batch, watts, 64);
AT(eco2_batch, grams, 72);
AT(eco2_batch, grams_per_s, 80);
AT(eco2_batch, credit_cost, 88);

SIZE(eco2_source_domain, 72);
AT(eco2_source_domain, component, 4);
AT(eco2_source_domain, kind, 8);
AT(eco2_source_domain, id, 16);
AT(eco2_source_domain, domain, 24);
AT(eco2_source_domain, name, 32);
AT(eco2_source_domain, parent, 40);
AT(eco2_source_domain, base_per_raw, 48);
AT(eco2_source_domain, range, 56);
AT(eco2_source_domain, max_w, 64);

SIZE(eco2_source, 48);
AT(eco2_source, domain_count, 4);
AT(eco2_source, name, 8);
AT(eco2_source, domains, 16);
AT(eco2_source, read, 24);
AT(eco2_source, user_data, 32);
AT(eco2_source, destroy, 40);

int main(void) {
    return strcmp(eco2_version(), ECO2_VERSION) != 0 || eco2_abi_version() != ECO2_ABI_VERSION;
}
