//! The program itself: where it is, what it is, and what has to come along so that the guest can start it.
//!
//! ELF programs bring their loader and libraries; scripts bring the interpreter of their `#!` line, and where that is
//! `env`, the program that `env` would start. It refuses directories, files without the execute bit, programs for other
//! processors, and files that are neither, because the guest's kernel would refuse them too.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::elf::{self, Look};
use super::library::Resolver;
use super::tree::Tree;
use super::{Error, ProgramSpec};

/// The kernel follows so many scripts that are interpreters of scripts (`search_binary_handler`).
const SCRIPT_LIMIT: usize = 5;
/// The kernel reads so much of a `#!` line (BINPRM_BUF_SIZE).
const LINE_LIMIT: usize = 256;
/// Loaded by the C library itself when it looks up user names, where it is older than glibc 2.34.
const NAME_SERVICE: &str = "libnss_files.so.2";

/// The absolute path of a program as the user named it: with a slash a path from `cwd`, else a name in the host's PATH.
///
/// # Errors
/// [`Error::ProgramNotFound`].
pub fn find(program: &OsStr, cwd: &Path) -> Result<PathBuf, Error> {
    let host_path = std::env::var_os("PATH").unwrap_or_default();
    find_in(program, cwd, &host_path)
        .ok_or_else(|| Error::ProgramNotFound { name: program.to_string_lossy().into_owned() })
}

fn find_in(program: &OsStr, cwd: &Path, path: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(cwd.join(program));
    }
    if program.is_empty() {
        return None;
    }
    let places = std::env::split_paths(path).map(|folder| cwd.join(folder).join(program));
    places.into_iter().find(|place| fs::metadata(place).is_ok_and(|meta| meta.is_file() && is_executable(&meta)))
}

fn is_executable(meta: &fs::Metadata) -> bool {
    meta.permissions().mode() & 0o111 != 0
}

/// Adds the program with everything that it needs to start.
///
/// # Errors
/// See the head of this file.
pub fn add(tree: &mut Tree, resolver: &Resolver, program: &Path, spec: &ProgramSpec) -> Result<(), Error> {
    let meta = fs::metadata(program).map_err(|source| Error::Read { path: program.to_owned(), source })?;
    if meta.is_dir() {
        return Err(Error::ProgramIsFolder { path: program.to_owned() });
    }
    if !is_executable(&meta) {
        return Err(Error::NotExecutable { path: program.to_owned() });
    }
    let mut queue = vec![(program.to_owned(), 0)];
    while let Some((path, depth)) = queue.pop() {
        tree.add_host_file(&path)?;
        let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if let Some(line) = script_line(&bytes) {
            if depth == SCRIPT_LIMIT {
                return Err(Error::ScriptChain { script: program.to_owned(), limit: SCRIPT_LIMIT });
            }
            queue.extend(interpreters(&line, &path, spec)?.into_iter().map(|path| (path, depth + 1)));
            continue;
        }
        match elf::look(&path, &bytes)? {
            Look::Other => return Err(Error::UnknownFormat { path }),
            Look::Foreign(arch) => return Err(Error::ForeignProgram { path, arch }),
            Look::X86_64(object) => {
                let needs = resolver.needs(&path, object)?;
                if let Some(error) = needs.missing.into_iter().next() {
                    return Err(error);
                }
                add_libraries(tree, resolver, &needs.paths)?;
            }
        }
    }
    Ok(())
}

/// Adds what is needed by a file that the user gave in addition; what is missing becomes a note, because the file may
/// be loaded into a process that has it already, or not be loaded at all.
///
/// # Errors
/// Libraries that are found but cannot be packed.
pub fn add_needs_of_extra(
    tree: &mut Tree,
    resolver: &Resolver,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let mut first = [0; 4];
    let is_elf = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first)).is_ok()
        && elf::has_magic(&first);
    if !is_elf {
        return Ok(());
    }
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let needs = match elf::look(path, &bytes) {
        Ok(Look::X86_64(object)) => resolver.needs(path, object),
        Ok(Look::Other | Look::Foreign(_)) => return Ok(()),
        Err(error) => Err(error),
    };
    match needs {
        Ok(needs) => {
            notes.extend(needs.missing.iter().map(Error::to_string));
            add_libraries(tree, resolver, &needs.paths)
        }
        Err(error) => {
            notes.push(error.to_string());
            Ok(())
        }
    }
}

fn add_libraries(tree: &mut Tree, resolver: &Resolver, paths: &[PathBuf]) -> Result<(), Error> {
    for path in paths {
        tree.add_host_file(path)?;
    }
    if paths.iter().any(|path| path.file_name() == Some(OsStr::new("libc.so.6"))) {
        for path in resolver.find_by_name(NAME_SERVICE) {
            tree.add_host_file(&path)?;
        }
    }
    Ok(())
}

/// The words after `#!`, if it is a script.
fn script_line(bytes: &[u8]) -> Option<Vec<String>> {
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.get(..LINE_LIMIT).unwrap_or(line).split(|&byte| byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).split_whitespace().map(str::to_owned).collect())
}

/// The interpreter of a script and, behind `env`, the program that it starts: looked up in the guest's PATH, since that
/// is where `env` will look.
fn interpreters(line: &[String], script: &Path, spec: &ProgramSpec) -> Result<Vec<PathBuf>, Error> {
    let missing = |name: &str| Error::InterpreterMissing { interpreter: name.to_owned(), script: script.to_owned() };
    let Some((first, rest)) = line.split_first() else {
        return Err(Error::UnknownFormat { path: script.to_owned() });
    };
    let interpreter = spec.cwd.join(first);
    if !interpreter.is_file() {
        return Err(missing(first));
    }
    let mut found = vec![interpreter];
    let is_env = Path::new(first).file_name() == Some(OsStr::new("env"));
    let is_word = |word: &&String| !word.starts_with('-') && !word.contains('=');
    if is_env && let Some(name) = rest.iter().find(is_word) {
        let path = spec.env.iter().find(|(variable, _)| variable == "PATH").map_or("", |(_, path)| path.as_str());
        found.push(find_in(OsStr::new(name), &spec.cwd, OsStr::new(path)).ok_or_else(|| missing(name))?);
    }
    Ok(found)
}
