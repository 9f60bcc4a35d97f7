//! The picture as an SVG: one column from top to bottom, so that it reads as well on a phone as on a wide screen. It brings its own background and both its
//! colour schemes, names no font or file outside itself, holds no script, and the same scene gives the same bytes. All of its styles are named for it, so that
//! it can stand inside a page.

use std::fmt::Write as _;

use super::scene::{Frame, Mark, Part, Row, Scene, Shape, Stage, State};
use super::text::{column, wrap};
use crate::facts::deployed::short_hash;

/// The picture's own units: about a pixel of a phone each.
const WIDTH: usize = 400;
/// As wide it is shown where nothing says otherwise.
const SHOWN: usize = 560;
const MARGIN: usize = 12;
/// From the edge of a part to its text.
const INSET: usize = 12;
/// From the edge of what the way leads through to the way itself.
const TRACK: usize = 14;
/// From the way to what is written beside it.
const BESIDE: usize = 18;
/// Between two parts.
const GAP: usize = 22;
const LINE: usize = 17;
/// Sizes of letters.
const SMALL: usize = 12;
const BODY: usize = 13;
const NAME: usize = 15;

/// Colours by name, for light and for dark. Each text has a contrast of 4.5 or more on what is behind it, each outline one of 3 or more; a test computes them.
pub(crate) const COLOURS: [(&str, &str, &str); 11] = [
    ("page", "#ffffff", "#0f1419"),
    ("area", "#f2f5f8", "#171e26"),
    ("card", "#ffffff", "#212a35"),
    ("text", "#1b2530", "#e8eef4"),
    ("quiet", "#55616e", "#a3b1bf"),
    ("line", "#7a8794", "#76879a"),
    ("new", "#0b62c4", "#6cb2ff"),
    ("good", "#1a7a36", "#5bd07d"),
    ("doubt", "#8a5a00", "#f0b849"),
    ("bad", "#c01f2e", "#ff8087"),
    ("wrong", "#fdecec", "#3b1d22"),
];

/// Draws a picture.
pub fn draw(scene: &Scene) -> String {
    let mut page = Page::default();
    head(&mut page, scene);
    let mut way = Way {
        reached: true,
        from: None,
    };
    let track = MARGIN + INSET + TRACK;
    for (index, stage) in scene.stages.iter().enumerate() {
        if index > 0 {
            page.y += GAP;
        }
        match stage {
            Stage::Open(parts) => sequence(&mut page, parts, MARGIN, WIDTH - 2 * MARGIN, track, &mut way),
            Stage::Vpc(frame) => framed(&mut page, frame, track, &mut way),
        }
    }
    page.y += MARGIN;
    whole(scene, &page)
}

/// What is drawn so far: areas lie under the way, and parts on it.
#[derive(Default)]
struct Page {
    y: usize,
    areas: String,
    ways: String,
    parts: String,
}

/// The way down.
struct Way {
    /// Whether packets come this far.
    reached: bool,
    /// Where it leads on from.
    from: Option<usize>,
}

/// How a text looks.
#[derive(Clone, Copy)]
struct Letters {
    class: &'static str,
    size: usize,
    mono: bool,
}

const KIND: Letters = Letters {
    class: "quiet",
    size: SMALL,
    mono: false,
};
const TITLE: Letters = Letters {
    class: "strong",
    size: NAME,
    mono: false,
};
const PLAIN: Letters = Letters {
    class: "text",
    size: BODY,
    mono: false,
};
const QUIET: Letters = Letters {
    class: "quiet",
    size: BODY,
    mono: false,
};
const CELL: Letters = Letters {
    class: "text",
    size: SMALL,
    mono: true,
};

impl Letters {
    /// Hundredths of a unit that a character takes, on the wide side: nobody knows the fonts that it will be shown in.
    fn width(self, c: char) -> usize {
        let per_mille = match c {
            _ if column(c) > 1 => 1100,
            _ if self.mono => 615,
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 320,
            'f' | 't' | 'r' => 430,
            '(' | ')' | ' ' | '-' | '/' => 400,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 960,
            'A'..='Z' => 720,
            _ if c.is_ascii() => 620,
            _ => 800,
        };
        // Strong letters are wider, unless all are alike.
        let strong = !self.mono && matches!(self.class, "strong" | "new");
        per_mille * self.size * if strong { 117 } else { 100 } / 1000
    }

    fn of(self, text: &str) -> usize {
        text.chars().map(|c| self.width(c)).sum::<usize>().div_ceil(100)
    }

    fn wrap(self, text: &str, room: usize) -> Vec<String> {
        wrap(text, room * 100, room * 100, |c| self.width(c))
    }
}

impl Page {
    /// A text at the left of `x`, its base line at `y`.
    fn text(&mut self, x: usize, y: usize, letters: Letters, text: &str) {
        let _ = self.put(x, y, letters, text, "");
    }

    /// A text at the right of `x`.
    fn text_before(&mut self, x: usize, y: usize, letters: Letters, text: &str) {
        let _ = self.put(x, y, letters, text, " text-anchor=\"end\"");
    }

    /// Writing to a string can't fail.
    fn put(&mut self, x: usize, y: usize, letters: Letters, text: &str, more: &str) -> std::fmt::Result {
        let mono = if letters.mono { " k2m-mono" } else { "" };
        writeln!(
            self.parts,
            "<text x=\"{x}\" y=\"{y}\" class=\"k2m-{}{mono}\" font-size=\"{}\"{more}>{}</text>",
            letters.class,
            letters.size,
            escaped(text)
        )
    }

    /// Texts below each other, from here on down.
    fn lines(&mut self, x: usize, room: usize, letters: Letters, text: &str) {
        for line in letters.wrap(text, room) {
            self.y += LINE;
            self.text(x, self.y, letters, &line);
        }
    }

    /// The way from where it left off to here, with a tip where it arrives.
    fn way(&mut self, x: usize, to: usize, tip: bool, way: &mut Way) {
        let class = if way.reached { "way" } else { "way k2m-lost" };
        if let Some(from) = way.from.filter(|from| *from < to) {
            let end = if tip { to - 6 } else { to };
            let _ = writeln!(self.ways, "<path class=\"k2m-{class}\" d=\"M{x} {from}V{end}\"/>");
        }
        if tip {
            let class = if way.reached { "tip" } else { "tip k2m-lost" };
            let _ = writeln!(
                self.ways,
                "<path class=\"k2m-{class}\" d=\"M{} {}h10l-5 8z\"/>",
                x - 5,
                to - 8
            );
        }
        way.from = None;
    }
}

fn head(page: &mut Page, scene: &Scene) {
    let room = WIDTH - 2 * MARGIN;
    let large = Letters {
        class: "strong",
        size: 17,
        mono: false,
    };
    page.y = MARGIN + 4;
    for line in large.wrap(&scene.title, room) {
        page.y += 18;
        page.text(MARGIN, page.y, large, &line);
    }
    page.lines(MARGIN, room, QUIET, &scene.place);
    page.y += 8;
    let letters = Letters {
        class: class(scene.mark),
        ..PLAIN
    };
    let top = page.y + LINE;
    page.y += 1;
    sign(page, MARGIN + 8, top - 4, scene.mark, false);
    page.lines(MARGIN + 22, room - 22, letters, &scene.summary);
    // What the outlines mean.
    let y = page.y + LINE + 8;
    let mut x = MARGIN;
    let meanings = [
        (true, "card", "is there"),
        (scene.has_new(), "card k2m-made", "new"),
        (scene.mark == Mark::Broken, "card k2m-wrong", "broken"),
        (scene.has_unknown(), "card k2m-unsure", "not known"),
    ];
    for (_, class, word) in meanings.into_iter().filter(|(shown, ..)| *shown) {
        let _ = writeln!(
            page.parts,
            "<rect class=\"k2m-{class}\" x=\"{x}\" y=\"{}\" width=\"22\" height=\"12\" rx=\"3\"/>",
            y - 10
        );
        page.text(x + 28, y, KIND, word);
        x += 28 + KIND.of(word) + 16;
    }
    page.y = y + 14;
}

const fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::None => "quiet",
        Mark::Passes => "good",
        Mark::Trusted | Mark::Unknown => "doubt",
        Mark::Broken => "bad",
    }
}

/// A mark in its circle, drawn rather than written: not every font has the signs.
fn sign(page: &mut Page, x: usize, y: usize, mark: Mark, small: bool) {
    let line = match mark {
        Mark::None => return,
        Mark::Passes => "M-4 1l3 3l5-6",
        Mark::Trusted => "M-4 1q2-5 4-1t4-1",
        Mark::Unknown => "M-3-2q0-3 3-3q3 0 3 3q0 2-3 3M0 4.5v.1",
        Mark::Broken => "M-3-3l6 6m0-6l-6 6",
    };
    let scale = if small { " scale(.75)" } else { "" };
    let _ = writeln!(
        page.parts,
        "<g transform=\"translate({x} {y}){scale}\"><circle class=\"k2m-disc k2m-{}\" r=\"8\"/><path class=\"k2m-sign\" d=\"{line}\"/></g>",
        class(mark)
    );
}

/// A VPC, or where another Kafka is, around what is in it.
fn framed(page: &mut Page, frame: &Frame, track: usize, way: &mut Way) {
    let (x, width) = (MARGIN, WIDTH - 2 * MARGIN);
    let top = page.y;
    page.way(track, top, true, way);
    let parts: Vec<Part> = frame.columns.iter().flatten().cloned().collect();
    // Where the way goes on to a hop it passes beside what is written on top.
    let leads_on = parts.first().is_some_and(|part| part.shape == Shape::Hop);
    let left = if leads_on { track + BESIDE } else { x + INSET };
    let right = x + width - INSET;
    let name = Letters {
        class: "strong",
        size: BODY,
        mono: true,
    };
    page.y += 4 + LINE;
    page.text(left, page.y, KIND, frame.kind);
    let after = left + KIND.of(frame.kind) + 8;
    for (index, line) in name.wrap(&frame.name, right - after).into_iter().enumerate() {
        page.y += if index > 0 { LINE } else { 0 };
        page.text(after, page.y, name, &line);
    }
    page.lines(left, right - left, KIND, &frame.details);
    page.y += if leads_on { 2 } else { 10 };
    way.from = leads_on.then_some(top);
    sequence(page, &parts, x + INSET - 4, width - 2 * (INSET - 4), track, way);
    page.y += INSET;
    let _ = writeln!(
        page.areas,
        "<rect class=\"k2m-area\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{}\" rx=\"10\"/>",
        page.y - top
    );
}

/// Parts from top to bottom, with the way that leads through them.
fn sequence(page: &mut Page, parts: &[Part], x: usize, width: usize, track: usize, way: &mut Way) {
    for (index, part) in parts.iter().enumerate() {
        match part.shape {
            Shape::Node => {
                if index > 0 {
                    page.y += GAP;
                }
                let top = page.y;
                page.way(track, top, index > 0 || way.from.is_some(), way);
                way.reached &= part.mark != Mark::Broken;
                card(page, part, x, width);
                way.from = Some(page.y);
            }
            Shape::Branch => {
                page.y += 12;
                let left = track + 26;
                let top = page.y;
                card(page, part, left, x + width - left);
                let arm = top + 16;
                let _ = writeln!(
                    page.ways,
                    "<path class=\"k2m-way k2m-aside\" d=\"M{track} {arm}H{}\"/><path class=\"k2m-tip\" d=\"M{} {}v10l8-5z\"/>",
                    left - 7,
                    left - 8,
                    arm - 5
                );
            }
            Shape::Hop => hop(page, part, x, width, track, way),
        }
    }
}

/// What packets pass, on the way itself.
fn hop(page: &mut Page, part: &Part, x: usize, width: usize, track: usize, way: &mut Way) {
    page.y += 12;
    let top = page.y;
    let left = track + BESIDE;
    let right = x + width - 4;
    let room = right - left;
    let middle = top + 12;
    let before = way.reached;
    page.y += LINE;
    let y = page.y;
    let kind = Letters { class: "text", ..PLAIN };
    page.text(left, y, kind, &part.kind);
    let tail = badge(page, part, right, y);
    let name = Letters {
        class: "strong",
        ..CELL
    };
    let beside = left + kind.of(&part.kind) + 8;
    if beside + name.of(&part.name) + tail <= right {
        page.text(beside, y, name, &part.name);
    } else {
        page.lines(left, room, name, &part.name);
    }
    for line in &part.lines {
        page.lines(left, room, KIND, line);
    }
    table(page, &part.rows, left, room, part.state);
    reasons(page, part, left, room);
    page.y += 2;
    let bottom = page.y;
    if part.mark == Mark::Broken {
        let _ = writeln!(
            page.areas_over(),
            "<rect class=\"k2m-card k2m-wrong\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            left - 6,
            top - 1,
            right + 6 - left + 4,
            bottom + 6 - top
        );
        page.y += 4;
    }
    way.from = way.from.or(Some(top));
    page.way(track, middle, false, way);
    way.reached = before && part.mark != Mark::Broken;
    way.from = Some(middle);
    sign(page, track, middle, part.mark, false);
}

impl Page {
    /// What lies on the areas, and under all texts.
    fn areas_over(&mut self) -> &mut String {
        &mut self.ways
    }
}

/// The words at the right end of a part, and how much room they take.
fn badge(page: &mut Page, part: &Part, right: usize, y: usize) -> usize {
    let mut at = right;
    for (class, word) in [
        ("new", part.state.word()),
        (class(part.mark), part.mark.word().to_owned()),
    ] {
        if word.is_empty() {
            continue;
        }
        let letters = Letters { class, ..KIND };
        page.text_before(at, y, letters, &word);
        at -= letters.of(&word) + 10;
    }
    right - at
}

/// A part in its outline.
fn card(page: &mut Page, part: &Part, x: usize, width: usize) {
    let top = page.y;
    let (left, right) = (x + INSET, x + width - INSET);
    let room = right - left;
    page.y += 4 + LINE;
    let y = page.y;
    let tail = badge(page, part, right, y);
    let kinds = KIND.wrap(&part.kind, room.saturating_sub(tail).max(1));
    for (index, line) in kinds.into_iter().enumerate() {
        page.y += if index > 0 { LINE } else { 0 };
        page.text(left, page.y, KIND, &line);
    }
    if !part.name.is_empty() {
        page.y += 2;
        page.lines(left, room, TITLE, &part.name);
    }
    for line in &part.lines {
        page.lines(left, room, PLAIN, line);
    }
    table(page, &part.rows, left, room, part.state);
    reasons(page, part, left, room);
    page.y += 10;
    let class = match (part.mark, part.state) {
        (Mark::Broken, _) => "card k2m-wrong",
        (Mark::Unknown, _) => "card k2m-unsure",
        (_, State::New) => "card k2m-made",
        _ => "card",
    };
    let height = page.y - top;
    let _ = writeln!(
        page.ways,
        "<rect class=\"k2m-{class}\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
}

/// Rows below each other, cell below cell. What doesn't fit beside the first cells stands under them, in all rows alike.
fn table(page: &mut Page, rows: &[Row], x: usize, room: usize, whole: State) {
    const BETWEEN: usize = 10;
    let tail = |row: &Row| {
        if whole == State::New {
            String::new()
        } else {
            row.state.word()
        }
    };
    let marked = rows.iter().any(|row| row.mark != Mark::None);
    let left = x + if marked { 20 } else { 0 };
    let most = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most)
        .map(|cell| {
            let of_rows = rows.iter().filter(|row| row.cells.len() > 1);
            let cells = of_rows.filter_map(|row| row.cells.get(cell));
            cells.map(|cell| CELL.of(cell)).max().unwrap_or(0)
        })
        .collect();
    let tails = rows.iter().map(|row| KIND.of(&tail(row))).max().unwrap_or(0);
    let end = x + room - if tails > 0 { tails + BETWEEN } else { 0 };
    let mut ends = widths.iter().scan(left, |at, width| {
        *at += width + BETWEEN;
        Some(*at - BETWEEN)
    });
    let beside = ends.position(|at| at > end).unwrap_or(most).max(1);
    for row in rows {
        page.y += LINE;
        sign(page, x + 7, page.y - 4, row.mark, true);
        let said = tail(row);
        if !said.is_empty() {
            let letters = Letters { class: "new", ..KIND };
            page.text_before(x + room, page.y, letters, &said);
        }
        // Not a cell, but a remark.
        if let ([remark], true) = (row.cells.as_slice(), most > 1) {
            page.y -= LINE;
            page.lines(left, end - left, KIND, remark);
            continue;
        }
        let mut at = left;
        for (index, cell) in row.cells.iter().enumerate() {
            if index == beside {
                page.y += LINE - 2;
                at = left + 12;
            }
            for (line, text) in CELL.wrap(cell, end.saturating_sub(at)).into_iter().enumerate() {
                page.y += if line > 0 { LINE - 2 } else { 0 };
                page.text(at, page.y, CELL, &text);
            }
            let width = if index < beside {
                widths.get(index).copied()
            } else {
                None
            };
            at += width.unwrap_or_else(|| CELL.of(cell)) + BETWEEN;
        }
    }
}

/// Why it is not as it should be.
fn reasons(page: &mut Page, part: &Part, x: usize, room: usize) {
    let letters = Letters {
        class: class(part.mark),
        ..PLAIN
    };
    for reason in &part.reasons {
        page.y += 3;
        page.lines(x, room, letters, reason);
    }
}

/// The document. Its title and description are what a reader hears who doesn't see it.
fn whole(scene: &Scene, page: &Page) -> String {
    let Page {
        y: height,
        areas,
        ways,
        parts,
    } = page;
    let description = escaped(&description(scene));
    let title = escaped(&format!("The way of {} to its brokers", scene.title));
    let id = short_hash(&format!("{areas}{ways}{parts}"));
    let shown = height * SHOWN / WIDTH;
    let [light, dark] = [
        |(_, light, _): &(&'static str, &'static str, &'static str)| *light,
        |(_, _, dark): &(&'static str, &'static str, &'static str)| *dark,
    ]
    .map(|scheme| {
        let each = COLOURS
            .iter()
            .map(|colours| format!("--k2m-{}:{}", colours.0, scheme(colours)));
        each.collect::<Vec<_>>().join(";")
    });
    let unsure = if scene.has_unknown() {
        ".k2m-picture .k2m-unsure{stroke:var(--k2m-doubt);stroke-width:2}\n"
    } else {
        ""
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"k2m-picture\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{SHOWN}\" height=\"{shown}\" role=\"img\" \
         aria-labelledby=\"k2m-{id}-title k2m-{id}-desc\">\n\
         <title id=\"k2m-{id}-title\">{title}</title>\n\
         <desc id=\"k2m-{id}-desc\">{description}</desc>\n\
         <style>\n\
         .k2m-picture{{{light};max-width:100%;height:auto;display:block;margin:0 auto;font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif}}\n\
         :root.k2m-picture{{color-scheme:light dark}}\n\
         @media (prefers-color-scheme:dark){{.k2m-picture{{{dark}}}}}\n\
         .k2m-picture .k2m-page{{fill:var(--k2m-page)}}\n\
         .k2m-picture .k2m-area{{fill:var(--k2m-area);stroke:var(--k2m-line)}}\n\
         .k2m-picture .k2m-card{{fill:var(--k2m-card);stroke:var(--k2m-line);stroke-width:1.5}}\n\
         .k2m-picture .k2m-made{{stroke:var(--k2m-new);stroke-dasharray:6 4}}\n\
         .k2m-picture .k2m-wrong{{fill:var(--k2m-wrong);stroke:var(--k2m-bad);stroke-width:2.5}}\n\
         {unsure}\
         .k2m-picture .k2m-way{{fill:none;stroke:var(--k2m-line);stroke-width:2}}\n\
         .k2m-picture .k2m-aside{{stroke-dasharray:3 3}}\n\
         .k2m-picture .k2m-tip{{fill:var(--k2m-line)}}\n\
         .k2m-picture .k2m-way.k2m-lost{{stroke:var(--k2m-bad);stroke-dasharray:2 5}}\n\
         .k2m-picture .k2m-tip.k2m-lost{{fill:var(--k2m-bad)}}\n\
         .k2m-picture .k2m-sign{{fill:none;stroke:var(--k2m-page);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}}\n\
         .k2m-picture .k2m-text{{fill:var(--k2m-text)}}\n\
         .k2m-picture .k2m-strong{{fill:var(--k2m-text);font-weight:600}}\n\
         .k2m-picture .k2m-quiet{{fill:var(--k2m-quiet)}}\n\
         .k2m-picture .k2m-new{{fill:var(--k2m-new);font-weight:600}}\n\
         .k2m-picture .k2m-good{{fill:var(--k2m-good)}}\n\
         .k2m-picture .k2m-doubt{{fill:var(--k2m-doubt)}}\n\
         .k2m-picture .k2m-bad{{fill:var(--k2m-bad)}}\n\
         .k2m-picture .k2m-mono{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}}\n\
         </style>\n\
         <rect class=\"k2m-page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"12\"/>\n\
         {areas}{ways}{parts}</svg>\n"
    )
}

/// The whole in words, in the order of the way.
fn description(scene: &Scene) -> String {
    let mut text = format!("{}.", scene.summary);
    let mut say = |part: &Part| {
        let _ = write!(text, " {}", part.kind);
        if !part.name.is_empty() {
            let _ = write!(text, " {}", part.name);
        }
        let words = [part.state.word(), part.mark.word().to_owned()];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            let _ = write!(text, " ({})", words.join(", "));
        }
        for reason in &part.reasons {
            let _ = write!(text, ": {reason}");
        }
        text.push('.');
    };
    for stage in &scene.stages {
        match stage {
            Stage::Open(parts) => parts.iter().for_each(&mut say),
            Stage::Vpc(frame) => frame.columns.iter().flatten().for_each(&mut say),
        }
    }
    text
}

/// A text for XML. What XML has no way to hold is written out already.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
