//! The way of a stack from what it is to what it should be: looks, decides by `state`, acts through the ports, and looks again. Whatever stops it, the
//! next run goes on from what is there.

mod change_set;
mod follow;
mod look;

use std::collections::BTreeMap;
use std::pin::Pin;

use self::follow::Ended;
use super::DeployError;
use super::artifacts::{self, Place};
use super::backoff::Waits;
use super::board::Board;
use super::bundle::{Bundle, sha256};
use super::changes::going;
use super::names::Names;
use super::options::Options;
use super::outcome::{ABSENT, DESTROYED, Deployed, Destroyed, Happened};
use super::port::{Artifacts, Doing, Fault, FaultKind, NewChangeSet, Stack, StackEvent, Stacks, Template, User, World};
use super::reasons::{held, root_cause};
use super::resume::{self, Resume};
use super::state::{Goal, Refusal, Status, Step, next};
use crate::facts::deployed::STACK_TAG;

/// What the names of k2m's change sets begin with.
const CHANGE_SET: &str = "k2m-";
/// CloudFormation's limit for a template in a request, in bytes.
const MOST_IN_REQUEST: usize = 51_200;
/// Tries of a call that may succeed a little later, before something is given up.
const TRIES: u32 = 15;

/// What the names of templates in the bucket end with.
const TEMPLATE: &str = ".template";

/// The parameters of the template that say which code the function has.
pub const ARTIFACT_BUCKET: &str = "ArtifactBucket";
/// The artifact's key in that bucket.
pub const ARTIFACT_KEY: &str = "ArtifactKey";
/// The function's processor.
pub const ARCHITECTURE: &str = "Architecture";

/// What a public function of the machine will have to say.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, DeployError>> + Send + 'a>>;

/// The ports, and where the stack is.
pub struct Machine<'a> {
    /// CloudFormation.
    pub stacks: &'a dyn Stacks,
    /// S3.
    pub artifacts: &'a dyn Artifacts,
    /// Time and randomness.
    pub world: &'a dyn World,
    /// Who waits.
    pub user: &'a dyn User,
    /// Where the stack is.
    pub place: &'a Place,
    /// What it is made with beside its template.
    pub options: &'a Options,
    /// Where people see what happens, to this stack and to those that go with it.
    pub board: &'a Board,
}

impl std::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("place", self.place)
            .finish_non_exhaustive()
    }
}

/// What to deploy.
#[derive(Debug)]
pub struct Job<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The template.
    pub template: &'a str,
    /// The function's code; a network stack has none.
    pub bundle: Option<&'a Bundle>,
    /// Parameters beside those that name the code.
    pub parameters: BTreeMap<String, String>,
    /// Whether the user has agreed already, to several stacks at once.
    pub agreed: bool,
    /// What is confirmed with the change: each a line, such as `creates the topic orders with 3 partitions`.
    pub conditions: Vec<String>,
    /// Whether a stack of this name that never worked was deleted just now.
    pub replaces: bool,
    /// Whether CloudFormation is followed to its end.
    pub waits: bool,
    /// Logical ids of mappings whose positions must not be lost, with the ARNs of their streams.
    pub kept: BTreeMap<String, String>,
}

/// A stack at rest.
#[derive(Debug)]
pub struct Settled {
    /// The stack, if there is one.
    pub stack: Option<Stack>,
    /// What comes next: never [`Step::Wait`], [`Step::ContinueRollback`], [`Step::RollBack`] or [`Step::Refuse`].
    pub step: Step,
    /// The bucket that it was deployed from, also where the stack is gone meanwhile.
    bucket: Option<String>,
    /// Whether it was there at first.
    seen: bool,
    /// What CloudFormation kept of it: logical ids, and what people call them.
    kept: BTreeMap<String, String>,
}

/// What CloudFormation is given.
struct Prepared {
    /// The code's key in the bucket, and its architecture.
    code: Option<(String, &'static str)>,
    /// The template.
    template: Template,
    /// The artifact bucket, where anything is in it.
    bucket: Option<String>,
}

impl Machine<'_> {
    /// What the stack is called where there may be others.
    pub fn title(&self, name: &str) -> String {
        format!("{name} in {}", self.place.region)
    }

    /// Waits until CloudFormation is not at work on the stack, ends a rollback that stopped half way, and says what comes next.
    pub fn settle<'a>(&'a self, name: &'a str, goal: Goal) -> Running<'a, Settled> {
        Box::pin(async move {
            let (mut bucket, mut seen, mut kept) = (None, false, BTreeMap::new());
            loop {
                let (stack, step) = self.unless_stopped(name, self.decide(name, goal)).await?;
                if let Some(stack) = &stack {
                    seen = true;
                    bucket = stack.parameters.get(ARTIFACT_BUCKET).cloned().or(bucket);
                }
                let working = match (&stack, step) {
                    (Some(working), Step::Wait) => working,
                    (Some(halted), Step::ContinueRollback | Step::RollBack) => {
                        self.end_rollback(name, halted, step).await?;
                        continue;
                    }
                    _ => {
                        return Ok(Settled {
                            stack,
                            step,
                            bucket,
                            seen,
                            kept,
                        });
                    }
                };
                self.user.tell(&format!(
                    "the stack {name} is {}: waiting for CloudFormation to end what is under way",
                    working.status
                ));
                let mark = self
                    .unless_stopped(name, async { Ok(self.mark(&working.id, true).await) })
                    .await?;
                let ended = self
                    .follow(name, &working.id, mark, None, &Names::of_stack(working))
                    .await?;
                kept = kept_of(&ended.events, &Names::of_stack(working));
                if let Some(cause) = root_cause(&ended.events) {
                    self.user.tell(&format!(
                        "what was under way failed ({}): {}: {}",
                        ended.status,
                        Names::of_stack(working).of(&cause.logical_id, &cause.resource_type),
                        cause.reason.as_deref().unwrap_or("CloudFormation gives no reason")
                    ));
                }
            }
        })
    }

    /// Deletes a stack that never worked, before it is looked at and planned anew: what its template had CloudFormation keep is nobody's then.
    pub fn make_room<'a>(&'a self, name: &'a str, stack: &'a Stack) -> Running<'a, ()> {
        Box::pin(async move {
            let why = match stack.status {
                Status::DeleteFailed => "its deletion failed half way",
                _ => "it was never created to its end",
            };
            self.user.tell(&format!(
                "the stack {name} is {}: {why}, and CloudFormation can't update it",
                stack.status
            ));
            self.unless_stopped(name, async {
                self.tell_held(stack).await;
                Ok(())
            })
            .await?;
            let question = format!("Delete what is left of {name}, to create it again?");
            self.deletable(name, stack)?;
            self.unless_stopped(name, self.agreed(&question)).await?;
            self.delete(name, stack).await.map(drop)
        })
    }

    /// Brings a stack whose update failed half way back to what it was before.
    async fn end_rollback(&self, name: &str, stack: &Stack, step: Step) -> Result<(), DeployError> {
        let goes_on = step == Step::ContinueRollback;
        let (why, question) = if goes_on {
            (
                "an update failed, and so did its rollback",
                "Go on with the rollback of",
            )
        } else {
            ("an update failed and was told not to be rolled back", "Roll back")
        };
        self.user.tell(&format!(
            "the stack {name} is {}: {why}, and CloudFormation can't update it",
            stack.status
        ));
        self.unless_stopped(name, async {
            self.tell_held(stack).await;
            self.agreed(&format!("{question} {name}, to deploy it then?")).await
        })
        .await?;
        let mark = self
            .unless_stopped(name, async { Ok(self.mark(&stack.id, false).await) })
            .await?;
        let token = self.token();
        self.begin(name, "roll the stack back", || {
            if goes_on {
                self.stacks.continue_rollback(&stack.id, &token)
            } else {
                self.stacks.roll_back(&stack.id, &token)
            }
        })
        .await?;
        let ended = self
            .follow(name, &stack.id, mark, None, &Names::of_stack(stack))
            .await?;
        if ended.status == Status::UpdateRollbackComplete {
            Ok(())
        } else {
            Err(self.failed(name, "roll back", &ended, &Names::of_stack(stack)))
        }
    }

    /// Says which resources keep the stack in its state.
    async fn tell_held(&self, stack: &Stack) {
        match self.patiently(|| self.stacks.resources(&stack.id)).await {
            Ok(resources) => {
                for line in held(&resources, &Names::of_stack(stack)) {
                    self.user.tell(&line);
                }
            }
            Err(fault) => self.user.tell(&format!("what holds it can't be listed: {fault}")),
        }
    }

    /// Makes the stack what the template says.
    pub fn deploy<'a>(&'a self, job: &'a Job<'a>) -> Running<'a, Deployed> {
        Box::pin(async move {
            let name = job.stack;
            let (stack, step) = self.unless_stopped(name, self.decide(name, Goal::Deploy)).await?;
            // Facts and plan are of the time before.
            let passed = |step| {
                matches!(
                    step,
                    Step::Wait | Step::Replace | Step::ContinueRollback | Step::RollBack
                )
            };
            if let Some(stack) = stack.as_ref().filter(|_| passed(step)) {
                return Err(DeployError::Busy {
                    stack: name.to_owned(),
                    status: stack.status.clone(),
                });
            }
            let parameter = |key: &str| {
                stack
                    .as_ref()
                    .and_then(|stack| stack.parameters.get(key))
                    .map(String::as_str)
            };
            let prepared = self.prepare(job, parameter(ARTIFACT_BUCKET));
            let Prepared { code, template, bucket } = self.unless_stopped(name, prepared).await?;
            let left = if step == Step::Resume {
                self.unless_stopped(name, self.left_overs(name)).await?
            } else {
                Vec::new()
            };
            let names = Names::of_template(job.template).with(stack.as_ref().map(Names::of_stack));
            let create = step != Step::Update;
            let change_set =
                self.new_change_set(job, (step, stack.as_ref()), code.as_ref(), bucket.as_deref(), template);
            let mut deployed = Deployed {
                stack: name.to_owned(),
                region: self.place.region.clone(),
                status: match step {
                    Step::Update => Happened::Updated,
                    _ if job.replaces => Happened::Replaced,
                    _ => Happened::Created,
                },
                changes: Vec::new(),
                outputs: BTreeMap::new(),
                warnings: Vec::new(),
                plan_warnings: Vec::new(),
                drift: Vec::new(),
                topics: Vec::new(),
                network_stacks: Vec::new(),
                resume: Vec::new(),
                verified: Vec::new(),
                next_step: String::new(),
            };
            let agreed = match self.agree(job, &change_set, &left, &names, stack.as_ref()).await {
                Ok(agreed) => agreed,
                Err(error) => return Err(self.withdraw(&change_set, error).await),
            };
            let Some((made, changes)) = agreed else {
                // That is all: no change set stays.
                if let Err(left) = self.take_away(&change_set).await {
                    deployed.warnings.push(left.to_string());
                }
                deployed.status = Happened::Unchanged;
                if let Some(stack) = stack {
                    self.protect(job, &stack, &mut deployed).await;
                    deployed.outputs = stack.outputs;
                }
                return Ok(deployed);
            };
            deployed.changes = changes;
            let Some(ended) = self.execute(&change_set, &made, &names, job.waits).await? else {
                deployed.status = Happened::Begun;
                return Ok(deployed);
            };
            let done = if create {
                Status::CreateComplete
            } else {
                Status::UpdateComplete
            };
            if ended.status != done {
                return Err(self.failed(name, if create { "create" } else { "update" }, &ended, &names));
            }
            if let Some(stack) = ended.stack {
                self.protect(job, &stack, &mut deployed).await;
                deployed.outputs = stack.outputs;
            }
            // The code that was live before stays, so that a rollback finds it; templates are of no use any more.
            let previous = parameter(ARTIFACT_KEY);
            let key = code.as_ref().map(|(key, _)| key.as_str());
            let same = previous == key;
            let keep =
                |object: &str| !object.ends_with(TEMPLATE) && (same || Some(object) == key || Some(object) == previous);
            // It is deployed; what can't be tidied up now can be tidied up by the next run.
            if let Some(bucket) = &bucket
                && let Err(error) = artifacts::prune(self.artifacts, self.place, bucket, name, keep).await
            {
                deployed.warnings.push(error.to_string());
            }
            Ok(deployed)
        })
    }

    /// Deletes the stack, which is at rest, then what was uploaded for it. Where its pipelines can be gone on with is told before that is asked for.
    pub fn destroy<'a>(&'a self, name: &'a str, settled: Settled, resume: Vec<Resume>) -> Running<'a, Destroyed> {
        Box::pin(async move {
            let mut kept = settled.kept;
            if let Some(stack) = settled.stack.as_ref().filter(|_| settled.step == Step::Delete) {
                self.deletable(name, stack)?;
                let listed = async {
                    let listed = self.patiently(|| self.stacks.resources(&stack.id)).await;
                    let listed = listed.map_err(|fault| call("list the stack's resources", fault))?;
                    // One in review has change sets and nothing else.
                    let waiting = match stack.status {
                        Status::ReviewInProgress => self.waiting(&stack.id).await?,
                        _ => Vec::new(),
                    };
                    Ok((listed, waiting))
                };
                let (resources, waiting) = self.unless_stopped(name, listed).await?;
                let names = Names::of_stack(stack);
                for line in held(&resources, &names) {
                    self.user.tell(&line);
                }
                self.user.tell(&format!(
                    "the stack {name} in {} is to be deleted, with:",
                    self.place.region
                ));
                if stack.status == Status::ReviewInProgress {
                    self.user.tell("  - nothing, for it was never created");
                }
                for change_set in waiting {
                    self.user
                        .tell(&format!("  - the change set {change_set}, which nobody has executed"));
                }
                let (stays, goes): (Vec<_>, Vec<_>) =
                    resources.iter().partition(|resource| resource.resource_type == TOPIC);
                let told = going(&goes, &stays, &names, self.columns()).into_iter();
                for line in told.chain(resume::lines(&resume, self.columns())) {
                    self.user.tell_line(&line);
                }
                self.unless_stopped(name, self.agreed(&format!("Delete the stack {name}?")))
                    .await?;
                let ended = self.delete(name, stack).await?;
                kept = kept_of(&ended.events, &names);
            }
            let cleared = self.unless_stopped(
                name,
                artifacts::clear(
                    self.artifacts,
                    self.place,
                    name,
                    settled.bucket.as_deref(),
                    self.options.bucket(&self.place.region),
                ),
            );
            let cleared = cleared.await?;
            Ok(Destroyed {
                stack: name.to_owned(),
                region: self.place.region.clone(),
                status: if settled.seen { DESTROYED } else { ABSENT },
                kept: kept.keys().cloned().collect(),
                kept_by_name: kept.into_values().collect(),
                artifacts_removed: cleared.artifacts,
                bucket_removed: cleared.bucket,
                network_stacks: Vec::new(),
                resume,
            })
        })
    }

    /// Deletes a stack that was agreed to be deleted with another; that there is none is fine.
    pub fn remove<'a>(&'a self, name: &'a str) -> Running<'a, ()> {
        Box::pin(async move {
            let (stack, step) = self.unless_stopped(name, self.decide(name, Goal::Destroy)).await?;
            match (stack, step) {
                // Whoever began that may need it.
                (Some(stack), Step::Wait) => Err(DeployError::Busy {
                    stack: name.to_owned(),
                    status: stack.status,
                }),
                (Some(stack), Step::Delete) => {
                    self.user
                        .tell(&format!("deleting the stack {name} in {}", self.place.region));
                    self.delete(name, &stack).await.map(drop)
                }
                _ => Ok(()),
            }
        })
    }

    /// Looks once, and says what comes next.
    async fn decide(&self, name: &str, goal: Goal) -> Result<(Option<Stack>, Step), DeployError> {
        let stack = self.patiently(|| self.stacks.stack(name)).await;
        let stack = stack.map_err(|fault| call("look at the stack", fault))?;
        let ours = match &stack {
            Some(stack) => self.is_ours(stack).await?,
            None => false,
        };
        let step = next(goal, stack.as_ref().map(|stack| (&stack.status, ours)));
        match (&stack, step) {
            (Some(stack), Step::Refuse(refusal)) => Err(self.refused(name, stack, refusal)),
            // A deleted stack has nothing to say.
            (_, Step::Create | Step::Nothing) => Ok((None, step)),
            _ => Ok((stack, step)),
        }
    }

    /// Whether k2m made the stack. One that was never executed may not show its tags yet: the names of its change sets tell.
    async fn is_ours(&self, stack: &Stack) -> Result<bool, DeployError> {
        if stack.made_by_k2m || !stack.tags.is_empty() || stack.status != Status::ReviewInProgress {
            return Ok(stack.made_by_k2m);
        }
        let change_sets = self.waiting(&stack.id).await?;
        Ok(change_sets.iter().all(|name| name.starts_with(CHANGE_SET)))
    }

    fn refused(&self, name: &str, stack: &Stack, refusal: Refusal) -> DeployError {
        DeployError::Refused {
            stack: name.to_owned(),
            region: self.place.region.clone(),
            status: stack.status.clone(),
            refusal,
        }
    }

    /// The change set that makes the stack what it is to be.
    fn new_change_set(
        &self,
        job: &Job<'_>,
        (step, stack): (Step, Option<&Stack>),
        code: Option<&(String, &'static str)>,
        bucket: Option<&str>,
        template: Template,
    ) -> NewChangeSet {
        let mut parameters = job.parameters.clone();
        if let Some((key, architecture)) = code {
            parameters.extend([
                (ARTIFACT_BUCKET.to_owned(), bucket.unwrap_or_default().to_owned()),
                (ARTIFACT_KEY.to_owned(), key.clone()),
                (ARCHITECTURE.to_owned(), (*architecture).to_owned()),
            ]);
        }
        NewChangeSet {
            stack: job.stack.to_owned(),
            name: format!("{CHANGE_SET}{:016x}", self.world.random()),
            token: self.token(),
            create: step != Step::Update,
            in_review: step == Step::Resume,
            template,
            parameters,
            tags: self.tags(job, stack),
            role: self.options.role.clone(),
        }
    }

    /// What CloudFormation is given. There is a bucket where anything has to be uploaded.
    async fn prepare(&self, job: &Job<'_>, deployed: Option<&str>) -> Result<Prepared, DeployError> {
        let large = job.template.len() > MOST_IN_REQUEST;
        if job.bundle.is_none() && !large {
            return Ok(Prepared {
                template: Template::Body(job.template.to_owned()),
                code: None,
                bucket: None,
            });
        }
        let (bucket, new) = if let Some(bucket) = self.options.bucket(&self.place.region) {
            artifacts::given(self.artifacts, self.place, bucket).await?;
            (bucket.to_owned(), false)
        } else {
            artifacts::ready(self.artifacts, self.world, self.place, deployed, &self.options.tags).await?
        };
        if new {
            self.user.tell(&format!("made the artifact bucket {bucket}"));
        }
        let mut code = None;
        if let Some(bundle) = job.bundle {
            let key = code_key(job.stack, bundle);
            if artifacts::upload(self.artifacts, &bucket, &key, &bundle.zip).await? {
                let kib = bundle.zip.len().div_ceil(1024);
                self.user.tell(&format!(
                    "uploaded the handler ({kib} KiB, {})",
                    bundle.architecture.name()
                ));
            }
            code = Some((key, bundle.architecture.name()));
        }
        let template = if large {
            let key = template_key(job);
            artifacts::upload(self.artifacts, &bucket, &key, job.template.as_bytes()).await?;
            Template::Url(self.artifacts.url(&bucket, &key))
        } else {
            Template::Body(job.template.to_owned())
        };
        Ok(Prepared {
            code,
            template,
            bucket: Some(bucket),
        })
    }

    /// The stack's tags. What several stacks share keeps those that it has: they are of others too.
    fn tags(&self, job: &Job<'_>, stack: Option<&Stack>) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        if let Some(stack) = stack.filter(|_| job.bundle.is_none()) {
            let own = stack.tags.iter().filter(|(key, _)| !key.starts_with("aws:"));
            tags.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        }
        tags.extend(self.options.tags.clone());
        tags.insert(STACK_TAG.to_owned(), job.stack.to_owned());
        tags
    }

    /// Keeps the stack from being deleted, or no more, as was chosen. It is deployed all the same where that fails.
    async fn protect(&self, job: &Job<'_>, stack: &Stack, deployed: &mut Deployed) {
        let wanted = self.options.protection.filter(|_| job.bundle.is_some());
        let Some(wanted) = wanted.filter(|wanted| *wanted != stack.protected) else {
            return;
        };
        match self.stacks.protect(&stack.id, wanted).await {
            Ok(()) if wanted => self
                .user
                .tell(&format!("the stack {} is protected from deletion now", job.stack)),
            Ok(()) => self
                .user
                .tell(&format!("the stack {} is no longer protected from deletion", job.stack)),
            Err(fault) => deployed.warnings.push(format!(
                "the termination protection of the stack {} could not be set to {wanted}: {fault}",
                job.stack
            )),
        }
    }

    /// Refuses to delete what is kept from it.
    fn deletable(&self, name: &str, stack: &Stack) -> Result<(), DeployError> {
        if stack.protected {
            return Err(DeployError::Protected {
                stack: name.to_owned(),
                region: self.place.region.clone(),
            });
        }
        Ok(())
    }

    async fn agreed(&self, question: &str) -> Result<(), DeployError> {
        if self.user.confirm(question).await? {
            Ok(())
        } else {
            Err(DeployError::Declined)
        }
    }

    /// Deletes the stack, and follows it to its end.
    async fn delete(&self, name: &str, stack: &Stack) -> Result<Ended, DeployError> {
        self.deletable(name, stack)?;
        let mark = self
            .unless_stopped(name, async { Ok(self.mark(&stack.id, false).await) })
            .await?;
        let token = self.token();
        let role = self.options.role.as_deref();
        self.begin(name, "delete the stack", || {
            self.stacks.delete_stack(&stack.id, &token, role)
        })
        .await?;
        let ended = self
            .follow(name, &stack.id, mark, None, &Names::of_stack(stack))
            .await?;
        if ended.status == Status::DeleteComplete {
            Ok(ended)
        } else {
            Err(self.failed(name, "delete", &ended, &Names::of_stack(stack)))
        }
    }

    /// Names of the stack's change sets that nobody has executed.
    async fn waiting(&self, stack: &str) -> Result<Vec<String>, DeployError> {
        let change_sets = self.patiently(|| self.stacks.change_sets(stack)).await;
        change_sets.map_err(|fault| call("list the stack's change sets", fault))
    }

    /// What a call comes to, made again while AWS has too many of them.
    async fn patiently<'b, T>(&self, ask: impl Fn() -> Doing<'b, T>) -> Result<T, Fault> {
        let mut waits = Waits::default();
        for _ in 1..TRIES {
            match ask().await {
                Err(fault) if fault.kind == FaultKind::Passing => {
                    self.world.sleep(waits.failed(self.world.random())).await;
                }
                answer => return answer,
            }
        }
        ask().await
    }

    /// Begins an operation. By its token CloudFormation knows a request that is made again, because something that passes stood in its way, as the same.
    async fn begin<'b>(&self, name: &str, doing: &str, ask: impl Fn() -> Doing<'b, ()>) -> Result<(), DeployError> {
        let mut waits = Waits::default();
        for _ in 1..TRIES {
            match ask().await {
                Err(fault) if fault.passes() => {
                    let wait = waits.failed(self.world.random());
                    self.unless_stopped(name, async {
                        self.world.sleep(wait).await;
                        Ok(())
                    })
                    .await?;
                }
                answer => return answer.map_err(|fault| call(doing, fault)),
            }
        }
        ask().await.map_err(|fault| call(doing, fault))
    }

    /// What the work comes to, unless a signal comes first: nothing is changed yet then.
    async fn unless_stopped<T>(
        &self,
        stack: &str,
        work: impl Future<Output = Result<T, DeployError>>,
    ) -> Result<T, DeployError> {
        tokio::select! {
            biased;
            () = self.user.stopped(1) => Err(DeployError::Stopped { stack: stack.to_owned() }),
            done = work => done,
        }
    }

    fn token(&self) -> String {
        format!("k2m-{:016x}{:016x}", self.world.random(), self.world.random())
    }
}

/// Whether a stack with these parameters gets other code, by this handler and, where one is given, this bucket.
pub fn other_code(parameters: &BTreeMap<String, String>, stack: &str, bundle: &Bundle, bucket: Option<&str>) -> bool {
    let (key, architecture) = (code_key(stack, bundle), bundle.architecture.name());
    let wanted = [
        (ARTIFACT_KEY, Some(key.as_str())),
        (ARCHITECTURE, Some(architecture)),
        (ARTIFACT_BUCKET, bucket),
    ];
    let mut wanted = wanted.into_iter().filter(|(_, value)| value.is_some());
    wanted.any(|(name, value)| parameters.get(name).map(String::as_str) != value)
}

/// Where the code is in the bucket: what is in it says so.
fn code_key(stack: &str, bundle: &Bundle) -> String {
    format!("{stack}/{}.zip", bundle.sha256)
}

/// The same of a template.
fn template_key(job: &Job<'_>) -> String {
    format!("{}/{}{TEMPLATE}", job.stack, sha256(job.template.as_bytes()))
}

/// What stays when its stack goes.
const TOPIC: &str = "AWS::MSK::Topic";

/// What CloudFormation kept: logical ids, and what people call them.
fn kept_of(events: &[StackEvent], names: &Names) -> BTreeMap<String, String> {
    let kept = events.iter().filter(|event| event.status == "DELETE_SKIPPED");
    kept.map(|event| {
        let name = names.in_full(&event.logical_id, &event.resource_type);
        (event.logical_id.clone(), name)
    })
    .collect()
}

fn call(doing: &str, fault: Fault) -> DeployError {
    DeployError::Call {
        doing: doing.to_owned(),
        fault,
    }
}

#[cfg(test)]
mod tests;
