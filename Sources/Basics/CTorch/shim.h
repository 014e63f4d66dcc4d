// What the shim's own files share: the meaning of the handles and the guard that turns C++ exceptions into status codes.
#pragma once

#include <ATen/ATen.h>
#include <string>

#include "ctorch.h"

struct ct_tensor_s {
  at::Tensor value;
};

struct ct_generator_s {
  at::Generator value;
};

namespace shim {

inline ct_tensor wrap(at::Tensor t) { return new ct_tensor_s{std::move(t)}; }
inline ct_tensor wrap_optional(const at::Tensor &t) { return t.defined() ? wrap(t) : nullptr; }

// Keeps the first line of `message` as this thread's error.
int32_t failed(const char *message) noexcept;

template <typename Body>
int32_t guarded(Body &&body) noexcept {
  try {
    body();
    return 0;
  } catch (const c10::Error &e) {
    return failed(e.what_without_backtrace());
  } catch (const std::exception &e) {
    return failed(e.what());
  } catch (...) {
    return failed("unknown C++ exception");
  }
}

inline at::Device device(int32_t type, int32_t index) {
  return type == CT_CUDA ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index)) : at::Device(at::kCPU);
}

}  // namespace shim
