/* The guest of tests/cli/guest.rs: makes processes with all kinds of memory, files and sockets, prints what /proc says of
 * them, and ends the recording while everything still stands as printed.
 *
 * Output: "@ NAME" starts the text of one file of /proc; NUL is printed as '|'. "@ end" closes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/netlink.h>
#include <termios.h>
#include <unistd.h>

static void need(int ok, const char *what) {
  if (!ok) {
    perror(what);
    _exit(1);
  }
}

static int opened(const char *path, int flags) {
  int fd = open(path, flags, 0640);
  need(fd >= 0, path);
  return fd;
}

static _Noreturn void *sleeper(void *name) {
  pthread_setname_np(pthread_self(), name);
  for (;;)
    pause();
}

static void threads(void) {
  static char names[3][16] = {"wk-one", "wk-two", "wk-three"};
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    need(!pthread_create(&thread, NULL, sleeper, names[i]), "pthread_create");
  }
}

static void files(void) {
  int fd = opened("/work/data.txt", O_RDWR | O_CREAT | O_APPEND);
  char page[8192];
  memset(page, 'x', sizeof page);
  need(write(fd, page, sizeof page) == sizeof page && lseek(fd, 12, SEEK_SET) == 12, "data.txt");
  opened("/work/deleted.bin", O_RDWR | O_CREAT);
  need(!unlink("/work/deleted.bin"), "unlink");
  opened("/work/with space\nand line", O_RDWR | O_CREAT);
  opened("/work", O_RDONLY | O_DIRECTORY);
  opened("/work/bound/inner.txt", O_RDONLY);
  opened("/dev/null", O_WRONLY);
  opened("/proc/self/ns/mnt", O_RDONLY);
  int ends[2];
  need(!pipe(ends), "pipe");
  need(!mkfifo("/work/fifo", 0600), "mkfifo");
  opened("/work/fifo", O_RDWR);
  need(eventfd(7, 0) >= 0 && epoll_create1(0) >= 0 && timerfd_create(CLOCK_MONOTONIC, 0) >= 0, "anonymous files");
  need(memfd_create("in memory", 0) >= 0, "memfd_create");
  /* Far from the others, so that the table of descriptors is long. */
  need(dup2(fd, 200) == 200, "dup2");
}

static int bound(int family, int type, void *address, socklen_t size) {
  int fd = socket(family, type, 0);
  need(fd >= 0 && !bind(fd, address, size), "bind");
  return fd;
}

static void sockets(void) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int server = bound(AF_INET, SOCK_STREAM, &v4, sizeof v4);
  need(!listen(server, 5), "listen");
  int client = socket(AF_INET, SOCK_STREAM, 0);
  need(!connect(client, (void *)&v4, sizeof v4) && accept(server, NULL, NULL) >= 0, "connect");
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(5353), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  bound(AF_INET6, SOCK_DGRAM, &v6, sizeof v6);
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/work/sock"};
  bound(AF_UNIX, SOCK_DGRAM, &path, sizeof path);
  struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0hidden"};
  int listener = bound(AF_UNIX, SOCK_STREAM, &abstract, offsetof(struct sockaddr_un, sun_path) + 7);
  need(!listen(listener, 5), "listen");
  int other = socket(AF_UNIX, SOCK_STREAM, 0);
  need(!connect(other, (void *)&abstract, offsetof(struct sockaddr_un, sun_path) + 7), "connect");
  need(accept(listener, NULL, NULL) >= 0, "accept");
  int pair[2];
  need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
  struct sockaddr_nl netlink = {.nl_family = AF_NETLINK, .nl_pid = 77};
  bound(AF_NETLINK, SOCK_RAW, &netlink, sizeof netlink);
}

static void *mapped(size_t size, int rights, int flags, int fd, off_t offset) {
  char *at = mmap(NULL, size, rights, flags, fd, offset);
  need(at != MAP_FAILED, "mmap");
  if (rights & PROT_WRITE)
    *at = 1;
  return at;
}

static void mappings(void) {
  int fd = opened("/work/data.txt", O_RDWR);
  mapped(4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  mapped(4096, PROT_READ, MAP_PRIVATE, fd, 4096);
  mapped(8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  mapped(8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int line = opened("/work/with space\nand line", O_RDWR);
  need(!ftruncate(line, 4096), "ftruncate");
  mapped(4096, PROT_READ, MAP_SHARED, line, 0);
  void *named = mapped(12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  /* Kernels without CONFIG_ANON_VMA_NAME refuse; then there is no name to tell. */
  prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, named, 12288, "my pool");
  /* Every other page its own mapping: more than one node of the tree. */
  char *many = mapped(512 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 512; i += 2)
    need(!mprotect(many + i * 4096, 4096, PROT_NONE), "mprotect");
  sbrk(40960);
}

static int ready[2];

/* A child that runs `body`, says that it is ready, and stays. */
static pid_t child(const char *name, void (*body)(void)) {
  pid_t pid = fork();
  need(pid >= 0, "fork");
  if (pid == 0) {
    prctl(PR_SET_NAME, name);
    if (body)
      body();
    need(write(ready[1], "r", 1) == 1, "ready");
    for (;;)
      pause();
  }
  char byte;
  need(read(ready[0], &byte, 1) == 1, "a child did not become ready");
  return pid;
}

static void work(void) {
  need(!chdir("/work/sub"), "chdir");
  threads();
  files();
  sockets();
  mappings();
  need(!setgid(1001) && !setresuid(1000, 1002, 1000), "credentials");
}

static void jailed(void) { need(!chroot("/work/jail") && !chdir("/inside"), "chroot"); }
static void left_behind(void) { need(!chdir("/work/gone") && !rmdir("/work/gone"), "rmdir"); }
static void grandparent(void) { child("grandchild", NULL); }

static void stopped(void) {
  need(write(ready[1], "r", 1) == 1, "ready");
  raise(SIGSTOP);
}

static void other_kinds(void) {
  pid_t pid = fork();
  if (pid == 0)
    _exit(3);
  pid = fork();
  if (pid == 0) {
    execl("/bin/busybox", "sleep", "100000", NULL);
    _exit(1);
  }
  child("stopped", stopped);
  usleep(50000);
}

static char text[1 << 20];

static void out(const char *bytes, size_t count) {
  while (count) {
    ssize_t n = write(1, bytes, count);
    need(n > 0, "write");
    bytes += n;
    count -= n;
  }
}

static void print_text(const char *name, size_t size) {
  char head[512];
  for (size_t i = 0; i < size; i++)
    if (!text[i])
      text[i] = '|';
  out(head, snprintf(head, sizeof head, "@ %s\n", name));
  out(text, size);
  if (size && text[size - 1] != '\n')
    out("\n", 1);
}

static void print_file(const char *name) {
  int fd = open(name, O_RDONLY);
  if (fd < 0)
    return;
  size_t size = 0;
  ssize_t n;
  while ((n = read(fd, text + size, sizeof text - size)) > 0)
    size += n;
  close(fd);
  print_text(name, size);
}

static void print_link(const char *name) {
  ssize_t n = readlink(name, text, sizeof text);
  if (n >= 0)
    print_text(name, n);
}

static void each(const char *folder, void (*print)(const char *)) {
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d));) {
    char name[600];
    snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
    if (e->d_name[0] != '.')
      print(name);
  }
  if (d)
    closedir(d);
}

static void print_thread(const char *folder) {
  char name[600];
  snprintf(name, sizeof name, "%s/comm", folder);
  print_file(name);
}

static void print_process(const char *folder) {
  static const char *const files[] = {"status", "stat", "cmdline", "maps", "environ"};
  static const char *const links[] = {"exe", "cwd", "root"};
  char name[600];
  int number;
  char rest;
  if (sscanf(folder, "/proc/%d%c", &number, &rest) != 1)
    return;
  for (int i = 0; i < 5; i++)
    snprintf(name, sizeof name, "%s/%s", folder, files[i]), print_file(name);
  for (int i = 0; i < 3; i++)
    snprintf(name, sizeof name, "%s/%s", folder, links[i]), print_link(name);
  snprintf(name, sizeof name, "%s/fd", folder), each(name, print_link);
  snprintf(name, sizeof name, "%s/fdinfo", folder), each(name, print_file);
  snprintf(name, sizeof name, "%s/task", folder), each(name, print_thread);
}

/* The whole would take longer to print than the kernel to boot: every 400th line, and all of modules. */
static void print_symbols(void) {
  FILE *f = fopen("/proc/kallsyms", "r");
  char line[700];
  size_t size = 0;
  for (int i = 0; f && fgets(line, sizeof line, f); i++)
    if (i % 400 == 0 || strchr(line, '['))
      size += snprintf(text + size, sizeof text - size, "%s", line);
  fclose(f);
  print_text("/proc/kallsyms", size);
}

int main(void) {
  need(!pipe(ready), "pipe");
  mkdir("/work/sub", 0755), mkdir("/work/gone", 0755), mkdir("/work/bound", 0755);
  mkdir("/work/jail", 0755), mkdir("/work/jail/inside", 0755), mkdir("/work/real", 0755);
  close(opened("/work/real/inner.txt", O_CREAT | O_RDWR));
  need(!mount("/work/real", "/work/bound", NULL, MS_BIND, NULL), "bind mount");
  child("worker", work);
  child("jailed", jailed);
  child("left behind", left_behind);
  child("grandparent", grandparent);
  other_kinds();

  print_file("/proc/version");
  print_file("/proc/modules");
  print_symbols();
  print_file("/proc/net/tcp"), print_file("/proc/net/udp6"), print_file("/proc/net/unix");
  each("/proc", print_process);
  out("@ end\n", 6);
  tcdrain(1);
  need(!ioperm(0xf4, 4, 1), "ioperm");
  outl(0, 0xf4);
  return 1;
}
