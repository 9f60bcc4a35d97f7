//! The built `k2m`: what users see of `run` and `demo` on stdout and stderr, and the exit codes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::format_collect, reason = "short texts")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest that a command of these tests may take.
const PATIENCE: Duration = Duration::from_mins(1);

fn k2m(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k2m"));
    command
        .current_dir(folder)
        .args(arguments)
        .env("COLUMNS", "120")
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    k2m(folder, arguments).output().unwrap()
}

/// Everything that a user sees.
fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    format!(
        "exit {}\n--- stdout\n{stdout}--- stderr\n{stderr}",
        output.status.code().unwrap_or(-1)
    )
}

/// Settings that take out of a snapshot what differs from run to run.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"seconds +[\d.]+ +\d+ records/s", "seconds [s] [n] records/s"),
        (
            r"latency ms +[\d.]+ +p50, p90 [\d.]+, p99 [\d.]+, max [\d.]+",
            "latency ms [latencies]",
        ),
        (r"invocations +\d+ ", "invocations [n] "),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"after \d+ms", "after [n]ms"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(output)))
}

fn lines(count: u64) -> String {
    (0..count)
        .map(|n| format!("{{\"partitionKey\":\"key-{}\",\"data\":\"record {n}\"}}\n", n % 7))
        .collect()
}

fn folder_with(input: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.jsonl"), input).unwrap();
    folder
}

/// Ends a command that a failed assertion would leave behind.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let of = |entry: io::Result<fs::DirEntry>| {
        let child: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        let parent: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (parent == pid).then_some(child)
    };
    fs::read_dir("/proc").unwrap().filter_map(of).collect()
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn help_texts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "run", "demo"] {
        let arguments: Vec<&str> = [name, "--help"]
            .into_iter()
            .filter(|argument| !argument.is_empty())
            .collect();
        insta::assert_snapshot!(format!("help_{name}"), seen(&run(folder.path(), &arguments)));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_flags_are_usage_errors() {
    let folder = folder_with("");
    let cases: &[&[&str]] = &[
        &[],
        &["run"],
        &["run", "--topic", "a b"],
        &["run", "--topic", "t", "--batch-size", "0"],
        &["run", "--topic", "t", "--batch-size", "10001"],
        &["run", "--topic", "t", "--batching-window", "301"],
        &["run", "--topic", "t", "--parallelization-factor", "11"],
        &["run", "--topic", "t", "--retries", "-2"],
        &["run", "--topic", "t", "--maximum-record-age", "59"],
        &["run", "--topic", "t", "--shards", "0"],
        &["run", "--topic", "t", "--timeout", "901"],
        &["run", "--topic", "t", "--bootstrap-servers", "localhost"],
        &["run", "--topic", "t", "--authentication", "tls"],
        &[
            "run",
            "--topic",
            "t",
            "--bootstrap-servers",
            "a:1",
            "--authentication",
            "kerberos",
        ],
        &[
            "run",
            "--topic",
            "t",
            "--bootstrap-servers",
            "a:1",
            "--authentication",
            "scram",
        ],
        &[
            "run",
            "--topic",
            "t",
            "--bootstrap-servers",
            "a:1",
            "--secret-file",
            "s.json",
        ],
        &["run", "--topic", "t", "--secret-file", "s.json"],
        &["run", "--topic", "t", "--bootstrap-servers", "a:1", "--partitions", "3"],
        &["run", "--topic", "t", "--handler-env", "NAME"],
        &["run", "--topic", "t", "--handler-env", "K2M_ON_POISON=divert"],
        &["run", "--topic", "t", "--reshard", "8"],
        &["run", "--topic", "t", "--reshard", "0:8"],
        &["run", "--topic", "t", "--reshard", "20:8", "--reshard", "20:3"],
        &["run", "--topic", "t", "--on-poison", "skip"],
        &["run", "--topic", "t", "--dead-letter-topic", "d"],
        &[
            "run",
            "--topic",
            "t",
            "--on-poison",
            "divert",
            "--dead-letter-topic",
            "t",
        ],
        &["run", "--topic", &"t".repeat(240), "--on-poison", "divert"],
        &["run", "--topic", "t", "--decode", "zip"],
        &["run", "--topic", "t", "--decode", "lines,cloudwatch_logs"],
        &["run", "--topic", "t", "--key", "customer"],
        &["run", "--topic", "t", "--topic-pointer", "/type"],
        &["run", "--topic", "t", "--topic-map", "{\"a\": \"b\"}"],
        &[
            "run",
            "--topic",
            "t",
            "--topic-pointer",
            "/a",
            "--topic-map",
            "{\"a\": \"b c\"}",
        ],
        &[
            "run",
            "--topic",
            "t",
            "--topic-pointer",
            "/a",
            "--topic-map",
            "{\"a\": \"b\"}",
            "--on-poison",
            "divert",
            "--dead-letter-topic",
            "b",
        ],
        &["run", "--topic", "t", "--value", "avro"],
        &["run", "--topic", "t", "--timestamp", "event"],
        &["run", "--topic", "t", "--headers", "no"],
        &["run", "--topic", "t", "--compression", "brotli"],
        &["run", "--topic", "t", "--handler-env", "K2M_DECODE=none"],
        &["run", "--config", "strict.yaml"],
        &["run", "--config", "strict.yaml", "--topic", "t"],
        &["demo", "--records", "99"],
    ];
    fs::write(folder.path().join("strict.yaml"), "strict_order: true\nkey: none\n").unwrap();
    let said: Vec<String> = cases
        .iter()
        .map(|arguments| {
            let output = run(folder.path(), arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            let first = stderr
                .lines()
                .take_while(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join("\n");
            format!(
                "k2m {}\n    {}",
                arguments.join(" "),
                if arguments.is_empty() { "(help)" } else { &first }
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_file_of_settings_counts_less_than_flags_and_only_where_it_is_named() {
    let folder = folder_with(&lines(20));
    let settings =
        "topic: from-file\nbatch_size: 2\non_poison: divert\nkey: none\ntopic_pointer: /type\ntopic_map:\n  a: b\n";
    fs::write(folder.path().join("k2m.yaml"), settings).unwrap();
    for (arguments, topic, mapped, dead_letter, invocations) in [
        (
            &["--config", "k2m.yaml"][..],
            "from-file",
            serde_json::json!(["b"]),
            serde_json::json!("from-file-dead-letter"),
            10,
        ),
        (
            &[
                "--config",
                "k2m.yaml",
                "--topic",
                "flag",
                "--batch-size",
                "20",
                "--on-poison",
                "block",
            ],
            "flag",
            serde_json::json!(["b"]),
            Value::Null,
            1,
        ),
        (&["--topic", "flag"], "flag", Value::Null, Value::Null, 1),
    ] {
        let all = [&["run", "--input", "in.jsonl", "-o", "json"], arguments].concat();
        let output = run(folder.path(), &all);
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        let summary = summary(&output);
        assert_eq!(summary["acknowledged"], 20, "{arguments:?}");
        assert_eq!(summary["topic"], topic, "{arguments:?}");
        assert_eq!(summary["mapped_topics"], mapped, "{arguments:?}");
        assert_eq!(summary["dead_letter_topic"], dead_letter, "{arguments:?}");
        assert_eq!(summary["invocations"], invocations, "{arguments:?}");
    }
}

#[test]
fn files_that_cannot_be_opened() {
    let folder = folder_with(&lines(1));
    fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let cases: &[&[&str]] = &[
        &["--input", "missing.jsonl"],
        &["--input", "."],
        &["--config", "missing.yaml"],
        &["--input", "in.jsonl", "--on-failure", "missing/failed.jsonl"],
        &["--input", "in.jsonl", "--handler", "missing"],
        &["--input", "in.jsonl", "--handler-log", "missing/log"],
        &[
            "--input",
            "in.jsonl",
            "--bootstrap-servers",
            "localhost:1",
            "--ca-file",
            "missing.pem",
        ],
        &[
            "--input",
            "in.jsonl",
            "--bootstrap-servers",
            "localhost:1",
            "--ca-file",
            "ca.pem",
        ],
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|arguments| seen(&run(folder.path(), &[&["run", "--topic", "t"], *arguments].concat())))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn records_reach_the_embedded_broker() {
    let folder = folder_with(&lines(2_500));
    settings().bind(|| {
        let output = run(
            folder.path(),
            &["run", "--topic", "t", "--input", "in.jsonl", "--shards", "2"],
        );
        insta::assert_snapshot!(seen(&output));
    });
    let output = run(
        folder.path(),
        &[
            "run",
            "--topic",
            "t",
            "--input",
            "in.jsonl",
            "--shards",
            "2",
            "--parallelization-factor",
            "2",
            "--freeze",
            "-o",
            "json",
        ],
    );
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(
        (summary["records"].as_u64(), summary["acknowledged"].as_u64()),
        (Some(2_500), Some(2_500))
    );
    assert_eq!(
        (summary["in_memory"].as_bool(), summary["exit_code"].as_u64()),
        (Some(true), Some(0))
    );
}

#[test]
fn a_stream_that_is_resharded_twice_delivers_all() {
    let folder = folder_with(&lines(3_000));
    let output = run(
        folder.path(),
        &[
            "run",
            "--topic",
            "t",
            "--input",
            "in.jsonl",
            "--shards",
            "2",
            "--reshard",
            "1000:8",
            "--reshard",
            "2000:3",
            "--reshard",
            "3000:1",
            "-o",
            "json",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(summary(&output)["acknowledged"].as_u64(), Some(3_000));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "warning: the input ended after 3000 records, so the stream was not resharded to 1 shard(s) after record 3000\n"
    );
}

#[test]
fn the_function_is_told_where_poison_goes() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder_with(&lines(1));
    let handler = folder.path().join("handler");
    fs::write(&handler, "#!/bin/sh\nenv >env\nexit 1\n").unwrap();
    fs::set_permissions(&handler, fs::Permissions::from_mode(0o755)).unwrap();
    for (arguments, told) in [
        (&[][..], &["K2M_TIMEOUT_MS=7000"][..]),
        (
            &["--on-poison", "divert"],
            &[
                "K2M_DEAD_LETTER_TOPIC=t-dead-letter",
                "K2M_ON_POISON=divert",
                "K2M_TIMEOUT_MS=7000",
            ],
        ),
        (
            &["--on-poison", "divert", "--dead-letter-topic", "d"],
            &["K2M_DEAD_LETTER_TOPIC=d", "K2M_ON_POISON=divert", "K2M_TIMEOUT_MS=7000"],
        ),
    ] {
        let all = [
            "run",
            "--topic",
            "t",
            "--input",
            "in.jsonl",
            "--timeout",
            "7",
            "--handler",
            "handler",
        ];
        let output = run(folder.path(), &[&all, arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
        let environment = fs::read_to_string(folder.path().join("env")).unwrap();
        let mut ours: Vec<&str> = environment
            .lines()
            .filter(|line| {
                ["K2M_ON", "K2M_DEAD", "K2M_TIMEOUT"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, told);
    }
}

#[test]
fn an_empty_input_is_fine_and_so_is_a_record_of_no_bytes() {
    let folder = folder_with("{\"partitionKey\":\"k\",\"data\":\"\"}\n");
    let output = run(folder.path(), &["run", "--topic", "t", "-o", "json"]);
    assert_eq!(
        (output.status.code(), summary(&output)["records"].as_u64()),
        (Some(0), Some(0))
    );
    let output = run(
        folder.path(),
        &["run", "--topic", "t", "--input", "in.jsonl", "-o", "json"],
    );
    assert_eq!(
        (output.status.code(), summary(&output)["acknowledged"].as_u64()),
        (Some(0), Some(1))
    );
}

#[test]
fn a_bad_line_ends_the_run_after_the_lines_before_it() {
    let folder = folder_with(&(lines(1_234) + "{\"partitionKey\": 7}\n" + &lines(5)));
    settings().bind(|| {
        insta::assert_snapshot!(seen(&run(
            folder.path(),
            &["run", "--topic", "t", "--input", "in.jsonl"]
        )));
    });
    let output = run(
        folder.path(),
        &["run", "--topic", "t", "--input", "in.jsonl", "-o", "json"],
    );
    let summary = summary(&output);
    assert_eq!(
        (summary["acknowledged"].as_u64(), summary["exit_code"].as_u64()),
        (Some(1_234), Some(65))
    );
    assert!(
        summary["error"]
            .as_str()
            .unwrap()
            .starts_with("line 1235 of the input is not a record")
    );
}

#[test]
fn ten_mebibytes_and_a_byte_are_too_large() {
    let line = |bytes| format!("{{\"partitionKey\":\"k\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
    let folder = folder_with(&line(10 * 1024 * 1024 + 1));
    settings().bind(|| {
        insta::assert_snapshot!(seen(&run(
            folder.path(),
            &["run", "--topic", "t", "--input", "in.jsonl"]
        )));
    });
    // Exactly 10 MiB is a record of Kinesis, but no invocation can hold it.
    let folder = folder_with(&line(10 * 1024 * 1024));
    let output = run(
        folder.path(),
        &[
            "run",
            "--topic",
            "t",
            "--input",
            "in.jsonl",
            "--on-failure",
            "failed.jsonl",
            "-o",
            "json",
        ],
    );
    assert_eq!(
        (output.status.code(), summary(&output)["diverted"].as_u64()),
        (Some(0), Some(1))
    );
    let message: Value = serde_json::from_slice(&fs::read(folder.path().join("failed.jsonl")).unwrap()).unwrap();
    assert_eq!(message["requestContext"]["condition"], "PayloadLimitExceeded");
    assert_eq!(message["responseContext"], Value::Null);
}

/// Input whose fourth record is larger than the embedded topic takes.
fn poisoned() -> String {
    let poison = format!(
        "{{\"partitionKey\":\"key-3\",\"data\":\"{}\"}}\n",
        "x".repeat(1_200_000)
    );
    lines(3) + &poison + &lines(20)
}

#[test]
fn a_record_that_the_topic_refuses_is_diverted_and_named() {
    let folder = folder_with(&poisoned());
    let arguments = [
        "run",
        "--topic",
        "t",
        "--input",
        "in.jsonl",
        "--retries",
        "1",
        "-o",
        "json",
    ];
    let output = run(
        folder.path(),
        &[&arguments[..], &["--on-failure", "failed.jsonl"]].concat(),
    );
    let result = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(
        (result["acknowledged"].as_u64(), result["diverted"].as_u64()),
        (Some(23), Some(1))
    );
    let message: Value = serde_json::from_slice(&fs::read(folder.path().join("failed.jsonl")).unwrap()).unwrap();
    assert_eq!(message["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(message["records"][0]["kinesis"]["partitionKey"], "key-3");
    assert_eq!(
        message["records"][0]["kinesis"]["data"].as_str().unwrap().len(),
        1_600_000
    );

    let output = run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "without a destination it is lost");
    assert_eq!(summary(&output)["failed"].as_u64(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("run again with --on-failure FILE"), "{said}");
    // Why, and what helps, without the summary.
    assert!(
        said.contains("for its size") && said.contains("--compression zstd"),
        "{said}"
    );
}

#[test]
fn a_full_disk_ends_the_run_and_counts_nothing_as_diverted() {
    let folder = folder_with(&poisoned());
    let arguments = [
        "run",
        "--topic",
        "t",
        "--input",
        "in.jsonl",
        "--retries",
        "0",
        "--on-failure",
        "/dev/full",
    ];
    let output = run(folder.path(), &[&arguments[..], &["-o", "json"]].concat());
    let result = summary(&output);
    assert_eq!(
        (output.status.code(), result["exit_code"].as_u64()),
        (Some(74), Some(74))
    );
    let sum = |names: &[&str]| names.iter().map(|name| result[*name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum(&["diverted", "failed"]), sum(&["acknowledged", "unsent"])),
        (0, 24)
    );
    assert!(result["error"].as_str().unwrap().contains("No space left on device"));
}

#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    let folder = folder_with(&lines(1));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = k2m(folder.path(), &["run", "--topic", "t", "--input", "in.jsonl"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", seen(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder_with(&lines(1));
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = k2m(folder.path(), &["run", "--topic", "t", "--input", "in.jsonl"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
}

#[test]
fn brokers_that_are_none() {
    let folder = folder_with(&lines(1));
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = stranger.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in stranger.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for (name, servers) in [
        ("nothing_listens", nothing.to_string()),
        ("a_web_server", web.to_string()),
    ] {
        let output = run(
            folder.path(),
            &[
                "run",
                "--topic",
                "t",
                "--input",
                "in.jsonl",
                "--bootstrap-servers",
                &servers,
            ],
        );
        settings().bind(|| insta::assert_snapshot!(name, seen(&output)));
    }
    let servers = "no-such-host.invalid:9092";
    let output = run(
        folder.path(),
        &[
            "run",
            "--topic",
            "t",
            "--input",
            "in.jsonl",
            "--bootstrap-servers",
            servers,
        ],
    );
    assert_eq!(output.status.code(), Some(69));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("the host's name is not known"), "{stderr}");
}

#[test]
fn a_handler_with_a_bad_configuration_ends_the_run_with_its_words() {
    let folder = folder_with(&lines(10));
    let arguments = [
        "run",
        "--topic",
        "t",
        "--input",
        "in.jsonl",
        "--handler-env",
        "K2M_NO_SUCH_THING=1",
    ];
    let output = run(folder.path(), &arguments);
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    assert!(
        stderr.contains("the handler can't start") && stderr.contains("K2M_NO_SUCH_THING"),
        "{stderr}"
    );
}

#[test]
fn settings_of_the_users_shell_are_not_the_functions() {
    let folder = folder_with(&lines(10));
    let output = k2m(folder.path(), &["run", "--topic", "t", "--input", "in.jsonl"])
        .env("K2M_NO_SUCH_THING", "1")
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
}

#[test]
fn the_handlers_log_is_kept() {
    let folder = folder_with(&lines(10));
    let output = run(
        folder.path(),
        &["run", "--topic", "t", "--input", "in.jsonl", "--handler-log", "log"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.lines()
            .any(|line| line.contains("\"invocation\"") && line.contains("\"records\":10")),
        "{log}"
    );
    assert!(!log.contains("record 3"), "no record's content is logged");
}

/// A run that waits for more input, after it has delivered some, with its processes.
fn waiting(folder: &Path, arguments: &[&str]) -> (Guard, ChildStdin, Vec<u32>) {
    let log = folder.join("log");
    let mut command = k2m(
        folder,
        &["run", "--topic", "t", "--batching-window", "0", "--handler-log", "log"],
    );
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let guard = Guard(child);
    stdin.write_all(lines(100).as_bytes()).unwrap();
    let delivered = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["message"] == "invocation")
            .filter_map(|line| line["acknowledged"].as_u64())
            .sum::<u64>()
    };
    wait_until("100 records are delivered", || delivered() == 100);
    let children = children(guard.0.id());
    assert!(children.len() >= 2, "the broker and at least one handler: {children:?}");
    (guard, stdin, children)
}

#[test]
fn ctrl_c_ends_the_run_with_its_summary_and_its_processes() {
    for name in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut guard, stdin, children) = waiting(folder.path(), &["-o", "json"]);
        signal(guard.0.id(), name);
        wait_until("k2m ends", || guard.0.try_wait().unwrap().is_some());
        assert_eq!(guard.0.wait().unwrap().code(), Some(130));
        let result: Value = serde_json::from_reader(guard.0.stdout.take().unwrap()).unwrap();
        assert_eq!(
            (result["acknowledged"].as_u64(), result["interrupted"].as_bool()),
            (Some(100), Some(true))
        );
        let stderr: Vec<String> = BufReader::new(guard.0.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .collect();
        assert!(
            stderr
                .iter()
                .any(|line| line.contains("100 lines were read; of 100 records 100 are acknowledged")),
            "{stderr:?}"
        );
        wait_until("all processes have ended", || {
            !children.iter().any(|&child| is_running(child))
        });
        drop(stdin);
    }
}

#[test]
fn no_process_outlives_a_k2m_that_is_killed() {
    for arguments in [&[][..], &["--freeze"]] {
        let folder = tempfile::tempdir().unwrap();
        let (mut guard, _stdin, children) = waiting(folder.path(), arguments);
        guard.0.kill().unwrap();
        guard.0.wait().unwrap();
        wait_until("all processes have ended", || {
            !children.iter().any(|&child| is_running(child))
        });
    }
}

#[test]
fn the_demo_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo"]);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let last = "sent 10001 acknowledged 10000 read_back 10000 diverted 1 lost 0";
    assert_eq!(stdout.lines().last(), Some(last), "{stdout}");
    for event in [
        "died in the middle of an invocation",
        "broker 1 of 3 fails",
        "broker 1 is back",
        "0 out of the order",
        "0 altered",
    ] {
        assert!(stdout.contains(event), "{event} is missing:\n{stdout}");
    }
    assert!(output.stderr.is_empty(), "{}", seen(&output));
}

#[test]
fn the_demo_as_json_is_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--records", "1000", "-o", "json"]);
    let result = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    for (name, value) in [
        ("sent", 1001),
        ("acknowledged", 1000),
        ("read_back", 1000),
        ("diverted", 1),
        ("lost", 0),
    ] {
        assert_eq!(result[name].as_u64(), Some(value), "{name}");
    }
}

#[test]
fn ctrl_c_while_connecting_ends_at_once_and_says_so() {
    // It takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_k2m"))
        .args(["run", "--topic", "t", "--bootstrap-servers", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _connection = listener.accept().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: stopped by a signal before anything was sent or changed; run the same command to begin again\n"
    );
}
