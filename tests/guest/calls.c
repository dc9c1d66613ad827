/* The programs of tests/cli/syscalls.rs: each makes system calls of one kind, the same ones on the host and in a guest.
 *
 * `calls NAME` runs one. Nothing here depends on the machine: no time is told, no number of a process is branched on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void files(void) {
  int fd = open("data", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  write(fd, "first line\n\tand \"quotes\" \\ \001\0017\377 and more of it", 46);
  pwrite(fd, "xy", 2, 3);
  lseek(fd, -5, SEEK_END);
  char bytes[100];
  read(fd, bytes, sizeof bytes);
  pread(fd, bytes, sizeof bytes, 0);
  ftruncate(fd, 20);
  fsync(fd);
  fchmod(fd, 0600);
  struct stat st;
  fstat(fd, &st);
  stat("data", &st);
  lstat("nothing", &st);
  fstatat(fd, "", &st, AT_EMPTY_PATH);
  access("data", R_OK | W_OK);
  access("nothing", F_OK);
  faccessat(AT_FDCWD, "data", X_OK, 0);
  fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
  fcntl(fd, F_GETFD);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  int other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  dup2(other, 20);
  dup3(other, 21, O_CLOEXEC);
  close(other);
  close(99);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
  fcntl(fd, F_SETLK, &lock);
  flock(fd, LOCK_EX | LOCK_NB);
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096);
  struct iovec vectors[2] = {{"vec", 3}, {"tor of bytes", 12}};
  writev(fd, vectors, 2);
  int in = open("data", O_RDONLY);
  sendfile(20, in, NULL, 5);
  close(in);
  close(fd);
}

static void names(void) {
  mkdir("dir", 0755);
  mkdir("dir", 0700);
  mkdirat(AT_FDCWD, "dir/sub", 0711);
  int dir = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int fd = openat(dir, "file with \n in its name", O_WRONLY | O_CREAT | O_EXCL, 0666);
  close(fd);
  symlink("target/of/a/link", "dir/link");
  char link[100];
  readlink("dir/link", link, sizeof link);
  readlinkat(dir, "link", link, 4);
  linkat(dir, "file with \n in its name", dir, "hard", 0);
  rename("dir/hard", "dir/soft");
  renameat(dir, "soft", dir, "hard");
  syscall(SYS_renameat2, dir, "hard", dir, "link", RENAME_NOREPLACE);
  mkfifo("dir/fifo", 0600);
  chmod("dir/fifo", 0);
  chdir("dir");
  char cwd[200];
  getcwd(cwd, sizeof cwd);
  getcwd(cwd, 1);
  umask(027);
  chdir("..");
  fchdir(dir);
  chdir("..");
  char entries[2048];
  syscall(SYS_getdents64, dir, entries, sizeof entries);
  const char *all[] = {"file with \n in its name", "link", "hard", "fifo"};
  for (int i = 0; i < 4; i++)
    unlinkat(dir, all[i], 0);
  unlinkat(dir, "sub", AT_REMOVEDIR);
  rmdir("dir");
  rmdir("dir");
  unlink("dir");
  struct statx stx;
  statx(AT_FDCWD, "nothing", AT_STATX_DONT_SYNC, STATX_SIZE, &stx);
  statx(AT_FDCWD, "text", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx);
  truncate("nothing", 3);
  chown("nothing", 1, 2);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {5, 6}};
  utimensat(AT_FDCWD, "nothing", times, AT_SYMLINK_NOFOLLOW);
}

static void memory(void) {
  char *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(at, 4096, PROT_NONE);
  mprotect(at + 4096, 8192, PROT_READ | PROT_EXEC);
  madvise(at + 32768, 4096, MADV_DONTNEED);
  at = mremap(at + 32768, 8192, 16384, MREMAP_MAYMOVE);
  msync(at, 4096, MS_SYNC);
  mlock(at, 4096);
  munlock(at, 4096);
  munmap(at, 16384);
  munmap((char *)1, 4096);
  int fd = memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ftruncate(fd, 8192);
  mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 4096);
  mmap(NULL, 4096, PROT_READ, MAP_SHARED, 99, 0);
  mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  sbrk(100000);
  free(malloc(1 << 20));
}

static volatile int caught;
static void catches(int signal) {
  (void)signal;
  caught++;
}

/* Long enough for whoever is waited for to be in its call. */
static void until_it_sleeps(void) { usleep(150000); }

static void signalled(int signal, int times) {
  pid_t parent = getpid();
  if (fork() == 0) {
    for (int i = 0; i < times; i++) {
      until_it_sleeps();
      kill(parent, signal);
    }
    _exit(0);
  }
}

static void signals(void) {
  struct sigaction act = {.sa_handler = catches};
  sigemptyset(&act.sa_mask);
  sigaddset(&act.sa_mask, SIGTERM);
  sigaction(SIGUSR1, &act, NULL);
  act.sa_flags = SA_RESTART | SA_NODEFER;
  sigaction(SIGUSR2, &act, NULL);
  sigaction(SIGUSR2, NULL, &act);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  sigprocmask(SIG_SETMASK, NULL, &set);
  raise(SIGUSR1);
  kill(getpid(), 0);
  /* One that ends with EINTR. */
  signalled(SIGUSR1, 1);
  pause();
  wait(NULL);
  int ends[2];
  pipe(ends);
  char byte;
  signalled(SIGUSR1, 1);
  read(ends[0], &byte, 1);
  wait(NULL);
  struct timespec time = {30, 0}, left;
  signalled(SIGUSR2, 1);
  nanosleep(&time, &left);
  wait(NULL);
  sigset_t none;
  sigemptyset(&none);
  signalled(SIGUSR1, 1);
  sigsuspend(&none);
  wait(NULL);
  stack_t stack = {.ss_sp = malloc(16384), .ss_size = 16384};
  sigaltstack(&stack, NULL);
  struct itimerval timer = {.it_value = {.tv_usec = 50000}};
  signal(SIGALRM, catches);
  setitimer(ITIMER_REAL, &timer, NULL);
  write(ends[1], "a", 1);
  read(ends[0], &byte, 1);
}

static int restart_pipe[2];
static void writes(int signal) {
  (void)signal;
  write(restart_pipe[1], "r", 1);
}

/* A read that begins again behind its handler, and sleep that goes on when it is stopped and continued. */
static void restarts(void) {
  pipe(restart_pipe);
  struct sigaction act = {.sa_handler = writes, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &act, NULL);
  signalled(SIGUSR1, 1);
  char byte;
  read(restart_pipe[0], &byte, 1);
  wait(NULL);
  /* A tracer would make the parent see that its child stops and goes on. */
  act.sa_handler = SIG_DFL;
  act.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &act, NULL);
  pid_t child = fork();
  if (child == 0) {
    struct timespec time = {0, 700000000};
    nanosleep(&time, NULL);
    _exit(7);
  }
  until_it_sleeps();
  kill(child, SIGSTOP);
  int status;
  waitpid(child, &status, WUNTRACED);
  kill(child, SIGCONT);
  waitpid(child, &status, 0);
  child = fork();
  if (child == 0)
    for (;;)
      pause();
  until_it_sleeps();
  kill(child, SIGTERM);
  waitpid(child, &status, 0);
  child = fork();
  if (child == 0) {
    volatile int *nowhere = NULL;
    *nowhere = 1;
  }
  waitpid(child, &status, 0);
}

static int written;

static void *works(void *number) {
  long n = (long)number;
  char name[16];
  snprintf(name, sizeof name, "worker-%ld", n);
  prctl(PR_SET_NAME, name);
  for (long i = 0; i < 20 * n; i++) {
    write(written, "abc", 3);
    if (i % 5 == 0)
      getppid();
    if (i % 7 == 0)
      sched_yield();
  }
  /* Whoever joins waits for each of the threads. */
  usleep(100000 * n);
  return NULL;
}

static void threads(void) {
  pthread_t threads[4];
  written = open("/dev/null", O_WRONLY);
  for (long i = 0; i < 4; i++) {
    pthread_create(&threads[i], NULL, works, (void *)(i + 1));
  }
  for (int i = 0; i < 4; i++)
    syscall(SYS_gettid);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
}

static void *waits(void *pipe_end) {
  char byte;
  read((int)(long)pipe_end, &byte, 1);
  return NULL;
}

/* A thread that is in a call when its process ends, another that executes a program instead of all. */
static void abandoned(void) {
  int ends[2];
  pipe(ends);
  pthread_t thread;
  pthread_create(&thread, NULL, waits, (void *)(long)ends[0]);
  until_it_sleeps();
  pid_t child = fork();
  if (child == 0)
    execl("/proc/self/exe", "calls", "nothing", NULL);
  waitpid(child, NULL, 0);
  exit(3);
}

static void processes(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    execl("/nowhere", "nowhere", "with", "arguments", NULL);
    _exit(42);
  }
  waitpid(child, &status, 0);
  child = vfork();
  if (child == 0) {
    char *arguments[] = {"calls", "nothing", "a rather long argument, longer than is shown", NULL};
    execve("/proc/self/exe", arguments, (char *[]){"A=1", NULL});
    _exit(1);
  }
  waitpid(child, &status, 0);
  waitpid(-1, &status, WNOHANG);
  getuid();
  getgid();
  geteuid();
  setpgid(0, 0);
  getpgid(0);
  getpriority(PRIO_PROCESS, 0);
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  prctl(PR_SET_NAME, "renamed");
  prctl(PR_GET_DUMPABLE);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sched_getscheduler(0);
  struct utsname name;
  uname(&name);
}

static void pipes(void) {
  int ends[2];
  pipe(ends);
  pipe2(ends, O_CLOEXEC | O_NONBLOCK);
  char bytes[64];
  read(ends[0], bytes, sizeof bytes);
  memset(bytes, 'x', sizeof bytes);
  write(ends[1], bytes, sizeof bytes);
  struct iovec vectors[2] = {{bytes, 3}, {bytes + 3, 40}};
  readv(ends[0], vectors, 2);
  tee(ends[0], ends[1], 1, 0);
  struct pollfd fds[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN | POLLOUT, 0}};
  poll(fds, 2, 0);
  poll(NULL, 0, 1);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  FD_SET(0, &set);
  struct timeval none = {0, 0};
  select(ends[1] + 1, NULL, &set, NULL, &none);
  struct timespec soon = {0, 1000};
  ppoll(fds, 1, &soon, NULL);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  write(ends[1], "x", 1);
  int counter = eventfd(3, EFD_CLOEXEC | EFD_SEMAPHORE);
  read(counter, bytes, 8);
  close(counter);
}

static void polled(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(1, EFD_NONBLOCK);
  struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 5}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event);
  epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event);
  struct epoll_event events[4];
  epoll_wait(epoll, events, 4, -1);
  epoll_wait(epoll, events, 4, 0);
  epoll_ctl(epoll, EPOLL_CTL_DEL, counter, NULL);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  struct itimerspec when = {{0, 0}, {0, 1000000}};
  timerfd_settime(timer, 0, &when, NULL);
  uint64_t count;
  read(timer, &count, 8);
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void sockets(void) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  send(pair[0], "hello", 5, MSG_NOSIGNAL);
  char bytes[100];
  recv(pair[1], bytes, sizeof bytes, MSG_PEEK);
  recv(pair[1], bytes, sizeof bytes, 0);
  recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT);
  struct iovec vector = {"in a message", 12};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  sendmsg(pair[0], &message, 0);
  vector.iov_base = bytes;
  vector.iov_len = 50;
  recvmsg(pair[1], &message, 0);
  shutdown(pair[0], SHUT_WR);
  int server = socket(AF_UNIX, SOCK_DGRAM, 0);
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
  bind(server, (struct sockaddr *)&name, sizeof name);
  bind(server, (struct sockaddr *)&name, sizeof name);
  unlink("sock");
  memcpy(name.sun_path, "\0abstract", 9);
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  connect(client, (struct sockaddr *)&name, 2 + 9);
  socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
  socket(99, 1, 2);
}

static void network(void) {
  int server = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), one = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  socklen_t length = sizeof one;
  getsockopt(server, SOL_SOCKET, SO_TYPE, &one, &length);
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(34567), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  bind(server, (struct sockaddr *)&name, sizeof name);
  length = 100;
  struct sockaddr_storage found;
  getsockname(server, (struct sockaddr *)&found, &length);
  getpeername(server, (struct sockaddr *)&found, &length);
  int stream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_IP);
  listen(stream, 5);
  accept4(stream, NULL, NULL, SOCK_CLOEXEC);
  int six = socket(AF_INET6, SOCK_DGRAM, 0);
  struct sockaddr_in6 name6 = {.sin6_family = AF_INET6, .sin6_port = htons(34568), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  sendto(-1, "xyz", 3, MSG_DONTWAIT, (struct sockaddr *)&name6, sizeof name6);
}

static void times(void) {
  struct timespec time = {0, 1000000};
  nanosleep(&time, NULL);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
  clock_getres(CLOCK_MONOTONIC, &time);
  syscall(SYS_clock_getres, 77, &time);
  char bytes[40];
  getrandom(bytes, 40, GRND_NONBLOCK);
  alarm(100);
  alarm(0);
  struct itimerval timer;
  getitimer(ITIMER_VIRTUAL, &timer);
  sched_yield();
}

/* Arguments that make no sense. */
static void wrong(void) {
  write(1, (void *)8, 5);
  open((void *)8, O_RDONLY);
  open("", O_RDWR);
  syscall(SYS_openat, -100, NULL, 0x80000000 | O_RDONLY);
  read(-1, NULL, 0);
  lseek(0, 0, 17);
  ioctl(-1, TCGETS, NULL);
  ioctl(-1, 0x1234, 5);
  fcntl(-1, 1234, 5);
  kill(0x7ffffff0, 99);
  syscall(SYS_wait4, 0x7ffffff0, 8, 0, 0);
  syscall(SYS_nanosleep, 8, 0);
  socket(AF_INET, 9, 0);
  setrlimit(77, NULL);
  syscall(SYS_rt_sigaction, 65, NULL, NULL, 8);
  char path[300];
  memset(path, 'p', sizeof path);
  path[299] = 0;
  access(path, F_OK);
}

/* Not compared: a guest without a source of randomness gets some, so that getrandom does what it does on the host. */
static void seed(void) {
  struct {
    struct rand_pool_info about;
    char bytes[64];
  } entropy = {.about = {.entropy_count = 512, .buf_size = 64}};
  int fd = open("/dev/urandom", O_WRONLY);
  if (ioctl(fd, RNDADDENTROPY, &entropy) < 0)
    exit(1);
}

static const struct {
  const char *name;
  void (*run)(void);
} PROGRAMS[] = {
    {"files", files},         {"names", names},       {"memory", memory},   {"signals", signals}, {"restarts", restarts},
    {"threads", threads},     {"abandoned", abandoned}, {"processes", processes}, {"pipes", pipes},   {"polled", polled},
    {"sockets", sockets},     {"network", network},   {"times", times},     {"wrong", wrong},
    {"seed", seed},
};

int main(int count, char **arguments) {
  for (unsigned i = 0; count > 1 && i < sizeof PROGRAMS / sizeof PROGRAMS[0]; i++)
    if (!strcmp(arguments[1], PROGRAMS[i].name))
      PROGRAMS[i].run();
  return 0;
}
