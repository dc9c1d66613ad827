# A guest that is typed at: the serial port's receive interrupt through the 8259, and HLT until somebody types.
#
# It reads lines. `q` ends the machine with status 0, `r` counts aloud for ever, any other line comes back in capitals.
# With `r` it is the guest for whoever needs one that is still running.

        .include "start.inc"
        .include "idt.inc"

        .set    PIC1, 0x20
        .set    PIC2, 0xa0
        .set    COM1_VECTOR, 0x24
        .set    RING, 4096              # bytes, a power of two

main:
        mov     $COM1_VECTOR, %edi
        mov     $received, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        call    load_idt
        call    start_8259
        mov     $COM1 + 2, %dx
        mov     $1, %al                 # FIFO on
        out     %al, %dx
        mov     $COM1 + 4, %dx
        mov     $0x0b, %al              # DTR, RTS, OUT2: the interrupt reaches the 8259
        out     %al, %dx
        mov     $COM1 + 1, %dx
        mov     $1, %al                 # an interrupt for each byte that comes
        out     %al, %dx
        sti

next_line:
        mov     $prompt, %edi
        call    print
        mov     $line, %ebx
1:      call    read_byte
        cmp     $'\n', %al
        je      2f
        cmp     $line_end, %ebx         # what is too long is dropped
        je      1b
        mov     %al, (%rbx)
        inc     %ebx
        jmp     1b
2:      movb    $0, (%rbx)
        cmpw    $'q', line
        je      3f
        cmpw    $'r', line
        je      count
        call    capitals
        mov     $line, %edi
        call    print
        mov     $newline, %edi
        call    print
        jmp     next_line
3:      mov     $bye, %edi
        jmp     print

# Never returns.
count:
        xor     %r12d, %r12d
1:      mov     $1000000, %ecx
2:      mov     %ecx, %eax
        and     $0xfff8, %eax
        mov     %rcx, scratch(%rax)
        dec     %ecx
        jnz     2b
        inc     %r12
        mov     $count_name, %edi
        call    print
        mov     %r12, %rdi
        call    print_hex
        jmp     1b

capitals:
        mov     $line, %ebx
1:      mov     (%rbx), %al
        test    %al, %al
        jz      3f
        cmp     $'a', %al
        jb      2f
        cmp     $'z', %al
        ja      2f
        sub     $32, %al
        mov     %al, (%rbx)
2:      inc     %ebx
        jmp     1b
3:      ret

# The next byte typed, in al.
read_byte:
        cli
        mov     tail, %ecx
        cmp     head, %ecx
        jne     1f
        sti                             # HLT right behind it: an interrupt in between still wakes it
        hlt
        jmp     read_byte
1:      mov     ring(%rcx), %al
        inc     %ecx
        and     $RING - 1, %ecx
        mov     %ecx, tail
        sti
        ret

received:
        push    %rax
        push    %rcx
        push    %rdx
1:      mov     $COM1 + 5, %dx
        in      %dx, %al
        test    $1, %al
        jz      2f
        mov     $COM1, %dx
        in      %dx, %al
        mov     head, %ecx
        mov     %al, ring(%rcx)
        inc     %ecx
        and     $RING - 1, %ecx
        mov     %ecx, head
        jmp     1b
2:      mov     $0x20, %al
        out     %al, $PIC1
        pop     %rdx
        pop     %rcx
        pop     %rax
        iretq

# Both 8259s: edge triggered, cascaded, vectors from 0x20 and 0x28, only input 4 open.
start_8259:
        mov     $0x11, %al
        out     %al, $PIC1
        out     %al, $PIC2
        mov     $0x20, %al
        out     %al, $PIC1 + 1
        mov     $0x28, %al
        out     %al, $PIC2 + 1
        mov     $4, %al
        out     %al, $PIC1 + 1
        mov     $2, %al
        out     %al, $PIC2 + 1
        mov     $1, %al
        out     %al, $PIC1 + 1
        out     %al, $PIC2 + 1
        mov     $0xef, %al
        out     %al, $PIC1 + 1
        mov     $0xff, %al
        out     %al, $PIC2 + 1
        ret

        .section .rodata
prompt: .asciz  "> "
newline:
        .asciz  "\n"
bye:    .asciz  "bye\n"
count_name:
        .asciz  "count "

        .bss
head:   .skip   4
tail:   .skip   4
line:   .skip   80
line_end:
        .skip   8
ring:   .skip   RING
        .balign 4096
scratch:
        .skip   65536
