//! Users put back into rules: ACL LIST, ACL GETUSER, CONFIG REWRITE.
//!
//! What was said is not kept, only what it came to. So rules are found that come to the same: from all commands or none,
//! the categories that fit best, and then single commands.

use super::catalog::{CATEGORIES, Catalog};
use super::check::Access;
use super::selector::{KeyPattern, Selector};
use super::user::Rights;

impl Rights {
    /// All rules, as a `user` line has them behind the name.
    pub fn text(&self, catalog: &Catalog) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        parts.extend(self.flags().iter().map(|flag| flag.as_bytes().to_vec()));
        let hashes = self.passwords().iter();
        parts.extend(hashes.map(|hash| [b"#", hash.as_bytes()].concat()));
        for (at, selector) in self.selectors.iter().enumerate() {
            let text = selector.text(catalog);
            parts.push(match at {
                0 => text,
                _ => [b"(", &text[..], b")"].concat(),
            });
        }
        parts.join(&b' ')
    }
}

impl Selector {
    fn text(&self, catalog: &Catalog) -> Vec<u8> {
        let mut parts = vec![self.keys_text()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.channels_text());
        parts.push(self.commands_text(catalog).into_bytes());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }

    pub fn keys_text(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let show = |held: &KeyPattern| {
            let sign: &[u8] = match held.access {
                Access {
                    read: true,
                    write: true,
                } => b"~",
                Access { read: true, .. } => b"%R~",
                Access { .. } => b"%W~",
            };
            [sign, &held.pattern].concat()
        };
        self.keys.iter().map(show).collect::<Vec<_>>().join(&b' ')
    }

    pub fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let show = |channel: &Vec<u8>| [b"&", &channel[..]].concat();
        let shown: Vec<_> = self.channels.iter().map(show).collect();
        shown.join(&b' ')
    }

    /// Rules that come to these commands.
    pub fn commands_text(&self, catalog: &Catalog) -> String {
        let adds = !self.future;
        let (base, sign) = match adds {
            true => ("-@all", '+'),
            false => ("+@all", '-'),
        };
        let mut rules = vec![base.to_string()];
        // What the rules so far come to, and what of the commands they leave to be told.
        let mut told = Selector::new(catalog, false);
        let based = told.apply(base.as_bytes(), catalog);
        debug_assert_eq!(based, Ok(()), "{base} is a rule");
        let mut left = self.clone();
        let mut categories: Vec<usize> = (0..CATEGORIES.len()).collect();
        while let Some(best) = left.best_category(catalog, &categories, adds) {
            told.set_category(catalog, best, adds);
            left.set_category(catalog, best, !adds);
            rules.push(format!("{sign}@{}", CATEGORIES[best]));
            categories.retain(|category| *category != best);
        }
        for (number, known) in catalog.iter() {
            let on = self.commands.has(number);
            if on != told.commands.has(number) {
                rules.push(format!("{}{}", if on { '+' } else { '-' }, known.name));
                told.set_command(catalog, number, on);
            }
            for arg in self.first_args.get(&number).into_iter().flatten() {
                if !on {
                    rules.push(format!("+{}|{}", known.name, String::from_utf8_lossy(arg)));
                }
            }
        }
        debug_assert!(
            told.commands == self.commands,
            "the rules come to what they were found for: {rules:?}"
        );
        rules.join(" ")
    }

    /// The category that says most and is wrong least, if it is right for more commands than not.
    fn best_category(&self, catalog: &Catalog, among: &[usize], adds: bool) -> Option<usize> {
        let count = |category: usize| {
            let members = catalog.iter().filter(|(_, known)| known.is_in(category));
            let (fit, all) = members.fold((0, 0), |(fit, all), (number, _)| {
                let fits = self.commands.has(number) == adds;
                (fit + usize::from(fits), all + 1)
            });
            (fit, all - fit)
        };
        let mut best: Option<(usize, usize, usize)> = None;
        for category in among {
            let (same, differing) = count(*category);
            let better = best.is_none_or(|(_, most, least)| {
                differing < least || differing == least && same > most
            });
            if same > differing && better {
                best = Some((*category, same, differing));
            }
        }
        best.map(|(category, ..)| category)
    }
}
