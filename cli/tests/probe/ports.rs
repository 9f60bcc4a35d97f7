//! Ports that are no broker's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use k2m_testkit::KafkaCluster;

use crate::driver::Ask;
use crate::table::Table;

/// Reads something from each connection, and answers with the same bytes.
fn stranger(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn ports_that_are_no_broker_s() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address")
    };
    let web = stranger(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let shell = stranger(b"SSH-2.0-OpenSSH_9.6\r\n");
    let closing = stranger(b"");
    // The system accepts for it; nobody reads.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = hung.local_addr().expect("its address");
    let mut table = Table::new("ports");
    for address in [refused, web, shell, closing, silent] {
        table.show(address.to_string(), "b-1:9094");
        table.show(address.port().to_string(), "9094");
    }
    for way in ["plaintext", "tls"] {
        for (case, address) in [
            ("nothing listens", refused),
            ("a web server", web),
            ("something else that speaks", shell),
            ("something that hangs up", closing),
            ("something that accepts and is silent", silent),
        ] {
            table.row(&format!("`{way}`, {case}"), &Ask::new(way, address.to_string()).ask());
        }
    }
    table.check();
}

#[test]
fn a_broker_that_hangs_is_told_from_one_that_can_t_be_reached() {
    let kafka = KafkaCluster::builder().tls(true).start().expect("a broker");
    kafka.create_topic("orders", 1, 1, &[]).expect("a topic");
    kafka.pause(1).expect("it hangs");
    let mut table = Table::new("hanging");
    table.show(kafka.bootstrap_servers(), "b-1:9092");
    table.show(kafka.tls_bootstrap_servers().expect("a listener"), "b-1:9094");
    for way in ["plaintext", "tls"] {
        table.row(&format!("`{way}`, the broker hangs"), &Ask::well(way, &kafka).ask());
    }
    kafka.resume(1).expect("it goes on");
    table.check();
}

#[test]
fn an_invocation_with_little_time_is_answered_within_it() {
    let hung = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = hung.local_addr().expect("its address").to_string();
    for way in ["plaintext", "tls"] {
        let seen = Ask::new(way, &silent).with(&["--timeout", "2"]).ask();
        // The handler's margin is a tenth of the time.
        assert!(seen.report.milliseconds.value() < 2_000.0, "{:#?}", seen.report);
        let reason = &seen.failure().reason;
        assert!(reason.contains("accepts connections and does not answer"), "{reason}");
    }
}
