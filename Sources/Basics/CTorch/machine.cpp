// Devices, threads, versions, and the allocator.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#ifdef EPIC_SANITIZE
#include <malloc.h>
#else
#include <gperftools/malloc_extension.h>
#endif
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/headeronly/version.h>

#include "shim.h"

namespace {

#ifndef EPIC_SANITIZE
// tcmalloc stands in for glibc's allocator in the whole process. A training step asks for the same large blocks again and again;
// glibc returns each to the kernel and pays for it in page faults, so what is free is kept here.
const bool keeps_free_memory = [] {
  MallocExtension::instance()->SetMemoryReleaseRate(0);
  return true;
}();
#endif

// On recent GPUs libtorch prefers cuDNN's attention, which makes a new plan for every length that it has not seen: in training, for every
// batch. Its other kernels take any length at once.
const bool plans_no_attention = [] {
  at::globalContext().setSDPUseCuDNN(false);
  return true;
}();

}  // namespace

int32_t ct_cuda_device_count(void) {
  try {
    return at::hasCUDA() ? static_cast<int32_t>(at::detail::getCUDAHooks().deviceCount()) : 0;
  } catch (...) {
    return 0;
  }
}

int32_t ct_synchronize(int32_t device_type, int32_t device_index) {
  return shim::guarded([&] {
    if (device_type == CT_CUDA) c10::impl::VirtualGuardImpl(at::kCUDA).synchronizeDevice(static_cast<at::DeviceIndex>(device_index));
  });
}

void ct_set_threads(int32_t count) { at::set_num_threads(count); }
int32_t ct_threads(void) { return at::get_num_threads(); }

int32_t ct_loaded_version(void) {
  uint64_t version = aoti_torch_abi_version();
  return static_cast<int32_t>((version >> 40) & 0xffffff);
}

int32_t ct_built_version(void) { return TORCH_VERSION_MAJOR << 16 | TORCH_VERSION_MINOR << 8 | TORCH_VERSION_PATCH; }

bool ct_has_native_bfloat16(void) {
#if defined(__x86_64__)
  // Leaf 7, subleaf 1, EAX bit 5: AVX512-BF16. Leaf 7, subleaf 0, EDX bit 22: AMX-BF16.
  uint32_t a = 7, b = 0, c = 1, d = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (a & (1u << 5)) return true;
  a = 7, c = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d & (1u << 22);
#else
  return true;
#endif
}

void ct_heap_bytes(int64_t *live, int64_t *held) {
#ifdef EPIC_SANITIZE
  struct mallinfo2 info = mallinfo2();
  *live = static_cast<int64_t>(info.uordblks + info.hblkhd);
  *held = static_cast<int64_t>(info.arena + info.hblkhd);
#else
  size_t in_use = 0, heap = 0, unmapped = 0;
  MallocExtension::instance()->GetNumericProperty("generic.current_allocated_bytes", &in_use);
  MallocExtension::instance()->GetNumericProperty("generic.heap_size", &heap);
  MallocExtension::instance()->GetNumericProperty("tcmalloc.pageheap_unmapped_bytes", &unmapped);
  *live = static_cast<int64_t>(in_use);
  *held = static_cast<int64_t>(heap - unmapped);
#endif
}
