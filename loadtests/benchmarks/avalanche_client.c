// Socket.IO clients of one gateway in one epoll loop, which come back as official clients do when it is gone.
//   avalanche_client <file of tokens, one a line> <number of this process>, then on stdin:
//     ports <port>…    -> ok          the gateways that a load balancer knows
//     open <window>    -> opened <clients> <seconds>      at the first of the ports, so many connects under way
//     stats            -> stats <connected> <returned> <recovered> <replayed> <refused> <unanswered> <wrong>
//     away             -> away <µs>…    for each client that returned, how long it was away
//     samples          -> samples <µs>…    from sending to arrival, of pushes to clients that never were away; then none
// A push carries the sender's CLOCK_MONOTONIC as "t":<ns>. Each client has an address of its own in 127.0.0.0/8.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROOM 8192
#define MOST 20000
#define PORTS 16
#define SAMPLES 1000000
#define FIRST_MS 1000  // the back-off of official clients: doubled up to the longest, and up to a half more or less
#define LONGEST_MS 5000
#define GIVE_UP_MS 20000

enum state { WAITING, DIALLING, OPENING, CONNECTED };

struct conn {
  int fd, number, port, tried, attempts, begun, seen, returned;
  enum state state;
  unsigned len, upgraded;
  uint64_t due, lost_at;  // when to dial or to give up; when the connection was lost
  unsigned long long seq;
  char *token, pid[512], offset[64], buf[ROOM];
};

static struct conn *conns[MOST];
static int ep, count, self, ports[PORTS], open_at[PORTS], port_count, window_size, under_way;
static int connected, returned, recovered, replayed, refused, unanswered, wrong;
static uint64_t began;
static uint32_t samples[SAMPLES], away[MOST];
static int sample_count;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *why) { fprintf(stderr, "avalanche_client: %s: %s\n", why, strerror(errno)); exit(1); }

static void back_off(struct conn *c) {
  double ms = FIRST_MS * (double)(1 << (c->attempts < 10 ? c->attempts : 10));
  c->attempts++;
  ms *= 0.5 + (double)random() / RAND_MAX;
  if (ms > LONGEST_MS) ms = LONGEST_MS;
  c->state = WAITING;
  c->due = now_ns() + (uint64_t)(ms * 1e6);
}

static void lose(struct conn *c) {
  close(c->fd);
  open_at[c->port]--;
  if (c->state == CONNECTED) connected--, c->lost_at = now_ns();
  c->len = c->upgraded = c->tried = 0;
  back_off(c);
}

static void say(struct conn *c, const char *text, size_t n) {  // a text frame masked with zeros
  char frame[2048];
  unsigned head = 6;
  frame[0] = (char)0x81;
  frame[1] = (char)(0x80 | (n < 126 ? n : 126));
  if (n >= 126) {
    frame[2] = (char)(n >> 8);
    frame[3] = (char)n;
    head = 8;
  }
  memset(frame + head - 4, 0, 4);
  memcpy(frame + head, text, n);
  if (write(c->fd, frame, head + n) < 0 && errno != EPIPE && errno != ECONNRESET) die("write");
}

static void hello(struct conn *c) {
  static const char text[] =
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
  c->state = OPENING;
  if (write(c->fd, text, sizeof text - 1) < 0) lose(c);
}

static int next_port(struct conn *c) {  // the gateway with the fewest of these connections; those that failed come last
  int best = 0;
  for (int i = 1; i < port_count; i++) {
    int worse = (c->tried >> i & 1) - (c->tried >> best & 1);
    if (worse < 0 || (!worse && open_at[i] < open_at[best])) best = i;
  }
  return best;
}

static void redial(struct conn *c);

static void dial(struct conn *c) {
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
  struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};
  int one = 1;
  c->port = c->seen ? next_port(c) : 0;
  open_at[c->port]++;
  from.sin_addr.s_addr = htonl(0x7f000000u | (unsigned)(self + 1) << 16 | (unsigned)(c->number + 1));
  to.sin_port = htons(ports[c->port]);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) < 0) die("socket");
  setsockopt(c->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
  c->state = DIALLING;
  c->due = now_ns() + GIVE_UP_MS * 1000000ull;
  if (!connect(c->fd, (struct sockaddr *)&to, sizeof to) || errno == EINPROGRESS) epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
  else redial(c);
}

static void redial(struct conn *c) {  // a gateway refused: a load balancer, as nginx here, tries the others at once
  close(c->fd);
  open_at[c->port]--;
  c->len = 0;
  c->tried |= 1 << c->port;
  if (c->tried != (1 << port_count) - 1) dial(c);
  else c->tried = 0, back_off(c);
}

static void log_in(struct conn *c) {
  char auth[2000];
  int n = snprintf(auth, sizeof auth, "40{\"token\":\"%s\"", c->token);
  if (*c->pid) n += snprintf(auth + n, sizeof auth - n, ",\"pid\":\"%s\"", c->pid);
  if (*c->offset) n += snprintf(auth + n, sizeof auth - n, ",\"offset\":\"%s\"", c->offset);
  auth[n++] = '}';
  c->attempts = 0;  // as official clients: a connection that opened ends the back-off
  say(c, auth, n);
}

static void answered(struct conn *c, char *text) {
  char *pid = strstr(text, "\"pid\":\""), *end = pid ? strchr(pid + 7, '"') : NULL;
  if (!end || end - pid - 7 >= (long)sizeof c->pid) die("no pid");
  *end = 0;
  c->state = CONNECTED;
  connected++;
  if (c->seen) {
    if (!strcmp(c->pid, pid + 7)) recovered++;
    away[returned++] = (uint32_t)((now_ns() - c->lost_at) / 1000);
    c->returned = 1;
  } else c->seen = 1, under_way--;
  strcpy(c->pid, pid + 7);
}

static void event(struct conn *c, char *text, unsigned n) {
  char *t = memmem(text, n, "\"t\":", 4), *quote = n > 4 ? memrchr(text, '"', n - 1) : NULL;
  char *offset = quote ? memrchr(text, '"', quote - text) : NULL, *dot = offset ? strchr(offset, '.') : NULL;
  if (!dot || dot > quote || quote - offset > (long)sizeof c->offset) return;  // no event of the stream
  unsigned long long seq = strtoull(dot + 1, NULL, 10);
  if (seq != c->seq + 1) wrong++;
  c->seq = seq;
  *quote = 0;
  strcpy(c->offset, offset + 1);
  if (!t) replayed++;
  else if (!c->returned && sample_count < SAMPLES) samples[sample_count++] = (uint32_t)((now_ns() - strtoull(t + 4, NULL, 10)) / 1000);
}

static void frame(struct conn *c, char *text, unsigned n) {
  if (n == 1 && text[0] == '2') say(c, "3", 1);
  else if (text[0] == '0') log_in(c);
  else if (n > 1 && text[0] == '4' && text[1] == '0') answered(c, text);
  else if (n > 1 && text[0] == '4' && text[1] == '2') event(c, text, n);
  else if (n > 1 && text[0] == '4' && text[1] == '4') refused++;  // the gateway closes the connection then
}

static void parse(struct conn *c) {
  unsigned at = 0;
  if (!c->upgraded) {
    char *end = memmem(c->buf, c->len, "\r\n\r\n", 4);
    if (!end) return;
    if (memcmp(c->buf, "HTTP/1.1 101", 12)) {
      refused++;
      memcmp(c->buf, "HTTP/1.1 503", 12) ? lose(c) : redial(c);
      return;
    }
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
    if ((c->buf[at] & 15) == 1) frame(c, c->buf + at + head, n);
    c->buf[at + head + n] = saved;
    at += head + n;
  }
  memmove(c->buf, c->buf + at, c->len - at);
  c->len -= at;
}

static void ready(struct conn *c) {
  if (c->state == DIALLING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) redial(c);
    else hello(c);
    return;
  }
  ssize_t r = read(c->fd, c->buf + c->len, ROOM - 1 - c->len);
  if (r == 0 || (r < 0 && errno != EAGAIN)) lose(c);
  else if (r > 0) c->len += r, parse(c);
}

static void list(const char *name, uint32_t *values, int n) {
  fputs(name, stdout);
  for (int i = 0; i < n; i++) printf(" %u", values[i]);
  puts("");
}

static void command(void) {
  char line[256], *word = line;
  int n;
  if (!fgets(line, sizeof line, stdin)) exit(0);
  if (sscanf(line, "open %d", &window_size) == 1) began = now_ns();
  else if (!strncmp(line, "ports", 5)) {
    for (port_count = 0, word += 5; sscanf(word, "%d%n", &ports[port_count], &n) == 1; word += n) port_count++;
    puts("ok");
  } else if (!strncmp(line, "stats", 5))
    printf("stats %d %d %d %d %d %d %d\n", connected, returned, recovered, replayed, refused, unanswered, wrong);
  else if (!strncmp(line, "away", 4)) list("away", away, returned);
  else {
    list("samples", samples, sample_count);
    sample_count = 0;
  }
  fflush(stdout);
}

static void tick(void) {
  uint64_t now = now_ns();
  for (int i = 0; i < count; i++) {
    struct conn *c = conns[i];
    if (c->state == CONNECTED || now < c->due) continue;
    if (c->state != WAITING) {
      unanswered++;
      lose(c);
    } else if (c->seen || c->begun) dial(c);
    else if (under_way < window_size) {
      c->begun = 1;
      under_way++;
      dial(c);
    }
  }
  if (began && connected == count) {
    printf("opened %d %.3f\n", count, (now - began) / 1e9);
    fflush(stdout);
    began = 0;
  }
}

int main(int argc, char **argv) {
  struct epoll_event events[512], in = {.events = EPOLLIN, .data.ptr = NULL};
  struct rlimit files;
  char token[1600];
  FILE *tokens;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (argc < 3 || !(tokens = fopen(argv[1], "r"))) die("no file of tokens");
  self = atoi(argv[2]);
  srandom(self + 1);
  while (count < MOST && fscanf(tokens, "%1599s", token) == 1) {
    conns[count] = calloc(1, sizeof **conns);
    conns[count]->number = count;
    conns[count++]->token = strdup(token);
  }
  ep = epoll_create1(0);
  epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in);
  setvbuf(stdin, NULL, _IONBF, 0);
  for (uint64_t ticked = 0;;) {
    int n = epoll_wait(ep, events, 512, 10);
    for (int i = 0; i < n; i++) events[i].data.ptr ? ready(events[i].data.ptr) : command();
    if (now_ns() - ticked < 10000000) continue;
    ticked = now_ns();
    tick();
  }
}
