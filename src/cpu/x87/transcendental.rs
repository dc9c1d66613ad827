//! x
use super::X87;
use iced_x86::Mnemonic;
pub(super) fn execute(_x87: &mut X87, _m: Mnemonic) -> bool {
    false
}
