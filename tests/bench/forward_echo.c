/* An echo server for any number of connections at once, statically linked for a pod that has nothing but busybox. */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void watch(int poll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

static void answer(int fd) {
  static char bytes[4096];
  ssize_t count = read(fd, bytes, sizeof bytes);
  if (count <= 0 || write(fd, bytes, count) != count) close(fd);
}

int main(int count, char **words) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(words[1]) : 0)};
  int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), yes = 1;
  signal(SIGPIPE, SIG_IGN);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024)) return 1;
  for (watch(poll, listener);;) {
    struct epoll_event event;
    if (epoll_wait(poll, &event, 1, -1) != 1) continue;
    if (event.data.fd != listener) answer(event.data.fd);
    else watch(poll, accept(listener, NULL, NULL));
  }
}
