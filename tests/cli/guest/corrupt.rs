//! Memory that lies: pages that the walks read are overwritten, and every question still ends with an answer or a reason.

use super::Booted;
use crate::guests::debian;
use reenact::guest::{Physical, Profile, Task, Vcpu, View};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

/// RAM with some pages replaced; notes which pages were read.
struct Lying<'m> {
    ram: &'m dyn Physical,
    lies: BTreeMap<u64, Vec<u8>>,
    read: RefCell<BTreeSet<u64>>,
}

impl<'m> Lying<'m> {
    fn new(ram: &'m dyn Physical, lies: BTreeMap<u64, Vec<u8>>) -> Lying<'m> {
        Lying { ram, lies, read: RefCell::default() }
    }
}

impl Physical for Lying<'_> {
    fn page(&self, gpa: u64) -> Option<&[u8]> {
        let page = gpa & !4095;
        self.read.borrow_mut().insert(page);
        self.lies.get(&page).map(Vec::as_slice).or_else(|| self.ram.page(gpa))
    }
    fn ranges(&self) -> Vec<Range<u64>> {
        self.ram.ranges()
    }
}

/// Marsaglia's xorshift: the same lies in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
    /// Another page's bytes, noise, nothing, all ones, or the truth with a few words changed.
    fn lie(&mut self, ram: &dyn Physical, page: u64, pages: &[u64]) -> Vec<u8> {
        let page_of = |gpa| ram.page(gpa).map_or_else(|| vec![0; 4096], <[u8]>::to_vec);
        match self.below(5) {
            0 => page_of(pages[self.below(pages.len())]),
            1 => (0..4096).map(|_| self.next() as u8).collect(),
            2 => vec![0; 4096],
            3 => vec![0xff; 4096],
            _ => {
                let mut bytes = page_of(page);
                let donor = page_of(pages[self.below(pages.len())]);
                for _ in 0..=self.below(8) {
                    let (to, from) = (self.below(512) * 8, self.below(512) * 8);
                    bytes[to..to + 8].copy_from_slice(&donor[from..from + 8]);
                }
                bytes
            }
        }
    }
}

/// Asks everything; how many answers there were.
fn ask_everything(view: &View) -> usize {
    let mut answers = usize::from(view.current().is_ok()) + usize::from(view.vmcoreinfo().is_ok());
    answers += view.process_tree().map_or(0, |tree| tree.len());
    answers += view.modules().map_or(0, |m| m.iter().filter(|m| m.symbols().is_ok()).count());
    answers + view.processes().unwrap_or_default().into_iter().map(ask_process).sum::<usize>()
}

fn ask_process(task: Task) -> usize {
    let facts = [
        task.comm().is_ok(),
        task.state().is_ok(),
        task.credentials().is_ok(),
        task.threads().is_ok(),
        task.cwd().is_ok(),
        task.root().is_ok(),
        task.descriptors().is_ok(),
    ];
    let memory = task.memory().map(|memory| {
        [
            memory.exe().is_ok(),
            memory.argv().is_ok(),
            memory.environment().is_ok(),
            memory.user_root().is_ok(),
            memory.map().is_ok_and(|map| map.iter().all(|m| !m.to_string().is_empty())),
        ]
    });
    facts.iter().chain(memory.iter().flatten()).filter(|fact| **fact).count()
}

/// A second is a hundred times what the truth takes.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn corrupt_memory_gives_reasons_not_panics() {
    let Some(guests) = debian("corrupt_memory_gives_reasons_not_panics") else { return };
    let booted = Booted::new(&guests, "vmlinuz-cloud", "");
    corrupt_structures(&booted);
    corrupt_image(&booted);
}

fn corrupt_structures(booted: &Booted) {
    let vcpu = Vcpu::of(&booted.machine);
    let profile = Profile::of(&booted.machine).expect("the kernel is Linux");
    let truth = Lying::new(&booted.machine, BTreeMap::new());
    let whole = ask_everything(&View::new(&truth, vcpu.clone(), &profile).expect("it is this kernel"));
    let pages: Vec<u64> = truth.read.borrow().iter().copied().collect();
    assert!(pages.len() > 100, "{} pages", pages.len());

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut with_fewer_answers = 0;
    for case in 0..300 {
        let lies = (0..=random.below(6)).map(|_| pages[random.below(pages.len())]);
        let lies: Vec<u64> = lies.collect();
        let lies = lies.into_iter().map(|page| (page, random.lie(&booted.machine, page, &pages))).collect();
        let lying = Lying::new(&booted.machine, lies);
        let start = Instant::now();
        let answers = ask_everything(&View::new(&lying, vcpu.clone(), &profile).expect("registers do not lie"));
        assert!(start.elapsed() < LONGEST, "case {case} took {:?}", start.elapsed());
        with_fewer_answers += usize::from(answers < whole);
    }
    assert!(with_fewer_answers > 50, "the lies were not seen: {with_fewer_answers}");
}

fn corrupt_image(booted: &Booted) {
    let vcpu = Vcpu::of(&booted.machine);
    let truth = Lying::new(&booted.machine, BTreeMap::new());
    assert!(Profile::find(&truth, &vcpu).is_ok());
    let pages: Vec<u64> = truth.read.borrow().iter().copied().collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for case in 0..25 {
        let lies = (0..1 + 16 * case).map(|_| pages[random.below(pages.len())]).collect::<Vec<_>>();
        let lies = lies.into_iter().map(|page| (page, random.lie(&booted.machine, page, &pages))).collect();
        let lying = Lying::new(&booted.machine, lies);
        let start = Instant::now();
        if let Ok(profile) = Profile::find(&lying, &vcpu) {
            let view = View::new(&lying, vcpu.clone(), &profile).expect("registers do not lie");
            ask_everything(&view);
        }
        assert!(start.elapsed() < LONGEST, "case {case} took {:?}", start.elapsed());
    }
}
