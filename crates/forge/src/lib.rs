//! What is posted on a pull request of GitHub or a merge request of GitLab, and where.
//!
//! `phoenix-live` posts.

#![expect(
    clippy::disallowed_methods,
    reason = "the package is an edge: it reads the event of a run"
)]

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use phoenix_report::comment::Label;
use phoenix_terminal::user_error::user_error;
use serde_json::Value;

/// A comment to post.
#[derive(Debug)]
pub struct Post {
    /// Where.
    pub place: Place,
    /// The document.
    pub body: String,
    /// The label to set.
    pub label: Option<Label>,
}

/// The pull request or merge request.
#[derive(Debug)]
pub enum Place {
    /// A pull request of GitHub.
    GitHub(GitHubPlace),
    /// A merge request of GitLab.
    GitLab(GitLabPlace),
}

/// A pull request of GitHub.
#[derive(Debug)]
pub struct GitHubPlace {
    /// The address of the API.
    pub address: String,
    /// The token.
    pub token: Token,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The pull request.
    pub pull_request: PullRequest,
    /// The login of the token's owner, whose comment is edited.
    pub author: String,
}

/// How a pull request is identified.
#[derive(Debug)]
pub enum PullRequest {
    /// By its number.
    Number(u64),
    /// By its head, as the event of a workflow run contains it.
    Head {
        /// `OWNER/NAME` of the head.
        repository: String,
        /// The branch of the head.
        branch: String,
        /// The full hash of the commit.
        commit: String,
    },
}

/// A merge request of GitLab.
#[derive(Debug)]
pub struct GitLabPlace {
    /// The address of the API.
    pub address: String,
    /// The token.
    pub token: Token,
    /// The id or the path of the project.
    pub project: String,
    /// The number of the merge request in its project.
    pub merge_request: u64,
}

/// A token, which is never shown.
pub struct Token(String);

impl Token {
    /// The token, for a header that is marked as sensitive.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[token]")
    }
}

/// A comment that was posted.
#[derive(Debug, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub id: u64,
    /// Its address, if the service names it.
    pub address: Option<String>,
    /// Whether it was written or edited; false if it already had this text.
    pub is_changed: bool,
}

impl Posted {
    /// A comment that already had the text.
    pub fn unchanged(id: u64) -> Self {
        Self {
            id,
            address: None,
            is_changed: false,
        }
    }
}

/// Where to post.
#[derive(Debug, clap::Args)]
pub struct Posting {
    /// Post the document as a comment on the pull request (GitHub) or merge request (GitLab) of this CI run, or edit the existing one.
    ///
    /// GitHub: the token is in `GITHUB_TOKEN`; `GITHUB_REPOSITORY`, `GITHUB_API_URL` and `GITHUB_EVENT_PATH` name the pull request.
    /// GitLab: the token is in `GITLAB_TOKEN`; `CI_API_V4_URL`, `CI_PROJECT_ID` and `CI_MERGE_REQUEST_IID` name the merge request.
    #[arg(long)]
    pub post: bool,
    /// Post this document of another run instead of comparing stacks.
    #[arg(long, value_name = "FILE", requires = "post", conflicts_with_all = ["output", "stacks", "base"])]
    pub document: Option<std::path::PathBuf>,
    /// The document is from a run that executed the code of a fork: show it in a code block.
    #[arg(long, requires = "document", conflicts_with = "set_label")]
    pub untrusted: bool,
    /// The number of the pull request or merge request. Default: that of the CI run.
    #[arg(long, value_name = "NUMBER", requires = "post")]
    pull_request: Option<u64>,
    /// The head of the pull request, for a run that does not name it: `OWNER/NAME`, branch and commit.
    #[arg(
        long,
        value_names = ["REPOSITORY", "BRANCH", "COMMIT"],
        num_args = 3,
        requires = "post",
        conflicts_with = "pull_request"
    )]
    head: Option<Vec<String>>,
    /// The login of the account that the token belongs to (GitHub). Only its comment is edited.
    #[arg(
        long,
        value_name = "LOGIN",
        requires = "post",
        default_value = "github-actions[bot]"
    )]
    author: String,
    /// Set the label, and remove the other labels of this kind.
    #[arg(long, requires = "post")]
    pub set_label: bool,
}

impl Posting {
    /// The place, from the arguments and the variables of the CI service.
    pub fn place(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Place> {
        let required = |name: &str, hint: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| user_error(format!("{name} is not set"), hint))
        };
        if variable("GITLAB_CI").is_some() {
            let hint = "run this in a pipeline for merge requests, or set the variable";
            let merge_request = match self.pull_request {
                Some(number) => number,
                None => number(&required("CI_MERGE_REQUEST_IID", hint)?, "CI_MERGE_REQUEST_IID")?,
            };
            return Ok(Place::GitLab(GitLabPlace {
                address: required("CI_API_V4_URL", hint)?,
                token: Token(required(
                    "GITLAB_TOKEN",
                    "set it to an access token of the project with the scope `api`",
                )?),
                project: required("CI_PROJECT_ID", hint)?,
                merge_request,
            }));
        }
        let hint = "run this in GitHub Actions or GitLab CI, or set the variable";
        let repository = required("GITHUB_REPOSITORY", hint)?;
        let token = Token(required(
            "GITHUB_TOKEN",
            "set it to a token with the permission `pull-requests: write`",
        )?);
        let pull_request = match (&self.head, self.pull_request) {
            (Some(head), _) => head_of(head)?,
            (None, Some(number)) => PullRequest::Number(number),
            (None, None) => of_event(Path::new(&required("GITHUB_EVENT_PATH", "pass --pull-request")?))?,
        };
        Ok(Place::GitHub(GitHubPlace {
            address: variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
            token,
            repository,
            pull_request,
            author: self.author.clone(),
        }))
    }
}

fn number(text: &str, name: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| user_error(format!("{name} is not a number"), "pass --pull-request"))
}

fn head_of(head: &[String]) -> Result<PullRequest> {
    let [repository, branch, commit] = head else {
        return Err(user_error(
            "--head is incomplete",
            "pass the repository, the branch and the commit",
        ));
    };
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_repository =
        repository.split('/').count() == 2 && repository.split('/').all(|part| !part.is_empty());
    if !is_commit || !is_repository || branch.is_empty() {
        return Err(user_error(
            "--head does not name a repository (OWNER/NAME), a branch and a full commit hash",
            "pass the fields head_repository.full_name, head_branch and head_sha of the event",
        ));
    }
    Ok(PullRequest::Head {
        repository: repository.clone(),
        branch: branch.clone(),
        commit: commit.clone(),
    })
}

/// The number in the event of a workflow.
fn of_event(path: &Path) -> Result<PullRequest> {
    let reading = || format!("cannot read the event in {}", path.display());
    let text = std::fs::read_to_string(path).with_context(reading)?;
    let event: Value = serde_json::from_str(&text).with_context(reading)?;
    let number = event["pull_request"]["number"].as_u64();
    number.map(PullRequest::Number).ok_or_else(|| {
        user_error(
            "the event of this run names no pull request",
            "pass --pull-request or --head",
        )
    })
}
