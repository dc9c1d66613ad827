//! Sockets: family, type, protocol, both addresses, state.

use super::absent::{Known, Why};
use super::layout::Member;
use super::view::{Object, lossy};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const UNIX: u16 = 1;
const INET: u16 = 2;
const INET6: u16 = 10;
const NETLINK: u16 = 16;

/// Bytes of `sockaddr_un` before its path.
const UNIX_HEADER: u32 = 2;
/// Bytes of `sockaddr_un`.
const LONGEST_UNIX: u32 = 110;

/// What SOCK_ constants say (socket(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "see socket(2)")]
pub enum SocketType {
    Stream,
    Datagram,
    Raw,
    SequencedPacket,
    Other(u16),
}

/// Where a connection stands (include/net/tcp_states.h); other protocols use few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "see RFC 9293, 3.3.2")]
pub enum Connection {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Closed,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    Other(u8),
}

/// An open socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// IPv4 or IPv6.
    Internet {
        /// Stream is TCP, datagram UDP, mostly.
        kind: SocketType,
        /// IANA protocol number: 6 is TCP, 17 UDP.
        protocol: u16,
        /// This side.
        local: SocketAddr,
        /// The other side; address and port 0 if there is none.
        remote: SocketAddr,
        /// Where the connection stands.
        state: Connection,
    },
    /// Between processes.
    Unix {
        /// Stream, datagram or sequenced packets.
        kind: SocketType,
        /// What it is bound to; an abstract name starts with '@'.
        name: Option<String>,
        /// What the other side is bound to.
        peer_name: Option<String>,
        /// A connection has another side.
        has_peer: bool,
        /// Where the connection stands.
        state: Connection,
    },
    /// To the kernel.
    Netlink {
        /// Which part of the kernel (netlink(7)).
        protocol: u16,
        /// This side's address.
        port: u32,
    },
    /// Another family (address_families(7)).
    Other {
        /// AF_ number.
        family: u16,
    },
}

impl SocketType {
    fn of(value: u16) -> SocketType {
        match value {
            1 => SocketType::Stream,
            2 => SocketType::Datagram,
            3 => SocketType::Raw,
            5 => SocketType::SequencedPacket,
            other => SocketType::Other(other),
        }
    }
}

impl Connection {
    fn of(value: u8) -> Connection {
        const IN_ORDER: [Connection; 11] = [
            Connection::Established,
            Connection::SynSent,
            Connection::SynReceived,
            Connection::FinWait1,
            Connection::FinWait2,
            Connection::TimeWait,
            Connection::Closed,
            Connection::CloseWait,
            Connection::LastAck,
            Connection::Listen,
            Connection::Closing,
        ];
        let index = usize::from(value).checked_sub(1);
        index.and_then(|i| IN_ORDER.get(i)).copied().unwrap_or(Connection::Other(value))
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketType::Stream => f.write_str("STREAM"),
            SocketType::Datagram => f.write_str("DGRAM"),
            SocketType::Raw => f.write_str("RAW"),
            SocketType::SequencedPacket => f.write_str("SEQPACKET"),
            SocketType::Other(kind) => write!(f, "type {kind}"),
        }
    }
}

impl fmt::Display for Socket {
    /// `INET STREAM 10.0.2.15:40000 -> 10.0.2.2:80`; the other side only where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Socket::Internet { kind, local, remote, .. } => {
                let family = if local.is_ipv4() { "INET" } else { "INET6" };
                write!(f, "{family} {kind} {local}")?;
                if remote.port() == 0 { Ok(()) } else { write!(f, " -> {remote}") }
            }
            Socket::Unix { kind, name, peer_name, .. } => {
                write!(f, "UNIX {kind}")?;
                name.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))?;
                peer_name.as_ref().map_or(Ok(()), |name| write!(f, " -> {name}"))
            }
            Socket::Netlink { protocol, port } => write!(f, "NETLINK protocol {protocol} port {port}"),
            Socket::Other { family } => write!(f, "family {family}"),
        }
    }
}

impl Socket {
    /// From a `struct socket`.
    pub(super) fn of(socket: Object) -> Known<Socket> {
        let kind = SocketType::of(socket.u16(Member::SocketType)?);
        let sock = socket.pointer(Member::SocketSock)?;
        let [state] = sock.array(Member::SockState)?;
        let state = Connection::of(state);
        Ok(match sock.u16(Member::SockFamily)? {
            family @ (INET | INET6) => Socket::Internet {
                kind,
                protocol: sock.u16(Member::SockProtocol)?,
                local: address(sock, family, (Member::SockAddress, Member::SockAddress6), sock.u16(Member::SockPort)?)?,
                remote: address(
                    sock,
                    family,
                    (Member::SockPeerAddress, Member::SockPeerAddress6),
                    sock.u16(Member::SockPeerPort)?.swap_bytes(),
                )?,
                state,
            },
            UNIX => {
                let peer = sock.optional(Member::UnixPeer)?;
                let name = unix_name(sock)?;
                let peer_name = peer.map(unix_name).transpose()?.flatten();
                Socket::Unix { kind, name, peer_name, has_peer: peer.is_some(), state }
            }
            NETLINK => {
                Socket::Netlink { protocol: sock.u16(Member::SockProtocol)?, port: sock.u32(Member::NetlinkPort)? }
            }
            family => Socket::Other { family },
        })
    }
}

fn address(sock: Object, family: u16, (v4, v6): (Member, Member), port: u16) -> Known<SocketAddr> {
    let ip = match family {
        INET => IpAddr::from(sock.array::<4>(v4)?),
        _ => IpAddr::V6(Ipv6Addr::from(sock.array::<16>(v6)?)),
    };
    Ok(SocketAddr::new(ip, port))
}

/// The path, or "@" and the abstract name.
fn unix_name(sock: Object) -> Known<Option<String>> {
    let Some(address) = sock.optional(Member::UnixAddress)? else { return Ok(None) };
    let length = address.u32(Member::UnixNameLength)?;
    let Some(length) = length.checked_sub(UNIX_HEADER).filter(|_| length <= LONGEST_UNIX) else {
        return Err(Why::Broken { at: address.at, expected: "an address of a Unix socket" }.for_fact("socket"));
    };
    let at = address.place(Member::UnixName)?.wrapping_add(u64::from(UNIX_HEADER));
    let bytes = sock.view.kernel().bytes(at, length as usize)?;
    Ok(match bytes.first() {
        None => None,
        Some(0) => Some(lossy(&bytes).replace('\0', "@")),
        Some(_) => Some(lossy(bytes.split(|&b| b == 0).next().unwrap_or_default())),
    })
}
