//! Paths of open files and directories, as /proc prints them, from the root of all mounts.
//!
//! A path is a chain of directory entries up to the top of a mount, then the entry that the mount lies on, and so on.
//! Source: `d_path` in fs/d_path.c.

use super::absent::{Known, Why};
use super::layout::Member;
use super::view::{Object, lossy};

/// Entries and mounts followed before the chain is taken for corrupt; a path has at most 4096 bytes.
const LONGEST: usize = 4096;
/// A name has at most 255 bytes.
const LONGEST_NAME: u32 = 255;

impl Object<'_> {
    /// The text of a `struct path`.
    pub(super) fn path(self) -> Known<String> {
        let (mount, entry) = (self.pointer(Member::PathMnt)?, self.pointer(Member::PathDentry)?);
        if let Some(special) = special_name(mount, entry)? {
            return Ok(special);
        }
        let is_gone = entry.u64(Member::DentryHashed)? == 0 && entry.u64(Member::DentryParent)? != entry.at;
        let path = climb(mount, entry)?;
        Ok(if is_gone { format!("{path} (deleted)") } else { path })
    }
}

/// The path of a mapped file; /proc writes a line feed in it as `\012` to keep one line each.
pub(super) fn mapped_path(file: Object) -> Known<String> {
    Ok(file.part(Member::FilePath)?.path()?.replace('\n', "\\012"))
}

fn climb<'v>(mut mount: Object<'v>, mut entry: Object<'v>) -> Known<String> {
    let mut names = Vec::new();
    for _ in 0..LONGEST {
        if mount.u64(Member::VfsmountRoot)? == entry.at {
            let whole = mount.whole(Member::MountVfsmount)?;
            let parent = whole.pointer(Member::MountParent)?;
            if parent.at == whole.at {
                return Ok(joined(&names));
            }
            entry = whole.pointer(Member::MountPoint)?;
            mount = parent.part(Member::MountVfsmount)?;
            continue;
        }
        let parent = entry.pointer(Member::DentryParent)?;
        if parent.at == entry.at {
            // The top of a tree that is mounted nowhere.
            return Ok(joined(&names));
        }
        names.push(name(entry)?);
        entry = parent;
    }
    Err(Why::Endless { limit: LONGEST }.for_fact("path"))
}

fn joined(from_leaf: &[String]) -> String {
    if from_leaf.is_empty() {
        return "/".to_owned();
    }
    from_leaf.iter().rev().map(|name| format!("/{name}")).collect()
}

fn name(entry: Object) -> Known<String> {
    let length = entry.u32(Member::DentryNameLength)?;
    let at = entry.u64(Member::DentryName)?;
    if length > LONGEST_NAME {
        return Err(Why::Broken { at: entry.at, expected: "a directory entry" }.for_fact("path"));
    }
    entry.view.kernel().bytes(at, length as usize).map(|bytes| lossy(&bytes))
}

/// Sockets, pipes and the like make their names themselves: `d_dname` says how.
fn special_name(mount: Object, entry: Object) -> Known<Option<String>> {
    let Some(ops) = entry.optional(Member::DentryOps)? else { return Ok(None) };
    let maker = ops.u64(Member::DentryOpsName)?;
    let is_top = entry.u64(Member::DentryParent)? == entry.at && mount.u64(Member::VfsmountRoot)? == entry.at;
    if maker == 0 || is_top {
        return Ok(None);
    }
    let number = || entry.pointer(Member::DentryInode)?.u64(Member::InodeNumber);
    let maker = entry.view.profile.symbols.exactly_at(maker).unwrap_or("(unknown)");
    Ok(Some(match maker {
        "sockfs_dname" => format!("socket:[{}]", number()?),
        "pipefs_dname" => format!("pipe:[{}]", number()?),
        "anon_inodefs_dname" => format!("anon_inode:{}", name(entry)?),
        "simple_dname" => format!("/{} (deleted)", name(entry)?),
        "ns_dname" => {
            let namespace = entry.pointer(Member::DentryInode)?.pointer(Member::InodePrivate)?;
            let kind = namespace.pointer(Member::NamespaceOps)?.text_behind(Member::NamespaceName, 32)?;
            format!("{kind}:[{}]", number()?)
        }
        other => return Err(Why::Unsupported { kind: format!("a file named by {other}") }.for_fact("path")),
    }))
}
