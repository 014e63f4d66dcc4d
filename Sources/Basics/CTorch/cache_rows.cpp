// Keys and values of new tokens, put behind those that a cache holds. By libtorch's operators that is three calls for each sequence and
// layer, which take longer than the copy.
#include <cstring>

#include "shim.h"

int32_t ct_put_rows(ct_tensor memory, ct_tensor rows, int64_t first) {
  return shim::guarded([&] {
    const at::Tensor &to = memory->value, &from = rows->value;
    TORCH_CHECK(to.is_cpu() && from.is_cpu() && to.scalar_type() == from.scalar_type(), "takes tensors of one type on the CPU");
    TORCH_CHECK(to.dim() == 3 && from.dim() == 3 && to.is_contiguous() && (from.stride(2) == 1 || from.size(2) == 1),
                "takes contiguous memory, and rows whose numbers lie one after the other");
    int64_t count = from.size(0), groups = to.size(0), capacity = to.size(1), width = to.size(2);
    TORCH_CHECK(from.size(1) == groups && from.size(2) == width && first >= 0 && count <= capacity && first <= capacity - count,
                "shapes do not fit: memory ", to.sizes(), ", rows ", from.sizes(), " from ", first, " on");
    int64_t bytes = static_cast<int64_t>(to.element_size());
    auto *target = static_cast<char *>(to.mutable_data_ptr());
    const auto *source = static_cast<const char *>(from.const_data_ptr());
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t row = 0; row < count; ++row) {
        std::memcpy(target + (group * capacity + first + row) * width * bytes,
                    source + (row * from.stride(0) + group * from.stride(1)) * bytes, width * bytes);
      }
    }
  });
}
