# A guest with a memory corruption, to be found by going back in time.
#
# A bump allocator hands out two neighbours: a 32-byte name buffer and a record with a function pointer. A copy loop that
# trusts the length byte of its input runs over the buffer's end, into the allocator's size word of the neighbour and then
# its function pointer. Much later the pointer is called: a page fault, far from its cause. The handler reports where it
# died and leaves with status 0x42. The question for the tools: which instruction wrote that pointer?

        .include "start.inc"
        .include "idt.inc"

        .set    NAME_ROOM, 32
        .set    RECORD_HANDLER, 8       # offset of the function pointer in a record

main:
        mov     $14, %edi
        mov     $page_fault, %esi
        mov     $GATE_KERNEL, %edx
        call    set_gate
        call    load_idt

        mov     $NAME_ROOM, %edi
        call    allocate
        mov     %rax, %r12              # the name
        mov     $16, %edi
        call    allocate
        mov     %rax, %r13              # its neighbour
        movq    $0, (%r13)
        movq    $greet, RECORD_HANDLER(%r13)

        # Three messages; the last one lies about its length.
        mov     $messages, %r14
        mov     $3, %r15d
next_message:
        mov     %r14, %rsi
        mov     %r12, %rdi
        call    copy_name
        movzbl  (%r14), %eax
        lea     1(%r14,%rax), %r14
        mov     $copied, %edi
        call    print
        call    work                    # time passes between the cause and the effect
        dec     %r15d
        jnz     next_message

        mov     $calling, %edi
        call    print
        mov     %r12, %rdi
        call    *RECORD_HANDLER(%r13)
        ret

# Returns edi bytes in rax; the word before them holds their size.
allocate:
        mov     heap_next, %rax
        mov     %rdi, (%rax)
        add     $8, %rax
        add     %rax, %rdi
        mov     %rdi, heap_next
        ret

# Copies the message at rsi (length byte, then text) to the name at rdi. The bug: nobody compares with NAME_ROOM.
copy_name:
        movzbl  (%rsi), %ecx
        inc     %rsi
1:      mov     (%rsi), %al
        mov     %al, (%rdi)
        inc     %rsi
        inc     %rdi
        dec     %ecx
        jnz     1b
        ret

greet:
        call    print
        mov     $newline, %edi
        jmp     print

# Mixes numbers and stores them, so that a watchpoint has something to sift.
work:
        mov     $200000, %ecx
        mov     $1, %eax
1:      imul    $1103515245, %eax, %eax
        add     $12345, %eax
        mov     %eax, %edx
        and     $0xff8, %edx
        mov     %eax, scratch(%rdx)
        dec     %ecx
        jnz     1b
        ret

page_fault:
        add     $8, %rsp                # the error code
        mov     $crash, %edi
        mov     (%rsp), %rbx            # RIP of the fault
        call    print
        mov     %rbx, %rdi
        call    print_hex
        mov     $0x42, %edi
        jmp     exit

        .section .rodata
messages:
        .byte   6
        .ascii  "alice\0"
        .byte   4
        .ascii  "bob\0"
        .byte   NAME_ROOM + 8 + 16      # room, the neighbour's size word, the neighbour
        .ascii  "mallory, whose name is far too long for the room"
        .quad   0x0000414141414141      # the handler: an address that is not mapped
copied: .asciz  "copied a name\n"
calling:
        .asciz  "calling the handler\n"
newline:
        .asciz  "\n"
crash:  .asciz  "crash: page fault at "

        .data
        .balign 8
heap_next:
        .quad   heap

        .bss
        .balign 4096
heap:   .skip   4096
scratch:
        .skip   4096
