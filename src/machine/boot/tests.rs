//! Loading synthetic images, and what the loaders say of images that they refuse.

mod images;
mod refused;
mod untrusted;

use super::layout::{BOOT_INFO, BOOT_PARAMS, CMDLINE, MIB, STACK_TOP};
use super::*;
use crate::cpu::state::{attr, gpr, seg};
use images::*;

const RAM: u64 = 64 * MIB;

fn memory(ram_bytes: u64) -> Memory {
    Memory::from_ranges(&RamLayout::new(ram_bytes).unwrap().backing()).unwrap()
}

fn plan(kernel: Vec<u8>) -> BootPlan {
    BootPlan { kernel, initrd: None, cmdline: "console=ttyS0".to_owned() }
}

fn boot(plan: &BootPlan) -> (Memory, EntryState) {
    let mem = memory(RAM);
    let entry = load(&mem, RAM, plan).unwrap();
    (mem, entry)
}

fn bytes(mem: &Memory, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    mem.read_slice(&mut bytes, GuestAddress(at)).unwrap();
    bytes
}

fn word(mem: &Memory, at: u64) -> u64 {
    mem.read_obj::<u64>(GuestAddress(at)).unwrap()
}

fn half(mem: &Memory, at: u64) -> u32 {
    mem.read_obj::<u32>(GuestAddress(at)).unwrap()
}

#[test]
fn bzimage_is_entered_0x200_after_its_preferred_address() {
    let (mem, entry) = boot(&plan(bzimage()));
    assert_eq!((entry.mode, entry.rip), (EntryMode::Long64, 0x100_0200));
    assert_eq!(entry.gpr[gpr::RSI], BOOT_PARAMS);
    assert_eq!(bytes(&mem, 0x100_0000, PAYLOAD.len()), PAYLOAD);
}

#[test]
fn bzimage_finds_boot_params_at_the_documented_offsets() {
    let mut plan = plan(bzimage());
    plan.initrd = Some(b"initrd".to_vec());
    let (mem, _) = boot(&plan);
    let at = |offset| BOOT_PARAMS + offset;
    assert_eq!(bytes(&mem, at(0), 0x40), [0; 0x40], "screen_info");
    assert_eq!(word(&mem, at(0x070)), acpi::RSDP, "acpi_rsdp_addr");
    assert_eq!(bytes(&mem, at(0x202), 4), b"HdrS");
    assert_eq!(bytes(&mem, at(0x210), 1), [0xff], "type_of_loader");
    assert_eq!(half(&mem, at(0x214)), 0x100_0000, "code32_start");
    assert_eq!(half(&mem, at(0x228)), CMDLINE as u32, "cmd_line_ptr");
    assert_eq!(bytes(&mem, CMDLINE, 14), b"console=ttyS0\0");
    assert_eq!((half(&mem, at(0x218)), half(&mem, at(0x21c))), ((RAM - 4096) as u32, 6), "ramdisk");
    assert_eq!(bytes(&mem, RAM - 4096, 6), b"initrd");
    // Fields after the header's own end are zero, whatever follows in the file: kernel_info_offset here.
    assert_eq!(half(&mem, at(0x268)), 0);
    let entries = [(0, 0xa_0000, 1), (0xa_0000, 0x6_0000, 2), (0x10_0000, RAM - 0x10_0000, 1)];
    assert_eq!(bytes(&mem, at(0x1e8), 1), [entries.len() as u8], "e820_entries");
    for (index, (start, size, kind)) in entries.into_iter().enumerate() {
        let entry = at(0x2d0) + index as u64 * 20;
        assert_eq!((word(&mem, entry), word(&mem, entry + 8), half(&mem, entry + 16)), (start, size, kind));
    }
}

#[test]
fn initrd_stays_below_the_kernels_limit() {
    let mut kernel = bzimage();
    kernel[0x22c..0x230].copy_from_slice(&0x1ff_ffff_u32.to_le_bytes());
    let initrd = Some(vec![7; 5000]);
    let (mem, _) = boot(&BootPlan { initrd, ..plan(kernel) });
    assert_eq!(half(&mem, BOOT_PARAMS + 0x218), 0x200_0000 - 8192);
}

#[test]
fn long_mode_entry_has_flat_segments_from_its_gdt() {
    let (mem, entry) = boot(&plan(bzimage()));
    let code = entry.seg[seg::CS];
    assert_eq!((code.selector, code.attr & (attr::L | attr::DB)), (0x10, attr::L));
    assert!(entry.seg.iter().all(|segment| segment.is_flat()));
    assert_eq!(word(&mem, entry.gdtr.base + 0x10), 0x00af_9b00_0000_ffff);
    assert_eq!(word(&mem, entry.gdtr.base + 0x18), 0x00cf_9300_0000_ffff);
    assert_eq!(word(&mem, entry.gdtr.base + 0x20), 0x0000_8b00_0000_0067);
    assert_eq!((entry.cr0 & 0x8000_0001, entry.cr4 & 0x20, entry.efer), (0x8000_0001, 0x20, 0x500));
}

#[test]
fn long_mode_entry_maps_the_first_4_gib_to_themselves() {
    let (mem, entry) = boot(&plan(bzimage()));
    let next = |table: u64, index: u64| {
        let entry = word(&mem, table + index * 8);
        assert_eq!(entry & 3, 3, "present and writable");
        entry & !0xfff
    };
    for address in [0, 0x20_0000, 0x100_0000, 0xbfff_ffff, 0xfee0_0000, 0xffff_ffff_u64] {
        let directory = next(next(entry.cr3, 0), address >> 30);
        let leaf = word(&mem, directory + (address >> 21 & 0x1ff) * 8);
        assert_eq!(leaf, (address & !0x1f_ffff) | 0x83);
    }
    assert_eq!(word(&mem, entry.cr3 + 8), 0);
}

#[test]
fn pvh_kernel_finds_start_info_in_ebx() {
    let mut plan = plan(elf64(0x10_0000, 0x10_0000, &pvh_note(0x10_0040)));
    plan.initrd = Some(vec![9; 4097]);
    assert_eq!(detect(&plan.kernel).unwrap(), GuestImage::ElfPvh);
    let (mem, entry) = boot(&plan);
    assert_eq!((entry.mode, entry.rip, entry.gpr[gpr::RBX]), (EntryMode::Protected32, 0x10_0040, BOOT_INFO));
    assert_eq!((entry.cr0, entry.cr4, entry.efer), (0x11, 0, 0));
    assert_eq!((entry.tr.kind(), entry.tr.limit, entry.tr.base), (0xb, 0x67, 0));
    assert!(entry.seg.iter().all(|segment| segment.is_flat()));
    let info = |offset| word(&mem, BOOT_INFO + offset);
    assert_eq!((half(&mem, BOOT_INFO), half(&mem, BOOT_INFO + 4)), (0x336e_c578, 1));
    assert_eq!(half(&mem, BOOT_INFO + 12), 1, "nr_modules");
    assert_eq!((word(&mem, info(16)), word(&mem, info(16) + 8)), (RAM - 8192, 4097), "initrd");
    assert_eq!(bytes(&mem, info(24), 14), b"console=ttyS0\0");
    assert_eq!(info(32), acpi::RSDP);
    assert_eq!(half(&mem, BOOT_INFO + 48), 3, "memmap_entries");
    let last = info(40) + 2 * 24;
    assert_eq!((word(&mem, last), word(&mem, last + 8), half(&mem, last + 16)), (MIB, RAM - MIB, 1));
}

#[test]
fn plain_elf64_gets_its_arguments_in_registers() {
    let kernel = elf64(0x10_0000, 0x10_0010, &[]);
    assert_eq!(detect(&kernel).unwrap(), GuestImage::Elf64);
    let (mem, entry) = boot(&plan(kernel));
    assert_eq!((entry.mode, entry.rip, entry.gpr[gpr::RSP]), (EntryMode::Long64, 0x10_0010, STACK_TOP));
    assert_eq!(bytes(&mem, entry.gpr[gpr::RDI], 14), b"console=ttyS0\0");
    assert_eq!(bytes(&mem, entry.gpr[gpr::RSI] + 0x202, 4), b"HdrS");
    assert_eq!((entry.gpr[gpr::RDX], entry.gpr[gpr::RCX]), (BOOT_PARAMS + 0x2d0, 3));
    assert_eq!(bytes(&mem, 0x10_0000, CODE.len()), CODE);
}

#[test]
fn virtual_entry_point_is_translated_by_its_segment() {
    let (_, entry) = boot(&plan(elf64(0xffff_ffff_8010_0000, 0xffff_ffff_8010_0010, &[])));
    assert_eq!(entry.rip, 0x10_0010);
}

#[test]
fn multiboot_elf32_finds_its_information_in_ebx() {
    let kernel = elf32_multiboot(0);
    assert_eq!(detect(&kernel).unwrap(), GuestImage::Multiboot1);
    let (mem, entry) = boot(&BootPlan { initrd: Some(b"module".to_vec()), ..plan(kernel) });
    assert_eq!((entry.mode, entry.rip), (EntryMode::Protected32, 0x10_0010));
    assert_eq!((entry.gpr[gpr::RAX], entry.gpr[gpr::RBX]), (0x2bad_b002, BOOT_INFO));
    assert_eq!((entry.cr0 & 0x8000_0001, entry.seg[seg::CS].attr & attr::DB), (1, attr::DB));
    let info = |offset| half(&mem, BOOT_INFO + offset);
    assert_eq!(info(0), 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_eq!((info(4), info(8)), (640, 63 * 1024));
    assert_eq!(bytes(&mem, info(16).into(), 14), b"console=ttyS0\0");
    let module = u64::from(info(24));
    assert_eq!((info(20), half(&mem, module), half(&mem, module + 4)), (1, 0x10_1000, 0x10_1006));
    assert_eq!(bytes(&mem, 0x10_1000, 6), b"module");
    assert_eq!(bytes(&mem, info(64).into(), 8), b"reenact\0");
    assert_eq!(info(44), 3 * 24, "length of the memory map");
    let second = u64::from(info(48)) + 24;
    assert_eq!((half(&mem, second), word(&mem, second + 4), half(&mem, second + 20)), (20, 0xa_0000, 2));
}

#[test]
fn multiboot_address_fields_load_a_flat_file() {
    let kernel = flat_multiboot(0x20_0000);
    assert_eq!(detect(&kernel).unwrap(), GuestImage::Multiboot1);
    let (mem, entry) = boot(&plan(kernel.clone()));
    assert_eq!(entry.rip, 0x20_0020);
    assert_eq!(bytes(&mem, 0x20_0000, 8), kernel[FLAT_SKIP..FLAT_SKIP + 8]);
}

#[test]
fn memory_above_3_gib_continues_at_4_gib() {
    let layout = RamLayout::new(5 << 30).unwrap();
    assert_eq!(layout.backing(), [(GuestAddress(0), 3 << 30), (GuestAddress(4 << 30), 2 << 30)]);
    let map = layout.map();
    assert_eq!((map[2].start + map[2].size, map[3].start, map[3].size), (3 << 30, 4 << 30, 2 << 30));
    assert_eq!(RamLayout::new(3 << 30).unwrap().map().len(), 3);
}

#[test]
fn acpi_tables_are_in_the_firmware_area() {
    let (mem, _) = boot(&plan(bzimage()));
    assert_eq!(bytes(&mem, 0xe_0000, 8), b"RSD PTR ");
}

#[test]
fn entry_state_replaces_the_reset_state() {
    let (_, entry) = boot(&plan(bzimage()));
    let state = entry.state();
    assert_eq!((state.cr3, state.efer, state.cpl, state.seg), (entry.cr3, entry.efer, 0, entry.seg));
}

#[test]
fn same_plan_gives_the_same_ram() {
    let plan = BootPlan { initrd: Some(vec![3; 100]), ..plan(elf64(0x10_0000, 0x10_0000, &pvh_note(0x10_0040))) };
    let [first, second] = [boot(&plan), boot(&plan)];
    assert_eq!(first.1, second.1);
    assert!(bytes(&first.0, 0, RAM as usize) == bytes(&second.0, 0, RAM as usize));
}

#[test]
fn elf64_with_a_multiboot_header_is_entered_by_multiboot() {
    // A flat header's words (magic, flags, checksum) without address fields, in front of the code.
    let mut kernel = elf64(0x10_0000, 0x10_0010, &[]);
    let header = elf32_multiboot(0)[84..96].to_vec();
    kernel[120..132].copy_from_slice(&header);
    assert_eq!(detect(&kernel).unwrap(), GuestImage::Multiboot1);
    let (_, entry) = boot(&plan(kernel));
    assert_eq!((entry.mode, entry.rip), (EntryMode::Protected32, 0x10_0010));
}
