// Lines of a terminal, edited with libedit, whose functions of many arguments Swift cannot call.
#ifndef EPIC_LINE_EDITOR_H
#define EPIC_LINE_EDITOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EpicLineEditor EpicLineEditor;

typedef enum {
  EPIC_LINE_READ,
  EPIC_LINE_END,
  EPIC_LINE_INTERRUPTED,
} EpicLineEvent;

/// Takes over standard input and output, with the user's ~/.editrc.
///
/// prompt: is copied. interrupts: readable once Ctrl-C has been pressed; is not read. history: most lines that are remembered.
/// Returns nil where memory is short.
EpicLineEditor *_Nullable epic_line_editor_open(const char *_Nonnull prompt, int interrupts, int history);

/// Waits for a line, which stays as it is until the next call; a newline at its end belongs to it.
EpicLineEvent epic_line_editor_read(
    EpicLineEditor *_Nonnull editor, const char *_Nullable *_Nonnull line, size_t *_Nonnull count);

/// Remembers a line.
void epic_line_editor_remember(EpicLineEditor *_Nonnull editor, const char *_Nonnull line);

/// Remembers the lines of a file that libedit wrote; 0 where it is none.
int epic_line_editor_load(EpicLineEditor *_Nonnull editor, const char *_Nonnull path);

/// Writes all lines that are remembered to a file, which nobody but its owner can read then; 0 where that fails, for the reason in errno.
int epic_line_editor_save(EpicLineEditor *_Nonnull editor, int descriptor);

/// Gives the terminal back.
void epic_line_editor_close(EpicLineEditor *_Nullable editor);

#ifdef __cplusplus
}
#endif
#endif
