//! A network of the test's own, in which packets are dropped and names are not known: two namespaces that go with the test.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use k2m_testkit::ServerFiles;
use tempfile::TempDir;

use crate::driver::{Ask, Seen};
use crate::table::Table;

/// The broker's side of the wire.
const BROKER: &str = "10.213.7.2";

/// Makes the function's namespace, in which it runs, and the broker's, and a wire between them. Stays until its input ends; all goes with it.
const SETUP: &str = r#"
set -eu
folder=$1
resolver=$(readlink -f /etc/resolv.conf || echo /etc/resolv.conf)
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p "$(dirname "$resolver")"
[ -e "$resolver" ] || : > "$resolver"
mount --bind "$folder/resolv.conf" "$resolver"
ip link set lo up
ip netns add broker
ip link add function type veth peer name broker netns broker
ip addr add 10.213.7.1/30 dev function
ip link set function up
ip -n broker addr add 10.213.7.2/30 dev broker
ip -n broker link set broker up
ip -n broker link set lo up
ip netns exec broker nft -f "$folder/wall.nft"
(python3 "$folder/servers.py" https "$folder/server.pem"; echo "https ended") &
(ip netns exec broker python3 "$folder/servers.py" dns; echo "dns ended") &
exec cat > /dev/null
"#;

/// One rule a line: what a security group that lacks a rule does.
const WALL: &str = "
table inet wall {
    chain in {
        type filter hook input priority 0
        tcp dport 9094 drop
    }
}
";

/// A name server that knows no name but its own, and a web server behind TLS that is a broker to nobody. Each says when it is there.
const SERVERS: &str = r#"
import socket, ssl, sys, threading

def dns():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("10.213.7.2", 53))
    print("dns", flush=True)
    while True:
        question, sender = server.recvfrom(4096)
        # An answer, authoritative: no such name.
        server.sendto(question[:2] + b"\x84\x03" + question[4:6] + bytes(6) + question[12:], sender)

def answer(context, connection):
    try:
        stream = context.wrap_socket(connection, server_side=True)
        stream.recv(1024)
        stream.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        stream.close()
    except OSError:
        pass

def https(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = socket.create_server(("127.0.0.1", 9443))
    print("https", flush=True)
    while True:
        threading.Thread(target=answer, args=(context, server.accept()[0]), daemon=True).start()

{"dns": dns, "https": https}[sys.argv[1]](*sys.argv[2:])
"#;

/// The namespaces, for as long as this lives.
struct World {
    process: Child,
    /// What the servers say, for as long as one of them lives.
    lines: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        for (program, package) in [
            ("ip", "iproute2"),
            ("nft", "nftables"),
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
        ] {
            let there = Command::new(program).arg("--version").output();
            assert!(
                there.is_ok(),
                "`{program}` was not found: install {package}, or run scripts/test, which does"
            );
        }
        let folder = TempDir::new().expect("a folder");
        ServerFiles::create(folder.path()).expect("a certificate");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "resolv.conf",
            &format!("nameserver {BROKER}\noptions timeout:1 attempts:1\n"),
        );
        write("wall.nft", WALL);
        write("servers.py", SERVERS);
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // The shell is the first process of a namespace of processes, and takes all others with it when it ends.
        command
            .args(["--mount", "--net", "--pid", "--fork", "sh", "-c", SETUP, "sh"])
            .arg(folder.path());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a namespace");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut said: Vec<String> = lines.by_ref().take(2).map_while(Result::ok).collect();
        said.sort();
        assert_eq!(
            said,
            ["dns", "https"],
            "the namespaces could not be made: what was printed says why"
        );
        Self { process, lines, folder }
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Asks from within the function's namespace.
    fn ask(&self, ask: Ask) -> Seen {
        let target = self.process.id().to_string();
        let mut front = vec!["nsenter", "--target", &target, "--mount", "--net"];
        if !is_root() {
            front.extend(["--user", "--preserve-credentials"]);
        }
        ask.front(&front).ask()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The end of its input is its end; both namespaces go with the last process in them.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        // All of them are gone once nobody holds the other end.
        for _ in self.lines.by_ref() {}
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").exists() && rustix::process::geteuid().is_root()
}

#[test]
fn four_reasons_not_to_be_answered_are_four_sentences() {
    let world = World::new();
    let (dropped, refused) = (format!("{BROKER}:9094"), format!("{BROKER}:9095"));
    let mut table = Table::new("network");
    table.show(&dropped, "b-1:9094");
    table.show(&refused, "b-1:9095");
    let ca = world.ca();
    let mut reasons = Vec::new();
    for (case, server) in [
        ("a packet that nobody answers: dropped on the way", dropped.as_str()),
        ("a port on which nothing listens", &refused),
        ("a name that DNS does not know", "b-1.example.com:9094"),
        ("a TLS listener that speaks something else", "127.0.0.1:9443"),
    ] {
        let seen = world.ask(Ask::new("tls", server).with_ca(&ca));
        reasons.push(seen.failure().reason.clone());
        table.row(case, &seen);
    }
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), 4, "{reasons:#?}");
    table.check();
}
