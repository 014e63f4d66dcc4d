// The attention of decoding: one query row per head against a cache of keys and values, for many sequences at a time. libtorch's kernels for
// it copy the cache, or take four times as long as reading it (BENCHMARKS.md).
#include <algorithm>
#include <cmath>
#include <vector>

#include "rows.h"
#include "shim.h"
#include "threads.h"

namespace {

// Scores of `queries` rows of x, `width` apart and as split_pairs left them, with `count` keys: scores[q * count + column].
template <typename Key>
SHIM_INLINE void all_scores(const float *x, int64_t queries, const Key *keys, int64_t count, int64_t width, float *scores) {
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

SHIM_INLINE void add_weighted(float weight, const uint16_t *values, shim::floats *sums) {
  shim::words both;
  shim::load(both, values);
  sums[0] += weight * (shim::floats)(both << 16);
  sums[1] += weight * (shim::floats)(both & 0xffff0000u);
}

SHIM_INLINE void add_weighted(float weight, const float *values, shim::floats *sums) {
  shim::floats first, second;
  shim::load(first, values);
  shim::load(second, values + shim::lanes);
  sums[0] += weight * first;
  sums[1] += weight * second;
}

// Columns from k on of `count` rows of values, weighted and summed; Blocks * 32 columns.
template <int Blocks, typename Value>
SHIM_INLINE void weighted_columns(const float *weights, const Value *values, int64_t count, int64_t width, int64_t k, float *sum) {
  // Two sums for each column, so that additions do not wait for one another.
  shim::floats sums[2][2 * Blocks] = {};
  for (int64_t row = 0; row < count; ++row) {
    for (int block = 0; block < Blocks; ++block) {
      add_weighted(weights[row], values + row * width + k + block * shim::pairs, sums[row & 1] + 2 * block);
    }
  }
  for (int i = 0; i < 2 * Blocks; ++i) {
    shim::floats total = sums[0][i] + sums[1][i];
    std::memcpy(sum + k + i * shim::lanes, &total, sizeof total);
  }
}

// Rows of values [count, width], weighted and summed: sum [width], in the order of split_pairs.
template <typename Value>
SHIM_INLINE void all_weighted(const float *weights, const Value *values, int64_t count, int64_t width, float *sum) {
  int64_t k = 0;
  for (; k + 2 * shim::pairs <= width; k += 2 * shim::pairs) weighted_columns<2>(weights, values, count, width, k, sum);
  for (; k + shim::pairs <= width; k += shim::pairs) weighted_columns<1>(weights, values, count, width, k, sum);
  for (; k < width; ++k) {
    sum[k] = 0;
    for (int64_t row = 0; row < count; ++row) sum[k] += weights[row] * shim::widen(values[row * width + k]);
  }
}

// Scores, times `scale`, to weights that sum to one.
SHIM_INLINE void to_weights(float *scores, int64_t count, float scale) {
  float highest = scores[0];
  shim::floats most = shim::floats{} + highest;
  int64_t whole = count / shim::lanes * shim::lanes;
  for (int64_t k = 0; k < whole; k += shim::lanes) {
    shim::floats v = shim::read(scores + k);
    most = v > most ? v : most;
  }
  for (int64_t lane = 0; lane < shim::lanes; ++lane) highest = std::max(highest, most[lane]);
  for (int64_t k = whole; k < count; ++k) highest = std::max(highest, scores[k]);
  shim::floats sums{};
  for (int64_t k = 0; k < whole; k += shim::lanes) {
    shim::floats v = shim::exponential((shim::read(scores + k) - highest) * scale);
    shim::write(scores + k, v);
    sums += v;
  }
  float total = shim::sum_of(sums);
  for (int64_t k = whole; k < count; ++k) total += scores[k] = std::exp((scores[k] - highest) * scale);
  for (int64_t k = 0; k < count; ++k) scores[k] /= total;
}

}  // namespace

// Marked clones must be plain functions with external linkage, so each has one for either type of cache.
#define SHIM_ONE_ROW(T)                                                                                                          \
  SHIM_CLONES void ct_scores(const float *x, int64_t queries, const T *keys, int64_t count, int64_t width, float *scores) {       \
    _Pragma("clang fp contract(fast)") all_scores(x, queries, keys, count, width, scores);                                        \
  }                                                                                                                              \
  SHIM_CLONES void ct_weighted_sum(const float *weights, const T *values, int64_t count, int64_t width, float *sum) {            \
    _Pragma("clang fp contract(fast)") all_weighted(weights, values, count, width, sum);                                          \
  }
SHIM_ONE_ROW(uint16_t)
SHIM_ONE_ROW(float)

SHIM_CLONES void ct_softmax(float *scores, int64_t count, float scale) { to_weights(scores, count, scale); }

namespace {

// Keys and values that one row attends to.
template <typename Number>
struct Seen {
  const Number *keys, *values;
  int64_t count, key_stride, value_stride;
};

// All rows that attend: queries and result [rows, groups, shared, width]. Number is what is read, Result what libtorch calls it.
template <typename Number, typename Result>
struct Rows {
  const Number *queries;
  std::vector<Seen<Number>> seen;
  int64_t groups, shared, width;
  Result *result;

  void attend(int64_t row, int64_t group, std::vector<float> &scratch) const {
    const Seen<Number> &cache = seen[row];
    int64_t first = (row * groups + group) * shared * width;
    scratch.resize(std::max<size_t>(scratch.size(), shared * (width + cache.count) + width));
    float *x = scratch.data(), *scores = x + shared * width, *sum = scores + shared * cache.count;
    for (int64_t i = 0; i < shared; ++i) shim::split_pairs(queries + first + i * width, width, x + i * width);
    ct_scores(x, shared, cache.keys + group * cache.key_stride, cache.count, width, scores);
    for (int64_t i = 0; i < shared; ++i) {
      ct_softmax(scores + i * cache.count, cache.count, 1 / std::sqrt(static_cast<float>(width)));
      ct_weighted_sum(scores + i * cache.count, cache.values + group * cache.value_stride, cache.count, width, sum);
      shim::join_pairs(sum, width, result + first + i * width);
    }
  }
};

template <typename Number, typename Result>
at::Tensor attend(const at::Tensor &queries, const ct_tensor *keys, const ct_tensor *values, int64_t groups) {
  int64_t count = queries.size(0), heads = queries.size(1), width = queries.size(2), numbers = 0;
  at::Tensor result = at::empty({count, heads, width}, queries.options());
  Rows<Number, Result> rows{static_cast<const Number *>(queries.const_data_ptr()), {}, groups, heads / groups, width,
                            result.mutable_data_ptr<Result>()};
  for (int64_t i = 0; i < count; ++i) {
    const at::Tensor &k = keys[i]->value, &v = values[i]->value;
    // Without its type: clang and libtorch 2.11 do not agree on the name of the typed one.
    rows.seen.push_back({static_cast<const Number *>(k.const_data_ptr()), static_cast<const Number *>(v.const_data_ptr()), k.size(1),
                         k.stride(0), v.stride(0)});
    numbers += 2 * k.size(1) * heads * width;
  }
  // Heads in the outer loop, so that threads have shares of every row, however long its cache is.
  int64_t parts = groups * count, grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, numbers / std::max<int64_t>(1, parts)));
  shim::share(parts, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    for (int64_t part = begin; part < end; ++part) rows.attend(part % count, part / count, scratch);
  });
  return result;
}

}  // namespace

int32_t ct_attend_one_row(ct_tensor queries, const ct_tensor *keys, const ct_tensor *values, int32_t count, ct_tensor *out) {
  return shim::guarded([&] {
    const at::Tensor &q = queries->value;
    at::ScalarType type = q.scalar_type();
    TORCH_CHECK(type == at::kBFloat16 || type == at::kFloat, "takes bfloat16 or float32 tensors");
    TORCH_CHECK(q.is_cpu() && q.dim() == 3 && q.is_contiguous(), "takes contiguous queries of three dimensions on the CPU");
    TORCH_CHECK(q.size(0) == count, "queries of ", q.size(0), " rows with ", count, " caches");
    int64_t heads = q.size(1), width = q.size(2), groups = count > 0 ? keys[0]->value.size(0) : 1;
    for (int32_t i = 0; i < count; ++i) {
      const at::Tensor &k = keys[i]->value, &v = values[i]->value;
      for (const at::Tensor &t : {k, v}) {
        TORCH_CHECK(t.is_cpu() && t.scalar_type() == type && t.dim() == 3, "takes keys and values of the queries' type on the CPU");
        TORCH_CHECK(t.size(0) == groups && groups > 0 && heads % groups == 0 && t.size(1) > 0 && t.size(1) == k.size(1) && t.size(2) == width,
                    "shapes do not fit: queries ", q.sizes(), ", keys ", k.sizes(), ", values ", v.sizes());
        TORCH_CHECK(t.stride(2) == 1 && t.stride(1) == width, "rows of keys and values must lie one after the other");
      }
    }
    *out = shim::wrap(type == at::kFloat ? attend<float, float>(q, keys, values, groups)
                                         : attend<uint16_t, at::BFloat16>(q, keys, values, groups));
  });
}
