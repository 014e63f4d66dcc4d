// A pool whose threads look for work for a moment and then sleep.
//
// libtorch's threads (OpenMP) spin for milliseconds at the end of every region, and each has a fixed share: where another process takes a
// core, all wait for the one that has none, many times a token. Here shares are small and go to whoever is awake, so a thread without
// a core costs at most the share that it was taken from.
#include "threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace {

// How long a thread looks for the next job before it sleeps: longer than what lies between two kernels of a token.
constexpr auto patience = std::chrono::microseconds(100);
// Shares of a job for each thread.
constexpr int64_t shares_per_thread = 4;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

class Pool {
 public:
  void run(int64_t count, int64_t share, void (*body)(int64_t, int64_t, void *), void *context, int threads) {
    std::lock_guard<std::mutex> one(jobs);
    while (workers < threads - 1) {
      std::thread([this] { work(); }).detach();
      ++workers;
    }
    // Nobody reads these before the ticket says that there is a new job, nor after its last share is done.
    this->count = count, this->share = share, this->body = body, this->context = context;
    uint64_t shares = static_cast<uint64_t>((count + share - 1) / share);
    open.store(shares);
    uint64_t old = ticket.load();
    ticket.store((old >> 32 << 32) + (1ull << 32) + (shares << 16));
    if (sleepers.load() > 0) ticket.notify_all();
    while (take()) {
    }
    for (int tries = 0; open.load() > 0; ++tries) tries < 2000 ? pause() : std::this_thread::yield();
  }

 private:
  // The number of the job, how many shares it has, and how many were taken.
  std::atomic<uint64_t> ticket{0};
  std::atomic<uint64_t> open{0};
  std::atomic<int> sleepers{0};
  std::mutex jobs;
  int workers = 0;
  int64_t count = 0, share = 1;
  void (*body)(int64_t, int64_t, void *) = nullptr;
  void *context = nullptr;

  // Takes a share of the present job and does it; false where none is left.
  bool take() {
    uint64_t seen = ticket.load();
    while ((seen & 0xffff) < (seen >> 16 & 0xffff)) {
      if (!ticket.compare_exchange_weak(seen, seen + 1)) continue;
      // The job cannot end before this share is done.
      int64_t begin = static_cast<int64_t>(seen & 0xffff) * share;
      body(begin, std::min(count, begin + share), context);
      open.fetch_sub(1);
      return true;
    }
    return false;
  }

  void work() {
    auto idle_since = std::chrono::steady_clock::now();
    for (int tries = 0;; ++tries) {
      uint64_t seen = ticket.load();
      if (take()) {
        tries = 0;
        idle_since = std::chrono::steady_clock::now();
      } else if (tries % 64 != 63 || std::chrono::steady_clock::now() - idle_since < patience) {
        pause();
      } else {
        sleepers.fetch_add(1);
        ticket.wait(seen);
        sleepers.fetch_sub(1);
        idle_since = std::chrono::steady_clock::now();
      }
    }
  }
};

// Never destroyed, as its threads may outlive everything else.
Pool &pool() {
  static Pool &only = *new Pool;
  return only;
}

}  // namespace

void shim::share(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void *), void *context) {
  int threads = at::get_num_threads();
  int64_t parts = std::min<int64_t>({threads * shares_per_thread, count / std::max<int64_t>(1, grain), 0xffff});
  if (threads < 2 || parts < 2) {
    if (count > 0) body(0, count, context);
    return;
  }
  pool().run(count, (count + parts - 1) / parts, body, context, threads);
}
