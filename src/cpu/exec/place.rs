//! Where operands are: registers by byte offset, immediates, memory by two kinds of address.

use crate::cpu::Cpu;
use crate::cpu::fault::Stop;
use crate::cpu::flags::Flags;
use crate::cpu::op::Op;
use crate::cpu::word::Word;

impl Cpu {
    /// The register at a byte offset into the register array.
    #[inline(always)]
    pub(crate) fn reg<W: Word>(&self, byte_offset: u8) -> W {
        debug_assert!(usize::from(byte_offset) + W::BYTES <= size_of_val(&self.regs));
        // SAFETY: decode only makes offsets inside the register array.
        unsafe { W::load(self.regs.as_ptr().cast::<u8>().add(byte_offset as usize)) }
    }
    /// Replaces a register; a 32-bit result clears the upper half (SDM vol. 1, 3.4.1.1).
    #[inline(always)]
    pub(crate) fn set_reg<W: Word>(&mut self, byte_offset: u8, value: W) {
        debug_assert!(usize::from(byte_offset) + W::BYTES <= size_of_val(&self.regs));
        // SAFETY: decode only makes offsets inside the register array, 32-bit ones aligned to 8 bytes.
        unsafe {
            let at = self.regs.as_mut_ptr().cast::<u8>().add(byte_offset as usize);
            if W::BITS == 32 { value.to_u64().store(at) } else { value.store(at) }
        }
    }
}

/// How a memory operand's linear address is made.
pub trait Address {
    /// The linear address of `len` bytes.
    fn la(cpu: &mut Cpu, op: &Op, len: u64, is_write: bool) -> Result<u64, Stop>;
}

/// 64-bit address size, no segment base, base and displacement only.
pub struct Near;
/// 64-bit address size, no segment base.
pub struct Flat;
/// Anything else.
pub struct Segmented;

impl Address for Near {
    #[inline(always)]
    fn la(cpu: &mut Cpu, op: &Op, _len: u64, _is_write: bool) -> Result<u64, Stop> {
        Ok(cpu.slot(op.base).wrapping_add(op.disp as i64 as u64))
    }
}
impl Address for Flat {
    #[inline(always)]
    fn la(cpu: &mut Cpu, op: &Op, _len: u64, _is_write: bool) -> Result<u64, Stop> {
        Ok(cpu.slot(op.base).wrapping_add(cpu.slot(op.index) << op.scale).wrapping_add(op.disp as i64 as u64))
    }
}
impl Address for Segmented {
    #[inline(never)]
    fn la(cpu: &mut Cpu, op: &Op, len: u64, is_write: bool) -> Result<u64, Stop> {
        cpu.operand_address(op, len, is_write)
    }
}

/// Whether an access may call out for help.
///
/// A handler comes in two forms. The first tries without a call anywhere, so that it needs no stack frame; where
/// that fails nothing has changed, and it hands the op over to the second, which does everything.
pub trait Path {
    /// True for the first form.
    const IS_FAST: bool;
}
/// The first form.
pub struct Fast;
/// The second form.
pub struct Full;
impl Path for Fast {
    const IS_FAST: bool = true;
}
impl Path for Full {
    const IS_FAST: bool = false;
}

impl Cpu {
    /// Reads on a path.
    #[inline(always)]
    pub(crate) fn read_on<P: Path, W: Word>(&mut self, la: u64, segment: u8) -> Result<W, Stop> {
        if P::IS_FAST { self.read_fast(la) } else { self.read(la, segment) }
    }
    /// Writes on a path.
    #[inline(always)]
    pub(crate) fn write_on<P: Path, W: Word>(&mut self, la: u64, segment: u8, value: W) -> Result<(), Stop> {
        if P::IS_FAST { self.write_fast(la, value) } else { self.write(la, segment, value) }
    }
}

/// A source operand.
pub trait Source<W: Word> {
    /// The same operand on the full path.
    type Full: Source<W>;
    /// A failure of this one is final.
    const IS_FULL: bool;
    /// Its value.
    fn get(cpu: &mut Cpu, op: &Op) -> Result<W, Stop>;
}

/// The register at `op.src`.
pub struct Src;
/// `op.imm`.
pub struct Imm;
/// The memory operand.
pub struct Mem<A, P = Fast>(std::marker::PhantomData<(A, P)>);

impl<W: Word> Source<W> for Src {
    type Full = Src;
    const IS_FULL: bool = true;
    #[inline(always)]
    fn get(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(cpu.reg(op.src))
    }
}
impl<W: Word> Source<W> for Imm {
    type Full = Imm;
    const IS_FULL: bool = true;
    #[inline(always)]
    fn get(_: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(W::from_u64(op.imm))
    }
}
impl<W: Word, A: Address, P: Path> Source<W> for Mem<A, P> {
    type Full = Mem<A, Full>;
    const IS_FULL: bool = !P::IS_FAST;
    #[inline(always)]
    fn get(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        let la = A::la(cpu, op, W::BYTES as u64, false)?;
        cpu.read_on::<P, W>(la, op.seg)
    }
}

/// A destination operand that is also read.
pub trait Place<W: Word> {
    /// The same place on the full path.
    type Full: Place<W>;
    /// A failure of this one is final.
    const IS_FULL: bool;
    /// Replaces the value by what `f` makes of it, and the flags with it.
    fn modify(cpu: &mut Cpu, op: &Op, f: impl Fn(&Cpu, W) -> (W, Flags)) -> Result<(), Stop>;
    /// Only reads.
    fn look(cpu: &mut Cpu, op: &Op) -> Result<W, Stop>;
    /// Only writes.
    fn put(cpu: &mut Cpu, op: &Op, value: W) -> Result<(), Stop>;
}

/// The register at `op.dst`.
pub struct Dst;

impl<W: Word> Place<W> for Dst {
    type Full = Dst;
    const IS_FULL: bool = true;
    #[inline(always)]
    fn modify(cpu: &mut Cpu, op: &Op, f: impl Fn(&Cpu, W) -> (W, Flags)) -> Result<(), Stop> {
        let (value, flags) = f(cpu, cpu.reg(op.dst));
        cpu.set_reg(op.dst, value);
        cpu.flags = flags;
        Ok(())
    }
    #[inline(always)]
    fn look(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(cpu.reg(op.dst))
    }
    #[inline(always)]
    fn put(cpu: &mut Cpu, op: &Op, value: W) -> Result<(), Stop> {
        cpu.set_reg(op.dst, value);
        Ok(())
    }
}

impl<W: Word, A: Address, P: Path> Place<W> for Mem<A, P> {
    type Full = Mem<A, Full>;
    const IS_FULL: bool = !P::IS_FAST;
    #[inline(always)]
    fn modify(cpu: &mut Cpu, op: &Op, f: impl Fn(&Cpu, W) -> (W, Flags)) -> Result<(), Stop> {
        let la = A::la(cpu, op, W::BYTES as u64, true)?;
        if let Some(host) = cpu.host_for_write(la, W::BYTES as u64) {
            // SAFETY: host_for_write gave W::BYTES bytes that may be read and written.
            unsafe {
                let (value, flags) = f(cpu, W::load(host));
                value.store(host);
                cpu.flags = flags;
            }
            return Ok(());
        }
        if P::IS_FAST {
            return Err(Stop);
        }
        let old = read_for_write(cpu, la, op.seg, W::BYTES as u32)?;
        let (value, flags) = f(cpu, W::from_u64(old));
        cpu.write(la, op.seg, value)?;
        cpu.flags = flags;
        Ok(())
    }
    #[inline(always)]
    fn look(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        <Mem<A, P> as Source<W>>::get(cpu, op)
    }
    #[inline(always)]
    fn put(cpu: &mut Cpu, op: &Op, value: W) -> Result<(), Stop> {
        let la = A::la(cpu, op, W::BYTES as u64, true)?;
        cpu.write_on::<P, W>(la, op.seg, value)
    }
}

/// Reads what is going to be written: faults are those of the write. Device reads must not happen before it is
/// sure that the instruction stands alone and may write.
#[cold]
#[inline(never)]
pub(crate) fn read_for_write(cpu: &mut Cpu, la: u64, segment: u8, len: u32) -> Result<u64, Stop> {
    cpu.probe_write(la, segment, len as usize)?;
    let mut bytes = [0; 8];
    cpu.read_bytes(la, segment, &mut bytes[..len as usize])?;
    Ok(u64::from_le_bytes(bytes))
}
