//! `Name <mail>`, as git writes it into a commit.

use crate::ports::RepoError;

use super::fault::failed;

/// Who a commit is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The mail address.
    pub mail: String,
}

impl Author {
    /// Reads `Name <mail>`; neither part may be empty or hold what would end it in a commit's header.
    pub fn parse(text: &str) -> Result<Self, RepoError> {
        let bad = || failed("reading the author", format!("`{}` is not an author: write it as Name <mail>", text.escape_debug()));
        let (name, rest) = text.split_once('<').ok_or_else(bad)?;
        let mail = rest.trim_end().strip_suffix('>').ok_or_else(bad)?;
        let (name, mail) = (name.trim(), mail.trim());
        let clean = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_control() || matches!(c, '<' | '>'));
        if clean(name) && clean(mail) { Ok(Self { name: name.to_owned(), mail: mail.to_owned() }) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_has_a_name_and_a_mail() {
        let author = Author::parse("Forge Hand <hand@example.org>").expect("well-formed");
        assert_eq!((author.name.as_str(), author.mail.as_str()), ("Forge Hand", "hand@example.org"));
        for bad in ["", "x", "<a@b>", "x <>", "x <a@b", "x <a@b>\nparent 1", "x\ny <a@b>", "x <a> <b>"] {
            assert!(Author::parse(bad).is_err(), "{bad:?}");
        }
    }
}
