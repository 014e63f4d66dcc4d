// The product of a few rows with every row of a matrix, whatever form the matrix is stored in: how it is cut into tiles whose sums
// stay in registers, and shared among threads.
#pragma once

#include <ATen/ATen.h>
#include <algorithm>

#include "threads.h"
#include "vectors.h"

namespace shim {

// Rows and outputs whose sums stay in registers. A source is a matrix in some form.
template <typename Source>
struct Tile {
  int64_t rows, outputs;
  // Products of `rows` rows of x, which lie `source.in` apart, with the rows n up to n + outputs of the source.
  void (*dots)(const float *x, const Source &source, int64_t n, float *sums);
};

// How a product is cut into tiles, by the registers of this processor: those of AVX-512 are 32 of 16 floats, those of AVX2 16 of 8.
template <typename Source>
struct Tiles {
  // Outputs that all rows pass over while their weights stay in the nearest cache.
  int64_t outputs;
  Tile<Source> single;
  // By the number of rows that are left, up to 4.
  Tile<Source> by_rows[5];

  const Tile<Source> &tile(int64_t left) const {
    if (left <= 4) return by_rows[left];
    return by_rows[4].rows == 4 ? by_rows[4] : by_rows[3];
  }
};

inline bool has_wide_registers() {
#if defined(__x86_64__)
  static const bool is_wide = __builtin_cpu_supports("avx512f");
  return is_wide;
#else
  return false;
#endif
}

// y = x·wᵀ (+ bias); Number is what libtorch calls the numbers of bias and y.
template <typename Source, typename Number>
struct Product {
  const float *x;
  int64_t rows;
  Source source;
  int64_t outputs;
  const Number *bias;
  Number *y;

  void store(int64_t row, int64_t n, float sum) const {
    y[row * outputs + n] = Number(bias ? sum + static_cast<float>(bias[n]) : sum);
  }

  void compute(int64_t row, int64_t n, const Tile<Source> &tile) const {
    float sums[9];
    tile.dots(x + row * source.in, source, n, sums);
    for (int64_t i = 0; i < tile.rows * tile.outputs; ++i) store(row + i / tile.outputs, n + i % tile.outputs, sums[i]);
  }

  // Outputs from `begin` up to `end` of all rows.
  void compute(int64_t begin, int64_t end) const {
    const Tiles<Source> &tiles = Source::tiles();
    int64_t n = begin;
    for (; n + tiles.outputs <= end; n += tiles.outputs) {
      for (int64_t row = 0; row < rows;) {
        const Tile<Source> &tile = tiles.tile(rows - row);
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
    int64_t block = Source::tiles().outputs;
    int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, source.in * rows * block));
    share((outputs + block - 1) / block, grain, [&](int64_t begin, int64_t end) {
      compute(begin * block, std::min(end * block, outputs));
    });
  }
};

}  // namespace shim
