/* Plans and zones as JSON: known answers by hand, and every misuse by the name of its argument. */
#include "check.h"

static const char *SERIES =
    "\"series\": {\"schema\": \"eco2.series/1\", \"kind\": \"direct-average-production\", \"points\": ["
    "{\"time\": \"2026-01-01T00:00Z\", \"value\": 300}, {\"time\": \"2026-01-01T01:00Z\", \"value\": 100},"
    "{\"time\": \"2026-01-01T02:00Z\", \"value\": 200}]}";

static char warned[256];

static void hear(void *user_data, int32_t level, const char *text) {
    (void)user_data;
    CHECK(level == ECO2_LOG_WARN);
    snprintf(warned, sizeof warned, "%s", text);
}

/* The answer to a request with that series; the caller frees it. */
static char *planned(const char *keys) {
    char request[1024];
    size_t needed = 0;
    snprintf(request, sizeof request, "{%s, %s}", keys, SERIES);
    CHECK(eco2_plan(request, NULL, 0, &needed) == ECO2_OK && needed > 2);
    char *text = malloc(needed);
    CHECK(text != NULL && eco2_plan(request, text, needed, &needed) == ECO2_OK);
    CHECK(strlen(text) + 1 == needed);
    return text;
}

static double figure(const char *json, const char *key) {
    const char *at = strstr(json, key);
    CHECK(at != NULL);
    return strtod(at + strlen(key), NULL);
}

int main(int argc, char **argv) {
    char small[8] = "?", zone[2048];
    size_t needed = 0;
    CHECK(argc == 2 && argv[1] != NULL);
    CHECK(eco2_set_log_callback(hear, NULL, NULL) == ECO2_OK);

    /* An hour at 100 and half an hour at 200 with 2 kW; at once 300 and half an hour of 100. */
    char *plan = planned("\"duration\": 1.5, \"within\": 3, \"power\": 2000");
    CHECK(figure(plan, "\"grams\": ") == 400 && figure(plan, "\"grams_now\": ") == 700);
    CHECK(strstr(plan, "\"2026-01-01T01:00:00Z\"") != NULL && strstr(plan, "\"2026-01-01T02:30:00Z\"") != NULL);
    CHECK(strstr(plan, "direct-average-production") != NULL && warned[0] == '\0');
    free(plan);
    free(planned("\"duration\": 1, \"within\": 3"));
    CHECK(strstr(warned, "1000 W") != NULL);

    /* Without a series there is no plan: the library invents no curve. */
    FAILS(eco2_plan("{\"duration\": 1, \"within\": 3}", NULL, 0, &needed), ECO2_ERR_ARGUMENT, "series is needed");
    FAILS(eco2_plan("{\"durations\": 1}", NULL, 0, &needed), ECO2_ERR_ARGUMENT, "durations");
    FAILS(eco2_plan("{\"duration\": 1, \"within\": 3, \"series\": \"/none.csv\"}", NULL, 0, &needed), ECO2_ERR_ARGUMENT, "/none.csv");
    FAILS(eco2_plan("{\"series\": \"/none.csv\"}", NULL, 0, &needed), ECO2_ERR_ARGUMENT, "duration and within");
    FAILS(eco2_plan("x", NULL, 0, &needed), ECO2_ERR_ARGUMENT, "request");
    FAILS(eco2_plan(NULL, NULL, 0, &needed), ECO2_ERR_NULL, "request");
    FAILS(eco2_plan("{}", NULL, 4, &needed), ECO2_ERR_NULL, "buffer");
    FAILS(eco2_plan("{}", NULL, 0, NULL), ECO2_ERR_NULL, "needed");

    CHECK(eco2_zone("France", zone, sizeof zone, &needed) == ECO2_OK && strlen(zone) + 1 == needed);
    CHECK(strstr(zone, "\"zone\": \"FR\"") != NULL && figure(zone, "\"g_per_kwh\": ") == 44.18);
    CHECK(figure(zone, "\"nuclear_percent\": ") == 65.29);
    FAILS(eco2_zone("Narnia", zone, sizeof zone, &needed), ECO2_ERR_ARGUMENT, "Narnia");
    FAILS(eco2_zone("", zone, sizeof zone, &needed), ECO2_ERR_ARGUMENT, "name");
    FAILS(eco2_zone("\xff", zone, sizeof zone, &needed), ECO2_ERR_UTF8, "name");
    FAILS(eco2_zone(NULL, zone, sizeof zone, &needed), ECO2_ERR_NULL, "name");
    FAILS(eco2_zone("FR", small, sizeof small, &needed), ECO2_ERR_BUFFER, "buffer");
    CHECK(needed > sizeof small && strcmp(small, "?") == 0);
    return 0;
}
