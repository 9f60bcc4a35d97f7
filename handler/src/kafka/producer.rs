//! The producer: one a sandbox, kept between invocations, made anew after anything went wrong.
//!
//! Order rests on five things. A partition is sent one record before it is sent more ([`Live::first_contacts`]). Nothing is handed over behind a record that was refused. librdkafka stops by itself when a broker refuses one
//! (gapless guarantee), and its queue is purged inside the delivery report that says so. What is sent again goes in the batch's order
//! ([`crate::rounds`]). And it goes through a new producer, once the old one is gone with its connections.

mod dead_letter;
mod memory;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use self::memory::Memory;
use crate::batch::{Delivery, Outcome};
use crate::canary::Line;
use crate::config::{Authentication, Config, OnPoison, SizeJudge};
use crate::event::Record;
use crate::failure::{Class, Failure, is_for_size};
use crate::invocation::Deliver;
use crate::kafka::credentials::{Credentials, Vault};
use crate::kafka::limit::{DEFAULT_MAX_MESSAGE_BYTES, LimitError, topic_limit};
use crate::kafka::live::{Broken, Live, Told};
use crate::kafka::login::{Login, Process, Surroundings};
use crate::kafka::round::{Round, Segment, meet_all};
use crate::kafka::settings::Filling;
use crate::kafka::tls::objection;
use crate::kafka::tracker::is_consequence;
use crate::ledger::Ledger;
use crate::parcel::Scratch;
use crate::rounds::{Next, Refusal, Rounds};
use crate::secret::SecretError;
use crate::segment::Segments;
use crate::unfold::Unfolding;
use crate::{Flaw, note};

/// How long the topic may take to tell its size limit.
const LIMIT_TIME_OUT: Duration = Duration::from_secs(3);

/// How long each step of a closer look at a broker's certificate may take.
const LOOK_TIME_OUT: Duration = Duration::from_secs(1);

/// Records that are handed over between two looks at the clock.
const CLOCK_EVERY: usize = 64;

/// Delivers batches to the topics of one pipeline.
pub struct KafkaProducer {
    config: Arc<Config>,
    flaw: Option<Flaw>,
    surroundings: Arc<dyn Surroundings>,
    /// What secrets hold.
    vault: Arc<Vault>,
    live: Option<Live>,
    /// A producer that is being made ahead of the first batch.
    starting: Option<JoinHandle<Result<Live, Failure>>>,
    /// The producer that failed last, while it is being taken down.
    closing: Option<JoinHandle<()>>,
    /// How records become messages.
    unfolding: Arc<Unfolding>,
    /// By topic: bytes of the largest record batch that it is thought to take.
    limits: Vec<usize>,
    memory: Memory,
    /// A request was refused for its size: this topic is asked for its limit before the next producer is made.
    ask_limit: Option<usize>,
    /// When the producer was last needed, by both clocks: which of them stands still in a frozen sandbox depends on how it is frozen.
    used: Option<(Instant, SystemTime)>,
}

impl KafkaProducer {
    /// A producer for `config`; nothing is connected yet.
    pub fn new(config: Config, flaw: Option<Flaw>) -> Self {
        let unfolding =
            Unfolding::new(&config.payload, &config.topic).all_or_nothing(config.on_poison == OnPoison::Block);
        let mut limits = vec![DEFAULT_MAX_MESSAGE_BYTES; unfolding.topics().len()];
        if let (Some(own), Some(bytes)) = (limits.first_mut(), config.max_message_bytes) {
            *own = bytes;
        }
        let config = Arc::new(config);
        Self {
            unfolding: Arc::new(unfolding),
            limits,
            vault: Arc::new(Vault::new(Arc::clone(&config))),
            config,
            flaw,
            surroundings: Arc::new(Process),
            live: None,
            starting: None,
            closing: None,
            memory: Memory::default(),
            ask_limit: None,
            used: None,
        }
    }

    /// Takes credentials and time from `surroundings` instead of from this process.
    #[must_use]
    pub fn with_surroundings(mut self, surroundings: Arc<dyn Surroundings>) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Begins to connect, beside whatever the sandbox does next: asking for the first event takes as long. What fails is told by the
    /// first batch, which tries again.
    pub fn warm_up(&mut self) {
        if self.used.is_some() {
            return;
        }
        self.used = Some(self.now());
        match self.start(self.filling()) {
            Ok(starting) => self.starting = Some(starting),
            Err(failure) => note::warn("could not prepare the producer ahead of the first batch", &failure),
        }
    }

    /// What logs the next producer in, where a login is asked for. Tried at once: librdkafka would tell a failure only once, on
    /// another thread, and wait for the next token until the deadline.
    fn login(&self) -> Result<Option<Login>, Failure> {
        let Authentication::Iam(region) = &self.config.authentication else {
            return Ok(None);
        };
        let login = Login::new(region.clone(), Arc::clone(&self.surroundings));
        match login.token() {
            Ok(_) => Ok(Some(login)),
            Err(error) => Err(Failure::no_token(&error.to_string())),
        }
    }

    /// Starts making a producer, beside this task: what secrets hold is read, where it isn't known yet, and the rest is done on a thread of its
    /// own.
    fn start(&self, filling: Filling) -> Result<JoinHandle<Result<Live, Failure>>, Failure> {
        let login = self.login()?;
        let (config, flaw) = (Arc::clone(&self.config), self.flaw);
        let (vault, surroundings) = (Arc::clone(&self.vault), Arc::clone(&self.surroundings));
        Ok(tokio::spawn(async move {
            let credentials = vault
                .credentials(&*surroundings)
                .await
                .map_err(|error| no_secret(&error))?;
            let made = tokio::task::spawn_blocking(move || {
                let live = Live::start(&config, &credentials, filling, flaw, login)?;
                Ok(live.look_around(&config.topic))
            });
            made.await
                .map_err(|panicked| Failure::internal(&panicked.to_string()))?
        }))
    }

    /// How requests are filled, so that no topic refuses one for what is in it together.
    fn filling(&self) -> Filling {
        let least = self.limits.iter().min();
        Filling::UpTo(least.copied().unwrap_or(DEFAULT_MAX_MESSAGE_BYTES))
    }

    fn now(&self) -> (Instant, SystemTime) {
        (Instant::now(), self.surroundings.now())
    }

    /// Lets go of a producer whose connections are presumably dead: nothing of it is in flight, so nobody has to wait for its end.
    fn wake(&mut self) {
        let idle = self.used.is_some_and(|(instant, time)| {
            let limit = self.config.idle_limit;
            let by_wall_clock = self.surroundings.now().duration_since(time);
            // A wall clock that was set back says nothing.
            instant.elapsed() >= limit || by_wall_clock.is_ok_and(|idle| idle >= limit)
        });
        if !idle {
            return;
        }
        drop(self.live.take().map(Live::close));
        // One that was made ahead may have been frozen before anybody came.
        if let Some(starting) = self.starting.take() {
            tokio::spawn(async {
                if let Ok(Ok(live)) = starting.await {
                    drop(live.close());
                }
            });
        }
    }

    /// Takes down a producer that failed. Where the brokers may still have something of it before them, the next one waits for its end.
    fn give_up(&mut self, live: Live, uncertain: bool) {
        let closing = live.close();
        if uncertain {
            self.closing = Some(closing);
        }
    }

    /// The producer that was made ahead, once it is made.
    async fn started(&mut self, deadline: Instant) -> Result<Option<Live>, Failure> {
        let Some(starting) = &mut self.starting else {
            return Ok(None);
        };
        // Where the time runs out the next invocation finds it here.
        let made = timeout_at(deadline, starting).await;
        let made = made.map_err(|_| Failure::deadline(None, false))?;
        self.starting = None;
        made.map_err(|panicked| Failure::internal(&panicked.to_string()))?
            .map(Some)
    }

    /// A producer that fills its requests like this: the one there is, or a new one, after the one before it is gone.
    async fn ready(&mut self, alone: bool, deadline: Instant) -> Result<Live, Failure> {
        let kept = match self.live.take() {
            Some(live) => Some(live),
            None => match self.started(deadline).await {
                Ok(made) => made,
                Err(failure) if Instant::now() < deadline => {
                    note::warn(
                        "the producer that was made ahead can't be used: another one is made",
                        &failure,
                    );
                    None
                }
                Err(failure) => return Err(failure),
            },
        };
        if let Some(live) = kept {
            if (live.filling() == Filling::OneByOne) == alone && !live.has_overslept() && !live.is_dead() {
                return Ok(live);
            }
            self.give_up(live, false);
        }
        if let Some(closing) = &mut self.closing {
            if timeout_at(deadline, closing).await.is_err() {
                return Err(Failure::deadline(None, false));
            }
            self.closing = None;
        }
        if let Some(topic) = self.ask_limit.take() {
            let time_out = LIMIT_TIME_OUT.min(deadline.saturating_duration_since(Instant::now()) / 2);
            let name = self.unfolding.topics()[topic].clone();
            // A producer was there before, so they are known.
            let credentials = self.vault.credentials(&*self.surroundings).await;
            let credentials = credentials.map_err(|error| no_secret(&error))?;
            match limit_in_time(Arc::clone(&self.config), credentials, name, time_out).await {
                Ok(limit) => self.limits[topic] = limit,
                Err(error) => {
                    // Half of what was too much: batches stay useful, and a few invocations find the limit.
                    let limit = &mut self.limits[topic];
                    *limit = (*limit / 2).max(1);
                    tracing::warn!(error = %error, assumed = *limit, "the topic's max.message.bytes can't be asked for");
                }
            }
        }
        let filling = if alone { Filling::OneByOne } else { self.filling() };
        self.starting = Some(self.start(filling)?);
        match self.started(deadline).await? {
            Some(live) => Ok(live),
            None => Err(Failure::deadline(None, false)),
        }
    }

    /// Hands the messages of one round over and waits for the brokers' word. Messages are made one at a time, in one buffer: a batch is never
    /// in memory twice.
    async fn round(&self, live: &Live, round: &Round<'_>, deadline: Instant) -> Told {
        let mut scratch = Scratch::default();
        let (mut sent, mut unsendable, mut dead) = (0, None, false);
        live.begin(round.places.len());
        for (index, place) in round.places.iter().enumerate() {
            if live.has_refusal() || (index % CLOCK_EVERY == 0 && Instant::now() >= deadline) {
                break;
            }
            let handed = match round.message(*place, &mut scratch) {
                Ok(message) => {
                    let (topic, partition) = round.target(*place, &message, live);
                    live.send(topic, partition, index, &message)
                }
                Err(error) => {
                    unsendable = Some(Failure::unreadable(error.to_string()));
                    break;
                }
            };
            if let Err(code) = handed {
                // A producer that is dead says so for each message: why is told for the client as a whole.
                dead = is_consequence(code);
                unsendable = (!dead).then(|| round.refused(*place, code));
                break;
            }
            sent += 1;
        }
        let topic = round.own_topic();
        let mut told = live.settle(sent, deadline, topic).await;
        if dead && told.broken.is_none() {
            let failure = live.client_failure(topic);
            let failure = failure.unwrap_or_else(|| Failure::from_kafka(Code::Fatal, None, topic));
            told.broken = Some(Broken::Client(failure));
        }
        told.unsendable = unsendable;
        told
    }

    /// Whether a message alone is larger than its topic is thought to take.
    fn is_large(&self, segment: &Segment<'_>, place: usize) -> bool {
        segment.bytes(place) > self.limits[segment.parcels[place].topic]
    }

    /// What the topic's limit must be, now that a message was accepted alone.
    fn learn(&mut self, segment: &Segment<'_>, place: usize) {
        let limit = &mut self.limits[segment.parcels[place].topic];
        *limit = segment.bytes(place).max(*limit);
    }

    /// Sends a batch, segment after segment, until each record is settled, or something stops it.
    async fn send(&mut self, records: &[Record<'_>], ledger: &mut Ledger, deadline: Instant) -> Result<(), Failure> {
        let unfolding = Arc::clone(&self.unfolding);
        let mut segments = Segments::new(records, &unfolding);
        let mut chances = Chances::default();
        while let Some(parcels) = segments.next(ledger, |record| self.memory.recall(record, Instant::now())) {
            if Instant::now() >= deadline {
                return Err(Failure::deadline(None, ledger.messages > 0));
            }
            let segment = Segment {
                records,
                parcels,
                unfolding: &unfolding,
            };
            self.send_segment(&segment, ledger, &mut chances, deadline).await?;
        }
        Ok(())
    }

    /// Sends a segment in rounds.
    async fn send_segment(
        &mut self,
        segment: &Segment<'_>,
        ledger: &mut Ledger,
        chances: &mut Chances,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let config = Arc::clone(&self.config);
        let topic = config.topic.as_str();
        let mut rounds = Rounds::new(segment.parcels.len());
        rounds.refuse(segment.flawed(), true);
        let mut flawed_together = false;
        loop {
            if Instant::now() >= deadline {
                return Err(Failure::deadline(None, ledger.messages > 0));
            }
            let (places, alone) = match rounds.next(|place| self.is_large(segment, place)) {
                Next::Done => return Ok(()),
                Next::Send { places, alone } => (places, alone),
                Next::Poison(poison) => {
                    // Not before: what stands in front of the first has to arrive, also where the dead-letter topic takes nothing.
                    if segment.parcels[poison.place].flaw.is_some() && !std::mem::replace(&mut flawed_together, true) {
                        self.divert_flawed(segment, &mut rounds, ledger, deadline).await?;
                        continue;
                    }
                    if let Err(failure) = self.divert(segment, &poison, deadline).await {
                        if config.on_poison == OnPoison::Block {
                            self.memory.keep(segment, &poison, Instant::now());
                        }
                        return Err(failure);
                    }
                    rounds.settle(poison.place);
                    ledger.dead_letter(segment.parcels[poison.place].record);
                    continue;
                }
            };
            if let [place] = places[..]
                && self.config.size_judge == SizeJudge::Function
                && self.is_large(segment, place)
            {
                let failure = Round::of(segment, &places).refused(place, Code::MessageSizeTooLarge);
                rounds.refuse(vec![Refusal { place, failure }], true);
                continue;
            }
            let kept = self.live.is_some() || self.starting.is_some();
            let mut live = self.ready(alone, deadline).await?;
            if let Err(failure) = meet_all(&mut live, segment, &places, deadline).await {
                self.give_up(live, false);
                self.another(failure, kept, chances, deadline).await?;
                continue;
            }
            let first_contacts = live.first_contacts(&places, |place| segment.follows_from(place));
            let first = !first_contacts.is_empty();
            // One record a partition is one record a request, too.
            let (places, alone) = if first { (first_contacts, true) } else { (places, alone) };
            let round = Round::of(segment, &places);
            let told = self.round(&live, &round, deadline).await;
            let Verdict {
                stopped,
                decided,
                progressed,
            } = self.take(&mut rounds, ledger, &round, alone, &told);
            chances.new_producer |= progressed;
            if alone && !first {
                rounds.acquit();
            }
            if told.is_clean() {
                for (index, partition) in told.acknowledged() {
                    live.acquaint(segment.parcels[places[index]].topic, partition);
                }
                self.live = Some(live);
                if stopped.is_none() {
                    continue;
                }
            } else {
                let complaint = live.client_failure(topic);
                self.give_up(live, told.uncertain() > 0);
                if matches!(told.broken, Some(Broken::Deadline)) {
                    return Err(Failure::deadline(stopped.or(complaint).as_ref(), ledger.messages > 0));
                }
                if stopped.is_none() && decided {
                    // What was refused for what it is decides the next round.
                    ledger.resent += told.uncertain();
                    continue;
                }
                let client = told.client_failure().or(complaint);
                let failure = stopped.or(client.clone());
                // Where only consequences were reported, the client as a whole gave up.
                let failure = failure.unwrap_or_else(|| Failure::from_kafka(Code::Fatal, None, topic));
                // A producer may have died while the sandbox was frozen, or what it was logged in with did: a new one is made, once.
                let may_pass = failure.class == Class::Retryable || (kept && client.as_ref() == Some(&failure));
                self.another(failure, may_pass, chances, deadline).await?;
                ledger.resent += told.uncertain();
                continue;
            }
            if let Some(failure) = stopped {
                return Err(failure);
            }
        }
    }

    /// Decides whether a new producer is tried after this failure: where it `may_pass`, and where the brokers refused what a secret holds and it
    /// is another one by now; each once.
    ///
    /// # Errors
    /// None is tried: the failure, with what is known of its cause.
    async fn another(
        &mut self,
        failure: Failure,
        may_pass: bool,
        chances: &mut Chances,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if Instant::now() >= deadline {
            // With the cause, which another try would have no time to find.
            return Err(failure);
        }
        if !failure.refuses_identity() || !self.vault.has_secrets() {
            return if may_pass && std::mem::take(&mut chances.new_producer) {
                Ok(())
            } else {
                Err(failure)
            };
        }
        if !std::mem::take(&mut chances.new_secret) {
            return Err(failure);
        }
        match timeout_at(deadline, self.vault.renew(&*self.surroundings)).await {
            Ok(Ok(true)) => {
                tracing::info!(
                    reason = failure.reason,
                    "the brokers refused what the secret held: it was read again"
                );
                Ok(())
            }
            Ok(Ok(false)) => Err(failure),
            Ok(Err(error)) => Err(no_secret(&error)),
            Err(_) => Err(Failure::deadline(Some(&failure), false)),
        }
    }

    /// Says more of a certificate that was refused, by the brokers or by us: librdkafka tells only that it was.
    async fn look_closer(&self, failure: Failure, deadline: Instant) -> Failure {
        if !failure.is_about_certificates() || !self.config.authentication.is_encrypted() {
            return failure;
        }
        let Ok(Ok(credentials)) = timeout_at(deadline, self.vault.credentials(&*self.surroundings)).await else {
            return failure;
        };
        let ended = credentials
            .secret
            .as_ref()
            .and_then(|it| it.ended(self.surroundings.now()));
        let config = Arc::clone(&self.config);
        let step = LOOK_TIME_OUT.min(deadline.saturating_duration_since(Instant::now()) / 4);
        let look = tokio::task::spawn_blocking(move || {
            let mut servers = config.bootstrap_servers.split(',');
            servers.find_map(|server| {
                // What can't be set up has been told by librdkafka already.
                let objection = objection(&config, &credentials, server, step).ok()??;
                Some((server.to_owned(), objection))
            })
        });
        let objection = match timeout_at(deadline, look).await {
            Ok(Ok(objection)) => objection,
            Ok(Err(_)) | Err(_) => None,
        };
        failure.about_certificates(
            objection.as_ref().map(|(server, why)| (server.as_str(), *why)),
            ended.as_deref(),
        )
    }

    /// Takes one round's reports.
    fn take(
        &mut self,
        rounds: &mut Rounds,
        ledger: &mut Ledger,
        round: &Round<'_>,
        alone: bool,
        told: &Told,
    ) -> Verdict {
        let mut refusals = Vec::new();
        let (mut for_size, mut progressed) = (0, false);
        for (place, report) in round.places.iter().zip(&told.reports) {
            match report {
                Some(Ok(stored)) => {
                    progressed = true;
                    if let Some(id) = round.segment.canary(*place) {
                        let offset = stored.certain_offset(told.put_back > 0, told.sent);
                        let at = (round.segment.topic(*place), stored.partition, offset);
                        note::canary(&Line::stored(
                            round.segment.record(*place),
                            id,
                            at,
                            self.surroundings.now(),
                        ));
                    }
                    let parcel = &round.segment.parcels[*place];
                    rounds.settle(*place);
                    ledger.acknowledge(parcel.record, parcel.value_bytes);
                    if round.places.len() == 1 {
                        self.learn(round.segment, *place);
                    }
                }
                Some(Err(code)) if !is_consequence(*code) => {
                    for_size += usize::from(is_for_size(*code));
                    if for_size > 1 && !alone {
                        self.ask_limit = Some(round.segment.parcels[*place].topic);
                    }
                    refusals.push(Refusal {
                        place: *place,
                        failure: round.refused(*place, *code),
                    });
                }
                Some(Err(_)) | None => {}
            }
        }
        let mut decided = !refusals.is_empty();
        let mut stopped = rounds.refuse(refusals, alone);
        if let Some(failure) = told.unsendable.clone() {
            if failure.class == Class::Poison {
                let place = round.places[told.sent];
                rounds.refuse(vec![Refusal { place, failure }], true);
                decided = true;
            } else {
                stopped.get_or_insert(failure);
            }
        }
        Verdict {
            stopped,
            decided,
            progressed,
        }
    }
}

/// What may still be tried in an invocation, after a failure.
struct Chances {
    /// A new producer. Given anew by each record that is acknowledged.
    new_producer: bool,
    /// Secrets that are read again.
    new_secret: bool,
}

impl Default for Chances {
    fn default() -> Self {
        Self {
            new_producer: true,
            new_secret: true,
        }
    }
}

/// What one round means for the batch.
struct Verdict {
    /// The first refusal that is about no single record.
    stopped: Option<Failure>,
    /// Whether a record was refused for what it is, so that the next round is another one.
    decided: bool,
    /// Whether anything was acknowledged.
    progressed: bool,
}

fn no_secret(error: &SecretError) -> Failure {
    Failure::no_secret(&error.to_string(), error.may_pass())
}

impl Deliver for KafkaProducer {
    async fn deliver(&mut self, records: &[Record<'_>], deadline: Instant) -> Delivery {
        self.wake();
        self.vault.begin();
        let mut ledger = Ledger::new(records.len());
        let failure = match self.send(records, &mut ledger, deadline).await {
            Ok(()) => None,
            Err(failure) => Some(self.look_closer(failure, deadline).await),
        };
        self.used = Some(self.now());
        let mut outcomes = ledger.outcomes();
        // A promise broken on purpose: what failed before a round began is taken for success, too.
        let pretends = failure.as_ref().is_some_and(|failure| match self.flaw {
            Some(Flaw::SuccessOnDeadline) => Instant::now() >= deadline,
            Some(Flaw::ConnectionErrorIsSuccess) => !failure.librdkafka.is_empty(),
            _ => false,
        });
        if pretends {
            outcomes.fill(Outcome::Acknowledged);
        }
        Delivery {
            failure: failure.filter(|_| outcomes.contains(&Outcome::Failed)),
            outcomes,
            messages: ledger.messages,
            controls: ledger.controls,
            bytes: ledger.bytes,
            resent: ledger.resent,
        }
    }
}

/// [`topic_limit`], off the only thread that serves: taking the admin client down waits for librdkafka's threads, which may take
/// seconds where names don't resolve.
async fn limit_in_time(
    config: Arc<Config>,
    credentials: Arc<Credentials>,
    topic: String,
    time_out: Duration,
) -> Result<usize, LimitError> {
    let runtime = tokio::runtime::Handle::current();
    let asked =
        tokio::task::spawn_blocking(move || runtime.block_on(topic_limit(&config, &credentials, &topic, time_out)));
    match timeout(time_out, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(LimitError::TimeOut),
    }
}
