//! What the facts guest printed: the text of files of /proc, by name.

use std::collections::{BTreeMap, BTreeSet};

pub struct Facts {
    files: BTreeMap<String, String>,
}

impl Facts {
    /// From the console; "@ NAME" opens each.
    pub fn parse(console: &str) -> Facts {
        let (printed, _) = console.split_once("@ end\n").expect("the guest printed to the end");
        let parts = printed.split("\n@ ").flat_map(|part| part.split_once('\n').or(Some((part, ""))));
        let files = parts.map(|(name, text)| (name.trim_start_matches("@ ").to_owned(), format!("{text}\n")));
        Facts { files: files.filter(|(name, _)| name.starts_with("/proc/")).collect() }
    }

    /// The text of a file, if it was printed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// The text of a file without its last line feed.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("the guest did not print {name}")).trim_end_matches('\n')
    }

    /// The words of a file's lines.
    #[track_caller]
    pub fn lines<'f>(&'f self, name: &str) -> impl Iterator<Item = Vec<&'f str>> + 'f {
        self.text(name).lines().map(|line| line.split_whitespace().collect())
    }

    /// Numbers that come as the next part of a name after `prefix`.
    pub fn numbers(&self, prefix: &str) -> BTreeSet<u32> {
        let parts = self.files.keys().filter_map(|name| name.strip_prefix(prefix)?.split('/').next()?.parse().ok());
        parts.collect()
    }

    /// The words behind `key:` in /proc/PID/status.
    #[track_caller]
    pub fn status(&self, pid: u32, key: &str) -> Vec<&str> {
        let text = self.text(&format!("/proc/{pid}/status"));
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key} of process {pid}")).split_whitespace().collect()
    }

    #[track_caller]
    pub fn numbers_of(&self, pid: u32, key: &str) -> Vec<u32> {
        self.status(pid, key).into_iter().map(|n| n.parse().expect("a number")).collect()
    }
}
