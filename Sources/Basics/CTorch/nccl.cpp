// NCCL, which carries tensors between GPUs, where the loaded libtorch is built for CUDA.
//
// Its header wants nccl.h, which libtorch does not bring, and a CPU build has none of it. So no name of it is linked: the two constructors are
// looked up in the running program, and called on memory that is larger than their objects (tested with libtorch 2.13; upgrade with care).
#include "nccl.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

namespace {

// The library does not tell how large its objects are. They have about a hundred fields.
constexpr size_t kRoom = 16 << 10;

using Store = c10::intrusive_ptr<c10d::Store>;
using Options = c10::intrusive_ptr<c10d::Backend::Options>;
// Where C++ passes a counted pointer by value, the machine passes the address of a copy that the caller destroys.
using MakeOptions = void (*)(void *self, bool high_priority);
using MakeGroup = void (*)(void *self, Store *store, int rank, int count, Options *options);

template <typename Function>
Function constructor(const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(found != nullptr, "the loaded libtorch has no NCCL, without which GPUs exchange nothing; set LIBTORCH to a build for CUDA, version 2.13");
  return reinterpret_cast<Function>(found);
}

// Zeroed memory in which a constructor makes an object; freed where it throws.
template <typename Object, typename Construct>
c10::intrusive_ptr<Object> constructed(Construct construct) {
  void *memory = ::operator new(kRoom);
  std::memset(memory, 0, kRoom);
  try {
    construct(memory);
  } catch (...) {
    ::operator delete(memory);
    throw;
  }
  auto made = c10::intrusive_ptr<Object>::unsafe_steal_from_new(static_cast<Object *>(memory));
  // One reference is never given back: deleting the object would tell the allocator a smaller size than was taken.
  (void)c10::intrusive_ptr<Object>(made).release();
  return made;
}

}  // namespace

namespace shim {

c10::intrusive_ptr<c10d::Backend> nccl(const c10::intrusive_ptr<c10d::Store> &store, int32_t rank, int32_t count,
                                       std::chrono::milliseconds timeout) {
  const auto make_options = constructor<MakeOptions>("_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb");
  const auto make_group = constructor<MakeGroup>(
      "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEEiiNS2_INS0_"
      "7OptionsENS5_IS8_EEEE");
  // A collective that fails or is late then throws where it is waited for, in place of ending the process from another thread.
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
  Options options = constructed<c10d::Backend::Options>([&](void *self) { make_options(self, false); });
  options->timeout = timeout;
  return constructed<c10d::Backend>([&](void *self) {
    Store own_store = store;
    Options own_options = options;
    make_group(self, &own_store, rank, count, &own_options);
  });
}

}  // namespace shim
