//! Branch protections, as an administrator of a repository sees and sets them.
//!
//! Promises: a rule that is there keeps all that it says; a pattern is added to it, never taken out.

use reqwest::Method;
use serde_json::json;

use crate::model::{Branch, RepoName};
use crate::ports::ForgeError;

use super::transport::Call;
use super::{Client, wire};

impl Client {
    /// Has files of a branch changed by reviewed pull requests alone, which an administrator merges; everything else may be pushed as before. Answers
    /// whether anything was to be done.
    ///
    /// # Errors
    /// The forge's; [`Denied`](crate::ports::ForgeErrorKind::Denied) or `NotFound` where the token's account does not administer the repository.
    pub async fn protect_files(&self, repo: &RepoName, branch: &Branch, pattern: &str) -> Result<bool, ForgeError> {
        let rules: Option<Vec<wire::Protection>> = self.json(&Call::of(Method::GET, repo, &["branch_protections"])).await?;
        let rule = rules.unwrap_or_default().into_iter().find(|rule| rule.rule_name == branch.as_str());
        let Some(rule) = rule else {
            let body = json!({
                "rule_name": branch,
                "enable_push": true,
                "protected_file_patterns": pattern,
                "required_approvals": 1,
                "dismiss_stale_approvals": true,
                "block_on_rejected_reviews": true,
            });
            self.send(&Call::of(Method::POST, repo, &["branch_protections"]).body(body)).await?;
            return Ok(true);
        };
        let mut patterns: Vec<&str> = rule.protected_file_patterns.split(';').map(str::trim).filter(|p| !p.is_empty()).collect();
        if patterns.contains(&pattern) {
            return Ok(false);
        }
        patterns.push(pattern);
        let body = json!({ "protected_file_patterns": patterns.join(";") });
        self.send(&Call::of(Method::PATCH, repo, &["branch_protections", &rule.rule_name]).body(body)).await?;
        Ok(true)
    }
}
