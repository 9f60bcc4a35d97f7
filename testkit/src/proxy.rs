//! A TCP proxy in front of brokers that can lose an acknowledgement after the broker has stored the record, or turn it into the answer of a broker that has
//! ceased to lead meanwhile.
//!
//! It understands just enough of Kafka's protocol to know which response answers a Produce request: a request begins
//! with its length, API key, API version and correlation id, a response with its length and that correlation id. No
//! address is rewritten: the brokers advertise the proxy's ports on the listener behind it.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Error, Result};

const PRODUCE: i16 = 0;
/// From this version on a Produce response has compact arrays and tagged fields; librdkafka speaks a later one.
const COMPACT_PRODUCE: i16 = 9;
/// `NOT_LEADER_OR_FOLLOWER`.
const NOT_LEADER: i16 = 6;
/// No frame of a test is larger; a larger length means that something other than Kafka's protocol is spoken.
const LARGEST_FRAME: usize = 256 * 1024 * 1024;

/// What the proxy has seen and done so far, over all brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyCounters {
    /// Connections passed on to a broker.
    pub connections: u64,
    /// Connections closed at once because new ones were refused.
    pub refused: u64,
    /// Produce requests passed on to a broker.
    pub produce_requests: u64,
    /// Produce responses passed on to the client.
    pub responses_passed: u64,
    /// Produce responses taken from a broker and lost, the connection cut instead.
    pub responses_lost: u64,
    /// Acknowledgements that were passed on as the answer of a broker that doesn't lead the partition.
    pub leaderships_denied: u64,
    /// Connections that fell silent.
    pub silenced: u64,
}

/// The controls of a proxy. Clones control the same proxy; dropping the last clone cuts everything.
#[derive(Debug, Clone)]
pub struct Proxy {
    handle: Arc<Handle>,
}

/// Held by controls only, never by the proxy's threads, so that its drop means that no one is interested any more.
#[derive(Debug)]
struct Handle {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    counters: ProxyCounters,
    lose_next: u64,
    /// Every so many Produce responses one is lost; 0 means none.
    lose_every: u64,
    /// Produce responses that came since `lose_every` was set.
    since_set: u64,
    refuse: bool,
    /// Set while leaderships are denied: the record batches for which that was done.
    denied: Option<HashSet<Batch>>,
    stopped: bool,
    listening: Vec<SocketAddr>,
    connections: HashMap<u64, Connection>,
}

/// A record batch in a topic.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Batch {
    topic: Vec<u8>,
    partition: [u8; 4],
    base_offset: [u8; 8],
}

/// The two sides of a connection.
#[derive(Debug)]
struct Connection {
    streams: [TcpStream; 2],
    /// Set once it passes nothing on any more.
    silent: Arc<AtomicBool>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

impl Proxy {
    /// A proxy that passes everything on, in front of nothing yet.
    pub fn new() -> Self {
        Self {
            handle: Arc::new(Handle { shared: Arc::default() }),
        }
    }

    /// Passes what connects to `listener` on to `broker`, in threads of its own.
    pub fn serve(&self, listener: TcpListener, broker: SocketAddr) -> Result<()> {
        let address = listener.local_addr().map_err(Error::io("read the proxy's address"))?;
        let shared = Arc::clone(&self.handle.shared);
        self.state().listening.push(address);
        spawn(move || accept_all(&listener, broker, &shared)).map_err(Error::io("start the proxy"))
    }

    /// Loses the next `n` Produce responses, on top of those still to be lost.
    pub fn lose_next(&self, n: u64) {
        self.state().lose_next += n;
    }

    /// From now on loses every `k`-th Produce response (the `k`-th from now is the first); 0 turns it off.
    pub fn lose_every(&self, k: u64) {
        let mut state = self.state();
        state.lose_every = k;
        state.since_set = 0;
    }

    /// From now on the first acknowledgement of each record batch is passed on as the answer of a broker that doesn't lead the partition. So a broker answers that
    /// has stored the batch, and has handed the partition over before all replicas had it. Sent again, the batch is acknowledged.
    pub fn deny_leaderships(&self) {
        self.state().denied = Some(HashSet::new());
    }

    /// Cuts all connections now; clients may connect again. Answers how many it cut.
    pub fn cut_all(&self) -> usize {
        self.state().cut_all()
    }

    /// From now on existing connections take what the client sends and pass nothing on, as when a router has forgotten them: the
    /// client hears neither an answer nor an end. New connections work. Answers how many fell silent.
    pub fn silence_existing(&self) -> usize {
        let mut state = self.state();
        let silenced = state
            .connections
            .values()
            .filter(|connection| !connection.silent.swap(true, Ordering::Relaxed))
            .count();
        state.counters.silenced += silenced as u64;
        silenced
    }

    /// Takes all wishes back: nothing more is lost, denied or refused. What fell silent stays so.
    pub fn behave(&self) {
        let mut state = self.state();
        state.lose_next = 0;
        state.lose_every = 0;
        state.refuse = false;
        state.denied = None;
    }

    /// While on, new connections are closed as soon as they are accepted; existing ones stay.
    pub fn refuse(&self, on: bool) {
        self.state().refuse = on;
    }

    /// What was seen and done so far.
    pub fn counters(&self) -> ProxyCounters {
        self.state().counters
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.handle.shared)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let listening = {
            let mut state = lock(&self.shared);
            state.stopped = true;
            state.cut_all();
            std::mem::take(&mut state.listening)
        };
        for address in listening {
            // Wakes the thread that accepts, so that it sees the end.
            drop(TcpStream::connect(address));
        }
    }
}

impl State {
    fn cut_all(&mut self) -> usize {
        let cut = self.connections.len();
        for connection in self.connections.values() {
            shut(&connection.streams);
        }
        self.connections.clear();
        cut
    }

    /// Counts a Produce response and decides whether it is lost.
    fn loses_response(&mut self) -> bool {
        self.since_set += 1;
        let lost = if self.lose_next > 0 {
            self.lose_next -= 1;
            true
        } else {
            self.lose_every > 0 && self.since_set.is_multiple_of(self.lose_every)
        };
        if lost {
            self.counters.responses_lost += 1;
        }
        lost
    }

    /// Makes an acknowledgement one of no leader, where that is wished and wasn't done for its batch.
    fn deny_leadership(&mut self, response: &mut [u8]) {
        let Some(denied) = &mut self.denied else { return };
        if let Some((batch, code)) = acknowledged(response)
            && denied.insert(batch)
        {
            response[code..code + 2].copy_from_slice(&NOT_LEADER.to_be_bytes());
            self.counters.leaderships_denied += 1;
        }
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    // The state is plain numbers and sockets: a panic elsewhere leaves it usable.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shut(streams: &[TcpStream; 2]) {
    for stream in streams {
        // Fails only when it is closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("proxy".to_owned()).spawn(work).map(drop)
}

fn accept_all(listener: &TcpListener, broker: SocketAddr, shared: &Arc<Mutex<State>>) {
    loop {
        let Ok((client, _)) = listener.accept() else { return };
        {
            let mut state = lock(shared);
            if state.stopped {
                return;
            }
            if state.refuse {
                state.counters.refused += 1;
                continue;
            }
        }
        // A broker that is down shows as a connection that closes at once.
        let Ok(upstream) = TcpStream::connect(broker) else {
            continue;
        };
        // Errors here mean that the client has gone.
        let _ = connect(client, upstream, shared);
    }
}

/// Starts the two directions of one connection.
fn connect(client: TcpStream, broker: TcpStream, shared: &Arc<Mutex<State>>) -> io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (mut to_client, mut to_broker) = (client.try_clone()?, broker.try_clone()?);
    let both = [client.try_clone()?, broker.try_clone()?];
    let silent = Arc::new(AtomicBool::new(false));
    let id = {
        let mut state = lock(shared);
        if state.stopped {
            return Ok(());
        }
        state.counters.connections += 1;
        let id = state.counters.connections;
        let connection = Connection {
            streams: both,
            silent: Arc::clone(&silent),
        };
        state.connections.insert(id, connection);
        id
    };
    let pending = Arc::new(Mutex::new(HashMap::new()));
    let requests = Direction {
        id,
        shared: Arc::clone(shared),
        pending: Arc::clone(&pending),
        silent: Arc::clone(&silent),
        ends: true,
    };
    let responses = Direction {
        id,
        shared: Arc::clone(shared),
        pending,
        silent,
        ends: false,
    };
    spawn(move || drop(requests.pass_requests(client, &mut to_broker)))?;
    spawn(move || drop(responses.pass_responses(broker, &mut to_client)))
}

/// One direction of a connection; when it ends, the whole connection does.
struct Direction {
    id: u64,
    shared: Arc<Mutex<State>>,
    /// Correlation ids of the Produce requests that wait for their response, with their versions.
    pending: Arc<Mutex<HashMap<[u8; 4], i16>>>,
    /// Whether the connection passes nothing on any more.
    silent: Arc<AtomicBool>,
    /// Whether its end is also told on a silent connection: the client's is, the broker's can't reach the client.
    ends: bool,
}

impl Direction {
    fn pass_requests(&self, client: TcpStream, broker: &mut TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(client);
        while let Some(frame) = read_frame(&mut client)? {
            if self.is_silent() {
                continue;
            }
            if let [_, _, _, _, key0, key1, v0, v1, c0, c1, c2, c3, ..] = frame[..]
                && i16::from_be_bytes([key0, key1]) == PRODUCE
            {
                self.pending().insert([c0, c1, c2, c3], i16::from_be_bytes([v0, v1]));
                lock(&self.shared).counters.produce_requests += 1;
            }
            broker.write_all(&frame)?;
        }
        Ok(())
    }

    fn pass_responses(&self, broker: TcpStream, client: &mut TcpStream) -> io::Result<()> {
        let mut broker = BufReader::new(broker);
        while let Some(mut frame) = read_frame(&mut broker)? {
            if self.is_silent() {
                continue;
            }
            let produce = match frame[..] {
                [_, _, _, _, c0, c1, c2, c3, ..] => self.pending().remove(&[c0, c1, c2, c3]),
                _ => None,
            };
            if let Some(version) = produce {
                let mut state = lock(&self.shared);
                if state.loses_response() {
                    return Ok(());
                }
                if version >= COMPACT_PRODUCE {
                    state.deny_leadership(&mut frame);
                }
            }
            client.write_all(&frame)?;
            if produce.is_some() {
                lock(&self.shared).counters.responses_passed += 1;
            }
        }
        Ok(())
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<[u8; 4], i16>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        if self.is_silent() && !self.ends {
            return;
        }
        if let Some(connection) = lock(&self.shared).connections.remove(&self.id) {
            shut(&connection.streams);
        }
    }
}

/// The record batch that a Produce response acknowledges, and where its error code is; none where it is an error, or speaks of more than one partition.
fn acknowledged(response: &[u8]) -> Option<(Batch, usize)> {
    // Behind length and correlation id.
    let mut rest = response.get(8..)?;
    let no_tags = varint(&mut rest)? == 0;
    let one_topic = varint(&mut rest)? == 2;
    let (topic, behind) = compact_string(rest)?;
    rest = behind;
    let one_partition = varint(&mut rest)? == 2;
    let code = response.len() - rest.len() + 4;
    let (partition, rest) = rest.split_first_chunk()?;
    let (error, rest) = rest.split_first_chunk()?;
    let (base_offset, _) = rest.split_first_chunk()?;
    let batch = Batch {
        topic: topic.to_vec(),
        partition: *partition,
        base_offset: *base_offset,
    };
    (no_tags && one_topic && one_partition && i16::from_be_bytes(*error) == 0).then_some((batch, code))
}

/// A compact string, and what is behind it.
fn compact_string(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = varint(&mut bytes)?.checked_sub(1)?;
    bytes.split_at_checked(length)
}

/// Takes an unsigned varint.
fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..28).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// One frame with its four bytes of length, or none at the end of the stream.
fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if let Err(error) = from.read_exact(&mut length) {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if size > LARGEST_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "this is not Kafka's protocol",
        ));
    }
    let mut frame = vec![0; 4 + size];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: i16 = 3;

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short");
        [&length.to_be_bytes(), body].concat()
    }

    fn request(key: i16, correlation: u32) -> Vec<u8> {
        frame(&[&key.to_be_bytes()[..], &[0, 9], &correlation.to_be_bytes(), b"rest"].concat())
    }

    /// A broker that answers each request with its correlation id, on one connection after the other.
    fn echo_broker() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    while let Ok(Some(got)) = read_frame(&mut stream) {
                        if stream.write_all(&frame(&got[8..12])).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn proxied(proxy: &Proxy) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        proxy.serve(listener, echo_broker()).expect("the proxy starts");
        address
    }

    /// Sends a request; true when its response came, false when the connection was cut.
    fn ask(stream: &mut TcpStream, key: i16, correlation: u32) -> bool {
        if stream.write_all(&request(key, correlation)).is_err() {
            return false;
        }
        match read_frame(stream) {
            Ok(Some(answer)) => {
                assert_eq!(answer, frame(&correlation.to_be_bytes()));
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    #[test]
    fn only_chosen_produce_responses_are_lost() {
        let proxy = Proxy::new();
        let address = proxied(&proxy);
        proxy.lose_next(1);
        let mut stream = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut stream, METADATA, 1), "another request is not touched");
        assert!(!ask(&mut stream, PRODUCE, 2), "the first Produce response is lost");
        let mut stream = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut stream, PRODUCE, 3), "the second is not");
        let counters = proxy.counters();
        assert_eq!(
            (counters.connections, counters.produce_requests, counters.responses_lost),
            (2, 2, 1)
        );

        proxy.lose_every(3);
        let answered: Vec<bool> = (0..9)
            .map(|correlation| {
                let mut stream = TcpStream::connect(address).expect("connects");
                ask(&mut stream, PRODUCE, correlation)
            })
            .collect();
        assert_eq!(answered, [true, true, false, true, true, false, true, true, false]);
        proxy.lose_every(0);
        let mut stream = TcpStream::connect(address).expect("connects");
        assert!((0..9).all(|correlation| ask(&mut stream, PRODUCE, correlation)));
        assert_eq!(proxy.counters().responses_lost, 4);
    }

    /// A Produce response of version 10 about one batch.
    fn response(error: i16, base_offset: i64) -> Vec<u8> {
        let (none, offset) = (&[0_u8][..], base_offset.to_be_bytes());
        let time = (-1_i64).to_be_bytes();
        let partition: [&[u8]; 8] = [
            &7_i32.to_be_bytes(),
            &error.to_be_bytes(),
            &offset,
            &time,
            &time,
            &[1],
            none,
            none,
        ];
        frame(
            &[
                &9_u32.to_be_bytes()[..],
                none,
                &[2, 4],
                b"abc",
                &[2],
                &partition.concat(),
                none,
                &[0; 4],
                none,
            ]
            .concat(),
        )
    }

    #[test]
    fn the_first_acknowledgement_of_a_batch_becomes_the_answer_of_no_leader() {
        let mut state = State::default();
        let denied = |state: &mut State, error, base_offset| {
            let mut passed = response(error, base_offset);
            state.deny_leadership(&mut passed);
            let is_denied = passed == response(NOT_LEADER, base_offset);
            assert!(
                is_denied || passed == response(error, base_offset),
                "nothing else changes"
            );
            is_denied
        };
        assert!(!denied(&mut state, 0, 1), "nobody wishes it");
        state.denied = Some(HashSet::new());
        assert!(denied(&mut state, 0, 1));
        assert!(!denied(&mut state, 0, 1), "it is the answer to the second try");
        assert!(denied(&mut state, 0, 2));
        assert!(!denied(&mut state, 10, 3), "an error stays what it is");
        assert_eq!(state.counters.leaderships_denied, 2);
        assert_eq!(acknowledged(&frame(b"too short")), None);
    }

    #[test]
    fn connections_are_cut_and_refused() {
        let proxy = Proxy::new();
        let address = proxied(&proxy);
        let mut stream = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut stream, PRODUCE, 1));
        assert_eq!(proxy.cut_all(), 1);
        assert!(!ask(&mut stream, PRODUCE, 2));
        proxy.refuse(true);
        let mut stream = TcpStream::connect(address).expect("is accepted, then closed");
        assert!(!ask(&mut stream, PRODUCE, 3));
        assert_eq!(proxy.counters().refused, 1);
        proxy.refuse(false);
        let mut stream = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut stream, PRODUCE, 4));
        drop(proxy);
        assert!(!ask(&mut stream, PRODUCE, 5), "the end of the proxy cuts what is left");
    }

    #[test]
    fn a_silent_connection_neither_answers_nor_ends() {
        let proxy = Proxy::new();
        let address = proxied(&proxy);
        let mut old = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut old, PRODUCE, 1));
        assert_eq!((proxy.silence_existing(), proxy.silence_existing()), (1, 0));
        old.write_all(&request(PRODUCE, 2)).expect("the connection takes it");
        let mut new = TcpStream::connect(address).expect("connects");
        assert!(ask(&mut new, PRODUCE, 3), "a new connection works");
        old.set_nonblocking(true).expect("a socket");
        let heard = old.read(&mut [0]).expect_err("nothing is heard of the old one");
        assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
        assert_eq!((proxy.counters().produce_requests, proxy.counters().silenced), (2, 1));
        proxy.cut_all();
        old.set_nonblocking(false).expect("a socket");
        assert_eq!(old.read(&mut [0]).unwrap_or(0), 0, "cut, it ends");
    }

    #[test]
    fn what_is_not_kafka_is_not_read_into_memory() {
        let error = read_frame(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).expect_err("that length is absurd");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
