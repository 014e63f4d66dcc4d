// In builds for the thread sanitizer alone. A mutex of Swift's that two threads want at once is handed on by the kernel, which the sanitizer does not
// see: what one of them wrote then looks as if nothing had come between. So the two functions that wait for the kernel say so. The linker takes
// these before those of Swift's library, which do the work.
#ifdef EPIC_SANITIZE
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *handle

// Absent with other sanitizers.
__attribute__((weak)) void __tsan_acquire(void *);
__attribute__((weak)) void __tsan_release(void *);

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, SELF) {
  SWIFT void (*own)(uint32_t, SELF) = NULL;
  *(void **)&own = dlsym(RTLD_NEXT, LOCK);
  own(thread, handle);
  if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT void unlock_slow(SELF) {
  SWIFT void (*own)(SELF) = NULL;
  *(void **)&own = dlsym(RTLD_NEXT, UNLOCK);
  if (__tsan_release) __tsan_release(handle);
  own(handle);
}
#endif
