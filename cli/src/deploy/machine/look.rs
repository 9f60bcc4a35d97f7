//! What a deployment would change, told without leaving anything behind.

use super::{ARTIFACT_BUCKET, Job, MOST_IN_REQUEST, Machine, Running, code_key, template_key};
use crate::deploy::DeployError;
use crate::deploy::artifacts;
use crate::deploy::names::Names;
use crate::deploy::outcome::{Before, Planned};
use crate::deploy::port::{NewChangeSet, Stack, Template};
use crate::deploy::properties::{Resources, Source};
use crate::deploy::state::{Goal, Step};

impl Machine<'_> {
    /// What [`Machine::deploy`] would change. Of a stack that is there a change set tells it, which is then deleted; one that is not there would get all that
    /// its template has, and CloudFormation is not asked, since to ask it would make the stack. No code is uploaded, and a template only where it is too large for a
    /// request: it is removed again.
    pub fn look<'a>(&'a self, job: &'a Job<'a>) -> Running<'a, Planned> {
        Box::pin(async move {
            let name = job.stack;
            let (stack, step) = self.unless_stopped(name, self.decide(name, Goal::Deploy)).await?;
            let code = job
                .bundle
                .map(|bundle| (code_key(name, bundle), bundle.architecture.name()));
            let mut planned = Planned::new((name, &self.place.region), job.template, &job.conditions);
            planned.names = planned.names.with(stack.as_ref().map(Names::of_stack));
            match (&stack, step) {
                (Some(stack), Step::Wait) => {
                    return Err(DeployError::UnderWay {
                        stack: name.to_owned(),
                        status: stack.status.clone(),
                    });
                }
                (Some(stack), Step::ContinueRollback | Step::RollBack) => {
                    planned.before = Before::RollsBack(stack.status.word().to_owned());
                }
                (Some(stack), Step::Update) => {
                    let given = self.options.bucket(&self.place.region);
                    let bucket = given.or_else(|| stack.parameters.get(ARTIFACT_BUCKET).map(String::as_str));
                    // Not given up half way: what is uploaded has to be removed again.
                    let (template, uploaded) = self.given(job, bucket).await?;
                    let change_set = self.new_change_set(job, (step, Some(stack)), code.as_ref(), bucket, template);
                    let changed = self.changed_and_taken_away(job, &change_set, stack).await;
                    if let (Some(bucket), true) = (bucket, uploaded) {
                        let key = template_key(job);
                        let pruned = artifacts::prune(self.artifacts, self.place, bucket, name, |other| other != key);
                        // What would change, or why that is refused, counts more.
                        if let Err(error) = pruned.await {
                            self.user.tell(&format!(
                                "warning: the template that was uploaded to be looked at is left in the bucket {bucket} as {key}: {error}"
                            ));
                        }
                    }
                    planned.changes = changed?;
                    planned.resources = self.unless_stopped(name, async { Ok(self.count(name).await) }).await?;
                }
                _ => {
                    let change_set =
                        self.new_change_set(job, (step, None), code.as_ref(), None, Template::Body(String::new()));
                    let resources = Resources::of(Source {
                        template: job.template,
                        parameters: &change_set.parameters,
                    });
                    planned.changes = Some(resources.added());
                    planned.before = match (stack, step) {
                        (Some(stack), Step::Replace) => Before::Replaces(stack.status.word().to_owned()),
                        (_, Step::Resume) => Before::InReview(self.unless_stopped(name, self.waiting(name)).await?),
                        _ => Before::Nothing,
                    };
                }
            }
            Ok(planned)
        })
    }

    /// The template for a change set that only looks. Whether it was uploaded for that.
    async fn given(&self, job: &Job<'_>, bucket: Option<&str>) -> Result<(Template, bool), DeployError> {
        let Some(bucket) = bucket.filter(|_| job.template.len() > MOST_IN_REQUEST) else {
            return Ok((Template::Body(job.template.to_owned()), false));
        };
        let key = template_key(job);
        let new = artifacts::upload(self.artifacts, bucket, &key, job.template.as_bytes()).await?;
        Ok((Template::Url(self.artifacts.url(bucket, &key)), new))
    }

    /// What a change set changes; it is deleted in any case.
    async fn changed_and_taken_away(
        &self,
        job: &Job<'_>,
        change_set: &NewChangeSet,
        stack: &Stack,
    ) -> Result<Option<Vec<crate::deploy::port::Change>>, DeployError> {
        match self.changed(job, change_set, Some(stack)).await {
            Ok(changed) => {
                self.take_away(change_set).await?;
                Ok(changed.map(|(_, changes)| changes))
            }
            Err(error) => Err(self.withdraw(change_set, looking(error)).await),
        }
    }
}

/// What failed when nothing was to be changed.
fn looking(error: DeployError) -> DeployError {
    match error {
        DeployError::Call { fault, .. } => DeployError::Call {
            doing: "look at what would change, by a change set".to_owned(),
            fault,
        },
        error => error,
    }
}
