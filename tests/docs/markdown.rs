//! As much of Markdown as the documents are read with: fenced blocks, rows of tables, links and headings.

/// A fenced block.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// What follows the fence: bash, json, text.
    pub language: String,
    pub text: String,
    /// The HTML comment right above it.
    pub note: String,
    /// Where its text begins, from 1.
    pub line: usize,
}

/// The fenced blocks of a document, in its order.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut note = "";
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let text = body.iter().map(|line| format!("{line}\n")).collect();
            found.push(Block { language: language.to_owned(), text, note: note.to_owned(), line: number + 2 });
            note = "";
        } else if let Some(comment) = line.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) {
            note = comment.trim();
        } else if !line.is_empty() {
            note = "";
        }
    }
    found
}

/// The rows of every table, without heads and rules: cells without their white space and code marks.
pub fn rows(document: &str) -> impl Iterator<Item = Vec<String>> {
    let lines: Vec<&str> = document.lines().collect();
    let is_row = |line: &&str| line.starts_with('|');
    let is_rule = |line: &str| line.starts_with("| ---");
    let body = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| is_row(line))
        .filter(|(number, line)| !is_rule(line) && !lines.get(number + 1).is_some_and(|next| is_rule(next)));
    let rows: Vec<Vec<String>> = body.map(|(_, line)| cells(line)).collect();
    rows.into_iter()
}

/// Where the links of a document lead.
pub fn links(document: &str) -> Vec<String> {
    let prose = without_blocks(document);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that a page's headings get.
pub fn anchors(document: &str) -> impl Iterator<Item = String> {
    let prose = without_blocks(document);
    let headings: Vec<String> = prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    headings.into_iter()
}

fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    let cell = |text: &str| {
        let text = text.trim();
        let code = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).filter(|code| !code.contains('`'));
        code.unwrap_or(text).to_owned()
    };
    inner.split(" | ").map(cell).collect()
}

fn without_blocks(document: &str) -> String {
    let mut inside = false;
    let prose = document.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    prose.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_block_knows_its_note_and_line() {
    let document = "Text\n\n<!-- modes: full -->\n```bash\necho 1\necho 2\n```\n\n```json\n{}\n```\n";
    let block = |language: &str, text: &str, note: &str, line| Block {
        language: language.into(),
        text: text.into(),
        note: note.into(),
        line,
    };
    let expected = [block("bash", "echo 1\necho 2\n", "modes: full", 5), block("json", "{}\n", "", 10)];
    assert_eq!(blocks(document), expected);
}

#[test]
fn rows_links_and_anchors_are_found() {
    let document =
        "# Who may ask?\n[a](b.md#c)\n| A | B |\n| --- | --- |\n| `X` | `y` or `z` |\n```\n[no](link)\n```\n";
    assert_eq!(rows(document).collect::<Vec<_>>(), [["X", "`y` or `z`"]]);
    assert_eq!(links(document), ["b.md#c"]);
    assert_eq!(anchors(document).collect::<Vec<_>>(), ["who-may-ask"]);
}
