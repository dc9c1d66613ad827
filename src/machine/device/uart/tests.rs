//! The 16550: FIFOs, interrupt priorities, loopback.

use super::*;

fn interrupting() -> Uart {
    let mut uart = Uart::default();
    uart.write(0x3fa, 0x01);
    uart.write(0x3fc, 0x0b);
    uart
}

#[test]
fn linux_detects_a_16550a() {
    let mut uart = Uart::default();
    uart.write(0x3f9, 0);
    uart.write(0x3f9, 0x0f);
    assert_eq!(uart.read(0x3f9), 0x0f);
    uart.write(0x3fc, 0x1a);
    assert_eq!(uart.read(0x3fe) & 0xf0, 0x90);
    uart.write(0x3fa, 0x01);
    assert_eq!(uart.read(0x3fa) & 0xc0, 0xc0);
    uart.write(0x3ff, 0x5a);
    assert_eq!(uart.read(0x3ff), 0x5a);
    // A 16750 would show its 64-byte FIFO in bit 5.
    uart.write(0x3fb, 0x80);
    uart.write(0x3fa, 0x21);
    assert_eq!(uart.read(0x3fa) >> 5, 6);
}

#[test]
fn without_fifo_it_identifies_as_the_older_chip() {
    let mut uart = Uart::default();
    assert_eq!(uart.read(0x3fa), 0x01);
}

#[test]
fn enabling_the_transmit_interrupt_raises_it_and_identification_ends_it() {
    let mut uart = interrupting();
    for _ in 0..2 {
        uart.write(0x3f9, 0x02);
        assert!(uart.irq());
        assert_eq!(uart.read(0x3fa), 0xc2);
        assert!(!uart.irq());
        assert_eq!(uart.read(0x3fa), 0xc1);
        uart.write(0x3f9, 0x00);
    }
}

#[test]
fn writing_the_enable_again_does_not_raise_a_finished_transmit_interrupt() {
    let mut uart = interrupting();
    uart.write(0x3f9, 0x02);
    uart.read(0x3fa);
    uart.write(0x3f9, 0x03);
    assert!(!uart.irq());
    uart.write(0x3f8, b'x');
    assert!(uart.irq());
    assert_eq!(uart.take_output(), b"x");
}

#[test]
fn received_data_outranks_the_transmitter_and_stays_until_read() {
    let mut uart = interrupting();
    uart.write(0x3f9, 0x03);
    uart.receive(b"ab");
    assert_eq!(uart.read(0x3fa), 0xc4);
    assert_eq!(uart.read(0x3fa), 0xc4);
    assert_eq!((uart.read(0x3f8), uart.read(0x3f8)), (b'a', b'b'));
    assert_eq!(uart.read(0x3fa), 0xc2);
    assert!(!uart.irq());
}

#[test]
fn input_beyond_the_fifo_waits_and_arrives_in_order() {
    let mut uart = interrupting();
    let text: Vec<u8> = (0..=255).collect();
    uart.receive(&text);
    assert_eq!(uart.serial.state().in_buffer.len(), FIFO_BYTES);
    let mut read = Vec::new();
    while uart.read(0x3fd) & 1 != 0 {
        read.push(uart.read(0x3f8));
    }
    assert_eq!(read, text);
}

#[test]
fn clearing_the_fifo_drops_what_it_held_only() {
    let mut uart = interrupting();
    uart.receive(b"0123456789abcdefGH");
    uart.write(0x3fa, 0x07);
    assert_eq!(uart.read(0x3f8), b'G');
    assert_eq!(uart.read(0x3f8), b'H');
    assert_eq!(uart.read(0x3fd) & 1, 0);
}

#[test]
fn loopback_receives_what_is_sent_and_drives_no_line() {
    let mut uart = interrupting();
    uart.write(0x3f9, 0x01);
    uart.write(0x3fc, 0x1b);
    uart.write(0x3f8, 0x42);
    assert!(!uart.irq());
    assert_eq!(uart.read(0x3f8), 0x42);
    assert!(uart.take_output().is_empty());
    for byte in 0..17 {
        uart.write(0x3f8, byte);
    }
    assert_eq!(uart.read(0x3fd) & 0x03, 0x03);
    assert_eq!(uart.read(0x3fd) & 0x02, 0);
}

#[test]
fn interrupt_needs_out2() {
    let mut uart = Uart::default();
    uart.write(0x3fc, 0x03);
    uart.write(0x3f9, 0x02);
    assert!(!uart.irq());
    uart.write(0x3fc, 0x0b);
    assert!(uart.irq());
}

#[test]
fn restored_uart_saves_to_equal_bytes() {
    let mut uart = interrupting();
    uart.write(0x3f9, 0x03);
    uart.receive(b"more than sixteen bytes of input");
    uart.read(0x3f8);
    let bytes = postcard::to_stdvec(&uart.state()).expect("plain data");
    let back = Uart::from_state(postcard::from_bytes(&bytes).expect("written just now")).expect("it fits");
    assert_eq!(postcard::to_stdvec(&back.state()).expect("plain data"), bytes);
    assert_eq!(back.irq(), uart.irq());
}

#[test]
fn damaged_state_is_refused() {
    let mut state = Uart::default().state();
    state.registers.in_buffer = vec![0; 65];
    assert_eq!(Uart::from_state(state).err(), Some(TooManyReceived(65)));
}
