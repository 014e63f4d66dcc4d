// Lets the threads of OpenMP, which libtorch computes with, sleep soon after they ran out of work.
//
// By default they spin for milliseconds. Two of them then become more than ten times slower where another process is at work on one of two
// cores: all wait for the thread that has no core. How long they spin is read from the environment as the OpenMP library is loaded, which
// is before main. So a program that links this target starts itself once more with the variable, before any library is initialised. Whoever
// set one of the two variables is left alone.
#ifdef __linux__
#include <stddef.h>
#include <string.h>
#include <unistd.h>

// Some 50 microseconds: about as long as it takes to wake a thread.
#define SPIN "GOMP_SPINCOUNT="
#define COUNT "2000"

static int names(const char *entry, const char *name) { return strncmp(entry, name, strlen(name)) == 0; }

static void start(int count, char **arguments, char **environment) {
  (void)count;
  size_t entries = 0;
  for (; environment[entries] != NULL; ++entries) {
    if (names(environment[entries], "OMP_WAIT_POLICY=") || names(environment[entries], SPIN)) return;
  }
  char *changed[entries + 2];
  memcpy(changed, environment, entries * sizeof *environment);
  changed[entries] = SPIN COUNT;
  changed[entries + 1] = NULL;
  // Where this does not work, the program goes on as it is.
  execve("/proc/self/exe", arguments, changed);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = start;
#endif
