// Kernels over rows of bfloat16 or float32 numbers, computed in float32, in the compiler's portable vector types (vectors.h).
#pragma once

#include <cmath>
#include <limits>

#include "vectors.h"

// Vectors are passed to functions that are always inlined, so how a call would pass them does not matter.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpsabi"
#endif

namespace shim {

typedef uint16_t shorts __attribute__((vector_size(lanes * 2)));
typedef int32_t integers __attribute__((vector_size(lanes * 4)));

SHIM_INLINE floats read(const float *from) {
  floats v;
  load(v, from);
  return v;
}

SHIM_INLINE floats read(const uint16_t *from) {
  shorts v;
  load(v, from);
  return (floats)(__builtin_convertvector(v, words) << 16);
}

SHIM_INLINE void write(float *to, floats v) { std::memcpy(to, &v, sizeof v); }

// Rounded to nearest, ties to even; what is no number stays none.
SHIM_INLINE void write(uint16_t *to, floats v) {
  words bits = (words)v;
  words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  words none = (words)(v != v);
  shorts narrow = __builtin_convertvector((rounded & ~none) | (none & 0x7fc0u), shorts);
  std::memcpy(to, &narrow, sizeof narrow);
}

// The first `count` numbers, and zeros.
template <typename T>
SHIM_INLINE floats read(const T *from, int64_t count) {
  if (count >= lanes) return read(from);
  T padded[lanes] = {};
  std::memcpy(padded, from, count * sizeof(T));
  return read(static_cast<const T *>(padded));
}

template <typename T>
SHIM_INLINE void write(T *to, floats v, int64_t count) {
  if (count >= lanes) return write(to, v);
  T padded[lanes];
  write(static_cast<T *>(padded), v);
  std::memcpy(to, padded, count * sizeof(T));
}

// e^x within 2 units in the last place: 2^n · e^r with |r| ≤ ln2 / 2, and e^r by its series. Infinite from 88 on, e^-87 below -87.
SHIM_INLINE floats exponential(floats x) {
  auto large = x > 88.f;
  x = large ? floats{} + 88.f : x;
  x = x < -87.f ? floats{} - 87.f : x;
  // Adding 1.5 · 2^23 rounds to the nearest whole number.
  floats shifted = x * 1.44269504f + 12582912.f;
  floats n = shifted - 12582912.f;
  floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
  floats p = floats{} + 1.3888889e-3f;
  p = p * r + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  floats value = p * (floats)((__builtin_convertvector(n, integers) + 127) << 23);
  return large ? floats{} + std::numeric_limits<float>::infinity() : value;
}

// y = x · s · w with s = 1 / √(mean(x²) + eps), which is kept for each row.
template <typename T>
SHIM_INLINE void norm(const T *x, const T *w, int64_t rows, int64_t width, float eps, T *y, float *scale) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    floats squares{};
    for (int64_t k = 0; k < width; k += lanes) {
      floats v = read(x + k, width - k);
      squares += v * v;
    }
    float s = scale[row] = 1 / std::sqrt(sum_of(squares) / static_cast<float>(width) + eps);
    for (int64_t k = 0; k < width; k += lanes) write(y + k, read(x + k, width - k) * s * read(w + k, width - k), width - k);
  }
}

// dx = s · w · dy - x · s³ · mean(x · w · dy); dw has Σ dy · x · s added.
template <typename T>
SHIM_INLINE void norm_back(const T *dy, const T *x, const T *w, const float *scale, int64_t rows, int64_t width, T *dx, float *dw) {
  for (int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width) {
    float s = scale[row];
    floats products{};
    for (int64_t k = 0; k < width; k += lanes) {
      floats v = read(x + k, width - k) * read(dy + k, width - k);
      products += v * read(w + k, width - k);
      write(dw + k, read(dw + k, width - k) + v * s, width - k);
    }
    float shared = sum_of(products) / static_cast<float>(width) * s * s * s;
    for (int64_t k = 0; k < width; k += lanes) {
      floats own = read(dy + k, width - k) * read(w + k, width - k) * s;
      write(dx + k, own - read(x + k, width - k) * shared, width - k);
    }
  }
}

// y = g · σ(g) · u.
template <typename T>
SHIM_INLINE void gate(const T *g, const T *u, int64_t count, T *y) {
  for (int64_t k = 0; k < count; k += lanes) {
    floats v = read(g + k, count - k);
    write(y + k, v / (1.f + exponential(-v)) * read(u + k, count - k), count - k);
  }
}

// du = dy · g · σ(g); dg = dy · u · σ(g) · (1 + g · (1 - σ(g))).
template <typename T>
SHIM_INLINE void gate_back(const T *dy, const T *g, const T *u, int64_t count, T *dg, T *du) {
  for (int64_t k = 0; k < count; k += lanes) {
    floats v = read(g + k, count - k), d = read(dy + k, count - k);
    floats sigmoid = 1.f / (1.f + exponential(-v));
    write(du + k, d * v * sigmoid, count - k);
    write(dg + k, d * read(u + k, count - k) * sigmoid * (1.f + v * (1.f - sigmoid)), count - k);
  }
}

// Turns dimension i of each head against dimension i + width / 2, by the angles of its row or, with sign -1, back.
template <typename T>
SHIM_INLINE void turn(
    const T *x, const T *cosine, const T *sine, int64_t rows, int64_t heads, int64_t width, float sign, T *y) {
  int64_t half = width / 2;
  for (int64_t row = 0; row < rows; ++row, cosine += width, sine += width) {
    for (int64_t head = 0; head < heads; ++head, x += width, y += width) {
      for (int64_t k = 0; k < half; k += lanes) {
        floats low = read(x + k, half - k), high = read(x + half + k, half - k);
        floats c = read(cosine + k, half - k), s = read(sine + k, half - k) * sign;
        write(y + k, low * c - high * s, half - k);
        write(y + half + k, high * c + low * s, half - k);
      }
    }
  }
}

}  // namespace shim
