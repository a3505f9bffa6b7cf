//! The page of documentation about formulas, made from the same types as the schema and from what expressions and templates may name.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::expression::Type;
use super::mirror::schema;
use super::nesting;
use super::scope::scope;
use crate::model::{About, TemplateKind, Variable};

const INTRODUCTION: &str = "\
# Formulas

A formula is a workflow: a TOML file, the prompts that it names and the schemas of what its agents answer. forgehand brings some; a file of the
same name in `formulas/` beside the configuration file takes the place of one, and of its prompts those in `prompts/`, of its schemas those in
`formulas/schemas/`. What is wrong with one is said when it is loaded, with its line and what to do.

This page is made from the program itself: `forgehand schema --formula --markdown`. For editors there is a JSON schema, `forgehand schema
--formula`, which `forgehand formula new` writes beside the configuration file; name it in the first line of a file in `formulas/`, `#:schema
../formula.schema.json`.
";

const ORDER: &str = "
## Order

- A step without `needs` follows the one before it in the file; with `needs = []` it starts at once. A step needs steps that stand before it.
- Steps without an order between them run side by side: agents, `run`, gates, proposals (what they ask of the forge is asked one after the other). A
  run has one change, so that some are done in the order of the file all the same: agents that write, then `run` on what they made, then what
  shows that to people (the pull request, pushes, `gate = \"checks\"` and `gate = \"approval\"`), behind every `run` before it in the file. Two
  agents that write and have no order between them are refused. `forgehand formula graph` shows who waits for whom.
- An agent that reads while another may write has a workspace of its own, at the commit that stood when it began: the last one that was taken over from
  who wrote before, or where the run started. It keeps that until it has ended; a `retry`, and being done again, begin from what stands then. Nothing of the
  project's `setup` is in it. Where no agent may write beside it, it reads in the run's workspace.
- Each `run` has a clone of its own, and without a sandbox a port of its own where others run beside it. What a step beside it left is there only for who
  names that step in `needs`.
- Each agent and each `run` at work takes a slot (`slots` of `[daemon]`), where several of a run work side by side too: with one slot they
  take turns. All of them spend from the run's `budget_usd`.
- An agent that others of its run may be at work beside has a HOME and a log of its own, `issue-7-attempt-1-STEP.jsonl`.
- A step with `when` is decided by that alone, once all that it needs has ended. One without is skipped where one that it needs was skipped.
- What a condition asks of a step that was skipped is not there, and the condition is false then; `steps.ID.status == 'skipped'` asks for that.
- A step that no run would ever do is refused: its condition, with those of the steps that it needs or asks for, cannot hold. So is an outcome that no run would end as.
- A value that a step needs must be there: a field that the schema of an answer does not require, or what can be null, is refused where no `when` asks for it
  first (`has(steps.ID.output.field)`, `steps.ID.output.field != null`) and nothing stands for it (`has(..) ? .. : ..`). What cannot be known before, an item past
  the end of a list, ends the run as `expression-failed`.
- A step with `for_each` is done for one item after the other. The list is worked out once, when the step begins, and one that is not there has
  no items; `when` is asked before that, `timeout` and `retry` are each item's own. Its output is the list of what the items left, in
  their order. Commands of a `run` have the item in the variable `FORGEHAND_ITEM`, a text as it is and anything else as JSON, and which it is, from 1,
  in `FORGEHAND_INDEX`; it is text from outside, so `\"$FORGEHAND_ITEM\"` stands in double quotes. Each item has a clone of its own; one that fails ends
  the run where the step has neither `go_on` nor `on_failure`, and an `on_failure` has all of them done again. So has one that goes back to an agent with
  `for_each`: the list is worked out anew, and each item begins a session in which both the step's `prompt` and what failed are told. A list longer than `at_most`, or than `items` in `[limits]` of the configuration, ends the run before any of it is done.
- A formula that is called with `for_each` is called for each item: its steps stand in the run once for each, `call@1.work`, `call@2.work`, each with what `with`
  makes of `item` and `index`. The items have no order between them, so that those of its steps run side by side that may, as far as slots are free; agents that write take turns, an item's `run`
  and `on_failure` before the next one begins to write. `steps.CALL.output` is the list of what they end as, in the order of the items. What is there once in a run, such as a pull request, stands behind
  the call; at most 100 items, and 2,000 steps in all.
- A `gate = \"vault\"` with `for_each` waits for one action after the other; one that is rejected or fails ends the run.
- The run ends when every step has ended, as the first `[[outcome]]` says whose `when` holds. A step that fails for good ends it: what is
  at work beside it is stopped. Where failing output goes back to an agent, that step and all that wait for it are done again.
";

const AGENTS: &str = "
## Who does a step

- An agent step names a role, `agent = \"dev\"`, and the configuration says who has it: `[agents.NAME]` with `roles`, else `[agent]`. With a `role` in
  `[agent]` of the formula, a step with a `prompt` needs no `agent`.
- Where agents of the configuration have `roles`, a role that neither they nor the shipped formulas have is told by `formula lint`, `doctor` and the log of a start: it falls to
  `[agent]`, and may be misspelt.
- `model` and `backend` of `[agent]` hold for all agent steps of the formula, those of a step for that one. A formula that another calls says them for
  its own steps; with `extends` they are changed like any other key.
- A `model` is one that `config/prices.toml` knows, or that an agent of the configuration has: nobody works unbilled. It goes to the server and on the account of the
  agent that does the step. The model of an action of the vault comes before it.
- With a `backend`, the agent that has the role does the step if it is of that kind, else the default agent, or the only other one of that kind that
  has roles and no identity of its own: its account, budget and author count then, and so does it for what the formula publishes.
- Both are checked against the configuration when a formula is loaded: at the start, at a reload, by `doctor` and by `formula lint`. A run ends with what its
  formula said when it began; where the configuration has nobody of that kind any more, whoever has the role goes on.
- A formula of a project's base branch (`.forgehand/`) says neither: what the configured formula has for the step of the same name, or else for another one of the
  same role, holds. It may repeat that; anything else is refused with its line.
- `formula show` says on stderr where an agent or a model is not the configured one; `formula graph`, a dry run and `forgehand logs` name them.
";

const BRANCH: &str = "
## The branch of its work

- What a run on an issue made is pushed to `branch_prefix` of the project with the issue's number, `claude/issue-7`; what is kept by propose = \"branch\" to
  `claude/issue-7-NAME`, by the formula's name. With `branch = \"spike\"` in `[workspace]` both go to `claude/issue-7-spike`.
- So each branch begins with the prefix and names its issue: its pull request is found again where the journal was lost (as long as the formula is on and says the same
  word), and the branch is deleted once that is merged and nobody pushed to it since.
- No two formulas that are on in a project push to one word: that is refused at the start. Formulas without a word share the issue's branch, as ever.
- An issue has one pull request of ours at a time: while it is open, more work goes on at its branch, whichever formula does it.
- The word of a base branch's formula counts for nothing: the configured one holds, as with `base`.
";

const ANSWERS: &str = "
## What answers are held to

The answer of an agent is JSON that fits the schema of its step (`formulas/schemas/NAME.json`, JSON schema, draft 7), whose `required` names only what its `properties` describe. What does not is told to the agent once, word by word, and the
step fails where the second answer does not fit either. For a text that is a whole document a schema may say what its lines look like, by `x-lines`, a list
of rules; what breaks one is told with the number of its line, and what no rule is about is left alone:

| Rule | What it says |
|---|---|
| `like`, `is`, `write` | a line that matches the pattern `like` has to match `is` |
| `from`, `has`, `write` | each part of the text, from a line that matches `from` to the next one, has exactly one line that matches `has` |
| `from`, `with`, `lacks`, `write` | a part with a line that matches `with` has none that matches `lacks` |

`write` is what to write instead, for the agent. The schema `plan` keeps the format of `prerequisites.md` so.

Two fields mean something by their name, in the answer of any agent's step of any formula, and both only make forgehand more careful:

- `files`, a list of texts: the files that the work will touch. Where a run ends by sending its issue on (`queue`, `interactive`,
  `needs-info` or `hand-over`, as triage does) they are remembered for the issue, and `overlap` of its project says what waits for other work on them.
- `blast_radius`, `low`, `medium` or `high`: how much the agent thinks its work could break. The tier of the pull request is never below the highest one that
  its run answered, and nothing that an agent says lowers one. Another word counts as `high`.
";

const LAST_TAG: &str = "
### The newest tag

`last_tag` is the nearest tag behind the tip of the base branch that names a version and no pre-release, read when the run is prepared and only where a formula
names it: `name` and `commit`, empty where there is none, and `commits`, how many came since; all of them without a tag. A workspace has no tags: `git log
COMMIT..HEAD` shows what came. `project.slug` is the repository's name in one word, for names of files, and `run.trunk` the tip of the base branch. In a recorded
test without `[last_tag]` (`name`, `commits`) there is a made-up tag.
";

const TASKS: &str = "
### Tasks of the issue

`issue.tasks` are the issues that the body of the run's issue lists as tasks, `- [ ] #N` or `- [x] #N`, outside of code and comments: at most 100, each
once, in their order; `issue.tasks_cut` says that there are more. `open` is the state of the issue itself, `ticked` that of the line, and `tasks` are the
numbers that the task lists in its turn. `issue.listed_in` are the numbers of the open issues that list the run's as a task. All of it is read once, when the
run is prepared, and only where a formula names it.

`file_targets` and `acceptance_criteria` are lists in the task's body: the items below a heading (`## File targets`), a line in bold (`**Acceptance
criteria**`) or a line `file_targets:`, up to the next such line, heading or paragraph; or what stands behind that colon, parted by commas. Words may be parted
by `_`, `-` or a space; ticks and backquotes of items are left out; what stands in a fenced block or an HTML comment is not read. At most 30 items of 300
characters are.

In templates a task has its `body` too, cut at 16 KiB, and left out behind 96 KiB of them in a prompt and 24 KiB in what is proposed.

| Name | What it is |
|---|---|
";

const PROJECT: &str = "
### About the project

A formula with `cron` is about the project: there is no `issue` in it, and what it proposes names the issue that it is for (`issue`) or files one.
Beside its schedule a `comment` may start it, under whichever issue it stands, and the events `issue-closed` and `pull-merged`: what happened since a
run was last wanted starts one, however much it was, and what happens while that is at work one more behind it. `cron` may be once a year.
Its open issues are read once, when the run is prepared, and only where it names them: at most 500, those first that have not moved for the longest.
Of each is known which issues are part of it, as far as we filed them (`Part of #N.`) or its body lists them as tasks (`- [ ] #N`), and which of these
are open; a part that was closed longer ago than 90 days is not known, and none is where issues were left out. That is read only where it is named.
`filed_as` is the name (`once`) under which a run about the project filed it, and empty where none did. A prompt has their bodies too, each cut at 4 KiB and left out behind 96 KiB of them. A schedule that has nothing to do costs no token if its
first `when` says so: `when = \"project.issues.exists(i, 'stale' in i.labels)\"`.

`moved` is what moved since the last run of the same formula about the project that came to an end of its own (`done`, `no-change` and the like; one that failed
does not count): `commits`, the base branch has another tip; `issues`, open ones that are new, moved or carry other labels; `closed`, those that were open then;
`files`, what `[ops] files` reads and says something else. `anything` is one of these. At the first run, and where more issues are open than are read, `commits` is true and `issues` are all. What the run itself filed,
wrote or changed is no news for the next one. So `when = \"moved.anything\"` asks an agent only where there is something to look at. It is looked at only where a formula names it; in a
dry run it is as for the first run, and in a recorded test without `[moved]` (`commits`, `issues`, `closed`, `files`; empty: nothing moved).

| Name | What it is |
|---|---|
";

const SPRINT: &str = "
### The sprint about an issue

`issue.sprint` is there where a file that `[ops] files` reads is the sprint of the issue: it has a filer block that names the issue, or an open pull request of ours
that was opened for the issue asks for it. `merged` says that it is on the branch that counts; else `pull` is the pull request. The block stands between two lines of
their own, and is a fence of TOML, longer than any within a body:

``````text
<!-- filer:begin -->
`````toml
vision = \"owner/name#7\"

[[issue]]
id = \"model\"
title = \"What is to be done\"
labels = [\"feature\"]
depends_on = []
body = \"\"\"
Why, and when it is done.
\"\"\"
`````
<!-- filer:end -->
``````

An issue has `id`, `title` and `body`, and perhaps `labels` and `depends_on` (ids of others of the block); there are at most 50. What is wrong with it stands in `wrong`, a
line for each mistake, `sprints/a.md:12:3: ..`, and `issues` is empty then. `propose = \"sub-issues\"` with `once` files them, each once.
";

const HOST: &str = "
### The host

`host.probes` is what the probes of the host showed, `[[probe]]` of the configuration, the disk of the state folder (`state-disk`) and the memory
(`memory`), in any formula. They are read once, when the run is prepared, side by side, each for as long as its `timeout` says, and only where a formula names them; what a step with
`propose = \"mend\"` has looked at again is shown as it is then. `ok` says that it is well; `exit` is null where it did not end by itself. `output` is the end
of what it printed, at most 2 KiB, with secrets taken out, and empty where it is well; in templates it is text from outside. `mend` is how much its mend
could break, or `none`; `tried` says that this run ran it.

A base branch's own formula may name the probes, and mend, only where the configured one does.

| Name | What it is |
|---|---|
";

/// The page, in Markdown.
pub fn page() -> String {
    let root = schema();
    let mut page = INTRODUCTION.to_owned();
    let properties = properties(&root);
    let (tables, keys): (Vec<_>, Vec<_>) = properties.iter().partition(|(_, of)| table(of, &root).is_some());
    page.push_str("\n## Header\n\n");
    rows(&mut page, &root, &keys, &root, "");
    for (name, of) in tables {
        let Some((inner, list)) = table(of, &root) else { continue };
        let heading = if list { format!("[[{name}]]") } else { format!("[{name}]") };
        // Writing to a text does not fail.
        let _ = write!(page, "\n## `{heading}`\n\n{}\n\n", said(of).or_else(|| said(inner)).unwrap_or_default());
        rows(&mut page, inner, &self::properties(inner), &root, "");
    }
    page.push_str(ORDER);
    page.push_str(AGENTS);
    page.push_str(BRANCH);
    page.push_str(ANSWERS);
    page.push_str("\n## What expressions may name\n\nConditions and values are written in CEL, the Common Expression Language, and checked against these types.\n\n| Name | What it is |\n|---|---|\n");
    types(&mut page, "", &scope(&[], "", Type::object(), About::Issue));
    page.push_str("| `steps.ID.status` | `done` or `skipped` |\n| `steps.ID.output` | what the step left behind |\n| `inputs.NAME` | as `[[input]]` says |\n");
    page.push_str(LAST_TAG);
    page.push_str(TASKS);
    of_list(&mut page, "issue", "tasks", About::Issue);
    page.push_str(SPRINT);
    page.push_str(PROJECT);
    of_project(&mut page);
    page.push_str(HOST);
    of_list(&mut page, "host", "probes", About::Project);
    for (kind, heading) in [(TemplateKind::Prompt, "prompts"), (TemplateKind::Proposal, "what is proposed")] {
        let helpers = kind.helpers().iter().map(|helper| format!("`{{{{{helper} ..}}}}`")).collect::<Vec<_>>().join(", ");
        let most = nesting::MOST;
        let _ = write!(
            page,
            "\n## What templates of {heading} may name\n\nTemplates are written in Handlebars. Text from outside stands only in {helpers}. Inside of a list's `{{{{#each}}}}` its items' names stand alone, and `{{{{../name}}}}` is one that stands around it, `{{{{@root.name}}}}` one of the whole. Blocks lie at most {most} deep in each other, those around a partial and each `{{{{else if}}}}` included. What is known and not there, such as the answer of a step that was skipped, puts in nothing, has no items and is false in `{{{{#if}}}}`.\n\n| Name | What it is |\n|---|---|\n",
        );
        variables(&mut page, "", &kind.vocabulary(About::Issue, [], [], None));
        page.push_str("| `project.issues`, `project.issues_cut` | in a formula with `cron`, which has no `issue` |\n");
        page.push_str("| `steps.ID.output` | what an agent answered, as its schema says; of a step with `for_each` the list of that |\n| `item`, `index` | in a step with `for_each`: the item, text from outside as in `steps`, and which it is, from 1 |\n| `inputs.NAME` | text from outside, but for numbers, flags and those with `one_of` |\n");
    }
    page
}

/// What only a formula about the project may name.
fn of_project(page: &mut String) {
    let Type::Record(scope) = scope(&[], "", Type::object(), About::Project) else { return };
    let Some(Type::Record(project)) = scope.field("project") else { return };
    types(page, "project.", &Type::Record(project.clone()));
    of_list(page, "project", "issues", About::Project);
}

/// What an item of a list has.
fn of_list(page: &mut String, record: &str, list: &str, about: About) {
    let Type::Record(scope) = scope(&[], "", Type::object(), about) else { return };
    let Some(Type::Record(record_of)) = scope.field(record) else { return };
    if let Some(Type::List(item)) = record_of.field(list) {
        types(page, &format!("{record}.{list}: "), item);
    }
}

fn properties(schema: &Json) -> Vec<(&String, &Json)> {
    schema["properties"].as_object().into_iter().flatten().collect()
}

fn said(schema: &Json) -> Option<String> {
    schema["description"].as_str().map(|text| text.replace('\n', " "))
}

/// What stands behind a reference, and behind what may be left out.
fn behind<'s>(schema: &'s Json, root: &'s Json) -> &'s Json {
    if let Some(to) = schema["$ref"].as_str() {
        return root.pointer(to.trim_start_matches('#')).unwrap_or(schema);
    }
    for key in ["anyOf", "allOf"] {
        let some: Vec<&Json> = schema[key].as_array().into_iter().flatten().filter(|part| part["type"] != "null").collect();
        if let [only] = some.as_slice() {
            return behind(only, root);
        }
    }
    schema
}

/// The table that a key opens, and whether there can be several.
fn table<'s>(schema: &'s Json, root: &'s Json) -> Option<(&'s Json, bool)> {
    let here = behind(schema, root);
    let (inner, list) = match here.get("items") {
        Some(items) => (behind(items, root), true),
        None => (here, false),
    };
    inner.get("properties").is_some().then_some((inner, list))
}

fn rows(page: &mut String, owner: &Json, keys: &[(&String, &Json)], root: &Json, before: &str) {
    if before.is_empty() {
        page.push_str("| Key | What it may be | What it says |\n|---|---|---|\n");
    }
    let required = |name: &str| owner["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, of) in keys {
        let must = if required(name) { " **Must be there.**" } else { "" };
        let default = of.get("default").map_or(String::new(), |default| format!(" By default `{default}`."));
        let text = said(of).or_else(|| said(behind(of, root))).unwrap_or_default();
        let _ = writeln!(page, "| `{before}{name}` | {} | {text}{default}{must} |", what(of, root));
        if let Some((inner, false)) = table(of, root) {
            rows(page, inner, &properties(inner), root, &format!("{before}{name}."));
        }
    }
}

/// What a value may be, in words.
fn what(schema: &Json, root: &Json) -> String {
    let here = behind(schema, root);
    if let Some(word) = here.get("const") {
        return format!("`{word}`");
    }
    let listed = |all: &[Json], each: &dyn Fn(&Json) -> String| {
        let mut all: Vec<String> = all.iter().filter(|one| !one.is_null() && one["type"] != "null").map(each).collect();
        all.dedup();
        all.join(" or ")
    };
    if let Some(words) = here["enum"].as_array() {
        return listed(words, &|word| format!("`{word}`"));
    }
    if let Some(all) = here["oneOf"].as_array().or(here["anyOf"].as_array()) {
        return listed(all, &|one| what(one, root));
    }
    let kinds: Vec<&str> = match &here["type"] {
        Json::Array(all) => all.iter().filter_map(Json::as_str).filter(|kind| *kind != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    let range = match (here["minimum"].as_f64(), here["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        _ => String::new(),
    };
    match kinds.first() {
        Some(&"string") => here["examples"][0].as_str().map_or("a text".to_owned(), |example| match example {
            "text" => "a text".to_owned(),
            example => format!("a text such as `{}`", serde_json::Value::from(example)),
        }),
        Some(&"integer") => format!("a whole number{range}"),
        Some(&"number") => format!("a number{range}"),
        Some(&"boolean") => "`true` or `false`".to_owned(),
        Some(&"array") => format!("a list: each {}", what(&here["items"], root)),
        _ => "a table".to_owned(),
    }
}

fn types(page: &mut String, before: &str, of: &Type) {
    let Type::Record(record) = of else { return };
    for (name, field) in record.fields.iter() {
        match &field.of {
            Type::Record(inner) if !inner.fields.is_empty() => types(page, &format!("{before}{name}."), &field.of),
            Type::Record(_) => {}
            other => {
                let _ = writeln!(page, "| `{before}{name}` | {other} |");
            }
        }
    }
}

fn variables(page: &mut String, before: &str, of: &Variable) {
    let Variable::Record(names) = of else { return };
    for (name, variable) in names.iter() {
        let name = format!("{before}{name}");
        match variable {
            Variable::Plain => drop(writeln!(page, "| `{name}` | ours |")),
            Variable::Outside => drop(writeln!(page, "| `{name}` | text from outside |")),
            Variable::List(item) => match item.as_ref() {
                Variable::Record(_) => {
                    let _ = writeln!(page, "| `{name}` | a list; in it: |");
                    variables(page, &format!("{name}: "), item);
                }
                Variable::Outside => drop(writeln!(page, "| `{name}` | a list of text from outside |")),
                Variable::Plain | Variable::List(_) => drop(writeln!(page, "| `{name}` | a list |")),
            },
            Variable::Record(_) => variables(page, &format!("{name}."), variable),
        }
    }
}
