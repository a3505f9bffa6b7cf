//! Bodies of requests. As on a real forge, unknown keys are ignored, absent and `null` are the same.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// An absent or `null` value is the type's zero.
fn zero<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! bodies {
    ($($name:ident { $($field:ident: $kind:ty),* $(,)? })*) => {$(
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(in crate) struct $name {
            $(#[serde(deserialize_with = "zero")] pub $field: $kind,)*
        }
    )*};
}

bodies! {
    NewUser { username: String, password: String, email: String, full_name: String }
    RepoNamed { owner: String, name: String }
    NewToken { name: String, scopes: Vec<String>, repositories: Option<Vec<RepoNamed>> }
    NewRepo { name: String, description: String, private: bool, auto_init: bool, default_branch: String }
    EditRepo {
        name: Option<String>, description: Option<String>, private: Option<bool>, archived: Option<bool>,
        default_branch: Option<String>,
    }
    AddCollaborator { permission: Option<String> }
    NewLabel { name: String, color: String, description: String, exclusive: bool, is_archived: bool }
    EditLabel {
        name: Option<String>, color: Option<String>, description: Option<String>, exclusive: Option<bool>,
        is_archived: Option<bool>,
    }
    NewIssue { title: String, body: String, labels: Vec<u64>, assignees: Vec<String>, assignee: String, closed: bool }
    EditIssue {
        title: Option<String>, body: Option<String>, state: Option<String>, assignees: Option<Vec<String>>,
        assignee: Option<String>,
    }
    Labels { labels: Vec<serde_json::Value> }
    NewComment { body: String }
    NewReaction { content: String }
    IssueNamed { owner: String, repo: String, index: u64 }
    NewPull { head: String, base: String, title: String, body: String, labels: Vec<u64>, assignees: Vec<String> }
    EditPull {
        title: Option<String>, body: Option<String>, state: Option<String>, base: Option<String>,
        assignees: Option<Vec<String>>, assignee: Option<String>, labels: Option<Vec<u64>>,
    }
    NewStatus { state: String, context: String, description: String, target_url: String }
    HookConfig { url: String, content_type: String, secret: String }
    NewHook {
        r#type: String, config: HookConfig, events: Vec<String>, branch_filter: String, active: bool,
    }
    NewBranch { new_branch_name: String, old_branch_name: String, old_ref_name: String }
    Author { name: String, email: String }
    WriteFile {
        content: String, message: String, branch: String, new_branch: String, sha: String, author: Author,
    }
    NewReviewComment { path: String, body: String, new_position: i64, old_position: i64 }
    NewReview { event: String, body: String, commit_id: String, comments: Vec<NewReviewComment> }
    DismissReview { message: String }
    Reviewers { reviewers: Vec<String>, team_reviewers: Vec<IgnoredAny> }
    Protection {
        rule_name: Option<String>, branch_name: Option<String>, enable_push: Option<bool>,
        enable_push_whitelist: Option<bool>, push_whitelist_usernames: Option<Vec<String>>,
        enable_merge_whitelist: Option<bool>, merge_whitelist_usernames: Option<Vec<String>>,
        enable_status_check: Option<bool>, status_check_contexts: Option<Vec<String>>, required_approvals: Option<u64>,
        block_on_rejected_reviews: Option<bool>, block_on_official_review_requests: Option<bool>,
        block_on_outdated_branch: Option<bool>, dismiss_stale_approvals: Option<bool>, ignore_stale_approvals: Option<bool>,
        protected_file_patterns: Option<String>, unprotected_file_patterns: Option<String>, apply_to_admins: Option<bool>,
    }
}

/// The body of a merge: its keys are spelled as the forge spells them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Merge {
    #[serde(rename = "Do", deserialize_with = "zero")]
    pub how: String,
    #[serde(rename = "MergeTitleField", deserialize_with = "zero")]
    pub title: String,
    #[serde(rename = "MergeMessageField", deserialize_with = "zero")]
    pub message: String,
    #[serde(deserialize_with = "zero")]
    pub head_commit_id: String,
    #[serde(deserialize_with = "zero")]
    pub merge_when_checks_succeed: bool,
    #[serde(deserialize_with = "zero")]
    pub force_merge: bool,
    #[serde(deserialize_with = "zero")]
    pub delete_branch_after_merge: bool,
}
