// The matrix product of decoding: a handful of rows against every weight of the model. It is bound by reading the weights, and
// libtorch's bfloat16 kernels for few rows reach half of the memory's speed or less (BENCHMARKS.md), so this one is ours.
#include <torch/csrc/stable/c/shim.h>

#include "shim.h"

#if defined(__x86_64__) && defined(__linux__)
#define CT_CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define CT_CLONES
#endif

namespace {

constexpr int64_t outputs_at_once = 4;
constexpr int64_t rows_at_once = 4;

inline float widen(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace

// One row of x against four rows of w. Marked clones must be plain functions with external linkage.
CT_CLONES void ct_dots_1x4(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp reassociate(on) contract(fast)
  const uint16_t *w0 = w, *w1 = w + in, *w2 = w + 2 * in, *w3 = w + 3 * in;
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t k = 0; k < in; ++k) {
    s0 += x[k] * widen(w0[k]);
    s1 += x[k] * widen(w1[k]);
    s2 += x[k] * widen(w2[k]);
    s3 += x[k] * widen(w3[k]);
  }
  out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

// Four rows of x, `in` apart, against one row of w.
CT_CLONES void ct_dots_4x1(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp reassociate(on) contract(fast)
  const float *x0 = x, *x1 = x + in, *x2 = x + 2 * in, *x3 = x + 3 * in;
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t k = 0; k < in; ++k) {
    float v = widen(w[k]);
    s0 += x0[k] * v;
    s1 += x1[k] * v;
    s2 += x2[k] * v;
    s3 += x3[k] * v;
  }
  out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

CT_CLONES float ct_dot(const float *x, const uint16_t *w, int64_t in) {
#pragma clang fp reassociate(on) contract(fast)
  float s = 0;
  for (int64_t k = 0; k < in; ++k) s += x[k] * widen(w[k]);
  return s;
}

namespace {

void outputs(int64_t begin, int64_t end, const float *x, int64_t rows, const uint16_t *w, int64_t in, int64_t out_features,
             const at::BFloat16 *bias, at::BFloat16 *y) {
  auto store = [&](int64_t row, int64_t n, float sum) {
    y[row * out_features + n] = at::BFloat16(bias ? sum + static_cast<float>(bias[n]) : sum);
  };
  float sums[4];
  for (int64_t n = begin; n < end;) {
    int64_t block = std::min(outputs_at_once, end - n);
    int64_t row = 0;
    // The block of weights stays in the nearest cache while all rows pass over it.
    for (; row + rows_at_once <= rows; row += rows_at_once) {
      for (int64_t j = 0; j < block; ++j) {
        ct_dots_4x1(x + row * in, w + (n + j) * in, in, sums);
        for (int64_t i = 0; i < rows_at_once; ++i) store(row + i, n + j, sums[i]);
      }
    }
    for (; row < rows; ++row) {
      if (block == outputs_at_once) {
        ct_dots_1x4(x + row * in, w + n * in, in, sums);
        for (int64_t j = 0; j < block; ++j) store(row, n + j, sums[j]);
      } else {
        for (int64_t j = 0; j < block; ++j) store(row, n + j, ct_dot(x + row * in, w + (n + j) * in, in));
      }
    }
    n += block;
  }
}

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
    at::Tensor wide = input.to(at::kFloat);
    at::Tensor y = at::empty({rows, out_features}, input.options());
    const float *x_data = wide.const_data_ptr<float>();
    const auto *w_data = reinterpret_cast<const uint16_t *>(weight.const_data_ptr<at::BFloat16>());
    const at::BFloat16 *bias_data = bias ? bias->value.const_data_ptr<at::BFloat16>() : nullptr;
    at::BFloat16 *y_data = y.mutable_data_ptr<at::BFloat16>();
    // Shares are multiples of the block, and none is smaller than what a thread's start costs.
    int64_t blocks = (out_features + outputs_at_once - 1) / outputs_at_once;
    int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, in * rows * outputs_at_once));
    auto share = [&](int64_t begin, int64_t end) {
      outputs(begin * outputs_at_once, std::min(end * outputs_at_once, out_features), x_data, rows, w_data, in, out_features, bias_data,
              y_data);
    };
    // libtorch's own pool: its header-only parallel_for would be serial here, as this file is built without OpenMP.
    auto trampoline = [](int64_t begin, int64_t end, void *context) { (*static_cast<decltype(share) *>(context))(begin, end); };
    TORCH_CHECK(torch_parallel_for(0, blocks, grain, trampoline, &share) == 0, "the thread pool failed");
    *out = shim::wrap(std::move(y));
  });
}
