//! Sandboxes with processes that misbehave. They are shell scripts that speak just enough HTTP to take an invocation.

use std::path::Path;

use super::*;
use crate::local::engine::Event;

/// Asks for an invocation, and reads its id into `$id`.
const TAKE: &str = r#"
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
ask() { printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3; }
take() {
  ask
  while IFS= read -r line <&3; do
    line=${line%$'\r'}
    case "$line" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
      '') break ;;
    esac
  done
  IFS= read -r -N "$length" body <&3
}
answer() {
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnull' "$id" >&3
  while IFS= read -r line <&3; do
    line=${line%$'\r'}
    case "$line" in content-length:*) length=${line#*: } ;; '') break ;; esac
  done
  IFS= read -r -N "$length" body <&3
}
"#;

/// A sandbox whose process is a script, with the events that it tells.
fn sandbox(
    script: &str,
    timeout: u64,
    freeze: bool,
    log: Option<&Path>,
) -> (ProcessSandbox, tokio::sync::mpsc::UnboundedReceiver<Event>) {
    let program = Program {
        path: PathBuf::from("/bin/bash"),
        arguments: vec!["-c".to_owned(), TAKE.to_owned() + script],
        environment: vec![("K2M_TOPIC".to_owned(), "t".to_owned())],
        timeout: Duration::from_secs(timeout),
        freeze,
        log: log.map(|path| Arc::new(File::create(path).unwrap())),
    };
    let (events, happened) = Events::channel();
    (
        ProcessSandbox::new(Arc::new(program), 0, Clock::start(), events),
        happened,
    )
}

async fn invoke(sandbox: &mut ProcessSandbox) -> Result<Reply, SandboxError> {
    sandbox.invoke("id-1", Bytes::from_static(b"{\"Records\":[]}")).await
}

fn error_of(reply: Result<Reply, SandboxError>) -> (String, String) {
    match reply {
        Ok(Reply::Error(error)) => (error.error_type, error.error_message),
        other => panic!("no function error: {other:?}"),
    }
}

/// The state letter that the kernel gives a process, such as `T` for stopped.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits until a process has one of these states, or is gone.
async fn wait_for(pid: u32, states: &[Option<char>]) {
    for _ in 0..1_000 {
        if states.contains(&state(pid)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("process {pid} is {:?}, not {states:?}", state(pid));
}

const GOOD: Reply = Reply::Response(Bytes::from_static(b"null"));

#[tokio::test]
async fn one_process_serves_many_invocations_and_ends_with_the_sandbox() {
    let (mut sandbox, mut happened) = sandbox("while true; do take; answer; done", 60, false, None);
    for _ in 0..3 {
        assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
    }
    let Some(Event::Started { pid, .. }) = happened.recv().await else {
        panic!("no start")
    };
    for _ in 0..3 {
        assert_eq!(happened.recv().await, Some(Event::Invoking { lane: 0, pid }));
    }
    sandbox.close().await;
    assert_eq!(state(pid), None);
}

#[tokio::test]
async fn a_process_that_takes_too_long_is_killed_and_replaced() {
    let (mut sandbox, mut happened) = sandbox("take; sleep 1000", 1, false, None);
    let (kind, message) = error_of(invoke(&mut sandbox).await);
    assert_eq!(
        (kind.as_str(), message.as_str()),
        ("Sandbox.Timedout", "Task timed out after 1 seconds")
    );
    let Some(Event::Started { pid, .. }) = happened.recv().await else {
        panic!("no start")
    };
    assert_eq!(state(pid), None, "killed and reaped");
    error_of(invoke(&mut sandbox).await);
    let mut started = 0;
    while let Ok(event) = happened.try_recv() {
        started += u32::from(matches!(event, Event::Started { .. }));
    }
    assert_eq!(started, 1, "the second invocation got a fresh process");
}

#[tokio::test]
async fn one_invocation_can_have_a_time_of_its_own() {
    let script = r#"
while true; do
  ask
  while IFS= read -r line <&3; do
    line=${line%$'\r'}
    case "$line" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      lambda-runtime-deadline-ms:*) echo "deadline ${line#*: }" >&2 ;;
      content-length:*) length=${line#*: } ;;
      '') break ;;
    esac
  done
  IFS= read -r -N "$length" body <&3
  answer
done"#;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (mut sandbox, _happened) = sandbox(script, 60, false, Some(&log));
    sandbox.allow(Allowance {
        limit: Duration::from_mins(1),
        told: -3_600_000,
    });
    let now = Clock::start().now();
    for _ in 0..2 {
        assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
    }
    sandbox.close().await;
    let told: Vec<i64> = std::fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap() - now)
        .collect();
    assert!(told[0] < -3_000_000, "an hour ago: {told:?}");
    assert!((60_000..600_000).contains(&told[1]), "as always again: {told:?}");

    let (mut sandbox, _happened) = self::sandbox("take; sleep 1000", 600, false, None);
    sandbox.allow(Allowance::honest(Duration::from_millis(200)));
    let (_, message) = error_of(invoke(&mut sandbox).await);
    assert_eq!(message, "Task timed out after 0.2 seconds");
}

#[tokio::test]
async fn a_process_that_dies_in_an_invocation_is_an_exit_error_with_its_last_words() {
    let (mut sandbox, _happened) = sandbox("take; echo 'out of luck' >&2; exit 7", 60, false, None);
    let (kind, message) = error_of(invoke(&mut sandbox).await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(
        message.contains("exit status: 7") && message.contains("out of luck"),
        "{message}"
    );
}

#[tokio::test]
async fn a_process_that_dies_when_idle_is_replaced_without_an_error() {
    let (mut sandbox, mut happened) = sandbox("take; answer", 60, false, None);
    assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
    let Some(Event::Started { pid, .. }) = happened.recv().await else {
        panic!("no start")
    };
    wait_for(pid, &[None, Some('Z')]).await;
    assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
}

#[tokio::test]
async fn a_process_that_never_asks_ends_the_run() {
    let (mut sandbox, _happened) = sandbox("echo 'no such option'; exit 3", 60, false, None);
    let error = invoke(&mut sandbox).await.unwrap_err().to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no such option"),
        "{error}"
    );
}

#[tokio::test]
async fn an_init_error_ends_the_run_with_its_words() {
    let script = r#"
body='{"errorType":"Config","errorMessage":"K2M_TOPIC is missing"}'
printf 'POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body" >&3
read -r line <&3
exit 1"#;
    let (mut sandbox, _happened) = sandbox(script, 60, false, None);
    let error = invoke(&mut sandbox).await.unwrap_err();
    assert_eq!(error.to_string(), "the handler can't start: K2M_TOPIC is missing");
}

#[tokio::test]
async fn a_program_that_is_none_ends_the_run() {
    let (mut sandbox, _happened) = sandbox("", 60, false, None);
    Arc::get_mut(&mut sandbox.program).unwrap().path = PathBuf::from("/nonexistent");
    assert!(matches!(invoke(&mut sandbox).await, Err(SandboxError::Start { .. })));
}

#[tokio::test]
async fn a_frozen_process_is_stopped_between_invocations_only() {
    let (mut sandbox, mut happened) = sandbox("while true; do take; answer; done", 60, true, None);
    assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
    let Some(Event::Started { pid, .. }) = happened.recv().await else {
        panic!("no start")
    };
    wait_for(pid, &[Some('T')]).await;
    assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD, "woken for the next");
    wait_for(pid, &[Some('T')]).await;
    sandbox.close().await;
    assert_eq!(state(pid), None, "a stopped process can be ended");
}

#[tokio::test]
async fn logs_are_kept_and_reasons_and_dead_letters_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let script = r#"
echo '{"level":"WARN","message":"invocation","reason":"broker down","librdkafka":"Local: Timed out"}'
echo '{"_aws":{}}'
echo '{"level":"INFO","message":"invocation","records":9,"acknowledged":9,"deadLettered":0}'
echo '{"level":"WARN","message":"invocation","records":9,"acknowledged":6,"deadLettered":3,"reason":"3 records are too large"}'
echo plain >&2
take; answer; take"#;
    let (mut sandbox, mut happened) = sandbox(script, 60, false, Some(&path));
    assert_eq!(invoke(&mut sandbox).await.unwrap(), GOOD);
    sandbox.close().await;
    let mut told = Vec::new();
    while let Ok(event) = happened.try_recv() {
        match event {
            Event::Reason(reason) => told.push(reason),
            Event::DeadLettered { records } => told.push(format!("{records} dead-lettered")),
            _ => {}
        }
    }
    let expected = [
        "broker down (librdkafka: Local: Timed out)",
        "3 dead-lettered",
        "3 records are too large",
    ];
    assert_eq!(told, expected);
    let log = std::fs::read_to_string(path).unwrap();
    assert!(log.contains("plain\n") && log.contains("{\"_aws\":{}}\n"), "{log}");
}

#[tokio::test]
async fn the_environment_is_that_of_the_function_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (mut sandbox, _happened) = sandbox("env; take; answer; take", 60, false, Some(&path));
    invoke(&mut sandbox).await.unwrap();
    sandbox.close().await;
    let log = std::fs::read_to_string(path).unwrap();
    let ours: Vec<&str> = log.lines().filter(|line| line.starts_with("K2M_")).collect();
    let mut ours = ours;
    ours.sort_unstable();
    assert_eq!(ours, ["K2M_TIMEOUT_MS=60000", "K2M_TOPIC=t"]);
    for name in [
        "RUNTIME_API",
        "FUNCTION_NAME",
        "FUNCTION_VERSION",
        "FUNCTION_MEMORY_SIZE",
        "LOG_GROUP_NAME",
        "LOG_STREAM_NAME",
    ] {
        assert!(log.contains(&format!("AWS_LAMBDA_{name}=")), "{name} is missing");
    }
}

#[tokio::test]
async fn a_line_without_end_is_cut() {
    let mut line = Vec::new();
    let text = [vec![b'x'; LINE_LIMIT + 10], b"\nnext".to_vec()].concat();
    let mut reader = BufReader::new(text.as_slice());
    assert!(read_line(&mut reader, &mut line).await.unwrap());
    assert_eq!(line.len(), LINE_LIMIT);
    line.clear();
    assert!(read_line(&mut reader, &mut line).await.unwrap());
    assert_eq!(line, b"next");
    line.clear();
    assert!(!read_line(&mut reader, &mut line).await.unwrap());
}
