// Ten thousand Socket.IO clients in one epoll loop, so that the benchmark measures the server.
//   client <port>, then on stdin:  open <clients> <window>   ->  opened <clients> <seconds>
//                                  expect <frames> <limit_s> ->  got <frames> <seconds> <p50_us> <p99_us>
// An event carries the sender's CLOCK_MONOTONIC as "t":<ns>; seconds run from the first of them to the last arrival.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROOM 4096
#define MOST 60000
#define SAMPLES 4000000

struct conn { int fd, upgraded, connected; unsigned len; char buf[ROOM]; };

static struct conn *conns[MOST];
static int ep, port, made, connected, wanted, window_size;
static uint64_t began, expected, got, first_sent, last_arrived, give_up;
static uint32_t *samples;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *why) { fprintf(stderr, "client: %s: %s\n", why, strerror(errno)); exit(1); }

static void say(struct conn *c, const char *text) {  // a text frame masked with zeros
  char frame[256];
  unsigned n = strlen(text), head = 6;
  frame[0] = (char)0x81;
  frame[1] = (char)(0x80 | n);
  memset(frame + 2, 0, 4);
  memcpy(frame + head, text, n);
  if (write(c->fd, frame, head + n) != (ssize_t)(head + n)) die("write");
}

static void dial(void) {
  struct conn *c = calloc(1, sizeof *c);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  char hello[512];
  int one = 1;
  if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("socket");
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  int n = snprintf(hello, sizeof hello,
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nUser-Agent: fanout\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  if (write(c->fd, hello, n) != n) die("hello");
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
  conns[made++] = c;
}

static int by_size(const void *a, const void *b) { return (*(uint32_t *)a > *(uint32_t *)b) - (*(uint32_t *)a < *(uint32_t *)b); }

static void report(void) {
  uint64_t n = got < SAMPLES ? got : SAMPLES;
  qsort(samples, n, sizeof *samples, by_size);
  printf("got %llu %.6f %u %u\n", (unsigned long long)got, got ? (last_arrived - first_sent) / 1e9 : 0.0,
         n ? samples[n / 2] : 0, n ? samples[n * 99 / 100] : 0);
  fflush(stdout);
  expected = 0;
}

static void frame(struct conn *c, char *text, unsigned n) {
  char auth[64];
  if (n == 1 && text[0] == '2') say(c, "3");
  else if (text[0] == '0') {
    snprintf(auth, sizeof auth, "40{\"token\":\"user-%d\"}", connected % 1000000);
    say(c, auth);
  } else if (n > 1 && text[0] == '4' && text[1] == '0' && !c->connected) {
    c->connected = 1;
    if (++connected == wanted) {
      printf("opened %d %.6f\n", connected, (now_ns() - began) / 1e9);
      fflush(stdout);
    }
  } else if (n > 1 && text[0] == '4' && text[1] == '2' && expected) {
    char *t = memmem(text, n, "\"t\":", 4);
    uint64_t at = now_ns(), sent = t ? strtoull(t + 4, NULL, 10) : at;
    if (!first_sent || sent < first_sent) first_sent = sent;
    last_arrived = at;
    if (got < SAMPLES) samples[got] = (uint32_t)((at - sent) / 1000);
    if (++got == expected) report();
  } else if (n > 1 && text[0] == '4' && text[1] == '4') die("refused");
}

static void parse(struct conn *c) {
  unsigned at = 0;
  if (!c->upgraded) {
    char *end = memmem(c->buf, c->len, "\r\n\r\n", 4);
    if (!end) return;
    if (memcmp(c->buf, "HTTP/1.1 101", 12)) die("no upgrade");
    c->upgraded = 1;
    at = end + 4 - c->buf;
  }
  while (c->len - at >= 2) {
    unsigned n = (unsigned char)c->buf[at + 1] & 127, head = 2;
    if (n == 126) {
      if (c->len - at < 4) break;
      n = ((unsigned char)c->buf[at + 2] << 8) | (unsigned char)c->buf[at + 3];
      head = 4;
    }
    if (c->len - at < head + n) break;
    char saved = c->buf[at + head + n];
    c->buf[at + head + n] = 0;
    frame(c, c->buf + at + head, n);
    c->buf[at + head + n] = saved;
    at += head + n;
  }
  memmove(c->buf, c->buf + at, c->len - at);
  c->len -= at;
}

static void command(void) {
  char line[128];
  if (!fgets(line, sizeof line, stdin)) exit(0);
  if (sscanf(line, "open %d %d", &wanted, &window_size) == 2) {
    wanted += connected;
    began = now_ns();
  } else {
    unsigned long long frames, limit;
    if (sscanf(line, "expect %llu %llu", &frames, &limit) != 2) exit(0);
    expected = frames;
    give_up = now_ns() + limit * 1000000000ull;
    got = first_sent = last_arrived = 0;
    puts("ready");
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  struct epoll_event events[512], in = {.events = EPOLLIN, .data.ptr = NULL};
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (argc < 2) return 2;
  port = atoi(argv[1]);
  samples = malloc(SAMPLES * sizeof *samples);
  ep = epoll_create1(0);
  epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in);
  setvbuf(stdin, NULL, _IONBF, 0);
  for (;;) {
    while (made < wanted && made - connected < window_size) dial();
    int n = epoll_wait(ep, events, 512, 100);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (!c) { command(); continue; }
      ssize_t r = read(c->fd, c->buf + c->len, ROOM - 1 - c->len);
      if (r == 0 || (r < 0 && errno != EAGAIN)) die("a connection was closed");
      if (r > 0) { c->len += r; parse(c); }
    }
    if (expected && now_ns() > give_up) report();
  }
}
