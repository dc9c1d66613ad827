//! Tests of the arithmetic. The double-extended format is tested through `x87::tests`, which runs every instruction.

mod anywhere;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod host;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod native;
