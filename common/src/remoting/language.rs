//! The language a peer says it is written in. It owns the table of names and ordinals; the broker keeps a client's
//! own language for connection lists and answers as `JAVA`, the only one that every client's parser knows.

/// A peer's implementation language, by its ordinal in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the variants are names of programming languages"
)]
pub enum Language {
    #[default]
    Java = 0,
    Cpp = 1,
    Dotnet = 2,
    Python = 3,
    Delphi = 4,
    Erlang = 5,
    Ruby = 6,
    /// Anything else, and whatever name or number this table does not hold.
    Other = 7,
    Http = 8,
    Go = 9,
    Php = 10,
    Oms = 11,
    Rust = 12,
    NodeJs = 13,
}

const ALL: [(Language, &str); 14] = [
    (Language::Java, "JAVA"),
    (Language::Cpp, "CPP"),
    (Language::Dotnet, "DOTNET"),
    (Language::Python, "PYTHON"),
    (Language::Delphi, "DELPHI"),
    (Language::Erlang, "ERLANG"),
    (Language::Ruby, "RUBY"),
    (Language::Other, "OTHER"),
    (Language::Http, "HTTP"),
    (Language::Go, "GO"),
    (Language::Php, "PHP"),
    (Language::Oms, "OMS"),
    (Language::Rust, "RUST"),
    (Language::NodeJs, "NODE_JS"),
];

impl Language {
    /// The name as it stands in JSON headers and in connection lists.
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// The number as it stands in binary headers.
    pub fn ordinal(self) -> u8 {
        self as u8
    }

    /// The language with this name; an unknown one is [`Language::Other`], as peers newer than this table are served too.
    pub fn from_name(name: &str) -> Language {
        if name == "JAVA" {
            return Language::Java;
        }
        ALL.iter()
            .find(|(_, known)| *known == name)
            .map_or(Language::Other, |(language, _)| *language)
    }

    /// The language with this ordinal; an unknown one is [`Language::Other`].
    pub fn from_ordinal(ordinal: i64) -> Language {
        usize::try_from(ordinal)
            .ok()
            .and_then(|index| ALL.get(index))
            .map_or(Language::Other, |(language, _)| *language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_survives_both_forms() {
        for (index, (language, name)) in ALL.iter().enumerate() {
            assert_eq!(usize::from(language.ordinal()), index);
            assert_eq!(Language::from_name(name), *language);
            assert_eq!(Language::from_ordinal(index as i64), *language);
            assert_eq!(language.name(), *name);
        }
        assert_eq!(Language::from_name("COBOL"), Language::Other);
        assert_eq!(Language::from_ordinal(-1), Language::Other);
    }
}
