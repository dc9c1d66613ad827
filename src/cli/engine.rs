//! The options that choose how a machine is executed. None of them changes what it does.

use super::size;
use crate::cpu::block::{self, Geometry};

/// How to execute.
#[derive(clap::Args)]
pub struct EngineOptions {
    /// What runs the guest's instructions; recordings do not depend on it [default: jit where the host allows it].
    #[arg(long, value_enum, value_name = "ENGINE")]
    engine: Option<Engine>,
    /// Sizes of the engine's caches, for testing it.
    #[arg(long, hide = true, value_parser = size::geometry, value_name = "BLOCK,TLB,HOT")]
    geometry: Option<Geometry>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Engine {
    /// Decoded instructions, on every host.
    Interpreter,
    /// Hot code as host code, on x86-64 Linux.
    Jit,
}

impl EngineOptions {
    /// What a machine is made with.
    pub fn geometry(&self) -> anyhow::Result<Geometry> {
        let limits = self.geometry.unwrap_or_default();
        let engine = match self.engine {
            None => limits.engine,
            Some(Engine::Interpreter) => block::Engine::Interpreter,
            Some(Engine::Jit) => block::Engine::Jit,
        };
        anyhow::ensure!(
            self.engine.is_none() || engine.is_available(),
            "--engine jit: this host has no memory for generated code, or is not x86-64 Linux with SSE4.2; leave the option out to interpret"
        );
        Ok(Geometry { engine, ..limits })
    }
}
