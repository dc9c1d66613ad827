//! Where a result goes: standard output, or a file that is whole or not there and replaces another only with `--force`.

use super::Result;
use anyhow::Context;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Has `write` fill the file, or standard output where there is none.
pub fn to<T>(path: Option<&Path>, force: bool, write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T>) -> Result<T> {
    let Some(path) = path else {
        return write(&mut BufWriter::with_capacity(1 << 16, std::io::stdout()));
    };
    let beside = if force { beside(path) } else { path.to_path_buf() };
    let shown = path.display();
    let file = File::create_new(&beside).with_context(|| {
        format!("{shown}: cannot make the file; give another name, or --force to replace what is there")
    })?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let written = write(&mut out).and_then(|done| {
        out.flush().with_context(|| format!("{shown}: cannot write"))?;
        if force {
            fs::rename(&beside, path).with_context(|| format!("{shown}: cannot replace the file"))?;
        }
        Ok(done)
    });
    if written.is_err() {
        // What is half written looks like a result; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.partial-{}", std::process::id()))
}
