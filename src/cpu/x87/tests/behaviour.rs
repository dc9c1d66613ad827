//! What a differential run cannot show: stops, pointers, images of the other modes, MMX.

use iced_x86::{Decoder, DecoderOptions, Instruction};

use super::cases::Random;
use super::scripted::{Scripted, Stop};
use crate::cpu::softfloat::F80;
use crate::cpu::x87::{C0, C2, C3, EnvironmentForm, FxForm, X87, execute};

fn decode(bytes: &[u8]) -> Instruction {
    Decoder::new(64, bytes, DecoderOptions::NONE).decode()
}

fn ready() -> X87 {
    let mut x87 = X87::default();
    x87.initialise();
    x87
}

fn run(x87: &mut X87, bytes: &[u8], cx: &mut Scripted) -> Result<(), Stop> {
    execute(x87, &decode(bytes), cx)
}

#[test]
fn a_memory_fault_leaves_the_state_as_it_was() {
    let mut random = Random(21);
    for opcode in 0xd8..=0xdf {
        for reg in 0..8 {
            for _ in 0..50 {
                let insn = decode(&[opcode, 0x06 | reg << 3]);
                let before = random.x87();
                let mut x87 = before.clone();
                let mut cx = Scripted { faulting: true, ..Scripted::new([0; 128]) };
                match execute(&mut x87, &insn, &mut cx) {
                    Err(Stop::Memory) => assert_eq!(x87, before, "{insn}"),
                    Err(Stop::InvalidOpcode) => assert!(insn.is_invalid()),
                    // A store that an unmasked exception withholds does not touch memory.
                    Ok(()) => assert!(x87.has_pending_exception(), "{insn} ignored its operand"),
                    Err(Stop::MathFault) => panic!("{insn}: nothing was pending"),
                }
            }
        }
    }
}

#[test]
fn a_pending_exception_stops_waiting_instructions_only() {
    let mut x87 = ready();
    let mut cx = Scripted::new([0; 128]);
    x87.set_fcw(0x37b);
    // FLD1; FLDZ; FDIVP: a division by zero.
    for bytes in [[0xd9, 0xe8], [0xd9, 0xee], [0xde, 0xf9]] {
        run(&mut x87, &bytes, &mut cx).expect("the exception is left pending");
    }
    assert!(x87.has_pending_exception());
    assert_eq!(x87.fop, 0x7ab);
    assert_eq!(x87.top(), 6, "the pop is withheld");
    let before = x87.clone();
    for waiting in [&[0x9b][..], &[0xd9, 0xe8], &[0xd9, 0x2e], &[0xd9, 0xd0]] {
        assert_eq!(run(&mut x87, waiting, &mut cx), Err(Stop::MathFault));
        assert_eq!(x87, before);
    }
    // FNSTSW AX; FNSTCW; FNCLEX do not wait, and the last clears the exception.
    for no_wait in [&[0xdf, 0xe0][..], &[0xd9, 0x3e], &[0xdb, 0xe2]] {
        run(&mut x87, no_wait, &mut cx).expect("does not wait");
    }
    assert_eq!(cx.ax, before.fsw);
    run(&mut x87, &[0xd9, 0xe8], &mut cx).expect("nothing is pending any more");
}

#[test]
fn unmasking_a_recorded_exception_makes_it_pending() {
    let mut x87 = ready();
    let mut cx = Scripted::new([0; 128]);
    run(&mut x87, &[0xd9, 0xe0], &mut cx).expect("FCHS of an empty register is masked");
    assert!(!x87.has_pending_exception());
    cx.memory[..2].copy_from_slice(&0x37eu16.to_le_bytes());
    run(&mut x87, &[0xd9, 0x2e], &mut cx).expect("FLDCW");
    assert!(x87.has_pending_exception());
}

#[test]
fn pointers_follow_non_control_instructions_with_their_operands() {
    let mut x87 = ready();
    let mut cx = Scripted::new([0; 128]);
    run(&mut x87, &[0xd9, 0x3e], &mut cx).expect("FNSTCW");
    assert_eq!((x87.fip, x87.fdp, x87.fop), (0, 0, 0));
    run(&mut x87, &[0xd9, 0xe8], &mut cx).expect("FLD1");
    assert_eq!((x87.fip, x87.fdp, x87.fop), (0x1234_5678_9abc, 0, 0));
    run(&mut x87, &[0xd9, 0x1e], &mut cx).expect("FSTP m32");
    assert_eq!((x87.fip, x87.fdp, x87.fop), (0x1234_5678_9abc, 0x7fff_0123_4567, 0));
}

#[test]
fn environments_of_every_form_come_back() {
    let mut random = Random(22);
    for (is_32_bit, is_protected) in [(false, false), (false, true), (true, false), (true, true)] {
        let form = EnvironmentForm { is_32_bit, is_protected };
        for _ in 0..200 {
            let mut x87 = random.x87();
            x87.fip = random.next() & if is_32_bit { 0xffff_ffff } else { 0xffff };
            x87.fdp = random.next() & if is_32_bit { 0xffff_ffff } else { 0xffff };
            x87.fop = random.next() as u16 & 0x7ff;
            let mut image = [0; 28];
            x87.store_environment(form, &mut image);
            let mut loaded = X87 { fop: x87.fop, ..X87::default() };
            loaded.load_environment(form, &image);
            loaded.regs = x87.regs;
            assert_eq!(loaded, x87, "{form:?}");
        }
    }
}

#[test]
fn the_real_mode_environment_packs_linear_pointers_and_opcode() {
    let mut x87 = ready();
    (x87.fip, x87.fdp, x87.fop) = (0xa_bcde, 0x1_2345, 0x7ab);
    let mut image = [0; 28];
    x87.store_environment(EnvironmentForm { is_32_bit: false, is_protected: false }, &mut image);
    assert_eq!(image[6..14], [0xde, 0xbc, 0xab, 0xa7, 0x45, 0x23, 0x00, 0x10]);
}

#[test]
fn fxsave_images_come_back_and_leave_other_bytes() {
    let mut random = Random(23);
    for form in [FxForm::Narrow, FxForm::Wide] {
        let mut x87 = random.x87();
        (x87.fip, x87.fdp, x87.fop) = (0x1234, 0x5678, 0x123);
        let mut image = [0xaa; 512];
        x87.store_fxsave(form, &mut image);
        assert_eq!((&image[24..32], &image[160..]), (&[0xaa; 8][..], &[0xaa; 352][..]));
        let mut loaded = X87::default();
        loaded.load_fxsave(form, &image);
        assert_eq!(loaded, x87);
    }
}

#[test]
fn fnsave_initialises_and_frstor_brings_back() {
    let mut x87 = Random(24).x87();
    let before = x87.clone();
    let mut cx = Scripted::new([0; 128]);
    run(&mut x87, &[0xdd, 0x36], &mut cx).expect("FNSAVE");
    assert_eq!((x87.fcw, x87.fsw, x87.tags), (0x37f, 0, 0));
    run(&mut x87, &[0xdd, 0x26], &mut cx).expect("FRSTOR");
    assert_eq!(x87, before);
}

#[test]
fn mmx_writes_alias_the_significands() {
    let mut x87 = ready();
    x87.push(F80::ONE);
    x87.set_mm(3, 0x0123_4567_89ab_cdef);
    assert_eq!((x87.top(), x87.tags, x87.mm(7)), (0, 0xff, 1 << 63));
    assert_eq!(x87.regs[3], F80::new(0xffff, 0x0123_4567_89ab_cdef));
    x87.emms();
    assert_eq!(x87.tags, 0);
}

#[test]
fn an_argument_out_of_range_sets_c2_and_stays() {
    let mut x87 = ready();
    let mut cx = Scripted::new([0; 128]);
    let large = F80::new(0x403e, 1 << 63);
    x87.push(large);
    run(&mut x87, &[0xd9, 0xfe], &mut cx).expect("FSIN");
    assert_eq!((x87.st(0), x87.fsw & (C0 | C2 | C3)), (large, C2));
}

#[test]
fn a_foreign_instruction_is_refused() {
    let mut x87 = ready();
    let before = x87.clone();
    assert_eq!(run(&mut x87, &[0x90], &mut Scripted::new([0; 128])), Err(Stop::InvalidOpcode));
    assert_eq!(x87, before);
}
