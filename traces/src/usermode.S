# A guest with a kernel and a user program in ring 3: SYSCALL and INT 0x80 into the kernel, and demand paging.
#
# The user's code, data and stack get their own 4 KiB pages at 1 GiB; the page after its data is missing until the user
# touches it and the page fault handler brings it in. The program prints through both system call doors, exits with
# status 0 when it read back what it wrote.

        .include "start.inc"
        .include "idt.inc"

        .set    USER_BASE, 0x8000000000 # 512 GiB: the second entry of the PML4, which start.inc leaves alone
        .set    USER_STACK, USER_BASE + 0x2000
        .set    USER_LAZY, USER_BASE + 0x3000
        .set    USER_DATA_SEL, 0x1b
        .set    USER_CODE_SEL, 0x23
        .set    TSS_SEL, 0x28
        .set    PAGE_USER, 7            # present, writable, user
        .set    SYS_PRINT, 1
        .set    SYS_EXIT, 2

main:
        call    map_user
        call    load_tss
        mov     $14, %edi
        mov     $page_fault, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        mov     $0x80, %edi
        mov     $interrupt_entry, %esi
        mov     $GATE_USER, %edx
        call    set_gate
        call    load_idt
        # SYSCALL: kernel selectors 8 and 0x10, user selectors from 0x10 | 3 (SYSRET adds 8 for SS and 16 for CS).
        mov     $0xc0000081, %ecx       # STAR
        xor     %eax, %eax
        mov     $0x00130008, %edx
        wrmsr
        mov     $0xc0000082, %ecx       # LSTAR
        mov     $syscall_entry, %eax
        xor     %edx, %edx
        wrmsr
        mov     $0xc0000084, %ecx       # FMASK: interrupts and direction off on entry
        mov     $0x600, %eax
        wrmsr

        mov     $entering, %edi
        call    print
        pushq   $USER_DATA_SEL
        mov     $USER_STACK, %rax
        push    %rax
        pushq   $2                      # RFLAGS
        pushq   $USER_CODE_SEL
        mov     $USER_BASE, %rax
        push    %rax
        iretq

# Page tables for the user's 2 MiB: code (the page of `user`), stack; USER_LAZY stays missing.
map_user:
        movq    $user_pdpt + PAGE_USER, pml4 + 8
        movq    $user_directory + PAGE_USER, user_pdpt
        movq    $user_table + PAGE_USER, user_directory
        movq    $user + 5, user_table   # read only
        movq    $user_stack + PAGE_USER, user_table + 8
        ret

# The TSS gives the stack for entries from ring 3 by interrupt. Its descriptor is two words long.
load_tss:
        movq    $kernel_stack_top, tss + 4
        movw    $104, tss + 102         # no I/O permission map
        mov     $tss, %eax
        mov     %eax, %ecx
        shl     $16, %rcx
        mov     $0x0000890000000067, %rdx
        or      %rdx, %rcx              # valid for addresses below 16 MiB
        mov     %rcx, gdt_tss
        mov     $TSS_SEL, %eax
        ltr     %ax
        ret

# SYSCALL keeps the user's stack: switch by hand. Number in eax, argument in rdi.
syscall_entry:
        mov     %rsp, user_rsp
        mov     $kernel_stack_top, %rsp
        push    %rcx                    # user RIP
        push    %r11                    # user RFLAGS
        push    %rax
        mov     $via_syscall, %esi
        call    system_call
        pop     %rax
        pop     %r11
        pop     %rcx
        mov     user_rsp, %rsp
        sysretq

interrupt_entry:
        push    %rcx
        push    %r11
        mov     $via_interrupt, %esi
        call    system_call
        pop     %r11
        pop     %rcx
        iretq

# Does system call eax with argument rdi, naming the door at rsi.
system_call:
        cmp     $SYS_EXIT, %eax
        je      1f
        push    %rdi
        mov     %rsi, %rdi
        call    print
        pop     %rdi
        jmp     print
1:      push    %rdi
        mov     $exiting, %edi
        call    print
        pop     %rdi
        jmp     exit

# Brings in USER_LAZY when ring 3 writes to it and it is missing (error code 6); anything else ends the guest.
page_fault:
        cmpl    $6, (%rsp)
        jne     1f
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        mov     $fault_at, %edi
        call    print
        mov     %cr2, %rdi
        call    print_hex
        movq    $user_lazy + PAGE_USER, user_table + 3 * 8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $8, %rsp                # the error code
        iretq
1:      mov     $bad_fault, %edi
        call    print
        mov     %cr2, %rdi
        call    print_hex
        mov     $1, %edi
        jmp     exit

# The user program, position independent, on a page of its own that ring 3 sees at USER_BASE.
        .section .text.user, "ax"
        .balign 4096
user:
        lea     first(%rip), %rdi
        mov     $SYS_PRINT, %eax
        syscall
        lea     second(%rip), %rdi
        mov     $SYS_PRINT, %eax
        int     $0x80
        mov     $USER_LAZY, %rbx
        movq    $0x1234567, 0x10(%rbx)  # faults once
        mov     0x10(%rbx), %rdx
        sub     $0x1234567, %rdx
        mov     %rdx, %r12
        lea     third(%rip), %rdi
        mov     $SYS_PRINT, %eax
        syscall
        mov     %r12, %rdi
        mov     $SYS_EXIT, %eax
        int     $0x80
        ud2
first:  .asciz  "hello from ring 3\n"
second: .asciz  "hello again\n"
third:  .asciz  "read back from the new page\n"
        .balign 4096

        .section .rodata
entering:
        .asciz  "entering ring 3\n"
via_syscall:
        .asciz  "syscall: "
via_interrupt:
        .asciz  "int 0x80: "
exiting:
        .asciz  "user program exits\n"
fault_at:
        .asciz  "page fault brings in "
bad_fault:
        .asciz  "unexpected page fault at "

        .bss
        .balign 4096
user_pdpt:
        .skip   4096
user_directory:
        .skip   4096
user_table:
        .skip   4096
user_stack:
        .skip   4096
user_lazy:
        .skip   4096
        .skip   8192
kernel_stack_top:
        .balign 16
tss:    .skip   104
        .balign 8
user_rsp:
        .skip   8
