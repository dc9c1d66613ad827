//! The four operand widths as one trait, so that each instruction is written once.

/// An operand width: u8, u16, u32 or u64.
pub trait Word:
    Copy
    + Eq
    + Ord
    + std::fmt::Debug
    + std::ops::BitAnd<Output = Self>
    + std::ops::BitOr<Output = Self>
    + std::ops::BitXor<Output = Self>
    + std::ops::Not<Output = Self>
{
    /// Width in bits.
    const BITS: u32;
    /// Width in bytes.
    const BYTES: usize;
    /// The value zero-extended.
    fn to_u64(self) -> u64;
    /// The low bits of a value.
    fn from_u64(v: u64) -> Self;
    /// The value sign-extended to 64 bits.
    fn sext(self) -> u64;
    /// Sum modulo 2^BITS.
    fn wadd(self, o: Self) -> Self;
    /// Difference modulo 2^BITS.
    fn wsub(self, o: Self) -> Self;
    /// Loads from possibly unaligned little-endian host memory.
    ///
    /// # Safety
    /// `p` is valid for reads of `BYTES` bytes.
    unsafe fn load(p: *const u8) -> Self;
    /// Stores to possibly unaligned little-endian host memory.
    ///
    /// # Safety
    /// `p` is valid for writes of `BYTES` bytes.
    unsafe fn store(self, p: *mut u8);
}

macro_rules! word {
    ($($t:ty, $s:ty);*) => {$(
        impl Word for $t {
            const BITS: u32 = <$t>::BITS;
            const BYTES: usize = size_of::<$t>();
            #[inline(always)]
            fn to_u64(self) -> u64 { self as u64 }
            #[inline(always)]
            fn from_u64(v: u64) -> Self { v as $t }
            #[inline(always)]
            fn sext(self) -> u64 { self as $s as i64 as u64 }
            #[inline(always)]
            fn wadd(self, o: Self) -> Self { self.wrapping_add(o) }
            #[inline(always)]
            fn wsub(self, o: Self) -> Self { self.wrapping_sub(o) }
            #[inline(always)]
            unsafe fn load(p: *const u8) -> Self {
                // SAFETY: the caller gives BYTES readable bytes.
                <$t>::from_le(unsafe { p.cast::<$t>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut u8) {
                // SAFETY: the caller gives BYTES writable bytes.
                unsafe { p.cast::<$t>().write_unaligned(self.to_le()) }
            }
        }
    )*};
}
word!(u8, i8; u16, i16; u32, i32; u64, i64);
