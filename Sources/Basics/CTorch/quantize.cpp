// From numbers to few bits: for each group the scale and zero with the smallest error of those that are tried.
#include <algorithm>
#include <cmath>

#include "quantized.h"
#include "shim.h"
#include "threads.h"

namespace shim {

// Adding 1.5 · 2^23 rounds to the nearest whole number.
template <typename Number>
SHIM_INLINE Number rounded(Number v) {
  return (v + 12582912.f) - 12582912.f;
}

// The code of 4 bits of each number.
template <typename Number>
SHIM_INLINE Number code4(Number v, float inverse, float minimum) {
  Number code = rounded((v - minimum) * inverse);
  code = code > 15.f ? Number{} + 15.f : code;
  return code < 0.f ? Number{} : code;
}

// Σ importance · (number - what its code of 4 bits stands for)²; count is a multiple of 32.
SHIM_INLINE float error4(const float *numbers, const float *importance, int64_t count, float scale, float minimum) {
  floats sums{};
  for (int64_t k = 0; k < count; k += lanes) {
    floats v = read(numbers + k);
    floats off = v - (code4(v, 1 / scale, minimum) * scale + minimum);
    sums += read(importance + k) * off * off;
  }
  return sum_of(sums);
}

}  // namespace shim

// Marked clones must be plain functions with external linkage.
SHIM_CLONES float ct_quantized_error(const float *numbers, const float *importance, int64_t count, float scale, float minimum) {
  return shim::error4(numbers, importance, count, scale, minimum);
}

namespace {

struct Group {
  const float *numbers, *importance;
  int64_t count;
};

struct Choice {
  at::Half scale, zero;
};

// Scales have the few digits of bfloat16, so that files may hold them in either type.
at::Half nearest_scale(float value) { return float(at::BFloat16(value)); }

// The same, never below `value`: the largest number then has a code.
at::Half covering_scale(float value) {
  at::BFloat16 scale = value;
  if (float(scale) < value) scale = at::BFloat16(scale.x + 1, at::BFloat16::from_bits());
  return float(scale);
}

// The whole range, and shares of it: a little less range makes all other steps finer.
constexpr float shares[] = {1, 0.96f, 0.92f, 0.88f, 0.84f, 0.8f, 0.75f, 0.7f};

// number = scale · (code - zero) with a whole zero point, as other software stores it.
Choice choose4(const Group &group) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < group.count; ++i) {
    low = std::fmin(low, group.numbers[i]);
    high = std::fmax(high, group.numbers[i]);
  }
  Choice best{0, 0};
  float least = INFINITY;
  for (float share : shares) {
    at::Half scale = nearest_scale((high - low) * share / 15);
    float wide = scale;
    if (!(wide > 0)) break;
    if (std::isinf(wide)) return {scale, 0};
    float zero = shim::code4(-low * share, 1 / wide, 0.f);
    float error = ct_quantized_error(group.numbers, group.importance, group.count, wide, -wide * zero);
    if (error < least) {
      least = error;
      best = {scale, zero};
    }
  }
  return best;
}

Choice choose8(const Group &group) {
  float most = 0;
  for (int64_t i = 0; i < group.count; ++i) most = std::fmax(most, std::fabs(group.numbers[i]));
  return {covering_scale(most / 127), 0};
}

uint8_t code4(float number, const Choice &choice) {
  float scale = choice.scale;
  return scale > 0 ? static_cast<uint8_t>(shim::code4(number, 1 / scale, -scale * float(choice.zero))) : 0;
}

uint8_t code8(float number, const Choice &choice) {
  float scale = choice.scale;
  if (!(scale > 0)) return 0;
  float code = std::min(127.f, std::max(-127.f, shim::rounded(number / scale)));
  return static_cast<uint8_t>(static_cast<int8_t>(code));
}

}  // namespace

int32_t ct_quantize(ct_tensor weight, ct_tensor importance, int32_t bits, int64_t group, ct_tensor *codes, ct_tensor *scales,
                       ct_tensor *zeros) {
  return shim::guarded([&] {
    TORCH_CHECK(bits == 4 || bits == 8, "takes 4 or 8 bits, and not ", bits);
    at::Tensor w = weight->value.to(at::kCPU, at::kFloat).contiguous();
    TORCH_CHECK(w.dim() == 2, "takes a matrix, and not ", w.sizes());
    int64_t outputs = w.size(0), in = w.size(1);
    TORCH_CHECK(group > 0 && group % shim::block == 0 && in % group == 0, "rows of ", in, " numbers have no whole groups of ", group);
    at::Tensor weights = importance ? importance->value.to(at::kCPU, at::kFloat).contiguous() : at::ones({in}, at::kFloat);
    TORCH_CHECK(weights.numel() == in, "importance of ", weights.numel(), " for rows of ", in, " numbers");
    int64_t groups = in / group;
    at::Tensor c = at::empty({outputs, in * bits / 8}, at::kByte), s = at::empty({outputs, groups}, at::kHalf), m = at::empty_like(s);
    const float *from = w.const_data_ptr<float>(), *counts = weights.const_data_ptr<float>();
    auto *to = c.mutable_data_ptr<uint8_t>();
    auto *scale = s.mutable_data_ptr<at::Half>(), *zero = m.mutable_data_ptr<at::Half>();
    shim::share(outputs * groups, std::max<int64_t>(1, 4096 / group), [&](int64_t begin, int64_t end) {
      for (int64_t place = begin; place < end; ++place) {
        int64_t start = place * group;
        const float *numbers = from + start;
        Group own{numbers, counts + place % groups * group, group};
        Choice choice = bits == 4 ? choose4(own) : choose8(own);
        scale[place] = choice.scale;
        zero[place] = choice.zero;
        if (bits == 8) {
          for (int64_t i = 0; i < group; ++i) to[start + i] = code8(numbers[i], choice);
          continue;
        }
        for (int64_t b = 0; b < group; b += shim::block) {
          for (int64_t i = 0; i < 16; ++i) {
            uint8_t low = code4(numbers[b + i], choice), high = code4(numbers[b + 16 + i], choice);
            to[(start + b) / 2 + i] = static_cast<uint8_t>(low | high << 4);
          }
        }
      }
    });
    TORCH_CHECK(s.isfinite().all().item<bool>() && m.isfinite().all().item<bool>(), "numbers are too large for scales in float16");
    *codes = shim::wrap(std::move(c));
    *scales = shim::wrap(std::move(s));
    *zeros = bits == 4 ? shim::wrap(std::move(m)) : nullptr;
  });
}

int32_t ct_quantized_repack(ct_tensor codes, int32_t bits, bool outwards, ct_tensor *out) {
  return shim::guarded([&] {
    TORCH_CHECK(bits == 4 || bits == 8, "takes 4 or 8 bits, and not ", bits);
    at::Tensor from = codes->value.contiguous();
    TORCH_CHECK(from.is_cpu() && from.scalar_type() == at::kByte && from.dim() == 2 && from.size(1) % (bits == 4 ? 16 : 1) == 0,
                "takes codes of two dimensions in bytes on the CPU");
    at::Tensor to = at::empty_like(from);
    const auto *source = from.const_data_ptr<uint8_t>();
    auto *target = to.mutable_data_ptr<uint8_t>();
    int64_t count = from.numel();
    if (bits == 8) {
      for (int64_t i = 0; i < count; ++i) target[i] = source[i] ^ 0x80;
    } else {
      for (int64_t b = 0; b < count; b += 16) {
        uint8_t numbers[shim::block];
        for (int64_t i = 0; i < 16; ++i) {
          numbers[outwards ? i : 2 * i] = source[b + i] & 15;
          numbers[outwards ? i + 16 : 2 * i + 1] = source[b + i] >> 4;
        }
        for (int64_t i = 0; i < 16; ++i) {
          uint8_t low = numbers[outwards ? 2 * i : i], high = numbers[outwards ? 2 * i + 1 : i + 16];
          target[b + i] = static_cast<uint8_t>(low | high << 4);
        }
      }
    }
    *out = shim::wrap(std::move(to));
  });
}
