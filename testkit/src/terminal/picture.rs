//! A piece of what a terminal has shown, as an SVG for documentation: its text in its colours, nothing added but the command that was typed.

use std::fmt::Write as _;

use vt100::Color;

/// Widths and heights in pixels, of text of 14 pixels: a column, a line, and what is left free around all.
const COLUMN: f64 = 8.4;
const LINE: f64 = 19.0;
const MARGIN: f64 = 16.0;
/// Where text stands in its line.
const BASE: f64 = 14.0;

const STYLE: &str = "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d6dde6}\
                     .b{font-weight:bold}.d{opacity:.65}.red{fill:#ff8087}.green{fill:#5bd07d}.yellow{fill:#f0b849}.blue{fill:#6cb2ff}.magenta{fill:#d89bff}\
                     .cyan{fill:#5fd3d8}";

/// How a piece of a line looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Look {
    colour: Option<&'static str>,
    bold: bool,
    dim: bool,
}

impl Look {
    fn of(cell: &vt100::Cell) -> Self {
        let colour = match cell.fgcolor() {
            Color::Idx(1 | 9) => Some("red"),
            Color::Idx(2 | 10) => Some("green"),
            Color::Idx(3 | 11) => Some("yellow"),
            Color::Idx(4 | 12) => Some("blue"),
            Color::Idx(5 | 13) => Some("magenta"),
            Color::Idx(6 | 14) => Some("cyan"),
            _ => None,
        };
        Self {
            colour,
            bold: cell.bold(),
            dim: cell.dim(),
        }
    }

    fn classes(&self) -> String {
        let words = [self.colour, self.bold.then_some("b"), self.dim.then_some("d")];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A line of a screen: text of one look after another, blanks too.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<(String, Look)>);

impl Line {
    /// A row of what the terminal shows now.
    pub(super) fn of(screen: &vt100::Screen, row: u16, columns: u16) -> Self {
        let mut line = Self::default();
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
                continue;
            };
            let text = if cell.has_contents() { cell.contents() } else { " " };
            line.add(text, Look::of(cell));
        }
        line
    }

    fn plain(text: &str) -> Self {
        Self(vec![(text.to_owned(), Look::default())])
    }

    fn add(&mut self, text: &str, look: Look) {
        match self.0.last_mut() {
            Some((before, same)) if *same == look => before.push_str(text),
            _ => self.0.push((text.to_owned(), look)),
        }
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// Draws the lines as a terminal of so many columns, below the command that was typed.
pub(super) fn draw(title: &str, typed: &str, lines: &[Line], columns: u16) -> String {
    let prompt = Line::plain(&format!("$ {typed}"));
    let all: Vec<&Line> = std::iter::once(&prompt).chain(lines).collect();
    let width = f64::from(columns) * COLUMN + 2.0 * MARGIN;
    let mut top = MARGIN;
    let mut body = String::new();
    for line in all {
        let mut column = 0;
        for (text, look) in &line.0 {
            // Where blanks stand side by side, text has a place of its own: not everything that shows pictures keeps them.
            let mut at = column;
            for piece in text.split("  ") {
                let blanks = piece.chars().take_while(|letter| *letter == ' ').count();
                let shown = piece.trim();
                let length = shown.chars().count();
                if length > 0 {
                    let classes = look.classes();
                    let class = if classes.is_empty() {
                        String::new()
                    } else {
                        format!(" class=\"{classes}\"")
                    };
                    // As wide as it is on a terminal, whatever font there is.
                    let _ = writeln!(
                        body,
                        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\"{class}>{}</text>",
                        MARGIN + pixels(at + blanks),
                        top + BASE,
                        pixels(length),
                        escaped(shown)
                    );
                }
                at += piece.chars().count() + 2;
            }
            column += text.chars().count();
        }
        top += LINE;
    }
    let height = top + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#161b22\"/>\n{body}</svg>\n",
        escaped(title)
    )
}

/// So many columns in pixels.
fn pixels(columns: usize) -> f64 {
    u16::try_from(columns).map_or(f64::MAX, f64::from) * COLUMN
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_is_a_text_of_its_own_where_it_stands() {
        let mut parser = vt100::Parser::default();
        parser.process(b"  \x1b[32mok\x1b[0m a<b   & \x1b[1;31mfailed\x1b[0m");
        let line = Line::of(parser.screen(), 0, 20);
        assert_eq!(line.text(), "  ok a<b   & failed ");
        let picture = draw("a \"title\"", "k2m x", &[line], 20);
        let texts: Vec<&str> = picture.lines().filter(|line| line.starts_with("<text")).collect();
        assert_eq!(
            texts,
            [
                "<text x=\"16.0\" y=\"30.0\" textLength=\"58.8\">$ k2m x</text>",
                "<text x=\"32.8\" y=\"49.0\" textLength=\"16.8\" class=\"green\">ok</text>",
                "<text x=\"58.0\" y=\"49.0\" textLength=\"25.2\">a&lt;b</text>",
                "<text x=\"108.4\" y=\"49.0\" textLength=\"8.4\">&amp;</text>",
                "<text x=\"125.2\" y=\"49.0\" textLength=\"50.4\" class=\"red b\">failed</text>",
            ]
        );
        assert!(picture.contains("<title>a &quot;title&quot;</title>"), "{picture}");
    }
}
