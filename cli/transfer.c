// SPDX-License-Identifier: Apache-2.0
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"

// ----------------------------------------------------------------------------------------- headers

// Reads the value of header "name:", without blanks and quotes. Returns false if the line is
// another header.
static bool header_value(const char *line, size_t length, const char *name, char *value,
                         size_t room) {
  const size_t n = strlen(name);
  if (length < n || strncasecmp(line, name, n)) return false;
  size_t begin = n, end = length;
  while (begin < end && strchr(" \t\"", line[begin])) begin++;
  while (end > begin && strchr(" \t\"\r\n", line[end - 1])) end--;
  if (end - begin >= room) return false;
  memcpy(value, line + begin, end - begin);
  value[end - begin] = 0;
  return true;
}

static void take_hash(struct transfer *t, const char *value, bool linked) {
  const size_t n = strlen(value);
  const bool sha256 =
      linked && n == DIGEST_SHA256;  // an ETag of that length may be a tag of the server's own
  if (!(sha256 || n == DIGEST_SHA1) || strspn(value, "0123456789abcdef") != n ||
      (t->linked && !linked))
    return;
  memcpy(t->served, value, n + 1);
  t->linked = linked;
}

// Called for each line of each answer, redirects included.
static size_t on_header(char *line, size_t size, size_t count, void *ctx) {
  struct transfer *t = ctx;
  char value[128], *end;
  const size_t length = size * count;
  if (length > 5 && !memcmp(line, "HTTP/", 5)) {
    t->range_begin = t->range_total = UINT64_MAX;
    t->begun = false;
  } else if (header_value(line, length, "x-linked-etag:", value, sizeof value)) {
    take_hash(t, value, true);
  } else if (header_value(line, length, "etag:", value, sizeof value)) {
    take_hash(t, value, false);
  } else if (header_value(line, length, "x-linked-size:", value, sizeof value)) {
    t->linked_size = strtoull(value, NULL, 10);
  } else if (header_value(line, length, "content-range:", value, sizeof value) &&
             !strncmp(value, "bytes ", 6)) {
    const char *slash = strchr(value, '/');
    if (value[6] >= '0' && value[6] <= '9') t->range_begin = strtoull(value + 6, &end, 10);
    if (slash && slash[1] >= '0' && slash[1] <= '9') t->range_total = strtoull(slash + 1, &end, 10);
  }
  return length;
}

// -------------------------------------------------------------------------------------------- body

static int refuse(struct transfer *t, bool again, const char *format, uint64_t a, uint64_t b) {
  snprintf(t->problem, sizeof t->problem, format, (unsigned long long)a, (unsigned long long)b);
  t->again = again;
  return -1;
}

static long response(const struct transfer *t) {
  long code = 0;
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
  return code;
}

int transfer_cut(struct transfer *t, uint64_t size) {
  t->have = size;
  return ftruncate(t->file, (off_t)size)
             ? refuse(t, false, "the .part file cannot be truncated", 0, 0)
             : 0;
}

// Checks, before the first byte, that it is the requested byte of a file of the expected size.
static int begin_body(struct transfer *t) {
  curl_off_t length = -1;
  uint64_t total = 0;
  t->begun = true;
  curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (response(t) == 206) {
    if (t->range_begin != t->have) {
      t->whole = true;
      return refuse(t, true,
                    "the server sent bytes from %llu on, but those from %llu on were requested",
                    t->range_begin, t->have);
    }
    if (t->range_total != UINT64_MAX) total = t->range_total;
    t->pieced = true;
  } else {
    if (t->have && transfer_cut(t, 0))
      return -1;  // it is the whole file, although only the rest was requested
    t->pieced = false;
    if (length >= 0) total = (uint64_t)length;
  }
  if (!total) total = t->linked_size;
  if (total && t->have > total) {
    t->whole = true;
    return refuse(t, true, "the .part file has more bytes (%llu) than the server's file (%llu)",
                  t->have, total);
  }
  if (t->total && total && total != t->total)
    return refuse(t, false, "the server's file has %llu bytes, expected %llu: it is another file",
                  total, t->total);
  if (!t->total) t->total = total;
  t->bar.total = t->total;
  t->bar.first = t->have;
  return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx) {
  struct transfer *t = ctx;
  const size_t length = size * count;
  const long code = response(t);
  if (code != 200 && code != 206) return length;  // an error page
  if (!t->begun && begin_body(t)) return 0;
  if (t->total && length > t->total - t->have) {
    refuse(t, false, "the server sent more than the file's %llu bytes", t->total, 0);
    transfer_cut(t, 0);
    return 0;
  }
  for (size_t done = 0; done < length;) {
    const ssize_t n = pwrite(t->file, bytes + done, length - done, (off_t)t->have);
    if (n <= 0) {
      snprintf(t->problem, sizeof t->problem, "%.100s.part cannot be written: %s", t->what->name,
               strerror(errno));
      return 0;
    }
    done += (size_t)n;
    t->have += (uint64_t)n;
  }
  char note[64];
  snprintf(note, sizeof note, "%.1f of %.1f MB", (double)t->have * 1e-6, (double)t->total * 1e-6);
  progress_show(&t->bar, t->have, note);
  return length;
}

// ---------------------------------------------------------------------------------------- attempts

// Interprets an attempt. Returns 0 if the file is complete, 1 to retry, -1 for failure; err has the
// reason.
static int judge(struct transfer *t, CURLcode rc, const char *detail, struct err *err) {
  const char *url = t->what->url;
  const long code = response(t);
  if (t->problem[0]) {
    err_set(err, "%s: %s", url, t->problem);
    return t->again ? 1 : -1;
  }
  if (code ==
      416) {  // the server has no more bytes: the file is complete, or ours is a different file
    if (t->range_total == t->have) return 0;
    err_set(err, "%s: the server has no bytes from %llu on", url, (unsigned long long)t->have);
    t->whole = true;
    return 1;
  }
  if (code >= 400) {
    t->absent = code == 404;
    const bool passes = code == 408 || code == 429 || code >= 500;
    err_set(err, "%s: the server answers %ld%s", url, code,
            passes ? ": try again later"
            : code == 404
                ? ", no such file: is it a model with safetensors, vocab.json and merges.txt?"
            : code == 401 || code == 403 ? ", access is restricted, or there is no such model"
                                         : "");
    return passes ? 1 : -1;
  }
  switch (rc) {
    case CURLE_OK:
      if (code != 200 && code != 206) {
        err_set(err, "%s: the server answers %ld", url, code);
        return -1;
      }
      if (!t->begun) begin_body(t);  // an empty file
      if (!t->total || t->have == t->total) return 0;
      err_set(err, "%s: interrupted after %llu of %llu bytes", url, (unsigned long long)t->have,
              (unsigned long long)t->total);
      return 1;
    case CURLE_OPERATION_TIMEDOUT:
      err_set(err, "%s: no data for %u seconds, at byte %llu", url, t->what->timeout,
              (unsigned long long)t->have);
      return 1;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      err_set(
          err,
          "%s: no connection: %s; if a proxy is needed, set https_proxy; --base-url names a mirror",
          url, detail);
      return 1;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP2:
    case CURLE_SSL_CONNECT_ERROR:
      err_set(err, "%s: interrupted at byte %llu: %s", url, (unsigned long long)t->have, detail);
      return 1;
    default: err_set(err, "%s: %s", url, detail[0] ? detail : curl_easy_strerror(rc)); return -1;
  }
}

int transfer_attempt(struct transfer *t, struct err *err) {
  char range[32], detail[CURL_ERROR_SIZE] = "";
  const bool https = !strncmp(t->what->url, "https:", 6);
  t->problem[0] = 0;
  t->begun = false;
  if (t->whole && transfer_cut(t, 0)) return err_set(err, "%s: %s", t->what->path, t->problem);
  t->whole = false;
  curl_easy_reset(t->curl);
  snprintf(range, sizeof range, "%llu-", (unsigned long long)t->have);
  if (t->have) curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
  curl_easy_setopt(t->curl, CURLOPT_URL, t->what->url);
  curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "gpt2rtl/" GPT2RTL_VERSION);
  curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
  curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, (long)t->what->timeout);
  curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)t->what->timeout);
  curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
  const CURLcode rc = curl_easy_perform(t->curl);
  curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
  return judge(t, rc, detail, err);
}
