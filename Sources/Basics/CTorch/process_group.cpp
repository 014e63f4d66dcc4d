// Processes that work together: c10d's store and its backends, used without Python: Gloo for tensors of the CPU, NCCL for those of GPUs.
//
// A collective is started and then waited for; its tensors are kept until then. Where a peer is gone, waiting fails and the group is dead.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupWrapper.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/debug.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "local_address.h"
#include "mismatch.h"
#include "nccl.h"
#include "shim.h"

struct ct_group_s {
  c10::intrusive_ptr<c10d::Store> store;
  std::string host;
  int32_t rank, count;
  std::chrono::milliseconds timeout;
  c10::intrusive_ptr<c10d::Backend> cpu;
  // Absent until `ct_group_join_gpus`.
  c10::intrusive_ptr<c10d::Backend> gpu;
};

struct ct_work_s {
  c10::intrusive_ptr<c10d::Work> work;
  std::vector<at::Tensor> held;
};

namespace {

using Gloo = c10d::ProcessGroupGloo;

c10d::Backend &backend(ct_group group, const at::Tensor &tensor) {
  TORCH_CHECK(tensor.is_contiguous(), "only contiguous tensors can travel between processes");
  if (tensor.device().is_cpu()) return *group->cpu;
  TORCH_CHECK(tensor.device().is_cuda() && group->gpu, "tensors on ", tensor.device().str(),
              " travel between processes once these have joined their GPUs");
  return *group->gpu;
}

// The address at which the others reach this process.
//
// Gloo would take what the machine's own name stands for, and on many systems that is an address that only the machine itself reaches. The
// way to the store leaves from the right one, but on the store's own machine, which takes the way to a process elsewhere.
std::string meeting_address(c10d::Store &store, const std::string &host, int32_t rank, int32_t count) {
  const auto key = [](int32_t number) { return "address/" + std::to_string(number); };
  std::string own = shim::address_towards(host);
  store.set(key(rank), std::vector<uint8_t>(own.begin(), own.end()));
  std::string elsewhere;
  for (int32_t number = 0; number < count; ++number) {
    const auto bytes = store.get(key(number));
    const std::string address(bytes.begin(), bytes.end());
    if (elsewhere.empty() && !shim::is_loopback(address)) elsewhere = address;
  }
  if (!shim::is_loopback(own) || elsewhere.empty()) return own;
  const std::string found = shim::address_towards(elsewhere);
  return found.empty() ? own : found;
}

c10::intrusive_ptr<Gloo::Options> options_of(c10d::Store &store, const std::string &host, int32_t rank, int32_t count,
                                             std::chrono::milliseconds timeout) {
  const std::string address = meeting_address(store, host, rank, count);
  // Gloo waits five times as long for the others to answer. All are there now, so no longer than said is needed.
  const auto patience = std::max(timeout / 5, std::chrono::milliseconds(1000));
  // Whoever names interfaces knows better.
  if (address.empty() || std::getenv("GLOO_SOCKET_IFNAME") != nullptr) return Gloo::Options::create_default(patience);
  auto options = c10::make_intrusive<Gloo::Options>(patience);
  options->devices.push_back(Gloo::createDeviceForHostname(address));
  return options;
}

// The backend for a tensor. The collective is remembered for the line that is printed where processes differ.
c10d::Backend &called(ct_group group, const char *name, const at::Tensor &tensor) {
  c10d::Backend &chosen = backend(group, tensor);
  shim::remember_collective(name, tensor.nbytes());
  return chosen;
}

// The backend itself, or with TORCH_DISTRIBUTED_DEBUG=DETAIL one around it that compares each collective of all processes before it begins.
c10::intrusive_ptr<c10d::Backend> compared(c10::intrusive_ptr<c10d::Backend> backend, ct_group group, const char *prefix) {
  if (c10d::debug_level() != c10d::DebugLevel::Detail) return backend;
  auto store = c10::make_intrusive<c10d::PrefixStore>(prefix, group->store);
  c10::intrusive_ptr<c10d::Backend> gloo = c10::make_intrusive<Gloo>(
      store, group->rank, group->count, options_of(*store, group->host, group->rank, group->count, group->timeout));
  return c10::make_intrusive<c10d::ProcessGroupWrapper>(backend, gloo);
}

void finish(c10::intrusive_ptr<c10d::Work> work, std::vector<at::Tensor> held, ct_work *out) {
  *out = new ct_work_s{std::move(work), std::move(held)};
}

}  // namespace

int32_t ct_group_start(const char *host, int32_t port, bool serves, int32_t rank, int32_t count, const char *prefix, double seconds,
                       ct_group *out) {
  return shim::guarded([&] {
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
    c10d::setDebugLevelFromEnvironment();
    shim::end_clearly_where_processes_differ(rank, count);
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = serves;
    options.numWorkers = static_cast<size_t>(count);
    options.waitWorkers = false;
    options.timeout = timeout;
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    auto store = c10::make_intrusive<c10d::PrefixStore>(prefix, tcp);
    store->setTimeout(timeout);
    auto cpu_store = c10::make_intrusive<c10d::PrefixStore>("cpu", store);
    c10::intrusive_ptr<c10d::Backend> gloo =
        c10::make_intrusive<Gloo>(cpu_store, rank, count, options_of(*cpu_store, host, rank, count, timeout));
    gloo->setTimeout(timeout);
    auto group = std::make_unique<ct_group_s>(ct_group_s{store, host, rank, count, timeout, nullptr, nullptr});
    group->cpu = compared(gloo, group.get(), "cpu-compared");
    *out = group.release();
  });
}

int32_t ct_group_join_gpus(ct_group group) {
  return shim::guarded([&] {
    if (group->gpu) return;
    auto nccl = shim::nccl(c10::make_intrusive<c10d::PrefixStore>("gpu", group->store), group->rank, group->count, group->timeout);
    group->gpu = compared(nccl, group, "gpu-compared");
  });
}

void ct_group_free(ct_group group) {
  // Its threads must have ended before the program does.
  if (group->gpu) shim::guarded([&] { group->gpu->shutdown(); });
  delete group;
}

int32_t ct_group_all_reduce(ct_group group, ct_tensor tensor, int32_t operation, ct_work *out) {
  return shim::guarded([&] {
    c10d::AllreduceOptions options;
    options.reduceOp = operation == CT_MAXIMUM ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
    std::vector<at::Tensor> tensors{tensor->value};
    finish(called(group, "all-reduce", tensor->value).allreduce(tensors, options), tensors, out);
  });
}

int32_t ct_group_all_gather(ct_group group, ct_tensor input, ct_tensor output, ct_work *out) {
  return shim::guarded([&] {
    // The same memory with a count of changes of its own: elements that come again are no change to what was saved for a gradient.
    at::Tensor whole = output->value.variable_data();
    finish(called(group, "all-gather", input->value)._allgather_base(whole, input->value, c10d::AllgatherOptions()),
           {input->value, output->value}, out);
  });
}

int32_t ct_group_all_to_all(ct_group group, ct_tensor input, ct_tensor output, ct_work *out) {
  return shim::guarded([&] {
    std::vector<int64_t> none;
    finish(called(group, "all-to-all", input->value).alltoall_base(output->value, input->value, none, none, c10d::AllToAllOptions()),
           {input->value, output->value}, out);
  });
}

int32_t ct_group_broadcast(ct_group group, ct_tensor tensor, int32_t root, ct_work *out) {
  return shim::guarded([&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    std::vector<at::Tensor> tensors{tensor->value};
    finish(called(group, "broadcast", tensor->value).broadcast(tensors, options), tensors, out);
  });
}

int32_t ct_work_wait(ct_work work) {
  return shim::guarded([&] { work->work->wait(); });
}

void ct_work_free(ct_work work) { delete work; }
