//! A set: its members, any of which may have deadlines.
//!
//! A member past its deadline is absent to readers, who see a set as [`LiveSet`]; the engine's sweep takes it out. What is
//! asked of a [`Set`] itself counts and finds such members, too.

mod form;
mod live;

use super::bstr::Bstr;
use super::deadlines::{Deadlines, Timed};
use super::dense::Far;
use super::intset::IntSet;
use super::listpack::Listpack;
use super::{Limits, Piece, TypeRef};
pub use form::Flat;
use form::SetForm;
pub use live::LiveSet;

#[derive(Clone, Debug)]
pub struct Set(Members);

#[derive(Clone, Debug)]
enum Members {
    Plain(SetForm),
    /// Stays once a member has had a deadline. Its members are no sorted integers.
    Timed(Box<(SetForm, Deadlines)>),
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    pub fn new() -> Self {
        Set(Members::Plain(SetForm::new()))
    }

    /// A set of sound integers from a file.
    pub fn from_ints(ints: IntSet) -> Self {
        Set(Members::Plain(SetForm::Ints(ints)))
    }

    /// A set of packed members; `None` if one stands twice.
    pub fn from_listpack(pack: &Listpack, limits: &Limits) -> Option<Self> {
        let form = SetForm::from_listpack(pack, limits)?;
        Some(Set(Members::Plain(form)))
    }

    #[inline]
    fn form(&self) -> &SetForm {
        match &self.0 {
            Members::Plain(form) => form,
            Members::Timed(held) => &held.0,
        }
    }

    #[inline]
    fn form_mut(&mut self) -> &mut SetForm {
        match &mut self.0 {
            Members::Plain(form) => form,
            Members::Timed(held) => &mut held.0,
        }
    }

    #[inline]
    fn timed(&self) -> Option<&Deadlines> {
        match &self.0 {
            Members::Plain(_) => None,
            Members::Timed(held) => Some(&held.1),
        }
    }

    pub fn flat(&self) -> Option<Flat<'_>> {
        self.form().flat()
    }

    pub fn len(&self) -> usize {
        self.form().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        self.form().contains(member)
    }

    /// Adds a member; true if it is new. One that is there keeps its deadline.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        self.form_mut().insert(member, limits)
    }

    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.clear_deadline(member);
        self.form_mut().remove(member)
    }

    pub fn iter(&self) -> impl Iterator<Item = Piece<'_>> {
        self.form().iter()
    }

    /// The member at a position, for random picks.
    pub fn nth(&self, pos: usize) -> Piece<'_> {
        self.form().nth(pos)
    }

    /// Takes out the member at a position; returns it with its deadline.
    pub fn remove_nth(&mut self, pos: usize) -> (Vec<u8>, Option<u64>) {
        let member = self.form_mut().remove_nth(pos);
        let deadline_ms = self.deadline(&member);
        self.clear_deadline(&member);
        (member, deadline_ms)
    }

    // Deadlines of members.

    /// Sets the deadline of a member that is there.
    pub fn set_deadline(&mut self, member: &[u8], deadline_ms: u64, limits: &Limits) {
        if let Members::Plain(form) = &mut self.0 {
            form.leave_ints(0, 0, limits);
            let form = std::mem::replace(form, SetForm::new());
            self.0 = Members::Timed(Box::new((form, Deadlines::default())));
        }
        if let Members::Timed(held) = &mut self.0 {
            held.1.set(member, deadline_ms);
        }
    }

    /// Lets a member live for ever; false if it had no deadline.
    pub fn clear_deadline(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Members::Plain(_) => false,
            Members::Timed(held) => held.1.clear(member),
        }
    }

    pub fn deadline(&self, member: &[u8]) -> Option<u64> {
        self.timed()?.of(member)
    }

    /// Every member that has a deadline, with it.
    pub fn deadlines(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.timed().into_iter().flat_map(Deadlines::iter)
    }

    /// The earliest deadline of any member.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timed()?.first()
    }

    /// Whether there is nothing in it for readers to see.
    pub fn is_all_due(&self, now_ms: u64) -> bool {
        let all_due = |held: &Deadlines| held.are_all_due(self.len(), now_ms);
        self.timed().is_some_and(all_due)
    }

    /// The engine's timer for the earliest deadline of a member; 0 for none.
    pub fn timer(&self) -> u32 {
        self.timed().map_or(0, |held| held.timer)
    }
}

impl Timed for Set {
    fn take_due(&mut self, now_ms: u64, max: usize) -> Vec<Bstr> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(member) = self.timed().and_then(|held| held.first_due(now_ms))
        {
            let member = member.clone();
            self.remove(&member);
            taken.push(member);
        }
        taken
    }

    fn set_timer(&mut self, timer: u32) {
        if let Members::Timed(held) = &mut self.0 {
            held.1.timer = timer;
        }
    }
}

impl<'a> TypeRef<'a> for &'a Set {
    type Whole = Set;

    #[inline]
    fn see(set: &'a Set) -> Self {
        set
    }

    fn encoding(self) -> &'static str {
        match (self.form(), &self.0) {
            (SetForm::Ints(_), _) => "intset",
            (SetForm::Packed(_), Members::Plain(_)) => "listpack",
            (SetForm::Packed(_), Members::Timed(_)) => "listpackex",
            (SetForm::Table(_), _) => "hashtable",
        }
    }

    fn heap_bytes(self) -> usize {
        let timed = |held: &Deadlines| size_of::<(SetForm, Deadlines)>() + held.heap_bytes();
        self.form().heap_bytes() + self.timed().map_or(0, timed)
    }

    fn detached(self) -> Set {
        Set(match &self.0 {
            Members::Plain(form) => Members::Plain(form.clone()),
            Members::Timed(held) => Members::Timed(Box::new((held.0.clone(), held.1.detached()))),
        })
    }

    fn frozen(self) -> Set {
        Set(match &self.0 {
            Members::Plain(form) => Members::Plain(form.frozen()),
            Members::Timed(held) => Members::Timed(Box::new((held.0.frozen(), held.1.frozen()))),
        })
    }

    fn free_effort(self) -> usize {
        self.len()
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }

    fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        self.form().far(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_change_form_as_redis_does() {
        let limits = Limits {
            set_ints: 5,
            set_entries: 6,
            ..Limits::default()
        };
        let mut set = Set::new();
        (0..4).for_each(|n| assert!(set.insert(n.to_string().as_bytes(), &limits)));
        assert_eq!(set.encoding(), "intset");
        assert!(set.insert(b"4", &limits) && !set.insert(b"4", &limits));
        assert_eq!(set.encoding(), "intset");
        assert!(set.insert(b"five", &limits));
        assert_eq!(set.encoding(), "listpack");
        assert!(set.insert(b"six", &limits));
        assert_eq!((set.encoding(), set.len()), ("hashtable", 7));
        let mut members: Vec<_> = set.iter().map(|piece| piece.to_vec()).collect();
        members.sort();
        assert_eq!(
            members,
            ["0", "1", "2", "3", "4", "five", "six"].map(|text| text.as_bytes().to_vec())
        );
        assert!(set.remove(b"five") && !set.contains(b"five"));
    }

    #[test]
    fn a_due_member_is_absent_and_then_taken() {
        assert_eq!(size_of::<Set>(), size_of::<SetForm>());
        let limits = Limits::default();
        let mut set = Set::new();
        for member in [&b"1"[..], b"2", b"3"] {
            set.insert(member, &limits);
        }
        set.set_deadline(b"1", 100, &limits);
        set.set_deadline(b"2", 50, &limits);
        assert_eq!(
            (set.next_deadline(), set.encoding()),
            (Some(50), "listpackex")
        );
        let seen = |set: &Set, now_ms| {
            let live = LiveSet::new(set, now_ms);
            (live.contains(b"2"), live.iter().count())
        };
        assert_eq!((seen(&set, 49), seen(&set, 50)), ((true, 3), (false, 2)));
        assert_eq!(set.take_due(60, 10), [Bstr::new(b"2")]);
        assert!(set.insert(b"2", &limits));
        assert_eq!(set.deadline(b"2"), None);
        assert_eq!(set.remove_nth(0), (b"1".to_vec(), Some(100)));
        assert_eq!((set.len(), set.next_deadline()), (2, None));
    }

    #[test]
    fn members_keep_their_deadlines_when_a_set_grows() {
        let limits = Limits {
            set_entries: 4,
            ..Limits::default()
        };
        let mut set = Set::new();
        for n in 0..20 {
            let member = format!("m{n}");
            set.insert(member.as_bytes(), &limits);
            if n % 2 == 0 {
                set.set_deadline(member.as_bytes(), 100 + n, &limits);
            }
        }
        assert_eq!(set.encoding(), "hashtable");
        assert_eq!(set.deadlines().count(), 10);
        assert_eq!(set.take_due(109, usize::MAX).len(), 5);
        assert_eq!((set.len(), set.next_deadline()), (15, Some(110)));
    }
}
