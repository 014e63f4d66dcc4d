// The matrix product of decoding: a handful of rows against every weight of the model. It is bound by reading the weights, and
// libtorch's bfloat16 kernels for few rows reach half of the memory's speed or less (BENCHMARKS.md), so this one is ours.
#include "threads.h"
#include "shim.h"
#include "vectors.h"

// Marked clones must be plain functions with external linkage.
SHIM_CLONES void ct_dots_1x4(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 4>(x, w, in, out);
}
SHIM_CLONES void ct_dots_4x2(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<4, 2>(x, w, in, out);
}
SHIM_CLONES void ct_dots_2x2(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<2, 2>(x, w, in, out);
}
SHIM_CLONES void ct_dots_1x1(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 1>(x, w, in, out);
}

namespace {

constexpr int64_t outputs_at_once = 4;

// The sums of four rows fit into the registers of AVX-512 alone.
int64_t rows_at_once() {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx512f");
  return wide ? 4 : 2;
#else
  return 2;
#endif
}

struct Product {
  const float *x;
  int64_t rows;
  const uint16_t *w;
  int64_t in, outputs;
  const at::BFloat16 *bias;
  at::BFloat16 *y;

  void store(int64_t row, int64_t n, float sum) const {
    y[row * outputs + n] = at::BFloat16(bias ? sum + static_cast<float>(bias[n]) : sum);
  }

  // Outputs from `begin` up to `end` of all rows. A block of weights stays in the nearest cache while the rows pass over it.
  void compute(int64_t begin, int64_t end) const {
    float sums[8];
    const int64_t tile = rows_at_once();
    int64_t n = begin;
    for (; n + outputs_at_once <= end; n += outputs_at_once) {
      int64_t row = 0;
      for (; row + tile <= rows; row += tile) {
        for (int64_t half = n; half < n + outputs_at_once; half += 2) {
          (tile == 4 ? ct_dots_4x2 : ct_dots_2x2)(x + row * in, w + half * in, in, sums);
          for (int64_t i = 0; i < 2 * tile; ++i) store(row + i / 2, half + i % 2, sums[i]);
        }
      }
      for (; row < rows; ++row) {
        ct_dots_1x4(x + row * in, w + n * in, in, sums);
        for (int64_t i = 0; i < outputs_at_once; ++i) store(row, n + i, sums[i]);
      }
    }
    for (; n < end; ++n) {
      for (int64_t row = 0; row < rows; ++row) {
        ct_dots_1x1(x + row * in, w + n * in, in, sums);
        store(row, n, sums[0]);
      }
    }
  }
};

}  // namespace

int32_t ct_linear_few_rows(ct_tensor x, ct_tensor w, ct_tensor bias, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor &input = x->value, &weight = w->value;
    TORCH_CHECK(input.dim() == 2 && weight.dim() == 2 && input.size(1) == weight.size(1), "mat1 and mat2 shapes cannot be multiplied (",
                input.sizes(), " and ", weight.sizes(), " transposed)");
    for (const at::Tensor &t : {input, weight}) {
      TORCH_CHECK(t.is_cpu() && t.is_contiguous() && t.scalar_type() == at::kBFloat16, "takes contiguous bfloat16 tensors on the CPU");
    }
    int64_t rows = input.size(0), in = input.size(1), out_features = weight.size(0);
    if (bias) {
      TORCH_CHECK(bias->value.is_cpu() && bias->value.is_contiguous() && bias->value.scalar_type() == at::kBFloat16 &&
                      bias->value.numel() == out_features,
                  "takes a contiguous bfloat16 bias of ", out_features, " numbers on the CPU");
    }
    at::Tensor wide = at::empty({rows, in}, input.options().dtype(at::kFloat));
    at::Tensor y = at::empty({rows, out_features}, input.options());
    const auto *narrow = static_cast<const uint16_t *>(input.const_data_ptr());
    for (int64_t row = 0; row < rows; ++row) shim::split_pairs(narrow + row * in, in, wide.mutable_data_ptr<float>() + row * in);
    Product product{static_cast<const float *>(wide.const_data_ptr()), rows, static_cast<const uint16_t *>(weight.const_data_ptr()), in,
                    out_features, bias ? static_cast<const at::BFloat16 *>(bias->value.const_data_ptr()) : nullptr, y.mutable_data_ptr<at::BFloat16>()};
    // Shares are multiples of the block, and none is smaller than what a thread's start costs.
    int64_t blocks = (out_features + outputs_at_once - 1) / outputs_at_once;
    int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, in * rows * outputs_at_once));
    shim::share(blocks, grain, [&](int64_t begin, int64_t end) {
      product.compute(begin * outputs_at_once, std::min(end * outputs_at_once, out_features));
    });
    *out = shim::wrap(std::move(y));
  });
}
