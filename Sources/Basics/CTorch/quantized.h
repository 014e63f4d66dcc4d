// A matrix in few bits: each row in groups of `group` numbers, a multiple of 32; number = scale · (code - zero).
//
// With 8 bits codes are signed bytes and zero is 0. With 4 bits, 32 numbers are 16 bytes: byte i holds number i in its low half
// and number i + 16 in its high half. Scales and zeros are float16, one for each group.
#pragma once

#include "rows.h"

namespace shim {

constexpr int64_t block = 32;

// float16 to float32, without what is no number.
SHIM_INLINE float widen_half(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits & 0x7fffu) << 13, sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  value *= 0x1p112f;
  std::memcpy(&wide, &value, sizeof wide);
  wide |= sign;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// Pointers to a matrix, or from some row of it on.
template <int Bits>
struct Quantized {
  const uint8_t *codes;
  const uint16_t *scales, *zeros;
  int64_t in, group;

  int64_t row_bytes() const { return in * Bits / 8; }
  int64_t groups() const { return in / group; }
  Quantized from(int64_t n) const {
    return {codes + n * row_bytes(), scales + n * groups(), zeros ? zeros + n * groups() : nullptr, in, group};
  }
};

template <typename Floats>
struct Lanes {
  static constexpr int64_t count = sizeof(Floats) / sizeof(float);
  typedef int32_t Whole __attribute__((vector_size(sizeof(Floats))));
  typedef uint8_t Bytes __attribute__((vector_size(sizeof(Floats) / 4)));
  typedef int8_t SignedBytes __attribute__((vector_size(sizeof(Floats) / 4)));
};

// Numbers k + part and those 16 further of a block, before scale and zero: `low` and `high`.
template <typename Floats>
SHIM_INLINE void codes_of(const Quantized<4> &w, const uint8_t *row, int64_t k, int64_t part, Floats &low, Floats &high) {
  typename Lanes<Floats>::Bytes bytes;
  load(bytes, row + k / 2 + part);
  typename Lanes<Floats>::Whole both = __builtin_convertvector(bytes, typename Lanes<Floats>::Whole);
  low = __builtin_convertvector(both & 15, Floats);
  high = __builtin_convertvector(both >> 4, Floats);
}

template <typename Floats>
SHIM_INLINE void codes_of(const Quantized<8> &w, const uint8_t *row, int64_t k, int64_t part, Floats &low, Floats &high) {
  typename Lanes<Floats>::SignedBytes bytes;
  load(bytes, row + k + part);
  low = __builtin_convertvector(bytes, Floats);
  load(bytes, row + k + lanes + part);
  high = __builtin_convertvector(bytes, Floats);
}

// Dot products of R rows of x, `w.in` apart, with the first N rows of w: out[r * N + n].
//
// A sum is added up in the same order in tiles of all sizes, so a row's result does not depend on how many others there are.
template <int R, int N, typename Floats, int Bits>
SHIM_INLINE void quantized_dots(const float *x, const Quantized<Bits> &w, float *out) {
  Floats sums[R][N] = {};
  int64_t bytes = w.row_bytes(), groups = w.groups();
  for (int64_t g = 0; g < groups; ++g) {
    float scale[N], minimum[N];
    for (int n = 0; n < N; ++n) {
      scale[n] = widen_half(w.scales[n * groups + g]);
      if (Bits == 4) minimum[n] = -scale[n] * widen_half(w.zeros[n * groups + g]);
    }
    for (int64_t k = g * w.group; k < (g + 1) * w.group; k += block) {
      for (int n = 0; n < N; ++n) {
        // The rows that come next; the processor's own guesses keep memory half idle.
        if (k * Bits / 8 % 64 == 0) __builtin_prefetch(w.codes + (N + n) * bytes + k * Bits / 8);
        for (int64_t part = 0; part < lanes; part += Lanes<Floats>::count) {
          Floats low, high, some;
          codes_of(w, w.codes + n * bytes, k, part, low, high);
          if (Bits == 4) {
            low = low * scale[n] + minimum[n];
            high = high * scale[n] + minimum[n];
          } else {
            low *= scale[n];
            high *= scale[n];
          }
          for (int r = 0; r < R; ++r) {
            load(some, x + r * w.in + k + part);
            sums[r][n] += some * low;
            load(some, x + r * w.in + k + lanes + part);
            sums[r][n] += some * high;
          }
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) out[r * N + n] = sum_of(sums[r][n]);
  }
}

// Rows of w as numbers of T.
template <int Bits, typename T>
SHIM_INLINE void quantized_rows(const Quantized<Bits> &w, int64_t rows, T *to) {
  for (int64_t row = 0; row < rows; ++row) {
    Quantized<Bits> own = w.from(row);
    for (int64_t k = 0; k < w.in; k += block) {
      int64_t g = k / w.group;
      floats low, high;
      codes_of(own, own.codes, k, 0, low, high);
      float scale = widen_half(own.scales[g]), minimum = Bits == 4 ? -scale * widen_half(own.zeros[g]) : 0;
      write(to + row * w.in + k, low * scale + minimum);
      write(to + row * w.in + k + lanes, high * scale + minimum);
    }
  }
}

}  // namespace shim
