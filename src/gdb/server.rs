//! The listening socket: one client after the other, and a sentence for those that come while one is there.

use super::Settings;
use super::client::{Farewell, serve};
use super::wire::packet;
use crate::session::Session;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// What a server tells whoever started it.
#[derive(Debug)]
pub enum Notice {
    /// A client has come.
    Connected(SocketAddr),
    /// It has gone.
    Gone(Farewell),
    /// Another one came meanwhile and was sent away.
    Refused(SocketAddr),
    /// The host could not give a connection.
    Failed(std::io::Error),
}

/// A socket that debuggers can connect to.
pub struct Server {
    listener: TcpListener,
    session: Session,
    settings: Settings,
}

/// Clients that are being told that they come too late.
const MOST_REFUSALS: usize = 8;
/// How long a client that is sent away is listened to.
const REFUSAL: Duration = Duration::from_secs(1);
/// How often and how long a client that leaves is waited for.
const LEAVING_POLLS: u32 = 25;
const LEAVING_POLL: Duration = Duration::from_millis(20);
const BUSY: &[u8] = b"E.another debugger is connected to this recording; detach it first";

impl Server {
    /// Listens at `address`.
    ///
    /// # Errors
    /// As the host says: the address is in use, or is not this host's.
    pub fn bind(address: SocketAddr, session: Session, settings: Settings) -> std::io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address)?, session, settings })
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// As the host says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves one client after the other. Returns when the session has ended.
    ///
    /// # Errors
    /// When the host gives no thread to listen on.
    pub fn serve(mut self, notice: impl Fn(Notice) + Send + Sync + 'static) -> std::io::Result<()> {
        let notice = Arc::new(notice);
        let is_busy = Arc::new(AtomicBool::new(false));
        let (clients, inbox) = sync_channel(1);
        let door = Door { is_busy: is_busy.clone(), refusals: Arc::default(), clients };
        let (listener, to_tell) = (self.listener, notice.clone());
        std::thread::Builder::new().name("gdb door".into()).spawn(move || door.keep(&listener, &*to_tell))?;
        attend(&self.session, &mut self.settings, &inbox, &is_busy, &*notice);
        Ok(())
    }
}

fn attend(
    session: &Session,
    settings: &mut Settings,
    inbox: &Receiver<(TcpStream, SocketAddr)>,
    is_busy: &AtomicBool,
    notice: &dyn Fn(Notice),
) {
    for (stream, from) in inbox {
        notice(Notice::Connected(from));
        let farewell = match stream.try_clone() {
            Ok(reader) => serve(session, settings, reader, &stream),
            Err(e) => {
                notice(Notice::Failed(e));
                Farewell::Vanished
            }
        };
        // The thread that reads from it wakes up and ends.
        let _ = stream.shutdown(Shutdown::Both);
        is_busy.store(false, Ordering::SeqCst);
        let is_over = farewell == Farewell::SessionEnded;
        notice(Notice::Gone(farewell));
        if is_over {
            return;
        }
    }
}

struct Door {
    is_busy: Arc<AtomicBool>,
    refusals: Arc<AtomicUsize>,
    clients: SyncSender<(TcpStream, SocketAddr)>,
}

impl Door {
    fn keep(&self, listener: &TcpListener, notice: &dyn Fn(Notice)) {
        loop {
            let (stream, from) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(e) => {
                    notice(Notice::Failed(e));
                    // Out of file descriptors, most likely: some may come back.
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            // Packets are small, and each waits for its answer.
            let _ = stream.set_nodelay(true);
            if !self.takes_place() {
                notice(Notice::Refused(from));
                self.refuse(stream);
            } else if self.clients.send((stream, from)).is_err() {
                return;
            }
        }
    }

    /// True if nobody is served, or the one who is leaves soon: it may have hung up just now.
    fn takes_place(&self) -> bool {
        for _ in 0..LEAVING_POLLS {
            if !self.is_busy.swap(true, Ordering::SeqCst) {
                return true;
            }
            std::thread::sleep(LEAVING_POLL);
        }
        false
    }

    /// Says why, and waits a little for the client to have read it: closing at once could take the sentence back.
    fn refuse(&self, mut stream: TcpStream) {
        let refusals = self.refusals.clone();
        if refusals.fetch_add(1, Ordering::SeqCst) >= MOST_REFUSALS {
            refusals.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let talk = move || {
            let _ = stream.set_read_timeout(Some(REFUSAL));
            let mut heard = [0; 512];
            // gdb begins; the sentence is the answer to its first packet.
            if matches!(stream.read(&mut heard), Ok(n) if n > 0) {
                let _ = stream.write_all(&[b"+", packet(BUSY).as_slice()].concat());
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read(&mut heard);
            }
            refusals.fetch_sub(1, Ordering::SeqCst);
        };
        let _ = std::thread::Builder::new().name("gdb refusal".into()).spawn(talk);
    }
}
