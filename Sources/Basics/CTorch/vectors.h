// Short vectors of float32 and of bfloat16 pairs for the kernels of decoding, in the compiler's portable vector types: one source
// for AVX-512, AVX2 and everything else, chosen when the program starts.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__)
// A level and not a processor's name: the name chooses by maker, and every AMD processor without AVX-512 would run the default.
#define SHIM_CLONES __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#else
#define SHIM_CLONES
#endif
#define SHIM_INLINE __attribute__((always_inline)) inline

namespace shim {

constexpr int64_t lanes = 16;
// Numbers of bfloat16 that one load brings: a low and a high half for each lane.
constexpr int64_t pairs = 2 * lanes;

typedef float floats __attribute__((vector_size(lanes * 4)));
typedef uint32_t words __attribute__((vector_size(lanes * 4)));

template <typename Vector>
SHIM_INLINE void load(Vector &into, const void *from) {
  std::memcpy(&into, from, sizeof into);
}

SHIM_INLINE float widen(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// Numbers of a row of `count` bfloat16 in float32, in the order in which `low` and `high` halves of loads meet them: of each full
// block of 32 first the even ones, then the odd ones; the rest of the row as it is.
inline void split_pairs(const uint16_t *from, int64_t count, float *to) {
  int64_t k = 0;
  for (; k + pairs <= count; k += pairs) {
    for (int64_t i = 0; i < lanes; ++i) {
      to[k + i] = widen(from[k + 2 * i]);
      to[k + lanes + i] = widen(from[k + 2 * i + 1]);
    }
  }
  for (; k < count; ++k) to[k] = widen(from[k]);
}

// The reverse of split_pairs, rounded to Narrow.
template <typename Narrow>
inline void join_pairs(const float *from, int64_t count, Narrow *to) {
  int64_t k = 0;
  for (; k + pairs <= count; k += pairs) {
    for (int64_t i = 0; i < lanes; ++i) {
      to[k + 2 * i] = Narrow(from[k + i]);
      to[k + 2 * i + 1] = Narrow(from[k + lanes + i]);
    }
  }
  for (; k < count; ++k) to[k] = Narrow(from[k]);
}

// Rows that are float32 already are taken as they are.
inline void split_pairs(const float *from, int64_t count, float *to) { std::memcpy(to, from, count * sizeof(float)); }
inline void join_pairs(const float *from, int64_t count, float *to) { std::memcpy(to, from, count * sizeof(float)); }
inline float widen(float value) { return value; }

typedef float half_floats __attribute__((vector_size(lanes * 2)));

// The sum of all lanes, as a tree.
SHIM_INLINE float sum_of(const half_floats &h) {
  typedef float quarter __attribute__((vector_size(16)));
  quarter q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
  return (q[0] + q[2]) + (q[1] + q[3]);
}
SHIM_INLINE float sum_of(const floats &v) {
  half_floats h = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return sum_of(h);
}

// Adds the products of numbers k to k + pairs of R rows of x and N rows of w, bfloat16 or float32, to their sums.
template <int R, int N, typename Floats>
SHIM_INLINE void add_products(const float *x, const uint16_t *w, int64_t in, int64_t k, Floats (&sums)[R][N]) {
  constexpr int64_t length = sizeof(Floats) / sizeof(float);
  typedef uint32_t Words __attribute__((vector_size(sizeof(Floats))));
  for (int64_t part = 0; part < lanes; part += length) {
    // First all low halves and then all high ones, so that few registers are in use at a time.
    Floats some[R];
    Words both[N];
    for (int r = 0; r < R; ++r) load(some[r], x + r * in + k + part);
    for (int n = 0; n < N; ++n) {
      load(both[n], w + n * in + k + 2 * part);
      Floats low = (Floats)(both[n] << 16);
      for (int r = 0; r < R; ++r) sums[r][n] += some[r] * low;
    }
    for (int r = 0; r < R; ++r) load(some[r], x + r * in + k + lanes + part);
    for (int n = 0; n < N; ++n) {
      Floats high = (Floats)(both[n] & 0xffff0000u);
      for (int r = 0; r < R; ++r) sums[r][n] += some[r] * high;
    }
  }
}

template <int R, int N, typename Floats>
SHIM_INLINE void add_products(const float *x, const float *w, int64_t in, int64_t k, Floats (&sums)[R][N]) {
  constexpr int64_t length = sizeof(Floats) / sizeof(float);
  for (int64_t part = 0; part < pairs; part += length) {
    Floats some[R];
    for (int r = 0; r < R; ++r) load(some[r], x + r * in + k + part);
    for (int n = 0; n < N; ++n) {
      Floats weights;
      load(weights, w + n * in + k + part);
      for (int r = 0; r < R; ++r) sums[r][n] += some[r] * weights;
    }
  }
}

// Dot products of R rows of x, `in` apart and as split_pairs left them, with N rows of w: out[r * N + n].
//
// Sums are `floats` or `half_floats` long. Where a register holds `half_floats` alone, these let larger tiles stay in registers. A sum is
// added up in the same order in tiles of all sizes, so a row's result does not depend on how many others there are.
template <int R, int N, typename Floats = floats, typename Weight>
SHIM_INLINE void dots(const float *x, const Weight *w, int64_t in, float *out) {
  Floats sums[R][N] = {};
  int64_t k = 0;
  for (; k + pairs <= in; k += pairs) {
    // The rows that come next; the processor's own guesses keep memory half idle.
    for (int n = 0; n < N; ++n) {
      for (int64_t line = 0; line < pairs; line += 64 / sizeof(Weight)) __builtin_prefetch(w + (N + n) * in + k + line);
    }
    add_products<R, N>(x, w, in, k, sums);
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) {
      float sum = sum_of(sums[r][n]);
      for (int64_t i = k; i < in; ++i) sum += x[r * in + i] * widen(w[n * in + i]);
      out[r * N + n] = sum;
    }
  }
}

}  // namespace shim
