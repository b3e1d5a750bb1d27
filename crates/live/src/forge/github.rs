//! The REST API of GitHub.

use anyhow::{Result, anyhow};
use phoenix_forge::{GitHubPlace, Posted, PullRequest};
use phoenix_http::header::{AUTHORIZATION, LINK};
use phoenix_http::{Method, StatusCode};
use phoenix_report::comment::Label;
use phoenix_terminal::user_error::user_error;
use serde_json::{Value, json};

use super::{Api, Existing, Forge, body_of, field, json_of, posted, refused};

/// The comments of a pull request.
pub(super) struct GitHub {
    api: Api,
    owner: String,
    repository: String,
    number: String,
    author: String,
}

impl GitHub {
    /// Finds the pull request.
    pub async fn connect(place: &GitHubPlace) -> Result<Self> {
        let api = Api::new(
            &place.address,
            "GITHUB_API_URL",
            (AUTHORIZATION, format!("Bearer {}", place.token.reveal())),
            "application/vnd.github+json",
        )?;
        let (owner, repository) = place.repository.split_once('/').ok_or_else(|| {
            user_error(
                format!("{:?} is not a repository", place.repository),
                "set GITHUB_REPOSITORY to OWNER/NAME",
            )
        })?;
        let mut forge = Self {
            api,
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            number: String::new(),
            author: place.author.clone(),
        };
        forge.number = match &place.pull_request {
            PullRequest::Number(number) => number.to_string(),
            PullRequest::Head {
                repository,
                branch,
                commit,
            } => forge.number_of(repository, branch, commit).await?.to_string(),
        };
        Ok(forge)
    }

    /// The open pull request of a head. The event of a workflow run from a fork does not name it.
    async fn number_of(&self, repository: &str, branch: &str, commit: &str) -> Result<u64> {
        let owner = repository.split('/').next().unwrap_or_default();
        let head = format!("{owner}:{branch}");
        let query = [("state", "open"), ("head", head.as_str()), ("per_page", "100")];
        let found = self
            .api
            .expect(
                Method::GET,
                self.api
                    .url(&["repos", &self.owner, &self.repository, "pulls"], &query),
                None,
            )
            .await?;
        let is_asked = |pull: &&Value| {
            pull["head"]["sha"] == commit
                && pull["head"]["ref"] == branch
                && pull["head"]["repo"]["full_name"]
                    .as_str()
                    .is_some_and(|name| name.eq_ignore_ascii_case(repository))
        };
        let pulls: Vec<_> = found.as_array().into_iter().flatten().filter(is_asked).collect();
        match pulls.as_slice() {
            [one] => field(one["number"].as_u64(), "number"),
            [] => Err(user_error(
                format!("no open pull request of {repository} has the branch {branch:?} at {commit}"),
                "the branch may have new commits or the pull request may be closed; nothing was posted",
            )),
            several => Err(user_error(
                format!(
                    "{} open pull requests have the branch {branch:?} of {repository} at {commit}",
                    several.len()
                ),
                "pass --pull-request; nothing was posted",
            )),
        }
    }

    fn issue<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["repos", &self.owner, &self.repository, "issues"], rest].concat()
    }
}

impl Forge for GitHub {
    async fn comments(&self, page: usize) -> Result<(Vec<Existing>, bool)> {
        let page = page.to_string();
        let url = self.api.url(
            &self.issue(&[&self.number, "comments"]),
            &[("per_page", "100"), ("page", &page)],
        );
        let response = self.api.call(Method::GET, url, None).await?;
        if !response.status.is_success() {
            return Err(refused(&response));
        }
        let links = response.headers.get(LINK).and_then(|links| links.to_str().ok());
        let has_more = links.is_some_and(|links| links.contains("rel=\"next\""));
        let comments = json_of(&response)?;
        let comments = comments
            .as_array()
            .ok_or_else(|| anyhow!("the response is not a list"))?;
        let existing = comments.iter().map(|comment| {
            Ok(Existing {
                id: field(comment["id"].as_u64(), "id")?,
                body: comment["body"].as_str().unwrap_or_default().to_owned(),
                author: comment["user"]["login"].as_str().unwrap_or_default().to_owned(),
            })
        });
        Ok((existing.collect::<Result<_>>()?, has_more))
    }

    async fn is_own(&self, author: &str) -> Result<bool> {
        // The token of a workflow cannot ask for its own name.
        Ok(author == self.author)
    }

    async fn edit(&self, id: u64, body: &str) -> Result<Option<Posted>> {
        let url = self.api.url(&self.issue(&["comments", &id.to_string()]), &[]);
        let response = self.api.call(Method::PATCH, url, Some(&body_of(body))).await?;
        match response.status {
            status if status.is_success() => Ok(Some(posted(&json_of(&response)?, "html_url")?)),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => Ok(None),
            _ => Err(refused(&response)),
        }
    }

    async fn create(&self, body: &str) -> Result<Posted> {
        let url = self.api.url(&self.issue(&[&self.number, "comments"]), &[]);
        posted(
            &self.api.expect(Method::POST, url, Some(&body_of(body))).await?,
            "html_url",
        )
    }

    async fn set_label(&self, label: Label) -> Result<()> {
        let labels = self.issue(&[&self.number, "labels"]);
        let query = [("per_page", "100")];
        let existing = self
            .api
            .expect(Method::GET, self.api.url(&labels, &query), None)
            .await?;
        let names: Vec<_> = existing
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|label| label["name"].as_str())
            .collect();
        for other in Label::ALL {
            if other != label && names.contains(&other.as_str()) {
                let url = self.api.url(&[&labels[..], &[other.as_str()]].concat(), &[]);
                let response = self.api.call(Method::DELETE, url, None).await?;
                if !response.status.is_success() && response.status != StatusCode::NOT_FOUND {
                    return Err(refused(&response));
                }
            }
        }
        if !names.contains(&label.as_str()) {
            let body = json!({"labels": [label.as_str()]});
            self.api
                .expect(Method::POST, self.api.url(&labels, &[]), Some(&body))
                .await?;
        }
        Ok(())
    }
}
