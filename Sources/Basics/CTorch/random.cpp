// Random number generators whose state can be saved. CUDA is reached through ATen's hooks, so no CUDA symbol is named.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <mutex>

#include "shim.h"

namespace {

at::Generator default_generator(at::Device device) { return at::globalContext().defaultGenerator(device); }

void seed_locked(at::Generator &generator, uint64_t seed) {
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

}  // namespace

int32_t ct_seed(uint64_t seed) {
  return shim::guarded([&] {
    auto cpu = default_generator(at::kCPU);
    seed_locked(cpu, seed);
    for (int32_t i = 0; i < ct_cuda_device_count(); ++i) {
      auto cuda = default_generator(shim::device(CT_CUDA, i));
      seed_locked(cuda, seed);
    }
  });
}

int32_t ct_generator_new(int32_t device_type, int32_t device_index, uint64_t seed, ct_generator *out) {
  return shim::guarded([&] {
    at::Generator made;
    if (device_type == CT_CUDA) {
      at::globalContext().lazyInitDevice(at::kCUDA);
      made = at::detail::getCUDAHooks().getNewGenerator(static_cast<at::DeviceIndex>(device_index));
      made.set_current_seed(seed);
    } else {
      made = at::detail::createCPUGenerator(seed);
    }
    *out = new ct_generator_s{made};
  });
}

int32_t ct_generator_default(int32_t device_type, int32_t device_index, ct_generator *out) {
  return shim::guarded([&] { *out = new ct_generator_s{default_generator(shim::device(device_type, device_index))}; });
}

void ct_generator_free(ct_generator g) { delete g; }

int32_t ct_generator_seed(ct_generator g, uint64_t seed) {
  return shim::guarded([&] { seed_locked(g->value, seed); });
}

int32_t ct_generator_state(ct_generator g, ct_tensor *out) {
  return shim::guarded([&] {
    std::lock_guard<std::mutex> lock(g->value.mutex());
    *out = shim::wrap(g->value.get_state());
  });
}

int32_t ct_generator_set_state(ct_generator g, ct_tensor state) {
  return shim::guarded([&] {
    std::lock_guard<std::mutex> lock(g->value.mutex());
    g->value.set_state(state->value);
  });
}
