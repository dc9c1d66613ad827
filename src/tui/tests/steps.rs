//! What keys do to the state.

use super::super::model::{Overlay, Pane};
use super::super::update::Msg;
use super::super::work::{Answer, Move, Request, Sought, Trouble};
use super::fixed::{END, ROWS, START, World, at, sight};
use crate::moment::Moment;
use crate::session::{Destination, Direction, Memory};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// A key by the name that the table has for it.
pub fn key(name: &str) -> KeyEvent {
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "right" => KeyCode::Right,
        "end" => KeyCode::End,
        "home" => KeyCode::Home,
        "pagedown" => KeyCode::PageDown,
        "ctrl-c" => return KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        one => KeyCode::Char(one.chars().next().expect("a key has a name")),
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn world() -> World {
    World::new((80, 24))
}

#[test]
fn a_step_is_asked_for_and_its_sight_is_shown() {
    let mut world = world();
    world.arrives = START + 1;
    world.press("s");
    assert_eq!(world.asked, [Request::Go(Move::Step(Direction::Forward))]);
    assert_eq!(world.model.now(), Moment(START + 1));
    assert!(world.model.before.is_some(), "what changed can be told");
}

#[test]
fn goto_takes_every_way_to_write_a_place() {
    let mut world = world();
    for (text, wanted) in [
        ("75%", Move::Go(Destination::Percent(75.0))),
        ("1.5s", Move::Go(Destination::GuestTime(1_500_000_000))),
        ("-20", Move::Go(Destination::Earlier(20))),
        ("crash", Move::Visit(at(1_900_000_000))),
        ("vfs_write", Move::Symbol("vfs_write".into())),
        ("__x64_sys_write", Move::Symbol("__x64_sys_write".into())),
        ("0xffffffff81200000", Move::Execution(Direction::Forward, 0xffff_ffff_8120_0000)),
    ] {
        world.asked.clear();
        world.press("g");
        world.enter(text);
        assert_eq!(world.asked.first(), Some(&Request::Go(wanted)), "{text}");
    }
    world.press("g");
    world.enter("101%");
    assert!(world.model.message.as_ref().is_some_and(|m| m.is_trouble && m.text.contains("101%")));
}

#[test]
fn back_and_forward_go_through_places_and_a_walk_of_steps_is_one() {
    let mut world = world();
    let go = |world: &mut World, keys: &str, to: u64| {
        world.arrives = to;
        world.press(keys);
    };
    go(&mut world, "c", 2000);
    go(&mut world, "s", 2001);
    go(&mut world, "s", 2002);
    go(&mut world, "c", 3000);
    assert_eq!(world.model.visited.back, [at(START), at(2000), at(2002)]);
    go(&mut world, "[", 2002);
    go(&mut world, "[", 2000);
    assert_eq!(world.asked.last(), Some(&Request::Go(Move::Visit(at(2000)))));
    assert_eq!(world.model.visited.ahead, [at(3000), at(2002)]);
    go(&mut world, "]", 2002);
    assert_eq!(world.model.visited.back, [at(START), at(2000)]);
    go(&mut world, "c", 9000);
    assert!(world.model.visited.ahead.is_empty(), "a new way ends the old one");
}

#[test]
fn keys_wait_while_something_runs_and_escape_ends_all_of_it() {
    let mut world = world();
    world.is_slow = true;
    world.press("W s s");
    assert_eq!(world.asked.len(), 1, "one at a time");
    assert_eq!(world.model.work.waiting.len(), 2);
    world.press("esc");
    assert_eq!((world.cancelled, world.model.work.waiting.len()), (1, 0));
    world.press("esc");
    assert_eq!(world.cancelled, 1, "once is enough");
    world.end(Err(Trouble::Cancelled));
    assert!(world.model.work.current.is_none());
    assert_eq!(world.model.message.as_ref().map(|m| m.text.as_str()), Some("cancelled"));
}

#[test]
fn an_answer_that_nobody_waits_for_is_passed_over() {
    let mut world = world();
    world.tell(Msg::Answer(1, Ok(Answer::Moved { sight: Box::new(sight(7)), said: None })));
    assert_eq!(world.model.now(), Moment(START));
}

#[test]
fn of_many_places_to_go_to_only_the_last_one_counts() {
    let mut world = world();
    world.is_slow = true;
    let drag = |column| MouseEvent {
        kind: MouseEventKind::Drag(MouseButton::Left),
        column,
        row: 3,
        modifiers: KeyModifiers::NONE,
    };
    for column in 20..60 {
        world.tell(Msg::Mouse(drag(column)));
    }
    assert_eq!(world.model.work.waiting.len(), 1);
    let shown = world.model.shown();
    assert_eq!((shown.from, shown.to, shown.columns), (0, END, 69));
    let last = Destination::At(Moment(shown.moment(59 - 11)));
    assert_eq!(world.model.work.waiting.front(), Some(&Request::Go(Move::Go(last))));
}

#[test]
fn the_time_bar_zooms_to_single_instructions_and_follows() {
    let mut world = world();
    world.press("+ + + + + + + + + + + + + + +");
    let (from, to) = world.model.stretch.expect("it is zoomed");
    assert_eq!(to - from, 69, "a column is an instruction");
    assert!((from..to).contains(&START));
    world.arrives = 5;
    world.press("C");
    let (from, to) = world.model.stretch.expect("it is still zoomed");
    assert!((from..to).contains(&5));
    world.press("0");
    assert_eq!(world.model.stretch, None);
}

#[test]
fn the_cursor_in_code_and_memory_is_what_commands_are_about() {
    let mut world = world();
    world.press("down X");
    let next = 0xffff_ffff_8120_1044;
    assert_eq!(world.asked.last(), Some(&Request::Go(Move::Execution(Direction::Backward, next))));
    world.press("3 right right down W");
    let asked = format!("{:?}", world.asked.last().expect("it was asked"));
    assert!(asked.contains(&format!("Linear({}", 0xffff_c900_0000_3e00_u64 + 2 + 8)), "{asked}");
}

#[test]
fn a_bookmark_has_a_name_and_a_note_and_is_gone_to_from_the_list() {
    let mut world = world();
    world.press("m");
    world.enter("filled here the buffer is filled");
    let (name, note) = ("filled".to_owned(), "here the buffer is filled".to_owned());
    assert_eq!(world.asked.last(), Some(&Request::Mark { name, note }));
    world.press("' enter");
    assert_eq!(world.asked.last(), Some(&Request::Go(Move::Visit(at(START)))));
    world.press("' d esc");
    assert_eq!(world.asked.last(), Some(&Request::Unmark("filled".into())));
}

#[test]
fn a_process_that_is_chosen_is_the_one_that_is_looked_at() {
    let mut world = world();
    world.press("6 down down enter");
    assert_eq!(world.model.pid, Some(2));
    world.press("up enter 7");
    let wish = world.model.wish();
    assert_eq!((wish.pid, wish.maps), (Some(42), true));
    world.press("f");
    assert_eq!(world.model.wish().pid, None);
}

#[test]
fn a_table_of_fifty_million_rows_scrolls_with_a_page_at_hand() {
    let mut world = world();
    world.press("9 end");
    let tables = &world.model.tables;
    assert_eq!(tables.len() as u64, ROWS);
    assert_eq!(tables.moment(), Some((ROWS - 1) * 40));
    let page = tables.page.as_ref().expect("it was read");
    assert!(page.rows.len() < 200, "{}", page.rows.len());
    world.press("enter");
    assert_eq!(world.asked.last(), Some(&Request::Go(Move::Go(Destination::At(Moment((ROWS - 1) * 40))))));
}

#[test]
fn a_table_is_filtered_while_the_filter_is_typed_and_sorted_by_the_marked_column() {
    let mut world = world();
    world.press("9 / r e a d");
    assert_eq!(world.model.tables.count, Some(250));
    world.press("enter right right right >");
    assert_eq!(world.model.tables.sort, Some(("ret".to_owned(), false)));
    world.press(">");
    assert_eq!(world.model.tables.sort, Some(("ret".to_owned(), true)));
    world.press(">");
    assert_eq!(world.model.tables.sort, None);
    world.press("Q");
    world.enter("nonsense");
    assert!(world.model.tables.trouble.as_ref().is_some_and(|why| why.contains("nonsense")));
}

#[test]
fn what_is_found_in_memory_is_listed_and_gone_to() {
    let mut world = world();
    world.press("b");
    world.enter("hex: 73 65");
    assert_eq!(world.asked.last(), Some(&Request::Find(Sought::Bytes(vec![0x73, 0x65]))));
    world.press("down enter");
    assert_eq!(world.asked.last(), Some(&Request::Go(Move::Go(Destination::At(Moment(100_000))))));
    assert_eq!((world.model.window.memory, world.model.memory_cursor()), (Memory::Physical, 0x20_1000));
    assert_eq!(Sought::read("/a+/"), Ok(Sought::Expression("a+".into())));
    assert!(Sought::read("hex: 7").is_err());
}

#[test]
fn the_palette_does_what_is_chosen() {
    let mut world = world();
    world.press(":");
    world.enter("all bookmarks");
    assert!(matches!(world.model.overlay, Some(Overlay::Marks(_))));
}

#[test]
fn search_goes_through_the_pane_both_ways() {
    let mut world = world();
    world.press("5 home /");
    world.enter("root:x");
    assert_eq!(world.model.list(Pane::Console).cursor, 2);
    world.press("{");
    assert!(world.model.message.as_ref().is_some_and(|m| m.is_trouble));
    world.press("y");
    assert_eq!(world.copied, ["root:x:0:0:root:/root:/bin/sh"]);
}

#[test]
fn a_resize_keeps_everything_and_reads_what_is_seen_now() {
    let mut world = world();
    world.press("3 right");
    world.tell(Msg::Resize(120, 40));
    assert_eq!(world.model.size, (120, 40));
    assert_eq!(world.model.memory_cursor(), 0xffff_c900_0000_3e01);
    for size in [(20, 5), (60, 16), (300, 100)] {
        world.tell(Msg::Resize(size.0, size.1));
        let screen = super::super::once::draw(&world.model);
        assert_eq!(screen.lines().count(), usize::from(size.1));
    }
}
