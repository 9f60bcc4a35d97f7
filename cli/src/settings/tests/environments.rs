//! What an environment of k2m.yaml changes, and what is stronger than it.

use super::*;

/// Two environments beside what counts in each.
fn yaml() -> String {
    format!(
        "cluster: {CLUSTER}\nbatch_size: 1\nmemory: 512\npipelines:\n  - stream: {STREAM}\n    topic: sales\n    timeout: 30\n  - stream: {CLICKS}\nstack: shop\n\
         environments:\n  dev:\n  prod:\n    batch_size: 2\n    timeout: 40\n  other:\n    pipelines:\n      - stream: {CLICKS}\n        memory: 1024\n  one:\n    stream: {STREAM}\n"
    )
}

fn in_it(arguments: &[&str], variables: &[(&str, &str)], yaml: Option<&str>) -> Result<Settings, SettingsError> {
    let (flags, environment) = (flags(arguments), environment(variables));
    let file = in_environment(&flags, &environment, yaml.map(file), "k2m.yaml")?;
    let sources = Sources {
        flags: &flags,
        environment: &environment,
        file: file.as_ref(),
    };
    Ok(resolve(sources)?.0)
}

#[test]
fn flag_beats_variable_beats_environment_beats_what_stands_outside() {
    let yaml = yaml();
    for (arguments, variables, wanted) in [
        (&[][..], &[][..], "1 (k2m.yaml:2)"),
        (&["--env", "dev"], &[], "1 (k2m.yaml:2)"),
        (&["--env", "prod"], &[], "2 (k2m.yaml:13, environment prod)"),
        (&[], &[("K2M_ENV", "prod")], "2 (k2m.yaml:13, environment prod)"),
        // The flag chooses before the variable does, and an empty one chooses nothing.
        (&["--env", "dev"], &[("K2M_ENV", "prod")], "1 (k2m.yaml:2)"),
        (&[], &[("K2M_ENV", "")], "1 (k2m.yaml:2)"),
        (&["--env", "prod"], &[("K2M_BATCH_SIZE", "3")], "3 (K2M_BATCH_SIZE)"),
        (
            &["--env", "prod", "--batch-size", "4"],
            &[("K2M_BATCH_SIZE", "3")],
            "4 (--batch-size)",
        ),
    ] {
        let settings = in_it(arguments, variables, Some(&yaml)).unwrap();
        let Setting { value, source } = &settings.pipelines[1].batch_size;
        assert_eq!(format!("{value} ({source})"), wanted, "{arguments:?} {variables:?}");
    }
}

#[test]
fn an_environment_s_pipelines_take_the_place_of_the_others_whole() {
    let yaml = yaml();
    let shown = |arguments: &[&str]| {
        let settings = in_it(arguments, &[], Some(&yaml)).unwrap();
        let pipelines = settings.pipelines.iter().map(|pipeline| {
            format!(
                "{} to {}: {} MB, {} s",
                pipeline.stream.value.name(),
                pipeline.topic.value,
                pipeline.memory.value,
                pipeline.timeout.value
            )
        });
        pipelines.collect::<Vec<_>>().join("; ")
    };
    // What a pipeline says of itself counts more than what is said for all.
    assert_eq!(
        shown(&["--env", "prod"]),
        "orders to sales: 512 MB, 30 s; clicks to clicks: 512 MB, 40 s"
    );
    assert_eq!(shown(&["--env", "other"]), "clicks to clicks: 1024 MB, 60 s");
    assert_eq!(shown(&["--env", "one"]), "orders to orders: 512 MB, 60 s");
    let other = in_it(&["--env", "other"], &[], Some(&yaml)).unwrap();
    assert_eq!(
        other.pipelines[0].memory.source.to_string(),
        "k2m.yaml:18, environment other"
    );
    assert!(other.left_out.is_empty());
    let chosen = other.environment.unwrap();
    assert_eq!((chosen.name.as_str(), chosen.path.as_str()), ("other", "k2m.yaml"));
}

#[test]
fn a_stronger_choice_of_an_environment_takes_what_belongs_to_a_weaker_one_away() {
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
    let text = format!(
        "stream: {STREAM}\ncluster: {CLUSTER}\nauthentication: scram\nsecret: {secret}\nstarting_position: AT_TIMESTAMP\nstarting_timestamp: 2026-01-02T03:04:05Z\n\
         environments:\n  prod:\n    authentication: mutual_tls\n    starting_position: LATEST\n  outside:\n    bootstrap_servers: kafka:9092\n    authentication: tls\n"
    );
    let prod = in_it(&["--env", "prod"], &[], Some(&text)).unwrap();
    assert!(prod.secret.is_none());
    assert_eq!(prod.pipelines[0].starting_position.value, StartingPosition::Latest);
    assert!(in_it(&[], &[], Some(&text)).unwrap().secret.is_some());
    let outside = in_it(&["--env", "outside"], &[], Some(&text)).unwrap();
    assert_eq!(outside.servers().unwrap().value.to_string(), "kafka:9092");
}

#[test]
fn an_environment_that_is_not_there_is_refused_and_one_that_is_not_chosen_is_named() {
    /// Arguments, variables and a file.
    type Given<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], Option<&'a str>);
    let yaml = yaml();
    let needed = format!("environments:\n  dev: {{stream: {STREAM}, cluster: {CLUSTER}}}\n  prod:\n");
    let rows: [Given<'_>; 7] = [
        (&["--env", "prd"], &[], Some(&yaml)),
        (&["--env", "staging"], &[], Some(&yaml)),
        (&[], &[("K2M_ENV", "Prod\n")], Some(&yaml)),
        (&["--env", "prod"], &[], Some("topic: a\n")),
        (&["--env", "prod"], &[], None),
        (&[], &[], Some(&needed)),
        (&["--env", "prod"], &[], Some(&needed)),
    ];
    let mut text = String::new();
    for (arguments, variables, yaml) in rows {
        let error = in_it(arguments, variables, yaml).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        writeln!(text, "{arguments:?} {variables:?}\n    {error}").unwrap();
    }
    insta::assert_snapshot!(text);
}
