// Nothing to call: a program that links this target starts as `start.c` says.
