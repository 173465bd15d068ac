//! The timing wheel: which keys to look at on each tick.
//!
//! Seven levels of 64 slots, the lowest of one millisecond each. A node stands in the slot of
//! its deadline at the finest level that can still tell it from now, and sinks a level
//! each time the hand reaches its slot; moving a deadline unlinks and links one node.
//! A node holds the exact deadline, so time is exact at every distance.

const LEVELS: usize = 7;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Deadlines further off than this are looked at again then. One slot less than a whole turn of the
/// highest level, so that a node never stands in the slot that the hand is in.
const SPAN_MAX: u64 = 63 << (BITS * (LEVELS as u32 - 1));

/// What is due: a whole key, a field of the hash that it holds, or a member of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Key,
    Fields,
    Members,
}

#[derive(Clone, Copy, Debug)]
struct WheelNode {
    deadline_ms: u64,
    /// The entry's position in its table; kept right by the table when entries move.
    entry: u32,
    next: u32,
    prev: u32,
    slot: u16,
    subject: Subject,
}

/// Timers of one table. Ids start at 1; 0 says "no timer" wherever an id is kept.
#[derive(Debug)]
pub struct Wheel {
    /// All time before this has been swept.
    hand_ms: u64,
    nodes: Vec<WheelNode>,
    /// The first unused node, linked by `next`; 0 for none.
    free: u32,
    /// The first node of each slot; a level is made when its first node comes.
    heads: [Option<Box<[u32; SLOTS]>>; LEVELS],
    /// A bit for each slot that holds a node.
    taken: [u64; LEVELS],
    /// Nodes of whole keys, and the sum of their deadlines, from which the mean time to live follows.
    keys: usize,
    deadline_sum_ms: u128,
    /// Nodes of hashes whose fields have deadlines.
    hashes: usize,
    /// Nodes of sets whose members have deadlines.
    sets: usize,
}

impl Wheel {
    pub fn new(now_ms: u64) -> Self {
        Wheel {
            hand_ms: now_ms,
            nodes: Vec::new(),
            free: 0,
            heads: [const { None }; LEVELS],
            taken: [0; LEVELS],
            keys: 0,
            deadline_sum_ms: 0,
            hashes: 0,
            sets: 0,
        }
    }

    /// How many keys, not counting parts of their values, have a deadline.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The sum of the deadlines of those keys.
    pub fn deadline_sum_ms(&self) -> u128 {
        self.deadline_sum_ms
    }

    /// How many hashes have fields with a deadline.
    pub fn hashes(&self) -> usize {
        self.hashes
    }

    /// How many sets have members with a deadline.
    pub fn sets(&self) -> usize {
        self.sets
    }

    /// Takes a node into the counts.
    fn count(&mut self, id: u32) {
        let WheelNode {
            subject,
            deadline_ms,
            ..
        } = *self.node(id);
        match subject {
            Subject::Key => {
                self.keys += 1;
                self.deadline_sum_ms += u128::from(deadline_ms);
            }
            Subject::Fields => self.hashes += 1,
            Subject::Members => self.sets += 1,
        }
    }

    /// Takes a node out of the counts.
    fn discount(&mut self, id: u32) {
        let WheelNode {
            subject,
            deadline_ms,
            ..
        } = *self.node(id);
        match subject {
            Subject::Key => {
                self.keys -= 1;
                self.deadline_sum_ms -= u128::from(deadline_ms);
            }
            Subject::Fields => self.hashes -= 1,
            Subject::Members => self.sets -= 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.taken == [0; LEVELS]
    }

    pub fn add(&mut self, entry: u32, deadline_ms: u64, subject: Subject) -> u32 {
        let node = WheelNode {
            deadline_ms,
            entry,
            next: 0,
            prev: 0,
            slot: 0,
            subject,
        };
        let id = if self.free == 0 {
            self.nodes.push(node);
            self.nodes.len() as u32
        } else {
            let id = self.free;
            self.free = self.node(id).next;
            *self.node_mut(id) = node;
            id
        };
        self.count(id);
        self.link(id);
        id
    }

    pub fn remove(&mut self, id: u32) {
        self.unlink(id);
        self.discount(id);
        self.node_mut(id).next = self.free;
        self.free = id;
        if self.is_empty() {
            self.nodes = Vec::new();
            self.free = 0;
            self.heads = [const { None }; LEVELS];
        }
    }

    pub fn deadline(&self, id: u32) -> u64 {
        self.node(id).deadline_ms
    }

    /// What a timer stands for, if there is one of this id.
    pub fn timer(&self, id: u32) -> Option<Due> {
        let node = self.nodes.get((id as usize).checked_sub(1)?)?;
        Some(Due {
            entry: node.entry,
            subject: node.subject,
            deadline_ms: node.deadline_ms,
        })
    }

    /// Timers in the lists of all slots, each of which is walked over; nothing where a list is broken.
    pub fn linked(&self) -> Option<usize> {
        let mut linked = 0;
        for at in 0..LEVELS * SLOTS {
            let (level, slot) = (at / SLOTS, at % SLOTS);
            let mut before = 0;
            let mut id = self.head(level, slot);
            if (id != 0) != (self.taken[level] >> slot & 1 == 1) {
                return None;
            }
            while id != 0 {
                let node = self.nodes.get(id as usize - 1)?;
                linked += 1;
                if node.prev != before || usize::from(node.slot) != at || linked > self.nodes.len()
                {
                    return None;
                }
                (before, id) = (id, node.next);
            }
        }
        Some(linked)
    }

    pub fn set_deadline(&mut self, id: u32, deadline_ms: u64) {
        self.unlink(id);
        self.discount(id);
        self.node_mut(id).deadline_ms = deadline_ms;
        self.count(id);
        self.link(id);
    }

    /// The entry of this timer now stands elsewhere.
    pub fn moved(&mut self, id: u32, entry: u32) {
        self.node_mut(id).entry = entry;
    }

    /// A position whose deadline isn't after `now_ms`, with the lateness in milliseconds. The node stays:
    /// the caller removes it with the key. At most `*effort` nodes are looked at.
    pub fn due(&mut self, now_ms: u64, effort: &mut usize) -> Option<Due> {
        while *effort > 0 {
            let (level, slot, start) = self.first_slot()?;
            if start > now_ms {
                // Nothing stands between the hand and now, so the hand may go there.
                self.hand_ms = self.hand_ms.max(now_ms);
                return None;
            }
            *effort -= 1;
            self.hand_ms = self.hand_ms.max(start);
            let id = self.head(level, slot);
            let node = *self.node(id);
            if node.deadline_ms <= now_ms {
                return Some(Due {
                    entry: node.entry,
                    subject: node.subject,
                    deadline_ms: node.deadline_ms,
                });
            }
            // The hand stands at this slot now, so the node finds a finer one.
            self.unlink(id);
            self.link(id);
        }
        None
    }

    /// A lower bound of the next deadline.
    pub fn next_due(&self) -> Option<u64> {
        self.first_slot().map(|(_, _, start)| start)
    }

    /// Nodes whose deadline isn't after `now_ms`: what a report of the backlog counts.
    pub fn due_count(&self, now_ms: u64) -> usize {
        let mut count = 0;
        for level in 0..LEVELS {
            for slot in 0..SLOTS {
                if self.taken[level] & 1 << slot == 0 || self.start(level, slot) > now_ms {
                    continue;
                }
                let mut id = self.head(level, slot);
                while id != 0 {
                    let node = self.node(id);
                    count += usize::from(node.deadline_ms <= now_ms);
                    id = node.next;
                }
            }
        }
        count
    }

    pub fn heap_bytes(&self) -> usize {
        let levels = self.heads.iter().flatten().count() * size_of::<[u32; SLOTS]>();
        size_of::<Self>() + levels + self.nodes.capacity() * size_of::<WheelNode>()
    }

    /// What [`Wheel::heap_bytes`] tells without the nodes in use: their going frees nothing.
    pub fn vacant_bytes(&self) -> usize {
        self.heap_bytes() - (self.keys + self.hashes + self.sets) * size_of::<WheelNode>()
    }

    fn head(&self, level: usize, slot: usize) -> u32 {
        self.heads[level].as_ref().map_or(0, |heads| heads[slot])
    }

    fn set_head(&mut self, level: usize, slot: usize, id: u32) {
        self.heads[level].get_or_insert_with(|| Box::new([0; SLOTS]))[slot] = id;
    }

    fn node(&self, id: u32) -> &WheelNode {
        &self.nodes[id as usize - 1]
    }

    fn node_mut(&mut self, id: u32) -> &mut WheelNode {
        &mut self.nodes[id as usize - 1]
    }

    /// The slot with the earliest start, and that start.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let mut first: Option<(usize, usize, u64)> = None;
        for level in 0..LEVELS {
            if self.taken[level] == 0 {
                continue;
            }
            let shift = BITS * level as u32;
            let here = (self.hand_ms >> shift) as usize % SLOTS;
            // Slots before the hand belong to the wheel's next turn.
            let ahead = self.taken[level].rotate_right(here as u32).trailing_zeros() as usize;
            let slot = (here + ahead) % SLOTS;
            let start = self.start(level, slot);
            if first.is_none_or(|(_, _, earliest)| start < earliest) {
                first = Some((level, slot, start));
            }
        }
        first
    }

    /// The time at which the hand reaches a slot, now if it stands there.
    fn start(&self, level: usize, slot: usize) -> u64 {
        let turns = self.hand_ms >> (BITS * level as u32);
        let ahead = (slot + SLOTS - turns as usize % SLOTS) % SLOTS;
        ((turns + ahead as u64) << (BITS * level as u32)).max(self.hand_ms)
    }

    fn link(&mut self, id: u32) {
        let deadline = self
            .node(id)
            .deadline_ms
            .clamp(self.hand_ms, self.hand_ms + SPAN_MAX);
        // The level is that of the highest digit in which deadline and hand differ: there the
        // slot is ahead of the hand within the present turn.
        let differ = deadline ^ self.hand_ms;
        let level = if differ == 0 {
            0
        } else {
            (63 - differ.leading_zeros()) / BITS
        };
        let level = (level as usize).min(LEVELS - 1);
        let slot = (deadline >> (BITS * level as u32)) as usize % SLOTS;
        let head = self.head(level, slot);
        if head != 0 {
            self.node_mut(head).prev = id;
        }
        let node = self.node_mut(id);
        node.next = head;
        node.prev = 0;
        node.slot = (level * SLOTS + slot) as u16;
        self.set_head(level, slot, id);
        self.taken[level] |= 1 << slot;
    }

    fn unlink(&mut self, id: u32) {
        let WheelNode {
            next, prev, slot, ..
        } = *self.node(id);
        let (level, slot) = (slot as usize / SLOTS, slot as usize % SLOTS);
        if next != 0 {
            self.node_mut(next).prev = prev;
        }
        if prev != 0 {
            self.node_mut(prev).next = next;
        } else {
            self.set_head(level, slot, next);
            if next == 0 {
                self.taken[level] &= !(1 << slot);
            }
        }
    }
}

/// A timer that has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub entry: u32,
    pub subject: Subject,
    pub deadline_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes all that is due at `now`, and returns the entries.
    fn sweep(
        wheel: &mut Wheel,
        ids: &mut std::collections::HashMap<u32, u32>,
        now: u64,
    ) -> Vec<u32> {
        let mut out = Vec::new();
        let mut effort = usize::MAX;
        while let Some(due) = wheel.due(now, &mut effort) {
            wheel.remove(ids.remove(&due.entry).unwrap());
            out.push(due.entry);
        }
        out.sort_unstable();
        out
    }

    #[test]
    fn every_timer_runs_out_exactly_at_its_deadline() {
        let mut random = fastrand::Rng::with_seed(7);
        for start in [0, 63, 1_700_000_000_123] {
            let mut wheel = Wheel::new(start);
            let mut ids = std::collections::HashMap::new();
            let mut deadlines = std::collections::HashMap::new();
            let mut now = start;
            for step in 0..20_000u32 {
                let span = 1u64 << random.u32(0..40);
                let deadline = now + random.u64(0..span);
                ids.insert(step, wheel.add(step, deadline, Subject::Key));
                deadlines.insert(step, deadline);
                if random.u8(..) < 60 {
                    let again = now + random.u64(0..span);
                    let at = random.u32(0..=step);
                    if let Some(id) = ids.get(&at) {
                        wheel.set_deadline(*id, again);
                        deadlines.insert(at, again);
                    }
                }
                now += random.u64(0..200);
                let swept = sweep(&mut wheel, &mut ids, now);
                let mut due: Vec<u32> = deadlines
                    .iter()
                    .filter(|(_, at)| **at <= now)
                    .map(|(entry, _)| *entry)
                    .collect();
                due.sort_unstable();
                assert_eq!(swept, due, "at step {step}");
                due.iter().for_each(|entry| {
                    deadlines.remove(entry);
                });
                let earliest = deadlines.values().min().copied();
                assert!(wheel.next_due() <= earliest, "the bound is a lower one");
                assert_eq!(wheel.keys(), deadlines.len());
                let sum: u128 = deadlines.values().map(|at| u128::from(*at)).sum();
                assert_eq!(wheel.deadline_sum_ms(), sum);
            }
        }
    }

    #[test]
    fn deadlines_beyond_the_wheel_wait_their_turn() {
        let mut wheel = Wheel::new(1000);
        let id = wheel.add(0, u64::MAX, Subject::Key);
        assert_eq!(wheel.deadline(id), u64::MAX);
        let mut effort = 1000;
        assert_eq!(wheel.due(1000 + 3 * SPAN_MAX, &mut effort), None);
        assert!(effort > 900, "a far deadline costs a look a turn");
    }
}
