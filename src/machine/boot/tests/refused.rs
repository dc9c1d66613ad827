//! Images and plans that are refused, and the sentence that says why.

use super::*;

fn refusal(ram_bytes: u64, plan: &BootPlan) -> String {
    load(&memory(ram_bytes), ram_bytes, plan).unwrap_err().to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} should contain {part:?}");
    }
}

#[test]
fn old_bzimage_is_named() {
    let mut kernel = bzimage();
    kernel[0x206] = 0x0b;
    assert_says(&refusal(RAM, &plan(kernel)), &["Linux 6.1.0-test (boot protocol 2.11)", "no 64-bit entry"]);
    let mut kernel = bzimage();
    kernel[0x236] = 0;
    assert_says(&refusal(RAM, &plan(kernel)), &["boot protocol 2.14", "no 64-bit entry"]);
}

#[test]
fn truncated_images_name_the_missing_part() {
    let whole = bzimage();
    let cut = whole[..whole.len() - 1].to_vec();
    assert_says(&refusal(RAM, &plan(cut)), &["cut short", "2048", "2047"]);
    let mut elf = elf64(0x10_0000, 0x10_0000, &[]);
    elf.pop();
    assert_says(&refusal(RAM, &plan(elf)), &["a segment", "cut short"]);
    let elf = elf64(0x10_0000, 0x10_0000, &[]);
    assert_says(&refusal(RAM, &plan(elf[..100].to_vec())), &["table of segments", "120"]);
}

#[test]
fn files_that_are_no_kernel_are_named() {
    let mut boot_sector = vec![0; 512];
    boot_sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut arm = elf64(0x10_0000, 0x10_0000, &[]);
    arm[18] = 183;
    let mut multiboot_data = vec![0; 64];
    multiboot_data[..12].copy_from_slice(&elf32_multiboot(0)[84..96]);
    for (kernel, name) in [
        (vec![], "empty"),
        (b"\x1f\x8b\x08".to_vec(), "gzip"),
        (b"070701".to_vec(), "cpio"),
        (b"#!/bin/sh\n".to_vec(), "script"),
        (b"hello\n".to_vec(), "text"),
        (vec![0; 100], "of no kind known"),
        (boot_sector, "boot sector"),
        (arm, "another processor (AARCH64)"),
        (multiboot_data, "neither ELF nor has the address fields"),
    ] {
        assert_says(&refusal(RAM, &plan(kernel)), &["the kernel file is ", name, "bzImage"]);
    }
}

#[test]
fn elf32_without_multiboot_header_is_refused() {
    let mut kernel = elf32_multiboot(0);
    kernel[84] = 0;
    assert_says(&refusal(RAM, &plan(kernel)), &["32-bit ELF file without a multiboot header"]);
}

#[test]
fn unknown_multiboot_requirements_are_refused() {
    assert_says(&refusal(RAM, &plan(elf32_multiboot(0x18))), &["0x0018"]);
}

#[test]
fn initrd_too_large_says_how_much_memory_would_do() {
    let large = BootPlan { initrd: Some(vec![0; 16 << 20]), ..plan(bzimage()) };
    let message = refusal(32 * MIB, &large);
    assert_says(&message, &["16777216 bytes", "15728640 bytes", "32 MiB", "--memory 33M"]);
    assert!(load(&memory(33 * MIB), 33 * MIB, &large).is_ok());
}

#[test]
fn initrd_over_the_kernels_limit_is_not_helped_by_memory() {
    let mut kernel = bzimage();
    kernel[0x22c..0x230].copy_from_slice(&0x11f_ffff_u32.to_le_bytes());
    let message = refusal(RAM, &BootPlan { initrd: Some(vec![0; 2 << 20]), ..plan(kernel) });
    assert_says(&message, &["2097152 bytes", "1048576 bytes", "smaller"]);
}

#[test]
fn kernel_too_large_says_how_much_memory_would_do() {
    assert_says(&refusal(16 * MIB, &plan(bzimage())), &["16 MiB", "--memory 17M"]);
    assert!(load(&memory(17 * MIB), 17 * MIB, &plan(bzimage())).is_ok());
}

#[test]
fn kernels_over_holes_and_boot_data_are_refused() {
    for (load_at, why) in [
        (0x1000, "boot data"),
        (0x9_ff80, "VGA"),
        (0xc_0000, "VGA"),
        (0xbfff_f800, "devices"),
        (0xfee0_0000, "devices"),
    ] {
        let message = refusal(RAM, &plan(flat_multiboot(load_at)));
        assert_says(&message, &["the kernel wants", &format!("{load_at:#x}")]);
        assert!(message.contains(why) || message.contains("VGA"), "{message}");
    }
}

#[test]
fn command_lines_that_do_not_fit_are_refused() {
    let long = |len| BootPlan { cmdline: "x".repeat(len), ..plan(bzimage()) };
    assert_says(&refusal(RAM, &long(2050)), &["2050", "2047", "shorten it by 3"]);
    assert!(load(&memory(RAM), RAM, &long(2047)).is_ok());
    let nul = BootPlan { cmdline: "a\0b".to_owned(), ..plan(bzimage()) };
    assert_says(&refusal(RAM, &nul), &["NUL", "position 1"]);
}

#[test]
fn memory_sizes_out_of_range_are_refused() {
    for ram_bytes in [0, MIB, 2 * MIB + 1, u64::MAX] {
        assert!(matches!(RamLayout::new(ram_bytes), Err(BootError::MemorySize { .. })));
    }
}
