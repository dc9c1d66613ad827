//! Maple trees: what the kernel keeps a process's mappings in since 6.1.
//!
//! ```text
//! root     low bits 10 and above 4096: a node; else the only value, or 0
//! node at  address in all but the low 8 bits, kind in bits 3..7; in an inner node's slots bit 2 is set
//! node     pivots u64[n - 1], slots u64[n]; slot i holds what is up to and including pivot i, the last up to the node's own limit
//! kinds    0 dense, 1 leaf (n = 16), 2 inner (n = 16), 3 inner with gaps (n = 10)
//! ```
//! Source: include/linux/maple_tree.h and lib/maple_tree.c of 6.1. A node that is not full has a 0 or the limit behind
//! its last pivot, and other data in its last slot.

use super::absent::{Absent, Known, Why};
use super::layout::Member;
use super::view::View;

/// Nodes visited before the tree is taken for corrupt.
const MOST_NODES: usize = 1 << 18;
/// No tree that fits into an address space is deeper.
const DEEPEST: usize = 20;
const NODE_ADDRESS: u64 = !0xff;

const LEAF: u64 = 1;
const RANGE: u64 = 2;
const ARANGE: u64 = 3;

fn is_root_node(entry: u64) -> bool {
    entry & 3 == 2 && entry > 4096
}

fn is_inner_node(entry: u64) -> bool {
    entry & 7 == 4 && entry > 4096
}

struct Walk<'v> {
    view: &'v View<'v>,
    values: Vec<u64>,
    nodes: usize,
}

/// The pointers that a tree holds, ascending by what they are stored under, given its root entry.
pub(super) fn values<'v>(view: &'v View<'v>, root: u64) -> Known<Vec<u64>> {
    let mut walk = Walk { view, values: Vec::new(), nodes: 0 };
    if is_root_node(root) {
        walk.node(root, u64::MAX, 0)?;
    } else if root != 0 {
        walk.value(root);
    }
    Ok(walk.values)
}

fn broken(entry: u64) -> Absent {
    Why::Broken { at: entry & NODE_ADDRESS, expected: "a node of a maple tree" }.for_fact("memory map")
}

impl Walk<'_> {
    /// Small entries with low bits set are marks of the kernel, not pointers.
    fn value(&mut self, entry: u64) {
        if entry != 0 && entry & 3 == 0 {
            self.values.push(entry);
        }
    }

    fn node(&mut self, entry: u64, limit: u64, depth: usize) -> Known<()> {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            return Err(Why::Endless { limit: MOST_NODES }.for_fact("memory map"));
        }
        let kind = entry >> 3 & 15;
        let (pivots, slots) = match kind {
            LEAF | RANGE => (Member::MapleRangePivots, Member::MapleRangeSlots),
            ARANGE => (Member::MapleArangePivots, Member::MapleArangeSlots),
            _ => return Err(broken(entry)),
        };
        let node = self.view.object(entry & NODE_ADDRESS);
        let (pivots, slots) = (node.place(pivots)?, node.place(slots)?);
        let space = self.view.kernel();
        let pivot_count = slots.wrapping_sub(pivots) / 8;
        let mut last = None;
        for i in 0..=pivot_count {
            let pivot = match i {
                i if i == pivot_count => limit,
                i => match space.u64(pivots.wrapping_add(8 * i))? {
                    0 if i > 0 => limit,
                    pivot => pivot,
                },
            };
            if last.is_some_and(|last| pivot <= last) || pivot > limit {
                return Err(broken(entry));
            }
            last = Some(pivot);
            let slot = space.u64(slots.wrapping_add(8 * i))?;
            match kind {
                LEAF => self.value(slot),
                _ if is_inner_node(slot) => self.node(slot, pivot, depth + 1)?,
                _ => return Err(broken(entry)),
            }
            if pivot == limit {
                break;
            }
        }
        Ok(())
    }
}
