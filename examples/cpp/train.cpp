// A training loop in C++17 with the energy of every step.
//
//     c++ -std=c++17 train.cpp $(pkg-config --cflags --libs eco2) -o train && ./train
#include <cstdio>
#include <eco2.hpp>

// A stand-in for a training step: arithmetic for about 50 ms.
static double train() {
    volatile double loss = 1.0;
    for (long i = 1; i < 20000000; ++i) loss = loss + 1.0 / static_cast<double>(i) / static_cast<double>(i);
    return loss;
}

int main() {
    auto opened = eco2::Meter::open(R"({"name": "train.cpp", "zone": "DE"})");
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().text.c_str());
        return 1;
    }
    eco2::Meter meter = *std::move(opened);
    const auto step = meter.name("step");
    if (!step) return 1;
    std::uint64_t before_uj = meter.now().value_or({0, 0, false}).total_uj;
    for (int i = 0; i < 5; ++i) {
        double loss = 0;
        {
            const eco2::Span span = meter.span(*step);
            loss = train();
        }
        const auto now = meter.now();
        if (now) {
            std::printf("step %d: loss %.3f, about %.3f J\n", i, loss, static_cast<double>(now->total_uj - before_uj) / 1e6);
            before_uj = now->total_uj;
        } else {
            std::printf("step %d: loss %.3f, energy not known\n", i, loss);
        }
    }
    if (const auto closed = meter.close(); !closed) std::fprintf(stderr, "%s\n", closed.error().text.c_str());
    if (const auto report = meter.report(ECO2_REPORT_TEXT)) std::fputs(report->c_str(), stdout);
}
