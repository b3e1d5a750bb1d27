//! The REST API of GitLab: notes on merge requests.

use anyhow::{Result, anyhow};
use phoenix_forge::{GitLabPlace, Posted};
use phoenix_http::header::HeaderName;
use phoenix_http::{Method, StatusCode};
use phoenix_report::comment::Label;
use serde_json::json;

use super::{Api, Existing, Forge, body_of, field, json_of, posted, refused};

/// The notes of a merge request.
pub(super) struct GitLab {
    api: Api,
    project: String,
    number: String,
    author: String,
}

impl GitLab {
    /// Requests the name of the token's owner.
    pub async fn connect(place: &GitLabPlace) -> Result<Self> {
        let api = Api::new(
            &place.address,
            "CI_API_V4_URL",
            (
                HeaderName::from_static("private-token"),
                place.token.reveal().to_owned(),
            ),
            "application/json",
        )?;
        let user = api.expect(Method::GET, api.url(&["user"], &[]), None).await?;
        let author = field(user["username"].as_str(), "username")?.to_owned();
        Ok(Self {
            api,
            project: place.project.clone(),
            number: place.merge_request.to_string(),
            author,
        })
    }

    fn request<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["projects", &self.project, "merge_requests", &self.number], rest].concat()
    }
}

impl Forge for GitLab {
    async fn comments(&self, page: usize) -> Result<(Vec<Existing>, bool)> {
        let page = page.to_string();
        let url = self.api.url(
            &self.request(&["notes"]),
            &[
                ("per_page", "100"),
                ("page", &page),
                ("sort", "asc"),
                ("order_by", "created_at"),
            ],
        );
        let response = self.api.call(Method::GET, url, None).await?;
        if !response.status.is_success() {
            return Err(refused(&response));
        }
        let next = response
            .headers
            .get("x-next-page")
            .and_then(|next| next.to_str().ok());
        let has_more = next.is_some_and(|next| !next.is_empty());
        let notes = json_of(&response)?;
        let notes = notes
            .as_array()
            .ok_or_else(|| anyhow!("the response is not a list"))?;
        let existing = notes.iter().filter(|note| note["system"] != true).map(|note| {
            Ok(Existing {
                id: field(note["id"].as_u64(), "id")?,
                body: note["body"].as_str().unwrap_or_default().to_owned(),
                author: note["author"]["username"].as_str().unwrap_or_default().to_owned(),
            })
        });
        Ok((existing.collect::<Result<_>>()?, has_more))
    }

    async fn is_own(&self, author: &str) -> Result<bool> {
        Ok(author == self.author)
    }

    async fn edit(&self, id: u64, body: &str) -> Result<Option<Posted>> {
        let url = self.api.url(&self.request(&["notes", &id.to_string()]), &[]);
        let response = self.api.call(Method::PUT, url, Some(&body_of(body))).await?;
        match response.status {
            status if status.is_success() => Ok(Some(posted(&json_of(&response)?, "web_url")?)),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
            _ => Err(refused(&response)),
        }
    }

    async fn create(&self, body: &str) -> Result<Posted> {
        let url = self.api.url(&self.request(&["notes"]), &[]);
        posted(
            &self.api.expect(Method::POST, url, Some(&body_of(body))).await?,
            "web_url",
        )
    }

    async fn set_label(&self, label: Label) -> Result<()> {
        let others: Vec<_> = Label::ALL
            .into_iter()
            .filter(|other| *other != label)
            .map(Label::as_str)
            .collect();
        let body = json!({"add_labels": label.as_str(), "remove_labels": others.join(",")});
        let url = self.api.url(&self.request(&[]), &[]);
        self.api.expect(Method::PUT, url, Some(&body)).await?;
        Ok(())
    }
}
