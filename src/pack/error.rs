//! What can go wrong while a guest is packed. Every message says which file, and what the user can do about it.

use std::io;
use std::path::PathBuf;

/// A guest could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "this build of reenact runs on {arch} and has no first process for the guest, which is x86-64 code; give \
         --kernel and --initrd instead of a program"
    )]
    HostCannotPack { arch: &'static str },

    #[error("the program {name:?} was not found in PATH; give its path, as in ./{name}")]
    ProgramNotFound { name: String },

    #[error("cannot read {}; check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    #[error("{} is a directory, not a program", path.display())]
    ProgramIsFolder { path: PathBuf },

    #[error("{} is not executable; run chmod +x on it, or name its interpreter as the program", path.display())]
    NotExecutable { path: PathBuf },

    #[error("{} is neither an ELF program nor a script that starts with #!, so the guest could not run it", path.display())]
    UnknownFormat { path: PathBuf },

    #[error("{} is a program for {arch}; the guest runs 64-bit x86 programs only", path.display())]
    ForeignProgram { path: PathBuf, arch: String },

    #[error("{} is a damaged ELF file: {what}", path.display())]
    DamagedElf { path: PathBuf, what: String },

    #[error(
        "the loader {} that {} asks for is not on this host; install the C library that it was built for",
        loader.display(), program.display()
    )]
    LoaderMissing { loader: PathBuf, program: PathBuf },

    #[error(
        "the library {library} that {} needs was not found; looked in {searched}. Install it, or name its directory \
         in LD_LIBRARY_PATH of the guest's environment",
        needed_by.display()
    )]
    LibraryMissing { library: String, needed_by: PathBuf, searched: String },

    #[error("the interpreter {interpreter} of the script {} was not found", script.display())]
    InterpreterMissing { interpreter: String, script: PathBuf },

    #[error("the script {} names an interpreter that is a script, more than {limit} times over", script.display())]
    ScriptChain { script: PathBuf, limit: usize },

    #[error("{} goes through more than {limit} symbolic links; is there a loop?", path.display())]
    LinkLoop { path: PathBuf, limit: usize },

    #[error(
        "{} cannot be packed, because the guest mounts its own {mount} over it; copy it elsewhere, or give it another \
         place with --file HOST:GUEST",
        path.display()
    )]
    Covered { path: PathBuf, mount: &'static str },

    #[error("{} is neither a file, nor a directory, nor a symbolic link, so it cannot be packed", path.display())]
    SpecialFile { path: PathBuf },

    #[error("the guest path {} is needed both as {is} and as {wanted}; change the --file that asks for it", path.display())]
    Conflict { path: PathBuf, is: &'static str, wanted: &'static str },

    #[error("the guest path {} is not absolute; write --file HOST:/PATH", path.display())]
    GuestPathRelative { path: PathBuf },

    #[error("--file {argument:?} names nothing; write --file HOST or --file HOST:GUEST")]
    EmptyFileArgument { argument: String },

    #[error("the {what} has a NUL byte in it, which no program can receive")]
    NulByte { what: &'static str },

    #[error("the environment variable {name:?} is not a name: it is empty or has = in it")]
    BadVariable { name: String },

    #[error("{} has {size} bytes; an initramfs takes files below 4 GiB. Put it on a disk with --disk", path.display())]
    FileTooLarge { path: PathBuf, size: u64 },

    #[error("the files to pack have more than {limit_mib} MiB at {}; name less with --file, or use --disk", path.display())]
    TooMuch { path: PathBuf, limit_mib: u64 },
}
