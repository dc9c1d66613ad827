//! The plugins that are built in, one line each.

use reenact_plugin::Plugin;

/// All of them, in the order in which they are listed and run.
pub static PLUGINS: &[&dyn Plugin] = &[];

/// The plugin of a name.
pub fn find(name: &str) -> Option<&'static dyn Plugin> {
    PLUGINS.iter().copied().find(|p| p.about().name == name)
}
