// A small network trained by libtorch on the CPU, with the energy of every step. See CMakeLists.txt for how to build it.
#include <cstdio>
#include <eco2.hpp>
#include <torch/torch.h>

static constexpr int STEPS = 20;
static constexpr int BATCH = 256, TOKENS = 16, VOCABULARY = 512, WIDTH = 128;

// Predicts a token from the ones before it: an embedding and two layers.
struct Model : torch::nn::Module {
    Model() {
        embedding = register_module("embedding", torch::nn::Embedding(VOCABULARY, WIDTH));
        hidden = register_module("hidden", torch::nn::Linear(TOKENS * WIDTH, 2 * WIDTH));
        output = register_module("output", torch::nn::Linear(2 * WIDTH, VOCABULARY));
    }
    torch::Tensor forward(const torch::Tensor &tokens) {
        const torch::Tensor embedded = embedding->forward(tokens).flatten(1);
        return output->forward(torch::relu(hidden->forward(embedded)));
    }
    torch::nn::Embedding embedding{nullptr};
    torch::nn::Linear hidden{nullptr}, output{nullptr};
};

// One step of training; the loss before it.
static double train(Model &model, torch::optim::SGD &optimizer, const torch::Tensor &tokens, const torch::Tensor &next) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model.forward(tokens), next);
    loss.backward();
    optimizer.step();
    return loss.item<double>();
}

// Energy since the last call, extrapolated from the newest readings; the exact sum is in the report.
static void print_step(const eco2::Meter &meter, int step, double loss, std::optional<eco2::Now> &before) {
    const eco2::Result<eco2::Now> now = meter.now();
    if (now && before) {
        // A new reading may correct what was extrapolated before it.
        const auto taken_uj = static_cast<std::int64_t>(now->total_uj) - static_cast<std::int64_t>(before->total_uj);
        std::printf("step %d: loss %.3f, about %.3f J\n", step, loss, static_cast<double>(taken_uj) / 1e6);
    } else {
        std::printf("step %d: loss %.3f, energy not known\n", step, loss);
    }
    if (now) before = *now;
}

int main() {
    auto opened = eco2::Meter::open(R"({"name": "libtorch", "zone": "DE"})");
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().text.c_str());
        return 1;
    }
    eco2::Meter meter = *std::move(opened);
    const auto name = meter.name("step");
    if (!name) return 1;
    // The CPU has done a step's work when the call returns: there is no queue to wait for.
    if (!meter.declare_sync(*name, ECO2_SYNC_SYNCHRONIZE)) return 1;

    torch::manual_seed(1);
    Model model;
    torch::optim::SGD optimizer(model.parameters(), 0.1);
    const torch::Tensor tokens = torch::randint(VOCABULARY, {BATCH, TOKENS}, torch::kLong);
    const torch::Tensor next = tokens.select(1, 0);  // learnable: the first token again
    std::optional<eco2::Now> before;
    if (const auto now = meter.now()) before = *now;
    meter.start_steps(*name);  // loading the model is not a step
    for (int step = 0; step < STEPS; ++step) {
        const double loss = train(model, optimizer, tokens, next);
        if (const auto done = meter.step(*name, {BATCH, BATCH * TOKENS, loss}); !done) {
            std::fprintf(stderr, "%s\n", done.error().text.c_str());
        }
        print_step(meter, step, loss, before);
    }
    if (const auto closed = meter.close(); !closed) std::fprintf(stderr, "%s\n", closed.error().text.c_str());
    if (const auto total = meter.total(*name)) {
        std::printf("%llu steps: %.3f J, at least %.3f J\n", static_cast<unsigned long long>(total->count),
                    static_cast<double>(total->energy_uj.value_or(0)) / 1e6, static_cast<double>(total->low_uj) / 1e6);
    }
    if (const auto report = meter.report(ECO2_REPORT_TEXT)) std::fputs(report->c_str(), stdout);
}
