#include "local_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Found {
  addrinfo *first = nullptr;
  ~Found() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

// Connecting a datagram socket chooses the way and sends nothing.
std::string source(const addrinfo &target) {
  const int own = socket(target.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (own < 0) return "";
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char digits[NI_MAXHOST] = "";
  const bool is_found = connect(own, target.ai_addr, target.ai_addrlen) == 0 &&
                        getsockname(own, reinterpret_cast<sockaddr *>(&address), &size) == 0 &&
                        getnameinfo(reinterpret_cast<sockaddr *>(&address), size, digits, sizeof digits, nullptr, 0, NI_NUMERICHOST) == 0;
  close(own);
  return is_found ? digits : "";
}

}  // namespace

std::string shim::address_towards(const std::string &host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_DGRAM;
  Found found;
  // Any port will do; 9 is the one for packets to be thrown away.
  if (getaddrinfo(host.c_str(), "9", &wanted, &found.first) != 0) return "";
  for (const addrinfo *target = found.first; target != nullptr; target = target->ai_next) {
    const std::string address = source(*target);
    if (!address.empty()) return address;
  }
  return "";
}

bool shim::is_loopback(const std::string &address) {
  in6_addr six{};
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return address.empty() || address.rfind("127.", 0) == 0;
}
