//! What is wrong with a rule, and rules cut into words.

/// Why a rule was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    UnknownCommand,
    Syntax,
    KeysAreAll,
    ChannelsAreAll,
    NoSuchPassword,
    BadHash,
    FirstArgOfSubcommand,
    DuplicateUser,
    DuplicateRole,
    NoSuchRole,
    /// Why no role can be called so.
    RoleName(&'static str),
    DatabaseRange,
}

impl RuleError {
    /// Redis's words for it.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeysAreAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAreAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
            RuleError::DuplicateUser => {
                "Duplicate user found. A user can only be defined once in config files"
            }
            RuleError::DuplicateRole => {
                "Duplicate role found. A role can only be defined once in config files"
            }
            RuleError::NoSuchRole => "The role does not exist",
            RuleError::RoleName(why) => why,
            RuleError::DatabaseRange => "The provided database ID is out of range",
        }
    }
}

/// Makes one word of each selector that was spread over several: `(~a`, `+get)`. If a parenthesis stays open, gives
/// the place of the word that opened it.
pub fn gather<W: AsRef<[u8]>>(words: &[W]) -> Result<Vec<Vec<u8>>, usize> {
    let mut gathered = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, word) in words.iter().enumerate() {
        let word = word.as_ref();
        if word.starts_with(b"(") && !word.ends_with(b")") {
            open = Some((at, word.to_vec()));
            continue;
        }
        let Some((_, selector)) = &mut open else {
            gathered.push(word.to_vec());
            continue;
        };
        selector.push(b' ');
        selector.extend_from_slice(word);
        if word.ends_with(b")") {
            gathered.extend(open.take().map(|(_, selector)| selector));
        }
    }
    match open {
        Some((at, _)) => Err(at),
        None => Ok(gathered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(text: &str) -> Result<Vec<String>, usize> {
        let words: Vec<&str> = text.split(' ').collect();
        let found = gather(&words)?;
        let shown = found.into_iter().map(String::from_utf8);
        Ok(shown.map(Result::unwrap).collect())
    }

    #[test]
    fn a_selector_may_be_spread_over_words() {
        let found = gathered("on (~a +get) ( ~b ) ()").unwrap();
        assert_eq!(found, ["on", "(~a +get)", "( ~b )", "()"]);
        assert_eq!(gathered("on (~a +get"), Err(1));
        assert_eq!(gathered("on )").unwrap(), ["on", ")"]);
    }
}
