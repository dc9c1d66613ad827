//! Judges two outcomes of one case: equal under the masks, or a list of what differs.
//!
//! The x87 instruction and data pointers in the register image are never compared (see docs/cpu-undefined-flags.md).

use std::borrow::Cow;
use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction};

use super::case::{Bytes, Case, DATA_BASE, End, FxImage, Outcome, Retires, State};
use super::faults::{is_optional, same_end};
use super::generate::operand_address;
use super::masks::{Mask, Masks, Taint, Tolerance, settled};

/// Names of the general registers by hardware number.
pub const GPR_NAMES: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
/// FOP, FIP, FDP in the FXSAVE image.
const FPU_POINTERS: Range<usize> = 6..24;

/// One line per thing that differs, `name: native ..., engine ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference(pub Vec<String>);

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "  {}", self.0.join("\n  "))
    }
}

/// The instructions of a case, at their addresses.
pub fn instructions(case: &Case) -> Vec<Instruction> {
    Decoder::with_ip(64, &case.code, case.before.rip, DecoderOptions::NONE).iter().collect()
}

/// What differs between the host's outcome and the engine's, apart from what the masks allow.
pub fn compare(case: &Case, native: &Outcome, engine: &Outcome, masks: &Masks) -> Option<Difference> {
    if native.state == engine.state && native.memory == engine.memory && native.end == engine.end {
        return retired_difference(case, engine);
    }
    let code = instructions(case);
    if is_optional(case, &code, native, engine) {
        return None;
    }
    if let [only] = code.as_slice()
        && masks.is_host_only(only, &case.before)
    {
        return None;
    }
    let (native, engine) = (with_late_mmx(native, &code, masks), with_early_mmx(engine, &code, masks));
    let (native, engine) = (native.as_ref(), engine.as_ref());
    let has_ended = native.end == End::Reached && engine.end == End::Reached;
    let mut mask = join(&code, masks, has_ended);
    if let [only] = code.as_slice() {
        mask.rflags &= !settled(only, &case.before, &native.state);
    }
    let mut lines = Vec::new();
    compare_end(&code, native, engine, &mut lines);
    let open_half = match code.as_slice() {
        [only] => masks.open_upper_half(only, &native.state),
        _ => None,
    };
    compare_registers(&native.state, &engine.state, &mask, open_half, &mut lines);
    compare_fx(&native.state.fx, &engine.state.fx, &mask, &mut lines);
    compare_memory(case, &code, native, engine, &mask, &mut lines);
    if lines.is_empty() { retired_difference(case, engine) } else { Some(Difference(lines)) }
}

/// The engine's outcome as of a host that changes to MMX state before it finds the fault.
fn with_early_mmx<'a>(engine: &'a Outcome, code: &[Instruction], masks: &Masks) -> Cow<'a, Outcome> {
    let mut outcome = Cow::Borrowed(engine);
    let at = |one: &&Instruction| one.ip() == engine.state.rip;
    if let End::Fault(fault) = engine.end
        && let Some(faulting) = code.iter().find(at)
        && masks.mmx_before_fault.contains(&(faulting.mnemonic(), fault.vector))
    {
        outcome.to_mut().state.fx.enter_mmx();
    }
    outcome
}

/// The host's outcome as of one that changes to MMX state for CVTPI2PS from memory too.
fn with_late_mmx<'a>(native: &'a Outcome, code: &[Instruction], masks: &Masks) -> Cow<'a, Outcome> {
    let mut outcome = Cow::Borrowed(native);
    if let ([only], End::Reached) = (code, native.end)
        && masks.stays_out_of_mmx(only)
    {
        outcome.to_mut().state.fx.enter_mmx();
    }
    outcome
}

fn retired_difference(case: &Case, engine: &Outcome) -> Option<Difference> {
    match (case.retires, engine.retired, engine.end) {
        (Retires::Exactly(expected), Some(retired), End::Reached) if u64::from(expected) != retired => {
            Some(Difference(vec![format!("retired: expected {expected}, engine {retired}")]))
        }
        _ => None,
    }
}

/// The masks of all instructions together. Blocks hold no instruction with a tolerance or open memory, and none that reads
/// a masked flag. After a fault any prefix may have run, so flags that were masked once stay so.
fn join(code: &[Instruction], masks: &Masks, has_ended: bool) -> Mask {
    let mut joined = Mask::nothing();
    let mut taint = Taint::default();
    let mut behind_jump = false;
    for instruction in code {
        let mask = masks.of(instruction.code());
        taint = taint.after(instruction.code(), masks, behind_jump || !has_ended);
        behind_jump |= instruction.is_jcc_short();
        joined.fsw |= mask.fsw;
        if mask.tolerance != Tolerance::Exact {
            joined.tolerance = mask.tolerance;
        }
        joined.memory = mask.memory;
    }
    joined.rflags = taint.0;
    joined
}

fn compare_end(code: &[Instruction], native: &Outcome, engine: &Outcome, lines: &mut Vec<String>) {
    if !same_end(code, native, engine) {
        lines.push(format!("end: native {}, engine {}", describe(native.end), describe(engine.end)));
    }
    if native.state.rip != engine.state.rip {
        lines.push(format!("rip: native {:x}, engine {:x}", native.state.rip, engine.state.rip));
    }
}

fn describe(end: End) -> String {
    match end {
        End::Reached => "reached the end".to_string(),
        End::Fault(fault) => {
            let address = fault.address.map(|a| format!(" cr2 {a:x}")).unwrap_or_default();
            format!("vector {} error {:x}{address}", fault.vector, fault.error)
        }
    }
}

fn compare_registers(native: &State, engine: &State, mask: &Mask, open_half: Option<usize>, lines: &mut Vec<String>) {
    for (n, name) in GPR_NAMES.iter().enumerate() {
        let (a, b) = (native.gpr[n], engine.gpr[n]);
        let differing = if open_half == Some(n) { (a ^ b) << 32 } else { a ^ b };
        if differing != 0 {
            lines.push(format!("{name}: native {a:016x}, engine {b:016x}"));
        }
    }
    let (a, b) = (native.rflags & !mask.rflags, engine.rflags & !mask.rflags);
    if a != b {
        lines.push(format!("rflags: native {}, engine {}", flag_names(a), flag_names(b)));
    }
}

/// Set flags by name, as in `CF ZF`.
pub fn flag_names(flags: u64) -> String {
    let names = [(11, "OF"), (10, "DF"), (7, "SF"), (6, "ZF"), (4, "AF"), (2, "PF"), (0, "CF")];
    let set: Vec<&str> = names.iter().filter(|(bit, _)| flags >> bit & 1 != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "-".to_string() } else { set.join(" ") }
}

fn compare_fx(native: &FxImage, engine: &FxImage, mask: &Mask, lines: &mut Vec<String>) {
    if native.fcw() != engine.fcw() {
        lines.push(format!("fcw: native {:04x}, engine {:04x}", native.fcw(), engine.fcw()));
    }
    let (a, b) = (native.fsw() & !mask.fsw, engine.fsw() & !mask.fsw);
    if a != b {
        lines.push(format!("fsw: native {:04x}, engine {:04x} (ignored bits {:04x})", a, b, mask.fsw));
    }
    if native.0[4] != engine.0[4] {
        lines.push(format!("ftw: native {:02x}, engine {:02x}", native.0[4], engine.0[4]));
    }
    if native.mxcsr() != engine.mxcsr() {
        lines.push(format!("mxcsr: native {:08x}, engine {:08x}", native.mxcsr(), engine.mxcsr()));
    }
    for i in 0..8 {
        let (a, b) = (f80_parts(native.st(i)), f80_parts(engine.st(i)));
        let ulps = if i < 2 { mask.tolerance } else { Tolerance::Exact };
        if !close_f80(a, b, ulps) {
            lines.push(format!("st{i}: native {:04x}:{:016x}, engine {:04x}:{:016x}", a.1, a.0, b.1, b.0));
        }
    }
    for i in 0..16 {
        let (a, b) = (native.xmm(i), engine.xmm(i));
        if !close_xmm(a, b, mask.tolerance) {
            lines.push(format!("xmm{i}: native {a:032x}, engine {b:032x}"));
        }
    }
    debug_assert_eq!(FPU_POINTERS.end, 24, "MXCSR follows the pointers");
}

/// Significand, and sign with exponent.
fn f80_parts(bytes: [u8; 10]) -> (u64, u16) {
    let significand = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    (significand, u16::from_le_bytes([bytes[8], bytes[9]]))
}

fn close_f80(a: (u64, u16), b: (u64, u16), tolerance: Tolerance) -> bool {
    let Tolerance::Ulps(limit) = tolerance else {
        return a == b;
    };
    // Sign and exponent lead the significand without its integer bit, so neighbours differ by 1 across binades too.
    let order = |(significand, high): (u64, u16)| (u128::from(high) << 63) | u128::from(significand & (u64::MAX >> 1));
    let is_special = |(_, high): (u64, u16)| high & 0x7FFF == 0x7FFF;
    if is_special(a) || is_special(b) { a == b } else { order(a).abs_diff(order(b)) <= u128::from(limit) }
}

fn close_xmm(a: u128, b: u128, tolerance: Tolerance) -> bool {
    a == b
        || tolerance == Tolerance::Reciprocal
            && (0..4).all(|lane| close_f32((a >> (32 * lane)) as u32, (b >> (32 * lane)) as u32))
}

fn close_f32(a: u32, b: u32) -> bool {
    let (x, y) = (f64::from(f32::from_bits(a)), f64::from(f32::from_bits(b)));
    // Each side is within 1.5 * 2^-12 of the exact value, so they are within the double of each other.
    let limit = 3.0 / 4096.0;
    let tiny = f64::from(f32::MIN_POSITIVE) * 2.0;
    a == b || (a >> 31 == b >> 31 && x.is_finite() && y.is_finite() && (x - y).abs() <= (x.abs() * limit).max(tiny))
}

fn compare_memory(
    case: &Case,
    code: &[Instruction],
    native: &Outcome,
    engine: &Outcome,
    mask: &Mask,
    lines: &mut Vec<String>,
) {
    if native.memory == engine.memory {
        return;
    }
    let ignored: Vec<Range<u64>> = match code {
        [instruction] if !mask.memory.is_empty() => {
            let base = operand_address(instruction, 0, &case.before).unwrap_or(0).wrapping_sub(DATA_BASE);
            mask.memory.iter().map(|range| base + range.start..base + range.end).collect()
        }
        _ => Vec::new(),
    };
    let (a, b) = (visible_bytes(&native.memory, &ignored), visible_bytes(&engine.memory, &ignored));
    if a != b {
        lines.push(format!(
            "memory changes: native {}, engine {}",
            show_bytes(&native.memory),
            show_bytes(&engine.memory)
        ));
    }
}

fn visible_bytes(changes: &[Bytes], ignored: &[Range<u64>]) -> Vec<(u64, u8)> {
    changes
        .iter()
        .flat_map(|run| run.bytes.iter().enumerate().map(|(i, &byte)| (u64::from(run.offset) + i as u64, byte)))
        .filter(|(offset, _)| !ignored.iter().any(|range| range.contains(offset)))
        .collect()
}

/// Runs of bytes as `offset:hex,offset:hex`.
pub fn show_bytes(runs: &[Bytes]) -> String {
    let shown: Vec<String> = runs.iter().map(|run| format!("{:x}:{}", run.offset, hex(&run.bytes))).collect();
    if shown.is_empty() { "-".to_string() } else { shown.join(",") }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
