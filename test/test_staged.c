// SPDX-License-Identifier: Apache-2.0
//
// staged, interrupt: a write replaces the file that the path means and no other, completely or not
// at all; a signal leaves nothing half made, closes a waveform, and ends the program as that signal
#include "model_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "interrupt.h"
#include "random_model.h"
#include "staged.h"

static void in(char path[static FILE_PATH_SIZE], void **state, const char *name) {
  assert_int_equal(file_join(path, *state, name, NULL), 0);
}

static void put(const char *path, const char *text) {
  struct staged s;
  struct err err;
  expect_success(staged_open(&s, path, &err), &err);
  fputs(text, s.file);
  expect_success(staged_commit(&s, &err), &err);
}

static void expect_content(const char *path, const char *text) {
  char found[256] = "";
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s is not there", path);
  found[fread(found, 1, sizeof found - 1, f)] = 0;
  fclose(f);
  assert_string_equal(found, text);
}

static size_t entries(const char *folder) {
  size_t n = 0;
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (const struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
  closedir(dir);
  return n;
}

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  return st.st_mode;
}

// ------------------------------------------------------------------------------------------- files

// "-" is neither standard output nor a file of that name.
static void dash_is_refused(void **state) {
  static const char *const names[] = {"name", NULL};
  (void)state;
  struct staged s;
  struct staged_folder f;
  struct err err;
  assert_int_equal(staged_open(&s, "-", &err), -1);
  assert_non_null(strstr(err.text, "/dev/stdout"));
  assert_null(s.file);
  assert_int_equal(staged_folder_open(&f, "-", names, &err), -1);
  assert_non_null(strstr(err.text, "./-"));
  assert_int_equal(staged_place("/nothing", "-", &err), -1);
  assert_int_not_equal(access("-", F_OK), 0);
}

static void links_and_modes(void **state) {
  char real[FILE_PATH_SIZE], link[FILE_PATH_SIZE], far[FILE_PATH_SIZE], dangling[FILE_PATH_SIZE],
      made[FILE_PATH_SIZE], sub[FILE_PATH_SIZE];
  in(real, state, "real"), in(link, state, "link"), in(far, state, "far"),
      in(dangling, state, "dangling"), in(sub, state, "sub"), in(made, state, "sub/made");
  assert_int_equal(mkdir(sub, 0777), 0);
  const mode_t mask = umask(027);
  put(real, "1");
  assert_int_equal(mode_of(real) & 07777, 0640);  // a new file: by the umask
  assert_int_equal(chmod(real, 0600), 0);
  assert_int_equal(symlink("real", link), 0);
  assert_int_equal(symlink(link, far), 0);
  put(far, "2");  // through two links, a relative and an absolute one
  assert_true(S_ISLNK(mode_of(far)) && S_ISLNK(mode_of(link)));
  expect_content(real, "2");
  assert_int_equal(mode_of(real) & 07777, 0600);  // kept
  assert_int_equal(symlink("sub/made", dangling), 0);
  put(dangling, "3");
  assert_true(S_ISLNK(mode_of(dangling)));
  expect_content(made, "3");
  umask(mask);
  assert_int_equal(entries(*state), 5);
}

// A target that is not a regular file stays what it is.
static void direct(void **state) {
  char fifo[FILE_PATH_SIZE], text[8] = "", log[FILE_PATH_SIZE], name[64];
  in(fifo, state, "fifo"), in(log, state, "log");
  assert_int_equal(mkfifo(fifo, 0600), 0);
  const int reader = open(fifo, O_RDONLY | O_NONBLOCK);
  put(fifo, "abc");
  assert_int_equal(read(reader, text, sizeof text), 3);
  close(reader);
  assert_true(S_ISFIFO(mode_of(fifo)));
  put("/dev/null", "gone");
  assert_true(S_ISCHR(mode_of("/dev/null")));
  // A descriptor is written at its position, whatever it refers to.
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  assert_int_equal(write(fd, "one,", 4), 4);
  snprintf(name, sizeof name, "/dev/fd/%d", fd);
  put(name, "two");
  close(fd);
  expect_content(log, "one,two");
  const int kept = dup(STDOUT_FILENO), out = open(log, O_WRONLY | O_TRUNC);
  assert_true(dup2(out, STDOUT_FILENO) >= 0);
  put("/dev/stdout", "standard");
  assert_true(dup2(kept, STDOUT_FILENO) >= 0);
  close(out), close(kept);
  assert_true(S_ISLNK(mode_of("/dev/stdout")));
  expect_content(log, "standard");
}

static void refused(void **state) {
  char loop[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct staged s;
  struct err err;
  in(loop, state, "loop");
  assert_int_equal(symlink("loop", loop), 0);
  expect_failure(staged_open(&s, loop, &err), &err, "loop: cannot be written: ");
  expect_failure(staged_open(&s, *state, &err), &err, "it is a folder");
  in(path, state, "no/such/file");
  expect_failure(staged_open(&s, path, &err), &err, "No such file");
  in(path, state, "new/");
  expect_failure(staged_open(&s, path, &err), &err, "new/: cannot be written");
  // A full disk is detected at the end at the latest, and the old content stays.
  expect_success(staged_open(&s, "/dev/full", &err), &err);
  fputs("x", s.file);
  expect_failure(staged_commit(&s, &err), &err, "No space left");
  in(path, state, "kept");
  put(path, "old");
  expect_success(staged_open(&s, path, &err), &err);
  fputs("new", s.file);
  staged_discard(&s);
  expect_content(path, "old");
  assert_int_equal(entries(*state), 2);
}

// Staging names cannot be predicted, and differ in processes of the same number (containers that
// share a folder).
static void names(void **state) {
  char path[FILE_PATH_SIZE], pid[32];
  struct staged a, b;
  struct err err;
  in(path, state, "file");
  expect_success(staged_open(&a, path, &err), &err);
  expect_success(staged_open(&b, path, &err), &err);
  snprintf(pid, sizeof pid, "tmp-%ld", (long)getpid());
  assert_string_not_equal(a.staging, b.staging);
  assert_null(strstr(a.staging, pid));
  fputs("a", a.file), fputs("b", b.file);
  expect_success(staged_commit(&b, &err), &err);
  expect_success(staged_commit(&a, &err), &err);
  expect_content(path, "a");
  assert_int_equal(entries(*state), 1);
}

static void folders(void **state) {
  static const char *const files[] = {"x", "y", NULL};
  char path[FILE_PATH_SIZE], link[FILE_PATH_SIZE], inside[FILE_PATH_SIZE];
  struct staged_folder f;
  struct err err;
  in(path, state, "folder"), in(link, state, "link");
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(symlink("folder", link), 0);
  expect_success(staged_folder_open(&f, link, files, &err), &err);
  assert_int_equal(file_join(inside, f.staging, "x", NULL), 0);
  put(inside, "x");
  expect_success(staged_folder_commit(&f, &err), &err);
  in(inside, state, "link/x");
  expect_content(inside, "x");
  assert_int_equal(mode_of(path) & 07777, 0700);
  expect_success(staged_folder_open(&f, inside, files, &err), &err);
  assert_int_equal(file_join(inside, f.staging, "y", NULL), 0);
  put(inside, "y");
  expect_success(staged_folder_commit_file(&f, "y", &err), &err);
  in(inside, state, "folder/x");
  expect_content(inside, "y");
  assert_int_equal(entries(path), 1);
  assert_int_equal(entries(*state), 2);
}

// ----------------------------------------------------------------------------------------- signals

// In a child: a file and a folder are half made when the signal comes.
static void half_made(void **state, int number) {
  static const char *const files[] = {"x", NULL};
  char path[FILE_PATH_SIZE], folder[FILE_PATH_SIZE], inside[FILE_PATH_SIZE];
  struct staged_folder f;
  struct staged s, t;
  struct err err;
  interrupt_install();
  in(path, state, "file"), in(folder, state, "folder");
  if (staged_folder_open(&f, folder, files, &err) || file_join(inside, f.staging, "x", NULL))
    _exit(1);
  put(inside, "x");
  if (staged_open(&s, path, &err) || staged_open(&t, inside, &err)) _exit(1);
  raise(number);
  _exit(0);
}

static void removed(void **state) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < 3; i++) {
    const pid_t child = fork();
    if (!child) half_made(state, numbers[i]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
    assert_int_equal(entries(*state), 0);
  }
}

// Runs gpt2rtl with argv in the test's folder; sends the signal after `after` bytes have come on
// standard output, or after a moment if after is 0. Returns waitpid's status; standard error is in
// `said`.
static char said[4096];
static int interrupted(void **state, int number, size_t after, const char *const *argv) {
  char log[FILE_PATH_SIZE], program[FILE_PATH_SIZE], byte, here[2048];
  int fds[2], status;
  in(log, state, "log");
  assert_non_null(getcwd(here, sizeof here));
  snprintf(program, sizeof program, "%s/build/gpt2rtl", here);
  assert_int_equal(pipe(fds), 0);
  const pid_t child = fork();
  if (!child) {
    const int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (chdir(*state) || setenv("XDG_CACHE_HOME", *state, 1) || dup2(fds[1], 1) < 0 ||
        dup2(fd, 2) < 0)
      _exit(126);
    close(fds[0]);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(fds[1]);
  for (size_t n = 0; n < after && read(fds[0], &byte, 1) == 1; n++) continue;
  if (!after) usleep(300000);
  kill(child, number);
  while (read(fds[0], &byte, 1) == 1) continue;
  close(fds[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  FILE *f = fopen(log, "rb");
  assert_non_null(f);
  said[fread(said, 1, sizeof said - 1, f)] = 0;
  fclose(f);
  unlink(log);
  return status;
}

static void expect_signal(int status, int number) {
  if (!WIFSIGNALED(status) || WTERMSIG(status) != number)
    fail_msg("status %x, expected the end by signal %d: %s", (unsigned)status, number, said);
}

// generate says how far it came; its waveform has its name, and its statistics do not exist.
static void generation(void **state) {
  char path[FILE_PATH_SIZE];
  struct err err;
  in(path, state, "nano");
  expect_success(random_model_write("nano", 1, path, &err), &err);
  expect_signal(interrupted(state, SIGTERM, 30,
                            (const char *const[]){"gpt2rtl", "generate", "--model", "nano", "--ids",
                                                  "3", "--engine", "golden-readable", "--tokens",
                                                  "1000000", "--ignore-eos", "--stats",
                                                  "stats.json", NULL}),
                SIGTERM);
  if (!strstr(said, "gpt2rtl: interrupted after ") || !strstr(said, " of 1000000 tokens, "))
    fail_msg("%s", said);
  expect_signal(interrupted(state, SIGINT, 30,
                            (const char *const[]){"gpt2rtl",      "generate",
                                                  "--model",      "nano",
                                                  "--ids",        "3",
                                                  "--engine",     "rtl",
                                                  "--tokens",     "1000000",
                                                  "--ignore-eos", "--trace",
                                                  "run.fst",      "--trace-scope",
                                                  "softmax",      "--trace-tokens",
                                                  "0:100000",     "--trace-limit",
                                                  "100000",       NULL}),
                SIGINT);
  if (!strstr(said, "the waveform holds what was traced until then")) fail_msg("%s", said);
  in(path, state, "run.fst");
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_true(st.st_size > 1000);
  in(path, state, "run.gtkw");
  assert_true(file_exists(path));
  assert_int_equal(entries(*state), 4);  // nano, gpt2rtl, run.fst, run.gtkw
}

// Commands that only make something end at once and leave nothing.
static void making(void **state) {
  expect_signal(interrupted(state, SIGINT, 0,
                            (const char *const[]){"gpt2rtl", "random-model", "--config", "gpt2-xl",
                                                  "--output", "xl", NULL}),
                SIGINT);
  assert_int_equal(entries(*state), 0);
}

// An image through a pipe is the image in a file.
static void pipes(void **state) {
  char command[2048];
  snprintf(
      command, sizeof command,
      "build/gpt2rtl compile --model models/demo --lanes 64 --output %s/image && "
      "build/gpt2rtl compile --model models/demo --lanes 64 --output /dev/stdout | cmp - %s/image",
      (char *)*state, (char *)*state);
  assert_int_equal(system(command), 0);
}

// Nothing else in the tree creates files: .part, which survives a signal, a lock and a log have
// fixed names.
static void only_here(void **state) {
  (void)state;
  assert_int_equal(
      system("! grep -nE 'fopen\\([^)]*\"[wa]|O_CREAT|[^_]rename\\(|mkstemp|[^_]mkdir\\(' cli/*.c "
             "base/*.c model/*/*.c sim/*.c bench/*.c golden/*.c fast/*.c | "
             "grep -vE '^(base/staged|model/image/cache|cli/download|sim/library)[.]c:'"),
      0);
}

// A name that cannot exist is refused before anything is computed, each with its own reason.
static void impossible(void **state) {
  char path[FILE_PATH_SIZE], name[300];
  struct staged s;
  struct err err;
  memset(name, 'n', sizeof name);
  name[256] = 0;
  in(path, state, name);
  expect_failure(staged_open(&s, path, &err), &err, "File name too long");
  name[255] = 0;
  in(path, state, name);
  expect_success(staged_open(&s, path, &err), &err);
  staged_discard(&s);
  expect_failure(staged_open(&s, "", &err), &err, "No such file");
  in(path, state, "file");
  put(path, "1");
  in(path, state, "file/");
  expect_failure(staged_open(&s, path, &err), &err, "Not a directory");
}

// A descriptor that a shell closed does not become the file that is opened next; a second output
// needs a name of its own.
static void standard_files(void **state) {
  static const struct {
    const char *line;
    int status;
  } cases[] = {
      {"$G generate --model models/demo --engine golden --tokens 4 --prompt Once --stats $D/stats "
       ">&- 2> $D/said",
       1},
      {"grep -q 'Bad file descriptor' $D/said && ! grep -qs Once $D/stats", 0},
      {"$G compile --model models/demo --lanes 64 --output /dev/stdout --json > $D/image 2> "
       "$D/said",
       2},
      {"$G compile --model models/demo --lanes 64 --output /dev/null --json > $D/image 2> $D/said",
       2},
      {"$G compile --model models/demo --lanes 64 --hex --output /dev/null 2> $D/said", 2},
      {"grep -q 'two files' $D/said && ! ls /dev/null.vh 2> $D/said", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char command[1024];
    snprintf(command, sizeof command, "G=build/gpt2rtl; D=%s; %s", (char *)*state, cases[i].line);
    const int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
      fail_msg("%s: exit status %d, expected %d", cases[i].line, WEXITSTATUS(status),
               cases[i].status);
  }
}

// A mapped file whose disk is full: a message, not a signal, and the unfinished file is removed.
static void mapped_writing(void **state) {
  char path[FILE_PATH_SIZE], words[FILE_PATH_SIZE];
  in(path, state, "mapped");
  in(words, state, "said");
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(words, O_WRONLY | O_CREAT, 0600), fd = open(path, O_RDWR | O_CREAT, 0600);
    dup2(out, STDERR_FILENO);
    file_guard_install();
    interrupt_add_file(path);
    volatile char *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);  // of an empty file
    *at = 1;
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
  assert_false(file_exists(path));
  expect_content(words, "gpt2rtl: a file that is mapped into memory cannot be written: its disk is "
                        "full, or failed\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(links_and_modes), IN_FOLDER(direct),
      IN_FOLDER(refused),         cmocka_unit_test(dash_is_refused),
      IN_FOLDER(names),           IN_FOLDER(folders),
      IN_FOLDER(removed),         IN_FOLDER(generation),
      IN_FOLDER(making),          IN_FOLDER(pipes),
      IN_FOLDER(only_here),       IN_FOLDER(impossible),
      IN_FOLDER(standard_files),  IN_FOLDER(mapped_writing),
  };
  return cmocka_run_group_tests_name("staged", tests, NULL, NULL);
}
