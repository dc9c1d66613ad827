//! The plugins that are built in: those that Cargo.toml names, one line each (build.rs makes the list).

use reenact_plugin::{About, Plugin, Table};

/// All of them, in the order of their names.
pub static PLUGINS: &[&dyn Plugin] = include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// The plugin of a name.
pub fn find(name: &str) -> Option<&'static dyn Plugin> {
    PLUGINS.iter().copied().find(|p| p.about().name == name)
}

/// Every table of every plugin, with what its plugin says of itself.
pub fn tables() -> impl Iterator<Item = (About, Table)> {
    PLUGINS.iter().map(|p| p.about()).flat_map(|about| about.tables.iter().map(move |table| (about, *table)))
}
