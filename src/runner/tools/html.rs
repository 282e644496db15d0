//! HTML as a model reads it: Markdown and a title. A page may be made to hurt who reads it, so its tags and its nesting have limits.

use std::rc::Rc;

use htmd::{HtmlToMarkdown, Node};

/// Tags that are read, closing ones too: the parser's time grows with the square of their nesting.
const TAGS_MAX: usize = 20_000;
/// Elements within elements that are read: the converter calls itself for each.
const NESTING_MAX: usize = 256;
/// Characters of a title.
const TITLE_CHARACTERS_MAX: usize = 200;

/// What is told of a page that makes no sense.
pub(super) const UNREADABLE: &str = "the page could not be read";
/// Parts of a page that say nothing to a reader.
const SILENT_TAGS: [&str; 6] = ["script", "style", "noscript", "template", "svg", "title"];

/// A page that was read.
pub(super) struct Html {
    pub(super) title: Option<String>,
    pub(super) markdown: String,
    /// Whether nothing of it was left out.
    pub(super) whole: bool,
}

pub(super) fn read(html: &str) -> Result<Html, String> {
    let end = html.match_indices('<').nth(TAGS_MAX).map(|(end, _)| end);
    let read = &html[..end.unwrap_or(html.len())];
    let converter = HtmlToMarkdown::builder().skip_tags(SILENT_TAGS.to_vec()).build();
    let tree = converter.html_to_tree(read).map_err(|_| UNREADABLE.to_owned())?;
    let flat = flatten(&tree);
    Ok(Html { title: title(read), markdown: converter.tree_to_markdown(&tree), whole: flat && end.is_none() })
}

/// Cuts off what is nested too deeply; tells whether nothing was.
fn flatten(tree: &Rc<Node>) -> bool {
    let mut whole = true;
    let mut level = vec![tree.clone()];
    for _ in 0..NESTING_MAX {
        level = level.iter().flat_map(|node| node.children.borrow().clone()).collect();
    }
    for node in level {
        whole &= node.children.borrow().is_empty();
        node.children.borrow_mut().clear();
    }
    whole
}

/// The title of a page, where it has one; entities stay as they are written.
fn title(html: &str) -> Option<String> {
    // Letters of the same lengths, so that places in one are places in the other.
    let lower = html.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let words: Vec<_> = html[start..end].split_whitespace().collect();
    let title: String = words.join(" ").chars().take(TITLE_CHARACTERS_MAX).collect();
    Some(title).filter(|title| !title.is_empty())
}
