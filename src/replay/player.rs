//! Replay: a machine made from a recording, driven through its Inputs, compared with its Digests and Outputs.

use super::{COUNTING_RULE, CPU_MODEL, CPU_MODEL_VERSION, Error, MACHINE, deliver, reason};
use crate::machine::Geometry;
use crate::machine::boot::BootPlan;
use crate::machine::digest::Hash;
use crate::machine::transcript::Sent;
use crate::machine::{Exit, Machine, MachinePlan};
use crate::moment::Moment;
use crate::recording::{self, Event, Events, ExitReason, ImageRole, Input, InputData, Reader};
use std::collections::VecDeque;

/// Where a replay differs from its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The state differs.
    Digest {
        /// Where the last equal Digest was (or the start).
        from: Moment,
        /// Where it differed.
        to: Moment,
        /// What the recording has.
        recorded: Hash,
        /// What the replay has.
        replayed: Hash,
    },
    /// The guest sent something else.
    Output {
        /// Where the last equal Digest was (or the start).
        from: Moment,
        /// What the recording has; `None` for nothing.
        recorded: Option<Sent>,
        /// What the replay sent; `None` for nothing.
        replayed: Option<Sent>,
    },
    /// The guest ended the run where the recording goes on, or otherwise than it.
    End {
        /// Where the last equal Digest was (or the start).
        from: Moment,
        /// Where it ended.
        at: Moment,
        /// How the recording ended; `None` if it went on.
        recorded: Option<ExitReason>,
        /// How the replay ended; `None` if it went on.
        replayed: Option<ExitReason>,
    },
}

/// What one step of a replay brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more.
    On,
    /// The recording is over and everything was equal.
    Done,
    /// The first difference.
    Different(Difference),
}

/// A recording being replayed.
pub struct Player {
    /// The machine; look, but do not run it.
    pub machine: Machine,
    events: Events,
    next: Option<Event>,
    expected: VecDeque<Sent>,
    last_output: Option<Moment>,
    sent: VecDeque<Sent>,
    /// The last Moment whose Digest was equal.
    pub proven: Moment,
    /// What stopped the reading, when the recording is damaged or was cut off.
    pub damage: Option<recording::Error>,
    checks: bool,
    /// Console bytes since the last take, for showing.
    pub console: Vec<u8>,
}

impl Player {
    /// Powers the recorded machine on. With `checks` every Digest and Output is compared.
    pub fn new(reader: &Reader, geometry: Geometry, checks: bool) -> Result<Player, Error> {
        let mut events = reader.events()?;
        let mut damage = None;
        let first = advance(&mut events, &mut damage)?;
        let wall_clock_ns = match &first {
            Some(Event::Input(Input { data: InputData::WallClock { ns }, .. })) => Some(*ns),
            _ => None,
        };
        let machine = power_on(reader, wall_clock_ns, geometry)?;
        Ok(Player {
            machine,
            events,
            next: first,
            expected: VecDeque::new(),
            last_output: None,
            sent: VecDeque::new(),
            proven: Moment(0),
            damage,
            checks,
            console: Vec::new(),
        })
    }

    /// Goes on to the next event of the recording, or to `limit` if that comes first.
    pub fn step(&mut self, limit: Moment) -> Result<Step, Error> {
        let Some(event) = self.next.clone() else { return self.run_out(limit) };
        // An Output is compared when its line is complete; only Inputs, Digests and the end steer the machine.
        if let Event::Output(o) = event {
            self.last_output = Some(o.at);
            self.expected.push_back(Sent { at: o.at, bytes: o.bytes });
            return self.go_on();
        }
        let at = event.at();
        let exit = self.machine.run(at.min(limit), false);
        self.collect();
        let now = self.machine.now();
        if let Some(different) = self.check_outputs(matches!(event, Event::End(_)) && now >= at) {
            return Ok(Step::Different(different));
        }
        match (event, exit) {
            (Event::End(end), exit) if now == end.at => self.check_end(&end, &exit),
            (_, Exit::Limit) if now < at => Ok(Step::On),
            (event, Exit::Limit) => self.reach(event),
            (_, exit) => Ok(Step::Different(Difference::End {
                from: self.proven,
                at: now,
                recorded: None,
                replayed: reason(&exit),
            })),
        }
    }

    /// Goes to a Moment ahead; true if the recording ended before it. Stops in front of Inputs that are due there.
    pub fn seek(&mut self, to: Moment) -> Result<bool, Error> {
        while self.machine.now() < to {
            match self.step(to)? {
                Step::On => {}
                Step::Done | Step::Different(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    fn reach(&mut self, event: Event) -> Result<Step, Error> {
        match event {
            Event::Input(input) => deliver(&mut self.machine, &input.data),
            Event::Digest(d) if self.checks => {
                let replayed = self.machine.digest();
                if replayed != d.digest {
                    return Ok(Step::Different(Difference::Digest {
                        from: self.proven,
                        to: d.at,
                        recorded: d.digest,
                        replayed,
                    }));
                }
                self.proven = d.at;
            }
            _ => {}
        }
        self.go_on()
    }

    fn go_on(&mut self) -> Result<Step, Error> {
        self.next = advance(&mut self.events, &mut self.damage)?;
        Ok(if self.next.is_some() || self.has_output_ahead() { Step::On } else { Step::Done })
    }

    /// A recording that was not closed may end with Outputs behind the last event that steers the machine. The byte
    /// leaves with the instruction after the Output's Moment.
    fn has_output_ahead(&self) -> bool {
        self.last_output.is_some_and(|at| self.machine.now() <= at)
    }

    fn run_out(&mut self, limit: Moment) -> Result<Step, Error> {
        let Some(at) = self.last_output.filter(|_| self.has_output_ahead()) else { return Ok(Step::Done) };
        let exit = self.machine.run(Moment(at.0 + 1).min(limit), false);
        self.collect();
        if let Some(different) = self.check_outputs(false) {
            return Ok(Step::Different(different));
        }
        if self.has_output_ahead() {
            return Ok(match reason(&exit) {
                None => Step::On,
                ended => Step::Different(Difference::End {
                    from: self.proven,
                    at: self.machine.now(),
                    recorded: None,
                    replayed: ended,
                }),
            });
        }
        Ok(match self.expected.pop_front() {
            Some(missing) => {
                Step::Different(Difference::Output { from: self.proven, recorded: Some(missing), replayed: None })
            }
            None => Step::Done,
        })
    }

    fn check_end(&mut self, end: &recording::End, exit: &Exit) -> Result<Step, Error> {
        // Nothing is ahead of the end, not even a line that the end cut off.
        self.last_output = None;
        let replayed = reason(exit);
        // The user and the limit end a recording where the guest would go on.
        let is_from_outside =
            matches!(end.reason, ExitReason::Stopped | ExitReason::LimitReached | ExitReason::Failed { .. });
        let is_same = if is_from_outside { replayed.is_none() } else { replayed.as_ref() == Some(&end.reason) };
        if !is_same {
            return self.settle_end(end, replayed);
        }
        if self.checks {
            let digest = self.machine.digest();
            if digest != end.digest {
                return Ok(Step::Different(Difference::Digest {
                    from: self.proven,
                    to: end.at,
                    recorded: end.digest,
                    replayed: digest,
                }));
            }
            self.proven = end.at;
        }
        self.go_on()
    }

    /// The guest's own end takes effect after the last instruction: one more look decides.
    fn settle_end(&mut self, end: &recording::End, replayed: Option<ExitReason>) -> Result<Step, Error> {
        if replayed.is_none() && end.at.0 < u64::MAX {
            let exit = self.machine.run(Moment(end.at.0 + 1), false);
            self.collect();
            if self.machine.now() == end.at && reason(&exit).as_ref() == Some(&end.reason) {
                return self.check_end(end, &exit);
            }
        }
        Ok(Step::Different(Difference::End {
            from: self.proven,
            at: end.at,
            recorded: Some(end.reason.clone()),
            replayed,
        }))
    }

    fn collect(&mut self) {
        self.console.append(&mut self.machine.pc.transcript.take_live());
        self.sent.extend(self.machine.pc.transcript.take_sent());
    }

    /// Compares what both sides have; at the end nothing may be left over on either.
    fn check_outputs(&mut self, is_end: bool) -> Option<Difference> {
        if !self.checks {
            self.expected.clear();
            self.sent.clear();
            return None;
        }
        if is_end {
            self.machine.pc.transcript.end(self.machine.now().0);
            self.collect();
        }
        loop {
            let (recorded, replayed) = (self.expected.front(), self.sent.front());
            let is_due = is_end && (recorded.is_some() || replayed.is_some());
            if recorded.is_none() || replayed.is_none() {
                // What one side lacks may still come.
                return is_due.then(|| Difference::Output {
                    from: self.proven,
                    recorded: recorded.cloned(),
                    replayed: replayed.cloned(),
                });
            }
            if recorded != replayed {
                return Some(Difference::Output {
                    from: self.proven,
                    recorded: recorded.cloned(),
                    replayed: replayed.cloned(),
                });
            }
            self.expected.pop_front();
            self.sent.pop_front();
        }
    }
}

/// The recorded machine before its first instruction. `wall_clock_ns` is what the first Input says.
pub(super) fn power_on(reader: &Reader, wall_clock_ns: Option<u64>, geometry: Geometry) -> Result<Machine, Error> {
    supports(reader)?;
    let header = reader.header();
    let path = || reader.path().display().to_string();
    let kernel = reader.load_image(ImageRole::Kernel)?.ok_or_else(|| Error::NoKernel { path: path() })?;
    let initrd = reader.load_image(ImageRole::Initrd)?;
    let boot = BootPlan { kernel, initrd, cmdline: header.machine.kernel_cmdline.clone() };
    let wall_clock_ns = wall_clock_ns.unwrap_or(header.wall_clock_start_ns);
    Ok(Machine::new(&MachinePlan { ram_bytes: header.machine.ram_bytes, wall_clock_ns, boot }, geometry)?)
}

/// The next event; a cut-off or damaged tail ends the recording and is noted.
pub(super) fn advance(events: &mut Events, damage: &mut Option<recording::Error>) -> Result<Option<Event>, Error> {
    match events.next() {
        None => Ok(None),
        Some(Ok(event)) => Ok(Some(event)),
        Some(Err(e @ recording::Error::Damaged { .. })) => {
            *damage = Some(e);
            Ok(None)
        }
        Some(Err(e)) => Err(e.into()),
    }
}

/// Refuses what this build would replay otherwise than it was recorded.
pub(super) fn supports(reader: &Reader) -> Result<(), Error> {
    let h = reader.header();
    let model = format!("{} version {}", h.machine.cpu_model.name, h.machine.cpu_model.version);
    let checks = [
        ("CPU model", model, format!("{CPU_MODEL} version {CPU_MODEL_VERSION}")),
        ("machine type", h.machine.description.clone(), MACHINE.to_owned()),
        ("counting rule", h.counting_rule.clone(), COUNTING_RULE.to_owned()),
    ];
    for (what, found, expected) in checks {
        if found != expected {
            let path = reader.path().display().to_string();
            return Err(Error::Unsupported { path, what, found, expected, version: h.tool_version.clone() });
        }
    }
    Ok(())
}
