//! The tables as a guest's operating system would walk them.

use super::*;

fn at(address: u64) -> Vec<u8> {
    tables()[(address - BASE) as usize..].to_vec()
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

/// The table at an address, cut to its stated length, with its checksum checked.
fn table(address: u64, signature: &[u8; 4]) -> Vec<u8> {
    let mut bytes = at(address);
    assert_eq!(&bytes[..4], signature);
    bytes.truncate(u32_at(&bytes, 4) as usize);
    assert_eq!(sum(&bytes), 0, "checksum of {}", String::from_utf8_lossy(signature));
    bytes
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| sum.wrapping_add(byte))
}

fn xsdt_entries() -> Vec<u64> {
    let rsdp = at(RSDP);
    let xsdt = table(u64_at(&rsdp, 24), b"XSDT");
    xsdt[36..].chunks_exact(8).map(|entry| u64_at(entry, 0)).collect()
}

#[test]
fn rsdp_is_where_a_scan_finds_it() {
    let rsdp = at(RSDP);
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert_eq!(RSDP % 16, 0);
    assert_eq!(rsdp[15], 2, "revision");
    assert_eq!((sum(&rsdp[..20]), sum(&rsdp[..36])), (0, 0));
}

#[test]
fn fadt_names_the_power_management_ports() {
    let fadt = table(xsdt_entries()[0], b"FACP");
    assert_eq!(fadt.len(), 276);
    assert_eq!(u32_at(&fadt, 46) & 0xffff, 9, "SCI_INT");
    assert_eq!(u32_at(&fadt, 48), 0, "no SMI command port");
    assert_eq!([56, 64, 76].map(|at| u32_at(&fadt, at)), [0x600, 0x604, 0x608]);
    assert_eq!((fadt[88], fadt[89], fadt[91]), (4, 2, 4), "register lengths");
    assert_eq!(u16::from_le_bytes([fadt[109], fadt[110]]), 0b1111, "IAPC_BOOT_ARCH");
    assert_eq!(u32_at(&fadt, 112), 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10, "flags");
    assert_eq!((&fadt[116..120], u64_at(&fadt, 120), fadt[128]), (&[1, 8, 0, 1][..], 0xcf9, 6), "reset register");
    assert_eq!([152, 176, 212].map(|at| u64_at(&fadt, at)), [0x600, 0x604, 0x608], "64-bit addresses");
}

#[test]
fn fadt_leads_to_facs_and_dsdt() {
    let fadt = table(xsdt_entries()[0], b"FACP");
    let facs = u64::from(u32_at(&fadt, 36));
    assert_eq!((&at(facs)[..4], facs % 64), (&b"FACS"[..], 0));
    let dsdt = u64::from(u32_at(&fadt, 40));
    assert_eq!(u64_at(&fadt, 140), dsdt);
    let dsdt = table(dsdt, b"DSDT");
    let soft_off = [0x08, b'_', b'S', b'5', b'_', 0x12, 0x08, 4, 0x0a, 5, 0x0a, 5, 0, 0];
    assert!(dsdt.windows(soft_off.len()).any(|window| window == soft_off), "_S5 = {{5, 5, 0, 0}}");
    // EISA ids: PNP0501 and PNP0303.
    for id in [[0x41, 0xd0, 0x05, 0x01], [0x41, 0xd0, 0x03, 0x03]] {
        assert!(dsdt.windows(4).any(|window| window == id));
    }
}

#[test]
fn madt_lists_controllers_and_overrides() {
    let madt = table(xsdt_entries()[1], b"APIC");
    assert_eq!((u32_at(&madt, 36), u32_at(&madt, 40)), (0xfee0_0000, 1));
    let expected: Vec<u8> = [
        &[0, 8, 0, 0, 1, 0, 0, 0][..],
        &[1, 12, 1, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
        &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
        &[2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
    ]
    .concat();
    assert_eq!(&madt[44..], expected);
}

#[test]
fn tables_are_the_same_bytes_in_every_version() {
    // A recording holds RAM by content, so a change here changes nothing in old recordings; but it must be meant.
    assert_eq!(tables(), tables());
    assert_eq!(
        blake3::hash(&tables()).to_hex().as_str(),
        "2eeab75520f682483c78aae54efc6e0a15bba74cc3457c8de822b5649f6caa9d"
    );
}
