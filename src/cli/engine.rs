//! The options that choose how a machine is executed. None of them changes what it does.

use super::size;
use crate::cpu::block::{self, Geometry};

/// How to execute.
#[derive(clap::Args)]
pub struct EngineOptions {
    /// What runs the guest's instructions; recordings do not depend on it.
    #[arg(long, value_enum, value_name = "ENGINE", default_value = "interpreter")]
    engine: Engine,
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
    pub fn geometry(&self) -> Geometry {
        let engine = match self.engine {
            Engine::Interpreter => block::Engine::Interpreter,
            Engine::Jit => block::Engine::Jit,
        };
        Geometry { engine, ..self.geometry.unwrap_or_default() }
    }
}
