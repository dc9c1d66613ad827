//! The orders for the guest's first process, `/.reenact/run`. The reader is `src/pack/init/orders.rs`.
//!
//! Strings that each end with NUL: working directory, program, number of arguments in decimal, the arguments, number of
//! environment strings, the environment strings. Invariant: no string has a NUL of its own, which [`check`] makes sure.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Error, ProgramSpec};

/// Refuses what cannot be handed to a program.
///
/// # Errors
/// NUL bytes, and names of variables that are none.
pub fn check(spec: &ProgramSpec) -> Result<(), Error> {
    let refuse_nul = |bytes: &[u8], what| {
        if bytes.contains(&0) { Err(Error::NulByte { what }) } else { Ok(()) }
    };
    refuse_nul(spec.program.as_bytes(), "program's name")?;
    refuse_nul(spec.cwd.as_os_str().as_bytes(), "working directory")?;
    for argument in &spec.args {
        refuse_nul(argument.as_bytes(), "argument")?;
    }
    for (name, value) in &spec.env {
        refuse_nul(name.as_bytes(), "environment")?;
        refuse_nul(value.as_bytes(), "environment")?;
        if name.is_empty() || name.contains('=') {
            return Err(Error::BadVariable { name: name.clone() });
        }
    }
    Ok(())
}

/// Writes the orders. `program` is the absolute guest path; `argv[0]` stays what the user typed.
pub fn encode(spec: &ProgramSpec, program: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |text: &[u8]| {
        bytes.extend_from_slice(text);
        bytes.push(0);
    };
    put(spec.cwd.as_os_str().as_bytes());
    put(program.as_os_str().as_bytes());
    put((1 + spec.args.len()).to_string().as_bytes());
    put(spec.program.as_bytes());
    spec.args.iter().for_each(|argument| put(argument.as_bytes()));
    put(spec.env.len().to_string().as_bytes());
    spec.env.iter().for_each(|(name, value)| put(format!("{name}={value}").as_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ProgramSpec {
        let mut spec = ProgramSpec::new("ls", vec!["-l".into(), "".into()], "/home/me".into());
        spec.env = vec![("A".into(), "1=2".into())];
        spec
    }

    #[test]
    fn orders_are_nul_separated_with_counts() {
        let bytes = encode(&spec(), Path::new("/usr/bin/ls"));
        assert_eq!(bytes, b"/home/me\0/usr/bin/ls\x003\0ls\0-l\0\x001\0A=1=2\0");
    }

    #[test]
    fn nul_in_an_argument_is_refused() {
        let mut spec = spec();
        spec.args.push("a\0b".into());
        assert!(matches!(check(&spec), Err(Error::NulByte { what: "argument" })));
    }

    #[test]
    fn variable_with_equals_sign_in_its_name_is_refused() {
        let mut spec = spec();
        spec.env.push(("A=B".into(), String::new()));
        assert!(matches!(check(&spec), Err(Error::BadVariable { .. })));
    }
}
