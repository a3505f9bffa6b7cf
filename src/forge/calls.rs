//! The calls of the port, one after the other.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::review;
use super::transport::{Call, Client};
use super::wire::{self, State};
use crate::model::{
    Branch, Checks, Comment, CommentId, Dependency, Issue, IssueNumber, LabelEvent, Login, MergeStyle, Permission, Pull,
    PullNumber, PullState, RepoFacts, RepoLabel, RepoName, ReviewId, Reviews, Sha, Spot, Timestamp,
};
use crate::ports::{
    CiRun, CommitStatus, FailedJob, Forge, ForgeError, ForgeErrorKind, IssueFilter, LineComment, Listed, MergedPull, NewIssue,
    NewPull, NewReview, NewStatus, WrittenReview,
};

#[async_trait]
impl Forge for Client {
    async fn version(&self) -> Result<String, ForgeError> {
        Ok(self.json::<wire::Version>(&Call::new(Method::GET, &["version"])).await?.version)
    }

    async fn whoami(&self) -> Result<Login, ForgeError> {
        Ok(self.json::<wire::User>(&Call::new(Method::GET, &["user"])).await?.login())
    }

    async fn repository(&self, repo: &RepoName) -> Result<RepoFacts, ForgeError> {
        let call = Call::of(Method::GET, repo, &[]);
        self.json::<wire::Repository>(&call).await?.facts().map_err(|why| call.unreadable(why))
    }

    async fn labels(&self, repo: &RepoName) -> Result<Vec<RepoLabel>, ForgeError> {
        let listed = self.pages::<wire::Label>(&Call::of(Method::GET, repo, &["labels"])).await?;
        let mut labels: Vec<RepoLabel> = listed.items.into_iter().map(Into::into).collect();
        labels.sort_by_key(|l| l.id);
        labels.dedup_by_key(|l| l.id);
        self.learn_names(repo, &labels);
        Ok(labels)
    }

    async fn create_label(&self, repo: &RepoName, name: &str, color: &str, description: &str) -> Result<RepoLabel, ForgeError> {
        let body = json!({ "name": name, "color": color, "description": description });
        Ok(self.json::<wire::Label>(&Call::of(Method::POST, repo, &["labels"]).body(body)).await?.into())
    }

    async fn issues(&self, repo: &RepoName, filter: &IssueFilter) -> Result<Listed<Issue>, ForgeError> {
        self.read_issues(repo, filter).await
    }

    async fn comments_since(&self, repo: &RepoName, since: Timestamp) -> Result<Listed<Comment>, ForgeError> {
        self.read_comments(repo, since).await
    }

    async fn issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<Issue, ForgeError> {
        let number = issue.0.to_string();
        Ok(self.json::<wire::Issue>(&Call::of(Method::GET, repo, &["issues", &number])).await?.into())
    }

    async fn issue_comments(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<Comment>, ForgeError> {
        let number = issue.0.to_string();
        // This list has no pages.
        let call = Call::of(Method::GET, repo, &["issues", &number, "comments"]);
        let found: Option<Vec<wire::Comment>> = self.json(&call).await?;
        let placed: Result<Vec<Comment>, _> = found.unwrap_or_default().into_iter().map(wire::Comment::place).collect();
        let mut comments = placed.map_err(|why| call.unreadable(why))?;
        comments.sort_by_key(|c| (c.created, c.id));
        Ok(comments)
    }

    async fn label_events(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<LabelEvent>, ForgeError> {
        let number = issue.0.to_string();
        // Without `page` the whole timeline comes at once. Its pages are filtered after they were cut, so a short one is not the last,
        // and `X-Total-Count` is the page's own length: the end would show only by one more request, each time.
        let call = Call::of(Method::GET, repo, &["issues", &number, "timeline"]);
        let events: Option<Vec<wire::TimelineEvent>> = self.json(&call).await?;
        let mut found: Vec<LabelEvent> =
            events.unwrap_or_default().into_iter().filter_map(wire::TimelineEvent::label_event).collect();
        // Stable: within a second the forge's own order tells what came first.
        found.sort_by_key(|e| e.at);
        Ok(found)
    }

    async fn dependencies(&self, repo: &RepoName, issue: IssueNumber) -> Result<Vec<Dependency>, ForgeError> {
        let number = issue.0.to_string();
        let call = Call::of(Method::GET, repo, &["issues", &number, "dependencies"]);
        let listed = self.pages::<wire::Dependency>(&call).await?;
        Ok(listed.items.into_iter().map(|d| d.within(repo)).collect())
    }

    async fn add_label(&self, repo: &RepoName, issue: IssueNumber, name: &str) -> Result<Vec<String>, ForgeError> {
        let number = issue.0.to_string();
        let call = Call::of(Method::POST, repo, &["issues", &number, "labels"]).body(json!({ "labels": [name] }));
        let labels: Option<Vec<wire::Label>> = self.json(&call).await?;
        let names: Vec<String> = labels.unwrap_or_default().into_iter().map(|l| l.name).collect();
        if names.iter().any(|n| n == name) {
            return Ok(names);
        }
        Err(call.error(ForgeErrorKind::Invalid, format!("the repository has no label `{name}`: create it first")))
    }

    async fn remove_label(&self, repo: &RepoName, issue: IssueNumber, name: &str) -> Result<(), ForgeError> {
        let number = issue.0.to_string();
        // Digits would be taken for an identifier, and these two would vanish from the path.
        let by_name =
            !matches!(name, "" | "." | "..") && !name.bytes().all(|b| b.is_ascii_digit()) && !self.is_doubled(repo, name);
        if by_name {
            match self.send(&Call::of(Method::DELETE, repo, &["issues", &number, "labels", name])).await {
                // The repository has no such label; the issue may still carry its organization's.
                Err(ForgeError { kind: ForgeErrorKind::Invalid, .. }) => {}
                done => return done.map(drop),
            }
        }
        let attached: Option<Vec<wire::Label>> = self.json(&Call::of(Method::GET, repo, &["issues", &number, "labels"])).await?;
        for label in attached.unwrap_or_default().into_iter().filter(|l| l.name == name) {
            let id = label.id.to_string();
            self.send(&Call::of(Method::DELETE, repo, &["issues", &number, "labels", &id])).await?;
        }
        Ok(())
    }

    async fn create_comment(&self, repo: &RepoName, issue: IssueNumber, body: &str) -> Result<Comment, ForgeError> {
        let number = issue.0.to_string();
        let call = Call::of(Method::POST, repo, &["issues", &number, "comments"]).body(json!({ "body": body }));
        self.json::<wire::Comment>(&call).await?.place().map_err(|why| call.unreadable(why))
    }

    async fn edit_comment(&self, repo: &RepoName, id: CommentId, body: &str) -> Result<Comment, ForgeError> {
        let id = id.0.to_string();
        let call = Call::of(Method::PATCH, repo, &["issues", "comments", &id]).body(json!({ "body": body }));
        self.json::<wire::Comment>(&call).await?.place().map_err(|why| call.unreadable(why))
    }

    async fn delete_comment(&self, repo: &RepoName, id: CommentId) -> Result<(), ForgeError> {
        let id = id.0.to_string();
        match self.send(&Call::of(Method::DELETE, repo, &["issues", "comments", &id])).await {
            Ok(_) | Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_issue(&self, repo: &RepoName, new: &NewIssue) -> Result<Issue, ForgeError> {
        let body = json!({ "title": new.title, "body": new.body, "labels": new.labels });
        let call = Call::of(Method::POST, repo, &["issues"]).body(body);
        self.json::<wire::Issue>(&call).await.map(Issue::from)
    }

    async fn edit_issue(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<Issue, ForgeError> {
        let number = issue.0.to_string();
        let fields =
            [("title", title), ("body", body)].into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
        let fields: serde_json::Map<_, _> = fields.collect();
        let call = Call::of(Method::PATCH, repo, &["issues", &number]).body(fields.into());
        self.json::<wire::Issue>(&call).await.map(Issue::from)
    }

    async fn add_dependency(&self, repo: &RepoName, issue: IssueNumber, on: IssueNumber) -> Result<(), ForgeError> {
        let number = issue.0.to_string();
        let body = json!({ "owner": repo.owner(), "repo": repo.name(), "index": on.0 });
        self.send(&Call::of(Method::POST, repo, &["issues", &number, "dependencies"]).body(body)).await.map(drop)
    }

    async fn close_issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<(), ForgeError> {
        let number = issue.0.to_string();
        let call = Call::of(Method::PATCH, repo, &["issues", &number]).body(json!({ "state": "closed" }));
        let issue: wire::Issue = self.json(&call).await?;
        closed(&call, issue.state)
    }

    async fn reopen_issue(&self, repo: &RepoName, issue: IssueNumber) -> Result<(), ForgeError> {
        let number = issue.0.to_string();
        let call = Call::of(Method::PATCH, repo, &["issues", &number]).body(json!({ "state": "open" }));
        self.json::<wire::Issue>(&call).await.map(drop)
    }

    async fn pulls(
        &self,
        repo: &RepoName,
        head: &Branch,
        base: &Branch,
        since: Option<Timestamp>,
    ) -> Result<Vec<Pull>, ForgeError> {
        self.read_pulls(repo, head, base, since).await
    }

    async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, ForgeError> {
        let call = Call::of(Method::GET, repo, &["pulls"]).query("state", "open");
        let listed = self.pages::<wire::Pull>(&call).await?.items;
        let mut found = BTreeMap::new();
        for wire in listed {
            let pull = wire.pull().map_err(|why| call.unreadable(why))?;
            found.insert(pull.number, pull);
        }
        Ok(found.into_values().filter(|pull| pull.state == PullState::Open).collect())
    }

    async fn pull(&self, repo: &RepoName, pull: PullNumber) -> Result<Pull, ForgeError> {
        let number = pull.0.to_string();
        let call = Call::of(Method::GET, repo, &["pulls", &number]);
        self.json::<wire::Pull>(&call).await?.pull().map_err(|why| call.unreadable(why))
    }

    async fn merged_by(&self, repo: &RepoName, commit: &Sha) -> Result<Option<MergedPull>, ForgeError> {
        let call = Call::of(Method::GET, repo, &["commits", commit.as_str(), "pull"]);
        match self.json::<wire::Pull>(&call).await {
            Ok(wire) => wire.merged(commit).map_err(|why| call.unreadable(why)),
            Err(ForgeError { kind: ForgeErrorKind::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_pull(&self, repo: &RepoName, new: &NewPull) -> Result<Pull, ForgeError> {
        let body = json!({ "head": new.head, "base": new.base, "title": new.title, "body": new.body });
        let call = Call::of(Method::POST, repo, &["pulls"]).body(body);
        self.json::<wire::Pull>(&call).await?.pull().map_err(|why| call.unreadable(why))
    }

    async fn close_pull(&self, repo: &RepoName, pull: PullNumber) -> Result<(), ForgeError> {
        let number = pull.0.to_string();
        let call = Call::of(Method::PATCH, repo, &["pulls", &number]).body(json!({ "state": "closed" }));
        let pull: wire::Pull = self.json(&call).await?;
        closed(&call, pull.state)
    }

    async fn required_contexts(&self, repo: &RepoName, branch: &Branch) -> Result<Vec<String>, ForgeError> {
        Ok(self.branch(repo, branch).await?.contexts)
    }

    async fn admins_pass(&self, repo: &RepoName, branch: &Branch) -> Result<bool, ForgeError> {
        Ok(self.rule(repo, branch).await?.is_none_or(|rule| !rule.guard.admins))
    }

    async fn usual_merge(&self, repo: &RepoName) -> Result<Option<MergeStyle>, ForgeError> {
        Ok(self.json::<wire::MergeFacts>(&Call::of(Method::GET, repo, &[])).await?.style())
    }

    async fn merge_pull(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        head: &Sha,
        style: MergeStyle,
        force: bool,
    ) -> Result<(), ForgeError> {
        let number = pull.0.to_string();
        let body = json!({ "Do": style.word(), "head_commit_id": head, "force_merge": force });
        self.send(&Call::of(Method::POST, repo, &["pulls", &number, "merge"]).body(body)).await.map(drop)
    }

    async fn checks(&self, repo: &RepoName, sha: &Sha) -> Result<Checks, ForgeError> {
        Ok(Checks::of(self.statuses(repo, sha).await?.into_iter().map(|status| status.state)))
    }

    async fn statuses(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CommitStatus>, ForgeError> {
        let (mut all, mut page) = (Vec::new(), 1);
        loop {
            let call = Call::of(Method::GET, repo, &["commits", sha.as_str(), "status"]).query("page", page).query("limit", 50);
            let combined: wire::CombinedStatus = self.json(&call).await?;
            let (total, here) = (combined.total_count, combined.contexts());
            let last = here.is_empty();
            all.extend(here);
            if last || all.len() >= total {
                return Ok(all);
            }
            page += 1;
        }
    }

    async fn set_status(&self, repo: &RepoName, sha: &Sha, new: &NewStatus) -> Result<(), ForgeError> {
        let state = match new.state {
            Checks::Success => "success",
            Checks::Failure => "failure",
            Checks::Pending | Checks::None => "pending",
        };
        let body = json!({ "context": new.context, "state": state, "description": new.description });
        self.send(&Call::of(Method::POST, repo, &["statuses", sha.as_str()]).body(body)).await.map(drop)
    }

    async fn failed_jobs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<FailedJob>, ForgeError> {
        self.read_failed_jobs(repo, sha).await
    }

    async fn ci_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CiRun>, ForgeError> {
        self.read_ci_runs(repo, sha).await
    }

    async fn rerun(&self, repo: &RepoName, run: u64) -> Result<(), ForgeError> {
        self.post_rerun(repo, run).await
    }

    async fn reviews(&self, repo: &RepoName, pull: PullNumber) -> Result<Reviews, ForgeError> {
        let number = pull.0.to_string();
        let call = Call::of(Method::GET, repo, &["pulls", &number, "reviews"]);
        Ok(review::last_words(&self.pages::<review::Review>(&call).await?.items))
    }

    async fn written_reviews(&self, repo: &RepoName, pull: PullNumber) -> Result<Vec<WrittenReview>, ForgeError> {
        let number = pull.0.to_string();
        let call = Call::of(Method::GET, repo, &["pulls", &number, "reviews"]);
        let listed = self.pages::<review::Review>(&call).await?;
        Ok(listed.items.into_iter().map(WrittenReview::from).collect())
    }

    async fn create_review(&self, repo: &RepoName, pull: PullNumber, new: &NewReview) -> Result<(), ForgeError> {
        let number = pull.0.to_string();
        // A word that the forge does not know makes a review that only its author sees.
        let body = json!({ "event": review::word_of(new.verdict), "body": new.body, "commit_id": new.of });
        self.send(&Call::of(Method::POST, repo, &["pulls", &number, "reviews"]).body(body)).await.map(drop)
    }

    async fn line_comments(&self, repo: &RepoName, pull: PullNumber, review: ReviewId) -> Result<Vec<LineComment>, ForgeError> {
        let (number, review) = (pull.0.to_string(), review.to_string());
        // This list has no pages.
        let call = Call::of(Method::GET, repo, &["pulls", &number, "reviews", &review, "comments"]);
        let found: Option<Vec<review::LineComment>> = self.json(&call).await?;
        let mut comments: Vec<LineComment> = found.unwrap_or_default().into_iter().map(Into::into).collect();
        comments.sort_by_key(|c| (c.at, c.id));
        Ok(comments)
    }

    async fn reply(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        review: ReviewId,
        spot: &Spot,
        body: &str,
    ) -> Result<(), ForgeError> {
        let (number, review) = (pull.0.to_string(), review.to_string());
        let (new, old) = if spot.old { (0, spot.line) } else { (spot.line, 0) };
        let body = json!({ "path": spot.path, "body": body, "new_position": new, "old_position": old });
        self.send(&Call::of(Method::POST, repo, &["pulls", &number, "reviews", &review, "comments"]).body(body)).await.map(drop)
    }

    async fn assignees(&self, repo: &RepoName) -> Result<Vec<Login>, ForgeError> {
        let users: Option<Vec<wire::User>> = self.json(&Call::of(Method::GET, repo, &["assignees"])).await?;
        let mut logins: Vec<Login> = users.unwrap_or_default().into_iter().map(wire::User::login).collect();
        logins.sort();
        logins.dedup();
        Ok(logins)
    }

    async fn permission(&self, repo: &RepoName, login: &Login) -> Result<Permission, ForgeError> {
        let call = Call::of(Method::GET, repo, &["collaborators", login.as_str(), "permission"]);
        Ok(self.json::<wire::CollaboratorPermission>(&call).await?.into())
    }
}

/// A PATCH that the forge does not understand is 201 all the same, with nothing changed.
fn closed(call: &Call<'_>, state: State) -> Result<(), ForgeError> {
    match state {
        State::Closed => Ok(()),
        State::Open | State::Unknown => Err(call.error(ForgeErrorKind::Invalid, "the forge took it and left it open")),
    }
}
