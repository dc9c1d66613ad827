//! Tests of the harness itself: hand-checked cases, determinism, the masks that the probe finds, rates.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use crate::native::case::{
    AF, CF, CODE_BASE, Case, DATA_BASE, EXIT_SLOT, End, FLAGS, Fault, Outcome, PF, RAX, RCX, RDI, RDX, RSP, ZF,
};
use crate::native::compare::{compare, flag_names, instructions};
use crate::native::differential::{Plan, differential};
use crate::native::engine::Engine;
use crate::native::generate::Generator;
use crate::native::masks::Masks;
use crate::native::oracle::Native;
use crate::native::{line, probe};

#[test]
fn add_sets_sum_and_flags() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0x48, 0x01, 0xC8], 1); // add rax, rcx
    case.before.gpr[RAX] = u64::MAX;
    case.before.gpr[RCX] = 1;
    let outcome = native.run(&case);
    assert_eq!(outcome.end, End::Reached);
    assert_eq!(outcome.state.gpr[RAX], 0);
    assert_eq!(outcome.state.rflags, CF | PF | AF | ZF);
    assert_eq!(outcome.state.rip, CODE_BASE + 3);
}

#[test]
fn division_by_zero_is_fault_0_at_the_instruction() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0xF7, 0xF1], 1); // div ecx
    case.before.gpr[RDX] = 5;
    case.before.gpr[RSP] = 0x1234_5678_9ABC_DEF0;
    case.before.rflags = FLAGS;
    let outcome = native.run(&case);
    assert_eq!(outcome.end, End::Fault(Fault { vector: 0, error: 0, address: None }));
    assert_eq!(outcome.state, case.before);
}

#[test]
fn store_past_the_writable_pages_is_a_page_fault() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0x48, 0x89, 0x07], 1); // mov [rdi], rax
    case.before.gpr[RAX] = u64::MAX;
    for (address, error, cr2) in [
        (DATA_BASE + 0x2000, 7, DATA_BASE + 0x2000),
        (DATA_BASE + 0x1FFC, 7, DATA_BASE + 0x2000),
        (DATA_BASE + 0x3000, 6, DATA_BASE + 0x3000),
    ] {
        case.before.gpr[RDI] = address;
        let outcome = native.run(&case);
        assert_eq!(outcome.end, End::Fault(Fault { vector: 14, error, address: Some(cr2) }));
        assert!(outcome.memory.is_empty());
    }
    case.before.gpr[RDI] = 1 << 62;
    assert_eq!(native.run(&case).end, End::Fault(Fault { vector: 13, error: 0, address: None }));
}

#[test]
fn memory_changes_are_reported_and_undone() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0xF3, 0xAA], 1); // rep stosb
    case.before.gpr[RDI] = DATA_BASE + 0xFFE;
    case.before.gpr[RCX] = 4;
    case.memory.push(crate::native::case::Bytes { offset: 0xFFE, bytes: vec![1, 0, 3, 4] });
    let first = native.run(&case);
    let shown: Vec<(u32, Vec<u8>)> = first.memory.iter().map(|run| (run.offset, run.bytes.clone())).collect();
    assert_eq!(shown, [(0xFFE, vec![0]), (0x1000, vec![0, 0])]);
    assert_eq!(first.state.gpr[RDI], DATA_BASE + 0x1002);
    assert_eq!(native.run(&case), first);
}

#[test]
fn unmasked_x87_exception_is_reported_by_the_next_instruction() {
    let mut native = Native::new();
    // fldz; fldz; fdivp; fwait
    let mut case = Case::of_code(&[0xD9, 0xEE, 0xD9, 0xEE, 0xDE, 0xF9, 0x9B], 4);
    case.before.fx.set_fcw(0x37E);
    let outcome = native.run(&case);
    assert_eq!(outcome.end, End::Fault(Fault { vector: 16, error: 0, address: None }));
    assert_eq!(outcome.state.rip, CODE_BASE + 6);
    assert_eq!(outcome.state.fx.fsw() & 0x80FF, 0x8081);
}

#[test]
fn xmm_registers_pass_through() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0x66, 0x45, 0x0F, 0xFE, 0xFE], 1); // paddd xmm15, xmm14
    case.before.fx.set_xmm(15, 1 << 96 | 7);
    case.before.fx.set_xmm(14, 2 << 96 | u128::from(u32::MAX));
    let outcome = native.run(&case);
    assert_eq!(outcome.state.fx.xmm(15), 3 << 96 | 6);
    assert_eq!(outcome.state.fx.xmm(14), case.before.fx.xmm(14));
}

#[test]
fn exit_jump_leaves_the_area_of_the_case() {
    let case = Case::of_code(&[0x90], 1);
    let bytes = case.code_with_exit();
    let displacement = i32::from_le_bytes(bytes[3..7].try_into().expect("four bytes"));
    assert_eq!(CODE_BASE as i64 + 7 + i64::from(displacement), EXIT_SLOT as i64);
}

#[test]
fn printed_line_reads_back_as_the_same_case() {
    let mut generator = Generator::new(3, &Masks::default());
    for number in 0..2000 {
        let case = generator.case(number);
        assert_eq!(line::parse(&line::format(&case)).as_ref(), Some(&case));
    }
}

#[test]
fn host_agrees_with_itself() {
    let mut native = Native::new();
    let masks = probe::measure(&mut native);
    let plan = Plan::from_environment();
    let mut generator = Generator::new(plan.seed, &masks);
    let cases = plan.cases / 4;
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut spent = (0.0, 0.0);
    for number in 0..cases {
        let start = Instant::now();
        let case = generator.case(number);
        spent.0 += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let first = native.run(&case);
        spent.1 += start.elapsed().as_secs_f64();
        let second = native.run(&case);
        if let Some(difference) = compare(&case, &first, &second, &masks) {
            panic!("two runs differ\n{difference}\n{}", line::format(&case));
        }
        let end = match first.end {
            End::Reached => "reached".to_string(),
            End::Fault(fault) => format!("vector {}", fault.vector),
        };
        *ends.entry(end).or_default() += 1;
    }
    let rate = |seconds: f64| cases as f64 / seconds;
    println!("{} forms, {cases} cases, {ends:?}", generator.codes().len());
    println!("cases/s: generate {:.0}, run {:.0}, both {:.0}", rate(spent.0), rate(spent.1), rate(spent.0 + spent.1));
}

#[test]
fn every_form_of_the_catalogue_is_generated() {
    let generator = Generator::new(1, &Masks::default());
    let missing: Vec<_> = generator.codes().iter().filter(|&&code| generator.case_of(code, 0).is_none()).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn probe_masks_only_undefined_flags() {
    let mut native = Native::new();
    let masks = probe::measure(&mut native);
    for ((mnemonic, bits), departures) in &masks.measured {
        println!("{mnemonic:?} {bits}: {}", flag_names(*departures));
        assert_eq!(departures & !FLAGS, 0);
    }
}

/// The host behind a second handle, with a planted defect: INC flips bit 0 of RCX when asked to.
struct Defective(Rc<RefCell<Native>>, bool);

impl Engine for Defective {
    fn run(&mut self, case: &Case) -> Outcome {
        let mut outcome = self.0.borrow_mut().run(case);
        let has_inc = instructions(case).iter().any(|one| one.mnemonic() == iced_x86::Mnemonic::Inc);
        if self.1 && has_inc && outcome.end == End::Reached {
            outcome.state.gpr[RCX] ^= 1;
        }
        outcome
    }
}

#[test]
fn planted_defect_is_found_and_shrunk_to_its_instruction() {
    let native = Rc::new(RefCell::new(Native::new()));
    let masks = probe::measure(&mut *native.borrow_mut());
    let plan = Plan { seed: 7, cases: 3000, only: None, skip: Vec::new() };
    let mut host = Defective(native.clone(), false);
    differential(&plan, &mut Defective(native.clone(), false), &mut host, &masks).assert_equal();
    let mut defective = Defective(native, true);
    let report = differential(&plan, &mut host, &mut defective, &masks);
    assert_eq!(report.run, 3000);
    // A jump over an INC that would fault stays.
    let is_small = |kind: &String| kind == "inc" || kind.starts_with('j') && kind.ends_with("+inc");
    assert!(report.failures.contains_key("inc"));
    assert!(
        report.failures.keys().all(is_small),
        "{}",
        report.shown.join(
            "
"
        )
    );
    let printed = report.shown[0].lines().last().expect("a line with the case").trim();
    let only = line::parse(printed);
    assert!(only.is_some(), "{printed} does not read back");
    let alone = differential(&Plan { only, ..plan }, &mut host, &mut defective, &masks);
    assert_eq!(alone.run, 1);
    assert_eq!(alone.failures.len(), 1);
}

#[test]
fn flags_that_a_case_leaves_do_not_reach_the_next_one() {
    let mut native = Native::new();
    let mut nested = Case::of_code(&[0x66, 0x9D], 1); // popfw with NT
    nested.before.gpr[RSP] = DATA_BASE;
    nested.memory.push(crate::native::case::Bytes { offset: 0, bytes: vec![0x02, 0x46] });
    assert_eq!(native.run(&nested).end, End::Reached);
    assert_eq!(native.run(&Case::of_code(&[0x90], 1)).end, End::Reached);
}

#[test]
fn every_form_completes_in_some_case() {
    use iced_x86::Mnemonic as M;
    let mut native = Native::new();
    let generator = Generator::new(11, &Masks::default());
    let completes = |native: &mut Native, code| {
        let cases = (0..60).filter_map(|number| generator.case_of(code, number));
        cases.into_iter().any(|case| {
            // A branch completes by landing on the filler, where INT3 ends the case.
            let end = native.run(&case).end;
            end == End::Reached || matches!(end, End::Fault(Fault { vector: 3, .. }))
        })
    };
    let never: Vec<_> = generator
        .codes()
        .iter()
        .filter(|code| !matches!(code.mnemonic(), M::Ud1 | M::Ud2))
        .filter(|&&code| !completes(&mut native, code))
        .collect();
    assert!(never.is_empty(), "these forms always fault: {never:?}");
}

#[test]
fn images_hold_what_the_host_executes() {
    let mut native = Native::new();
    let mut case = Case::of_code(&[0x48, 0x8B, 0x07], 1); // mov rax, [rdi]
    case.memory.push(crate::native::case::Bytes { offset: 0x2004, bytes: vec![9, 8] });
    let code = (case.code_image(), CODE_BASE);
    for (image, base) in [code, (case.data_image(), DATA_BASE)] {
        for offset in [0, 0x100, 0x1FF8] {
            case.before.gpr[RDI] = base + offset as u64;
            let expected = u64::from_le_bytes(image[offset..offset + 8].try_into().expect("eight bytes"));
            assert_eq!(native.run(&case).state.gpr[RAX], expected, "at {:x}", case.before.gpr[RDI]);
        }
    }
    case.before.gpr[RDI] = DATA_BASE + 0x2000;
    let image = case.data_image();
    let expected = u64::from_le_bytes(image[0x2000..0x2008].try_into().expect("eight bytes"));
    assert_eq!(native.run(&case).state.gpr[RAX], expected);
}

#[test]
fn comparer_allows_only_what_the_masks_say() {
    let mut native = Native::new();
    let masks = Masks::default();
    let mut case = Case::of_code(&[0x0F, 0x53, 0xC1], 1); // rcpps xmm0, xmm1
    case.before.fx.set_xmm(1, u128::from(3f32.to_bits()));
    let host = native.run(&case);
    let differs = |change: &dyn Fn(&mut Outcome)| {
        let mut other = host.clone();
        change(&mut other);
        compare(&case, &host, &other, &masks).is_some()
    };
    assert!(!differs(&|other| other.retired = Some(1)));
    assert!(differs(&|other| other.retired = Some(2)));
    assert!(!differs(&|other| other.state.fx.0[8] ^= 1), "the FPU instruction pointer is not compared");
    assert!(!differs(&|other| other.state.fx.0[160] ^= 1), "one unit of an approximation");
    assert!(differs(&|other| other.state.fx.0[162] ^= 1), "far outside of the approximation");
    assert!(differs(&|other| other.state.rflags ^= CF));
    assert!(differs(&|other| other.state.gpr[RAX] ^= 1));
    assert!(differs(&|other| other.state.rip += 1));
    assert!(differs(&|other| other.end = End::Fault(Fault { vector: 6, error: 0, address: None })));
}
