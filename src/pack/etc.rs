//! What every guest has besides the program: mount points, device nodes, names of users, the loader's cache.
//!
//! Nothing here takes the place of what the program or the user brought. The texts are fixed, so that the host's users
//! and names stay on the host; the loader's cache is the host's, because libraries may be known only through it.

use std::path::Path;

use super::tree::{Node, Tree};
use super::{Error, ProgramSpec};

const FOLDERS: [&str; 8] = ["/proc", "/sys", "/dev", "/tmp", "/root", "/run", "/etc", "/var/tmp"];
const FILES: [(&str, &str); 5] = [
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/hostname", "reenact\n"),
];
/// Nodes of the memory class (1) and of the console (5); the guest's own devtmpfs lies over them once it is mounted.
const DEVICES: [(&str, u32, u32, u32); 5] = [
    ("/dev/console", 0o600, 5, 1),
    ("/dev/tty", 0o666, 5, 0),
    ("/dev/null", 0o666, 1, 3),
    ("/dev/zero", 0o666, 1, 5),
    ("/dev/urandom", 0o666, 1, 9),
];
const TERMINFO: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// Adds what is not there yet.
///
/// # Errors
/// Paths that the user's own files made into something else.
pub fn add(tree: &mut Tree, spec: &ProgramSpec) -> Result<(), Error> {
    for folder in FOLDERS.into_iter().map(Path::new) {
        if !tree.has(folder) {
            tree.put(folder, Node::Folder { mode: folder_mode(folder) })?;
        }
    }
    for (path, text) in FILES {
        if !tree.has(Path::new(path)) {
            tree.put_bytes(path, 0o644, text.as_bytes().to_vec())?;
        }
    }
    for (path, mode, major, minor) in DEVICES {
        tree.put(Path::new(path), Node::Device { mode, major, minor })?;
    }
    if !tree.has(Path::new(LOADER_CACHE)) && Path::new(LOADER_CACHE).is_file() {
        tree.add_host_file(Path::new(LOADER_CACHE))?;
    }
    add_terminal_description(tree, spec)
}

/// Everybody may write to the folders of temporary files, nobody else looks into root's.
pub fn folder_mode(path: &Path) -> u32 {
    match path.to_str() {
        Some("/tmp" | "/var/tmp") => 0o1777,
        Some("/root") => 0o700,
        _ => 0o755,
    }
}

/// The terminfo entry of TERM, where a library that reads it was packed.
fn add_terminal_description(tree: &mut Tree, spec: &ProgramSpec) -> Result<(), Error> {
    let reads_terminfo = tree.paths().filter_map(|path| path.file_name()?.to_str()).any(is_terminal_library);
    let term = spec.env.iter().find(|(name, _)| name == "TERM").map_or("", |(_, term)| term.as_str());
    let (Some(initial), true) = (term.chars().next(), reads_terminfo && !term.contains('/')) else {
        return Ok(());
    };
    let places = TERMINFO.iter().map(|folder| Path::new(folder).join(initial.to_string()).join(term));
    match places.into_iter().find(|place| place.is_file()) {
        Some(place) => tree.add_host_file(&place).map(drop),
        None => Ok(()),
    }
}

fn is_terminal_library(name: &str) -> bool {
    ["libtinfo", "libncurses", "libreadline"].iter().any(|library| name.starts_with(library))
}
