//! Asking: on a terminal by prompts that can be edited, on a dumb one by plain lines, and elsewhere not at all.

use std::io::{BufRead, IsTerminal, Write};

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, Input, Password};
use secrecy::SecretString;

use super::super::CliError;

/// How questions are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// By prompts.
    Prompts,
    /// By lines.
    Lines,
    /// Nobody is there, or nobody wants to be asked.
    Nobody,
}

impl Asker {
    /// By what the standard streams are.
    pub(super) fn here() -> Self {
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        match (terminal, dumb) {
            (true, false) => Self::Prompts,
            (true, true) => Self::Lines,
            (false, _) => Self::Nobody,
        }
    }

    pub(super) fn is_there(self) -> bool {
        self != Self::Nobody
    }

    /// A line of text; `proposed` is what an empty answer means. None where nobody is there.
    pub(super) fn line(self, question: &str, proposed: &str) -> Result<Option<String>, CliError> {
        let text = match self {
            Self::Nobody => return Ok(None),
            Self::Lines => plain(&if proposed.is_empty() { question.to_owned() } else { format!("{question} [{proposed}]") })?,
            Self::Prompts => {
                let theme = ColorfulTheme::default();
                let mut input = Input::<String>::with_theme(&theme).with_prompt(question).allow_empty(true);
                if !proposed.is_empty() {
                    input = input.default(proposed.to_owned());
                }
                input.interact_text().map_err(broken_off)?
            }
        };
        let text = text.trim();
        Ok(Some(if text.is_empty() { proposed.to_owned() } else { text.to_owned() }))
    }

    /// Several lines, ended by an empty one; those proposed are asked for one by one, so that each can be changed.
    pub(super) fn lines(self, question: &str, proposed: &[String]) -> Result<Option<Vec<String>>, CliError> {
        if !self.is_there() {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for nth in 0.. {
            let proposal = proposed.get(nth).map(String::as_str).unwrap_or_default();
            let question = if nth == 0 { question.to_owned() } else { "  and then (empty: no more; -: not this one)".to_owned() };
            match self.line(&question, proposal)? {
                Some(line) if line == "-" => {}
                Some(line) if !line.is_empty() => lines.push(line),
                _ => break,
            }
        }
        Ok(Some(lines))
    }

    /// Yes or no; `otherwise` where nobody is there.
    pub(super) fn agrees(self, question: &str, otherwise: bool) -> Result<bool, CliError> {
        match self {
            Self::Nobody => Ok(otherwise),
            Self::Lines => {
                let answer = plain(&format!("{question} [{}]", if otherwise { "Y/n" } else { "y/N" }))?;
                Ok(match answer.trim() {
                    "" => otherwise,
                    word => word.eq_ignore_ascii_case("y") || word.eq_ignore_ascii_case("yes"),
                })
            }
            Self::Prompts => {
                let theme = ColorfulTheme::default();
                Confirm::with_theme(&theme).with_prompt(question).default(otherwise).interact().map_err(broken_off)
            }
        }
    }

    /// A secret, which is not shown. None where it could not be hidden: then it is not asked for.
    pub(super) fn secret(self, question: &str) -> Result<Option<SecretString>, CliError> {
        if self != Self::Prompts {
            return Ok(None);
        }
        let theme = ColorfulTheme::default();
        let text =
            Password::with_theme(&theme).with_prompt(question).allow_empty_password(true).interact().map_err(broken_off)?;
        let text = text.trim().to_owned();
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

fn plain(question: &str) -> Result<String, CliError> {
    let mut out = std::io::stderr();
    let asked = write!(out, "{question}: ").and_then(|()| out.flush());
    let mut line = String::new();
    match asked.and_then(|()| std::io::stdin().lock().read_line(&mut line)) {
        Ok(0) => Err(broken_off("the input ended")),
        Ok(_) => Ok(line),
        Err(e) => Err(broken_off(e)),
    }
}

fn broken_off(why: impl std::fmt::Display) -> CliError {
    CliError::usage("setting up was broken off; nothing was changed", "start `forgehand init` again, or name everything by flags")
        .because(why)
}
