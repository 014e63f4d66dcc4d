// What a decoder layer does with each row between its matrix products: normalisation, rotary embedding, and the gate of its MLP. Made of
// libtorch's operators these are five passes over float32 copies each, kept for the backward pass; here each is one pass, and only
// its inputs are kept (BENCHMARKS.md).
#include <ATen/Parallel.h>
#include <cmath>

#include "parallel.h"
#include "rows.h"
#include "shim.h"

// Marked clones must be plain functions with external linkage, so each kernel has one for either type.
#define SHIM_FOR_EACH_TYPE(MAKE) MAKE(bf16, uint16_t) MAKE(f32, float)

#define SHIM_NORM(name, T)                                                                                              \
  SHIM_CLONES void ct_norm_##name(const T *x, const T *w, int64_t rows, int64_t width, float eps, T *y, float *scale) { \
    shim::norm(x, w, rows, width, eps, y, scale);                                                                       \
  }                                                                                                                     \
  SHIM_CLONES void ct_norm_back_##name(const T *dy, const T *x, const T *w, const float *scale, int64_t rows,           \
                                       int64_t width, T *dx, float *dw) {                                               \
    shim::norm_back(dy, x, w, scale, rows, width, dx, dw);                                                              \
  }
SHIM_FOR_EACH_TYPE(SHIM_NORM)

#define SHIM_GATE(name, T)                                                                                       \
  SHIM_CLONES void ct_gate_##name(const T *gate, const T *up, int64_t count, T *y) {                             \
    shim::gate(gate, up, count, y);                                                                              \
  }                                                                                                              \
  SHIM_CLONES void ct_gate_back_##name(const T *dy, const T *gate, const T *up, int64_t count, T *dg, T *du) {   \
    shim::gate_back(dy, gate, up, count, dg, du);                                                                \
  }
SHIM_FOR_EACH_TYPE(SHIM_GATE)

#define SHIM_TURN(name, T)                                                                                       \
  SHIM_CLONES void ct_turn_##name(const T *x, const T *cosine, const T *sine, int64_t rows, int64_t heads,       \
                                  int64_t width, float sign, T *y) {                                             \
    shim::turn(x, cosine, sine, rows, heads, width, sign, y);                                                    \
  }
SHIM_FOR_EACH_TYPE(SHIM_TURN)

namespace {

// Rows whose weight gradients are summed together: a number that does not follow from the threads, so that sums do not either.
constexpr int64_t block_rows = 64;
// Numbers that are worth a thread.
constexpr int64_t grain = 1 << 14;

void check(const at::Tensor &t, const at::Tensor &like) {
  TORCH_CHECK(t.is_cpu() && t.is_contiguous() && t.scalar_type() == like.scalar_type() &&
                  (t.scalar_type() == at::kBFloat16 || t.scalar_type() == at::kFloat),
              "takes contiguous tensors of one type, bfloat16 or float32, on the CPU");
}

// Calls body with pointers to uint16_t or to float, as the tensors' type says.
template <typename Body>
void typed(const at::Tensor &t, Body &&body) {
  if (t.scalar_type() == at::kBFloat16) {
    body([](const at::Tensor &t) { return reinterpret_cast<uint16_t *>(t.data_ptr()); });
  } else {
    body([](const at::Tensor &t) { return reinterpret_cast<float *>(t.data_ptr()); });
  }
}

inline auto norm(uint16_t *) { return ct_norm_bf16; }
inline auto norm(float *) { return ct_norm_f32; }
inline auto norm_back(uint16_t *) { return ct_norm_back_bf16; }
inline auto norm_back(float *) { return ct_norm_back_f32; }
inline auto gate(uint16_t *) { return ct_gate_bf16; }
inline auto gate(float *) { return ct_gate_f32; }
inline auto gate_back(uint16_t *) { return ct_gate_back_bf16; }
inline auto gate_back(float *) { return ct_gate_back_f32; }
inline auto turn(uint16_t *) { return ct_turn_bf16; }
inline auto turn(float *) { return ct_turn_f32; }

}  // namespace

int32_t ct_rms_norm(ct_tensor x, ct_tensor w, double eps, ct_tensor *out, ct_tensor *scale) {
  return shim::guarded([&] {
    const at::Tensor input = x->value.contiguous(), &weight = w->value;
    check(input, weight);
    check(weight, input);
    TORCH_CHECK(input.dim() > 0 && weight.dim() == 1 && input.size(-1) == weight.numel() && weight.numel() > 0,
                "shapes do not fit: ", input.sizes(), " and ", weight.sizes());
    int64_t width = weight.numel(), rows = input.numel() / width;
    at::Tensor y = at::empty_like(input), scales = at::empty({rows}, input.options().dtype(at::kFloat));
    typed(input, [&](auto at) {
      shim::parallel(rows, std::max<int64_t>(1, grain / width), [&](int64_t begin, int64_t end) {
        norm(at(input))(at(input) + begin * width, at(weight), end - begin, width, static_cast<float>(eps), at(y) + begin * width,
                        scales.data_ptr<float>() + begin);
      });
    });
    *out = shim::wrap(std::move(y));
    *scale = shim::wrap(std::move(scales));
  });
}

int32_t ct_rms_norm_backward(ct_tensor seed, ct_tensor x, ct_tensor w, ct_tensor scale, ct_tensor *dx, ct_tensor *dw) {
  return shim::guarded([&] {
    const at::Tensor dy = seed->value.contiguous(), input = x->value.contiguous(), &weight = w->value, &scales = scale->value;
    check(dy, input);
    check(input, weight);
    TORCH_CHECK(weight.dim() == 1 && dy.sizes() == input.sizes() && scales.numel() * weight.numel() == input.numel(),
                "shapes do not fit: ", dy.sizes(), ", ", input.sizes(), ", ", weight.sizes(), ", ", scales.sizes());
    int64_t width = weight.numel(), rows = scales.numel(), blocks = (rows + block_rows - 1) / block_rows;
    at::Tensor gradient = at::empty_like(input), sums = at::zeros({blocks, width}, input.options().dtype(at::kFloat));
    typed(input, [&](auto at) {
      shim::parallel(blocks, std::max<int64_t>(1, grain / (width * block_rows)), [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
          int64_t first = block * block_rows, count = std::min(block_rows, rows - first);
          norm_back(at(input))(at(dy) + first * width, at(input) + first * width, at(weight), scales.data_ptr<float>() + first,
                               count, width, at(gradient) + first * width, sums.data_ptr<float>() + block * width);
        }
      });
    });
    *dx = shim::wrap(std::move(gradient));
    *dw = shim::wrap(sums.sum(0).to(weight.scalar_type()));
  });
}

int32_t ct_swiglu(ct_tensor gated, ct_tensor up, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor g = gated->value.contiguous(), u = up->value.contiguous();
    check(g, u);
    TORCH_CHECK(g.sizes() == u.sizes(), "shapes do not fit: ", g.sizes(), " and ", u.sizes());
    at::Tensor y = at::empty_like(g);
    typed(g, [&](auto at) {
      shim::parallel(g.numel(), grain, [&](int64_t begin, int64_t end) {
        gate(at(g))(at(g) + begin, at(u) + begin, end - begin, at(y) + begin);
      });
    });
    *out = shim::wrap(std::move(y));
  });
}

int32_t ct_swiglu_backward(ct_tensor seed, ct_tensor gated, ct_tensor up, ct_tensor *dg, ct_tensor *du) {
  return shim::guarded([&] {
    const at::Tensor dy = seed->value.contiguous(), g = gated->value.contiguous(), u = up->value.contiguous();
    check(dy, g);
    check(g, u);
    TORCH_CHECK(g.sizes() == u.sizes() && dy.sizes() == g.sizes(), "shapes do not fit: ", dy.sizes(), ", ", g.sizes(), ", ", u.sizes());
    at::Tensor a = at::empty_like(g), b = at::empty_like(g);
    typed(g, [&](auto at) {
      shim::parallel(g.numel(), grain, [&](int64_t begin, int64_t end) {
        gate_back(at(g))(at(dy) + begin, at(g) + begin, at(u) + begin, end - begin, at(a) + begin, at(b) + begin);
      });
    });
    *dg = shim::wrap(std::move(a));
    *du = shim::wrap(std::move(b));
  });
}

int32_t ct_rotate_halves(ct_tensor x, ct_tensor cosine, ct_tensor sine, bool back, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor input = x->value.contiguous(), c = cosine->value.contiguous(), s = sine->value.contiguous();
    check(input, c);
    check(c, s);
    TORCH_CHECK(input.dim() == 3 && input.size(2) % 2 == 0 && c.numel() == input.size(0) * input.size(2) && s.numel() == c.numel(),
                "shapes do not fit: ", input.sizes(), ", ", c.sizes(), ", ", s.sizes());
    int64_t heads = input.size(1), width = input.size(2), row = heads * width;
    at::Tensor y = at::empty_like(input);
    typed(input, [&](auto at) {
      shim::parallel(input.size(0), std::max<int64_t>(1, grain / std::max<int64_t>(1, row)), [&](int64_t begin, int64_t end) {
        turn(at(input))(at(input) + begin * row, at(c) + begin * width, at(s) + begin * width, end - begin, heads, width,
                        back ? -1.f : 1.f, at(y) + begin * row);
      });
    });
    *out = shim::wrap(std::move(y));
  });
}
