// Products with matrices in few bits: decoding is bound by reading weights, so a quarter of the bytes is most of the time (BENCHMARKS.md).
#include "quantized.h"

#include "shim.h"
#include "tiles.h"

namespace shim {

template <int Bits>
struct QuantizedTiles : Quantized<Bits> {
  static const Tiles<QuantizedTiles> &tiles();
};

}  // namespace shim

// Marked clones must be plain functions with external linkage, so each tile has one for either number of bits.
#define SHIM_QUANTIZED_DOTS_OF(name, bits, rows, outputs, sums)                                                          \
  SHIM_CLONES void ct_##name(const float *x, const shim::QuantizedTiles<bits> &w, int64_t n, float *out) {                \
    _Pragma("clang fp contract(fast)") shim::quantized_dots<rows, outputs, sums, bits>(x, w.from(n), out);               \
  }
#define SHIM_QUANTIZED_DOTS(name, rows, outputs, sums) \
  SHIM_QUANTIZED_DOTS_OF(name, 4, rows, outputs, sums) \
  SHIM_QUANTIZED_DOTS_OF(name, 8, rows, outputs, sums)
SHIM_QUANTIZED_DOTS(quantized_dots_1x1, 1, 1, shim::floats)
SHIM_QUANTIZED_DOTS(quantized_dots_1x4, 1, 4, shim::floats)
SHIM_QUANTIZED_DOTS(quantized_dots_4x2, 4, 2, shim::floats)
SHIM_QUANTIZED_DOTS(half_quantized_dots_1x1, 1, 1, shim::half_floats)
SHIM_QUANTIZED_DOTS(half_quantized_dots_1x3, 1, 3, shim::half_floats)
SHIM_QUANTIZED_DOTS(half_quantized_dots_2x3, 2, 3, shim::half_floats)
SHIM_QUANTIZED_DOTS(half_quantized_dots_3x3, 3, 3, shim::half_floats)

#define SHIM_QUANTIZED_ROWS(bits, T)                                                                        \
  SHIM_CLONES void ct_quantized_rows(const shim::Quantized<bits> &w, int64_t rows, T *to) {                   \
    _Pragma("clang fp contract(fast)") shim::quantized_rows<bits>(w, rows, to);                             \
  }
SHIM_QUANTIZED_ROWS(4, uint16_t)
SHIM_QUANTIZED_ROWS(4, float)
SHIM_QUANTIZED_ROWS(8, uint16_t)
SHIM_QUANTIZED_ROWS(8, float)

template <int Bits>
const shim::Tiles<shim::QuantizedTiles<Bits>> &shim::QuantizedTiles<Bits>::tiles() {
  typedef Tile<QuantizedTiles> Tile;
  static const Tile wide1{1, 4, ct_quantized_dots_1x4}, wide4{4, 2, ct_quantized_dots_4x2};
  static const Tile half1{1, 3, ct_half_quantized_dots_1x3}, half2{2, 3, ct_half_quantized_dots_2x3};
  static const Tile half3{3, 3, ct_half_quantized_dots_3x3};
  static const Tiles<QuantizedTiles> wide{4, {1, 1, ct_quantized_dots_1x1}, {{}, wide1, wide1, wide1, wide4}};
  static const Tiles<QuantizedTiles> half{3, {1, 1, ct_half_quantized_dots_1x1}, {{}, half1, half2, half3, half2}};
  return has_wide_registers() ? wide : half;
}

namespace {

// Tensors of a matrix, checked: codes [outputs, bytes], scales and, with 4 bits, zeros [outputs, groups].
struct Matrix {
  const at::Tensor &codes, &scales;
  const at::Tensor *zeros;
  int64_t bits, in, outputs, groups;

  Matrix(ct_tensor codes, ct_tensor scales, ct_tensor zeros, int32_t bits)
      : codes(codes->value), scales(scales->value), zeros(zeros ? &zeros->value : nullptr), bits(bits) {
    TORCH_CHECK(bits == 4 || bits == 8, "takes 4 or 8 bits, and not ", bits);
    TORCH_CHECK((bits == 4) == (zeros != nullptr), "takes zeros with 4 bits, and none with 8");
    TORCH_CHECK(this->codes.dim() == 2 && this->codes.scalar_type() == at::kByte, "takes codes of two dimensions in bytes");
    outputs = this->codes.size(0);
    in = this->codes.size(1) * 8 / bits;
    TORCH_CHECK(this->scales.dim() == 2 && this->scales.size(0) == outputs, "codes ", this->codes.sizes(), " with scales ",
                this->scales.sizes());
    groups = this->scales.size(1);
    TORCH_CHECK(groups > 0 && in % groups == 0 && in / groups % shim::block == 0, "takes groups of a multiple of ", shim::block,
                " numbers: ", groups, " groups in ", in);
    for (const at::Tensor *t : {&this->codes, &this->scales, this->zeros}) {
      TORCH_CHECK(!t || (t->is_cpu() && t->is_contiguous()), "takes contiguous tensors on the CPU");
    }
    for (const at::Tensor *t : {&this->scales, this->zeros}) {
      TORCH_CHECK(!t || (t->scalar_type() == at::kHalf && t->sizes() == this->scales.sizes()), "takes float16 scales and zeros of one shape");
    }
  }

  template <int Bits>
  shim::Quantized<Bits> source() const {
    return {codes.const_data_ptr<uint8_t>(), static_cast<const uint16_t *>(scales.const_data_ptr()),
            zeros ? static_cast<const uint16_t *>(zeros->const_data_ptr()) : nullptr, in, in / groups};
  }
};

template <int Bits, typename Number>
void multiply(const at::Tensor &x, const Matrix &matrix, const at::Tensor *bias, at::Tensor &y) {
  shim::Product<shim::QuantizedTiles<Bits>, Number>{
      x.const_data_ptr<float>(), x.size(0), {matrix.source<Bits>()}, matrix.outputs,
      bias ? static_cast<const Number *>(bias->const_data_ptr()) : nullptr, y.mutable_data_ptr<Number>()}
      .compute();
}

template <int Bits, typename T>
void write_rows(const Matrix &matrix, at::Tensor &out) {
  auto *to = static_cast<T *>(out.mutable_data_ptr());
  int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, matrix.in));
  shim::share(matrix.outputs, grain, [&](int64_t begin, int64_t end) {
    ct_quantized_rows(matrix.source<Bits>().from(begin), end - begin, to + begin * matrix.in);
  });
}

}  // namespace

int32_t ct_quantized_linear(ct_tensor x, ct_tensor codes, ct_tensor scales, ct_tensor zeros, int32_t bits, ct_tensor bias, ct_tensor *out) {
  return shim::guarded([&] {
    Matrix matrix(codes, scales, zeros, bits);
    const at::Tensor &input = x->value;
    at::ScalarType type = input.scalar_type();
    TORCH_CHECK(type == at::kBFloat16 || type == at::kFloat, "takes bfloat16 or float32 rows");
    TORCH_CHECK(input.is_cpu() && input.dim() == 2 && input.size(1) == matrix.in, "rows ", input.sizes(), " cannot be multiplied by ",
                matrix.outputs, " of ", matrix.in);
    TORCH_CHECK(!bias || (bias->value.is_cpu() && bias->value.is_contiguous() && bias->value.scalar_type() == type &&
                          bias->value.numel() == matrix.outputs),
                "takes a contiguous bias of ", matrix.outputs, " numbers of the rows' type on the CPU");
    const at::Tensor *added = bias ? &bias->value : nullptr, wide = input.to(at::kFloat).contiguous();
    at::Tensor y = at::empty({input.size(0), matrix.outputs}, input.options());
    if (type == at::kFloat) {
      bits == 4 ? multiply<4, float>(wide, matrix, added, y) : multiply<8, float>(wide, matrix, added, y);
    } else {
      bits == 4 ? multiply<4, at::BFloat16>(wide, matrix, added, y) : multiply<8, at::BFloat16>(wide, matrix, added, y);
    }
    *out = shim::wrap(std::move(y));
  });
}

int32_t ct_quantized_dense(ct_tensor codes, ct_tensor scales, ct_tensor zeros, int32_t bits, bool bfloat16, ct_tensor *out) {
  return shim::guarded([&] {
    Matrix matrix(codes, scales, zeros, bits);
    at::Tensor dense = at::empty({matrix.outputs, matrix.in}, at::dtype(bfloat16 ? at::kBFloat16 : at::kFloat));
    if (bfloat16) {
      bits == 4 ? write_rows<4, uint16_t>(matrix, dense) : write_rows<8, uint16_t>(matrix, dense);
    } else {
      bits == 4 ? write_rows<4, float>(matrix, dense) : write_rows<8, float>(matrix, dense);
    }
    *out = shim::wrap(std::move(dense));
  });
}
