//! The picture in a terminal: from top to bottom, or beside each other where there is room for that. Without colour it says the same: what is new has a broken
//! outline and the word, what is broken a heavy one.

use super::scene::{Frame, Mark, Part, Row, Scene, Shape, Stage, State};
use super::text::{column, columns, wrap};

/// The narrowest and the widest that one column of parts is drawn; a longer line is harder to read.
const NARROWEST: usize = 40;
const WIDEST: usize = 96;
/// From here on, parts stand beside each other.
const BESIDE: usize = 150;
/// Wider than this, nothing is gained.
const WIDEST_BESIDE: usize = 220;
/// Between parts that stand beside each other.
const GUTTER: usize = 5;
/// From the left edge to the way that leads down.
const TRACK: usize = 3;
/// What a frame takes at its left.
const EDGE: usize = 2;

/// What is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Its columns.
    pub columns: usize,
    /// Whether it has colours.
    pub colour: bool,
}

/// How a text looks where there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Style {
    #[default]
    Plain,
    Quiet,
    Strong,
    New,
    Good,
    Doubtful,
    Bad,
}

/// A line, in pieces of one style.
#[derive(Debug, Clone, Default)]
struct Line {
    pieces: Vec<(Style, String)>,
}

/// Draws a picture. Every line ends with a line end, and none is wider than the canvas, unless that is very narrow.
pub fn draw(scene: &Scene, canvas: Canvas) -> String {
    let mut lines = head(scene, canvas.columns.clamp(NARROWEST, WIDEST_BESIDE));
    lines.push(Line::default());
    let mut way = Way { reached: true };
    lines.extend(if canvas.columns >= BESIDE {
        beside_each_other(scene, canvas.columns.min(WIDEST_BESIDE), &mut way)
    } else {
        below_each_other(scene, canvas.columns.clamp(NARROWEST, WIDEST), &mut way)
    });
    let mut text = String::new();
    for line in lines {
        line.paint(canvas.colour, &mut text);
    }
    text
}

fn head(scene: &Scene, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let title = wrap(&format!("{} · {}", scene.title, scene.place), width, width, column);
    for text in title {
        lines.push(Line::of(Style::Strong, text));
    }
    for (index, text) in wrap(&scene.summary, width - 2, width - 2, column)
        .into_iter()
        .enumerate()
    {
        let sign = if index == 0 { scene.mark.sign() } else { " " };
        lines.push(Line::of(style(scene.mark), format!("{sign} {text}")));
    }
    lines
}

/// How far packets have come.
struct Way {
    reached: bool,
}

impl Way {
    /// The piece of the way here.
    fn down(&self) -> (Style, &'static str) {
        if self.reached {
            (Style::Plain, "│")
        } else {
            (Style::Bad, "┊")
        }
    }

    fn across(&self) -> (Style, &'static str) {
        if self.reached {
            (Style::Plain, "─")
        } else {
            (Style::Bad, "┄")
        }
    }

    fn pass(&mut self, mark: Mark) {
        self.reached &= mark != Mark::Broken;
    }
}

impl Line {
    fn of(style: Style, text: impl Into<String>) -> Self {
        let mut line = Self::default();
        line.push(style, text);
        line
    }

    fn push(&mut self, style: Style, text: impl Into<String>) {
        self.pieces.push((style, text.into()));
    }

    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| columns(text)).sum()
    }

    fn pad(&mut self, width: usize) {
        let missing = width.saturating_sub(self.width());
        if missing > 0 {
            self.push(Style::Plain, " ".repeat(missing));
        }
    }

    fn append(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    fn paint(mut self, colour: bool, text: &mut String) {
        // Spaces at the end say nothing, and get in the way of whoever copies.
        while let Some((_, last)) = self.pieces.last_mut() {
            last.truncate(last.trim_end_matches(' ').len());
            if !last.is_empty() {
                break;
            }
            self.pieces.pop();
        }
        for (style, piece) in self.pieces {
            match code(style).filter(|_| colour && !piece.trim().is_empty()) {
                Some(code) => {
                    for part in ["\u{1b}[", code, "m", &piece, "\u{1b}[0m"] {
                        text.push_str(part);
                    }
                }
                None => text.push_str(&piece),
            }
        }
        text.push('\n');
    }
}

/// ANSI's, of the sixteen colours that a terminal's own theme chooses.
const fn code(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Quiet => Some("2"),
        Style::Strong => Some("1"),
        Style::New => Some("36"),
        Style::Good => Some("32"),
        Style::Doubtful => Some("33"),
        Style::Bad => Some("1;31"),
    }
}

const fn style(mark: Mark) -> Style {
    match mark {
        Mark::None => Style::Plain,
        Mark::Passes => Style::Good,
        Mark::Trusted | Mark::Unknown => Style::Doubtful,
        Mark::Broken => Style::Bad,
    }
}

fn below_each_other(scene: &Scene, width: usize, way: &mut Way) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, stage) in scene.stages.iter().enumerate() {
        let last = index + 1 == scene.stages.len();
        if index > 0 {
            lines.push(track(way, TRACK + EDGE, "▼"));
        }
        match stage {
            Stage::Open(parts) => lines.extend(sequence(parts, width, TRACK + EDGE, !last, way)),
            Stage::Vpc(frame) => {
                let parts: Vec<Part> = frame.columns.iter().flatten().cloned().collect();
                let inside = |width: usize, way: &mut Way| sequence(&parts, width, TRACK, !last, way);
                lines.extend(framed(frame, width, !last, way, inside));
            }
        }
    }
    lines
}

/// How much of the width a block asks for, and what it draws in it.
type Block<'a> = (usize, usize, Box<dyn Fn(usize, bool, &mut Way) -> Vec<Line> + 'a>);

fn beside_each_other(scene: &Scene, width: usize, way: &mut Way) -> Vec<Line> {
    let blocks = scene.stages.iter().enumerate().map(|(index, stage)| -> Block {
        match stage {
            Stage::Open(parts) => {
                // Streams and what reads them come first; what joins VPCs is small.
                let asked = if index == 0 { 38 } else { 28 };
                let draw = move |width: usize, exit: bool, way: &mut Way| {
                    turned(sequence(parts, width, TRACK, exit, way), width, TRACK, exit, way)
                };
                (asked, 1, Box::new(draw))
            }
            Stage::Vpc(frame) => {
                let draw = move |width: usize, exit: bool, way: &mut Way| {
                    let inside = |width: usize, way: &mut Way| {
                        let columns = frame.columns.iter().map(|parts| -> Block {
                            let draw = move |width: usize, exit: bool, way: &mut Way| {
                                turned(sequence(parts, width, TRACK, exit, way), width, TRACK, exit, way)
                            };
                            (0, 1, Box::new(draw))
                        });
                        let blocks: Vec<Block> = columns.collect();
                        // Only what is alone in its frame leads down and out of it.
                        match (frame.columns.as_slice(), exit) {
                            ([parts], true) => sequence(parts, width, TRACK, true, way),
                            _ => side_by_side(&blocks, width, way),
                        }
                    };
                    turned(framed(frame, width, exit, way, inside), width, TRACK + EDGE, exit, way)
                };
                (0, 2, Box::new(draw))
            }
        }
    });
    side_by_side(&blocks.collect::<Vec<_>>(), width, way)
}

/// Blocks from left to right, with the way from the end of each to the beginning of the next. Those that ask for nothing share what the others leave.
fn side_by_side(blocks: &[Block], width: usize, way: &mut Way) -> Vec<Line> {
    let asked: usize = blocks.iter().map(|(asked, ..)| asked).sum();
    let gutters = GUTTER * blocks.len().saturating_sub(1);
    let sharing = blocks.iter().filter(|(asked, ..)| *asked == 0).count().max(1);
    let share = width.saturating_sub(asked + gutters) / sharing;
    let mut whole: Vec<Line> = Vec::new();
    let mut left = 0;
    let mut leaves: Option<usize> = None;
    for (index, (asked, enters, draw)) in blocks.iter().enumerate() {
        let own = if *asked == 0 { share } else { *asked };
        if let Some(leaves) = leaves {
            for row in (*enters).min(leaves)..=(*enters).max(leaves) {
                if whole.len() <= row {
                    whole.resize_with(row + 1, Line::default);
                }
                let (style, down) = way.down();
                let (_, flat) = way.across();
                let text = match (row == *enters, row == leaves) {
                    (true, true) => flat.repeat(GUTTER - 1) + "▶",
                    (true, false) => format!(" ╭{flat}{flat}▶"),
                    (false, true) => format!("{flat}╯"),
                    (false, false) => format!(" {down}"),
                };
                if let Some(line) = whole.get_mut(row) {
                    line.pad(left - GUTTER);
                    line.push(style, text);
                }
            }
        }
        let last = index + 1 == blocks.len();
        let drawn = draw(own, !last, way);
        leaves = drawn.len().checked_sub(1);
        for (row, drawn) in drawn.into_iter().enumerate() {
            if whole.len() <= row {
                whole.push(Line::default());
            }
            if let Some(line) = whole.get_mut(row) {
                line.pad(left);
                line.append(drawn);
            }
        }
        left += own + GUTTER;
    }
    whole
}

/// With the way turned to the right under it, where it leads on.
fn turned(mut lines: Vec<Line>, width: usize, at: usize, exit: bool, way: &Way) -> Vec<Line> {
    if exit {
        let (style, flat) = way.across();
        let mut line = Line::of(Style::Plain, " ".repeat(at));
        line.push(style, format!("╰{}", flat.repeat(width.saturating_sub(at + 1))));
        lines.push(line);
    }
    lines
}

/// The way down, with this sign.
fn track(way: &Way, at: usize, sign: &str) -> Line {
    let mut line = Line::of(Style::Plain, " ".repeat(at));
    line.push(way.down().0, sign);
    line
}

/// Parts from top to bottom, with the way that leads through them; `exit`: and out of the last.
fn sequence(parts: &[Part], width: usize, at: usize, exit: bool, way: &mut Way) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let rest = parts.get(index + 1..).unwrap_or_default();
        let leads_on = exit || rest.iter().any(|part| part.shape != Shape::Branch);
        match part.shape {
            Shape::Node => {
                if index > 0 {
                    lines.push(track(way, at, "▼"));
                }
                way.pass(part.mark);
                let leaves = leads_on || !rest.is_empty();
                lines.extend(boxed(part, width, leaves.then_some(at), way));
            }
            Shape::Branch => lines.extend(branch(part, width, at, leads_on, way)),
            Shape::Hop => {
                let before = way.down();
                way.pass(part.mark);
                lines.extend(hop(part, width, at, before, way));
            }
        }
    }
    lines
}

/// A part beside the way.
fn branch(part: &Part, width: usize, at: usize, leads_on: bool, way: &Way) -> Vec<Line> {
    const ARM: usize = 3;
    let (style, down) = way.down();
    let drawn = boxed(part, width.saturating_sub(at + 1 + ARM), None, way);
    let lines = drawn.into_iter().enumerate().map(|(row, drawn)| {
        let (joint, arm) = match (row, leads_on) {
            (1, true) => ("├", "╌▶"),
            (1, false) => ("╰", "╌▶"),
            (0, _) | (_, true) => (down, "  "),
            (_, false) => (" ", "  "),
        };
        let mut line = Line::of(Style::Plain, " ".repeat(at));
        line.push(style, format!("{joint}{arm}"));
        line.pad(at + 1 + ARM);
        line.append(drawn);
        line
    });
    lines.collect()
}

/// What packets pass, on the way itself.
fn hop(part: &Part, width: usize, at: usize, before: (Style, &str), way: &Way) -> Vec<Line> {
    /// Where details stand below the name, there must be room for a route.
    const ROOM: usize = 44;
    let mut head = Line::of(Style::Plain, " ".repeat(at));
    head.push(before.0, "├ ");
    head.push(style(part.mark), format!("{} ", part.mark.sign()));
    head.push(Style::Plain, format!("{:<14}  ", part.kind));
    let label = badge(part);
    let tail = label.width() + usize::from(label.width() > 0);
    let beside = width.saturating_sub(head.width());
    let indent = if beside >= ROOM { head.width() } else { at + 4 };
    let room = width.saturating_sub(indent).max(1);
    let mut below: Vec<Line> = Vec::new();
    let mut names = wrap(&part.name, beside.saturating_sub(tail).max(1), room, column).into_iter();
    head.push(Style::Strong, names.next().unwrap_or_default());
    below.extend(names.map(|name| Line::of(Style::Strong, name)));
    let mut lines = part.lines.iter();
    // A short remark stands beside the name.
    if let (Some(remark), true) = (part.lines.first(), below.is_empty())
        && head.width() + 2 + columns(remark) + tail <= width
    {
        let gap = if part.name.is_empty() { "" } else { "  " };
        head.push(Style::Quiet, format!("{gap}{remark}"));
        lines.next();
    }
    for line in lines {
        let wrapped = wrap(line, room, room, column).into_iter();
        below.extend(wrapped.map(|line| Line::of(Style::Quiet, line)));
    }
    below.extend(table(&part.rows, room, part.state));
    below.extend(reasons(part, room));
    if label.width() > 0 {
        head.pad(width.saturating_sub(label.width()));
        head.append(label);
    }
    let (style, down) = way.down();
    let rest = below.into_iter().map(|rest| {
        let mut line = Line::of(Style::Plain, " ".repeat(at));
        line.push(style, down);
        line.pad(indent);
        line.append(rest);
        line
    });
    std::iter::once(head).chain(rest).collect()
}

/// The words at the right end of a part.
fn badge(part: &Part) -> Line {
    let mut line = Line::default();
    let (mark, state) = (part.mark.word(), part.state.word());
    line.push(style(part.mark), mark);
    if !mark.is_empty() && !state.is_empty() {
        line.push(Style::Plain, ", ");
    }
    line.push(Style::New, state);
    line
}

/// Lines of a box.
struct Outline {
    style: Style,
    corners: [&'static str; 4],
    flat: &'static str,
    upright: &'static str,
    leaves: &'static str,
}

fn outline(part: &Part) -> Outline {
    let (style, corners, flat, upright, leaves) = match (part.mark, part.state) {
        (Mark::Broken, _) => (Style::Bad, ["┏", "┓", "┗", "┛"], "━", "┃", "┯"),
        (_, State::New) => (Style::New, ["┌", "┐", "└", "┘"], "╌", "┆", "┬"),
        _ => (Style::Plain, ["┌", "┐", "└", "┘"], "─", "│", "┬"),
    };
    Outline {
        style,
        corners,
        flat,
        upright,
        leaves,
    }
}

/// A part in its outline; `leaves`: where the way goes on from it.
fn boxed(part: &Part, width: usize, leaves: Option<usize>, way: &Way) -> Vec<Line> {
    let outline = outline(part);
    let [top_left, top_right, bottom_left, bottom_right] = outline.corners;
    let inner = width.saturating_sub(4).max(1);
    let mut top = Line::of(outline.style, format!("{top_left} "));
    top.push(Style::Quiet, part.kind.clone());
    let mut label = badge(part);
    let mut inside: Vec<Line> = Vec::new();
    // One that has no room on the outline stands within.
    if top.width() + label.width() + 5 > width {
        inside.push(std::mem::take(&mut label));
    }
    let tail = label.width() + if label.width() > 0 { 3 } else { 1 };
    let flat = width.saturating_sub(top.width() + 1 + tail);
    top.push(outline.style, format!(" {}", outline.flat.repeat(flat)));
    if label.width() > 0 {
        top.push(Style::Plain, " ");
        top.append(label);
        top.push(Style::Plain, " ");
    }
    top.push(outline.style, top_right);

    let names = wrap(&part.name, inner, inner, column).into_iter();
    let mut names: Vec<Line> = names.map(|name| Line::of(Style::Strong, name)).collect();
    let mut lines = part.lines.iter();
    // A short remark stands beside the name.
    if let ([name], Some(first)) = (names.as_mut_slice(), part.lines.first())
        && name.width() + 2 + columns(first) <= inner
    {
        name.push(Style::Plain, format!("  {first}"));
        lines.next();
    }
    inside.extend(names);
    for line in lines {
        inside.extend(
            wrap(line, inner, inner, column)
                .into_iter()
                .map(|line| Line::of(Style::Plain, line)),
        );
    }
    inside.extend(table(&part.rows, inner, part.state));
    inside.extend(reasons(part, inner));
    let mut lines = vec![top];
    lines.extend(inside.into_iter().map(|mut inside| {
        inside.pad(inner);
        let mut line = Line::of(outline.style, format!("{} ", outline.upright));
        line.append(inside);
        line.push(outline.style, format!(" {}", outline.upright));
        line
    }));
    let mut bottom = Line::of(outline.style, bottom_left);
    match leaves {
        Some(at) => {
            bottom.push(outline.style, outline.flat.repeat(at.saturating_sub(1)));
            bottom.push(if way.reached { outline.style } else { Style::Bad }, outline.leaves);
            bottom.push(outline.style, outline.flat.repeat(width.saturating_sub(at + 2)));
        }
        None => bottom.push(outline.style, outline.flat.repeat(width.saturating_sub(2))),
    }
    bottom.push(outline.style, bottom_right);
    lines.push(bottom);
    lines
}

/// A VPC, or where another Kafka is, around what is in it.
fn framed(
    frame: &Frame,
    width: usize,
    exit: bool,
    way: &mut Way,
    inside: impl FnOnce(usize, &mut Way) -> Vec<Line>,
) -> Vec<Line> {
    let inner = width.saturating_sub(2 * EDGE);
    let mut top = Line::of(Style::Quiet, format!("╭ {}", frame.kind));
    let mut below = Vec::new();
    if top.width() + columns(&frame.name) + 3 <= width {
        top.push(Style::Strong, format!(" {}", frame.name));
    } else {
        let wrapped = wrap(&frame.name, inner, inner, column).into_iter();
        below.extend(wrapped.map(|text| Line::of(Style::Strong, text)));
    }
    if frame.details.is_empty() {
    } else if below.is_empty() && top.width() + 3 + columns(&frame.details) + 3 <= width {
        top.push(Style::Plain, format!(" · {}", frame.details));
    } else {
        let wrapped = wrap(&frame.details, inner, inner, column).into_iter();
        below.extend(wrapped.map(|text| Line::of(Style::Plain, text)));
    }
    let flat = width.saturating_sub(top.width() + 2);
    top.push(Style::Quiet, format!(" {}╮", "─".repeat(flat)));
    let mut lines = vec![top];
    below.extend(inside(inner, way));
    lines.extend(below.into_iter().map(|mut inside| {
        inside.pad(inner);
        let mut line = Line::of(Style::Quiet, "│ ");
        line.append(inside);
        line.push(Style::Quiet, " │");
        line
    }));
    let mut bottom = Line::of(Style::Quiet, "╰");
    if exit {
        let at = TRACK + EDGE;
        bottom.push(Style::Quiet, "─".repeat(at - 1));
        bottom.push(way.down().0, way.down().1);
        bottom.push(Style::Quiet, "─".repeat(width.saturating_sub(at + 2)));
    } else {
        bottom.push(Style::Quiet, "─".repeat(width.saturating_sub(2)));
    }
    bottom.push(Style::Quiet, "╯");
    lines.push(bottom);
    lines
}

/// Rows below each other, cell below cell where that fits. Of a part that is new as a whole, nothing is said to be new once more.
fn table(rows: &[Row], width: usize, whole: State) -> Vec<Line> {
    let marked = rows.iter().any(|row| row.mark != Mark::None);
    let most = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most)
        .map(|cell| {
            let of_rows = rows.iter().filter(|row| row.cells.len() > 1);
            let cells = of_rows.filter_map(|row| row.cells.get(cell));
            cells.map(|cell| columns(cell)).max().unwrap_or(0)
        })
        .collect();
    let tail = |row: &Row| {
        if whole == State::New {
            String::new()
        } else {
            row.state.word()
        }
    };
    let tails = rows.iter().map(|row| columns(&tail(row))).max().unwrap_or(0);
    let tails = if tails > 0 { tails + 2 } else { 0 };
    let signs = if marked { 2 } else { 0 };
    let fits = signs + widths.iter().map(|width| width + 2).sum::<usize>().saturating_sub(2) + tails <= width;
    let mut lines = Vec::new();
    for row in rows {
        let mut line = Line::default();
        if marked {
            line.push(style(row.mark), row.mark.sign());
            line.pad(signs);
        }
        if fits && row.cells.len() > 1 {
            let mut begin = signs;
            for (cell, width) in row.cells.iter().zip(&widths) {
                line.pad(begin);
                line.push(Style::Plain, cell.clone());
                begin += width + 2;
            }
            let tail = tail(row);
            if !tail.is_empty() {
                line.pad(begin);
                line.push(Style::New, tail);
            }
            lines.push(line);
            continue;
        }
        let room = width.saturating_sub(signs).max(1);
        for (index, text) in filled(&row.cells, room).into_iter().enumerate() {
            if index > 0 {
                lines.push(std::mem::replace(
                    &mut line,
                    Line::of(Style::Plain, " ".repeat(signs + 2)),
                ));
            }
            line.push(Style::Plain, text);
        }
        let tail = tail(row);
        if !tail.is_empty() {
            if line.width() + 2 + columns(&tail) > width {
                lines.push(std::mem::replace(&mut line, Line::of(Style::Plain, " ".repeat(signs))));
            }
            line.push(Style::New, format!("  {tail}"));
        }
        lines.push(line);
    }
    lines
}

/// Cells in as few lines as hold them; all but the first line are to be indented by two.
fn filled(cells: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cell in cells {
        let most = if lines.len() > 1 { room.saturating_sub(2) } else { room };
        match lines.last_mut() {
            Some(line) if columns(line) + 2 + columns(cell) <= most => {
                line.push_str("  ");
                line.push_str(cell);
            }
            _ => {
                let later = room.saturating_sub(2).max(1);
                let first = if lines.is_empty() { room } else { later };
                lines.extend(wrap(cell, first, later, column));
            }
        }
    }
    lines
}

/// Why it is not as it should be.
fn reasons(part: &Part, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for reason in &part.reasons {
        let room = width.saturating_sub(2).max(1);
        for (index, text) in wrap(reason, room, room, column).into_iter().enumerate() {
            let sign = if index == 0 { part.mark.sign() } else { " " };
            lines.push(Line::of(style(part.mark), format!("{sign} {text}")));
        }
    }
    lines
}
