//! Steps as a person thinks of them: over a call, out of a function, to the next system call, to the next time that an
//! instruction runs; and all of them backwards.
//!
//! Nothing is unwound. A function's ends are found by following its code from the next instruction on; it is left at the
//! one that runs with the stack as high as it is here. Where it was called is where its return address was written last.

use super::disassembly::decode;
use super::{
    Access, AccessKind, Arrival, Breakpoint, Direction, Error, Memory, Place, Position, Seat, Space, Steps, Stops,
};
use crate::cpu::state::gpr;
use crate::guest::Task;
use iced_x86::{Code, FlowControl, Instruction, Mnemonic};
use std::collections::BTreeSet;

/// Instructions of a function that are looked at for its ends.
const LARGEST_FUNCTION: usize = 20_000;
/// Bytes that a frame of user code may take; kernel stacks are far smaller, and lie farther from each other.
const LARGEST_FRAME: u64 = 8 << 20;
const LARGEST_KERNEL_FRAME: u64 = 16 << 10;
/// Bytes of the longest instruction.
const LONGEST: usize = 15;

impl Seat {
    /// A step that takes a call and all that it does as one.
    ///
    /// # Errors
    /// As the replay, [`Error::Cancelled`] and [`Error::NothingFound`]; then nothing has moved.
    pub fn over(&mut self, direction: Direction) -> Result<Arrival, Error> {
        self.or_back(|seat| match direction {
            Direction::Forward => seat.over_forward(),
            Direction::Backward => seat.over_backward(),
        })
    }

    /// To behind the return of this function, or back to its call.
    ///
    /// # Errors
    /// As [`Seat::over`].
    pub fn out(&mut self, direction: Direction) -> Result<Arrival, Error> {
        self.or_back(|seat| match direction {
            Direction::Forward => seat.out_forward().map(|_| Arrival::Stepped),
            Direction::Backward => seat.out_backward(),
        })
    }

    /// To the next or previous system call instruction (SYSCALL) of the process that runs.
    ///
    /// # Errors
    /// As [`Seat::over`].
    pub fn syscall(&mut self, direction: Direction) -> Result<Arrival, Error> {
        self.or_back(|seat| {
            let root = seat.user_root()?;
            let entry = seat.machine().cpu.state.msr.lstar;
            if direction == Direction::Forward && seat.decoded().is_some_and(|i| i.mnemonic() == Mnemonic::Syscall) {
                seat.advance(Direction::Forward)?;
            }
            let place = Place::Linear(entry, Space::Root(root));
            seat.run_to(direction, &[place], "system call of this process", |_| true)?;
            seat.advance(Direction::Backward)
        })
    }

    /// To the next or previous time that the instruction at an address is about to run: in the address space of now for
    /// a program's address, in any for the kernel's.
    ///
    /// # Errors
    /// As [`Seat::over`].
    pub fn execution(&mut self, direction: Direction, address: u64) -> Result<Arrival, Error> {
        self.or_back(|seat| {
            let place = Place::Linear(address, seat.space_of(address));
            seat.run_to(direction, &[place], &format!("execution of {address:#x}"), |_| true)?;
            Ok(Arrival::Stepped)
        })
    }

    /// The page table that is loaded while the process of now runs its own code.
    ///
    /// # Errors
    /// Why that cannot be told, as a sentence.
    pub fn user_root(&mut self) -> Result<u64, Error> {
        if self.machine().cpu.state.cpl == 3 {
            return Ok(self.root());
        }
        let root = |task: Task| {
            let memory = task.memory()?;
            Ok(memory.user_root()?.map_or(memory.root()?.0, |root| root.0))
        };
        let found = self.guest(|view| view.current_task().and_then(root));
        found.map_err(|why| Error::NothingFound(format!("no process runs here: {why}")))
    }

    fn over_forward(&mut self) -> Result<Arrival, Error> {
        let Some(call) = self.decoded().filter(is_call) else {
            return self.step(Direction::Forward, Steps::Thread, &Stops::default());
        };
        let behind = Place::Linear(call.next_ip(), self.space_of(call.next_ip()));
        let (stack, frame) = (self.stack_pointer(), self.largest_frame());
        self.run_to(Direction::Forward, &[behind], "return from this call", |seat| {
            seat.stack_pointer().wrapping_sub(stack) < frame
        })?;
        Ok(Arrival::Stepped)
    }

    fn over_backward(&mut self) -> Result<Arrival, Error> {
        let arrival = self.step(Direction::Backward, Steps::Thread, &Stops::default())?;
        let is_return = self.decoded().is_some_and(|i| i.flow_control() == FlowControl::Return && !is_far(&i));
        if arrival != Arrival::Stepped || !is_return {
            return Ok(arrival);
        }
        self.back_to_writer(self.stack_pointer())
    }

    /// The stack pointer at the instruction that left the function.
    fn out_forward(&mut self) -> Result<u64, Error> {
        let (stack, frame) = (self.stack_pointer(), self.largest_frame());
        loop {
            let ends = self.ends_of_function();
            let places: Vec<Place> = ends.iter().map(|&at| Place::Linear(at, self.space_of(at))).collect();
            if !ends.contains(&self.linear_rip()) {
                self.run_to(Direction::Forward, &places, "return from this function", |seat| {
                    seat.stack_pointer().wrapping_sub(stack) < frame
                })?;
            }
            let top = self.stack_pointer();
            let is_jump = self.decoded().is_some_and(|i| i.flow_control() == FlowControl::IndirectBranch);
            self.advance(Direction::Forward)?;
            if !is_jump {
                return Ok(top);
            }
        }
    }

    fn out_backward(&mut self) -> Result<Arrival, Error> {
        let here = self.position();
        let slot = self.out_forward()?;
        self.go_to(here)?;
        self.back_to_writer(slot)
    }

    /// In front of the instruction that wrote a return address last.
    fn back_to_writer(&mut self, slot: u64) -> Result<Arrival, Error> {
        let place = Place::Linear(slot, self.space_of(slot));
        self.find_access(Direction::Backward, &Access { place, len: 8, kind: AccessKind::Write })?;
        Ok(Arrival::Stepped)
    }

    /// Runs to the next hit that will do.
    fn run_to(
        &mut self,
        direction: Direction,
        places: &[Place],
        what: &str,
        will_do: impl Fn(&Seat) -> bool,
    ) -> Result<(), Error> {
        let breakpoints = places.iter().map(|&place| Breakpoint { place }).collect();
        let stops = Stops { breakpoints, ..Stops::default() };
        loop {
            let found = match self.run(direction, &stops)? {
                Arrival::Cancelled => return Err(Error::Cancelled),
                Arrival::End => Some("between here and the end of the recording"),
                Arrival::Begin => Some("between power-on and here"),
                _ => None,
            };
            match found {
                Some(range) => return Err(Error::NothingFound(format!("no {what} {range}"))),
                None if will_do(self) => return Ok(()),
                None => {}
            }
        }
    }

    /// Does something; where it fails, or is cancelled, the machine goes back to where it stood.
    fn or_back(&mut self, act: impl FnOnce(&mut Seat) -> Result<Arrival, Error>) -> Result<Arrival, Error> {
        let here: Position = self.position();
        let outcome = act(self);
        if matches!(outcome, Err(_) | Ok(Arrival::Cancelled)) && self.position() != here {
            self.travel.seek(here)?;
        }
        outcome
    }

    fn advance(&mut self, direction: Direction) -> Result<Arrival, Error> {
        self.step(direction, Steps::Cpu, &Stops::default())
    }

    fn stack_pointer(&self) -> u64 {
        self.machine().cpu.regs[gpr::RSP]
    }

    fn largest_frame(&self) -> u64 {
        if self.machine().cpu.state.cpl == 3 { LARGEST_FRAME } else { LARGEST_KERNEL_FRAME }
    }

    /// A program's addresses are meant in its own address space.
    fn space_of(&self, address: u64) -> Space {
        if (address as i64) < 0 || !self.machine().cpu.is_long() { Space::Any } else { Space::Root(self.root()) }
    }

    fn decoded(&self) -> Option<Instruction> {
        self.decoded_at(self.linear_rip())
    }

    fn decoded_at(&self, address: u64) -> Option<Instruction> {
        let bytes = self.read(Memory::Current, address, LONGEST).ok()?;
        decode(address, &bytes, self.mode().bits())
    }

    /// The instructions that this function can end at, or from where it goes on where only the CPU knows.
    fn ends_of_function(&self) -> BTreeSet<u64> {
        let mut ends = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![self.linear_rip()];
        while let Some(at) = open.pop() {
            if seen.len() >= LARGEST_FUNCTION || !seen.insert(at) {
                continue;
            }
            let Some(instruction) = self.decoded_at(at) else { continue };
            match instruction.flow_control() {
                FlowControl::Return | FlowControl::IndirectBranch => drop(ends.insert(at)),
                FlowControl::UnconditionalBranch => open.push(instruction.near_branch_target()),
                FlowControl::ConditionalBranch => {
                    open.extend([instruction.near_branch_target(), instruction.next_ip()]);
                }
                FlowControl::Exception => {}
                _ => open.push(instruction.next_ip()),
            }
        }
        ends
    }
}

fn is_call(instruction: &Instruction) -> bool {
    matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall)
        && !matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Vmcall)
}

/// Returns that leave more than a function.
fn is_far(instruction: &Instruction) -> bool {
    !matches!(instruction.mnemonic(), Mnemonic::Ret) || matches!(instruction.code(), Code::Sysretd | Code::Sysretq)
}
