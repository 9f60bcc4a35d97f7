//! As much Markdown as the pages of checks are written in, as plain data: headings, paragraphs, lists, blocks of code, and code in a line.

use serde::Serialize;

use super::html::{Span, spans};

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(super) enum Block {
    /// `## …`.
    Heading {
        /// What it says.
        spans: Vec<Span>,
    },
    /// Lines without an empty one between them.
    Paragraph {
        /// What it says.
        spans: Vec<Span>,
    },
    /// Lines that begin with `- `, `* ` or `1. `.
    List {
        /// Whether they are counted.
        ordered: bool,
        /// What each says.
        items: Vec<Vec<Span>>,
    },
    /// Lines that are set in by four spaces, or between fences.
    Code {
        /// As they are.
        text: String,
    },
}

/// The blocks of a page, without the title that it begins with.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().peekable();
    let mut paragraph: Vec<&str> = Vec::new();
    let end = |blocks: &mut Vec<Block>, paragraph: &mut Vec<&str>| {
        let Some(first) = paragraph.first() else { return };
        if let Some((marker, _)) = item(first) {
            blocks.push(Block::List {
                ordered: marker.starts_with(|c: char| c.is_ascii_digit()),
                items: items(paragraph),
            });
        } else {
            blocks.push(Block::Paragraph {
                spans: spans(&paragraph.join(" ")),
            });
        }
        paragraph.clear();
    };
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            end(&mut blocks, &mut paragraph);
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push(Block::Code { text: code.join("\n") });
        } else if let Some(code) = line.strip_prefix("    ").filter(|_| paragraph.is_empty()) {
            let mut code = vec![code];
            while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
                code.push(&line[4..]);
            }
            blocks.push(Block::Code { text: code.join("\n") });
        } else if line.trim().is_empty() {
            end(&mut blocks, &mut paragraph);
        } else if line.starts_with('#') {
            end(&mut blocks, &mut paragraph);
            let text = line.trim_start_matches('#').trim();
            // The page's own title is shown where the page is.
            if line.starts_with("##") {
                blocks.push(Block::Heading { spans: spans(text) });
            }
        } else {
            let begins_list = item(line).is_some() && paragraph.first().is_some_and(|first| item(first).is_none());
            if begins_list {
                end(&mut blocks, &mut paragraph);
            }
            paragraph.push(line.trim());
        }
    }
    end(&mut blocks, &mut paragraph);
    blocks
}

/// The marker of a list's item, and what it says.
fn item(line: &str) -> Option<(&str, &str)> {
    let (marker, text) = line.split_once(' ')?;
    let number = marker
        .strip_suffix('.')
        .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()));
    (matches!(marker, "-" | "*") || number).then_some((marker, text))
}

/// What the items of a list say: a line without a marker belongs to the one before.
fn items(lines: &[&str]) -> Vec<Vec<Span>> {
    let mut items: Vec<String> = Vec::new();
    for line in lines {
        match (item(line), items.last_mut()) {
            (None, Some(last)) => last.extend([" ", line]),
            (Some((_, text)), _) => items.push(text.to_owned()),
            (None, None) => items.push((*line).to_owned()),
        }
    }
    items.iter().map(|item| spans(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::CHECKS;
    use super::*;

    #[test]
    fn what_pages_are_written_in_is_understood() {
        let page = "# Title\n\n## What `it` means\nOne line\nand another.\n\n- first\n  goes on\n- second `code`\n\n1. counted\n\n    aws a\n    aws  b\n\n```sh\nx\n\n  y\n```\nthe end";
        insta::assert_json_snapshot!(blocks(page));
    }

    #[test]
    fn pages_have_nothing_that_is_not_understood() {
        for check in CHECKS {
            assert!(!blocks(check.page).is_empty(), "{}", check.code);
            let mut fenced = false;
            for line in check.page.lines() {
                fenced ^= line.starts_with("```");
                if fenced || line.starts_with("    ") {
                    continue;
                }
                let outside: String = line.split('`').step_by(2).collect();
                for foreign in ["](", "**", "__", "<", "&", "|", "> "] {
                    assert!(!outside.contains(foreign), "{}: {line}", check.code);
                }
                assert!(!line.starts_with("###"), "{}: {line}", check.code);
            }
            assert!(!fenced, "{}: a fence is open", check.code);
        }
    }

    /// Nothing is left out but the marks.
    #[test]
    fn pages_are_shown_whole() {
        fn said(spans: &[Span]) -> String {
            spans.iter().map(|span| span.text.as_str()).collect()
        }
        for check in CHECKS {
            let mut shown = String::new();
            for block in blocks(check.page) {
                match block {
                    Block::Heading { spans } | Block::Paragraph { spans } => shown += &said(&spans),
                    Block::List { items, .. } => items.iter().for_each(|item| shown += &said(item)),
                    Block::Code { text } => shown += &text,
                }
            }
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
            let body = check.page.split_once('\n').unwrap().1;
            assert_eq!(letters(&shown), letters(body), "{}", check.code);
        }
    }
}
