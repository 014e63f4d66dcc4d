// Threads of our own for kernels that take microseconds, as in decoding, where libtorch's wait for one another without end.
#pragma once

#include <cstdint>

namespace shim {

// Calls body(begin, end, context) on shares of 0..<count, none smaller than `grain`, on as many threads as libtorch may use.
void share(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void *), void *context);

// The same for a function object.
template <typename Body>
void share(int64_t count, int64_t grain, const Body &body) {
  share(count, grain, [](int64_t begin, int64_t end, void *context) { (*static_cast<const Body *>(context))(begin, end); },
        const_cast<Body *>(&body));
}

}  // namespace shim
