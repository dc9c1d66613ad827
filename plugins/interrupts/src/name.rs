//! What interrupts are called: exceptions by the manual (SDM vol. 3, table 6-1), others by Linux's own names of their handlers.

/// What made an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Exception,
    External,
    Software,
    Nmi,
}

const EXCEPTIONS: [Option<&str>; 32] = {
    let mut names = [None; 32];
    names[0] = Some("#DE divide error");
    names[1] = Some("#DB debug");
    names[3] = Some("#BP breakpoint");
    names[4] = Some("#OF overflow");
    names[5] = Some("#BR bound range exceeded");
    names[6] = Some("#UD invalid opcode");
    names[7] = Some("#NM device not available");
    names[8] = Some("#DF double fault");
    names[10] = Some("#TS invalid TSS");
    names[11] = Some("#NP segment not present");
    names[12] = Some("#SS stack-segment fault");
    names[13] = Some("#GP general protection");
    names[14] = Some("#PF page fault");
    names[16] = Some("#MF x87 floating-point error");
    names[17] = Some("#AC alignment check");
    names[18] = Some("#MC machine check");
    names[19] = Some("#XM SIMD floating-point error");
    names[20] = Some("#VE virtualization exception");
    names[21] = Some("#CP control protection");
    names
};

impl Cause {
    /// From what the CPU tells.
    pub fn of(vector: u8, is_external: bool, is_software: bool) -> Cause {
        match (is_software, is_external) {
            (true, _) => Cause::Software,
            (false, true) if vector == 2 => Cause::Nmi,
            (false, true) => Cause::External,
            (false, false) => Cause::Exception,
        }
    }
    /// In the table.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Exception => "exception",
            Cause::External => "interrupt",
            Cause::Software => "software",
            Cause::Nmi => "nmi",
        }
    }
    /// What the manual calls it.
    pub fn name(self, vector: u8) -> Option<&'static str> {
        match self {
            Cause::Nmi => Some("NMI"),
            Cause::Exception => EXCEPTIONS.get(usize::from(vector)).copied().flatten(),
            // INT3 and INTO; INT n of another vector is whatever the guest makes of it.
            Cause::Software => [3, 4].contains(&vector).then(|| EXCEPTIONS[usize::from(vector)]).flatten(),
            Cause::External => None,
        }
    }
}

/// What Linux calls the handler that begins at a symbol. Devices share one that does not tell which of them it is.
pub fn kernel_name(symbol: &str) -> Option<&str> {
    let name = symbol.strip_prefix("asm_")?;
    Some(name.strip_prefix("sysvec_").unwrap_or(name))
}
