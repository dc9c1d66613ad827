//! What the session knows of the Linux inside: the process that runs, and the kernel's symbols.

use super::Seat;
use crate::guest::{Current, Known, Profile, View, symbol_file};

impl Seat {
    /// The thread that runs on the CPU now.
    ///
    /// # Errors
    /// Why that cannot be told: no kernel yet, another system, memory that makes no sense.
    pub fn current(&mut self) -> Known<Current> {
        self.guest(|view| view.current())
    }

    /// The kernel's symbol at or before an address, as the kernel prints it; `None` where there is none, or no kernel.
    pub fn symbol(&mut self, address: u64) -> Option<String> {
        self.guest(|view| Ok(view.symbol(address).map(|s| s.to_string()))).ok().flatten()
    }

    /// An ELF file with the symbols of the kernel and of its modules, for a debugger.
    ///
    /// # Errors
    /// As [`Seat::current`].
    pub fn symbol_file(&mut self) -> Known<Vec<u8>> {
        self.guest(|view| Ok(symbol_file(&view.all_symbols(), &view.profile.image)))
    }

    /// Asks the view of this Moment. What is constant for a kernel is looked for once.
    ///
    /// # Errors
    /// As [`Seat::current`], and what `ask` says.
    pub fn guest<T>(&mut self, ask: impl FnOnce(&View) -> Known<T>) -> Known<T> {
        let machine = self.travel.machine();
        if self.profile.as_ref().is_none_or(|profile| View::of(machine, profile).is_err()) {
            self.profile = Some(Profile::of(machine)?);
        }
        let profile = self.profile.as_ref().expect("it was found just now");
        ask(&View::of(machine, profile)?)
    }
}
