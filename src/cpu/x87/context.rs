//! What the x87 unit needs of the processor around it while it executes one instruction.

/// The current instruction's operand, flags and addresses.
///
/// A method that cannot do its work returns `Stop`; the instruction then ends without any change of x87 state and can be
/// executed again. `read` and `write` therefore must either do all of an access or none of it.
pub trait X87Context {
    /// Why an instruction could not complete: a fault for the guest or an exit of the engine.
    type Stop;

    /// Reads the memory operand of the instruction from its start, as many bytes as `bytes` has (at most 108).
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Self::Stop>;

    /// Writes the memory operand of the instruction from its start.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Stop>;

    /// Checks that the first `len` bytes of the memory operand could be written, without writing them.
    fn probe_write(&mut self, len: usize) -> Result<(), Self::Stop>;

    /// RFLAGS of the guest; only CF, PF and ZF are looked at.
    fn rflags(&self) -> u64;

    /// FCOMI and its kin: sets CF, PF and ZF as given and clears OF, SF and AF.
    fn set_comparison_flags(&mut self, zf: bool, pf: bool, cf: bool);

    /// Writes AX (FNSTSW AX).
    fn set_ax(&mut self, value: u16);

    /// Offset of the instruction within its code segment, for FIP.
    fn instruction_offset(&self) -> u64;

    /// Offset of the memory operand within its segment, for FDP. Asked only of instructions that have one.
    fn operand_offset(&self) -> u64;

    /// The instruction's opcode as FOP has it: bits 10-8 the low bits of its first byte, bits 7-0 its ModRM byte.
    fn opcode(&self) -> u16;

    /// True in protected and long mode, false in real and virtual-8086 mode: chooses the form of FNSTENV and FNSAVE.
    fn is_protected(&self) -> bool;

    /// Makes the #MF (or, with CR0.NE clear, the external error report) for a pending exception.
    fn math_fault(&mut self) -> Self::Stop;

    /// Makes the #UD for an instruction that is not of the x87.
    fn invalid_opcode(&mut self) -> Self::Stop;
}
