// libtorch's own thread pool. Its header-only parallel_for would be serial here, as these files are built without OpenMP.
#pragma once

#include <torch/csrc/stable/c/shim.h>

#include "shim.h"

namespace shim {

// Calls body(begin, end) on shares of 0..<count, none smaller than `grain`.
template <typename Body>
void parallel(int64_t count, int64_t grain, const Body &body) {
  auto trampoline = [](int64_t begin, int64_t end, void *context) { (*static_cast<const Body *>(context))(begin, end); };
  TORCH_CHECK(torch_parallel_for(0, count, grain, trampoline, const_cast<Body *>(&body)) == 0, "the thread pool failed");
}

}  // namespace shim
