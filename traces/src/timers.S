# A guest that lives from timer interrupts: ten from the 8254 through the 8259, then ten from the local APIC's timer.
#
# Each tick is printed on the serial port. Between ticks the guest halts for the first five of each timer and spins for
# the others, so that both ways of waiting are in a recording. Ends with status 0.

        .include "start.inc"
        .include "idt.inc"

        .set    PIC1, 0x20
        .set    PIC2, 0xa0
        .set    PIT_CHANNEL0, 0x40
        .set    PIT_COMMAND, 0x43
        .set    LAPIC, 0xfee00000
        .set    LAPIC_EOI, LAPIC + 0xb0
        .set    LAPIC_SPURIOUS, LAPIC + 0xf0
        .set    LAPIC_LVT_TIMER, LAPIC + 0x320
        .set    LAPIC_INITIAL_COUNT, LAPIC + 0x380
        .set    LAPIC_DIVIDE, LAPIC + 0x3e0
        .set    PIT_VECTOR, 0x20
        .set    LAPIC_VECTOR, 0x40
        .set    TICKS, 10

main:
        mov     $PIT_VECTOR, %edi
        mov     $pit_tick, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        mov     $LAPIC_VECTOR, %edi
        mov     $lapic_tick, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        mov     $0xff, %edi
        mov     $spurious, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        call    load_idt

        call    start_8259
        call    start_8254
        sti
        mov     $pit_name, %edi
        call    wait_ticks
        cli
        mov     $0xff, %al              # mask all inputs of both 8259s
        out     %al, $PIC1 + 1
        out     %al, $PIC2 + 1

        call    start_lapic_timer
        sti
        mov     $lapic_name, %edi
        call    wait_ticks
        cli
        mov     $LAPIC_LVT_TIMER, %eax
        movl    $0x10000, (%rax)        # masked
        mov     $done, %edi
        jmp     print

# Both 8259s: edge triggered, cascaded, vectors from 0x20 and 0x28, only input 0 open.
start_8259:
        mov     $0x11, %al
        out     %al, $PIC1
        out     %al, $PIC2
        mov     $PIT_VECTOR, %al
        out     %al, $PIC1 + 1
        mov     $PIT_VECTOR + 8, %al
        out     %al, $PIC2 + 1
        mov     $4, %al
        out     %al, $PIC1 + 1
        mov     $2, %al
        out     %al, $PIC2 + 1
        mov     $1, %al
        out     %al, $PIC1 + 1
        out     %al, $PIC2 + 1
        mov     $0xfe, %al
        out     %al, $PIC1 + 1
        mov     $0xff, %al
        out     %al, $PIC2 + 1
        ret

# Channel 0 as a rate generator: 1193182 Hz / 1193 = 1000 ticks a second.
start_8254:
        mov     $0x34, %al
        out     %al, $PIT_COMMAND
        mov     $1193 & 0xff, %al
        out     %al, $PIT_CHANNEL0
        mov     $1193 >> 8, %al
        out     %al, $PIT_CHANNEL0
        ret

# Periodic, divided by 16, vector 0x40: 1000 ticks a second from a 25 MHz bus. The 8259s are masked by now, so LINT0
# stays as it is.
start_lapic_timer:
        mov     $LAPIC_SPURIOUS, %eax
        movl    $0x1ff, (%rax)          # APIC on, spurious vector 0xff
        mov     $LAPIC_DIVIDE, %eax
        movl    $3, (%rax)
        mov     $LAPIC_LVT_TIMER, %eax
        movl    $0x20000 | LAPIC_VECTOR, (%rax)
        mov     $LAPIC_INITIAL_COUNT, %eax
        movl    $1562, (%rax)
        ret

# Prints the name at rdi with a number for each of ten ticks.
wait_ticks:
        mov     %rdi, %r12
        xor     %r13d, %r13d            # ticks reported
        movl    $0, ticks
1:      cmp     $TICKS / 2, %r13d
        jae     2f
        # HLT right after STI: an interrupt that came in between still wakes it.
        cli
        cmp     %r13d, ticks
        jne     3f
        sti
        hlt
        jmp     1b
2:      pause
        cmp     %r13d, ticks
        je      1b
3:      sti
        inc     %r13d
        mov     %r12, %rdi
        call    print
        mov     %r13, %rdi
        call    print_hex
        cmp     $TICKS, %r13d
        jb      1b
        ret

pit_tick:
        push    %rax
        incl    ticks
        mov     $0x20, %al
        out     %al, $PIC1
        pop     %rax
        iretq

lapic_tick:
        push    %rax
        incl    ticks
        mov     $LAPIC_EOI, %eax
        movl    $0, (%rax)
        pop     %rax
spurious:
        iretq

        .section .rodata
pit_name:
        .asciz  "8254 tick "
lapic_name:
        .asciz  "local APIC tick "
done:   .asciz  "all ticks taken\n"

        .bss
        .balign 4
ticks:  .skip   4
