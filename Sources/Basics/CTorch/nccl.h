#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>

namespace shim {

// A group for tensors of GPUs, whose processes find each other through the store when the first collective comes.
//
// Throws where the loaded libtorch has no NCCL, or the machine no GPU.
c10::intrusive_ptr<c10d::Backend> nccl(const c10::intrusive_ptr<c10d::Store> &store, int32_t rank, int32_t count,
                                       std::chrono::milliseconds timeout);

}  // namespace shim
