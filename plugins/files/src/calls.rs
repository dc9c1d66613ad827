//! What the 64-bit system calls do with files, by their number.

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Bytes between the program and a file that `vfs_read` or `vfs_write` was called for.
    Moves,
    /// As many bytes as the result says go from one file and to one, told by their descriptors' places among the arguments.
    Through {
        /// This one is read.
        from: Option<usize>,
        /// This one is written.
        to: Option<usize>,
    },
    /// The result is a new descriptor.
    Makes,
    /// Two new descriptors are written where this argument points to.
    MakesTwo(usize),
    /// The file of the first argument is another one then: a socket has an address.
    Changes,
}

/// What a call does; none where it does nothing that is counted.
pub fn class(number: i64) -> Option<Class> {
    let from = |place| Some(Class::Through { from: Some(place), to: None });
    let to = |place| Some(Class::Through { from: None, to: Some(place) });
    match number {
        // read, write, pread64, pwrite64
        0 | 1 | 17 | 18 => Some(Class::Moves),
        // readv, recvfrom, recvmsg, preadv, preadv2
        19 | 45 | 47 | 295 | 327 => from(0),
        // writev, sendto, sendmsg, pwritev, vmsplice, pwritev2
        20 | 44 | 46 | 296 | 278 | 328 => to(0),
        // sendfile
        40 => Some(Class::Through { from: Some(1), to: Some(0) }),
        // splice, copy_file_range
        275 | 326 => Some(Class::Through { from: Some(0), to: Some(2) }),
        // tee: what it reads stays there.
        276 => to(1),
        // open, socket, accept, creat, epoll_create, mq_open, inotify_init, openat, signalfd, timerfd_create, eventfd,
        // accept4, signalfd4, eventfd2, epoll_create1, inotify_init1, perf_event_open, fanotify_init, open_by_handle_at,
        // memfd_create, userfaultfd, io_uring_setup, open_tree, fsopen, fsmount, fspick, pidfd_open, openat2, pidfd_getfd,
        // landlock_create_ruleset, memfd_secret
        2
        | 41
        | 43
        | 85
        | 213
        | 240
        | 253
        | 257
        | 282
        | 283
        | 284
        | 288..=291
        | 294
        | 298
        | 300
        | 304
        | 319
        | 323
        | 425
        | 428
        | 430
        | 432..=434
        | 437
        | 438
        | 444
        | 447 => Some(Class::Makes),
        // pipe, pipe2
        22 | 293 => Some(Class::MakesTwo(0)),
        // socketpair
        53 => Some(Class::MakesTwo(3)),
        // connect, bind
        42 | 49 => Some(Class::Changes),
        _ => None,
    }
}

/// execve or execveat.
pub fn is_execution(number: i64) -> bool {
    matches!(number, 59 | 322)
}
