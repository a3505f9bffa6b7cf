//! The types of data that expressions ask about.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// How deep a schema is looked into; what lies deeper is of any type. A schema that names itself ends here.
const MAX_SCHEMA: usize = 12;
/// How many parts of a schema are looked at, each as often as it is named.
const MAX_PARTS: usize = 5_000;

/// What is known about a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Nothing is known.
    Any,
    /// Only `null`.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A text; where `one_of` is given, one of these.
    Text {
        /// All that it can be.
        one_of: Option<Vec<String>>,
    },
    /// A moment, in data a text as RFC 3339 has it.
    Time,
    /// A span of time, in data a text such as `1h30m`.
    Duration,
    /// A list whose items are all of a type.
    List(Box<Type>),
    /// An object.
    Record(Record),
    /// Of a type, or `null`.
    OrNull(Box<Type>),
}

/// An object whose fields are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The fields that are named: shared, because scopes are put together of the same ones again and again.
    pub fields: Arc<BTreeMap<String, Field>>,
    /// The type of fields that are not named; none if there can be no others.
    pub rest: Option<Box<Type>>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The type of its value.
    pub of: Type,
    /// Whether it is always there.
    pub required: bool,
}

impl Type {
    /// Any text.
    pub fn text() -> Self {
        Self::Text { one_of: None }
    }

    /// One of some words.
    pub fn words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::Text { one_of: Some(words.into_iter().map(Into::into).collect()) }
    }

    /// A list.
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// An object whose fields are all there, and no others.
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        let field = |(name, of): (N, Self)| (name.into(), Field { of, required: true });
        Self::Record(Record { fields: Arc::new(fields.into_iter().map(field).collect()), rest: None })
    }

    /// An object of which nothing is known.
    pub fn object() -> Self {
        Self::Record(Record { fields: Arc::default(), rest: Some(Box::new(Self::Any)) })
    }

    /// The type, or `null`.
    pub fn or_null(self) -> Self {
        match self {
            Self::Any | Self::Null | Self::OrNull(_) => self,
            other => Self::OrNull(Box::new(other)),
        }
    }

    /// The type of what a JSON Schema takes. What cannot be said in types is of any type.
    pub fn of_schema(schema: &Json) -> Self {
        Reader { root: schema, parts: Cell::new(0) }.read(schema, 0)
    }

    /// The type without `null`.
    pub fn present(&self) -> &Self {
        match self {
            Self::OrNull(inner) => inner,
            other => other,
        }
    }

    /// The least type that both are of; none if they have nothing in common.
    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Null, some) | (some, Self::Null) => some.clone().or_null(),
            (Self::OrNull(some), other) | (other, Self::OrNull(some)) => some.join(other.present())?.or_null(),
            (Self::Text { one_of: Some(a) }, Self::Text { one_of: Some(b) }) => {
                Self::words(a.iter().chain(b.iter().filter(|word| !a.contains(word))).cloned())
            }
            (Self::Text { .. }, Self::Text { .. }) => Self::text(),
            (Self::List(a), Self::List(b)) => Self::list(a.join(b)?),
            (Self::Record(a), Self::Record(b)) => Self::Record(a.join(b)?),
            _ => return None,
        })
    }

    /// What a literal is.
    pub(super) fn of_value(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(number) if number.is_i64() || number.is_u64() => Self::Integer,
            Json::Number(_) => Self::Number,
            Json::String(word) => Self::words([word.as_str()]),
            Json::Array(_) => Self::list(Self::Any),
            Json::Object(_) => Self::object(),
        }
    }
}

impl Record {
    /// The type of a field; none if there can be no such field.
    pub fn field(&self, name: &str) -> Option<&Type> {
        self.fields.get(name).map(|field| &field.of).or(self.rest.as_deref())
    }

    /// The type that all its fields are of.
    pub(super) fn values(&self) -> Type {
        let mut types = self.fields.values().map(|field| &field.of).chain(self.rest.as_deref());
        let first = types.next().cloned().unwrap_or(Type::Any);
        types.try_fold(first, |all, next| all.join(next)).unwrap_or(Type::Any)
    }

    fn join(&self, other: &Self) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for name in self.fields.keys().chain(other.fields.keys()) {
            let required = |record: &Self| record.fields.get(name).is_some_and(|field| field.required);
            let of = match (self.field(name), other.field(name)) {
                (Some(a), Some(b)) => a.join(b)?,
                (Some(one), None) | (None, Some(one)) => one.clone(),
                (None, None) => continue,
            };
            fields.insert(name.clone(), Field { of, required: required(self) && required(other) });
        }
        let rest = match (&self.rest, &other.rest) {
            (Some(a), Some(b)) => Some(Box::new(a.join(b)?)),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        Some(Self { fields: Arc::new(fields), rest })
    }
}

/// As people call it: "a text", "a list".
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Number => "a decimal number",
            Self::Text { .. } => "a text",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::List(_) => "a list",
            Self::Record(_) => "an object",
            Self::OrNull(inner) => return write!(f, "{inner} or null"),
        })
    }
}

/// Reads one schema.
struct Reader<'s> {
    root: &'s Json,
    parts: Cell<usize>,
}

impl Reader<'_> {
    fn read(&self, schema: &Json, depth: usize) -> Type {
        self.parts.set(self.parts.get() + 1);
        let bounded = depth < MAX_SCHEMA && self.parts.get() <= MAX_PARTS;
        let Some(object) = schema.as_object().filter(|_| bounded) else { return Type::Any };
        let inner = |schema: &Json| self.read(schema, depth + 1);
        if let Some(place) = object.get("$ref").and_then(Json::as_str) {
            let target = place.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Type::Any, inner);
        }
        if let Some(only) = object.get("const") {
            return Type::of_value(only);
        }
        if let Some(all) = object.get("enum").and_then(Json::as_array) {
            return joined(all.iter().map(Type::of_value));
        }
        match object.get("type") {
            Some(Json::String(name)) => of_named(name, object, &inner),
            Some(Json::Array(names)) => {
                joined(names.iter().map(|name| of_named(name.as_str().unwrap_or_default(), object, &inner)))
            }
            _ => of_unnamed(object, &inner),
        }
    }
}

fn joined(types: impl IntoIterator<Item = Type>) -> Type {
    let mut types = types.into_iter();
    let first = types.next().unwrap_or(Type::Any);
    let joined = types.try_fold(first, |all, next| all.join(&next));
    joined.unwrap_or(Type::Any)
}

fn of_named(name: &str, object: &Map<String, Json>, inner: &dyn Fn(&Json) -> Type) -> Type {
    match name {
        "null" => Type::Null,
        "boolean" => Type::Bool,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "string" => Type::text(),
        "array" if object.contains_key("prefixItems") => Type::list(Type::Any),
        "array" => Type::list(object.get("items").map_or(Type::Any, inner)),
        "object" => of_object(object, inner),
        _ => Type::Any,
    }
}

/// A schema that does not name its type.
fn of_unnamed(object: &Map<String, Json>, inner: &dyn Fn(&Json) -> Type) -> Type {
    let alternatives = ["anyOf", "oneOf"].iter().find_map(|key| object.get(*key)?.as_array());
    match (alternatives, object.get("allOf").and_then(Json::as_array).map(Vec::as_slice)) {
        (Some(all), _) if !object.contains_key("properties") => joined(all.iter().map(inner)),
        (None, Some([only])) if !object.contains_key("properties") => inner(only),
        _ if object.contains_key("properties") => of_object(object, inner),
        _ => Type::Any,
    }
}

/// What can say of an object that it has more fields than `properties` names.
const MORE_FIELDS: [&str; 8] = ["patternProperties", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "then", "else"];

/// JSON Schema takes fields that it does not name; who names some and asks for another has misspelt it, unless the schema says that there are more.
fn of_object(object: &Map<String, Json>, inner: &dyn Fn(&Json) -> Type) -> Type {
    let required: Vec<&str> =
        object.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let properties = object.get("properties").and_then(Json::as_object);
    let field = |(name, schema): (&String, &Json)| {
        (name.clone(), Field { of: inner(schema), required: required.contains(&name.as_str()) })
    };
    let fields: BTreeMap<String, Field> = properties.into_iter().flatten().map(field).collect();
    let rest = match object.get("additionalProperties") {
        // That closes it, whatever else its other parts ask for.
        Some(Json::Bool(false)) if !object.contains_key("patternProperties") => None,
        _ if MORE_FIELDS.iter().any(|key| object.contains_key(*key)) => Some(Type::Any),
        None => fields.is_empty().then_some(Type::Any),
        Some(schema) => Some(inner(schema)),
    };
    Type::Record(Record { fields: Arc::new(fields), rest: rest.map(Box::new) })
}
