#pragma once

#include <cstddef>
#include <cstdint>

namespace shim {

// From now on this process ends with one line and exit code 1 where another sends it what belongs to another collective.
void end_clearly_where_processes_differ(int32_t rank, int32_t count);

// The last collective that this process called, for that line; bytes of the tensor that it was called with.
void remember_collective(const char *name, size_t bytes);

}  // namespace shim
