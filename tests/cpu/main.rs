//! The differential CPU test: random instructions on the host CPU against the CPU engine.
//!
//! Environment: `REENACT_CPU_CASES` (number of cases, default 200000), `REENACT_CPU_SEED`, `REENACT_CPU_CASE` (one line
//! printed by a failing run, to run it alone), and `REENACT_CPU_SKIP` (mnemonics or CPUID features to leave out, as in
//! `fsin,sse4_2`). Runs on x86-64 Linux only.

#![expect(clippy::disallowed_methods, reason = "a test: its size comes from the environment, and it reports its speed")]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod interpreter;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod lockstep;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod native;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod oracle_tests;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn random_instructions_do_what_the_host_does() {
    use native::differential::{Plan, differential};
    let mut native = native::oracle::Native::new();
    let masks = native::probe::measure(&mut native);
    // Every case brings new code, for which the engine looks through its whole TLB: a small one makes the run faster.
    let geometry = reenact::cpu::block::Geometry {
        tlb: 64,
        engine: reenact::cpu::block::Engine::Interpreter,
        ..Default::default()
    };
    let mut engine = interpreter::Interpreter::new(geometry);
    differential(&Plan::from_environment(), &mut native, &mut engine, &masks).assert_equal();
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn block_length_and_tlb_size_do_not_show() {
    use native::differential::{Plan, differential};
    use reenact::cpu::block::{Engine, Geometry};
    let interpreted = Geometry { engine: Engine::Interpreter, ..Geometry::default() };
    let mut native = native::oracle::Native::new();
    let masks = native::probe::measure(&mut native);
    let mut roomy = interpreter::Interpreter::new(interpreted);
    let mut tight = interpreter::Interpreter::new(Geometry { block: 1, tlb: 2, ..interpreted });
    let plan = Plan { seed: 2, cases: 5000, only: None, ..Plan::from_environment() };
    differential(&plan, &mut native, &mut tight, &masks).assert_equal();
    let mut generator = native::generate::Generator::new(3, &masks);
    for number in 0..20_000 {
        let case = generator.case(number);
        let (a, b) = (native::engine::Engine::run(&mut roomy, &case), native::engine::Engine::run(&mut tight, &case));
        assert_eq!(a, b, "{}", native::line::format(&case));
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const TRANSLATED: reenact::cpu::block::Geometry =
    reenact::cpu::block::Geometry { block: 48, tlb: 64, engine: reenact::cpu::block::Engine::Jit, hot: 1 };

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn random_instructions_translated_do_what_the_host_does() {
    use native::differential::{Plan, differential};
    let mut native = native::oracle::Native::new();
    let masks = native::probe::measure(&mut native);
    let mut engine = interpreter::Interpreter::new(TRANSLATED);
    differential(&Plan { seed: 4, ..Plan::from_environment() }, &mut native, &mut engine, &masks).assert_equal();
}

/// Everything is compared here, what the manual leaves undefined too.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn translated_instructions_do_what_interpreted_ones_do() {
    use native::engine::Engine;
    let masks = native::probe::measure(&mut native::oracle::Native::new());
    let geometry = reenact::cpu::block::Geometry {
        tlb: 64,
        engine: reenact::cpu::block::Engine::Interpreter,
        ..Default::default()
    };
    let mut interpreted = interpreter::Interpreter::new(geometry);
    let mut translated = interpreter::Interpreter::new(TRANSLATED);
    let mut generator = native::generate::Generator::new(5, &masks);
    for number in 0..native::differential::Plan::from_environment().cases {
        let case = generator.case(number);
        assert_eq!(interpreted.run(&case), translated.run(&case), "{}", native::line::format(&case));
    }
}
