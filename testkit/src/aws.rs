//! An emulator of AWS in a process of its own: MiniStack with what k2m needs besides, filled and looked at by Python's AWS SDK.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::ports::PortBlock;
use crate::process::Watched;
use crate::{Error, Result, ground, wait_until};

const SCRIPT: &str = include_str!("../python/aws_emulator.py");
const PUT_RECORDS: &str = include_str!("../python/put_records.py");
const TAKE_MESSAGES: &str = include_str!("../python/take_messages.py");
/// Longest that it may take until the emulator answers: importing its services alone is seconds on a busy machine.
const START: Duration = Duration::from_secs(90);

/// An empty account of AWS on 127.0.0.1. It ends, and its data goes, when this value is dropped or this process ends.
#[derive(Debug)]
pub struct AwsEmulator {
    // Dropped first, so that nothing is written into the folder while it goes.
    process: Watched,
    port: u16,
    folder: TempDir,
    _ports: PortBlock,
}

impl AwsEmulator {
    /// The account that [`AwsEmulator::environment`]'s credentials are of.
    pub const ACCOUNT: &str = "123456789012";
    /// The region that [`AwsEmulator::environment`] names.
    pub const REGION: &str = "eu-west-1";

    /// Starts one, and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with variables of MiniStack's or of the script `aws_emulator.py`, such as `MINISTACK_MSK_BOOTSTRAP`.
    pub fn start_with(variables: &[(&str, &str)]) -> Result<Self> {
        let python = ground::python()?;
        let script = ground::script("aws_emulator.py", SCRIPT)?;
        let ports = PortBlock::take(&ground::folder().join("ports"))?;
        let port = ports.ports().start;
        let folder = tempfile::Builder::new()
            .prefix("k2m-aws-")
            .tempdir()
            .map_err(Error::io("create a folder for the emulator"))?;
        let path = |name: &str| -> Result<PathBuf> {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).map_err(Error::io(format!("create {}", path.display())))?;
            Ok(path)
        };
        let mut command: Vec<OsString> = vec!["env".into()];
        let mut set = |name: &str, value: &OsStr| {
            let mut pair = OsString::from(name);
            pair.push("=");
            pair.push(value);
            command.push(pair);
        };
        for (name, value) in [
            ("BIND_HOST", "127.0.0.1"),
            ("GATEWAY_PORT", &port.to_string()),
            ("AWS_ENDPOINT_URL", &endpoint(port)),
            ("LAMBDA_EXECUTOR", "local"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]
        .iter()
        .chain(variables)
        {
            set(name, OsStr::new(value));
        }
        for (name, folder) in [("TMPDIR", "tmp"), ("STATE_DIR", "state"), ("S3_DATA_DIR", "s3")] {
            set(name, path(folder)?.as_os_str());
        }
        command.extend([python.into_os_string(), script.into_os_string()]);

        let log = folder.path().join("log");
        let log = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
        let command: Vec<&OsStr> = command.iter().map(OsString::as_os_str).collect();
        let mut emulator = Self {
            process: Watched::spawn(&command, &log, folder.path())?,
            port,
            folder,
            _ports: ports,
        };
        emulator.wait()?;
        Ok(emulator)
    }

    fn wait(&mut self) -> Result<()> {
        let port = self.port;
        let mut ended = None;
        let answers = wait_until("the AWS emulator answers", START, || {
            ended = self.process.ended()?;
            Ok(ended.is_some() || healthy(port))
        });
        let what = match (ended, answers) {
            (None, Ok(())) => return Ok(()),
            (Some(status), _) => format!("it ended by itself ({status})"),
            (None, Err(error)) => error.to_string(),
        };
        Err(Error::Refused {
            doing: "start the AWS emulator".to_owned(),
            reason: format!("{what}; its log ends with:\n{}", self.log()),
        })
    }

    /// Where it listens, as `AWS_ENDPOINT_URL` wants it.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// What a process needs in its environment to speak to it, and to nothing else: endpoint, credentials, region, no profile.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let nothing = || self.folder.path().join("no-such-file").into_os_string();
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint().into()),
            // MiniStack takes twelve digits for the account's number.
            ("AWS_ACCESS_KEY_ID", Self::ACCOUNT.into()),
            ("AWS_SECRET_ACCESS_KEY", "nothing-to-hide".into()),
            ("AWS_REGION", Self::REGION.into()),
            ("AWS_DEFAULT_REGION", Self::REGION.into()),
            ("AWS_CONFIG_FILE", nothing()),
            ("AWS_SHARED_CREDENTIALS_FILE", nothing()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }

    /// Runs a Python script that speaks to it through boto3, with these arguments. The script's standard output is one JSON document.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(ground::python()?);
        command.args(["-c", script]).args(arguments).envs(self.environment());
        let printed = ground::run(&mut command)?;
        serde_json::from_slice(&printed).map_err(|source| Error::Report {
            source,
            text: String::from_utf8_lossy(&printed).into_owned(),
        })
    }

    /// Puts records into a Kinesis stream with AWS's own SDK for Python, one for each number: the data is `{"n":NUMBER}`, and each of 100 keys,
    /// `key-0` to `key-99`, gets every hundredth number in order.
    pub fn put_records(&self, stream: &str, numbers: Range<u64>) -> Result<()> {
        let (first, end) = (numbers.start.to_string(), numbers.end.to_string());
        self.python(PUT_RECORDS, &[stream, &first, &end]).map(drop)
    }

    /// Takes all messages out of an SQS queue, given by its URL, and answers their bodies.
    pub fn take_messages(&self, queue: &str) -> Result<Vec<String>> {
        let bodies = self.python(TAKE_MESSAGES, &[queue])?;
        let text = bodies.to_string();
        serde_json::from_value(bodies).map_err(|source| Error::Report { source, text })
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        ground::tail(&text, 40)
    }
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Whether MiniStack's own health page answers.
fn healthy(port: u16) -> bool {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
