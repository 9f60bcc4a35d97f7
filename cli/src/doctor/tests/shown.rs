//! What a report says first, where the picture has it, and that what is said is not the opposite of what is meant.

use super::html::{blackhole, one_of_two, read, small, topology, written};
use super::nat::rights;
use super::*;
use crate::doctor;
use crate::doctor::drawn;
use crate::facts::Denier;
use crate::picture::scene::{Mark, Part, Scene, Stage};
use crate::picture::svg;

fn scene((settings, facts): &(Settings, Facts)) -> Scene {
    let report = doctor::examine(settings, facts);
    drawn::pipeline(settings, &settings.pipelines[0], facts, &report.pipelines[0].report).unwrap()
}

fn part<'a>(scene: &'a Scene, kind: &str) -> &'a Part {
    let parts = scene.stages.iter().flat_map(|stage| match stage {
        Stage::Open(parts) => parts.iter().collect::<Vec<_>>(),
        Stage::Vpc(frame) => frame.columns.iter().flatten().collect(),
    });
    let mut parts = parts.filter(|part| part.kind == kind);
    parts.next().unwrap_or_else(|| panic!("no {kind}"))
}

fn outcome<'a>(report: &'a PipelineReport, code: &str) -> (&'a [String], &'a [String]) {
    let (_, evidence, fix) = report.check(code).unwrap().outcome.parts();
    (evidence, fix)
}

/// What the role may not do is no fault of the brokers, and no addresses are none of the way's.
#[test]
fn what_is_the_function_s_is_red_there() {
    let may_not = small(|_, f| rights(f, "kinesis:GetRecords", Denier::NoPolicy));
    let full = small(|_, f| {
        get(&mut the_network(f).subnets)[0].free_addresses = 0;
        let function = get(&mut f.one().function);
        function.state = "Failed".to_owned();
        function.state_reason = Some("no free addresses".to_owned());
    });
    for (case, code) in [(may_not, "(K2M-A04)"), (full, "(K2M-N05)")] {
        let scene = scene(&case);
        let function = part(&scene, "Lambda function");
        assert_eq!(function.mark, Mark::Broken, "{code}");
        assert!(
            function.reasons.iter().any(|reason| reason.ends_with(code)),
            "{:?}",
            function.reasons
        );
        let cluster = part(&scene, "MSK cluster");
        assert_eq!((cluster.mark, cluster.reasons.len()), (Mark::None, 0), "{code}");
        assert!(!format!("{scene:?}").contains("the way as a whole"), "{code}");
    }
}

#[test]
fn titles_say_what_should_be_so() {
    let page = written(&small(no_ingress), false);
    for words in [
        "<a href=\"#p1-K2M-N02\">K2M-N02</a> should be so: the function",
        "<h4>Explains why these are not so</h4>\n<ul class=\"links\">\n<li><a href=\"#p1-K2M-E05\">",
        "<h4>May well follow, since these are not so</h4>\n<ul class=\"links\">\n<li><a href=\"#p1-K2M-N02\">",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let page = written(&small(five_seconds), false);
    assert!(
        page.contains("<h4>Said by these, which are not so</h4>\n<ul class=\"links\">\n<li><a href=\"#p1-K2M-L03\">")
    );
}

/// A browser unfolds what is around the target of a link, and not the target itself.
#[test]
fn links_lead_into_what_is_folded() {
    let page = written(&small(no_ingress), false);
    let (_, attributes) = read("no-ingress", &page);
    assert!(
        attributes
            .iter()
            .any(|(name, value)| name == "href" && value == "#K2M-N02")
    );
    for check in CHECKS {
        for id in [check.code.to_owned(), format!("p1-{}", check.code)] {
            assert!(page.contains(&format!("<div id=\"{id}\">")), "{id}");
        }
    }
    assert!(!page.contains("<details id="));
}

/// What is wrong stands in the first line, with the thing and the port, and fits a terminal.
#[test]
fn headlines_name_the_trouble_in_a_line() {
    const LINE: usize = 80;
    let broken = |case: (Settings, Facts)| {
        let report = doctor::examine(&case.0, &case.1);
        report
            .to_string()
            .lines()
            .find(|line| line.starts_with("Broken: "))
            .map(str::to_owned)
    };
    for (case, line) in [
        (
            topology("same-vpc", |_, f| {
                for group in get(&mut the_network(f).security_groups) {
                    group.rules.retain(|rule| rule.egress);
                }
            }),
            "Broken: no ingress rule of sg-0c1d2e3f4a5b6c701 allows tcp 9098 (K2M-N02)",
        ),
        (
            topology("transit-gateway", blackhole),
            "Broken: the route 10.0.0.0/8 of rtb-0b5c6d7e8f90a1b12 is a blackhole (K2M-N02)",
        ),
        (
            topology("same-vpc", |_, f| get(&mut f.one().function).timeout_seconds = 5),
            "Broken: the function's time-out is 5 s: too short to connect and retry (K2M-L03)",
        ),
        (
            topology("same-vpc", |_, f| {
                "Disabled".clone_into(&mut get(&mut f.one().mapping).state);
            }),
            "Broken: the mapping 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 is Disabled (K2M-E02)",
        ),
    ] {
        assert_eq!(broken(case).as_deref(), Some(line));
        assert!(line.len() <= LINE, "{line}");
    }
}

/// However many brokers there are, one route is told once and has one command; routes come before rules.
#[test]
fn a_route_is_told_and_mended_once() {
    let mut told = String::new();
    for name in ["transit-gateway", "peered-vpc", "cross-region"] {
        let (settings, facts) = topology(name, blackhole);
        let report = doctor::examine(&settings, &facts);
        let (evidence, fix) = outcome(&report.pipelines[0].report, "K2M-N02");
        let routes = evidence.iter().filter_map(|line| {
            let (route, _) = line.split_once(" is a blackhole for ")?;
            Some(route)
        });
        let routes: Vec<&str> = routes.collect();
        let distinct: BTreeSet<&str> = routes.iter().copied().collect();
        assert_eq!(
            (routes.len(), routes.is_empty()),
            (distinct.len(), false),
            "{evidence:#?}"
        );
        for step in fix {
            assert!(!evidence.contains(step), "{step}");
        }
        let rule = fix.iter().position(|step| step.contains("authorize-security-group"));
        let route = fix.iter().rposition(|step| step.contains("route"));
        assert!(
            rule.is_none_or(|rule| route.is_none_or(|route| route < rule)),
            "{fix:#?}"
        );
        told.extend([
            "== ",
            name,
            "\n",
            &evidence.join("\n"),
            "\nfix\n",
            &fix.join("\n"),
            "\n",
        ]);
    }
    insta::assert_snapshot!(told);
}

/// What is missing without a check to say so is to be allowed, too; the terminal says the same as the page.
#[test]
fn all_that_is_missing_is_asked_for() {
    let more = |facts: &mut Facts| {
        let network = the_network(facts);
        network.security_groups = denied("ec2:DescribeSecurityGroups");
        network.route_tables = denied("ec2:DescribeRouteTables");
        *facts.topic_named(TOPIC) = denied("kafka-cluster:DescribeTopic");
        let seen = facts.pipelines.get_mut(STREAM).unwrap();
        seen.function = denied("lambda:GetFunctionConfiguration");
        seen.log = Some(denied("logs:FilterLogEvents"));
        seen.rights = Some(denied("iam:SimulatePrincipalPolicy"));
    };
    let all = "ec2:DescribeRouteTables, ec2:DescribeSecurityGroups, iam:SimulatePrincipalPolicy, kafka-cluster:DescribeTopic, \
               lambda:GetFunctionConfiguration, logs:FilterLogEvents";
    let (settings, mut facts) = (settings(), facts());
    more(&mut facts);
    let printed = doctor::examine(&settings, &facts).to_string();
    assert!(printed.contains(&format!("  allow     {all}\n")), "{printed}");
    let page = written(&(settings, facts), false);
    let (_, boxed) = page.split_once("<h4>Allow</h4>").unwrap();
    let (boxed, _) = boxed.split_once("</ul>").unwrap();
    let actions: Vec<&str> = boxed
        .split("<code>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</code>"))
        .map(|(action, _)| action)
        .collect();
    assert_eq!(actions.join(", "), all);

    // Of several, each says what its own checks miss, and where the rest is.
    let (settings, mut facts) = two();
    more(&mut facts);
    let printed = doctor::examine(&settings, &facts).to_string();
    assert!(
        printed.contains(&format!("To have all of it judged, allow: {all}\n")),
        "{printed}"
    );
    let page = written(&(settings, facts), false);
    assert!(page.contains("<a href=\"#unread\">All that is missing</a>"), "{page}");
}

#[test]
fn a_statement_is_copied_whole() {
    let page = written(&small(|_, f| rights(f, "kinesis:GetRecords", Denier::NoPolicy)), false);
    let statement = "<pre class=\"command\"><code>{&quot;Action&quot;:[&quot;kinesis:GetRecords&quot;],&quot;Effect&quot;:&quot;Allow&quot;,";
    assert!(page.contains(statement), "{page}");
}

#[test]
fn the_list_of_pipelines_says_why() {
    let page = written(&one_of_two(), false);
    let (_, contents) = page.split_once("<ul class=\"contents links\">").unwrap();
    let (contents, _) = contents.split_once("</ul>").unwrap();
    for words in [
        "clicks</a> <span class=\"told broken\">Broken: the mapping u-3 is Disabled (K2M-E02)</span>",
        "orders</a> <span class=\"told healthy\">Healthy: ",
    ] {
        assert!(contents.contains(words), "{contents}");
    }
}

/// No backticks, no reason twice in a box, and what is not known has an outline of its own.
#[test]
fn pictures_are_drawn_for_people() {
    let binary = small(|_, f| {
        let function = get(&mut f.one().function);
        function.runtime = Some("provided.al2023".to_owned());
        f.one().log = Some(found(vec![crate::facts::Sighting {
            signature: "exec format error".to_owned(),
            count: 9,
            last: f.taken_at.clone(),
        }]));
        failing(f);
        f.one().probe = None;
    });
    let drawn = svg::draw(&scene(&binary));
    assert!(drawn.contains("exec format error") && !drawn.contains('`'), "{drawn}");

    let unread = small(|_, f| f.one().metrics = Some(denied("cloudwatch:GetMetricData")));
    let seen = scene(&unread);
    let mapping = part(&seen, "event source mapping");
    assert_eq!(mapping.mark, Mark::Unknown);
    let [reason] = mapping.reasons.as_slice() else {
        panic!("{:?}", mapping.reasons)
    };
    assert!(reason.ends_with("(K2M-E09, K2M-E06)"), "{reason}");
    let drawn = svg::draw(&seen);
    assert!(drawn.contains("<rect class=\"k2m-card k2m-unsure\""), "{drawn}");
    assert!(
        drawn.contains(">not known</text>") && drawn.contains(".k2m-unsure{stroke:var(--k2m-doubt)"),
        "{drawn}"
    );
    assert!(!svg::draw(&scene(&small(|_, _| {}))).contains("k2m-unsure"));
}

#[test]
fn a_masked_page_says_what_it_keeps() {
    const WORDS: &str = "Names and paths are not masked";
    assert!(written(&small(|_, _| {}), true).contains(WORDS));
    assert!(!written(&small(|_, _| {}), false).contains(WORDS));
}
