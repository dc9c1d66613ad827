//! Builds the guest's first process (`src/pack/init/`) as a freestanding program, which `src/pack` embeds; and writes the list
//! of built-in plugins, which `src/analysis/registry.rs` includes, from the `reenact-plugin-NAME` lines of Cargo.toml.
//!
//! The first process is machine code for x86-64 Linux. Where the target of this build is something else, an empty file takes its place
//! and `record -- PROGRAM` says that it is not available.

#![allow(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment; nothing here is part of the machine"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/pack/init");
    println!("cargo::rerun-if-changed=Cargo.toml");
    list_plugins(&PathBuf::from(variable("OUT_DIR")).join("plugins.rs"));
    let out = PathBuf::from(variable("OUT_DIR")).join("guest-init");
    let is_native = variable("CARGO_CFG_TARGET_ARCH") == "x86_64" && variable("CARGO_CFG_TARGET_OS") == "linux";
    if is_native {
        compile(&out);
    } else {
        fs::write(&out, []).expect("OUT_DIR can be written");
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

/// Each plugin's crate has a `PLUGIN`.
fn list_plugins(out: &Path) {
    let manifest = fs::read_to_string("Cargo.toml").expect("cargo builds from a manifest");
    let names = manifest.lines().filter_map(|line| line.split_once(" =")?.0.strip_prefix("reenact-plugin-"));
    let plugins: Vec<String> =
        names.map(|name| format!("&reenact_plugin_{}::PLUGIN", name.replace('-', "_"))).collect();
    fs::write(out, format!("&[{}]", plugins.join(", "))).expect("OUT_DIR can be written");
}

fn compile(out: &Path) {
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-type=bin", "--crate-name=init", "--target", &variable("TARGET")]);
    rustc.args(["-Copt-level=s", "-Cpanic=abort", "-Ccodegen-units=1", "-Cstrip=symbols", "-Crelocation-model=static"]);
    rustc.args(["-Ctarget-feature=+crt-static", "-Cdebug-assertions=no"]);
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,noexecstack"] {
        rustc.arg(format!("-Clink-arg={argument}"));
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    // Two checkouts give the same bytes: no path of this machine stays in the program.
    rustc.arg("--remap-path-prefix").arg(format!("{}=", variable("CARGO_MANIFEST_DIR")));
    rustc.arg("src/pack/init/main.rs").arg("-o").arg(out);
    let status = rustc.status().expect("rustc starts");
    assert!(status.success(), "the guest's first process (src/pack/init) was not compiled: rustc ended with {status}");
}
