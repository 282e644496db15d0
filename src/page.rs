//! Pages of a list: Relay's arguments in, a connection out. Cursors are keys, so a page costs the same wherever in the list it stands.

use async_graphql::SimpleObject;

use crate::error::{Error, Result};

/// Rows on a page where the caller does not say.
pub const PAGE_DEFAULT: u16 = 50;
/// Rows on a page, at most.
pub const PAGE_MAX: u16 = 500;

/// Where in its list a page stands.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether more follows after this page.
    pub has_next_page: bool,
    /// Whether something stands before this page.
    pub has_previous_page: bool,
    /// Cursor of the page's first edge.
    pub start_cursor: Option<String>,
    /// Cursor of the page's last edge: ask for what comes `after` it.
    pub end_cursor: Option<String>,
}

/// What a caller asks of a list: at most one of `first` and `last`, and the cursors between which to look.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// This many from the beginning (or after `after`).
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// This many from the end (or before `before`).
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

/// A checked question: which rows, in which direction, how many.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// Only rows after this key.
    pub after: Option<K>,
    /// Only rows before this key.
    pub before: Option<K>,
    /// From the end of the list backwards.
    pub backwards: bool,
    /// Rows wanted.
    pub size: u16,
}

impl PageArguments {
    /// Checks the arguments; `key` reads a cursor.
    pub fn check<K>(&self, key: impl Fn(&str) -> Option<K>) -> Result<Page<K>> {
        let (argument, asked, backwards) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(Error::bad_input("last", "give first or last, not both")),
            (None, Some(last)) => ("last", last, true),
            (first, None) => ("first", first.unwrap_or(PAGE_DEFAULT.into()), false),
        };
        let size = u16::try_from(asked).ok().filter(|size| *size <= PAGE_MAX);
        let size = size.ok_or_else(|| Error::bad_input(argument, format!("a page has 0 to {PAGE_MAX} rows")))?;
        let read = |argument: &'static str, cursor: &Option<String>| match cursor {
            Some(text) => key(text).map(Some).ok_or_else(|| Error::bad_input(argument, "not a cursor of this list")),
            None => Ok(None),
        };
        Ok(Page { after: read("after", &self.after)?, before: read("before", &self.before)?, backwards, size })
    }
}

impl<K> Page<K> {
    /// Rows to read: one more than wanted tells whether more follows.
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// The page's info, once `rows` (read in the page's direction) are cut to the size asked for and put in the list's order.
    pub fn cut<T>(&self, rows: &mut Vec<T>, cursor: impl Fn(&T) -> String) -> PageInfo {
        let size = usize::from(self.size);
        let more = rows.len() > size;
        rows.truncate(size);
        if self.backwards {
            rows.reverse();
        }
        PageInfo {
            has_next_page: if self.backwards { self.before.is_some() } else { more },
            has_previous_page: if self.backwards { more } else { self.after.is_some() },
            start_cursor: rows.first().map(&cursor),
            end_cursor: rows.last().map(&cursor),
        }
    }
}

/// Declares a noun's connection and edge. async-graphql's own generated ones have no descriptions.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty) => {
        /// A page of a list.
        #[derive(Clone, Debug)]
        pub struct $connection {
            edges: Vec<$edge>,
            page_info: $crate::page::PageInfo,
            total_count: i64,
        }

        /// One node of a list and where it stands.
        #[derive(async_graphql::SimpleObject, Clone, Debug)]
        pub struct $edge {
            /// Where the node stands: an opaque text for `after` and `before`.
            cursor: String,
            /// What stands there.
            node: $node,
        }

        impl $connection {
            /// Makes the page of `rows`, read with [`Page::limit`]($crate::page::Page::limit) in the page's direction.
            pub fn new<K>(
                page: &$crate::page::Page<K>,
                mut rows: Vec<$node>,
                total_count: i64,
                cursor: impl Fn(&$node) -> String,
            ) -> Self {
                let page_info = page.cut(&mut rows, &cursor);
                let edges = rows.into_iter().map(|node| $edge { cursor: cursor(&node), node }).collect();
                Self { edges, page_info, total_count }
            }
        }

        /// A page of a list.
        #[async_graphql::Object]
        impl $connection {
            /// The nodes, each with its cursor.
            async fn edges(&self) -> &[$edge] {
                &self.edges
            }

            /// The nodes alone.
            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }

            /// Where in the list this page stands.
            async fn page_info(&self) -> &$crate::page::PageInfo {
                &self.page_info
            }

            /// How many nodes the whole list has, whatever the page; counted only when it is asked for.
            async fn total_count(&self) -> i64 {
                self.total_count
            }
        }
    };
}
pub(crate) use connection;

/// Whether the caller selected `totalCount` of the connection that is being resolved.
pub fn wants_total(ctx: &async_graphql::Context<'_>) -> bool {
    ctx.look_ahead().field("totalCount").exists()
}
