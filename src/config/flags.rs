//! Directives that are sets of flags: classes of keyspace events, and what a signal asks for.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use super::values::{ConfigLine, Refusal, Setting, not_among, one_word};
use crate::util::words::quote;

/// Classes of keyspace events and the channels they go to: the letters of `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventClasses(u32);

/// Letters in the order they are shown. The first ten are what `A` stands for. Of arrays, which are not here, `a` tells nothing.
const EVENT_LETTERS: &[u8; 21] = b"g$lshzxetdnocKEmSTIVa";

impl EventClasses {
    pub const NONE: EventClasses = EventClasses(0);
    pub const GENERIC: EventClasses = EventClasses(1 << 0);
    pub const STRING: EventClasses = EventClasses(1 << 1);
    pub const LIST: EventClasses = EventClasses(1 << 2);
    pub const SET: EventClasses = EventClasses(1 << 3);
    pub const HASH: EventClasses = EventClasses(1 << 4);
    pub const ZSET: EventClasses = EventClasses(1 << 5);
    pub const EXPIRED: EventClasses = EventClasses(1 << 6);
    pub const EVICTED: EventClasses = EventClasses(1 << 7);
    pub const STREAM: EventClasses = EventClasses(1 << 8);
    pub const MODULE: EventClasses = EventClasses(1 << 9);
    pub const NEW: EventClasses = EventClasses(1 << 10);
    pub const OVERWRITTEN: EventClasses = EventClasses(1 << 11);
    pub const TYPE_CHANGED: EventClasses = EventClasses(1 << 12);
    pub const KEYSPACE: EventClasses = EventClasses(1 << 13);
    pub const KEYEVENT: EventClasses = EventClasses(1 << 14);
    pub const KEY_MISS: EventClasses = EventClasses(1 << 15);
    /// The fields, under the key's name.
    pub const SUBKEYSPACE: EventClasses = EventClasses(1 << 16);
    /// The key and the fields, under the event's name.
    pub const SUBKEYEVENT: EventClasses = EventClasses(1 << 17);
    /// Each field by itself, under the key's name and its own.
    pub const SUBKEYSPACE_ITEM: EventClasses = EventClasses(1 << 18);
    /// The fields, under the event's name and the key's.
    pub const SUBKEYSPACE_EVENT: EventClasses = EventClasses(1 << 19);
    /// All channels that name fields.
    pub const FIELDS: EventClasses = EventClasses(0b1111 << 16);
    /// All channels.
    pub const CHANNELS: EventClasses =
        EventClasses(Self::KEYSPACE.0 | Self::KEYEVENT.0 | Self::FIELDS.0);
    const ALL: EventClasses = EventClasses((1 << 10) - 1);

    /// The classes as bits, for who keeps them beside other flags.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether any class of `other` is among these.
    pub fn has(self, other: EventClasses) -> bool {
        self.0 & other.0 != 0
    }

    fn parse(letters: &[u8]) -> Option<EventClasses> {
        letters.iter().try_fold(EventClasses::NONE, |sum, letter| {
            let class = match letter {
                b'A' => EventClasses::ALL.0,
                letter => 1 << EVENT_LETTERS.iter().position(|known| known == letter)?,
            };
            Some(EventClasses(sum.0 | class))
        })
    }

    fn text(self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut left = self.0;
        if left & EventClasses::ALL.0 == EventClasses::ALL.0 {
            text.push(b'A');
            left &= !EventClasses::ALL.0;
        }
        let shown = EVENT_LETTERS
            .iter()
            .enumerate()
            .filter(|(bit, _)| left & 1 << bit != 0);
        text.extend(shown.map(|(_, letter)| letter));
        text
    }
}

/// `notify-keyspace-events`: asked on every edit, so one atomic word.
#[derive(Default)]
pub struct Events(AtomicU32);

impl Events {
    pub fn get(&self) -> EventClasses {
        EventClasses(self.0.load(Relaxed))
    }
}

impl Setting for Events {
    fn text(&self) -> Vec<u8> {
        self.get().text()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let classes = EventClasses::parse(one_word(words)?);
        let classes = classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        self.0.store(classes.0, Relaxed);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(
            quote(&self.text()),
            self.get() != EventClasses::NONE,
        )]
    }
}

/// What a signal makes the server do: the words of `shutdown-on-sigterm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownHow(u8);

impl ShutdownHow {
    const WORDS: [&str; 5] = ["default", "save", "nosave", "now", "force"];

    pub fn save(self) -> bool {
        self.0 & 1 != 0
    }

    pub fn nosave(self) -> bool {
        self.0 & 2 != 0
    }

    /// Do not wait for replicas.
    pub fn now(self) -> bool {
        self.0 & 4 != 0
    }

    /// Stop even if saving failed.
    pub fn force(self) -> bool {
        self.0 & 8 != 0
    }
}

/// The cell of a signal's directive.
#[derive(Default)]
pub struct OnSignal(AtomicU8);

impl OnSignal {
    pub fn get(&self) -> ShutdownHow {
        ShutdownHow(self.0.load(Relaxed))
    }
}

impl Setting for OnSignal {
    fn text(&self) -> Vec<u8> {
        let bits = self.get().0;
        if bits == 0 {
            return ShutdownHow::WORDS[0].into();
        }
        let named = ShutdownHow::WORDS[1..].iter().enumerate();
        let named = named
            .filter(|(bit, _)| bits & 1 << bit != 0)
            .map(|(_, word)| *word);
        named.collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        let mut bits = 0;
        for word in words {
            let at = ShutdownHow::WORDS
                .iter()
                .position(|known| word.eq_ignore_ascii_case(known.as_bytes()));
            bits |= (1 << at.ok_or_else(|| not_among(&ShutdownHow::WORDS))?) >> 1;
        }
        if words.is_empty() {
            return Err(not_among(&ShutdownHow::WORDS));
        }
        let how = ShutdownHow(bits);
        if how.save() && how.nosave() {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
        }
        self.0.store(bits, Relaxed);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(self.text(), self.get().0 != 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::special::tests::after;

    #[test]
    fn event_letters_are_put_in_order() {
        let events = Events::default();
        assert_eq!(after(&events, "KEg$lshzxetd"), "AKE");
        assert_eq!(after(&events, "Kmn"), "nKm");
        assert_eq!(after(&events, "VacTgoSI"), "gocSTIVa");
        assert_eq!(after(&events, "Kmn"), "nKm");
        assert!(
            events.get().has(EventClasses::KEYSPACE) && !events.get().has(EventClasses::GENERIC)
        );
        assert_eq!(
            after(&events, "Q"),
            "! Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
        );
    }

    #[test]
    fn shutdown_words_combine() {
        let on = OnSignal::default();
        assert_eq!(after(&on, "force save now"), "save now force");
        assert_eq!(after(&on, "save default"), "save");
        assert_eq!(
            after(&on, "save nosave"),
            "! shutdown options SAVE and NOSAVE can't be used simultaneously"
        );
        let list = "! argument(s) must be one of the following: default, save, nosave, now, force";
        assert_eq!(after(&on, "x"), list);
        assert_eq!(after(&on, "default"), "default");
    }
}
