// Which of its addresses a machine uses towards another.
#pragma once

#include <string>

namespace shim {

/// The address, in digits, that packets to a host leave from; nothing is sent. Empty where no way leads there, or the name is not known.
std::string address_towards(const std::string &host);

/// Whether only the machine itself reaches an address, in digits; true for an empty one.
bool is_loopback(const std::string &address);

}  // namespace shim
