//! Socket addresses as text.

use crate::quote::quoted;
use crate::structures::{named, put, u16_in, u32_in};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Writes an address; none for one that is shorter than its family's number.
pub fn sockaddr(bytes: &[u8], into: &mut String) -> Option<()> {
    if bytes.len() < 2 {
        return None;
    }
    let family = u16_in(bytes, 0);
    let port = bytes.get(2..4).map_or(0, |p| u16::from_be_bytes([p[0], p[1]]));
    into.push_str("{sa_family=");
    named("family", family.into(), into);
    match (family, bytes.len()) {
        (1, 3..) => unix(&bytes[2..], into),
        (2, 8..) => {
            let address = Ipv4Addr::from(u32_in(bytes, 4).swap_bytes());
            put!(into, ", sin_port=htons({port}), sin_addr=inet_addr(\"{address}\")");
        }
        (10, 24..) => {
            let address = bytes[8..].first_chunk::<16>().copied().map(Ipv6Addr::from)?;
            let flow = u32_in(bytes, 4).swap_bytes();
            put!(into, ", sin6_port=htons({port}), sin6_flowinfo=htonl({flow})");
            put!(into, ", inet_pton(AF_INET6, \"{address}\", &sin6_addr), sin6_scope_id={}", u32_in(bytes, 24));
        }
        (16, 12..) => put!(into, ", nl_pid={}, nl_groups={:08x}", u32_in(bytes, 4), u32_in(bytes, 8)),
        (_, 3..) => {
            into.push_str(", sa_data=");
            quoted(&bytes[2..bytes.len().min(16)], false, into);
        }
        _ => {}
    }
    into.push('}');
    Some(())
}

/// A path, or a name behind a NUL.
fn unix(path: &[u8], into: &mut String) {
    into.push_str(", sun_path=");
    match path.split_first() {
        Some((0, name)) => {
            into.push('@');
            quoted(name, false, into);
        }
        _ => quoted(path.split(|&b| b == 0).next().unwrap_or_default(), false, into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Option<String> {
        let mut text = String::new();
        sockaddr(bytes, &mut text).map(|()| text)
    }

    #[test]
    fn families_have_their_own_form() {
        let v4 = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let text = "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}";
        assert_eq!(shown(&v4).unwrap(), text);
        let mut v6 = [0; 28];
        (v6[0], v6[3], v6[23]) = (10, 53, 1);
        let text = "{sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}";
        assert_eq!(shown(&v6).unwrap(), text);
        assert_eq!(shown(b"\x01\0/a\0rest").unwrap(), "{sa_family=AF_UNIX, sun_path=\"/a\"}");
        assert_eq!(shown(b"\x01\0\0x").unwrap(), "{sa_family=AF_UNIX, sun_path=@\"x\"}");
        assert_eq!(shown(&[1]), None);
    }
}
