//! The page of a report: what is in it, that it is well-formed and harmless whatever names there are, and that nothing gets in that should stay out.

use std::path::PathBuf;

use xmlparser::{ElementEnd, EntityDefinition, Token, Tokenizer};

use super::super::drawn;
use super::super::html::page;
use super::*;
use crate::doctor;
use crate::picture::scene::Scene;
use crate::picture::svg;
use crate::picture::terminal::{Canvas, draw};
use crate::plan::plan;
use crate::plan::tests::topologies::{deployed, example};
use outside::outside;

/// An example after its deployment, broken or not.
pub(super) fn topology(name: &str, change: Change) -> (Settings, Facts) {
    let (mut settings, before) = example(name);
    let plan = plan(&settings, &before).unwrap();
    let mut facts = deployed(&plan, &before);
    let planned = &plan.pipelines[0];
    let pipeline = facts.one();
    let function = get(&mut pipeline.function);
    function.variables.clone_from(&planned.function.variables);
    function.vpc = plan.network.as_ref().map(|network| network.vpc.clone());
    pipeline.mapping = found(Mapping {
        uuid: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".to_owned(),
        state: "Enabled".to_owned(),
        last_result: Some("OK".to_owned()),
        batch_size: 1000,
        batching_window: Some(2),
        partial_failures: true,
        destination: Some("arn:aws:sns:eu-west-1:123456789012:k2m-orders-OrdersFailureTopic-0123456789AB".to_owned()),
        ..Mapping::default()
    });
    change(&mut settings, &mut facts);
    (settings, facts)
}

/// A pipeline of the other tests with a change.
pub(super) fn small(change: Change) -> (Settings, Facts) {
    let (mut settings, mut facts) = (settings(), facts());
    change(&mut settings, &mut facts);
    (settings, facts)
}

/// Two pipelines, the second of them broken.
pub(super) fn one_of_two() -> (Settings, Facts) {
    let (settings, mut facts) = two();
    let clicks = facts.pipelines.get_mut(&STREAM.replace("orders", "clicks")).unwrap();
    "Disabled".clone_into(&mut get(&mut clicks.mapping).state);
    (settings, facts)
}

/// The brokers' network ACL lets nothing in.
fn acl(_: &mut Settings, facts: &mut Facts) {
    for network in facts.networks.values_mut() {
        for acl in get(&mut network.network_acls) {
            acl.entries.retain(|entry| entry.egress || !entry.allow);
        }
    }
    failing(facts);
}

/// Routes to other VPCs lead nowhere.
pub(super) fn blackhole(_: &mut Settings, facts: &mut Facts) {
    for network in facts.networks.values_mut() {
        for table in get(&mut network.route_tables) {
            for route in table.routes.iter_mut().filter(|route| route.target != "local") {
                route.active = false;
            }
        }
    }
    failing(facts);
}

fn dropped(_: &mut Settings, facts: &mut Facts) {
    let reason = "b-2.events:9098 does not answer within 3 s: something on the way drops the packets";
    says(facts, Step::Tcp, reason, "open TCP port 9098");
}

/// Every page there is here, by name.
fn cases() -> Vec<(&'static str, (Settings, Facts))> {
    vec![
        ("healthy", small(|_, _| {})),
        ("no-ingress", small(no_ingress)),
        ("no-topic", small(no_own_topic)),
        ("wrong-port", small(wrong_port)),
        ("five-seconds", small(five_seconds)),
        ("dropped", small(dropped)),
        ("blind", small(blind)),
        ("not-deployed", small(not_deployed)),
        (
            "no-cluster",
            small(|settings, facts| {
                not_deployed(settings, facts);
                facts.cluster = Fact::Absent;
            }),
        ),
        (
            "stack-unread",
            small(|_, facts| facts.stack = denied("cloudformation:DescribeStacks")),
        ),
        ("function-gone", small(|_, facts| facts.one().function = Fact::Absent)),
        ("networks-unread", small(|_, facts| facts.networks.clear())),
        ("privately", small(|_, facts| privately(facts))),
        ("outside", outside()),
        ("two", one_of_two()),
        ("same-vpc", topology("same-vpc", |_, _| {})),
        ("same-vpc-acl", topology("same-vpc", acl)),
        ("cross-region-blackhole", topology("cross-region", blackhole)),
        ("transit-gateway", topology("transit-gateway", |_, _| {})),
        ("public-access", topology("public-access", |_, _| {})),
        ("many-pipelines", example("many-pipelines")),
    ]
}

pub(super) fn written((settings, facts): &(Settings, Facts), mask: bool) -> String {
    page(settings, facts, &doctor::examine(settings, facts), mask).unwrap()
}

/// The page without what `k2m explain` says, which is of every check.
fn without_codes(page: &str) -> String {
    let (before, codes) = page.split_once("<section class=\"codes\" id=\"codes\">").unwrap();
    let (_, after) = codes.split_once("</section>").unwrap();
    format!("{before}{after}")
}

/// With `K2M_PAGES=FOLDER` writes all of them there, to be looked at, and the facts that they are of.
#[test]
fn what_people_see_in_a_browser() {
    if let Some(folder) = std::env::var_os("K2M_PAGES").map(PathBuf::from) {
        for (name, case) in cases() {
            std::fs::write(folder.join(format!("{name}.html")), written(&case, false)).unwrap();
            std::fs::write(folder.join(format!("{name}-masked.html")), written(&case, true)).unwrap();
            let facts = serde_json::to_string_pretty(&case.1).unwrap();
            std::fs::write(folder.join(format!("{name}.json")), facts).unwrap();
        }
    }
    insta::assert_snapshot!(without_codes(&written(&small(no_ingress), false)));
}

#[test]
fn what_is_deployed_is_drawn_with_what_is_wrong() {
    let mut text = String::new();
    for (name, (settings, facts)) in cases() {
        let report = doctor::examine(&settings, &facts);
        for (pipeline, examined) in settings.pipelines.iter().zip(&report.pipelines) {
            let scene = drawn::pipeline(&settings, pipeline, &facts, &examined.report);
            let shown = match scene {
                Some(scene) => draw(
                    &scene,
                    Canvas {
                        columns: 80,
                        colour: false,
                    },
                ),
                None => match drawn::planned(&settings, &facts) {
                    Ok(_) => "as a plan\n".to_owned(),
                    Err(why) => format!("{why}\n"),
                },
            };
            text.extend(["== ", name, ": ", &examined.stream, "\n", &shown, "\n"]);
        }
    }
    insta::assert_snapshot!(text);
}

/// What can be wrong at each place is seen there.
#[test]
fn every_cause_is_red_somewhere() {
    for (code, change, outcome, _) in ROWS {
        let case = small(*change);
        let report = doctor::examine(&case.0, &case.1);
        let [one] = report.pipelines.as_slice() else {
            panic!("one pipeline")
        };
        let Some(scene) = drawn::pipeline(&case.0, &case.0.pipelines[0], &case.1, &one.report) else {
            continue;
        };
        for cause in &one.report.causes {
            let check = one.report.check(cause.code).unwrap();
            let Outcome::Fail { evidence, .. } = &check.outcome else {
                panic!("{check:?}")
            };
            let drawn = svg::draw(&scene);
            assert!(
                drawn.contains("k2m-wrong\" x="),
                "{code} {outcome}: {}\n{evidence:?}",
                cause.code
            );
        }
    }
}

/// What elements there may be: none that runs or fetches anything.
const ELEMENTS: [&str; 49] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "section",
    "article",
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "a",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "div",
    "span",
    "code",
    "pre",
    "details",
    "summary",
    "figure",
    "figcaption",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "svg",
    "desc",
    "rect",
    "path",
    "circle",
    "text",
    "g",
    "b",
    "i",
    "em",
    "strong",
    "br",
];
/// Those that end where they begin.
const EMPTY: [&str; 4] = ["meta", "rect", "path", "circle"];

/// A page's text and attributes, as a browser reads them; panics where it is not what a browser and an XML parser read alike.
pub(super) fn read(name: &str, page: &str) -> (String, Vec<(String, String)>) {
    let entities = |text: &str| {
        let mut read = text.to_owned();
        for (entity, c) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&#x27;", "'"),
            ("&#x2f;", "/"),
            ("&amp;", "&"),
        ] {
            read = read.replace(entity, c);
        }
        read
    };
    let (mut open, mut texts, mut attributes) = (Vec::new(), String::new(), Vec::new());
    let mut element = "";
    for token in Tokenizer::from(page) {
        match token.unwrap_or_else(|error| panic!("{name}: {error}")) {
            Token::ElementStart { local, .. } => {
                element = local.as_str();
                assert!(ELEMENTS.contains(&element), "{name}: {element}");
                open.push(element);
            }
            Token::ElementEnd { end, .. } => match end {
                ElementEnd::Open => assert!(!EMPTY.contains(&element), "{name}: {element} is open"),
                ElementEnd::Close(_, local) => assert_eq!(open.pop(), Some(local.as_str()), "{name}"),
                ElementEnd::Empty => {
                    assert!(EMPTY.contains(&element), "{name}: {element} is empty");
                    open.pop();
                }
            },
            Token::Attribute { local, value, .. } => attributes.push((local.to_string(), entities(&value))),
            Token::Text { text } if open.last() == Some(&"style") => {
                for fetches in ["url(", "@import", "expression", "</"] {
                    assert!(!text.contains(fetches), "{name}: {fetches}");
                }
            }
            Token::Text { text } => texts.push_str(&entities(&text)),
            Token::EmptyDtd { .. } => {}
            Token::EntityDeclaration {
                definition: EntityDefinition::EntityValue(_),
                ..
            } => panic!("{name}: an entity"),
            token => panic!("{name}: {token:?}"),
        }
    }
    assert!(open.is_empty(), "{name}: {open:?}");
    (texts, attributes)
}

/// What must hold of every page.
fn check(name: &str, page: &str) -> String {
    assert!(
        page.trim_start().starts_with("<!DOCTYPE html>\n<html lang=\"en\">"),
        "{name}"
    );
    let (text, attributes) = read(name, page);
    let of = |wanted: &'static str| {
        attributes
            .iter()
            .filter(move |(local, _)| local == wanted)
            .map(|(_, value)| value.as_str())
    };
    let ids: Vec<&str> = of("id").collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "{name}: an id stands twice");
    for link in of("href") {
        let id = link
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{name}: {link} leads out"));
        assert!(distinct.contains(id), "{name}: nothing is at {link}");
    }
    for (local, value) in &attributes {
        assert!(!local.starts_with("on") && local != "src", "{name}: {local}={value}");
    }
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}')
    };
    assert!(!page.contains(steers), "{name}");
    // Colours are those of the pictures, of which a test says that each is told from what is behind it.
    let (css, _) = page.split_once("</style>").unwrap();
    let (_, rules) = css.split_once("*{box-sizing").unwrap();
    assert!(!rules.contains('#') && !rules.contains("rgb("), "{name}");
    text
}

#[test]
fn every_page_is_well_formed_and_fetches_nothing() {
    for (name, case) in cases() {
        let first = written(&case, false);
        assert_eq!(first, written(&case, false), "{name}: the same bytes");
        let text = check(name, &first);
        for check in CHECKS {
            assert!(text.contains(check.title), "{name}: {}", check.code);
        }
        let report = doctor::examine(&case.0, &case.1);
        for check in report.pipelines.iter().flat_map(|one| &one.report.checks) {
            let (_, evidence, fix) = check.outcome.parts();
            for line in evidence.iter().chain(fix) {
                assert!(text.contains(&line.replace('`', "")), "{name}: {line}");
            }
        }
        for (what, why) in case.1.unreadable() {
            assert!(text.contains(&what) && text.contains(&why.message), "{name}: {what}");
            let action = why.missing_action.as_deref().unwrap_or_default();
            assert!(text.contains(action), "{name}: {action}");
        }
    }
}

#[test]
fn the_broken_pipeline_comes_first() {
    let page = written(&one_of_two(), false);
    let at = |id: &str| {
        page.find(&format!("<section class=\"pipeline drawn\" id=\"{id}\">"))
            .unwrap()
    };
    assert!(at("p2") < at("p1"));
    let (text, _) = read("two", &page);
    assert!(text.contains("2 pipelines: 1 healthy, 1 broken."), "{text}");
}

/// What names could be if AWS and files let them.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onload='",
    "]]> <!-- --> {{ stack }} {% raw %} &lt;b&gt; &amp;",
    "\u{1b}[31mred\u{9b}0m\u{7}\0",
    "\u{202e}turned\u{2066} \u{200b}hidden\u{feff}\u{fffe}",
    "`<b>` and `k2m deploy --stack '<i>'` and `",
    "</style></title></textarea><svg onload=alert(1)>",
];

#[test]
fn no_name_becomes_markup() {
    for name in HOSTILE {
        let (mut settings, mut facts) = small(no_ingress);
        settings.stack.value = name.to_owned();
        settings.pipelines[0].topic.value = name.to_owned();
        name.clone_into(&mut facts.taken_at);
        facts.account = Fact::Unreadable(Unreadable {
            missing_action: Some(name.to_owned()),
            message: name.to_owned(),
        });
        let unread = Fact::Unreadable(Unreadable {
            missing_action: Some(name.to_owned()),
            message: name.to_owned(),
        });
        *facts.topic_named(name) = unread;
        variable(&mut facts, "K2M_TOPIC", name);
        variable(&mut facts, "K2M_AUTHENTICATION", name);
        let network = the_network(&mut facts);
        get(&mut network.vpcs)[0].name = Some(name.to_owned());
        for group in get(&mut network.security_groups) {
            group.id.push_str(name);
        }
        get(&mut facts.one().function).state = name.to_owned();
        get(&mut facts.one().mapping).last_result = Some(format!("PROBLEM: {name}"));
        get(&mut facts.one().mapping).destination = Some(name.to_owned());
        get(&mut facts.stack).status = name.to_owned();
        get(&mut facts.cluster).state = name.to_owned();
        for mask in [false, true] {
            let page = written(&(settings.clone(), facts.clone()), mask);
            let text = check(name, &page);
            let (before, _) = page.split_once("<section class=\"codes\" id=\"codes\">").unwrap();
            for markup in ["<script", "<img", "<i>", "<b>", "onerror=alert", "<svg onload"] {
                assert!(
                    !before.contains(markup) || markup.starts_with("onerror"),
                    "{name:?}: {markup}"
                );
            }
            // It is there all the same, for people.
            let words = name.split(|c: char| !c.is_ascii_alphabetic());
            let word = words.max_by_key(|word| word.len()).unwrap();
            assert!(text.contains(word), "{name:?}: {word}");
        }
    }
}

#[test]
fn accounts_are_masked_everywhere() {
    const FOREIGN: &str = "999988887777";
    for (name, (settings, mut facts)) in cases() {
        for seen in facts.pipelines.values_mut() {
            if let Fact::Found { value } = &mut seen.mapping {
                // Long enough to be broken by the end of a line in the picture.
                value.destination = Some(format!(
                    "arn:aws:sns:eu-west-1:{FOREIGN}:k2m-{}-of-123456789012",
                    "f".repeat(40)
                ));
                value.last_result = Some(format!("PROBLEM: {FOREIGN} 9999-8888-7777 said no"));
            }
        }
        let open = written(&(settings.clone(), facts.clone()), false);
        assert!(open.contains("123456789012"), "{name}");
        let page = written(&(settings, facts), true);
        let text = check(name, &page);
        let together: String = text.split_whitespace().collect();
        for id in ["123456789012", FOREIGN, "9999-8888-7777"] {
            assert!(!page.contains(id) && !together.contains(id), "{name}: {id}");
        }
        // Pieces of one that a line of the picture ends in.
        for piece in ["56789012", "12345678", "99998888", "88887777"] {
            assert!(!without_codes(&page).contains(piece), "{name}: {piece}");
        }
        assert!(page.contains("111111111111"), "{name}");
    }
}

#[test]
fn nothing_that_could_be_secret_is_in_it() {
    const SECRET: &str = "hunter2-S3CR3T";
    let (settings, mut facts) = small(|_, f| over_scram(f));
    redeployed(&mut facts);
    let (_, mut failing) = small(no_ingress);
    over_scram(&mut failing);
    for facts in [&mut facts, &mut failing] {
        let stack = get(&mut facts.stack);
        stack.parameters.insert("Password".to_owned(), SECRET.to_owned());
        stack.outputs.insert("Password".to_owned(), SECRET.to_owned());
        stack.resources.insert("Password".to_owned(), SECRET.to_owned());
        stack.template = stack.template.as_ref().map(|template| {
            template.replace(
                "\"Type\"",
                &format!("\"Metadata\":{{\"password\":\"{SECRET}\"}},\"Type\""),
            )
        });
        assert!(stack.template.as_ref().unwrap().contains(SECRET));
        facts.one().secret = Some(found(crate::facts::Secret {
            arn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd".to_owned(),
            name: "AmazonMSK_orders".to_owned(),
            kms_key: None,
            rotates: false,
            changed: None,
            deleted: None,
        }));
        let page = written(&(settings.clone(), facts.clone()), false);
        assert!(page.contains("the cluster takes"), "it is judged");
        for word in [SECRET, "\"password\"", "\"username\"", "BEGIN PRIVATE KEY", "AKIA"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}

/// With `K2M_UPDATE_DOCS=1` it draws it anew instead.
#[test]
fn documentation_shows_what_is_drawn() {
    let (settings, facts) = topology("same-vpc", |_, facts| {
        for group in get(&mut facts.networks.get_mut(REGION).unwrap().security_groups) {
            group.rules.retain(|rule| rule.id != "sgr-in");
        }
        failing(facts);
    });
    let report = doctor::examine(&settings, &facts);
    let scene: Option<Scene> = drawn::pipeline(&settings, &settings.pipelines[0], &facts, &report.pipelines[0].report);
    let wanted = svg::draw(&scene.unwrap());
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "docs", "pictures", "doctor.svg"]
        .iter()
        .collect();
    if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == wanted, "{}: K2M_UPDATE_DOCS=1 draws it anew", path.display());
}
