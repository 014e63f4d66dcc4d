// The attention of decoding: one query row per head against a cache of keys and values. libtorch's kernels for it copy the cache, or
// take four times as long as reading it (BENCHMARKS.md).
#include <algorithm>
#include <cmath>
#include <vector>

#include "threads.h"
#include "shim.h"
#include "vectors.h"

// Scores of `queries` rows of x, `width` apart and in the order of split_pairs, with `count` keys: scores[q * count + column].
SHIM_CLONES void ct_scores(const float *x, int64_t queries, const uint16_t *keys, int64_t count, int64_t width, float *scores) {
#pragma clang fp contract(fast)
  float sums[4];
  for (int64_t q = 0; q < queries; ++q) {
    int64_t column = 0;
    for (; column + 4 <= count; column += 4) {
      shim::dots<1, 4>(x + q * width, keys + column * width, width, sums);
      std::copy(sums, sums + 4, scores + q * count + column);
    }
    for (; column < count; ++column) shim::dots<1, 1>(x + q * width, keys + column * width, width, scores + q * count + column);
  }
}

namespace {

// Columns from k on of `count` rows of values, weighted and summed, in the order of split_pairs; Blocks * 32 columns.
template <int Blocks>
SHIM_INLINE void weighted_columns(const float *weights, const uint16_t *values, int64_t count, int64_t width, int64_t k, float *sum) {
  // Two sums for each column, so that additions do not wait for one another.
  shim::floats sums[2][2 * Blocks] = {};
  for (int64_t row = 0; row < count; ++row) {
    for (int block = 0; block < Blocks; ++block) {
      shim::words both;
      shim::load(both, values + row * width + k + block * shim::pairs);
      sums[row & 1][2 * block] += weights[row] * (shim::floats)(both << 16);
      sums[row & 1][2 * block + 1] += weights[row] * (shim::floats)(both & 0xffff0000u);
    }
  }
  for (int i = 0; i < 2 * Blocks; ++i) {
    shim::floats total = sums[0][i] + sums[1][i];
    std::memcpy(sum + k + i * shim::lanes, &total, sizeof total);
  }
}

}  // namespace

// Rows of values [count, width], weighted and summed: sum [width], in the order of split_pairs.
SHIM_CLONES void ct_weighted_sum(const float *weights, const uint16_t *values, int64_t count, int64_t width, float *sum) {
#pragma clang fp contract(fast)
  int64_t k = 0;
  for (; k + 2 * shim::pairs <= width; k += 2 * shim::pairs) weighted_columns<2>(weights, values, count, width, k, sum);
  for (; k + shim::pairs <= width; k += shim::pairs) weighted_columns<1>(weights, values, count, width, k, sum);
  for (; k < width; ++k) {
    sum[k] = 0;
    for (int64_t row = 0; row < count; ++row) sum[k] += weights[row] * shim::widen(values[row * width + k]);
  }
}

namespace {

void softmax(float *scores, int64_t count, float scale) {
  float highest = *std::max_element(scores, scores + count), total = 0;
  for (int64_t i = 0; i < count; ++i) total += scores[i] = std::exp((scores[i] - highest) * scale);
  for (int64_t i = 0; i < count; ++i) scores[i] /= total;
}

// Without its type: clang and libtorch 2.11 do not agree on the name of the typed one.
const uint16_t *bits(const at::Tensor &t) { return static_cast<const uint16_t *>(t.const_data_ptr()); }

}  // namespace

int32_t ct_attend_one_row(ct_tensor queries, ct_tensor keys, ct_tensor values, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor &q = queries->value, &k = keys->value, &v = values->value;
    for (const at::Tensor &t : {q, k, v}) {
      TORCH_CHECK(t.is_cpu() && t.scalar_type() == at::kBFloat16, "takes bfloat16 tensors on the CPU");
    }
    TORCH_CHECK(q.dim() == 2 && k.dim() == 3 && v.sizes() == k.sizes() && q.size(1) == k.size(2) && k.size(0) > 0 && k.size(1) > 0 &&
                    q.size(0) % k.size(0) == 0,
                "shapes do not fit: queries ", q.sizes(), ", keys ", k.sizes(), ", values ", v.sizes());
    int64_t heads = q.size(0), groups = k.size(0), count = k.size(1), width = q.size(1), shared = heads / groups;
    TORCH_CHECK(q.is_contiguous() && k.stride(2) == 1 && k.stride(1) == width && v.stride(2) == 1 && v.stride(1) == width,
                "rows of keys and values must lie one after the other");
    at::Tensor result = at::empty({heads, width}, q.options());
    auto *y = result.mutable_data_ptr<at::BFloat16>();
    float scale = 1 / std::sqrt(static_cast<float>(width));
    int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, 2 * count * width * shared));
    shim::share(groups, grain, [&](int64_t begin, int64_t end) {
      std::vector<float> rows(shared * width), scores(shared * count), sum(width);
      for (int64_t group = begin; group < end; ++group) {
        for (int64_t i = 0; i < shared; ++i) shim::split_pairs(bits(q) + (group * shared + i) * width, width, rows.data() + i * width);
        ct_scores(rows.data(), shared, bits(k) + group * k.stride(0), count, width, scores.data());
        for (int64_t i = 0; i < shared; ++i) {
          softmax(scores.data() + i * count, count, scale);
          ct_weighted_sum(scores.data() + i * count, bits(v) + group * v.stride(0), count, width, sum.data());
          shim::join_pairs(sum.data(), width, y + (group * shared + i) * width);
        }
      }
    });
    *out = shim::wrap(std::move(result));
  });
}
