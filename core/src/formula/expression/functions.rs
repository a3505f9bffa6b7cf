//! The functions of the language: CEL's standard library, as far as formulas have a use for it, and `toml`, which writes data as a document.

use super::types::Type;

/// What a function takes in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Integer,
    Number,
    Bool,
    Time,
    Duration,
    List,
    Record,
}

/// How a function is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `size(x)`
    Global,
    /// `x.contains(y)`
    Member,
    /// Either.
    Both,
}

/// A function; for a member the first thing that it takes is what stands before the dot.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) style: Style,
    pub(super) takes: &'static [&'static [Takes]],
    pub(super) gives: Takes,
}

const fn function(name: &'static str, style: Style, takes: &'static [&'static [Takes]], gives: Takes) -> Function {
    Function { name, style, takes, gives }
}

use Style::{Both, Global, Member};
use Takes::{Bool, Duration, Integer, List, Number, Record, Text, Time};

/// A part of a time, by its name in UTC or in a zone.
const OF_TIME: &[&[Takes]] = &[&[Time], &[Time, Text]];
/// The same, of a duration too: then the whole of it in that unit.
const OF_BOTH: &[&[Takes]] = &[&[Time], &[Time, Text], &[Duration]];

/// All of them.
pub(super) const FUNCTIONS: &[Function] = &[
    function("bool", Global, &[&[Bool], &[Text]], Bool),
    function("contains", Member, &[&[Text, Text]], Bool),
    function("double", Global, &[&[Number], &[Integer], &[Text]], Number),
    function("duration", Global, &[&[Text], &[Duration]], Duration),
    function("endsWith", Member, &[&[Text, Text]], Bool),
    function("getDate", Member, OF_TIME, Integer),
    function("getDayOfMonth", Member, OF_TIME, Integer),
    function("getDayOfWeek", Member, OF_TIME, Integer),
    function("getDayOfYear", Member, OF_TIME, Integer),
    function("getFullYear", Member, OF_TIME, Integer),
    function("getHours", Member, OF_BOTH, Integer),
    function("getMilliseconds", Member, OF_BOTH, Integer),
    function("getMinutes", Member, OF_BOTH, Integer),
    function("getMonth", Member, OF_TIME, Integer),
    function("getSeconds", Member, OF_BOTH, Integer),
    function("int", Global, &[&[Integer], &[Number], &[Text], &[Time]], Integer),
    function("matches", Both, &[&[Text, Text]], Bool),
    function("size", Both, &[&[Text], &[List], &[Record]], Integer),
    function("startsWith", Member, &[&[Text, Text]], Bool),
    function("string", Global, &[&[Text], &[Integer], &[Number], &[Bool], &[Time], &[Duration]], Text),
    function("timestamp", Global, &[&[Text], &[Time], &[Integer]], Time),
    function("toml", Global, &[&[Record]], Text),
];

/// What goes through a list and names its items: the name, and how many things stand in its brackets.
pub(super) const LOOPS: &[(&str, &[usize])] =
    &[("all", &[2]), ("exists", &[2]), ("exists_one", &[2]), ("existsOne", &[2]), ("filter", &[2]), ("map", &[2, 3])];

/// What people call some of them elsewhere.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("includes", "contains"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("str", "string"),
    ("float", "double"),
    ("defined", "has"),
];

impl Takes {
    /// Whether a value of a type can be given.
    pub(super) fn is(self, of: &Type) -> bool {
        matches!(
            (self, of.present()),
            (_, Type::Any)
                | (Self::Text, Type::Text { .. })
                | (Self::Integer, Type::Integer)
                | (Self::Number, Type::Number)
                | (Self::Bool, Type::Bool)
                | (Self::Time, Type::Time)
                | (Self::Duration, Type::Duration)
                | (Self::List, Type::List(_))
                | (Self::Record, Type::Record(_))
        )
    }

    /// The type that it stands for.
    pub(super) fn of(self) -> Type {
        match self {
            Self::Text => Type::text(),
            Self::Integer => Type::Integer,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::Time => Type::Time,
            Self::Duration => Type::Duration,
            Self::List => Type::list(Type::Any),
            Self::Record => Type::object(),
        }
    }
}
