//! The links of all nodes, in rows of one width without pointers.
//!
//! Copies share chunks of rows, and whoever edits a shared chunk copies its bytes alone. The width follows the nodes: rows have
//! room for twice as many links as soon as one of them needs it, until they hold as many as a node may have.

use super::super::rows::Rows;

/// Before the links on level 0 stand how many they are, and where those of the other levels begin, with the node's level.
const HEAD: usize = 2;
/// Before the links on another level stands how many they are.
const UPPER_HEAD: usize = 1;
/// Bits of the node's level.
const LEVEL_BITS: u32 = 5;
/// The least room for links.
const ROOM_MIN: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct LinkTable {
    base: Rows<u32>,
    /// Rows of the levels from 1 on: those of a node follow each other.
    upper: Rows<u32>,
    /// Where rows of the levels from 1 on are free: by level, as many rows each time.
    free: Vec<Vec<u32>>,
}

impl LinkTable {
    pub fn new() -> Self {
        LinkTable {
            base: Rows::new(HEAD + ROOM_MIN),
            upper: Rows::new(UPPER_HEAD + ROOM_MIN),
            free: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.base.len()
    }

    pub fn heap_bytes(&self) -> usize {
        let free = self
            .free
            .iter()
            .map(|list| list.capacity() * size_of::<u32>());
        self.base.heap_bytes() + self.upper.heap_bytes() + free.sum::<usize>()
    }

    /// The first of a node's rows above level 0, and its level.
    fn above(&self, node: u32) -> (usize, usize) {
        let word = self.base.at(node as usize)[1];
        (
            (word >> LEVEL_BITS) as usize,
            (word & ((1 << LEVEL_BITS) - 1)) as usize,
        )
    }

    pub fn level(&self, node: u32) -> usize {
        self.above(node).1
    }

    #[inline]
    pub fn links(&self, node: u32, level: usize) -> &[u32] {
        if level == 0 {
            let row = self.base.at(node as usize);
            return &row[HEAD..HEAD + row[0] as usize];
        }
        let (first, levels) = self.above(node);
        if level > levels {
            return &[];
        }
        let row = self.upper.at(first + level - 1);
        &row[UPPER_HEAD..UPPER_HEAD + row[0] as usize]
    }

    /// Adds a node without links, and returns its number.
    pub fn push(&mut self, level: usize) -> u32 {
        let node = u32::try_from(self.len()).expect("no graph has billions of nodes");
        let first = match level {
            0 => 0,
            levels => self.take_upper(levels),
        };
        let head = [0, first << LEVEL_BITS | level as u32];
        let room = self.base.width() - HEAD;
        self.base
            .push(head.into_iter().chain(std::iter::repeat_n(0, room)));
        node
    }

    /// So many free rows above level 0.
    fn take_upper(&mut self, levels: usize) -> u32 {
        let free = self.free.get_mut(levels).and_then(Vec::pop);
        free.unwrap_or_else(|| {
            let first = self.upper.len();
            for _ in 0..levels {
                self.upper.push(std::iter::repeat_n(0, self.upper.width()));
            }
            assert!(
                first >> (u32::BITS - LEVEL_BITS) == 0,
                "no graph has billions of nodes"
            );
            first as u32
        })
    }

    /// Takes out a node without links; the last one takes its number.
    pub fn swap_remove(&mut self, node: u32) {
        let (first, levels) = self.above(node);
        if levels > 0 {
            let lists = self.free.len().max(levels + 1);
            self.free.resize(lists, Vec::new());
            self.free[levels].push(first as u32);
        }
        self.base.swap_remove(node as usize);
        if self.base.is_empty() {
            *self = LinkTable::new();
        }
    }

    /// Adds one half of a link. A node should have no more links on this level than `most`.
    pub fn add(&mut self, from: u32, to: u32, level: usize, most: usize) {
        let links = self.links(from, level).len();
        let (rows, head) = match level {
            0 => (&mut self.base, HEAD),
            _ => (&mut self.upper, UPPER_HEAD),
        };
        if head + links == rows.width() {
            // Few nodes ever have one more than they should.
            let room = if links < most {
                (2 * links).min(most)
            } else {
                links + 2
            };
            *rows = widened(rows, head + room);
        }
        let row = self.row_mut(from, level);
        row[0] += 1;
        row[head + links] = to;
    }

    pub fn remove(&mut self, from: u32, to: u32, level: usize) {
        let head = if level == 0 { HEAD } else { UPPER_HEAD };
        let row = self.row_mut(from, level);
        let links = head + row[0] as usize;
        let at = row[head..links].iter().position(|link| *link == to);
        row[head + at.expect("links are mutual")] = row[links - 1];
        row[0] -= 1;
    }

    /// Has a link lead to the same node under its new number.
    pub fn renumber(&mut self, from: u32, (old, new): (u32, u32), level: usize) {
        let head = if level == 0 { HEAD } else { UPPER_HEAD };
        let row = self.row_mut(from, level);
        let links = head + row[0] as usize;
        let half = row[head..links].iter_mut().find(|half| **half == old);
        *half.expect("links are mutual") = new;
    }

    fn row_mut(&mut self, node: u32, level: usize) -> &mut [u32] {
        if level == 0 {
            return self.base.at_mut(node as usize);
        }
        let (first, levels) = self.above(node);
        assert!(level <= levels, "a node has links on its levels alone");
        self.upper.at_mut(first + level - 1)
    }
}

fn widened(rows: &Rows<u32>, width: usize) -> Rows<u32> {
    let mut wide = Rows::new(width);
    for at in 0..rows.len() {
        let row = rows.at(at);
        let room = std::iter::repeat_n(0, width - row.len());
        wide.push(row.iter().copied().chain(room));
    }
    wide
}
