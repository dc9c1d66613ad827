//! Packing for real: the host's own programs, and small trees of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::tree::{Node, Tree};
use super::*;

fn spec(program: &str, args: &[&str]) -> ProgramSpec {
    ProgramSpec::new(program, args.iter().map(OsString::from).collect(), "/".into())
}

/// Names of the entries of an archive, in order.
fn names(archive: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < archive.len() {
        let field = |index: usize| {
            let start = at + 6 + 8 * index;
            usize::from_str_radix(std::str::from_utf8(&archive[start..start + 8]).unwrap(), 16).unwrap()
        };
        let (size, name_size) = (field(6), field(11));
        names.push(String::from_utf8(archive[at + 110..at + 110 + name_size - 1].to_vec()).unwrap());
        at = (at + 110 + name_size).next_multiple_of(4);
        at = (at + size).next_multiple_of(4);
    }
    names
}

#[test]
fn ls_is_packed_with_its_libraries_and_the_first_process() {
    let packed = pack(&spec("ls", &["-l", "/"])).unwrap();
    let names = names(&packed.initrd);
    for expected in [".reenact/init", ".reenact/run", "dev/console", "etc/passwd", "proc", "tmp", "TRAILER!!!"] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not in {names:?}");
    }
    assert!(
        packed
            .files
            .iter()
            .any(|file| file.guest.ends_with("libc.so.6") || file.guest.to_string_lossy().contains("musl"))
    );
    assert!(
        packed.files.iter().any(|file| file.host.ends_with("ls")
            || file.host.ends_with("coreutils")
            || file.host.ends_with("busybox"))
    );
    assert!(packed.notes.is_empty(), "{:?}", packed.notes);
}

#[test]
fn parents_come_before_children() {
    let names = names(&pack(&spec("/bin/ls", &[])).unwrap().initrd);
    for (index, name) in names.iter().enumerate() {
        if let Some((parent, _)) = name.rsplit_once('/') {
            assert!(names[..index].iter().any(|earlier| earlier == parent), "{name} comes before {parent}");
        }
    }
}

#[test]
fn same_spec_gives_same_bytes() {
    let once = pack(&spec("ls", &["/"])).unwrap();
    assert_eq!(once.initrd, pack(&spec("ls", &["/"])).unwrap().initrd);
    assert_ne!(once.initrd, pack(&spec("ls", &["/tmp"])).unwrap().initrd);
}

#[test]
fn unknown_program_is_named() {
    let message = pack(&spec("no-such-program", &[])).unwrap_err().to_string();
    assert!(message.contains("no-such-program"), "{message}");
}

#[test]
fn file_without_execute_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    assert!(matches!(pack(&spec(path.to_str().unwrap(), &[])), Err(Error::NotExecutable { .. })));
    fs::write(&path, "echo no first line\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(pack(&spec(path.to_str().unwrap(), &[])), Err(Error::UnknownFormat { .. })));
}

#[test]
fn script_brings_its_interpreter_also_behind_env() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    for line in ["#!/bin/sh -e\n", "#! /usr/bin/env -S sh -e\n"] {
        fs::write(&path, line).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let packed = pack(&spec(path.to_str().unwrap(), &[])).unwrap();
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert!(packed.files.iter().any(|file| file.guest == shell), "{line}: {:?}", packed.files);
    }
}

#[test]
fn script_with_unknown_interpreter_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    fs::write(&path, "#!/no/such/shell\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let message = pack(&spec(path.to_str().unwrap(), &[])).unwrap_err().to_string();
    assert!(message.contains("/no/such/shell"), "{message}");
}

#[test]
fn links_on_the_way_to_a_file_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    fs::create_dir_all(top.join("usr/lib")).unwrap();
    fs::write(top.join("usr/lib/z.so.1.2"), "z").unwrap();
    symlink("usr/lib", top.join("lib")).unwrap();
    symlink("z.so.1.2", top.join("usr/lib/z.so.1")).unwrap();
    let mut tree = Tree::default();
    let real = tree.add_host_file(&top.join("lib/z.so.1")).unwrap();
    assert_eq!(real, top.join("usr/lib/z.so.1.2"));
    let link = |target: &str| Some(Node::Link { target: target.into() });
    assert_eq!(tree.nodes().get(&top.join("lib")).cloned(), link("usr/lib"));
    assert_eq!(tree.nodes().get(&top.join("usr/lib/z.so.1")).cloned(), link("z.so.1.2"));
}

#[test]
fn loop_of_links_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    let result = Tree::default().add_host_file(&folder.path().join("a"));
    assert!(matches!(result, Err(Error::LinkLoop { .. })));
}

#[test]
fn files_below_the_guests_mounts_are_refused() {
    assert!(matches!(pack(&spec("/proc/self/exe", &[])), Err(Error::Covered { mount: "/proc", .. })));
}

#[test]
fn directory_is_packed_whole_at_another_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/data"), "12").unwrap();
    symlink("sub/data", folder.path().join("link")).unwrap();
    let mut spec = spec("ls", &[]);
    spec.extra_files = vec![(folder.path().to_owned(), "/bin/extra".into())];
    let packed = pack(&spec).unwrap();
    let bin = fs::canonicalize("/bin").unwrap();
    let data = packed.files.iter().find(|file| file.guest == bin.join("extra/sub/data")).expect("packed");
    assert_eq!((data.size, data.digest), (2, blake3::hash(b"12")));
    let link = bin.join("extra/link");
    assert!(names(&packed.initrd).iter().any(|name| Path::new("/").join(name) == link));
}

#[test]
fn users_file_takes_the_place_of_the_builtin_one() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("passwd");
    fs::write(&host, "me:x:0:0::/:\n").unwrap();
    let mut spec = spec("ls", &[]);
    spec.extra_files = vec![(host.clone(), "/etc/passwd".into())];
    let packed = pack(&spec).unwrap();
    assert!(packed.files.iter().any(|file| file.host == host && file.guest == Path::new("/etc/passwd")));
}

#[test]
fn file_argument_is_split_at_the_last_colon_before_a_slash() {
    let parse = |argument| parse_file_argument(argument, Path::new("/w")).unwrap();
    assert_eq!(parse("a:b"), ("/w/a:b".into(), "/w/a:b".into()));
    assert_eq!(parse("a:/b"), ("/w/a".into(), "/b".into()));
    assert_eq!(parse("/x:/y:/z"), ("/x:/y".into(), "/z".into()));
    assert!(parse_file_argument(":/b", Path::new("/w")).is_err());
}

#[test]
fn wait_status_is_read_as_linux_encodes_it() {
    assert_eq!(Ending::from_wait_status(0x300), Ending::Exited(3));
    assert_eq!(Ending::from_wait_status(0x8b), Ending::Killed(11));
    assert_eq!(Ending::Killed(11).shell_code(), 139);
}

#[test]
fn command_line_starts_the_packed_first_process() {
    assert!(CMDLINE.contains(&format!("rdinit={INIT_PATH}")));
}

#[test]
fn pipe_given_as_extra_file_is_refused_and_inside_a_directory_noted() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().canonicalize().unwrap().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of coreutils");
    let mut spec = spec("ls", &[]);
    spec.extra_files = vec![(pipe.clone(), pipe.clone())];
    assert!(matches!(pack(&spec), Err(Error::SpecialFile { .. })));
    let above = pipe.parent().unwrap().to_owned();
    spec.extra_files = vec![(above.clone(), above)];
    let notes = pack(&spec).unwrap().notes;
    assert!(matches!(&notes[..], [note] if note.contains("pipe")), "{notes:?}");
}

#[test]
fn extra_program_brings_its_libraries_to_their_host_paths() {
    let mut spec = spec("/bin/echo", &[]);
    let without = pack(&spec).unwrap().files.len();
    spec.extra_files = vec![("/bin/bash".into(), "/opt/shell".into())];
    let packed = pack(&spec).unwrap();
    assert!(packed.files.iter().any(|file| file.guest == Path::new("/opt/shell")));
    assert!(packed.files.len() > without + 1, "bash needs libtinfo, which echo does not: {:?}", packed.files);
}
