//! One stretch of a list: a listpack of elements, or one element too large
//! for that, standing alone as plain bytes. Copies share what is in it.

use crate::types::Piece;
use crate::types::listpack::Listpack;
use triomphe::Arc;

/// Bytes of a node for `list-max-listpack-size` -1 to -5.
const SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];

/// A node limited by its entries alone must not grow past this.
const SAFE_BYTES: usize = 8192;

/// What an entry may take beside its bytes: an estimate, on the safe side.
const ENTRY_OVERHEAD: usize = 8;

/// How much one node holds, as `list-max-listpack-size` says it.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    bytes: usize,
    entries: usize,
}

impl Room {
    /// Below zero a size class, else a number of entries.
    pub fn new(list_size: i64) -> Self {
        match usize::try_from(list_size) {
            Ok(entries) => Self {
                bytes: SAFE_BYTES,
                entries: entries.max(1),
            },
            Err(_) => {
                let class = list_size.unsigned_abs().min(SIZES.len() as u64) as usize;
                Self {
                    bytes: SIZES[class - 1],
                    entries: usize::MAX,
                }
            }
        }
    }

    pub fn holds(&self, bytes: usize, entries: usize) -> bool {
        bytes <= self.bytes && entries <= self.entries
    }

    /// Half of the room, of what limits it: a list that shrinks turns back
    /// here, so that one at the border does not turn over with every edit.
    pub fn half(&self) -> Self {
        if self.entries == usize::MAX {
            Self {
                bytes: self.bytes / 2,
                ..*self
            }
        } else {
            Self {
                entries: self.entries / 2,
                ..*self
            }
        }
    }

    fn is_too_small_for(&self, elem: &[u8]) -> bool {
        elem.len() > self.bytes
    }
}

/// A node and its number of elements. Never empty while it is in a list.
#[derive(Clone, Debug)]
pub struct ListNode {
    /// Kept here because an index walks over nodes without reading them.
    len: u32,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Packed(Arc<Listpack>),
    Plain(Arc<Box<[u8]>>),
}

/// A node for readers, and for who saves it.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    Packed(&'a Listpack),
    Plain(&'a [u8]),
}

impl ListNode {
    /// A new node of one element.
    pub fn of(elem: &[u8], room: &Room) -> Self {
        if room.is_too_small_for(elem) {
            return Self::plain(elem.into());
        }
        let mut pack = Listpack::new();
        pack.push_back(elem);
        Self::packed(pack)
    }

    pub fn packed(pack: Listpack) -> Self {
        Self {
            len: pack.len() as u32,
            body: Body::Packed(Arc::new(pack)),
        }
    }

    pub fn plain(elem: Box<[u8]>) -> Self {
        Self {
            len: 1,
            body: Body::Plain(Arc::new(elem)),
        }
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn heap_bytes(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.heap_bytes(),
            Body::Plain(elem) => elem.len(),
        }
    }

    pub fn view(&self) -> NodeRef<'_> {
        match &self.body {
            Body::Packed(pack) => NodeRef::Packed(pack),
            Body::Plain(elem) => NodeRef::Plain(elem),
        }
    }

    /// The listpack, where the node is one.
    pub fn into_packed(self) -> Option<Listpack> {
        match self.body {
            Body::Packed(pack) => Some(Arc::unwrap_or_clone(pack)),
            Body::Plain(_) => None,
        }
    }

    /// Whether `elem` may come into this node beside those it has.
    pub fn takes(&self, elem: &[u8], room: &Room) -> bool {
        self.takes_at_len(self.len() + 1, elem, room)
    }

    /// Whether `elem` may come into this node in the place of another.
    pub fn takes_instead(&self, elem: &[u8], room: &Room) -> bool {
        self.takes_at_len(self.len(), elem, room)
    }

    fn takes_at_len(&self, len: usize, elem: &[u8], room: &Room) -> bool {
        match &self.body {
            Body::Packed(pack) => {
                let bytes = pack.as_bytes().len() + elem.len() + ENTRY_OVERHEAD;
                !room.is_too_small_for(elem) && room.holds(bytes, len)
            }
            Body::Plain(_) => false,
        }
    }

    /// Whether the node would be a list of its own within `room`.
    pub fn fits_alone(&self, room: &Room) -> bool {
        match &self.body {
            Body::Packed(pack) => room.holds(pack.as_bytes().len(), self.len()),
            Body::Plain(_) => false,
        }
    }

    /// Whether the node and the one behind it may become one.
    pub fn takes_all_of(&self, next: &ListNode, room: &Room) -> bool {
        match (&self.body, &next.body) {
            (Body::Packed(pack), Body::Packed(more)) => room.holds(
                pack.as_bytes().len() + more.as_bytes().len(),
                self.len() + next.len(),
            ),
            _ => false,
        }
    }

    /// Puts `elem` in front of the element at `offset`; the node takes it.
    pub fn insert(&mut self, offset: usize, elem: &[u8]) {
        let pack = self.pack();
        match pack.seek(offset) {
            Some(cursor) => pack.insert(cursor, elem),
            None => pack.push_back(elem),
        }
        self.len += 1;
    }

    /// Gives back room that was kept for growth.
    pub fn shrink(&mut self) {
        if let Body::Packed(pack) = &mut self.body {
            Arc::make_mut(pack).shrink();
        }
    }

    pub fn push_front(&mut self, elem: &[u8]) {
        self.pack().push_front(elem);
        self.len += 1;
    }

    pub fn push_back(&mut self, elem: &[u8]) {
        self.pack().push_back(elem);
        self.len += 1;
    }

    /// Puts `elem` where the element at `offset` stands.
    pub fn replace(&mut self, offset: usize, elem: &[u8]) {
        let pack = self.pack();
        let cursor = pack.seek(offset).expect("an offset in the node");
        pack.replace(cursor, elem);
    }

    /// Removes `count` elements from `offset` on.
    pub fn remove(&mut self, offset: usize, count: usize) {
        if let Body::Packed(pack) = &mut self.body
            && let Some(cursor) = pack.seek(offset)
        {
            Arc::make_mut(pack).remove_many(cursor, count);
        }
        self.len -= count as u32;
    }

    /// Removes up to `count` elements equal to `elem`, in reading order or from
    /// the end. Returns how many.
    pub fn remove_equal(&mut self, elem: &[u8], count: usize, reverse: bool) -> usize {
        let removed = match &mut self.body {
            Body::Packed(pack) => remove_equal(Arc::make_mut(pack), elem, count, reverse),
            Body::Plain(plain) => usize::from(count > 0 && ***plain == *elem),
        };
        self.len -= removed as u32;
        removed
    }

    /// Cuts the node in front of `offset`, and returns what was behind.
    pub fn split(&mut self, offset: usize) -> ListNode {
        let pack = self.pack();
        let mut back = pack.clone();
        let len = pack.len();
        let cursor = pack.seek(offset).expect("a cut in the node");
        pack.remove_many(cursor, len - offset);
        let start = back.first().expect("a node is never empty");
        back.remove_many(start, offset);
        self.len = offset as u32;
        ListNode::packed(back)
    }

    /// Takes the elements of the node behind, which fit.
    pub fn append(&mut self, next: &ListNode) {
        let mut cursor = next.view().first();
        while let Some(at) = cursor {
            self.push_piece(next.view().get(at));
            cursor = next.view().next(at);
        }
    }

    fn push_piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Bytes(bytes) => self.push_back(bytes),
            Piece::Int(int) => self.push_back(itoa::Buffer::new().format(int).as_bytes()),
        }
    }

    fn pack(&mut self) -> &mut Listpack {
        match &mut self.body {
            Body::Packed(pack) => Arc::make_mut(pack),
            Body::Plain(_) => unreachable!("a plain node takes no second element"),
        }
    }
}

/// Cursors are byte offsets of a listpack, and zero in a plain node.
impl<'a> NodeRef<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(pack) => pack.len(),
            Self::Plain(_) => 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn first(&self) -> Option<usize> {
        match self {
            Self::Packed(pack) => pack.first(),
            Self::Plain(_) => Some(0),
        }
    }

    pub fn last(&self) -> Option<usize> {
        match self {
            Self::Packed(pack) => pack.last(),
            Self::Plain(_) => Some(0),
        }
    }

    pub fn seek(&self, offset: usize) -> Option<usize> {
        match self {
            Self::Packed(pack) => pack.seek(offset),
            Self::Plain(_) => (offset == 0).then_some(0),
        }
    }

    pub fn next(&self, cursor: usize) -> Option<usize> {
        match self {
            Self::Packed(pack) => pack.next(cursor),
            Self::Plain(_) => None,
        }
    }

    pub fn prev(&self, cursor: usize) -> Option<usize> {
        match self {
            Self::Packed(pack) => pack.prev(cursor),
            Self::Plain(_) => None,
        }
    }

    pub fn get(&self, cursor: usize) -> Piece<'a> {
        match self {
            Self::Packed(pack) => pack.get(cursor),
            Self::Plain(elem) => Piece::Bytes(elem),
        }
    }
}

/// Removes up to `count` elements equal to `elem`. Returns how many.
pub fn remove_equal(pack: &mut Listpack, elem: &[u8], count: usize, reverse: bool) -> usize {
    let mut removed = 0;
    let mut cursor = if reverse { pack.last() } else { pack.first() };
    while let Some(at) = cursor
        && removed < count
    {
        let found = pack.get(at).is(elem);
        // What is removed leaves the cursor on the element that was behind it.
        cursor = match (found, reverse) {
            (_, true) => pack.prev(at),
            (false, false) => pack.next(at),
            (true, false) => Some(at),
        };
        if found {
            pack.remove(at);
            removed += 1;
            cursor = cursor.filter(|&at| at < pack.end());
        }
    }
    removed
}
