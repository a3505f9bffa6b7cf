//! Agent steps: what the agent is told and may do, and what it is, where the formula says more of that than its role.
//!
//! Promises: a model that is named has a price, or is one that the configuration names; a backend that is named is one that an agent of the
//! configuration has which may take the step. A base branch's formula names of both only what the configured one has for the same role.

use super::expression::{Type, Wants};
use super::head;
use super::read::{Scene, expression, word};
use super::scope::with;
use super::shape::shape;
use crate::document::{Table, Value, nearest};
use crate::model::{Access, BackendKind, Crew, Expression, Formula, Hire, StepKind, TemplateKind, Works, is_model_name};

/// Who may be asked to work, by the configuration.
#[derive(Clone, Copy)]
pub struct Hiring<'s> {
    /// The agents that there are.
    pub crew: &'s Crew,
    /// Whether a model's tokens have a price.
    pub priced: &'s dyn Fn(&str) -> bool,
    /// The models that have one, as far as they can be named.
    pub models: &'s dyn Fn() -> Vec<String>,
    /// The formula that a base branch's one is laid over.
    pub configured: Option<&'s Formula>,
}

/// What agent steps have that do not say otherwise.
pub(super) struct Defaults<'d> {
    table: Table<'d>,
    role: Option<String>,
    access: Option<Access>,
    tools: Option<Vec<String>>,
    hire: Hire,
}

/// What `[agent]` says, and `[workspace]` of the access.
pub(super) fn defaults<'d>(table: Table<'d>, workspace: &Table<'_>) -> Defaults<'d> {
    let role = table.optional("role", word);
    let own = table.optional("access", access);
    let access = match workspace.value("access").filter(|_| table.has("access")) {
        Some(twice) => twice.wrong("`access` is said in [agent] too", "keep one of the two").or(own),
        None => own.or(workspace.optional("access", access)),
    };
    let tools = table.optional("tools", |v| head::tools(v, access));
    let hire = hire(&table);
    Defaults { table, role, access, tools, hire }
}

impl Defaults<'_> {
    /// Whether a step that says only what an agent is told is one of theirs.
    pub(super) fn take(&self, step: &Table<'_>) -> bool {
        self.role.is_some() && step.has("prompt")
    }
}

pub(super) fn agent(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<StepKind> {
    let &Scene { known, templates, calls, defaults, .. } = scene;
    let role = match table.has("agent") {
        true => table.optional("agent", word),
        false => defaults.role.clone(),
    };
    let vocabulary = scene.vocabulary(TemplateKind::Prompt);
    let prompt = table.required("prompt", "prompt = \"fix.md\"", |v| templates.file(v, TemplateKind::Prompt, &vocabulary));
    let access = match defaults.access.filter(|_| !table.has("access")) {
        Some(access) => Some(access),
        None => table.required("access", "access = \"read\"", access),
    };
    let tools = tools(table, access, defaults);
    let own = hire(table);
    let hire = Hire { backend: own.backend.or(defaults.hire.backend), model: own.model.or_else(|| defaults.hire.model.clone()) };
    if let (Some(role), Some(hiring)) = (&role, &calls.sources.hiring) {
        judge(&Asks { role, hire: &hire, step: table, all: &defaults.table }, hiring);
    }
    let output = table.required("output", "output = \"fix-result\"", |v| shape(v, calls, templates));
    let commits = match (&output, access) {
        (Some(shape), Some(Access::Write)) => {
            let known = with(known.clone(), "output", Type::of_schema(&shape.schema));
            table.optional("commits", |v| expression(v, &known, Wants::Bool))
        }
        (_, Some(Access::Read)) => {
            table.optional("commits", |v| v.wrong("who only reads has no commits", "take it out, or write access = \"write\""))
        }
        _ => table.optional("commits", |v| v.filled().map(Expression)),
    };
    Some(StepKind::Agent { role: role?, prompt: prompt?, access: access?, tools, hire, output: output?, commits })
}

fn access(value: &Value<'_>) -> Option<Access> {
    value.one_of(&[("read", Access::Read), ("write", Access::Write)])
}

/// The tools of a step, its own or those of all; none: as its access says.
fn tools(table: &Table<'_>, access: Option<Access>, defaults: &Defaults<'_>) -> Vec<String> {
    if let Some(value) = table.value("tools") {
        return head::tools(&value, access).unwrap_or_default();
    }
    let shared = defaults.tools.clone().unwrap_or_default();
    if let Some(name) = shared.iter().find(|name| access == Some(Access::Read) && head::changes(name)) {
        let help = "give the step `tools` of its own, or take it out of [agent]";
        table.wrong(format!("who only reads is not given `{name}`"), help);
    }
    shared
}

/// What a table says of the agent.
fn hire(table: &Table<'_>) -> Hire {
    Hire { backend: table.optional("backend", |v| v.one_of(&BackendKind::WORDS)), model: table.optional("model", model) }
}

fn model(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    match is_model_name(&text) {
        true => Some(text),
        false => value.wrong(
            format!("`{}` is not the name of a model", text.escape_debug()),
            "write its whole name, such as \"claude-sonnet-5-5\"",
        ),
    }
}

/// What a step asks for, and where it does: in its own table, or in that for all.
struct Asks<'a, 'd> {
    role: &'a str,
    hire: &'a Hire,
    step: &'a Table<'d>,
    all: &'a Table<'d>,
}

impl<'d> Asks<'_, 'd> {
    fn wrong(&self, key: &'static str, what: String, help: String) {
        if let Some(value) = self.step.value(key).or_else(|| self.all.value(key)) {
            value.wrong::<()>(what, help);
        }
    }
}

/// Whether the configuration has whom a step asks for.
fn judge(asks: &Asks<'_, '_>, hiring: &Hiring<'_>) {
    if let Some(configured) = hiring.configured {
        return within(asks, configured);
    }
    let Asks { role, hire, .. } = asks;
    let own = hiring.crew.of_role(role);
    if let Some(kind) = hire.backend.filter(|kind| *kind != own.works.kind())
        && let Err((what, help)) = one_of_kind(kind, role, hiring.crew)
    {
        return asks.wrong("backend", what, help);
    }
    let Some(model) = &hire.model else { return };
    let member = hiring.crew.of_step(role, hire);
    let named = |works: &Works| matches!(works, Works::Claude { model: named } if named == model);
    match member.works {
        Works::Command => {
            let what = format!("the agent `{}`, which does this, is a program of your own that is told no model", member.name);
            asks.wrong("model", what, "take `model` out, or give the role to an agent with backend = \"claude\"".to_owned());
        }
        Works::Claude { .. } if (hiring.priced)(model) || hiring.crew.members().any(|member| named(&member.works)) => {}
        Works::Claude { .. } => {
            let known = (hiring.models)();
            let configured = hiring.crew.members().filter_map(|member| match &member.works {
                Works::Claude { model } => Some(model.as_str()),
                Works::Command => None,
            });
            let help = match nearest(model, configured.chain(known.iter().map(String::as_str))) {
                Some(right) => format!("did you mean \"{right}\"?"),
                None => "name one of config/prices.toml, or one that an agent of the configuration has".to_owned(),
            };
            asks.wrong("model", format!("no price is known for the model `{model}`, so nobody works with it"), help);
        }
    }
}

/// Whether it is clear who of a kind does what the one who has a role is not asked for.
fn one_of_kind(kind: BackendKind, role: &str, crew: &Crew) -> Result<(), (String, String)> {
    let names: Vec<String> = crew.of_kind(kind).map(|member| format!("`{}`", member.name)).collect();
    let idle = crew.members().find(|member| member.works.kind() == kind);
    match (&names[..], idle) {
        ([], Some(idle)) => Err((
            format!("no agent of the configuration that may do the work of `{role}` is a `{kind}`"),
            format!("`{}` does what it is named for alone: give it the role with roles = [\"{role}\"]", idle.name),
        )),
        ([], None) => Err((
            format!("no agent of the configuration is a `{kind}`"),
            format!("add [agents.NAME] with backend = \"{kind}\" there, or take `backend` out here"),
        )),
        ([_], _) => Ok(()),
        _ if crew.usual.works.kind() == kind => Ok(()),
        (several, _) => Err((
            format!("several agents of the configuration are a `{kind}`: {}", several.join(", ")),
            "write the role of one of them as `agent`".to_owned(),
        )),
    }
}

/// Whether a base branch's step asks for nobody but whom the configured formula has for its role.
fn within(asks: &Asks<'_, '_>, configured: &Formula) {
    let Asks { role, hire, .. } = asks;
    let known: Vec<&Hire> = hired(configured, role).map(|(_, hire)| hire).collect();
    if let Some(kind) = hire.backend.filter(|kind| known.iter().all(|known| known.backend != Some(*kind))) {
        let what = format!("a base branch does not say that `{role}` is a `{kind}`");
        return asks.wrong("backend", what, "take `backend` out: it is said beside the configuration alone".to_owned());
    }
    if let Some(model) = hire.model.as_ref().filter(|model| known.iter().all(|known| known.model.as_ref() != Some(*model))) {
        let models: Vec<&str> = known.iter().filter_map(|known| known.model.as_deref()).collect();
        let help = match nearest(model, models.iter().copied()) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => "take `model` out: the formula beside the configuration says it".to_owned(),
        };
        let what = format!("the configured `{}` does not have `{role}` work with the model `{model}`", configured.name);
        asks.wrong("model", what, help);
    }
}

/// What a formula says of its agents of a role, with the steps that they do.
pub(super) fn hired<'f>(formula: &'f Formula, of: &str) -> impl Iterator<Item = (&'f crate::model::StepId, &'f Hire)> {
    formula.steps.iter().filter_map(move |step| match &step.kind {
        StepKind::Agent { role, hire, .. } if role == of => Some((&step.id, hire)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{Sources, load_from, shipped_prompt, shipped_schema, shipped_schema_names, shipped_text};
    use crate::model::{AgentName, Member};

    fn member(name: &str, works: Works, roles: &[&str]) -> Member {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Member { name: AgentName(name.to_owned()), roles, works, accounts: Vec::new(), identity: false }
    }

    fn claude(model: &str) -> Works {
        Works::Claude { model: model.to_owned() }
    }

    /// What is said of the shipped fix with this over its agent.
    fn fix(over: &str, crew: &Crew, configured: Option<&Formula>) -> Result<Formula, Vec<String>> {
        let formulas = |name: &str| Some((name.to_owned(), shipped_text(name)?.to_owned()));
        let sources = Sources {
            prompts: &|name| shipped_prompt(name).map(str::to_owned),
            schemas: &|name| Some((name.to_owned(), shipped_schema(name)?.to_owned())),
            schema_names: &shipped_schema_names(),
            formulas: &formulas,
            names: &["fix".to_owned()],
            hiring: Some(Hiring { crew, priced: &|model| model == "priced", models: &|| vec!["priced".to_owned()], configured }),
        };
        let text = format!("formula = 1\nname = \"fix\"\nextends = \"fix\"\n{over}");
        load_from("fix.toml", &text, &sources).map_err(|faults| faults.lines())
    }

    fn hire_of(formula: &Formula) -> &Hire {
        hired(formula, "dev").next().expect("an agent").1
    }

    #[test]
    fn a_step_says_otherwise_than_all_and_a_model_is_known_by_its_price_or_the_configuration() {
        let crew = Crew { others: vec![member("local", claude("qwen"), &["read"])], ..Crew::default() };
        let all = fix("[agent]\nmodel = \"priced\"\n", &crew, None).expect("it has a price");
        assert_eq!(hire_of(&all), &Hire { backend: None, model: Some("priced".to_owned()) });
        let step = "[agent]\nmodel = \"priced\"\nbackend = \"claude\"\n[[step]]\nid = \"work\"\nmodel = \"qwen\"\n";
        let one = fix(step, &crew, None).expect("an agent of the configuration has it");
        assert_eq!(hire_of(&one), &Hire { backend: Some(BackendKind::Claude), model: Some("qwen".to_owned()) });
        let why = fix("[agent]\nmodel = \"qwem\"\n", &crew, None).expect_err("nobody knows it");
        assert!(why.len() == 1 && why[0].starts_with("fix.toml:5:9: no price") && why[0].contains("\"qwen\"?"), "{why:?}");
        assert!(hire_of(&fix("", &crew, None).expect("as it is shipped")).is_silent());
    }

    #[test]
    fn the_header_says_the_role_and_the_access_of_all() {
        let text = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n[agent]\nrole = \"look\"\n[workspace]\naccess = \"read\"\n\
                    [[step]]\nid = \"a\"\nprompt = \"plain.md\"\noutput = \"fix-result\"\n\
                    [[step]]\nid = \"b\"\nagent = \"dev\"\naccess = \"write\"\nprompt = \"plain.md\"\noutput = \"fix-result\"\n";
        let loaded = crate::formula::load("it.toml", text, &|_| Some("Look.".to_owned())).expect("it is right");
        let says = loaded.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Agent { role, access, .. } => Some((role.as_str(), *access)),
            _ => None,
        });
        assert_eq!(says.collect::<Vec<_>>(), [("look", Access::Read), ("dev", Access::Write)]);
    }

    #[test]
    fn another_kind_is_the_default_agent_or_the_only_one_with_a_role_and_no_name_of_its_own() {
        let command = "[agent]\nbackend = \"command\"\n";
        let mut crew = Crew::default();
        let said = |crew: &Crew| fix(command, crew, None).expect_err("nobody is clear").join("\n");
        assert!(said(&crew).contains("no agent of the configuration is a `command`"), "{}", said(&crew));
        crew.others.push(member("tool", Works::Command, &[]));
        assert!(said(&crew).contains("`tool` does what it is named for alone"), "{}", said(&crew));
        crew.others.push(Member { identity: true, ..member("judge", Works::Command, &["review"]) });
        assert!(said(&crew).contains("that may do the work of `dev`"), "{}", said(&crew));
        crew.others.push(member("tidier", Works::Command, &["tidy"]));
        let one = fix(command, &crew, None).expect("the only one");
        assert_eq!(crew.of_step("dev", hire_of(&one)).name.as_str(), "tidier");
        assert_eq!(crew.author_of(&one).name.as_str(), "tidier");
        assert_eq!(crew.of_step("review", hire_of(&one)).name.as_str(), "judge", "who has the role is of that kind");
        crew.others.push(member("other", Works::Command, &["sweep"]));
        assert!(said(&crew).contains("several agents"), "{}", said(&crew));
        crew.usual.works = Works::Command;
        assert_eq!(crew.of_step("dev", hire_of(&fix(command, &crew, None).expect("the default"))).name.as_str(), "default");
        let why = fix("[agent]\nmodel = \"priced\"\n", &crew, None).expect_err("a program has none");
        assert!(why[0].contains("told no model"), "{why:?}");
    }

    #[test]
    fn a_base_branch_names_no_model_and_no_backend_of_its_own() {
        let crew = Crew::default();
        let configured = fix("[agent]\nmodel = \"priced\"\n", &crew, None).expect("a formula");
        assert!(fix("[agent]\nmodel = \"priced\"\n", &crew, Some(&configured)).is_ok());
        let said = |over: &str| fix(over, &crew, Some(&configured)).expect_err("it is the configuration's").join("\n");
        let why = said("[agent]\nmodel = \"claude-sonnet-5-5\"\n");
        assert!(why.starts_with("fix.toml:5:9: the configured `fix` does not have `dev` work with"), "{why}");
        let why = said("[[step]]\nid = \"work\"\nbackend = \"claude\"\n");
        assert!(why.starts_with("fix.toml:6:11: a base branch does not say that `dev` is a `claude`"), "{why}");
    }
}
