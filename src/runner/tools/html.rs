//! HTML as a model reads it: Markdown and a title. A page may be made to hurt who reads it, so its tags and its nesting have limits.

use std::rc::Rc;

use htmd::{HtmlToMarkdown, Node};

/// Tags that are read, closing ones too: the parser's time grows with the square of their nesting.
const TAGS_MAX: usize = 20_000;
/// Elements within elements that are read: the converter calls itself for each.
const NESTING_MAX: usize = 64;
/// Bytes of a tag; a longer one is read without its attributes, since the parser's time grows with the square of their number.
const TAG_BYTES_MAX: usize = 8 * 1024;
/// Characters of a title.
const TITLE_CHARACTERS_MAX: usize = 200;

/// What is told of a page that makes no sense.
pub(super) const UNREADABLE: &str = "the page could not be read";
/// Parts of a page that say nothing to a reader.
const SILENT_TAGS: [&str; 6] = ["script", "style", "noscript", "template", "svg", "title"];

/// Elements that a parser opens anew in every paragraph that follows while they are not closed: without limit where their attributes differ.
const REOPENED_TAGS: [&str; 13] =
    ["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// A page that was read.
pub(super) struct Html {
    pub(super) title: Option<String>,
    pub(super) markdown: String,
    /// Whether nothing of it was left out.
    pub(super) whole: bool,
}

pub(super) fn read(html: &str) -> Result<Html, String> {
    let end = html.match_indices('<').nth(TAGS_MAX).map(|(end, _)| end);
    let html = plain(&html[..end.unwrap_or(html.len())]);
    let read = html.as_str();
    let converter = HtmlToMarkdown::builder().skip_tags(SILENT_TAGS.to_vec()).build();
    let tree = converter.html_to_tree(read).map_err(|_| UNREADABLE.to_owned())?;
    let flat = flatten(&tree);
    Ok(Html { title: title(read), markdown: converter.tree_to_markdown(&tree), whole: flat && end.is_none() })
}

/// The page without the attributes that make it hurt. No tag of [`REOPENED_TAGS`] keeps any, wherever it stands, so that nobody has to know where
/// comments and scripts begin and end.
fn plain(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        plain.push_str(&rest[..start]);
        let tag = &rest[start..];
        let name_start = if tag.starts_with("</") { 2 } else { 1 };
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '<');
        let name_end = tag[name_start..].find(ends_name).map_or(tag.len(), |end| name_start + end);
        let (head, attributes) = tag.split_at(name_end);
        let name = &head[name_start..];
        plain.push_str(head);
        let dropped = if REOPENED_TAGS.iter().any(|reopened| name.eq_ignore_ascii_case(reopened)) {
            tag_end(attributes, b"<>")
        } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Some(tag_end(attributes, b">")).filter(|end| head.len() + end > TAG_BYTES_MAX).unwrap_or(0)
        } else {
            0
        };
        rest = &attributes[dropped..];
        if dropped > 0 && rest.starts_with('<') {
            plain.push('>');
        }
    }
    plain + rest
}

/// Where a parser is within a tag.
#[derive(Clone, Copy)]
enum Place {
    Between,
    Name,
    BeforeValue,
    Value,
    Quoted(u8),
}

/// Where a tag's attributes end: at one of these bytes that is no part of a quoted value.
fn tag_end(attributes: &str, ends: &[u8]) -> usize {
    let mut place = Place::Between;
    for (at, byte) in attributes.bytes().enumerate() {
        place = match (place, byte) {
            (Place::Quoted(quote), _) if byte == quote => Place::Between,
            (Place::Quoted(_), _) => place,
            _ if ends.contains(&byte) => return at,
            (Place::Name, b'=') => Place::BeforeValue,
            (Place::Between | Place::Name, b'/') => Place::Between,
            (Place::Between | Place::Name | Place::BeforeValue, _) if byte.is_ascii_whitespace() => place,
            (Place::Between | Place::Name, _) => Place::Name,
            (Place::BeforeValue, b'"' | b'\'') => Place::Quoted(byte),
            (Place::Value, _) if byte.is_ascii_whitespace() => Place::Between,
            (Place::BeforeValue | Place::Value, _) => Place::Value,
        };
    }
    attributes.len()
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
