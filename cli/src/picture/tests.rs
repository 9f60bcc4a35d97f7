//! Pictures of the examples, of what is broken in one thing, and of names that nobody should have; and what must hold for every picture.

use std::collections::BTreeMap;
use std::path::PathBuf;

use xmlparser::{ElementEnd, Token, Tokenizer};

use super::scene::Scene;
use super::svg;
use super::terminal::{Canvas, draw};
use crate::facts::network::{Route, Subnet};
use crate::facts::{Fact, Facts, Mapping, Network, Owner, Stack};
use crate::plan::tests::topologies::{TOPOLOGIES, example};
use crate::plan::{Pipeline, Plan, plan};
use crate::settings::{Setting, Settings, Source};

fn found<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Found { value } => value,
        _ => panic!("the test already hid this fact"),
    }
}

fn network<'a>(facts: &'a mut Facts, region: &str) -> &'a mut Network {
    facts.networks.get_mut(region).unwrap()
}

fn planned((settings, facts): &(Settings, Facts)) -> Scene {
    Scene::of_plan(&plan(settings, facts).unwrap(), facts)
}

/// An example with something broken: there is no plan of it.
fn broken(name: &str, spoil: impl FnOnce(&mut Settings, &mut Facts)) -> Scene {
    let (mut settings, mut facts) = example(name);
    spoil(&mut settings, &mut facts);
    let error = plan(&settings, &facts).expect_err(name);
    Scene::of_error(&error, &settings, &facts).expect(name)
}

/// The brokers' network ACL lets nothing in.
fn acl(_: &mut Settings, facts: &mut Facts) {
    for acl in found(&mut network(facts, "eu-west-1").network_acls) {
        acl.entries.retain(|entry| entry.egress || !entry.allow);
    }
}

/// The brokers' routes to the function's subnets lead nowhere.
fn blackhole(_: &mut Settings, facts: &mut Facts) {
    let network = network(facts, "eu-west-1");
    let subnets = found(&mut network.subnets).clone();
    for table in found(&mut network.route_tables) {
        let lost = subnets.iter().filter(|subnet| subnet.vpc != table.vpc);
        table.routes.extend(lost.map(|subnet| Route {
            destination: subnet.cidr.clone(),
            target: "pcx-0d0d0d0d0d0d0d0d0".to_owned(),
            active: false,
            propagated: false,
            owner: Owner::Foreign,
        }));
    }
}

/// The peering connection is nobody's yet.
fn pending(_: &mut Settings, facts: &mut Facts) {
    for peering in found(&mut network(facts, "eu-west-1").peerings) {
        peering.status = "pending-acceptance".to_owned();
    }
}

/// A peering connection is named that is none.
fn no_way(settings: &mut Settings, _: &mut Facts) {
    settings.peering = Some(Setting {
        value: "pcx-0f0f0f0f0f0f0f0f0".to_owned(),
        source: Source::Default,
    });
}

/// Two VPCs, and neither is joined to the brokers'.
fn choose(_: &mut Settings, facts: &mut Facts) {
    let network = network(facts, "us-east-1");
    let mut vpc = found(&mut network.vpcs)[0].clone();
    let subnet = Subnet {
        id: "subnet-0ffffffffffffffff".to_owned(),
        vpc: "vpc-0ffffffffffffffff".to_owned(),
        cidr: "10.40.0.0/20".to_owned(),
        ..found(&mut network.subnets)[0].clone()
    };
    (vpc.id, vpc.name) = (subnet.vpc.clone(), Some("שלום\u{1b}[2J <b>".to_owned()));
    found(&mut network.vpcs).push(vpc);
    found(&mut network.subnets).push(subnet);
}

/// The subnets that were named: one is full, one is of another VPC.
fn subnets(settings: &mut Settings, facts: &mut Facts) {
    let all = found(&mut network(facts, "eu-west-1").subnets);
    all[0].free_addresses = 0;
    settings.subnets = Some(Setting {
        value: vec![
            all[0].id.clone(),
            all[1].id.clone(),
            "subnet-0f0f0f0f0f0f0f0f0".to_owned(),
        ],
        source: Source::Default,
    });
}

/// An example with something else that does.
fn otherwise(name: &str, change: impl FnOnce(&mut Settings, &mut Facts)) -> Scene {
    let (mut settings, mut facts) = example(name);
    change(&mut settings, &mut facts);
    planned(&(settings, facts))
}

/// Nothing leads to the data centre.
fn no_route(_: &mut Settings, facts: &mut Facts) {
    for table in found(&mut network(facts, "eu-west-1").route_tables) {
        table.routes.retain(|route| !route.target.starts_with("vgw-"));
        table.routes.retain(|route| !route.target.starts_with("nat-"));
    }
}

/// Two VPCs, neither of which leads there.
fn which(settings: &mut Settings, facts: &mut Facts) {
    settings.vpc = None;
    no_route(settings, facts);
    let network = network(facts, "eu-west-1");
    let mut vpc = found(&mut network.vpcs)[0].clone();
    let mut subnet = found(&mut network.subnets)[0].clone();
    vpc.id = "vpc-0ffffffffffffffff".to_owned();
    (subnet.id, subnet.vpc) = ("subnet-0ffffffffffffffff".to_owned(), vpc.id.clone());
    found(&mut network.vpcs).push(vpc);
    found(&mut network.subnets).push(subnet);
}

/// The servers are at these addresses.
fn at(settings: &mut Settings, facts: &mut Facts, addresses: [&str; 2]) {
    let text = addresses.map(|address| format!("{address}:9092")).join(",");
    let servers = crate::settings::Servers::parse(&text).unwrap();
    facts.servers = addresses
        .map(|address| crate::facts::Server {
            host: address.to_owned(),
            port: 9092,
            addresses: Fact::Found {
                value: vec![address.to_owned()],
            },
        })
        .into();
    settings.kafka = crate::settings::Kafka::BootstrapServers(Setting {
        value: servers,
        source: Source::Default,
    });
}

/// The brokers are instances in the function's own VPC.
fn inside(settings: &mut Settings, facts: &mut Facts) {
    at(settings, facts, ["10.30.32.9", "10.30.0.9"]);
}

/// The brokers have public addresses, and the function is in no VPC.
fn public(settings: &mut Settings, facts: &mut Facts) {
    at(settings, facts, ["203.0.113.9", "203.0.113.10"]);
    settings.public_access.value = true;
}

/// Nobody knows the network ACLs.
fn unknown(_: &mut Settings, facts: &mut Facts) {
    found(&mut network(facts, "eu-west-1").network_acls).clear();
}

/// What names could be if AWS let them.
const HOSTILE: [&str; 6] = [
    "\"quoted\" & <script>alert('x')</script>",
    "🚀 注文 naïve",
    "שלום עולם",
    "two\nlines\tand\r\u{1b}[31mred\u{9b}0m\u{202e}turned\0",
    "]]> <!-- ${jndi} {{x}} %s",
    "👩\u{200d}🚀 🇪🇺 e\u{301}\u{301}\u{301} \u{fffe}",
];

fn hostile() -> Scene {
    let (settings, mut facts) = example("cross-region");
    let mut plan = plan(&settings, &facts).unwrap();
    let template: Pipeline = plan.pipelines[0].clone();
    let name = "n".repeat(128);
    let names = HOSTILE.into_iter().chain([name.as_str()]);
    plan.pipelines = names
        .map(|name| Pipeline {
            stream: name.to_owned(),
            stream_name: name.to_owned(),
            topic: name.to_owned(),
            ..template.clone()
        })
        .collect();
    plan.stack = HOSTILE[3].to_owned();
    for stack in &mut plan.network_stacks {
        let needs = stack.users.pop_first().unwrap().1;
        stack.users.insert(format!("us-east-1/{}", HOSTILE[3]), needs);
    }
    for (network, name) in facts.networks.values_mut().zip(HOSTILE) {
        found(&mut network.vpcs)[0].name = Some(name.to_owned());
    }
    Scene::of_plan(&plan, &facts)
}

/// One pipeline with a name as long as AWS takes it.
fn long() -> Scene {
    let (settings, facts) = example("same-vpc");
    let mut plan = plan(&settings, &facts).unwrap();
    plan.pipelines[0].stream_name = "n".repeat(128);
    plan.pipelines[0].topic = "t".repeat(249);
    Scene::of_plan(&plan, &facts)
}

/// Everything is deployed already.
fn deployed() -> (Plan, Facts) {
    let (settings, mut facts) = example("same-vpc");
    let before = plan(&settings, &facts).unwrap();
    let pipeline = facts.pipelines.values_mut().next().unwrap();
    pipeline.function = Fact::Found {
        value: serde_json::from_value(serde_json::json!({
            "arn": "arn:aws:lambda:eu-west-1:123456789012:function:k2m-orders-Function-1",
            "state": "Active",
            "timeoutSeconds": 60,
            "memoryMb": 256,
            "subnets": before.network.as_ref().unwrap().subnets,
            "securityGroups": ["sg-0e0e0e0e0e0e0e0e0"],
            "variables": {},
        }))
        .unwrap(),
    };
    pipeline.mapping = Fact::Found {
        value: Mapping {
            uuid: "0f1e2d3c".to_owned(),
            state: "Enabled".to_owned(),
            last_result: None,
            batch_size: 1000,
            partial_failures: true,
            destination: None,
            ..Mapping::default()
        },
    };
    let topic = format!("{}FailureTopic", before.pipelines[0].id);
    let ids = ["FunctionSecurityGroup", "ClusterIngress", &topic];
    facts.stack = Fact::Found {
        value: Stack {
            tags: BTreeMap::new(),
            protected: false,
            name: "k2m-orders".to_owned(),
            status: "UPDATE_COMPLETE".to_owned(),
            made_by_k2m: true,
            resources: ids.map(|id| (id.to_owned(), "there".to_owned())).into(),
            outputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
            template: None,
            template_unreadable: None,
        },
    };
    (plan(&settings, &facts).unwrap(), facts)
}

/// Every picture there is here, by name.
fn scenes() -> Vec<(String, Scene)> {
    let topologies = TOPOLOGIES.iter().copied().chain(["many-pipelines"]);
    let mut scenes: Vec<(String, Scene)> = topologies
        .map(|name| (name.to_owned(), planned(&example(name))))
        .collect();
    let others = [
        ("broken-acl", broken("same-vpc", acl)),
        ("broken-blackhole", broken("peered-vpc", blackhole)),
        ("broken-pending", broken("peered-vpc", pending)),
        ("broken-subnets", broken("same-vpc", subnets)),
        ("broken-no-way", broken("peered-vpc", no_way)),
        ("broken-choose", broken("cross-region", choose)),
        ("broken-self-managed", broken("self-managed", no_route)),
        ("broken-choose-self-managed", broken("self-managed", which)),
        ("self-managed-inside", otherwise("self-managed", inside)),
        ("self-managed-in-public", otherwise("self-managed", public)),
        ("unknown", broken("same-vpc", unknown)),
        ("hostile", hostile()),
        ("long", long()),
    ];
    scenes.extend(others.map(|(name, scene)| (name.to_owned(), scene)));
    scenes
}

fn plain(scene: &Scene, columns: usize) -> String {
    draw(scene, Canvas { columns, colour: false })
}

#[test]
fn what_people_see_in_a_terminal() {
    for (name, scene) in scenes() {
        let both = format!("{}\n{}", plain(&scene, 80), plain(&scene, 200));
        insta::assert_snapshot!(name, both);
    }
}

#[test]
fn colours_are_only_added() {
    for (name, scene) in scenes() {
        for columns in [80, 200] {
            let text = draw(&scene, Canvas { columns, colour: true });
            let mut bare = String::new();
            for (index, piece) in text.split('\u{1b}').enumerate() {
                let end = if index == 0 { 0 } else { piece.find('m').unwrap() + 1 };
                bare.push_str(&piece[end..]);
            }
            assert_eq!(bare, plain(&scene, columns), "{name}");
            assert!(text.contains("\u{1b}["), "{name}");
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, scene) in scenes() {
        for columns in 40..=230 {
            let text = plain(&scene, columns);
            for line in text.lines() {
                let width = super::text::columns(line);
                assert!(width <= columns, "{name} at {columns}: {width}\n{text}");
                assert_eq!(line, line.trim_end(), "{name} at {columns}");
            }
        }
        // Whatever a terminal says of itself.
        for columns in [0, 1, usize::MAX] {
            assert!(!plain(&scene, columns).is_empty());
        }
    }
}

/// Each line of an outline ends where the line above it does.
#[test]
fn outlines_are_closed() {
    for (name, scene) in scenes() {
        for columns in [40, 57, 80, 96] {
            let text = plain(&scene, columns);
            let right = ["│", "┆", "┃", "┐", "┘", "┓", "┛", "╮", "╯"];
            for line in text.lines().skip_while(|line| !line.starts_with(['┌', '┏'])) {
                let drawn = line.starts_with(['│', '┆', '┃', '┌', '└', '┏', '┗', '╭', '╰']);
                let closed = right.iter().any(|end| line.ends_with(end)) && super::text::columns(line) == columns;
                assert!(!drawn || closed, "{name} at {columns}: {line}\n{text}");
            }
        }
    }
}

#[test]
fn what_is_deployed_is_not_new() {
    let (plan, facts) = deployed();
    let text = plain(&Scene::of_plan(&plan, &facts), 80);
    assert!(!text.contains("new"), "{text}");
    assert!(!text.contains('╌') || text.contains("├╌▶"), "{text}");
}

#[test]
fn a_pipeline_that_is_taken_away_is_told() {
    let (mut plan, facts) = deployed();
    plan.removed.push(crate::plan::Removed {
        stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks".to_owned(),
        topic: None,
    });
    let text = plain(&Scene::of_plan(&plan, &facts), 80);
    assert!(text.contains("the pipeline of clicks is removed"), "{text}");
}

#[test]
fn there_is_no_picture_where_the_network_is_not_the_reason() {
    let (mut settings, mut facts) = example("same-vpc");
    facts.cluster = Fact::Absent;
    settings.left_out.clear();
    let error = plan(&settings, &facts).unwrap_err();
    assert_eq!(Scene::of_error(&error, &settings, &facts), None);
}

#[test]
fn what_people_see_in_a_browser() {
    for (name, scene) in scenes() {
        if !docs().any(|picture| picture == name) {
            insta::assert_snapshot!(format!("{name}.svg"), svg::draw(&scene));
        }
    }
}

/// Elements that draw and name, and nothing that runs or fetches.
#[test]
fn an_svg_is_well_formed_and_harmless() {
    const ELEMENTS: [&str; 9] = ["svg", "title", "desc", "style", "rect", "path", "circle", "text", "g"];
    for (name, scene) in scenes() {
        let text = svg::draw(&scene);
        assert_eq!(text, svg::draw(&scene), "{name}: the same bytes");
        let mut open = Vec::new();
        for token in Tokenizer::from(text.as_str()) {
            match token.unwrap() {
                Token::ElementStart { local, .. } => {
                    assert!(ELEMENTS.contains(&local.as_str()), "{name}: {local}");
                    open.push(local.as_str());
                }
                Token::ElementEnd { end, .. } => match end {
                    ElementEnd::Open => {}
                    ElementEnd::Close(_, local) => assert_eq!(open.pop(), Some(local.as_str()), "{name}"),
                    ElementEnd::Empty => drop(open.pop()),
                },
                Token::Attribute { local, value, .. } => {
                    assert!(!local.starts_with("on") && local.as_str() != "href", "{name}: {local}");
                    let outside = value.contains(':') && local.as_str() != "xmlns";
                    assert!(!outside, "{name}: {local}={value}");
                }
                Token::Text { text } => {
                    assert!(!text.contains("url(") && !text.contains("@import"), "{name}: {text}");
                }
                token => panic!("{name}: {token:?}"),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(steers), "{name}");
        assert!(text.contains("role=\"img\"") && text.contains("<desc"), "{name}");
    }
}

/// Contrast as WCAG 2 counts it.
#[test]
fn every_colour_is_told_from_what_is_behind_it() {
    let luminance = |colour: &str| {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    for dark in [false, true] {
        let colour = |name: &str| {
            let (_, in_light, in_dark) = svg::COLOURS.iter().find(|(known, ..)| *known == name).unwrap();
            luminance(if dark { in_dark } else { in_light })
        };
        for (fronts, backs, least) in [
            (
                &["text", "quiet", "new", "good", "doubt", "bad"][..],
                &["page", "area", "card"][..],
                4.5,
            ),
            (&["text", "quiet", "bad", "new"], &["wrong"], 4.5),
            (&["line", "new", "bad"], &["page", "area", "card"], 3.0),
            (&["good", "doubt", "bad"], &["page"], 3.0),
        ] {
            for front in fronts {
                for back in backs {
                    let (one, other) = (colour(front), colour(back));
                    let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                    assert!(contrast >= least, "{front} on {back}, dark {dark}: {contrast:.2}");
                }
            }
        }
    }
}

/// Pictures that the documentation shows.
fn docs() -> impl Iterator<Item = &'static str> {
    ["same-vpc", "cross-region", "broken-acl"].into_iter()
}

/// With `K2M_UPDATE_DOCS=1` it draws them anew instead.
#[test]
fn documentation_shows_what_is_drawn() {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "docs"].iter().collect();
    let update = std::env::var_os("K2M_UPDATE_DOCS").is_some();
    let check = |path: PathBuf, wanted: String| {
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, wanted).unwrap();
            return;
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == wanted, "{}: K2M_UPDATE_DOCS=1 draws it anew", path.display());
    };
    let scenes: BTreeMap<String, Scene> = scenes().into_iter().collect();
    for name in docs() {
        check(root.join(format!("pictures/{name}.svg")), svg::draw(&scenes[name]));
    }
    let path = root.join("plan.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut wanted = text.clone();
    for name in docs() {
        let (begin, end) = (format!("<!-- drawn: {name} -->\n"), "<!-- end -->");
        let Some((before, rest)) = wanted.split_once(&begin) else {
            continue;
        };
        let (_, after) = rest.split_once(end).unwrap();
        wanted = format!("{before}{begin}```text\n{}```\n{end}{after}", plain(&scenes[name], 80));
    }
    assert!(wanted.contains("<!-- drawn: "), "docs/plan.md shows a picture");
    check(path, wanted);
}
