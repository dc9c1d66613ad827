//! The processes in the order of a family tree.

use super::absent::Known;
use super::task::Task;
use super::view::View;
use std::collections::{BTreeMap, BTreeSet};

/// A process and how many ancestors stand above it in the list.
#[derive(Clone, Copy)]
pub struct Branch<'v> {
    /// 0 for those whose parent is not in the list.
    pub depth: usize,
    /// The process.
    pub task: Task<'v>,
}

impl<'v> View<'v> {
    /// Every process, each before its children, siblings in the order of their start.
    pub fn process_tree(&'v self) -> Known<Vec<Branch<'v>>> {
        let all = self.processes()?;
        let known: BTreeSet<u64> = all.iter().map(|task| task.address()).collect();
        let mut children: BTreeMap<Option<u64>, Vec<Task>> = BTreeMap::new();
        for task in &all {
            let parent = task.parent().ok().map(Task::address).filter(|at| known.contains(at) && *at != task.address());
            children.entry(parent).or_default().push(*task);
        }
        let mut ordered = Vec::new();
        let first = children.remove(&None).unwrap_or_default();
        let mut waiting: Vec<Branch> = first.into_iter().rev().map(|task| Branch { depth: 0, task }).collect();
        while let Some(branch) = waiting.pop() {
            ordered.push(branch);
            let young = children.remove(&Some(branch.task.address())).unwrap_or_default();
            waiting.extend(young.into_iter().rev().map(|task| Branch { depth: branch.depth + 1, task }));
        }
        // Only corrupt memory has parents in a circle; nobody is dropped for it.
        ordered.extend(children.into_values().flatten().map(|task| Branch { depth: 0, task }));
        Ok(ordered)
    }
}
