//! What a document asks for, counted from its tokens: brackets are matched, selections counted, and fragments followed on paper only.

use std::collections::HashMap;

use super::tokens::{Bracket, Token, Tokens};
use super::{Fault, NESTING_MAX, SELECTIONS_MAX, TOKENS_MAX};

/// An operation or a fragment.
struct Definition<'a> {
    /// Where it starts, in bytes.
    start: usize,
    /// Its name, where it is a fragment.
    fragment: Option<&'a str>,
    /// Fields, spreads and inline fragments that stand in it.
    selections: usize,
    /// How deep its selection sets go.
    depth: usize,
    /// The fragments it spreads.
    spreads: Vec<Spread<'a>>,
}

struct Spread<'a> {
    start: usize,
    fragment: &'a str,
    /// How many selection sets stand around it in its definition.
    depth: usize,
}

/// What a definition comes to with all its fragments followed.
#[derive(Clone, Copy)]
struct Expanded {
    selections: usize,
    depth: usize,
}

/// Counts what a document selects with all fragments followed; refuses one that the parser, the validation or the execution could not bear.
pub(super) fn check(text: &str) -> Result<usize, Fault> {
    expand(&read(text)?)
}

/// Reads all definitions of a document in one pass.
fn read(text: &str) -> Result<Vec<Definition<'_>>, Fault> {
    let mut outline = Outline { done: Vec::new(), current: None, open: Vec::new(), before: Before::Other };
    let mut tokens = Tokens::new(text);
    let mut count = 0;
    while let Some((token, start)) = tokens.next()? {
        count += 1;
        if count > TOKENS_MAX {
            return Err(Fault::new(start, format!("the document has more than {TOKENS_MAX} tokens")));
        }
        outline.take(token, start)?;
    }
    match outline.current {
        Some(_) => Err(Fault::new(text.len(), "the document ends too early")),
        None => Ok(outline.done),
    }
}

struct Outline<'a> {
    done: Vec<Definition<'a>>,
    current: Option<Definition<'a>>,
    /// The brackets that are open, each with whether it is a selection set.
    open: Vec<(Bracket, bool)>,
    before: Before,
}

/// The token before, as far as it tells what a name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// `fragment`: its name follows.
    Fragment,
    /// `...`: `on` or a fragment's name follows.
    Spread,
    /// `:`, `@` or `... on`: the name is no selection of its own.
    Belongs,
    Other,
}

impl<'a> Outline<'a> {
    fn take(&mut self, token: Token<'a>, start: usize) -> Result<(), Fault> {
        if self.current.is_none() {
            return self.begin(token, start);
        }
        let before = std::mem::replace(&mut self.before, Before::Other);
        match token {
            Token::Open(bracket) => self.open(bracket, start),
            Token::Close(bracket) => self.close(bracket, start),
            Token::Name(name) if self.in_selections() => {
                self.selection(name, start, before);
                Ok(())
            }
            Token::Name(name) if before == Before::Fragment => self.name_fragment(name, start),
            Token::Spread if self.in_selections() => {
                self.before = Before::Spread;
                self.count_selection();
                Ok(())
            }
            Token::Colon | Token::At => {
                self.before = Before::Belongs;
                Ok(())
            }
            Token::Name(_) | Token::Spread | Token::Other => Ok(()),
        }
    }

    /// The first token of a definition.
    fn begin(&mut self, token: Token<'a>, start: usize) -> Result<(), Fault> {
        self.current = Some(Definition { start, fragment: None, selections: 0, depth: 0, spreads: Vec::new() });
        self.before = Before::Other;
        match token {
            Token::Open(Bracket::Brace) => self.open(Bracket::Brace, start),
            Token::Name("query" | "mutation" | "subscription") => Ok(()),
            Token::Name("fragment") => {
                self.before = Before::Fragment;
                Ok(())
            }
            // The parser would read `fragmentA on B` as a fragment named A; so it must not see it.
            _ => Err(Fault::new(start, "expected `{`, `query`, `mutation`, `subscription` or `fragment`")),
        }
    }

    fn open(&mut self, bracket: Bracket, start: usize) -> Result<(), Fault> {
        if self.open.len() == NESTING_MAX {
            return Err(Fault::new(start, format!("brackets are nested deeper than {NESTING_MAX}")));
        }
        let selections = bracket == Bracket::Brace && (self.open.is_empty() || self.in_selections());
        self.open.push((bracket, selections));
        if let (true, Some(current)) = (selections, &mut self.current) {
            current.depth = current.depth.max(self.open.len());
        }
        Ok(())
    }

    fn close(&mut self, bracket: Bracket, start: usize) -> Result<(), Fault> {
        match self.open.pop() {
            Some((open, _)) if open == bracket => {}
            _ => return Err(Fault::new(start, "a bracket is closed that was not opened")),
        }
        if self.open.is_empty() && bracket == Bracket::Brace {
            self.done.extend(self.current.take());
        }
        Ok(())
    }

    /// A name that stands directly in a selection set.
    fn selection(&mut self, name: &'a str, start: usize, before: Before) {
        let depth = self.open.len();
        match before {
            Before::Spread if name == "on" => self.before = Before::Belongs,
            Before::Spread => {
                if let Some(current) = &mut self.current {
                    current.spreads.push(Spread { start, fragment: name, depth });
                }
            }
            Before::Belongs => {}
            Before::Fragment | Before::Other => self.count_selection(),
        }
    }

    /// A fragment cannot be named `on`; the parser allows it, and would read `...on#` as a spread of it.
    fn name_fragment(&mut self, name: &'a str, start: usize) -> Result<(), Fault> {
        if name == "on" {
            return Err(Fault::new(start, "a fragment cannot be named `on`"));
        }
        if let Some(current) = &mut self.current {
            current.fragment = Some(name);
        }
        Ok(())
    }

    fn count_selection(&mut self) {
        if let Some(current) = &mut self.current {
            current.selections += 1;
        }
    }

    fn in_selections(&self) -> bool {
        self.open.last().is_some_and(|(_, selections)| *selections)
    }
}

/// Sums up what the definitions come to, each fragment once, and refuses cycles and what is too much.
fn expand(definitions: &[Definition<'_>]) -> Result<usize, Fault> {
    let fragments: HashMap<&str, usize> =
        definitions.iter().enumerate().filter_map(|(index, definition)| Some((definition.fragment?, index))).collect();
    let mut expanded: Vec<Option<Expanded>> = vec![None; definitions.len()];
    let mut total = 0_usize;
    for root in 0..definitions.len() {
        follow(definitions, &fragments, &mut expanded, root)?;
        total = total.saturating_add(expanded[root].map_or(0, |expanded| expanded.selections));
        if total > SELECTIONS_MAX {
            return Err(too_many(&definitions[root]));
        }
    }
    Ok(total)
}

/// Fills `expanded` for `root` and all that it spreads, innermost first. A stack of our own, as a text must not choose how deep we recurse.
fn follow(
    definitions: &[Definition<'_>],
    fragments: &HashMap<&str, usize>,
    expanded: &mut [Option<Expanded>],
    root: usize,
) -> Result<(), Fault> {
    // Each entry: a definition, how many of its spreads are added already, and the sum so far.
    let own = |index: usize| Expanded { selections: definitions[index].selections, depth: definitions[index].depth };
    let mut path = vec![(root, 0, own(root))];
    let mut on_path = vec![false; definitions.len()];
    while let Some((index, added, sum)) = path.last_mut() {
        let definition = &definitions[*index];
        on_path[*index] = true;
        let Some(spread) = definition.spreads.get(*added) else {
            expanded[*index] = Some(*sum);
            on_path[*index] = false;
            path.pop();
            continue;
        };
        // A spread of nothing is left to the validation, which names it.
        let target = fragments.get(spread.fragment).copied();
        match target.map(|target| (target, expanded[target])) {
            Some((target, None)) if on_path[target] => {
                return Err(Fault::new(spread.start, format!("fragment {} spreads itself", spread.fragment)));
            }
            Some((target, None)) => {
                path.push((target, 0, own(target)));
                continue;
            }
            Some((_, Some(inner))) => {
                sum.selections = sum.selections.saturating_add(inner.selections);
                sum.depth = sum.depth.max(spread.depth + inner.depth);
            }
            None => {}
        }
        *added += 1;
        if sum.selections > SELECTIONS_MAX {
            return Err(too_many(definition));
        }
        if sum.depth > NESTING_MAX {
            return Err(Fault::new(spread.start, format!("fragments nest deeper than {NESTING_MAX}")));
        }
    }
    Ok(())
}

fn too_many(definition: &Definition<'_>) -> Fault {
    Fault::new(
        definition.start,
        format!("the document selects more than {SELECTIONS_MAX} fields, counting each use of a fragment"),
    )
}
