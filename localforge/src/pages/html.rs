//! The pages' HTML. Everything that comes from a record goes through `escape`.

use std::fmt::Write;

use crate::state::records::{Access, Issue, Label, Pull, Repo, Standing, UserId, What};
use crate::state::{Actor, State};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
a{color:#0a58ca;text-decoration:none}table{border-collapse:collapse;width:100%}td{border-top:1px solid #ddd;padding:.4em}\
.label{border-radius:1em;padding:.1em .6em;font-size:85%;border:1px solid #888}.quiet{color:#666}\
pre{white-space:pre-wrap;background:#f6f6f6;padding:.7em;overflow:auto}.entry{border:1px solid #ddd;margin:1em 0;padding:0 1em}\
.add{background:#e6ffec}.del{background:#ffebe9}.hunk{color:#666}form{display:inline}";

/// A text as it may stand in HTML, attributes included.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{ let _ = write!($out, $($text)*); }};
}

/// A page while it is put together.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    fn new(title: &str) -> Self {
        Self { title: escape(title), body: String::new() }
    }

    pub(super) fn whole(self) -> String {
        let Self { title, body } = self;
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
             <p class=\"quiet\"><a href=\"/\">localforge</a> · <a href=\"/-/login\">sign in</a></p>{body}</html>"
        )
    }

    /// The page with the changes of a pull request below.
    pub(super) fn with_diff(mut self, diff: &str) -> String {
        self.body.push_str("<h2>Changes</h2><pre>");
        for line in diff.lines() {
            let class = match line.as_bytes() {
                [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => "quiet",
                [b'+', ..] => "add",
                [b'-', ..] => "del",
                [b'@', ..] => "hunk",
                _ => "",
            };
            put!(self.body, "<span class=\"{class}\">{}</span>\n", escape(line));
        }
        self.body.push_str("</pre>");
        self.whole()
    }
}

fn login(state: &State, user: UserId) -> String {
    escape(state.login(user))
}

/// The repositories that one may see.
pub(super) fn repositories(state: &State, actor: Actor) -> String {
    let mut page = Page::new("localforge");
    page.body.push_str("<h1>Repositories</h1><table>");
    for repo in state.repositories().filter(|repo| state.access(repo, actor) >= Access::Read) {
        let name = escape(&state.full_name(repo));
        put!(page.body, "<tr><td><a href=\"/{name}/issues\">{name}</a><td class=\"quiet\">{}", escape(&repo.description));
    }
    page.body.push_str("</table>");
    page.whole()
}

fn head(state: &State, repo: &Repo, page: &mut Page) -> String {
    let name = escape(&state.full_name(repo));
    put!(
        page.body,
        "<h1>{name}</h1><p><a href=\"/{name}/issues\">Issues</a> · <a href=\"/{name}/pulls\">Pull requests</a> · \
         <span class=\"quiet\">git clone {}.git</span></p>",
        escape(&state.page_url(repo.id))
    );
    name
}

fn label(label: &Label) -> String {
    format!("<span class=\"label\" style=\"border-color:#{}\">{}</span> ", escape(&label.color), escape(&label.name))
}

fn labels(state: &State, issue: &Issue) -> String {
    let mut list: Vec<&Label> = issue.labels.iter().filter_map(|id| state.label(*id)).collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list.into_iter().map(label).collect()
}

/// The issues, or the pull requests, of a repository.
pub(super) fn issues(state: &State, repo: &Repo, pulls: bool, all: bool) -> String {
    let what = if pulls { "pulls" } else { "issues" };
    let mut page = Page::new(&format!("{} · {what}", state.full_name(repo)));
    let name = head(state, repo, &mut page);
    let (other, offer) = if all { ("open", "only open ones") } else { ("all", "closed ones too") };
    put!(page.body, "<p class=\"quiet\"><a href=\"/{name}/{what}?state={other}\">{offer}</a></p><table>");
    let listed = |issue: &&Issue| issue.pull.is_some() == pulls && (all || issue.state == Standing::Open);
    for issue in state.issues_of(repo.id).rev().filter(listed) {
        let number = issue.key.1;
        put!(
            page.body,
            "<tr><td>#{number}<td><a href=\"/{name}/{what}/{number}\">{}</a> {}<td class=\"quiet\">{} · {} · {}",
            escape(&issue.title),
            labels(state, issue),
            standing(issue),
            login(state, issue.author),
            issue.updated.rfc3339()
        );
    }
    page.body.push_str("</table>");
    page.whole()
}

fn standing(issue: &Issue) -> &'static str {
    match (&issue.pull, issue.state) {
        (Some(Pull { merged: Some(_), .. }), _) => "merged",
        (_, state) => state.word(),
    }
}

/// An issue or pull request with its timeline.
pub(super) fn issue(state: &State, repo: &Repo, issue: &Issue) -> Page {
    let number = issue.key.1;
    let mut page = Page::new(&format!("#{number} {}", issue.title));
    let name = head(state, repo, &mut page);
    put!(
        page.body,
        "<h2>#{number} {}</h2><p>{} {}</p><div class=\"entry\"><p class=\"quiet\">{} · {}</p><pre>{}</pre></div>",
        escape(&issue.title),
        standing(issue),
        labels(state, issue),
        login(state, issue.author),
        issue.created.rfc3339(),
        escape(&issue.body)
    );
    for event in state.timeline(issue.key) {
        let (who, when) = (login(state, event.author), event.created.rfc3339());
        match &event.what {
            What::Comment { body, .. } => put!(
                page.body,
                "<div class=\"entry\" id=\"issuecomment-{}\"><p class=\"quiet\">{who} · {when}</p><pre>{}</pre></div>",
                event.id.0,
                escape(body)
            ),
            what => put!(page.body, "<p class=\"quiet\">{who} {} · {when}</p>", told(state, what)),
        }
    }
    if let Some(pull) = &issue.pull {
        buttons(&mut page, &name, issue, pull);
    }
    page
}

/// What an entry that is no comment tells.
fn told(state: &State, what: &What) -> String {
    match what {
        What::Comment { body, .. } => escape(body),
        What::Label { label: id, added } => {
            let shown = state.label(*id).map(label).unwrap_or_default();
            if *added { format!("added {shown}") } else { format!("removed {shown}") }
        }
        What::Close => "closed this".into(),
        What::Reopen => "reopened this".into(),
        What::ChangeTitle { old, new } => format!("changed the title from <i>{}</i> to <i>{}</i>", escape(old), escape(new)),
        What::Assignee { user, removed: true } => format!("unassigned {}", login(state, *user)),
        What::Assignee { user, removed: false } => format!("assigned {}", login(state, *user)),
        What::AddDependency { other } => format!("made a dependency with #{}", other.1),
        What::RemoveDependency { other } => format!("removed a dependency with #{}", other.1),
        What::PullRef { pull, .. } => format!("mentioned this in pull request #{}", pull.1),
        What::PullPush { commits, .. } => format!("pushed {} commits", commits.len()),
        What::Review { body, .. } => format!("reviewed: {}", escape(body)),
        What::ReviewRequest { user } => format!("asked {} for a review", login(state, *user)),
        What::DismissReview { .. } => "dismissed a review".into(),
        What::MergePull { commit } => format!("merged this as {}", escape(commit)),
        What::DeleteBranch { name } => format!("deleted the branch {}", escape(name)),
    }
}

fn buttons(page: &mut Page, name: &str, issue: &Issue, pull: &Pull) {
    let number = issue.key.1;
    put!(
        page.body,
        "<p><b>{}</b> into <b>{}</b> <span class=\"quiet\">{} · +{} −{} in {} files{}</span></p>",
        escape(&pull.head),
        escape(&pull.base),
        escape(&pull.head_sha),
        pull.additions,
        pull.deletions,
        pull.changed_files,
        if pull.conflicts { " · conflicts with its base" } else { "" }
    );
    if issue.state == Standing::Open {
        for (what, says) in [("approve", "Approve"), ("merge", "Merge"), ("close", "Close without merging")] {
            put!(page.body, "<form method=\"post\" action=\"/{name}/pulls/{number}/{what}\"><button>{says}</button></form> ");
        }
    }
}

/// The message of a refusal.
pub(super) fn message(json: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Refused {
        message: String,
    }
    serde_json::from_str(json).map_or_else(|_| json.to_owned(), |refused: Refused| refused.message)
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
