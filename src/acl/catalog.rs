//! Commands as rules see them: a number, a name, categories, and which are another one's subcommands.

use hashbrown::HashMap;

/// The categories that there are, in the order in which Redis lists them.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "json",
    "search",
];

/// The number of a category, by its name in any case.
pub fn category(name: &[u8]) -> Option<usize> {
    CATEGORIES
        .iter()
        .position(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// What is known of one command. Its number is its place in the catalog.
pub struct Known {
    /// In lower case; `config|get` for a subcommand.
    pub name: String,
    /// A bit for each of its categories.
    pub categories: u32,
    pub subcommands: Vec<usize>,
}

impl Known {
    pub fn is_in(&self, category: usize) -> bool {
        self.categories & 1 << category != 0
    }

    pub fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }
}

/// Every command, whatever names configuration gives them.
pub struct Catalog {
    commands: Vec<Known>,
    by_name: HashMap<String, usize>,
    /// By name, each followed by its subcommands.
    order: Vec<usize>,
}

impl Catalog {
    pub fn new(commands: Vec<Known>) -> Self {
        let by_name: HashMap<String, usize> = commands
            .iter()
            .enumerate()
            .map(|(number, known)| (known.name.clone(), number))
            .collect();
        let mut order: Vec<usize> = (0..commands.len()).collect();
        order.sort_by_key(|number| {
            let name = commands[*number].name.as_str();
            name.split_once('|').unwrap_or((name, ""))
        });
        Catalog {
            commands,
            by_name,
            order,
        }
    }

    /// The command or subcommand of this name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.by_name.get(&name).copied()
    }

    pub fn get(&self, number: usize) -> &Known {
        &self.commands[number]
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// All of them by name, each followed by its subcommands.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Known)> {
        self.order.iter().map(|number| (*number, self.get(*number)))
    }
}
