//! `k2m import` as built: templates of six styles become settings that are planned and rendered without AWS; and every bad input has its own error and exit code.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use k2m_testkit::cfn_lint;
use serde_json::Value;
use tempfile::TempDir;

const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

/// A style, with what it takes to import and to plan it.
struct Style {
    folder: &'static str,
    arguments: &'static [&'static str],
    exit: i32,
    /// The example whose facts it is planned with.
    example: &'static str,
    /// The topic that is there, where it is another than the example's.
    topic: Option<&'static str>,
    /// Texts of the facts, and what stands in their place.
    replaced: &'static [(&'static str, &'static str)],
    /// Warnings of the plan that are right.
    warnings: &'static [&'static str],
}

const KNOWN: [&str; 4] = ["--region", "eu-west-1", "--parameter", "AWS::AccountId=123456789012"];
const NOT_IN_EACH_ZONE: &str = "the function is in no subnet of eu-west-1c";
const UNSEEN_DESTINATION: &str = "the facts say nothing of the ";

const STYLES: [Style; 6] = [
    Style {
        folder: "sample",
        arguments: &["--cluster", CLUSTER],
        exit: 0,
        example: "same-vpc",
        topic: Some("shop-orders"),
        replaced: &[
            (r#""clientEncryption": "TLS""#, r#""clientEncryption": "TLS_PLAINTEXT""#),
            (
                r#""bootstrapBrokers": {"#,
                r#""bootstrapBrokers": {"": "b-1.events.a1b2c3.c3.kafka.eu-west-1.amazonaws.com:9092","#,
            ),
        ],
        warnings: &[
            "plaintext: records cross the network unencrypted",
            UNSEEN_DESTINATION,
            "subnet-03c4d5e6f7a8b9c03 has one free address left",
            "parallelization",
        ],
    },
    Style {
        folder: "plain",
        arguments: &[
            KNOWN[0],
            KNOWN[1],
            KNOWN[2],
            KNOWN[3],
            "--parameter",
            "Group=sg-0f000000000000001",
        ],
        exit: 0,
        example: "same-vpc",
        topic: Some("shop-orders-live"),
        replaced: &[],
        warnings: &[NOT_IN_EACH_ZONE, UNSEEN_DESTINATION],
    },
    Style {
        folder: "json",
        arguments: &KNOWN,
        exit: 0,
        example: "self-managed",
        topic: None,
        replaced: &[("stream/orders", "stream/clicks")],
        warnings: &["plaintext: records cross the network unencrypted", "proven"],
    },
    Style {
        folder: "globals",
        arguments: &[],
        exit: 0,
        example: "same-vpc",
        topic: Some("page-views"),
        replaced: &[],
        warnings: &[NOT_IN_EACH_ZONE],
    },
    Style {
        folder: "several",
        arguments: &["--cluster", CLUSTER, "--create-topic"],
        exit: 0,
        example: "many-pipelines",
        topic: None,
        replaced: &[],
        warnings: &[NOT_IN_EACH_ZONE, "parallelization", "enabled is false"],
    },
    Style {
        folder: "leftovers",
        arguments: &[
            "--cluster",
            CLUSTER,
            "--authentication",
            "iam",
            "--topic",
            "orders",
            "--parameter",
            "shop-orders=arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        ],
        // Not all can be told.
        exit: 4,
        example: "same-vpc",
        topic: None,
        replaced: &[],
        warnings: &["parallelization"],
    },
];

fn fixtures(folder: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "import", folder].iter().collect()
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A folder of its own with a copy of a fixture.
fn project(folder: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copied(&fixtures(folder), copy.path());
    copy
}

fn k2m(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).stdin(Stdio::null()).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    // Nothing of this machine's own settings may shine through.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("K2M_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("COLUMNS", "120").args(arguments);
    command
}

fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    format!(
        "exit {code}\n--- stdout\n{}--- stderr\n{}",
        text(&output.stdout),
        text(&output.stderr)
    )
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(output)))
}

/// An example's facts, as this style needs them.
fn facts(style: &Style) -> String {
    let example: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "examples",
        style.example,
        "facts.json",
    ]
    .iter()
    .collect();
    let mut text = fs::read_to_string(example).unwrap();
    for (old, new) in style.replaced {
        assert!(text.contains(old), "{}: {old}", style.folder);
        text = text.replace(old, new);
    }
    let mut facts: Value = serde_json::from_str(&text).unwrap();
    if let Some(topic) = style.topic {
        let mut found = facts["topics"]["orders"].clone();
        found["value"]["name"] = topic.into();
        facts["topics"] = serde_json::json!({ topic: found });
    }
    facts.to_string()
}

#[test]
fn templates_of_every_style_become_settings_and_a_template_that_aws_takes() {
    let mut templates = Vec::new();
    for style in STYLES {
        let name = style.folder;
        let folder = project(name);
        let imported = k2m(folder.path(), &[&["import"], style.arguments].concat());
        assert_eq!(imported.status.code(), Some(style.exit), "{name}: {}", seen(&imported));
        let written = fs::read_to_string(folder.path().join("k2m.yaml")).unwrap();
        insta::assert_snapshot!(
            format!("imported_{name}"),
            format!("{}--- k2m.yaml\n{written}", seen(&imported))
        );
        let all = seen(&imported) + &written;
        assert!(!all.contains("not-for-anybody"), "{all}");

        fs::write(folder.path().join("facts.json"), facts(&style)).unwrap();
        let plan = k2m(folder.path(), &["plan", "--facts", "facts.json", "-o", "json"]);
        // Nothing is deployed, so a deployment would change something.
        assert_eq!(plan.status.code(), Some(3), "{name}: {}", seen(&plan));
        let plan = document(&plan);
        let plan = plan.get("plan").unwrap_or(&plan);
        for warning in plan["warnings"].as_array().unwrap() {
            let text = warning.as_str().unwrap();
            assert!(
                style.warnings.iter().any(|known| text.contains(known)),
                "{name}: {text}"
            );
        }
        let rendered = k2m(folder.path(), &["render", "--facts", "facts.json"]);
        assert_eq!(rendered.status.code(), Some(0), "{name}: {}", seen(&rendered));
        templates.push((name, String::from_utf8(rendered.stdout).unwrap()));
    }
    let templates: Vec<(&str, &str)> = templates.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let complaints = cfn_lint(&templates, &["eu-west-1"]).unwrap();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn programs_get_one_document_and_stdout_the_file() {
    let folder = project("sample");
    let arguments = ["import", "--cluster", CLUSTER];
    let printed = k2m(folder.path(), &[&arguments[..], &["--stdout"]].concat());
    assert_eq!(printed.status.code(), Some(0), "{}", seen(&printed));
    assert!(!folder.path().join("k2m.yaml").exists());
    let text = String::from_utf8(printed.stdout.clone()).unwrap();
    assert!(text.contains("\nbatch_size: 10  # template.yaml:"), "{text}");
    assert!(String::from_utf8_lossy(&printed.stderr).contains("To take over without a loss:"));

    let told = k2m(folder.path(), &[&arguments[..], &["--stdout", "-o", "json"]].concat());
    let told = document(&told);
    assert_eq!(told["text"], text);
    assert_eq!(told["path"], Value::Null);
    let written = k2m(
        folder.path(),
        &[&arguments[..], &["--config", "other.yaml", "-o", "json"]].concat(),
    );
    let written = document(&written);
    assert_eq!(written["path"], "other.yaml");
    assert_eq!(fs::read_to_string(folder.path().join("other.yaml")).unwrap(), text);
    assert_eq!(written["next"][1], "k2m deploy --config other.yaml");
    assert_eq!(written["takeOver"][3]["commands"][0], "k2m deploy --config other.yaml");
    let what: Vec<&str> = written["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["partial_failures", "timeout", "delivery", "security_group"]);
    assert_eq!(written["unknown"], serde_json::json!([]));

    // In failure too there is one document.
    let failed = k2m(folder.path(), &["import", "-o", "json"]);
    assert_eq!(failed.status.code(), Some(4), "{}", seen(&failed));
    assert_eq!(document(&failed)["exit_code"], 4);
}

#[test]
fn a_file_that_is_there_is_overwritten_only_when_that_is_said() {
    let folder = project("sample");
    let file = folder.path().join("k2m.yaml");
    fs::write(&file, "mine: true\n").unwrap();
    let refused = k2m(folder.path(), &["import", "--cluster", CLUSTER]);
    assert_eq!(refused.status.code(), Some(2), "{}", seen(&refused));
    assert!(
        seen(&refused).contains("k2m.yaml is there already, and nobody to ask"),
        "{}",
        seen(&refused)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine: true\n");

    // To take over, the same once more with the time.
    let time = [
        "--starting-position",
        "AT_TIMESTAMP",
        "--starting-timestamp",
        "2026-01-02T03:04:05Z",
        "--yes",
    ];
    let forced = k2m(folder.path(), &[&["import", "--cluster", CLUSTER], &time[..]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", seen(&forced));
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("starting_position: AT_TIMESTAMP  # --starting-position"),
        "{text}"
    );
    assert!(
        seen(&forced).contains("The settings begin at a time already"),
        "{}",
        seen(&forced)
    );

    let nowhere = k2m(
        folder.path(),
        &["import", "--cluster", CLUSTER, "--config", "no/such/k2m.yaml"],
    );
    assert_eq!(nowhere.status.code(), Some(74), "{}", seen(&nowhere));
    // What can't be written is said before anybody is asked, and in place of a way that would not help.
    fs::create_dir(folder.path().join("folder")).unwrap();
    let taken = k2m(folder.path(), &["import", "--cluster", CLUSTER, "--config", "folder"]);
    assert_eq!(taken.status.code(), Some(74), "{}", seen(&taken));
    assert!(
        seen(&taken)
            .contains("failed to write folder: it is not a regular file, and nothing was changed; name a place"),
        "{}",
        seen(&taken)
    );
    // No file can be made there, whoever asks.
    let closed = ["import", "--cluster", CLUSTER, "--config", "/proc/k2m.yaml"];
    let refused = k2m(project("sample").path(), &closed);
    assert_eq!(refused.status.code(), Some(74), "{}", seen(&refused));
}

#[test]
fn one_of_several_is_chosen() {
    let folder = project("several");
    let arguments = ["import", "--cluster", CLUSTER, "--stdout", "-o", "json", "--mapping"];
    for (mapping, streams) in [
        ("Clicks", &["clicks"][..]),
        ("Orders", &["orders", "orders-legacy"]),
        ("Orders.Legacy", &["orders-legacy"]),
        // Who names it means it, though it writes to no Kafka that is known.
        ("Counts", &["clicks"]),
    ] {
        let output = k2m(folder.path(), &[&arguments[..], &[mapping]].concat());
        let told = document(&output);
        let found: Vec<String> = told["pipelines"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|pipeline| pipeline["settings"].as_array().unwrap())
            .chain(told["settings"].as_array().unwrap())
            .filter(|carried| carried["setting"] == "stream")
            .map(|carried| {
                carried["value"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(found, streams, "{mapping}: {told:#}");
    }
    // A stream that two functions read has one pipeline.
    let both = k2m(
        folder.path(),
        &[&arguments[..], &["Clicks", "--mapping", "Counts"]].concat(),
    );
    let left = &document(&both)["notCarried"][0];
    assert_eq!(left["what"], "Counts.Clicks", "{}", seen(&both));
    assert!(left["why"].as_str().unwrap().contains("Clicks.Clicks reads"), "{left}");
}

/// A file, its bytes, and what is said of it.
type Bad<'a> = (&'a str, &'a [u8], i32, &'a str);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_bad_input_has_its_error_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let large = vec![b'#'; 10 << 20];
    let laughs = (1..40).fold(String::new(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    let laughs = format!("a0: &a0 [lol]\n{laughs}");
    let many = (0..501).fold(String::new(), |text, n| {
        text + &format!("  Q{n}: {{Type: AWS::SQS::Queue}}\n")
    });
    let many = format!("Resources:\n{many}");
    let bad: [Bad<'_>; 13] = [
        (
            "many.yaml",
            many.as_bytes(),
            65,
            "many.yaml: it has 501 resources, and CloudFormation takes no template with more than 500",
        ),
        (
            "large.yaml",
            &large,
            65,
            "large.yaml:1: the file has more than 1,000,000 bytes",
        ),
        (
            "laughs.yaml",
            laughs.as_bytes(),
            65,
            "aliases make it more than 500000 values",
        ),
        (
            "python.yaml",
            b"A: !!python/object/apply:os.system ['id']",
            65,
            "CloudFormation has no tag",
        ),
        (
            "tag.yaml",
            b"A:\n  B: !Include x",
            65,
            "tag.yaml:2: CloudFormation has no tag `!Include`",
        ),
        ("binary.yaml", b"\x7fELF\xff\x00", 65, "is not UTF-8"),
        ("broken.yaml", b"A: [1, 2\nB: 3", 65, "this is not YAML"),
        (
            "broken.json",
            b"{\"Resources\": {,}}",
            65,
            "broken.json:1: this is not JSON",
        ),
        ("other.yaml", b"version: 3\nservices: {}", 65, "it has no `Resources`"),
        (
            "empty.yaml",
            b"",
            65,
            "empty.yaml:1: there is nothing in this file",
        ),
        (
            "circle.yaml",
            b"Resources:\n  A: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref B}}\n  B: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref A}}\n  M: {Type: \
              AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt A.Arn, StartingPosition: LATEST}}\n",
            4,
            "and functions within functions that have no end; give --stream\n",
        ),
        (
            "elsewhere.yaml",
            b"Resources:\n  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties: {EventSourceArn: !ImportValue shop-orders, StartingPosition: LATEST}\n",
            4,
            "elsewhere.yaml:4: stream: `shop-orders` is another stack's output (Fn::ImportValue); give --stream, or --parameter 'shop-orders=VALUE'",
        ),
        (
            "none.yaml",
            b"Resources: {B: {Type: AWS::S3::Bucket}}",
            1,
            "no function in it reads a Kinesis data stream",
        ),
    ];
    for (name, bytes, exit, words) in &bad {
        fs::write(file(name), bytes).unwrap();
        let output = k2m(folder.path(), &["import", name, "--cluster", CLUSTER]);
        assert_eq!(output.status.code(), Some(*exit), "{name}: {}", seen(&output));
        assert!(seen(&output).contains(words), "{name}: {}", seen(&output));
        assert!(output.stdout.is_empty(), "{name}");
    }
    // Nor is there anything else.
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names, bad.iter().map(|(name, ..)| (*name).to_owned()).collect());

    symlink("/dev/zero", file("zero.yaml")).unwrap();
    let sample = project("sample");
    fs::write(sample.path().join("wrong.toml"), "[default").unwrap();
    for (folder, arguments, exit, words) in [
        (
            folder.path(),
            &["import"][..],
            66,
            "no template in .: there is none of template.yaml",
        ),
        (
            folder.path(),
            &["import", "no-such.yaml"],
            66,
            "failed to read no-such.yaml",
        ),
        (folder.path(), &["import", "zero.yaml"], 66, "it is not a regular file"),
        (
            sample.path(),
            &["import", "--samconfig", "no.toml"],
            66,
            "failed to read no.toml: No such file or directory (os error 2); name a samconfig.toml with --samconfig FILE, or leave it out",
        ),
        (
            sample.path(),
            &["import", "--samconfig", "wrong.toml"],
            65,
            "wrong.toml:1: this is no samconfig.toml: ",
        ),
        (
            sample.path(),
            &["import", "--config-env", "prod"],
            65,
            "it has no environment `prod`; give one of its own as --config-env: default",
        ),
        (
            sample.path(),
            &["import", "--cluster", "events"],
            2,
            "invalid value `events` for --cluster",
        ),
        (
            sample.path(),
            &["import", "--batch-size", "0"],
            2,
            "invalid value `0` for --batch-size",
        ),
        (
            sample.path(),
            &["import", "--parameter", "x"],
            2,
            "it is not NAME=VALUE",
        ),
        (
            sample.path(),
            &["import", "--mapping", "Nope"],
            2,
            "there is no mapping `Nope`",
        ),
        (
            sample.path(),
            &["import", "--cluster", CLUSTER, "--parameter", "Nope=1"],
            2,
            "--parameter Nope: nothing that is imported from template.yaml asks for it; leave it out, or give one of its parameters: LogLevel",
        ),
        (
            sample.path(),
            &["import", "--cluster", CLUSTER, "--env", "prod"],
            2,
            "--env names an environment, and `k2m import` writes what counts in each; leave it out",
        ),
        (
            sample.path(),
            &["import", "--stdout", "--config", "x"],
            2,
            "cannot be used with",
        ),
        (
            sample.path(),
            &[
                "import",
                "--cluster",
                CLUSTER,
                "--stream",
                STREAM,
                "--failure-destination",
                "arn:aws:sqs:us-east-1:123456789012:q",
            ],
            1,
            "does not fit k2m, and nothing was written",
        ),
    ] {
        let output = k2m(folder, arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", seen(&output));
        assert!(seen(&output).contains(words), "{arguments:?}: {}", seen(&output));
    }
}

/// A template that is no file: standard input and a pipe are read, and a device or a folder is not.
#[test]
fn a_template_comes_from_standard_input_or_a_pipe_too() {
    let folder = project("sample");
    let template = fs::read(folder.path().join("template.yaml")).unwrap();
    let wanted = k2m(folder.path(), &["import", "--cluster", CLUSTER, "--stdout"]);
    let wanted = String::from_utf8(wanted.stdout).unwrap();

    let through = |named: &str, bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        // A pipe, as a shell makes one.
        let mut cat = Command::new("cat")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let arguments = ["import", named, "--cluster", CLUSTER, "--stdout"];
        let read = command(folder.path(), &arguments)
            .stdin(cat.stdout.take().unwrap())
            .output()
            .unwrap();
        cat.wait().unwrap();
        read
    };
    for (named, shown) in [("-", "standard input"), ("/dev/stdin", "/dev/stdin")] {
        let read = through(named, &template);
        assert_eq!(read.status.code(), Some(0), "{}", seen(&read));
        let text = String::from_utf8(read.stdout).unwrap();
        assert_eq!(unbroken(&text.replace(shown, "template.yaml")), unbroken(&wanted));
        let large = through(named, &vec![b'#'; 3 << 20]);
        assert_eq!(large.status.code(), Some(65), "{}", seen(&large));
        assert!(seen(&large).contains(&format!("{shown}:1: the file has more than 1,000,000 bytes")));
    }
    for (named, exit, words) in [
        (
            "-",
            65,
            "standard input:1: there is nothing in this file; mend it, or name a template",
        ),
        ("/dev/zero", 66, "failed to read /dev/zero: it is not a regular file"),
        ("/dev", 66, "no template in /dev"),
    ] {
        let refused = k2m(folder.path(), &["import", named, "--cluster", CLUSTER]);
        assert_eq!(refused.status.code(), Some(exit), "{named}: {}", seen(&refused));
        assert!(seen(&refused).contains(words), "{named}: {}", seen(&refused));
    }
}

/// A text whose comments are broken in other places, as one line.
fn unbroken(text: &str) -> String {
    text.replace("\n#  ", "")
        .replace("\n#", "")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a function's variable says that nobody can tell is said, and no constant of its code takes its place.
#[test]
fn an_open_variable_is_no_constant() {
    let folder = tempfile::tempdir().unwrap();
    let template = format!(
        "Transform: AWS::Serverless-2016-10-31\nParameters:\n  TopicName: {{Type: String, AllowedPattern: '[a-z-]+'}}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    \
         Properties:\n      Handler: app.main\n      CodeUri: src\n      Environment: {{Variables: {{TOPIC: !Ref TopicName}}}}\n      Events:\n        E: {{Type: Kinesis, Properties: \
         {{Stream: '{STREAM}', StartingPosition: TRIM_HORIZON}}}}\n"
    );
    fs::write(folder.path().join("template.yaml"), template).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/app.py"), "TOPIC = 'fallback'\n").unwrap();
    let arguments = ["import", "--cluster", CLUSTER, "--stdout"];
    let open = k2m(folder.path(), &arguments);
    assert_eq!(open.status.code(), Some(4), "{}", seen(&open));
    assert!(!seen(&open).contains("fallback"), "{}", seen(&open));
    assert!(
        seen(&open)
            .contains("template.yaml:10: topic: the variable TOPIC is open: the parameter TopicName has no value"),
        "{}",
        seen(&open)
    );
    for (value, exit, words) in [
        (
            "TopicName=orders",
            0,
            "topic: orders  # the variable TOPIC in template.yaml",
        ),
        (
            "TopicName=Orders",
            2,
            "the parameter TopicName does not take `Orders` (template.yaml:3); give it a text of the form `[a-z-]+`",
        ),
    ] {
        let told = k2m(folder.path(), &[&arguments[..], &["--parameter", value]].concat());
        assert_eq!(told.status.code(), Some(exit), "{}", seen(&told));
        assert!(seen(&told).contains(words), "{}", seen(&told));
    }
}

/// A variable of the environment counts as a flag does.
#[test]
fn variables_of_the_environment_count() {
    let folder = project("sample");
    let read = command(folder.path(), &["import", "--stdout"])
        .env("K2M_CLUSTER", CLUSTER)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(read.status.code(), Some(0), "{}", seen(&read));
    assert!(
        seen(&read).contains(&format!("cluster: {CLUSTER}  # K2M_CLUSTER")),
        "{}",
        seen(&read)
    );
    let wrong = command(folder.path(), &["import", "--stdout"])
        .env("K2M_CLUSTER", "events")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", seen(&wrong));
    assert!(
        seen(&wrong).contains("invalid value `events` for K2M_CLUSTER"),
        "{}",
        seen(&wrong)
    );
}
