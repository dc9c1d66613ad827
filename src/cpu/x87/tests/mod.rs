//! Tests of the x87 unit: against the host's own where there is one, and by hand for what that cannot show.

mod behaviour;
pub(crate) mod cases;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod host;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod native;
mod scripted;
