// What libtorch does and when: its own profiler, Kineto, whose files chrome://tracing and Perfetto show.
#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "shim.h"

namespace profiler = torch::autograd::profiler;

namespace {

// Standard error goes nowhere while this lives.
class Silence {
 public:
  Silence() : kept(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (kept >= 0 && nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    if (nowhere >= 0) close(nowhere);
  }
  ~Silence() {
    if (kept < 0) return;
    dup2(kept, STDERR_FILENO);
    close(kept);
  }

 private:
  int kept;
};

std::once_flag is_ready;

}  // namespace

int32_t ct_trace_start(void) {
  return shim::guarded([] {
    using torch::profiler::impl::ActivityType;
    // Kineto speaks on standard error of every start and stop; 6 is more than its highest level.
    setenv("KINETO_LOG_LEVEL", "6", 0);
    const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
    std::set<ActivityType> activities{ActivityType::CPU};
    if (at::hasCUDA()) activities.insert(ActivityType::CUDA);
    // Made ready on another thread than the one that loaded libtorch, Kineto prints once that there is an error, which there is not. A Swift
    // program has given that thread back by now. What others print in these few milliseconds is lost.
    std::call_once(is_ready, [&] {
      const Silence silence;
      profiler::prepareProfiler(config, activities);
      profiler::enableProfiler(config, activities, {});
      profiler::disableProfiler();
    });
    profiler::prepareProfiler(config, activities);
    profiler::enableProfiler(config, activities, {at::RecordScope::FUNCTION, at::RecordScope::USER_SCOPE});
  });
}

int32_t ct_trace_stop(const char *path) {
  return shim::guarded([&] {
    const auto result = profiler::disableProfiler();
    if (path != nullptr) result->save(path);
  });
}

struct ct_span_s {
  at::RecordFunction record;
};

ct_span ct_span_start(const char *name) {
  auto callbacks = at::getStepCallbacksUnlessEmpty(at::RecordScope::USER_SCOPE);
  if (!callbacks.has_value()) return nullptr;
  auto span = new ct_span_s{at::RecordFunction(std::move(*callbacks))};
  span->record.before(name);
  return span;
}

void ct_span_end(ct_span span) { delete span; }
