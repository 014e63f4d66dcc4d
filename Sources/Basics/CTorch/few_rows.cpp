// The matrix product of decoding: a handful of rows against every weight of the model. It is bound by reading the weights, and
// libtorch's kernels for few rows reach half of the memory's speed or less (BENCHMARKS.md), so this one is ours.
#include "shim.h"
#include "tiles.h"

namespace shim {

// A matrix of bfloat16 or float32 numbers, row by row.
template <typename Weight>
struct Numbers {
  const Weight *w;
  int64_t in;
  static const Tiles<Numbers> &tiles();
};

}  // namespace shim

// Marked clones must be plain functions with external linkage, so each tile has one for either type of weights.
#define SHIM_DOTS_OF(name, Weight, rows, outputs, sums)                                                      \
  SHIM_CLONES void ct_##name(const float *x, const shim::Numbers<Weight> &w, int64_t n, float *out) {        \
    _Pragma("clang fp contract(fast)") shim::dots<rows, outputs, sums>(x, w.w + n * w.in, w.in, out);        \
  }
#define SHIM_DOTS(name, rows, outputs, sums)            \
  SHIM_DOTS_OF(name, uint16_t, rows, outputs, sums)     \
  SHIM_DOTS_OF(name, float, rows, outputs, sums)
SHIM_DOTS(dots_1x1, 1, 1, shim::floats)
SHIM_DOTS(dots_1x4, 1, 4, shim::floats)
SHIM_DOTS(dots_4x2, 4, 2, shim::floats)
SHIM_DOTS(half_dots_1x1, 1, 1, shim::half_floats)
SHIM_DOTS(half_dots_1x3, 1, 3, shim::half_floats)
SHIM_DOTS(half_dots_2x3, 2, 3, shim::half_floats)
SHIM_DOTS(half_dots_3x3, 3, 3, shim::half_floats)

template <typename Weight>
const shim::Tiles<shim::Numbers<Weight>> &shim::Numbers<Weight>::tiles() {
  typedef Tile<Numbers> Tile;
  static const Tile wide1{1, 4, ct_dots_1x4}, wide4{4, 2, ct_dots_4x2};
  static const Tile half1{1, 3, ct_half_dots_1x3}, half2{2, 3, ct_half_dots_2x3}, half3{3, 3, ct_half_dots_3x3};
  static const Tiles<Numbers> wide{4, {1, 1, ct_dots_1x1}, {{}, wide1, wide1, wide1, wide4}};
  // Four rows that are left are two and two, and not three and one.
  static const Tiles<Numbers> half{3, {1, 1, ct_half_dots_1x1}, {{}, half1, half2, half3, half2}};
  return has_wide_registers() ? wide : half;
}

namespace {

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
  shim::Product<shim::Numbers<Weight>, Number>{
      static_cast<const float *>(wide.const_data_ptr()), rows, {static_cast<const Weight *>(weight.const_data_ptr()), in}, outputs,
      bias ? static_cast<const Number *>(bias->const_data_ptr()) : nullptr, y.mutable_data_ptr<Number>()}
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
