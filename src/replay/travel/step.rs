//! Single steps, forwards and backwards.
//!
//! A step of the CPU is the next instruction or the delivery in front of it. A step of a thread is the next instruction of
//! the same program: what the kernel does for it and for others in between is passed over. In the kernel, a step of a
//! thread passes over interrupts from outside.

use super::search::{arrival, observe};
use super::stand::Stand;
use super::{Arrival, Cancel, Direction, Position, Steps, Stops, Travel};
use crate::cpu::paging::FRAME;
use crate::cpu::phys::PAGE;
use crate::cpu::probe::{Hit, Wanted, What};
use crate::cpu::state::{gpr, seg};
use crate::machine::Machine;
use crate::moment::Moment;
use crate::replay::Error;
use std::ops::ControlFlow;

/// How long an interrupt handler may be for a step to pass over it backwards, in instructions.
const LONGEST_HANDLER: u64 = 1 << 26;

/// Whose instructions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thread {
    root: u64,
    fs_base: u64,
}

impl Thread {
    /// The thread whose user code runs now.
    fn of(machine: &Machine) -> Option<Thread> {
        let cpu = &machine.cpu;
        let thread = Thread { root: cpu.state.cr3 & FRAME & !PAGE, fs_base: cpu.state.seg[seg::FS].base };
        (cpu.state.cpl == 3).then_some(thread)
    }
    /// Threads of one program differ by FS, which is zero until the C library has set it.
    fn is(&self, machine: &Machine) -> bool {
        Thread::of(machine)
            .is_some_and(|t| t.root == self.root && (t.fs_base == self.fs_base || t.fs_base == 0 || self.fs_base == 0))
    }
}

impl Travel {
    /// One step. Stops on the way are honoured: watchpoints that it hits, and breakpoints that what is passed over hits.
    ///
    /// # Errors
    /// As [`Travel::run`].
    pub fn step(
        &mut self,
        direction: Direction,
        steps: Steps,
        stops: &Stops,
        cancel: &Cancel,
    ) -> Result<Arrival, Error> {
        let _hold = self.history.hold()?;
        let here = self.position();
        let latch = cancel.latched();
        let arrival = match (direction, steps) {
            (Direction::Forward, Steps::Cpu) => self.advance_with(stops),
            (Direction::Forward, Steps::Thread) => self.step_thread(stops, &latch),
            (Direction::Backward, Steps::Cpu) => self.step_back(stops),
            (Direction::Backward, Steps::Thread) => self.step_thread_back(stops, &latch),
        }?;
        if latch.is_requested() {
            cancel.clear();
            self.seek(here)?;
            return Ok(Arrival::Cancelled);
        }
        Ok(arrival)
    }

    /// To the next position; false at the end of history.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        Ok(self.advance_with(&Stops::default())? != Arrival::End)
    }
    fn advance_with(&mut self, stops: &Stops) -> Result<Arrival, Error> {
        let here = self.position();
        if here.moment >= self.end() {
            return Ok(Arrival::End);
        }
        let watches = Stops { watches: stops.watches.clone(), ..Stops::default() };
        let runner = &mut self.stand.runner;
        runner.machine.cpu.observe(Wanted { deliveries: true, ..watches.wanted() });
        let stopped = runner.run(Moment(here.moment.0 + 1))?;
        Ok(match stopped {
            super::runner::Stopped::Observed(hits) => {
                hits.iter().find(|h| matches!(h.what, What::Access { .. })).map_or(Arrival::Stepped, arrival)
            }
            super::runner::Stopped::There => Arrival::Stepped,
        })
    }

    /// To the position before; at the beginning of history it stays.
    fn step_back(&mut self, stops: &Stops) -> Result<Arrival, Error> {
        let here = self.position();
        let Some(back) = self.before(here)? else { return Ok(Arrival::Begin) };
        self.seek(back)?;
        if stops.watches.is_empty() {
            return Ok(Arrival::Stepped);
        }
        let arrival = self.advance_with(stops)?;
        self.seek(back)?;
        Ok(arrival)
    }
    /// The position before another.
    pub(super) fn before(&mut self, here: Position) -> Result<Option<Position>, Error> {
        if here.deliveries > 0 {
            return Ok(Some(Position { deliveries: here.deliveries - 1, ..here }));
        }
        let Some(moment) = here.moment.0.checked_sub(1) else { return Ok(None) };
        // Deliveries in front of the instruction are positions of their own.
        self.seek(Position::at(Moment(moment)))?;
        let mut last = self.position();
        while self.advance()? && self.position().moment < here.moment {
            last = self.position();
        }
        Ok(Some(last))
    }

    fn step_thread(&mut self, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        match Thread::of(&self.stand.runner.machine) {
            Some(thread) => self.step_user(thread, stops, cancel),
            None => self.step_kernel(stops, cancel),
        }
    }

    /// Retires one instruction of a thread that stands in user mode, and goes on until it is back there.
    fn step_user(&mut self, thread: Thread, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        let start = self.position();
        loop {
            let here = self.position();
            let arrival = self.advance_with(stops)?;
            if arrival != Arrival::Stepped {
                return Ok(arrival);
            }
            let has_retired = self.position().moment > here.moment;
            if !thread.is(&self.stand.runner.machine) {
                let arrival = self.run_until_user(thread, stops, cancel)?;
                if arrival == Arrival::End {
                    // It never runs again: its last instruction is where its history ends.
                    self.seek(start)?;
                    return Ok(arrival);
                }
                if arrival != Arrival::Stepped || cancel.is_requested() {
                    return Ok(arrival);
                }
            }
            if has_retired {
                return Ok(Arrival::Stepped);
            }
        }
    }

    /// Runs until a thread is in user mode again.
    fn run_until_user(&mut self, thread: Thread, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        let end = Position::at(self.end());
        let wanted = Wanted { rings: true, ..stops.wanted() };
        let mut found = Arrival::End;
        let mut overshot = None;
        observe(&mut self.stand, end, &wanted, cancel, true, &mut |hit, stand| {
            found = match hit.what {
                What::Ring { is_user: true } if thread.is(&stand.runner.machine) => Arrival::Stepped,
                What::Ring { .. } | What::Delivered { .. } => return ControlFlow::Continue(()),
                _ => arrival(hit),
            };
            if matches!(hit.what, What::Executed(_)) {
                overshot = Some(Position::from(hit.at));
            }
            ControlFlow::Break(())
        })?;
        if let Some(at) = overshot {
            self.seek(at)?;
        }
        Ok(found)
    }

    /// In the kernel: one step of the CPU, with an interrupt from outside passed over.
    fn step_kernel(&mut self, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        loop {
            let here = self.position();
            if here.moment >= self.end() {
                return Ok(Arrival::End);
            }
            let watches = Stops { watches: stops.watches.clone(), ..Stops::default() };
            let runner = &mut self.stand.runner;
            runner.machine.cpu.observe(Wanted { deliveries: true, ..watches.wanted() });
            let super::runner::Stopped::Observed(hits) = runner.run(Moment(here.moment.0 + 1))? else {
                return Ok(Arrival::Stepped);
            };
            if let Some(hit) = hits.iter().find(|h| matches!(h.what, What::Access { .. })) {
                return Ok(arrival(hit));
            }
            let Some((rip, rsp)) = interrupted_kernel(&hits) else { return Ok(Arrival::Stepped) };
            if !self.run_until_back(rip, rsp, cancel)? {
                self.seek(here)?;
                return self.advance_with(stops);
            }
        }
    }

    /// Runs out of an interrupt handler: to where the kernel is again at `rip` with the stack at `rsp`.
    fn run_until_back(&mut self, rip: u64, rsp: u64, cancel: &Cancel) -> Result<bool, Error> {
        let end = Position::at(self.end().min(Moment(self.position().moment.0 + LONGEST_HANDLER)));
        let wanted = Stops::at_instruction(rip).wanted();
        let mut found = None;
        // The hit comes behind the instruction, so the stack is looked at by going back in front of it.
        while found.is_none() {
            let mut hit_at = None;
            observe(&mut self.stand, end, &wanted, cancel, true, &mut |hit, _| {
                hit_at = Some(Position::from(hit.at));
                ControlFlow::Break(())
            })?;
            let Some(at) = hit_at.filter(|_| !cancel.is_requested()) else { return Ok(false) };
            self.seek(at)?;
            if self.machine().cpu.regs[gpr::RSP] == rsp {
                found = Some(at);
            } else {
                self.advance()?;
            }
        }
        Ok(true)
    }

    fn step_thread_back(&mut self, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        let here = self.position();
        let thread = Thread::of(&self.stand.runner.machine);
        let arrival = self.step_back(stops)?;
        if arrival != Arrival::Stepped {
            return Ok(arrival);
        }
        match thread {
            Some(thread) if here.deliveries == 0 && thread.is(&self.stand.runner.machine) => Ok(arrival),
            Some(thread) => self.step_user_back(thread, here, stops, cancel),
            None => self.step_kernel_back(here, stops, cancel),
        }
    }

    /// To the last instruction that a thread retired in user mode before `here`.
    fn step_user_back(
        &mut self,
        thread: Thread,
        here: Position,
        stops: &Stops,
        cancel: &Cancel,
    ) -> Result<Arrival, Error> {
        self.seek(here)?;
        let Some((at, arrival)) = self.last_of(thread, here, stops, cancel)? else {
            self.seek(Position::at(Moment::ZERO))?;
            return Ok(Arrival::Begin);
        };
        self.seek(at)?;
        Ok(arrival)
    }

    /// The last instruction that a thread retired in user mode before `here`, or a stop behind it.
    fn last_of(
        &mut self,
        thread: Thread,
        here: Position,
        stops: &Stops,
        cancel: &Cancel,
    ) -> Result<Option<(Position, Arrival)>, Error> {
        self.wait_for(here.moment, cancel)?;
        let wanted = Wanted { rings: true, ..stops.wanted() };
        let search = |stand: &mut Stand, end: Position| last_of_thread(stand, end, thread, &wanted, cancel);
        let snapshot = self.history.snapshot_before(here.moment);
        let found = self.search_slice_behind(snapshot, here, &mut |stand, end| search(stand, end))?;
        if found.is_some() || cancel.is_requested() {
            return Ok(found);
        }
        let mut slices = Vec::new();
        for number in (0..snapshot).rev() {
            let slice = self.history.slice_from(number)?;
            if slice.is_none_or(|s| ran_in(&s.sets.executed, thread.root)) {
                slices.push(number);
            }
        }
        self.crew.in_slices(&slices, cancel, &search)
    }

    /// Goes to where user code of an address space stood last: in front of the instruction that faulted, or of the
    /// system call that did not return. False if there is none, or cancelled; then nothing has moved.
    ///
    /// # Errors
    /// As [`Travel::run`].
    pub fn seek_last_of(&mut self, root: u64, cancel: &Cancel) -> Result<bool, Error> {
        let _hold = self.history.hold()?;
        let here = self.position();
        let latch = cancel.latched();
        // Any thread of it: no FS base is compared.
        let thread = Thread { root: root & FRAME & !PAGE, fs_base: 0 };
        let found = self.last_of(thread, Position::at(self.end()), &Stops::default(), &latch)?;
        let Some((last, _)) = found.filter(|_| !latch.is_requested()) else {
            cancel.clear();
            self.seek(here)?;
            return Ok(false);
        };
        self.seek(last)?;
        self.advance()?;
        if !thread.is(&self.stand.runner.machine) {
            self.seek(last)?;
        }
        Ok(true)
    }

    /// In the kernel: if what was stepped back over is the return from an interrupt, to before that interrupt.
    fn step_kernel_back(&mut self, here: Position, stops: &Stops, cancel: &Cancel) -> Result<Arrival, Error> {
        let back = self.position();
        if !is_iret(self.machine()) || self.machine().cpu.state.cpl != 0 {
            return Ok(Arrival::Stepped);
        }
        self.seek(here)?;
        let (rip, rsp) = (self.machine().cpu.rip, self.machine().cpu.regs[gpr::RSP]);
        let wanted = Wanted { deliveries: true, ..Wanted::default() };
        let lowest = Moment(here.moment.0.saturating_sub(LONGEST_HANDLER));
        let mut snapshot = self.history.snapshot_before(here.moment);
        let mut end = here;
        loop {
            let found = self.search_slice_behind(snapshot, end, &mut |stand, end| {
                let mut last = None;
                observe(stand, end, &wanted, cancel, false, &mut |hit, _| {
                    if interrupted_kernel(&[*hit]) == Some((rip, rsp)) {
                        last = Some(Position::from(hit.at));
                    }
                    ControlFlow::Continue(())
                })?;
                Ok(last)
            })?;
            if let Some(at) = found {
                self.seek(at)?;
                return self.step_thread_back(stops, cancel);
            }
            let start = self.history.moment(snapshot);
            if snapshot == 0 || start < lowest || cancel.is_requested() {
                self.seek(back)?;
                return Ok(Arrival::Stepped);
            }
            (snapshot, end) = (snapshot - 1, Position::at(start));
        }
    }
}

/// What an interrupt from outside interrupted in the kernel: RIP and RSP.
fn interrupted_kernel(hits: &[Hit]) -> Option<(u64, u64)> {
    hits.iter().find_map(|h| match h.what {
        What::Delivered { is_external: true, from_user: false, rip, rsp } => Some((rip, rsp)),
        _ => None,
    })
}

/// True if the next instruction is IRET.
fn is_iret(machine: &Machine) -> bool {
    matches!(machine.code_bytes().as_slice(), [0xcf, ..] | [0x48, 0xcf, ..])
}

/// True if user code of an address space is among executed pages.
fn ran_in(executed: &[(u64, u64)], root: u64) -> bool {
    executed.iter().any(|&(r, _)| r != 0 && r & !1 == root / PAGE)
}

/// The last instruction that a thread retired in user mode, or the last stop that is hit, if that is later.
fn last_of_thread(
    stand: &mut Stand,
    end: Position,
    thread: Thread,
    wanted: &Wanted,
    cancel: &Cancel,
) -> Result<Option<(Position, Arrival)>, Error> {
    let start = stand.position();
    let mut entered = thread.is(&stand.runner.machine).then_some(start.moment);
    let mut last: Option<(Position, Arrival)> = None;
    // Instructions that were retired between two Moments in user mode: the last of them.
    let retired = |from: Option<Moment>, to: Moment| {
        from.filter(|&from| to > from).map(|_| (Position::at(Moment(to.0 - 1)), Arrival::Stepped))
    };
    observe(stand, end, wanted, cancel, false, &mut |hit, stand| {
        let at = Position::from(hit.at);
        match hit.what {
            What::Ring { is_user: true } => {
                entered = thread.is(&stand.runner.machine).then_some(at.moment);
            }
            What::Ring { is_user: false } => last = retired(entered.take(), at.moment).or(last),
            What::Delivered { .. } => {}
            // A watched access or a breakpoint in what is passed over; the thread's own breakpoints are just steps.
            What::Access { .. } => last = Some((at, arrival(hit))),
            What::Executed(_) if entered.is_none() => last = Some((at, arrival(hit))),
            What::Executed(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(retired(entered, end.moment).or(last))
}
