//! The keyboard controller and what is plugged into it.

use super::*;

/// A controller with a clock that moves on as the test waits.
struct Bench {
    chip: I8042,
    now_ns: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench { chip: I8042::default(), now_ns: 0 }
    }

    fn command(&mut self, value: u8) -> bool {
        self.chip.write_command(value, self.now_ns)
    }

    fn data(&mut self, value: u8) -> bool {
        self.chip.write_data(value, self.now_ns)
    }

    /// Everything that arrives until the controller has no more, with its source.
    fn drain(&mut self) -> Vec<(u8, bool)> {
        let mut bytes = Vec::new();
        while let Some(at) = self.chip.next_event() {
            self.now_ns = at;
            let status = self.chip.read_status(at);
            assert_eq!(status & status::OUTPUT_FULL, status::OUTPUT_FULL);
            bytes.push((self.chip.read_data(at), status & status::AUXILIARY != 0));
        }
        bytes
    }

    fn keyboard_answer(&mut self, value: u8) -> Vec<u8> {
        self.data(value);
        self.answer(false)
    }

    fn mouse_answer(&mut self, value: u8) -> Vec<u8> {
        self.command(0xd4);
        self.data(value);
        self.answer(true)
    }

    fn answer(&mut self, is_auxiliary: bool) -> Vec<u8> {
        self.drain()
            .into_iter()
            .map(|(byte, from)| {
                assert_eq!(from, is_auxiliary);
                byte
            })
            .collect()
    }
}

#[test]
fn controller_passes_its_tests() {
    let mut bench = Bench::new();
    for (command, answer) in [(0xaa, 0x55), (0xab, 0), (0xa9, 0), (0xd0, OUTPUT_PORT)] {
        assert!(!bench.command(command));
        assert_eq!(bench.drain(), [(answer, false)]);
    }
}

#[test]
fn configuration_is_kept() {
    let mut bench = Bench::new();
    bench.command(0x60);
    bench.data(0x03);
    bench.command(0x20);
    assert_eq!(bench.drain(), [(0x03, false)]);
    bench.command(0xa7);
    bench.command(0xad);
    bench.command(0x20);
    assert_eq!(bench.drain(), [(0x33, false)]);
}

#[test]
fn auxiliary_loop_returns_its_byte_with_interrupt_12() {
    let mut bench = Bench::new();
    bench.command(0x60);
    bench.data(0x02);
    bench.command(0xd3);
    bench.data(0xa5);
    bench.now_ns = bench.chip.next_event().expect("a byte is under way");
    bench.chip.advance(bench.now_ns);
    assert!(bench.chip.auxiliary_irq() && !bench.chip.keyboard_irq());
    assert_eq!(bench.chip.read_data(bench.now_ns), 0xa5);
    assert!(!bench.chip.auxiliary_irq());
}

#[test]
fn each_byte_makes_an_interrupt_edge() {
    let mut bench = Bench::new();
    bench.data(0xf2);
    for expected in [0xfa, 0xab, 0x41] {
        assert!(!bench.chip.keyboard_irq());
        let at = bench.chip.next_event().expect("a byte is under way");
        bench.chip.advance(at);
        assert!(bench.chip.keyboard_irq());
        assert_eq!(bench.chip.read_data(at), expected);
    }
}

#[test]
fn keyboard_answers_as_a_driver_expects() {
    let mut bench = Bench::new();
    for (value, answer) in [
        (0xff, vec![0xfa, 0xaa]),
        (0xed, vec![0xfa]),
        (0x02, vec![0xfa]),
        (0xf0, vec![0xfa]),
        (0x00, vec![0xfa, 0x41]),
        (0xf4, vec![0xfa]),
        (0xee, vec![0xee]),
        (0x12, vec![0xfe]),
    ] {
        assert_eq!(bench.keyboard_answer(value), answer, "to {value:#x}");
    }
}

#[test]
fn mouse_answers_as_a_driver_expects() {
    let mut bench = Bench::new();
    for (value, answer) in [
        (0xff, vec![0xfa, 0xaa, 0x00]),
        (0xf2, vec![0xfa, 0x00]),
        (0xe8, vec![0xfa]),
        (0x03, vec![0xfa]),
        (0xf3, vec![0xfa]),
        (0x50, vec![0xfa]),
        (0xf4, vec![0xfa]),
        (0xe9, vec![0xfa, 0x20, 0x03, 0x50]),
        (0xee, vec![0xfa]),
        (0x17, vec![0x17]),
        (0xec, vec![0xfa]),
        (0xe1, vec![0xfe]),
    ] {
        assert_eq!(bench.mouse_answer(value), answer, "to {value:#x}");
    }
}

#[test]
fn reset_line_follows_pulse_and_output_port() {
    let mut bench = Bench::new();
    assert!(bench.command(0xfe));
    assert!(!bench.command(0xff));
    bench.command(0xd1);
    assert!(!bench.data(0xdd));
    bench.command(0xd1);
    assert!(bench.data(0x02));
}

#[test]
fn commands_nobody_reads_do_not_pile_up() {
    let mut bench = Bench::new();
    for _ in 0..1000 {
        bench.command(0xaa);
    }
    assert!(bench.drain().len() <= QUEUE_BYTES);
}

#[test]
fn restored_controller_saves_to_equal_bytes() {
    let mut bench = Bench::new();
    bench.data(0xf2);
    bench.command(0xd4);
    bench.data(0xe8);
    let bytes = postcard::to_stdvec(&bench.chip).expect("plain data");
    let back: I8042 = postcard::from_bytes(&bytes).expect("written just now");
    assert_eq!(back, bench.chip);
    assert_eq!(postcard::to_stdvec(&back).expect("plain data"), bytes);
}
