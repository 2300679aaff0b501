/* Reports of two processes that read one counter are one energy; what is no report is refused by its place. */
#include "check.h"

static char *report_of(const eco2_meter *meter) {
    size_t needed = 0;
    CHECK(eco2_report(meter, ECO2_REPORT_JSON, NULL, 0, &needed) == ECO2_OK);
    char *text = malloc(needed);
    CHECK(text != NULL && eco2_report(meter, ECO2_REPORT_JSON, text, needed, &needed) == ECO2_OK);
    return text;
}

static char *merged(const char *const *reports, size_t count) {
    size_t needed = 0;
    CHECK(eco2_merge(reports, count, NULL, 0, &needed) == ECO2_OK && needed > 2);
    char *text = malloc(needed);
    CHECK(text != NULL && eco2_merge(reports, count, text, needed, &needed) == ECO2_OK);
    CHECK(strlen(text) + 1 == needed);
    return text;
}

static unsigned long long total_of(const char *report) {
    const char *at = strstr(report, "\"total_uj\":");
    CHECK(at != NULL);
    return strtoull(at + strlen("\"total_uj\":"), NULL, 10);
}

int main(int argc, char **argv) {
    char small[8] = "?";
    size_t needed = 0;
    steady state = {0, 0};
    CHECK(argc == 2);
    steady_register(&state);
    eco2_meter *meter = open_in(argv[1], ", \"run_id\": \"c-merge\"");
    wait_known(meter);
    work_ms(60);
    CHECK(eco2_meter_close(meter) == ECO2_OK);
    char *report = report_of(meter);
    eco2_meter_free(meter);

    const char *twice[] = {report, report};
    char *one = merged(twice, 1), *two = merged(twice, 2);
    CHECK(total_of(report) > 0 && total_of(one) == total_of(report));
    CHECK(strcmp(one, two) == 0);
    const char *again[] = {one, report};
    char *three = merged(again, 2);
    CHECK(strcmp(one, three) == 0);
    CHECK(strstr(one, "c-merge") != NULL);

    const char *broken[] = {report, "{\"schema\": \"eco2.report/1\"}"};
    const char *missing[] = {report, NULL};
    FAILS(eco2_merge(broken, 2, NULL, 0, &needed), ECO2_ERR_ARGUMENT, "reports[1]");
    FAILS(eco2_merge(missing, 2, NULL, 0, &needed), ECO2_ERR_NULL, "reports");
    FAILS(eco2_merge(NULL, 1, NULL, 0, &needed), ECO2_ERR_NULL, "reports");
    FAILS(eco2_merge(twice, 0, NULL, 0, &needed), ECO2_ERR_ARGUMENT, "count");
    FAILS(eco2_merge(twice, 1, NULL, 0, NULL), ECO2_ERR_NULL, "needed");
    FAILS(eco2_merge(twice, 1, NULL, 4, &needed), ECO2_ERR_NULL, "buffer");
    FAILS(eco2_merge(twice, 1, small, sizeof small, &needed), ECO2_ERR_BUFFER, "buffer");
    CHECK(needed == strlen(one) + 1 && strcmp(small, "?") == 0);
    free(report), free(one), free(two), free(three);
    return 0;
}
