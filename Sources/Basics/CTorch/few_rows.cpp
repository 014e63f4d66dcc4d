// The matrix product of decoding: a handful of rows against every weight of the model. It is bound by reading the weights, and
// libtorch's bfloat16 kernels for few rows reach half of the memory's speed or less (BENCHMARKS.md), so this one is ours.
#include "threads.h"
#include "shim.h"
#include "vectors.h"

using shim::half_floats;
using shim::half_words;

// Marked clones must be plain functions with external linkage.
SHIM_CLONES void ct_dots_1x4(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 4>(x, w, in, out);
}
SHIM_CLONES void ct_dots_4x2(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<4, 2>(x, w, in, out);
}
SHIM_CLONES void ct_dots_1x1(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 1>(x, w, in, out);
}
SHIM_CLONES void ct_half_dots_3x3(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<3, 3, half_floats, half_words>(x, w, in, out);
}
SHIM_CLONES void ct_half_dots_2x3(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<2, 3, half_floats, half_words>(x, w, in, out);
}
SHIM_CLONES void ct_half_dots_1x3(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 3, half_floats, half_words>(x, w, in, out);
}
SHIM_CLONES void ct_half_dots_1x1(const float *x, const uint16_t *w, int64_t in, float *out) {
#pragma clang fp contract(fast)
  shim::dots<1, 1, half_floats, half_words>(x, w, in, out);
}

namespace {

// Rows and outputs whose sums stay in registers.
struct Tile {
  int64_t rows, outputs;
  void (*dots)(const float *x, const uint16_t *w, int64_t in, float *out);
};

// How a product is cut into tiles, by the registers of this processor: those of AVX-512 are 32 of 16 floats, those of AVX2 16 of 8.
struct Tiles {
  // Outputs that all rows pass over while their weights stay in the nearest cache.
  int64_t outputs;
  Tile single;
  // By the number of rows that are left, up to 4.
  Tile by_rows[5];

  static const Tiles &of_this_processor() {
    static const Tile wide1{1, 4, ct_dots_1x4}, wide4{4, 2, ct_dots_4x2};
    static const Tile half1{1, 3, ct_half_dots_1x3}, half2{2, 3, ct_half_dots_2x3}, half3{3, 3, ct_half_dots_3x3};
    static const Tiles wide{4, {1, 1, ct_dots_1x1}, {{}, wide1, wide1, wide1, wide4}};
    // Four rows that are left are two and two, and not three and one.
    static const Tiles half{3, {1, 1, ct_half_dots_1x1}, {{}, half1, half2, half3, half2}};
#if defined(__x86_64__)
    static const bool is_wide = __builtin_cpu_supports("avx512f");
    return is_wide ? wide : half;
#else
    return half;
#endif
  }

  const Tile &tile(int64_t left) const {
    if (left <= 4) return by_rows[left];
    return by_rows[4].rows == 4 ? by_rows[4] : by_rows[3];
  }
};

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

  void compute(int64_t row, int64_t n, const Tile &tile) const {
    float sums[9];
    tile.dots(x + row * in, w + n * in, in, sums);
    for (int64_t i = 0; i < tile.rows * tile.outputs; ++i) store(row + i / tile.outputs, n + i % tile.outputs, sums[i]);
  }

  // Outputs from `begin` up to `end` of all rows.
  void compute(int64_t begin, int64_t end) const {
    const Tiles &tiles = Tiles::of_this_processor();
    int64_t n = begin;
    for (; n + tiles.outputs <= end; n += tiles.outputs) {
      for (int64_t row = 0; row < rows;) {
        const Tile &tile = tiles.tile(rows - row);
        for (int64_t part = n; part < n + tiles.outputs; part += tile.outputs) compute(row, part, tile);
        row += tile.rows;
      }
    }
    for (; n < end; ++n) {
      for (int64_t row = 0; row < rows; ++row) compute(row, n, tiles.single);
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
    int64_t outputs_at_once = Tiles::of_this_processor().outputs;
    int64_t blocks = (out_features + outputs_at_once - 1) / outputs_at_once;
    int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, in * rows * outputs_at_once));
    shim::share(blocks, grain, [&](int64_t begin, int64_t end) {
      product.compute(begin * outputs_at_once, std::min(end * outputs_at_once, out_features));
    });
    *out = shim::wrap(std::move(y));
  });
}
