// Tensors from memory and what can be asked of one.
#include "shim.h"

int32_t ct_tensor_copying(const void *data, int64_t bytes, const int64_t *shape, int32_t rank, int32_t dtype, ct_tensor *out) {
  return shim::guarded([&] {
    at::Tensor t = at::empty(at::IntArrayRef(shape, rank), at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
    TORCH_CHECK(static_cast<int64_t>(t.nbytes()) == bytes, "a tensor of shape ", t.sizes(), " takes ", t.nbytes(), " bytes, given ", bytes);
    if (bytes > 0) std::memcpy(t.mutable_data_ptr(), data, bytes);
    *out = shim::wrap(std::move(t));
  });
}

int32_t ct_tensor_borrowing(void *data, const int64_t *shape, int32_t rank, int32_t dtype, void (*release)(void *), void *context,
                            ct_tensor *out) {
  return shim::guarded([&] {
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype));
    *out = shim::wrap(at::from_blob(data, at::IntArrayRef(shape, rank), [release, context](void *) { release(context); }, options));
  });
}

int32_t ct_tensor_resize_memory(ct_tensor t, int64_t bytes) {
  return shim::guarded([&] {
    c10::StorageImpl *storage = t->value.storage().unsafeGetStorageImpl();
    TORCH_CHECK(storage->allocator() && storage->resizable(), "the tensor's memory belongs to somebody else");
    at::DataPtr memory = bytes > 0 ? storage->allocator()->allocate(bytes) : at::DataPtr(nullptr, storage->device());
    storage->set_data_ptr_noswap(std::move(memory));
    storage->set_nbytes(bytes);
  });
}

ct_tensor ct_tensor_alias(ct_tensor t) { return shim::wrap(t->value); }
void ct_tensor_free(ct_tensor t) { delete t; }
int32_t ct_tensor_rank(ct_tensor t) { return static_cast<int32_t>(t->value.dim()); }
int64_t ct_tensor_size(ct_tensor t, int32_t dimension) { return t->value.sizes()[dimension]; }
int64_t ct_tensor_stride(ct_tensor t, int32_t dimension) { return t->value.strides()[dimension]; }
int64_t ct_tensor_count(ct_tensor t) { return t->value.numel(); }
int32_t ct_tensor_dtype(ct_tensor t) { return static_cast<int32_t>(t->value.scalar_type()); }
bool ct_tensor_is_contiguous(ct_tensor t) { return t->value.is_contiguous(); }

void ct_tensor_device(ct_tensor t, int32_t *type, int32_t *index) {
  auto device = t->value.device();
  *type = device.is_cuda() ? CT_CUDA : CT_CPU;
  *index = device.has_index() ? device.index() : 0;
}

int32_t ct_tensor_data(ct_tensor t, int64_t element_size, void **out) {
  return shim::guarded([&] {
    TORCH_CHECK(static_cast<int64_t>(t->value.element_size()) == element_size, "an element takes ", t->value.element_size(),
                " bytes, expected ", element_size);
    TORCH_CHECK(t->value.device().is_cpu(), "the tensor's data is on ", t->value.device());
    TORCH_CHECK(t->value.is_contiguous(), "the tensor is not contiguous");
    *out = t->value.mutable_data_ptr();
  });
}
