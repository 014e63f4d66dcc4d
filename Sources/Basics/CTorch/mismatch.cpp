// Processes that do not call the same collectives.
//
// Gloo sees that a message does not fit in a thread of its own, where nobody can catch what it throws: C++ would abort the program with a text that
// names neither the rank nor the collective.
#include "mismatch.h"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <typeinfo>

namespace {

struct Last {
  int32_t rank = 0, count = 1;
  int64_t number = 0;
  const char *name = "none";
  size_t bytes = 0;
};

std::mutex guard;
Last last;
std::terminate_handler before = nullptr;

bool is_of_gloo(const std::type_info *type) { return type != nullptr && std::strstr(type->name(), "4gloo") != nullptr; }

[[noreturn]] void end() {
  const std::type_info *type = abi::__cxa_current_exception_type();
  if (is_of_gloo(type)) {
    std::string reason = type->name();
    try {
      throw;
    } catch (const std::exception &error) {
      reason = error.what();
    } catch (...) {
    }
    Last own;
    {
      std::lock_guard lock(guard);
      own = last;
    }
    // Without the place in Gloo's own source.
    if (const size_t place = reason.find(".cc:"); place != std::string::npos) reason.erase(0, reason.find(']', place) + 2);
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    const std::string line = "epic: rank " + std::to_string(own.rank) + " of " + std::to_string(own.count) +
                             ": another process called another collective, or one of another size (" + reason + "); the last of this one was number " +
                             std::to_string(own.number) + ", " + own.name + " of " + std::to_string(own.bytes) +
                             " bytes; with TORCH_DISTRIBUTED_DEBUG=DETAIL all processes name the first that differs\n";
    // What cannot be written is lost either way.
    (void)!write(STDERR_FILENO, line.data(), line.size());
    _exit(1);
  }
  if (before != nullptr) before();
  std::abort();
}

}  // namespace

namespace shim {

void end_clearly_where_processes_differ(int32_t rank, int32_t count) {
  std::lock_guard lock(guard);
  last.rank = rank;
  last.count = count;
  if (std::get_terminate() == end) return;
  before = std::set_terminate(end);
}

void remember_collective(const char *name, size_t bytes) {
  std::lock_guard lock(guard);
  last.number += 1;
  last.name = name;
  last.bytes = bytes;
}

}  // namespace shim
