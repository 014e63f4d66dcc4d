// The C surface of libtorch that the Swift side uses: handles, one generic operator call, autograd, random numbers, devices.
//
// Every function that can fail returns 0 for success and another number for failure; ct_last_error() then holds the text, on the
// same thread. No C++ exception leaves a function of this header. Handles are owned by the caller and released with ct_*_free.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor_s *ct_tensor;
typedef struct ct_operator_s *ct_operator;
typedef struct ct_generator_s *ct_generator;
typedef struct ct_inference_s *ct_inference;

// The text of the last failure on this thread: libtorch's first line, without its C++ stack.
const char *ct_last_error(void);

// ---- Operators (operators.cpp)

typedef enum {
  CT_NONE = 0,
  CT_DEFAULT,       // take the schema's default
  CT_TENSOR,        // pointer: ct_tensor
  CT_INT,           // integer
  CT_DOUBLE,        // number
  CT_BOOL,          // integer, 0 or 1
  CT_STRING,        // pointer: UTF-8, zero-terminated
  CT_DEVICE,        // integer: type as in ct_device_type, count: index
  CT_GENERATOR,     // pointer: ct_generator
  CT_INT_LIST,      // pointer: const int64_t *, count
  CT_DOUBLE_LIST,   // pointer: const double *, count
  CT_BOOL_LIST,     // pointer: const int64_t *, count
  CT_TENSOR_LIST,   // pointer: const ct_tensor * (NULL for an absent one), count
} ct_tag;

typedef struct {
  int32_t tag;
  int32_t count;
  int64_t integer;
  double number;
  const void *pointer;
} ct_value;

// Finds an operator by its dispatcher name and overload ("aten::add", "Tensor"). The handle is never freed.
int32_t ct_operator_find(const char *name, const char *overload, ct_operator *out);

// Calls an operator. Arguments are positional; those left out at the end, and those tagged CT_DEFAULT, take the schema's default.
// A list among the results is flattened. `*count` is the number of results, which ct_result() hands over one by one.
int32_t ct_call(ct_operator op, const ct_value *arguments, int32_t argument_count, int32_t *count);

// Moves result `index` of this thread's last ct_call to the caller: CT_TENSOR (owned), CT_INT, CT_DOUBLE, CT_BOOL or CT_NONE.
int32_t ct_result(int32_t index, ct_value *out);

// ---- Tensors (tensors.cpp). dtype numbers are those of c10::ScalarType.

// Copies `bytes` bytes of contiguous data into a new CPU tensor.
int32_t ct_tensor_copying(const void *data, int64_t bytes, const int64_t *shape, int32_t rank, int32_t dtype, ct_tensor *out);
// A CPU tensor over memory that somebody else owns; `release(context)` is called once when the last user is gone.
int32_t ct_tensor_borrowing(void *data, const int64_t *shape, int32_t rank, int32_t dtype, void (*release)(void *), void *context,
                            ct_tensor *out);
// Gives the memory of a tensor and of all its views other memory of so many bytes, whose contents are undefined; 0 gives it back.
int32_t ct_tensor_resize_memory(ct_tensor t, int64_t bytes);
// Another handle for the same tensor.
ct_tensor ct_tensor_alias(ct_tensor t);
void ct_tensor_free(ct_tensor t);
int32_t ct_tensor_rank(ct_tensor t);
int64_t ct_tensor_size(ct_tensor t, int32_t dimension);
int64_t ct_tensor_stride(ct_tensor t, int32_t dimension);
int64_t ct_tensor_count(ct_tensor t);
int32_t ct_tensor_dtype(ct_tensor t);
void ct_tensor_device(ct_tensor t, int32_t *type, int32_t *index);
bool ct_tensor_is_contiguous(ct_tensor t);
// Address of a contiguous CPU tensor's first element; fails for any other tensor, and where elements take another number of bytes.
int32_t ct_tensor_data(ct_tensor t, int64_t element_size, void **out);

// ---- Autograd (autograd.cpp)

bool ct_tensor_requires_gradient(ct_tensor t);
int32_t ct_tensor_set_requires_gradient(ct_tensor t, bool required);
// The accumulated gradient, or NULL where there is none.
int32_t ct_tensor_gradient(ct_tensor t, ct_tensor *out);
// Replaces the accumulated gradient; NULL removes it.
int32_t ct_tensor_set_gradient(ct_tensor t, ct_tensor gradient);
int32_t ct_backward(ct_tensor root, ct_tensor gradient, bool retain_graph);
// Gradients of the sum of outputs with respect to inputs; NULL for inputs that do not take part.
int32_t ct_gradients(const ct_tensor *outputs, const ct_tensor *output_gradients, int32_t output_count, const ct_tensor *inputs,
                     int32_t input_count, bool retain_graph, ct_tensor *out);
// Switches recording on this thread and returns what it was.
bool ct_set_gradient_enabled(bool enabled);
bool ct_gradient_enabled(void);
// Inference mode on this thread until ct_inference_end: no recording and no version counting.
ct_inference ct_inference_begin(void);
void ct_inference_end(ct_inference scope);

// ---- Custom gradients (custom_gradient.cpp)

// Works out the gradients of a custom node's inputs when the graph is walked backwards, on whatever thread libtorch walks it.
// `seeds` are the gradients of the outputs, NULL for outputs that take no part, and lent for the call; `gradients` receives owned
// handles, NULL for inputs without a gradient. Returns 0, or what ct_set_error returned. May walk graphs of its own.
typedef int32_t (*ct_gradient_function)(void *context, const ct_tensor *seeds, int32_t seed_count, ct_tensor *gradients,
                                        int32_t gradient_count);
// Keeps the first line of `message` as this thread's error; returns the status that a failed function returns.
int32_t ct_set_error(const char *message);
// Copies of `outputs` (sharing their memory) that the recorded graph takes for results of `inputs`, with `function` as the gradient.
// `release(context)` is called once, after the backward pass or when the last output goes, on failure as well.
int32_t ct_custom_gradient(const ct_tensor *inputs, int32_t input_count, const ct_tensor *outputs, int32_t output_count,
                           ct_gradient_function function, void (*release)(void *), void *context, ct_tensor *out);

// ---- Random numbers (random.cpp)

int32_t ct_seed(uint64_t seed);
int32_t ct_generator_new(int32_t device_type, int32_t device_index, uint64_t seed, ct_generator *out);
// The generator that operators use when they are given none.
int32_t ct_generator_default(int32_t device_type, int32_t device_index, ct_generator *out);
void ct_generator_free(ct_generator g);
int32_t ct_generator_seed(ct_generator g, uint64_t seed);
// State as a CPU uint8 tensor.
int32_t ct_generator_state(ct_generator g, ct_tensor *out);
int32_t ct_generator_set_state(ct_generator g, ct_tensor state);

// ---- The machine (machine.cpp)

typedef enum { CT_CPU = 0, CT_CUDA = 1 } ct_device_type;

int32_t ct_cuda_device_count(void);
int32_t ct_synchronize(int32_t device_type, int32_t device_index);
void ct_set_threads(int32_t count);
int32_t ct_threads(void);
// Version of the libtorch loaded now, major << 16 | minor << 8 | patch, and of the one whose headers this was built with.
int32_t ct_loaded_version(void);
int32_t ct_built_version(void);
// True where the processor multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX).
bool ct_has_native_bfloat16(void);
// Bytes that live objects take, and bytes that the allocator holds for this process.
void ct_heap_bytes(int64_t *live, int64_t *held);

// ---- Kernels of decoding (few_rows.cpp, one_row.cpp, cache_rows.cpp): tensors of one type, bfloat16 or float32, on the CPU

// y = x·wᵀ (+ bias) for a few rows: x [rows, in], w [out, in], bias [out] or NULL, all contiguous; y [rows, out].
// Reads each weight from memory once, whatever the number of rows, and accumulates in float32.
int32_t ct_linear_few_rows(ct_tensor x, ct_tensor w, ct_tensor bias, ct_tensor *out);

// Attention of one query row per head and sequence: queries [count, heads, width]; keys and values of each sequence [groups, tokens,
// width], whose rows lie one after the other within a group, heads a multiple of groups. Computes in float32; out as queries.
int32_t ct_attend_one_row(ct_tensor queries, const ct_tensor *keys, const ct_tensor *values, int32_t count, ct_tensor *out);

// Copies rows [count, groups, width] to tokens first..<first + count of memory [groups, capacity, width]; any one type.
int32_t ct_put_rows(ct_tensor memory, ct_tensor rows, int64_t first);

// ---- Matrices in few bits (quantized.cpp, quantize.cpp), on the CPU
//
// number = scale · (code - zero), for groups of a multiple of 32 numbers of a row. codes [out, in · bits / 8] uint8: signed
// bytes with 8 bits; with 4, of each 32 numbers number i in the low and number i + 16 in the high half of byte i. scales and zeros
// [out, groups] float16; zeros is NULL with 8 bits, where zero is 0.

// y = x·wᵀ (+ bias): x [rows, in] bfloat16 or float32, bias [out] of its type or NULL; y [rows, out]. For a few rows.
int32_t ct_quantized_linear(ct_tensor x, ct_tensor codes, ct_tensor scales, ct_tensor zeros, int32_t bits, ct_tensor bias,
                           ct_tensor *out);
// The numbers [out, in] in bfloat16 or float32.
int32_t ct_quantized_dense(ct_tensor codes, ct_tensor scales, ct_tensor zeros, int32_t bits, bool bfloat16, ct_tensor *out);
// Codes as other software lays them out, and back: with 8 bits numbers from 0 with 128 for zero, with 4 numbers 2i and 2i + 1 in byte i.
int32_t ct_quantized_repack(ct_tensor codes, int32_t bits, bool outwards, ct_tensor *out);
// From weight [out, in]. importance [in] or NULL says how much an error in each column counts.
int32_t ct_quantize(ct_tensor weight, ct_tensor importance, int32_t bits, int64_t group, ct_tensor *codes, ct_tensor *scales,
                       ct_tensor *zeros);

// ---- Rows of a decoder layer (decoder_rows.cpp): tensors of one type, bfloat16 or float32, on the CPU; computed in float32

// y = x · s · w with s = 1 / √(mean(x²) + eps) over the last dimension; scale [rows] float32 holds s.
int32_t ct_rms_norm(ct_tensor x, ct_tensor w, double eps, ct_tensor *out, ct_tensor *scale);
// Gradients of x and w from that of y.
int32_t ct_rms_norm_backward(ct_tensor seed, ct_tensor x, ct_tensor w, ct_tensor scale, ct_tensor *dx, ct_tensor *dw);
// y = g · σ(g) · u.
int32_t ct_swiglu(ct_tensor gate, ct_tensor up, ct_tensor *out);
int32_t ct_swiglu_backward(ct_tensor seed, ct_tensor gate, ct_tensor up, ct_tensor *dgate, ct_tensor *dup);
// x [rows, heads, width]: dimensions i and i + width / 2 turned by the angles of their row, or back; cosine and sine hold width numbers
// for each row, of which the second half repeats the first.
int32_t ct_rotate_halves(ct_tensor x, ct_tensor cosine, ct_tensor sine, bool back, ct_tensor *out);

// ---- Processes that work together (process_group.cpp): collectives over contiguous tensors, equal in shape and type on all

typedef struct ct_group_s *ct_group;
typedef struct ct_work_s *ct_work;
typedef enum { CT_SUM = 0, CT_MAXIMUM = 1 } ct_reduction;

// Joins `count` processes that find each other at a store on `host`:`port`, which this process serves or another does; keys begin with
// `prefix`. Waits for all of them, for so many seconds at most, as every collective does. A process is in one group at a time.
int32_t ct_group_start(const char *host, int32_t port, bool serves, int32_t rank, int32_t count, const char *prefix, double seconds,
                       ct_group *out);
// Tensors of GPUs travel too from then on, over NCCL. Fails where the loaded libtorch has none, or there is no GPU.
int32_t ct_group_join_gpus(ct_group group);
void ct_group_free(ct_group group);
// Starts a collective, to be waited for; the tensors must not be touched before.
int32_t ct_group_all_reduce(ct_group group, ct_tensor tensor, int32_t operation, ct_work *out);
// output [count · n] from input [n], in the order of ranks.
int32_t ct_group_all_gather(ct_group group, ct_tensor input, ct_tensor output, ct_work *out);
// Part r of input [count · n] goes to rank r; output [count · n] holds what came, in the order of ranks.
int32_t ct_group_all_to_all(ct_group group, ct_tensor input, ct_tensor output, ct_work *out);
int32_t ct_group_broadcast(ct_group group, ct_tensor tensor, int32_t root, ct_work *out);
int32_t ct_work_wait(ct_work work);
void ct_work_free(ct_work work);

// ---- What is done and when (trace.cpp), by libtorch's profiler

// Begins to record what this thread does, and what others do for it.
int32_t ct_trace_start(void);
// Ends that, and writes the record as Chrome's trace events where a path is given.
int32_t ct_trace_stop(const char *path);
typedef struct ct_span_s *ct_span;
// A part of the record with a name, until its end on the same thread; nothing where nothing is recorded.
ct_span ct_span_start(const char *name);
void ct_span_end(ct_span span);

#ifdef __cplusplus
}
#endif
