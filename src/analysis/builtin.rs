//! The tables that no plugin makes: `symbols`, which the host fills from what it knows of the kernel.

use reenact_plugin::{About, ArgumentError, Arguments, Column, Kind, Plugin, Runnable, Table};

/// Kernel symbols by address.
pub const SYMBOLS: Table = Table {
    name: "symbols",
    about: "A symbol of the guest's kernel or of one of its modules",
    columns: &[
        Column::new("moment", Kind::Moment, "when the table was made: the end of the recording"),
        Column::new("address", Kind::Address, "where it begins"),
        Column::new("name", Kind::Text, "its name"),
    ],
};

/// Who makes them.
pub const ABOUT: About = About {
    name: "builtin",
    version: 1,
    summary: "what the host knows without a plugin",
    arguments: &[],
    tables: &[SYMBOLS],
    is_default: true,
};

/// Stands for who makes them where plugins are listed.
pub static PLUGIN: &dyn Plugin = &Host;

struct Host;

impl Plugin for Host {
    fn about(&self) -> About {
        ABOUT
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Err(ArgumentError("the host makes these tables itself; there is nothing to run".to_owned()))
    }
}

/// Each of them, with who makes it.
pub fn tables() -> impl Iterator<Item = (About, Table)> {
    ABOUT.tables.iter().map(|table| (ABOUT, *table))
}
