// SPDX-License-Identifier: Apache-2.0
// test_fetch - gpt2rtl fetch against a server on loopback that drops connections, stalls and lies
//
// The first part of the address says how the server behaves:
// http://127.0.0.1:PORT/cut/test/nano/resolve/main/config.json.
#include "model_test.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "http_server.h"
#include "random_model.h"

static int port;
static char origin[FILE_PATH_SIZE];  // the folder that is served
static atomic_int asked;             // requests for the weights since the last fetch
static atomic_int resumed;           // of these, those for only the rest
static char out[4096], err_text[4096];

// ------------------------------------------------------------------------------------------ server

// The first word of a command's output.
static void first_word(char word[static 128], const char *format, ...) {
  char text[2 * FILE_PATH_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  FILE *pipe = popen(text, "r");
  if (!pipe || fscanf(pipe, "%127s", word) != 1) word[0] = 0;
  if (pipe) pclose(pipe);
}

struct served {
  char mode[32], name[64];
  struct file_map map;
  bool weights;
  char hash[128];  // as huggingface.co names it
  int nth;         // request for the weights, from 1
};

static bool is(const struct served *s, const char *mode) { return strcmp(s->mode, mode) == 0; }

static void send_head(int fd, const struct served *s, const char *status, uint64_t begin,
                      uint64_t length, uint64_t total) {
  http_print(fd, "HTTP/1.1 %s\r\nContent-Length: %ju\r\nConnection: close\r\n", status,
             (uintmax_t)length);
  if (begin > 0)
    http_print(fd, "Content-Range: bytes %ju-%ju/%ju\r\n", (uintmax_t)begin, (uintmax_t)(total - 1),
               (uintmax_t)total);
  if (!is(s, "nohash"))
    http_print(fd, "%s: \"%s\"\r\n", s->weights ? "X-Linked-ETag" : "ETag", s->hash);
  http_print(fd, "\r\n");
}

static void send_error(int fd, const char *status, const char *more) {
  http_print(fd, "HTTP/1.1 %s\r\n%sContent-Length: 6\r\nConnection: close\r\n\r\nsorry\n", status,
             more);
}

// Sends the weights from begin on, in the ways that go wrong.
static void send_weights(int fd, const struct served *s, const struct http_request *request) {
  const unsigned char *data = s->map.data;
  const uint64_t size = s->map.size;
  uint64_t begin = request->begin, stop = size;
  const bool first = s->nth == 1;
  if (is(s, "norange") && !first) begin = 0;
  if (is(s, "wrongrange") && request->ranged) begin = 7;
  if (is(s, "liesize")) {  // each time more is announced than is sent
    send_head(fd, s, request->ranged ? "206 Partial" : "200 OK", begin, size - begin + 100,
              size + 100);
    http_send(fd, data + begin, size - begin);
    return;
  }
  if (begin >= size) {
    http_print(fd,
               "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%ju\r\nX-Linked-ETag: "
               "\"%s\"\r\n"
               "Content-Length: 0\r\nConnection: close\r\n\r\n",
               (uintmax_t)size, s->hash);
    return;
  }
  if (is(s, "longer")) {  // no length is announced, and it never ends
    http_print(fd,
               "HTTP/1.1 200 OK\r\nX-Linked-ETag: \"%s\"\r\nX-Linked-Size: %ju\r\nConnection: "
               "close\r\n\r\n",
               s->hash, (uintmax_t)size);
    http_send(fd, data, size);
    http_send(fd, data, size);
    return;
  }
  send_head(fd, s, begin > 0 ? "206 Partial Content" : "200 OK", begin, size - begin, size);
  if (is(s, "cut") ||
      ((is(s, "norange") || is(s, "wrongrange") || is(s, "badonce") || is(s, "stall")) && first))
    stop = begin + size / 3 < size ? begin + size / 3 : size;
  if (is(s, "cutall")) stop = begin + 10;
  if (is(s, "badhash") || (is(s, "badonce") && first)) {
    unsigned char *wrong = malloc(stop - begin);
    memcpy(wrong, data + begin, stop - begin);
    wrong[0] ^= 1;
    http_send(fd, wrong, stop - begin);
    free(wrong);
  } else {
    http_send(fd, data + begin, stop - begin);
  }
  if (is(s, "stall") && first) nanosleep(&(struct timespec){.tv_sec = 4}, NULL);
}

// Answers that hold no file.
static const struct refusal {
  const char *mode;
  bool once;  // only to the first request
  const char *status, *more;
} refusals[] = {
    {"e404", false, "404 Not Found", ""},
    {"e401", false, "401 Unauthorized", ""},
    {"e503", false, "503 Service Unavailable", ""},
    {"e500", false, "500 Internal Server Error", ""},
    {"once503", true, "503 Service Unavailable", ""},
    {"once429", true, "429 Too Many Requests", ""},
    {"loop", false, "302 Found", "Location: model.safetensors\r\n"},
    {"tofile", false, "302 Found", "Location: file:///etc/passwd\r\n"},
    {"html", false, "200 OK", ""},
};

// Whether the request for the weights is over with this.
static bool refuse(int fd, const struct served *s) {
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    if (is(s, refusals[i].mode) && (!refusals[i].once || s->nth == 1)) {
      send_error(fd, refusals[i].status, refusals[i].more);
      return true;
    }
  }
  if (is(s, "garbage")) http_print(fd, "SSH-2.0-OpenSSH_9.2\r\n");
  if (is(s, "dead")) nanosleep(&(struct timespec){.tv_sec = 6}, NULL);
  return is(s, "garbage") || is(s, "dead") || is(s, "silent") ||
         (is(s, "silentonce") && s->nth == 1);
}

// As huggingface.co redirects to its data servers.
static void redirect(int fd, const struct served *s) {
  char more[512];
  snprintf(more, sizeof more,
           "Location: http://127.0.0.1:%d/redirect/cdn/%s\r\nX-Linked-ETag: "
           "\"%s\"\r\nX-Linked-Size: %zu\r\n",
           port, s->name, s->hash, s->map.size);
  send_error(fd, "302 Found", more);
}

static void answer(int fd, const struct http_request *request) {
  struct served s = {0};
  char path[FILE_PATH_SIZE];
  struct err err;
  const char *file = strrchr(request->path, '/');
  if (sscanf(request->path, "/%31[^/]", s.mode) != 1 || !file) return;
  snprintf(s.name, sizeof s.name, "%s", file + 1);
  s.weights = strcmp(s.name, "model.safetensors") == 0;
  const bool redirected = is(&s, "redirect") && !strstr(request->path, "/cdn/");
  if (s.weights && !redirected) {
    s.nth = ++asked;
    resumed += request->ranged;
    if (refuse(fd, &s)) return;
  }
  assert_int_equal(file_join(path, origin, s.name, NULL), 0);
  if (file_map_open(&s.map, path, &err) != 0) {
    send_error(fd, "404 Not Found", "");
    return;
  }
  if (s.weights) first_word(s.hash, "sha256sum %s", path);
  else first_word(s.hash, "{ printf 'blob %zu\\0'; cat %s; } | sha1sum", s.map.size, path);
  if (redirected) {
    redirect(fd, &s);
  } else if (s.weights) {
    send_weights(fd, &s, request);
  } else {
    send_head(fd, &s, "200 OK", 0, s.map.size, s.map.size);
    http_send(fd, s.map.data, s.map.size);
  }
  file_map_close(&s.map);
}

// --------------------------------------------------------------------------------------------- run

static void slurp(const char *path, char text[static 4096]) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  text[fread(text, 1, 4095, f)] = 0;
  fclose(f);
}

// gpt2rtl fetch of a mode's test/nano into STATE/copy; "@" in more is the test's folder.
static int fetch(void **state, const char *mode, const char *more) {
  char shell[4 * FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  asked = resumed = 0;
  snprintf(shell, sizeof shell,
           "build/gpt2rtl fetch test/nano --base-url http://127.0.0.1:%d/%s --output %s/copy "
           "--timeout 1 %s > %s/out 2> %s/err",
           port, mode, (char *)*state, more, (char *)*state, (char *)*state);
  const int status = system(shell);
  assert_int_equal(file_join(path, *state, "out", NULL), 0);
  slurp(path, out);
  assert_int_equal(file_join(path, *state, "err", NULL), 0);
  slurp(path, err_text);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void in_copy(char path[static FILE_PATH_SIZE], void **state, const char *name) {
  snprintf(path, FILE_PATH_SIZE, "%s/copy/%s", (char *)*state, name);
}

static void remove_copy(void **state) {
  char path[FILE_PATH_SIZE];
  in_copy(path, state, "");
  remove_tree(path);
}

static void expect_text(const char *text, const char *fragment) {
  if (!strstr(text, fragment)) fail_msg("expected \"%s\" in: %s", fragment, text);
}

static void expect_done(void **state, const char *mode, const char *more) {
  static const char *const names[] = {"config.json", "vocab.json", "merges.txt",
                                      "model.safetensors"};
  const int status = fetch(state, mode, more);
  if (status != 0) fail_msg("%s: exit status %d: %s", mode, status, err_text);
  expect_text(out, "copy: 2 layers, 2 heads, width 128, context 64, 301 tokens\n");
  for (int i = 0; i < 4; i++) {
    char copy[FILE_PATH_SIZE], source[FILE_PATH_SIZE], part[FILE_PATH_SIZE + 8];
    struct file_map a, b;
    struct err err;
    in_copy(copy, state, names[i]);
    assert_int_equal(file_join(source, origin, names[i], NULL), 0);
    expect_success(file_map_open(&a, copy, &err), &err);
    expect_success(file_map_open(&b, source, &err), &err);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    file_map_close(&a);
    file_map_close(&b);
    snprintf(part, sizeof part, "%s.part", copy);
    assert_false(file_exists(part));
  }
}

// The command fails, says why, and leaves no weights; it leaves their part only if that can be
// resumed.
static void expect_failed(void **state, const char *mode, const char *more, const char *fragment,
                          bool part_stays) {
  char path[FILE_PATH_SIZE];
  const int status = fetch(state, mode, more);
  if (status != 1) fail_msg("%s: exit status %d, expected 1: %s", mode, status, err_text);
  expect_text(err_text, fragment);
  expect_text(err_text, "127.0.0.1");
  in_copy(path, state, "model.safetensors");
  assert_false(file_exists(path));
  in_copy(path, state, "model.safetensors.part");
  if (file_exists(path) != part_stays)
    fail_msg("%s: model.safetensors.part %s", mode, part_stays ? "is gone" : "is left");
}

// ------------------------------------------------------------------------------------------- tests

// Files that the publisher has beside the four are fetched too, and count.
static void more_files(void **state) {
  char path[FILE_PATH_SIZE], copy[FILE_PATH_SIZE], text[4096];
  write_string(path, origin, "added_tokens.json", "{\"<pad>\": 301}");
  expect_done(state, "good", "");
  expect_text(err_text,
              "added_tokens.json: fetched, its hash matches the one that the server gives");
  assert_null(strstr(err_text, "tokenizer_config.json"));
  in_copy(copy, state, "added_tokens.json");
  slurp(copy, text);
  assert_string_equal(text, "{\"<pad>\": 301}");
  in_copy(copy, state, "tokenizer_config.json.part");
  assert_false(file_exists(copy));
  assert_int_equal(remove(path), 0);
}

static void good(void **state) {
  expect_done(state, "good", "");
  assert_int_equal(asked, 1);
  expect_text(err_text, "its hash matches the one that the server gives");
  expect_done(state, "good", "");  // everything is there
  assert_int_equal(asked, 0);
  remove_copy(state);
  expect_done(state, "redirect", "");
  assert_int_equal(asked, 1);
}

// Ends well although the connection does not.
static void heals(void **state) {
  static const struct {
    const char *mode;
    int asked, resumed;
  } cases[] = {
      {"cut", 3, 2},     {"stall", 2, 1},   {"norange", 2, 1},    {"badonce", 3, 1},
      {"once503", 2, 0}, {"once429", 2, 0}, {"silentonce", 2, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    expect_done(state, cases[i].mode, "");
    if (i == 0) assert_in_range(asked, 3, 4);
    else assert_int_equal(asked, cases[i].asked);
    assert_in_range(resumed, cases[i].resumed, cases[i].resumed + 1);
    remove_copy(state);
  }
}

static void fails(void **state) {
  static const struct {
    const char *mode, *error;
    bool part;
  } cases[] = {
      {"e404", "the server answers 404, no such file: is it a model with safetensors", false},
      {"e401", "the server answers 401, access is restricted, or there is no such model", false},
      {"e503", "the server answers 503: try again later", false},
      {"e500", "the server answers 500: try again later", false},
      {"loop", "redirects", false},
      {"tofile", "rotocol \"file\" ", false},
      {"garbage", "127.0.0.1", false},
      {"silent", "interrupted at byte 0: Empty reply", false},
      {"dead", "no data for 1 seconds, at byte 0", false},
      {"html", "the server gives no hash", false},
      {"nohash", "the server gives no hash", false},
      {"badhash", "of its ", false},
      {"badhash", "expected ", false},
      {"longer", "the server sent more than the file's ", false},
      {"cutall", "interrupted at byte ", true},
      {"liesize", "interrupted at byte ", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    expect_failed(state, cases[i].mode, "--retries 1", cases[i].error, cases[i].part);
    remove_copy(state);
  }
}

// Interrupted for good, then resumed by the same command; a part of something else; a part that is
// all of it.
static void resumes(void **state) {
  char part[FILE_PATH_SIZE], whole[FILE_PATH_SIZE];
  struct stat st;
  in_copy(part, state, "model.safetensors.part");
  in_copy(whole, state, "model.safetensors");
  expect_failed(state, "cutall", "--retries 2", "interrupted at byte ", true);
  assert_int_equal(stat(part, &st), 0);
  assert_int_equal(st.st_size, 30);
  expect_done(state, "good", "");
  assert_int_equal(asked, 1);
  assert_int_equal(resumed, 1);

  assert_int_equal(rename(whole, part), 0);  // 416 says that nothing is missing
  expect_done(state, "good", "");
  assert_int_equal(asked, 1);

  FILE *file = fopen(part, "wb");  // of another file: the hash shows it, and all is fetched again
  for (int i = 0; i < 1000; i++) fputc('x', file);
  fclose(file);
  assert_int_equal(remove(whole), 0);
  expect_done(state, "good", "");
  assert_int_equal(asked, 2);

  assert_int_equal(rename(whole, part), 0);  // longer than the server's
  file = fopen(part, "ab");
  fputc('x', file);
  fclose(file);
  expect_done(state, "good", "");

  // The server sends another range than was requested: the file is fetched from the beginning.
  assert_int_equal(remove(whole), 0);
  expect_done(state, "wrongrange", "");
  assert_int_equal(asked, 3);
}

// The models whose hashes are known here: other files are refused, theirs are accepted.
static void pinned(void **state) {
  char shell[4 * FILE_PATH_SIZE], vocab[FILE_PATH_SIZE], merges[FILE_PATH_SIZE];
  static const char *const names[] = {"gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2"};
  for (size_t i = 0; i < 5; i++) {
    snprintf(shell, sizeof shell,
             "HF_ENDPOINT=http://127.0.0.1:%d/good/ build/gpt2rtl fetch %s --output %s/copy "
             "--retries 0 > /dev/null 2> %s/err",
             port, names[i], (char *)*state, (char *)*state);
    assert_int_equal(WEXITSTATUS(system(shell)), 1);
    snprintf(shell, sizeof shell, "%s/err", (char *)*state);
    slurp(shell, err_text);
    expect_text(err_text, i == 2 ? "vocab.json" : "config.json");
    expect_text(err_text, i == 3 ? "expected be48115d" : "bytes, expected ");
    remove_copy(state);
  }
  // GPT-2's own vocabulary and merges, if they exist, pass as gpt2-large's.
  need_shared(vocab, "tokenizer/encoder.json");
  need_shared(merges, "tokenizer/vocab.bpe");
  snprintf(shell, sizeof shell,
           "mkdir %s/copy && cp %s %s/copy/vocab.json && cp %s %s/copy/merges.txt.part && "
           "build/gpt2rtl fetch gpt2-large --base-url http://127.0.0.1:%d/good --output %s/copy "
           "--retries 0 2> %s/err",
           (char *)*state, vocab, (char *)*state, merges, (char *)*state, port, (char *)*state,
           (char *)*state);
  assert_int_equal(WEXITSTATUS(system(shell)), 1);
  snprintf(shell, sizeof shell, "%s/err", (char *)*state);
  slurp(shell, err_text);
  expect_text(err_text, "copy/vocab.json: already there, sha256 is correct");
  expect_text(err_text, "copy/merges.txt: fetched, sha256 is correct");
  expect_text(err_text, "model.safetensors: the server's file has ");
  expect_text(err_text, "expected 3247159078: it is another file");
  // A file with the name and other bytes is the user's: it is not touched.
  snprintf(shell, sizeof shell,
           "echo mine > %s/copy/vocab.json; build/gpt2rtl fetch gpt2 --base-url "
           "http://127.0.0.1:%d/good --output %s/copy 2> "
           "%s/err; grep -q mine %s/copy/vocab.json",
           (char *)*state, port, (char *)*state, (char *)*state, (char *)*state);
  assert_int_equal(system(shell), 0);
}

static void usage(void **state) {
  static const char *const wrong[] = {
      "",
      "gpt3",
      "a b",
      "/gpt2",
      "openai-community/",
      "a/b/c",
      "a/../b",
      "a/b@",
      "a/b@x/y",
      "../x",
      "a/b?c",
      "gpt2 --timeout 0",
      "gpt2 --timeout 4000",
      "gpt2 --retries -1",
      "gpt2 --retries 101",
      "gpt2 --base-url ftp://x",
      "gpt2 --base-url huggingface.co",
      "gpt2 --base-url 'http://a b'",
      "gpt2 --output",
      "gpt2 --output ''",
      "gpt2 --mirror x",
  };
  char shell[FILE_PATH_SIZE];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(shell, sizeof shell, "build/gpt2rtl fetch %s > /dev/null 2> %s/err", wrong[i],
             (char *)*state);
    const int status = WEXITSTATUS(system(shell));
    if (status != 2) fail_msg("gpt2rtl fetch %s: exit status %d, expected 2", wrong[i], status);
  }
  // No such host, no server there; a folder that cannot be made.
  snprintf(shell, sizeof shell,
           "build/gpt2rtl fetch a/b --retries 0 --base-url http://127.0.0.1:1 --output %s/x > "
           "/dev/null 2> %s/err",
           (char *)*state, (char *)*state);
  assert_int_equal(WEXITSTATUS(system(shell)), 1);
  snprintf(shell, sizeof shell, "%s/err", (char *)*state);
  slurp(shell, err_text);
  expect_text(err_text, "127.0.0.1:1/a/b/resolve/main/config.json: no connection: ");
  snprintf(shell, sizeof shell,
           "touch %s/file; build/gpt2rtl fetch a/b --output %s/file/x > /dev/null 2> %s/err",
           (char *)*state, (char *)*state, (char *)*state);
  assert_int_equal(WEXITSTATUS(system(shell)), 1);
}

// HTTPS is HTTPS: a server with an untrusted certificate is refused.
static void certificates(void **state) {
  char shell[4 * FILE_PATH_SIZE];
  const int tls = 20000 + (int)(getpid() % 20000);
  if (system("command -v openssl > /dev/null") != 0) {
    print_message("skipped: no openssl command\n");
    skip();
  }
  snprintf(
      shell, sizeof shell,
      "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -days 1 -keyout key "
      "-out cert 2> req && "
      "{ openssl s_server -accept %d -naccept 1 -key key -cert cert -WWW > log 2>&1 & } && "
      "for i in 1 2 3 4 5 6 7 8 9 10; do grep -qs ACCEPT log && exit 0; sleep 0.2; done; exit 1",
      (char *)*state, tls);
  assert_int_equal(WEXITSTATUS(system(shell)), 0);
  snprintf(shell, sizeof shell,
           "build/gpt2rtl fetch a/b --retries 0 --base-url https://127.0.0.1:%d --output %s/copy > "
           "/dev/null 2> %s/err",
           tls, (char *)*state, (char *)*state);
  assert_int_equal(WEXITSTATUS(system(shell)), 1);
  snprintf(shell, sizeof shell, "%s/err", (char *)*state);
  slurp(shell, err_text);
  expect_text(err_text, "certificate");
  in_copy(shell, state, "");
  assert_false(file_exists(shell));
}

static int setup(void **state) {
  struct err err;
  (void)state;
  snprintf(origin, sizeof origin, "/tmp/gpt2rtl-test-origin-%ld", (long)getpid());
  unsetenv("http_proxy");
  port = http_server_start(answer);
  return random_model_write("nano", 1, origin, &err);
}

static int teardown(void **state) {
  (void)state;
  remove_tree(origin);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(more_files), IN_FOLDER(good),   IN_FOLDER(heals), IN_FOLDER(fails),
      IN_FOLDER(resumes),    IN_FOLDER(pinned), IN_FOLDER(usage), IN_FOLDER(certificates),
  };
  return cmocka_run_group_tests_name("fetch", tests, setup, teardown);
}
