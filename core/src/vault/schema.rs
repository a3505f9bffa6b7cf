//! The shape of an action's file for editors: a JSON schema made from the types here, whose comments are what an editor shows.
//!
//! Promises: it names exactly the keys that the reader knows (a test compares), and it is never stricter than the reader. Which formulas,
//! secrets, mounts and projects there are is the configuration's, and no schema's.

#![expect(dead_code, reason = "only the shape of these types is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::model::Risk;

/// Where the schema of this version is published.
const ID: &str = "https://forgehand.example/config/vault-action.schema.json";

/// The JSON schema of `vault/actions/*.toml`.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<File>();
    schema.insert("$id".to_owned(), ID.into());
    schema.to_value()
}

/// A kind of string: its name, its pattern, and what it looks like.
macro_rules! strings {
    ($($name:ident $pattern:literal $example:literal;)*) => {$(
        struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool { true }
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    )*};
}

strings! {
    Id r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" "deploy-app-v1.2.0";
    Filled r"\S" "text";
    Issue r"#[0-9]+\s*$" "owner/app#7";
    Repo r"^[^/\s]+/[^/\s]+$" "owner/app";
    Word r"^[A-Za-z0-9_.:/@][A-Za-z0-9_.:/@-]*$" "sonnet";
}

/// An action of the vault: something privileged that is asked for, and done once after somebody said yes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "an action of the vault of forgehand")]
#[schemars(extend("oneOf" = [{ "required": ["formula"] }, { "required": ["action_required"] }]))]
struct File {
    /// What it is called, once and for all: no other action has the name, in whatever case. The name of its file by default.
    id: Option<Id>,
    /// The formula that is run.
    formula: Option<Filled>,
    /// What a person does instead of a formula, who then closes it: `forgehand vault done ID`. A sentence, or a table.
    action_required: Option<Required>,
    /// Why it is asked for.
    context: Filled,
    /// The issues that wait for it.
    unblocks: Option<Vec<Issue>>,
    /// With `formula`: the project that it is about. By default the one of `unblocks`, else the only one.
    project: Option<Repo>,
    /// With `formula`: what its inputs are given.
    inputs: Option<BTreeMap<String, Input>>,
    /// With `formula`: the secrets that its commands get, by their names in `[vault.secrets]`.
    secrets: Option<Vec<Filled>>,
    /// With `formula`: what is mounted for its commands, by the names of `[vault.mounts]`.
    mounts: Option<Vec<Filled>>,
    /// With `formula`: the model that its agents work with.
    model: Option<Word>,
    /// With `formula`: the tools that its agents are given, of those that it gives them.
    tools: Option<Vec<Word>>,
    /// With `formula`: how long each of its steps may take.
    #[schemars(range(min = 1, max = 1440))]
    timeout_minutes: Option<u64>,
    /// How much it could break. This only raises what the policy and the formula say.
    blast_radius: Option<Risk>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Required {
    Sentence(Filled),
    Table(Person),
}

/// What a person does.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Person {
    /// What.
    what: Filled,
    /// Step by step.
    how: Option<How>,
    /// What shows that it is done.
    verify: Option<Filled>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum How {
    One(Filled),
    Several(Vec<Filled>),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Input {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<String>),
}
