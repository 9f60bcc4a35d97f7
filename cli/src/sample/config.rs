//! Constants of a Python module, as the sample's `config.py` has them: texts in quotes, side by side, over several lines. What is not written out there,
//! such as what is read from the environment, is not known. Nothing is run. Pure.

use std::collections::BTreeMap;

/// The texts that a module gives to names at its top, by name; a list of texts is one text with commas. A name that is given anything else as well is
/// left out: which of them counts, only running it would tell.
pub fn constants(module: &str) -> BTreeMap<String, String> {
    let module = module.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut reader = Reader { rest: &module };
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    while !reader.rest.is_empty() {
        let indented = reader.blanks();
        let Some(name) = reader.name() else {
            reader.skip_statement();
            continue;
        };
        let mut ahead = reader;
        match ahead.assigned() {
            Assigned::Text(text) => {
                let known = found.contains_key(name) || indented;
                let value = Some(text).filter(|_| !known);
                found.insert(name.to_owned(), value);
                reader = ahead;
            }
            Assigned::Other => {
                found.insert(name.to_owned(), None);
                reader.skip_statement();
            }
            Assigned::Nothing => reader.skip_statement(),
        }
    }
    found
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// What a statement that begins with a name does with it.
enum Assigned {
    /// Gives it this text.
    Text(String),
    /// Gives it something else.
    Other,
    /// No assignment.
    Nothing,
}

/// What is left of a module.
#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Passes over blanks, and lines that a backslash joins. Says whether there were any.
    fn blanks(&mut self) -> bool {
        let before = self.rest.len();
        while self.eat(" ") || self.eat("\t") || self.eat("\u{c}") || self.eat("\\\n") {}
        self.rest.len() < before
    }

    /// The same with ends of lines and comments, as between brackets.
    fn space(&mut self) {
        loop {
            self.blanks();
            if self.peek() == Some('#') {
                self.comment();
            } else if !self.eat("\n") {
                return;
            }
        }
    }

    /// Passes over what may be between two texts: within brackets, lines too.
    fn gap(&mut self, within: bool) {
        if within {
            self.space();
        } else {
            self.blanks();
        }
    }

    fn comment(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
    }

    fn name(&mut self) -> Option<&'a str> {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        let begins = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        // A prefix of a text is no name.
        if !begins || rest.starts_with(['"', '\'']) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    /// What follows a name at the beginning of a statement.
    fn assigned(&mut self) -> Assigned {
        self.blanks();
        if self.eat(":") {
            // What kind of thing it is said to be.
            let end = self.rest.find(['=', '\n', '#', ';']).unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..).unwrap_or_default();
        } else if let Some(operator) = self.peek().filter(|c| "+-*/%&|^@<>,".contains(*c)) {
            let rest = self.rest.trim_start_matches(operator);
            let assigns = operator == ',' || rest.starts_with('=') && !"<>".contains(operator);
            return if assigns { Assigned::Other } else { Assigned::Nothing };
        }
        if self.rest.starts_with("==") || !self.eat("=") {
            return Assigned::Nothing;
        }
        self.blanks();
        match self.value() {
            Some(text) if self.ends() => Assigned::Text(text),
            _ => Assigned::Other,
        }
    }

    /// Whether the statement is over.
    fn ends(&mut self) -> bool {
        self.blanks();
        if self.peek() == Some('#') {
            self.comment();
        }
        self.rest.is_empty() || self.eat("\n") || self.eat(";")
    }

    /// A text, or a list of them.
    fn value(&mut self) -> Option<String> {
        let closing = match self.peek()? {
            '(' => ')',
            '[' => ']',
            _ => return self.texts(false),
        };
        self.next();
        let mut all = Vec::new();
        loop {
            self.space();
            if self.peek() == Some(closing) {
                break;
            }
            all.push(self.texts(true)?);
            self.space();
            if !self.eat(",") {
                break;
            }
        }
        self.space();
        (self.next() == Some(closing) && !all.is_empty()).then(|| all.join(","))
    }

    /// Texts side by side, which are one.
    fn texts(&mut self, within: bool) -> Option<String> {
        let mut all = self.text()?;
        loop {
            let before = *self;
            self.gap(within);
            if self.eat("+") {
                self.gap(within);
                all += &self.text()?;
                continue;
            }
            let begins = self
                .peek()
                .is_some_and(|c| matches!(c, '"' | '\'') || c.is_alphabetic());
            if !begins {
                *self = before;
                return Some(all);
            }
            all += &self.text()?;
        }
    }

    /// One text in quotes; nothing where it is bytes, or has expressions in it.
    fn text(&mut self) -> Option<String> {
        let end = self.rest.find(['"', '\''])?;
        let (prefix, rest) = self.rest.split_at_checked(end)?;
        let raw = match prefix {
            "" | "u" | "U" => false,
            "r" | "R" => true,
            _ => return None,
        };
        self.rest = rest;
        self.quoted(raw)
    }

    /// What is between quotes, which come next.
    fn quoted(&mut self, raw: bool) -> Option<String> {
        let quote = self.next()?;
        // Three of them, with the one that was passed.
        let triple: String = [quote; 2].iter().collect();
        let long = self.eat(&triple);
        let mut text = String::new();
        loop {
            let c = self.next()?;
            if c == quote {
                if !long || self.eat(&triple) {
                    return Some(text);
                }
                text.push(c);
            } else if c == '\n' && !long {
                return None;
            } else if c == '\\' {
                let escaped = self.next()?;
                match escaped {
                    _ if raw => text.extend(['\\', escaped]),
                    '\n' => {}
                    '\\' | '\'' | '"' => text.push(escaped),
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    // Numbers and names of characters are not needed for what is looked for here.
                    'a' | 'b' | 'f' | 'v' | 'x' | 'u' | 'U' | 'N' | '0'..='7' => return None,
                    other => text.extend(['\\', other]),
                }
            } else {
                text.push(c);
            }
        }
    }

    /// Passes over the rest of a statement, whatever it is.
    fn skip_statement(&mut self) {
        let mut depth = 0_u32;
        while let Some(c) = self.peek() {
            match c {
                '#' => self.comment(),
                '"' | '\'' => {
                    // Where its end is doesn't depend on what its escapes mean.
                    let before = *self;
                    if self.quoted(true).is_none() {
                        *self = before;
                        self.next();
                    }
                }
                _ => {
                    self.next();
                    match c {
                        '(' | '[' | '{' => depth += 1,
                        ')' | ']' | '}' => depth = depth.saturating_sub(1),
                        '\\' => drop(self.next()),
                        '\n' | ';' if depth == 0 => return,
                        _ => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::constants;

    /// What is found, as `name=text`.
    fn found(module: &str) -> Vec<String> {
        let constants = constants(module).into_iter();
        constants.map(|(name, text)| format!("{name}={text}")).collect()
    }

    const SAMPLE: &str = r#"SERVER = 'b-1.events:9092,' \
         'b-2.events:9092,'\
  'b-3.events:9092 '
TOPIC = "orders"
"#;

    #[test]
    fn texts_are_read_and_nothing_is_guessed() {
        let of_sample: &[&str] = &[
            "SERVER=b-1.events:9092,b-2.events:9092,b-3.events:9092 ",
            "TOPIC=orders",
        ];
        for (module, wanted) in [
            (SAMPLE, of_sample),
            (&SAMPLE.replace('\n', "\r\n"), of_sample),
            ("\u{feff}A='x'", &["A=x"]),
            ("A = ''\nB=\"\"  # empty", &["A=", "B="]),
            ("A='x'; B='y'", &["A=x"]),
            ("A = ('x,'  # one\n     'y')\n", &["A=x,y"]),
            ("A = ['x:1',\n 'y:2',\n]\n", &["A=x:1,y:2"]),
            ("A = 'x' + ',' + \\\n 'y'", &["A=x,y"]),
            ("A: str = 'x'\n", &["A=x"]),
            ("A = \"\"\"x\ny\"\"\"\nB='z'", &["A=x\ny", "B=z"]),
            (r"A = r'a\b'", &[r"A=a\b"]),
            (r"A = 'a\\b'", &[r"A=a\b"]),
            (r"A = u'it\'s'", &["A=it's"]),
            ("\"\"\"It says\nA = 'no'\n\"\"\"\nA = 'yes'", &["A=yes"]),
            ("# A = 'no'\nx = {\n'A': 1,\n}\nf('A = 1')\nA = 'yes'", &["A=yes"]),
            // Only running it would tell.
            (
                "A = os.environ['A']\nB = f'{x}'\nC = b'x'\nD = 'x' % 1\nE = 'x'.strip()\nF = G = 'x'\nH = 5",
                &[],
            ),
            ("A = 'x'\nA = 'y'", &[]),
            ("A = 'x'\nA += 'y'", &[]),
            ("A = 'x'\nif b:\n    A = 'y'\n", &[]),
            ("A, B = 'x', 'y'", &[]),
            ("def f(a='x'):\n  B = 'y'\n", &[]),
            ("A == 'x'\nB = 'y'", &["B=y"]),
            (r"A = '\x41'", &[]),
            // Broken ones end somewhere.
            ("A = 'x", &[]),
            ("A = 'x\nB = 'y'", &["B=y"]),
            ("A = ('x'", &[]),
            ("A = [", &[]),
            ("A = '''x", &[]),
            ("A = []\nB =\n\\", &[]),
            ("=\n)\n'", &[]),
            ("", &[]),
        ] {
            assert_eq!(found(module), wanted, "{module:?}");
        }
    }

    #[test]
    fn no_module_is_too_strange() {
        let pieces = [
            "A", "=", "'", "\"", "'''", "\\", "\n", "(", ")", "[", "]", ",", "+", "#", ";", " ", "r", "é", "\u{feff}",
            ":",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let count = random.usize(0..14);
            let module: String = (0..count).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            // It ends, and a name that it finds is in the module.
            for name in constants(&module).keys() {
                assert!(module.contains(name.as_str()), "{module:?}");
            }
        }
    }
}
