// The matrix product of decoding: a handful of rows against every weight of the model. It is bound by reading the weights, and
// libtorch's kernels for few rows reach half of the memory's speed or less (BENCHMARKS.md), so this one is ours.
#include "threads.h"
#include "shim.h"
#include "vectors.h"

// Marked clones must be plain functions with external linkage, so each tile has one for either type of weights.
#define SHIM_DOTS(name, rows, outputs, sums)                                                     \
  SHIM_CLONES void ct_##name(const float *x, const uint16_t *w, int64_t in, float *out) {        \
    _Pragma("clang fp contract(fast)") shim::dots<rows, outputs, sums>(x, w, in, out);           \
  }                                                                                              \
  SHIM_CLONES void ct_##name(const float *x, const float *w, int64_t in, float *out) {           \
    _Pragma("clang fp contract(fast)") shim::dots<rows, outputs, sums>(x, w, in, out);           \
  }
SHIM_DOTS(dots_1x1, 1, 1, shim::floats)
SHIM_DOTS(dots_1x4, 1, 4, shim::floats)
SHIM_DOTS(dots_4x2, 4, 2, shim::floats)
SHIM_DOTS(half_dots_1x1, 1, 1, shim::half_floats)
SHIM_DOTS(half_dots_1x3, 1, 3, shim::half_floats)
SHIM_DOTS(half_dots_2x3, 2, 3, shim::half_floats)
SHIM_DOTS(half_dots_3x3, 3, 3, shim::half_floats)

namespace {

// Rows and outputs whose sums stay in registers.
template <typename Weight>
struct Tile {
  int64_t rows, outputs;
  void (*dots)(const float *x, const Weight *w, int64_t in, float *out);
};

// How a product is cut into tiles, by the registers of this processor: those of AVX-512 are 32 of 16 floats, those of AVX2 16 of 8.
template <typename Weight>
struct Tiles {
  // Outputs that all rows pass over while their weights stay in the nearest cache.
  int64_t outputs;
  Tile<Weight> single;
  // By the number of rows that are left, up to 4.
  Tile<Weight> by_rows[5];

  static const Tiles &of_this_processor() {
    static const Tile<Weight> wide1{1, 4, ct_dots_1x4}, wide4{4, 2, ct_dots_4x2};
    static const Tile<Weight> half1{1, 3, ct_half_dots_1x3}, half2{2, 3, ct_half_dots_2x3}, half3{3, 3, ct_half_dots_3x3};
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

  const Tile<Weight> &tile(int64_t left) const {
    if (left <= 4) return by_rows[left];
    return by_rows[4].rows == 4 ? by_rows[4] : by_rows[3];
  }
};

// Weight is what is read, and Number what it stands for in libtorch.
template <typename Weight, typename Number>
struct Product {
  const float *x;
  int64_t rows;
  const Weight *w;
  int64_t in, outputs;
  const Number *bias;
  Number *y;

  void store(int64_t row, int64_t n, float sum) const {
    y[row * outputs + n] = Number(bias ? sum + static_cast<float>(bias[n]) : sum);
  }

  void compute(int64_t row, int64_t n, const Tile<Weight> &tile) const {
    float sums[9];
    tile.dots(x + row * in, w + n * in, in, sums);
    for (int64_t i = 0; i < tile.rows * tile.outputs; ++i) store(row + i / tile.outputs, n + i % tile.outputs, sums[i]);
  }

  // Outputs from `begin` up to `end` of all rows.
  void compute(int64_t begin, int64_t end) const {
    const Tiles<Weight> &tiles = Tiles<Weight>::of_this_processor();
    int64_t n = begin;
    for (; n + tiles.outputs <= end; n += tiles.outputs) {
      for (int64_t row = 0; row < rows;) {
        const Tile<Weight> &tile = tiles.tile(rows - row);
        for (int64_t part = n; part < n + tiles.outputs; part += tile.outputs) compute(row, part, tile);
        row += tile.rows;
      }
    }
    for (; n < end; ++n) {
      for (int64_t row = 0; row < rows; ++row) compute(row, n, tiles.single);
    }
  }

  // All outputs, on as many threads as libtorch may use.
  void compute() const {
    // Shares are multiples of the block, and none is smaller than what a thread's start costs.
    int64_t block = Tiles<Weight>::of_this_processor().outputs;
    int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, in * rows * block));
    shim::share((outputs + block - 1) / block, grain, [&](int64_t begin, int64_t end) {
      compute(begin * block, std::min(end * block, outputs));
    });
  }
};

template <typename Weight, typename Number>
at::Tensor product(const at::Tensor &input, const at::Tensor &weight, const at::Tensor *bias) {
  int64_t rows = input.size(0), in = input.size(1), outputs = weight.size(0);
  at::Tensor y = at::empty({rows, outputs}, input.options()), wide = input;
  const auto *numbers = static_cast<const Weight *>(input.const_data_ptr());
  if (sizeof(Weight) < sizeof(float)) {
    wide = at::empty({rows, in}, input.options().dtype(at::kFloat));
    auto *to = wide.mutable_data_ptr<float>();
    for (int64_t row = 0; row < rows; ++row) shim::split_pairs(numbers + row * in, in, to + row * in);
  }
  Product<Weight, Number>{static_cast<const float *>(wide.const_data_ptr()), rows, static_cast<const Weight *>(weight.const_data_ptr()), in,
                          outputs, bias ? static_cast<const Number *>(bias->const_data_ptr()) : nullptr, y.mutable_data_ptr<Number>()}
      .compute();
  return y;
}

}  // namespace

int32_t ct_linear_few_rows(ct_tensor x, ct_tensor w, ct_tensor bias, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor &input = x->value, &weight = w->value;
    TORCH_CHECK(input.dim() == 2 && weight.dim() == 2 && input.size(1) == weight.size(1), "mat1 and mat2 shapes cannot be multiplied (",
                input.sizes(), " and ", weight.sizes(), " transposed)");
    at::ScalarType type = weight.scalar_type();
    TORCH_CHECK(type == at::kBFloat16 || type == at::kFloat, "takes bfloat16 or float32 tensors");
    for (const at::Tensor &t : {input, weight}) {
      TORCH_CHECK(t.is_cpu() && t.is_contiguous() && t.scalar_type() == type, "takes contiguous tensors of one type on the CPU");
    }
    if (bias) {
      TORCH_CHECK(bias->value.is_cpu() && bias->value.is_contiguous() && bias->value.scalar_type() == type &&
                      bias->value.numel() == weight.size(0),
                  "takes a contiguous bias of ", weight.size(0), " numbers of the weights' type on the CPU");
    }
    const at::Tensor *added = bias ? &bias->value : nullptr;
    *out = shim::wrap(type == at::kFloat ? product<float, float>(input, weight, added)
                                         : product<uint16_t, at::BFloat16>(input, weight, added));
  });
}
