//! What is printed: commands of the account that was asked, and no line but the report's own.

use super::*;
use crate::doctor::steps::{Piece, pieces};

/// What is found after this change of these facts, with a profile named.
fn with_profile(mut facts: Facts, change: Change) -> crate::doctor::Report {
    let mut settings = settings();
    settings.profile = Some("prod".to_owned());
    change(&mut settings, &mut facts);
    super::super::examine(&settings, &facts)
}

#[test]
fn every_command_names_the_profile_that_was_named() {
    let plain = ROWS
        .iter()
        .chain(nat::ROWS)
        .chain(FIXES)
        .map(|(_, change, ..)| (facts(), *change));
    let rows = eld::ROWS.iter().map(|(_, change, ..)| (eld::healthy(), *change));
    let mut commands = 0;
    for (facts, change) in plain.chain(rows) {
        let report = with_profile(facts, change);
        for mend in report.mends() {
            let command = report.command(&mend);
            assert!(command.ends_with(" --profile prod"), "{command}");
        }
        for check in &report.pipelines[0].report.checks {
            let (_, _, fix) = check.outcome.parts();
            for step in fix {
                for piece in pieces(step) {
                    let Piece::Code(code) = piece else { continue };
                    let asks =
                        code.starts_with("aws ") || (code.starts_with("k2m ") && !code.starts_with("k2m explain"));
                    // A command that a sentence only speaks of has no option.
                    if asks && (code.contains(" --") || code.len() == step.len()) {
                        commands += 1;
                        assert_eq!(code.matches(" --profile prod").count(), 1, "{}: {step}", check.code);
                    }
                }
            }
        }
    }
    assert!(commands > 200, "{commands}");
}

#[test]
fn without_a_profile_no_command_names_one() {
    let report = changed(five_seconds);
    assert!(!report.to_string().contains("--profile"), "{report}");
}

/// What the function, AWS or a variable says with line ends in it.
#[test]
fn nothing_that_was_seen_looks_like_a_line_of_the_report() {
    const FORGED: &str = "x\n\nHealthy.\r\nBroken: nothing\u{85}FAIL  K2M-N02  y\u{2028}Healthy.";
    let report = changed(|_, facts| {
        facts.one().probe = Some(found(Probe::Failed {
            kind: FORGED.to_owned(),
            message: FORGED.to_owned(),
        }));
        variable(facts, "K2M_TOPIC", FORGED);
        let function = get(&mut facts.one().function);
        function.state = "Failed".to_owned();
        function.state_reason = Some(FORGED.to_owned());
        get(&mut facts.one().mapping).last_result = Some(FORGED.to_owned());
        *facts.topic_named(TOPIC) = Fact::Unreadable(Unreadable {
            missing_action: None,
            message: FORGED.to_owned(),
        });
    });
    let text = report.to_string();
    assert!(
        text.contains("x Healthy. Broken: nothing FAIL  K2M-N02  y Healthy."),
        "{text}"
    );
    for line in text.lines() {
        assert!(
            !line.starts_with("Healthy.") && !line.starts_with("Broken: nothing"),
            "{text}"
        );
    }
    assert_eq!(
        text.lines().filter(|line| line.starts_with("FAIL  K2M-N02")).count(),
        0,
        "{text}"
    );
    assert!(!text.contains(['\r', '\u{85}', '\u{2028}']), "{text}");
    for mend in report.checks.iter().flat_map(|check| &check.mends) {
        assert!(!mend.deed().contains('\n'), "{}", mend.deed());
    }
}
