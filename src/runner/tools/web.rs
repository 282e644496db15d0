//! Web pages, as a model reads them.

use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use serde::Deserialize;
use serde_json::json;

use super::Outcome;
use super::html::{self, Html, UNREADABLE};
use crate::error::{Error, Result};
use crate::outbound::{self, AllowedHosts, Client, REDIRECTS_MAX, Reach, Response};

/// How long reading a page may take, redirects included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes read of a page.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Characters of a page that are told where nobody says, and at most.
const CHARACTERS_DEFAULT: usize = 50_000;
const CHARACTERS_MAX: usize = 100_000;
/// Characters of a content type that a refusal repeats.
const CONTENT_TYPE_CHARACTERS_MAX: usize = 100;

/// Reads pages of the public internet, and those hosts that the operator allows.
#[derive(Clone)]
pub struct Web {
    client: Client,
    reach: Reach,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    url: String,
    max_chars: Option<usize>,
}

impl Web {
    /// Goes to the public internet, and to these hosts.
    pub fn new(allowed: &AllowedHosts) -> Result<Self> {
        let client = outbound::web_client(allowed).map_err(|error| Error::internal(outbound::cause(error)))?;
        Ok(Self { client, reach: Reach { allowed: allowed.clone(), private_networks: false } })
    }

    pub(super) async fn fetch(&self, page: Page) -> Outcome {
        let characters = page.max_chars.unwrap_or(CHARACTERS_DEFAULT);
        if !(1..=CHARACTERS_MAX).contains(&characters) {
            return Err(format!("max_chars must be 1 to {CHARACTERS_MAX}").into());
        }
        let reading = tokio::time::timeout(FETCH_TIMEOUT, self.read(page.url, characters));
        reading.await.map_err(|_| format!("the page took longer than {} seconds", FETCH_TIMEOUT.as_secs()))?
    }

    async fn read(&self, url: String, characters: usize) -> Outcome {
        let (url, mut answer) = self.follow(url).await?;
        let status = answer.status().as_u16();
        let kind = Kind::of(&answer)?;
        let (body, whole) = body(&mut answer).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let Html { title, markdown, whole: all_told } = match kind {
            Kind::Plain => Html { title: None, markdown: text, whole: true },
            // Parsing may take long, and waits for nothing.
            Kind::Html => tokio::task::spawn_blocking(move || html::read(&text)).await.map_err(|_| UNREADABLE)??,
        };
        let (content, cut) = match markdown.char_indices().nth(characters) {
            Some((end, _)) => (&markdown[..end], true),
            None => (markdown.as_str(), false),
        };
        let truncated = cut || !whole || !all_told;
        Ok(json!({ "url": url, "status": status, "title": title, "content": content, "truncated": truncated }))
    }

    /// The answer at the end of a chain of redirects, each of which is checked like the first address.
    async fn follow(&self, mut url: String) -> Result<(String, Response), String> {
        for _ in 0..=REDIRECTS_MAX {
            self.reach.check(&url).map_err(|refused| refused.to_string())?;
            let request = self.client.get(&url).header(ACCEPT, "text/html, text/*;q=0.9, application/json;q=0.9");
            let answer = request.send().await.map_err(unreachable)?;
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let Some(location) = location.filter(|_| is_redirect(answer.status())) else { return Ok((url, answer)) };
            url = outbound::join(&url, location).ok_or("the page leads to something that is no address")?;
        }
        Err(format!("the page leads on more than {REDIRECTS_MAX} times"))
    }
}

/// How a page's content is told.
enum Kind {
    /// As Markdown.
    Html,
    /// As it is.
    Plain,
}

impl Kind {
    fn of(answer: &Response) -> Result<Self, String> {
        let header = answer.headers().get(CONTENT_TYPE).and_then(|header| header.to_str().ok()).unwrap_or("text/plain");
        let name = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "text/html" | "application/xhtml+xml" => Ok(Self::Html),
            "application/json" | "application/xml" => Ok(Self::Plain),
            name if name.starts_with("text/") || name.ends_with("+json") || name.ends_with("+xml") => Ok(Self::Plain),
            name => {
                let name: String = name.chars().take(CONTENT_TYPE_CHARACTERS_MAX).collect();
                Err(format!("the page is {name}: only HTML, text and JSON can be read"))
            }
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The first of a page's bytes, and whether they are all.
async fn body(answer: &mut Response) -> Result<(Vec<u8>, bool), String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        let room = BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// What a model is told where nobody answered; the log is told why.
fn unreachable(error: outbound::Error) -> String {
    tracing::debug!(cause = outbound::cause(error), "a page could not be read");
    "the page could not be reached".to_owned()
}
