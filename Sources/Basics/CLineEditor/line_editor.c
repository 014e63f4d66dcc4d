#define _GNU_SOURCE
#include "line_editor.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct EpicLineEditor {
  EditLine *edit;
  History *history;
  char *prompt;
  int interrupts;
  bool interrupted;
};

static EpicLineEditor *owner(EditLine *edit) {
  void *found = NULL;
  el_get(edit, EL_CLIENTDATA, &found);
  return found;
}

static char *prompt(EditLine *edit) { return owner(edit)->prompt; }

// libedit's own function waits for input alone. This one waits for Ctrl-C as well.
static int read_character(EditLine *edit, wchar_t *found) {
  EpicLineEditor *editor = owner(edit);
  mbstate_t state = {0};
  while (true) {
    struct pollfd waiting[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = editor->interrupts, .events = POLLIN}};
    if (poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (waiting[1].revents != 0) {
      editor->interrupted = true;
      return -1;
    }
    char byte;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return (int)count;
    switch (mbrtowc(found, &byte, 1, &state)) {
    case (size_t)-2: continue;
    case (size_t)-1: *found = 0xFFFD; return 1;
    default: return 1;
    }
  }
}

EpicLineEditor *epic_line_editor_open(const char *text, int interrupts, int lines) {
  // Characters of several bytes are one to the editor, whatever the environment names.
  setlocale(LC_CTYPE, "");
  if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
  EpicLineEditor *editor = calloc(1, sizeof *editor);
  if (editor == NULL) return NULL;
  editor->interrupts = interrupts;
  editor->prompt = strdup(text);
  editor->history = history_init();
  editor->edit = el_init("epic", stdin, stdout, stderr);
  if (editor->prompt == NULL || editor->history == NULL || editor->edit == NULL) {
    epic_line_editor_close(editor);
    return NULL;
  }
  HistEvent event;
  history(editor->history, &event, H_SETSIZE, lines);
  history(editor->history, &event, H_SETUNIQUE, 1);
  el_set(editor->edit, EL_CLIENTDATA, editor);
  el_set(editor->edit, EL_EDITOR, "emacs");
  el_set(editor->edit, EL_PROMPT, prompt);
  el_set(editor->edit, EL_HIST, history, editor->history);
  el_set(editor->edit, EL_GETCFN, read_character);
  el_set(editor->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_source(editor->edit, NULL);
  return editor;
}

EpicLineEvent epic_line_editor_read(EpicLineEditor *editor, const char **line, size_t *count) {
  editor->interrupted = false;
  int found = 0;
  *line = el_gets(editor->edit, &found);
  *count = *line != NULL && found > 0 ? (size_t)found : 0;
  if (editor->interrupted) {
    el_reset(editor->edit);
    return EPIC_LINE_INTERRUPTED;
  }
  return *count > 0 ? EPIC_LINE_READ : EPIC_LINE_END;
}

void epic_line_editor_remember(EpicLineEditor *editor, const char *line) {
  HistEvent event;
  history(editor->history, &event, H_ENTER, line);
}

int epic_line_editor_load(EpicLineEditor *editor, const char *path) {
  HistEvent event;
  return history(editor->history, &event, H_LOAD, path) >= 0;
}

int epic_line_editor_save(EpicLineEditor *editor, int descriptor) {
  int own = dup(descriptor);
  FILE *file = own < 0 ? NULL : fdopen(own, "w");
  if (file == NULL) return 0;
  HistEvent event;
  int written = history(editor->history, &event, H_SAVE_FP, file);
  return fclose(file) == 0 && written >= 0;
}

void epic_line_editor_close(EpicLineEditor *editor) {
  if (editor == NULL) return;
  if (editor->edit != NULL) el_end(editor->edit);
  if (editor->history != NULL) history_end(editor->history);
  free(editor->prompt);
  free(editor);
}
