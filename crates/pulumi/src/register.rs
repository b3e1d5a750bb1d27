//! Registers a plan with the engine: everything as early as it may, nothing earlier.
//!
//! First of all the plan's premises are looked at. A resource is asked for when its parent, its provider and its dependencies have answered, the first of the plan
//! first. That keeps the order of the state as steady as a concurrent run can be. It promises that nothing is
//! registered when an input cannot be sent, and that the end is signalled only when all went well. It does not know
//! why the resources are wanted, and it reads nothing of what they turn out to be but their URN and id.
//! Of what a premise names it reads the properties that the premise is about.
//!
//! [`request`] turns a registration into the engine's words, [`schedule`] knows what may start.

mod request;
mod schedule;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use prost_types::value::Kind;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::deployment::Deployment;
use crate::engine::Engine;
use crate::error::{Answer, Error, InputProblem};
use crate::plan::{Fact, Plan, Premise, Registration};
use crate::proto::{
    RegisterResourceOutputsRequest, RegisterResourceRequest, RegisterResourceResponse, RegistrationResult,
};
use crate::value::{Value, problems, to_wire};
use request::{Answered, read_request, registration_request, root_request};
use schedule::{Schedule, Step};

/// How many calls to have under way at once where nobody has a better number. The engine bounds the real work by
/// its own `--parallel`; this only has to be enough to keep it busy.
pub const DEFAULT_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// What the engine calls the things that were registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The stack itself.
    pub stack_urn: String,
    /// The plan's resources, in its order.
    pub urns: Vec<String>,
}

/// Registers the root stack, the whole plan and the stack's outputs, and waits until the engine has done all of it.
///
/// Every secret that the plan names must be in `secrets`. All that are not are reported together, before anything is
/// registered. An error is shown to the person through the engine before it is returned; [`Error::already_shown`]
/// tells whether that worked, and [`Error::exit_code`] what to end with.
///
/// # Panics
///
/// When the plan is not one: see [`Plan::check`].
pub async fn register(
    engine: &Engine,
    deployment: &Deployment,
    plan: &Plan,
    secrets: &BTreeMap<String, SecretString>,
    in_flight: NonZeroUsize,
) -> Result<Registered, Error> {
    plan.check();
    if let Err(error) = check_inputs(plan, secrets) {
        return Err(engine.show(error, None).await);
    }
    let run = Run {
        engine,
        deployment,
        plan,
        secrets,
    };
    match run.everything(in_flight).await {
        Ok(registered) => Ok(registered),
        // What the engine says may repeat what it was sent.
        Err(Failure { error, urn }) => Err(engine.show(error.without(secrets), urn.as_deref()).await),
    }
}

/// Finds everything in the plan that could not be sent.
fn check_inputs(plan: &Plan, secrets: &BTreeMap<String, SecretString>) -> Result<(), Error> {
    let of = |resource: String, properties: &BTreeMap<String, Value>| {
        problems(properties, secrets)
            .into_iter()
            .map(move |problem| InputProblem {
                resource: resource.clone(),
                problem,
            })
            .collect::<Vec<_>>()
    };
    let mut found: Vec<_> = plan
        .resources
        .iter()
        .flat_map(|resource| of(describe(resource), &resource.inputs))
        .collect();
    found.extend(of("the stack's outputs".to_owned(), &plan.outputs));
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::Inputs(found))
    }
}

/// `kubernetes:apps/v1:Deployment "store"`: how a resource is called in messages.
fn describe(resource: &Registration) -> String {
    format!("{} \"{}\"", resource.token, resource.name)
}

/// One registration of one plan.
struct Run<'a> {
    engine: &'a Engine,
    deployment: &'a Deployment,
    plan: &'a Plan,
    secrets: &'a BTreeMap<String, SecretString>,
}

/// An error, and the resource to show it under.
struct Failure {
    error: Error,
    urn: Option<String>,
}

/// What a call has brought.
enum Outcome {
    Answered(usize, Result<RegisterResourceResponse, Status>),
    Closed(usize, Result<(), Status>),
}

impl Run<'_> {
    async fn everything(&self, in_flight: NonZeroUsize) -> Result<Registered, Failure> {
        let root = self.root().await?;
        let answered = self.resources(&root, in_flight).await?;
        let outputs = to_wire(&self.plan.outputs, self.secrets).expect("inputs were checked before");
        let doing = |what: &str| (what.to_owned(), Some(root.clone()));
        finish_call(
            close(self.engine.clone(), root.clone(), outputs).await,
            doing("taking the stack's outputs"),
        )?;
        match self.engine.monitor.clone().signal_and_wait_for_shutdown(()).await {
            // Engines before 3.180 do not know it, and simply wait for the program to end.
            Err(status) if status.code() == Code::Unimplemented => (),
            answer => finish_call(answer, doing("waiting for the last steps")).map(drop)?,
        }
        Ok(Registered {
            stack_urn: root,
            urns: answered.into_iter().map(|answered| answered.urn).collect(),
        })
    }

    /// Registers the stack's own resource, below which everything else stands.
    async fn root(&self) -> Result<String, Failure> {
        let request = root_request(self.deployment);
        let what = format!("{} \"{}\"", request.r#type, request.name);
        match self.engine.monitor.clone().register_resource(request).await {
            Ok(answer) => Ok(answer.into_inner().urn),
            Err(status) => Err(Failure {
                error: refused(what, status),
                urn: None,
            }),
        }
    }

    /// Registers the provider of a premise, before its turn.
    async fn first(
        &self,
        index: usize,
        root: &str,
        answered: &[Option<Answered>],
    ) -> Result<Answered, Failure> {
        let resource = &self.plan.resources[index];
        let failure = |error| Failure {
            error,
            urn: Some(root.to_owned()),
        };
        let request = registration_request(resource, root, answered, self.secrets);
        let answer = match self.engine.monitor.clone().register_resource(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Err(failure(refused(describe(resource), status))),
        };
        if answer.result() != RegistrationResult::Success {
            return Err(failure(Error::Incomplete {
                failed: vec![describe(resource)],
                left_out: self.plan.resources.len() - 1,
            }));
        }
        Ok(Answered {
            urn: answer.urn,
            id: answer.id,
        })
    }

    /// Looks at what a premise is about, and goes on only when it is so.
    async fn premise(&self, premise: &Premise, root: &str, provider: &Answered) -> Result<(), Failure> {
        let request = read_request(premise, root, provider);
        let error = match self.engine.monitor.clone().read_resource(request).await {
            Err(status) => Error::Unreadable {
                what: format!("{} \"{}\"", premise.token, premise.id),
                answer: Answer::from(status),
                way_out: premise.if_unreadable.clone(),
            },
            Ok(answer) => {
                let properties = answer.into_inner().properties.unwrap_or_default();
                let found = |fact: &Fact| text_at(&properties, &fact.property);
                let is_so = |fact: &&Fact| found(fact) == Some(fact.value.as_str());
                let Some(fact) = premise.facts.iter().find(|fact| !is_so(fact)) else {
                    return Ok(());
                };
                Error::Premise {
                    found: found(fact).unwrap_or("nothing").to_owned(),
                    meaning: fact.if_different.clone(),
                }
            }
        };
        Err(Failure {
            error,
            urn: Some(root.to_owned()),
        })
    }

    /// Registers the plan. After the first error nothing new is started, but what is under way is awaited.
    async fn resources(&self, root: &str, in_flight: NonZeroUsize) -> Result<Vec<Answered>, Failure> {
        let resources = &self.plan.resources;
        let mut answered: Vec<Option<Answered>> = vec![None; resources.len()];
        let mut schedule = Schedule::new(self.plan);
        for premise in &self.plan.premises {
            let provider = match &answered[premise.provider] {
                Some(provider) => provider.clone(),
                None => self.first(premise.provider, root, &answered).await?,
            };
            self.premise(premise, root, &provider).await?;
            if answered[premise.provider].replace(provider).is_none() {
                let step = Step::Register(premise.provider);
                schedule.start(step);
                schedule.done(step);
            }
        }
        let mut calls = JoinSet::new();
        let mut failure: Option<Failure> = None;
        let mut failed = Vec::new();
        loop {
            while failure.is_none() && calls.len() < in_flight.get() {
                let Some(step) = schedule.next() else { break };
                match step {
                    Step::Register(index) => {
                        let request = registration_request(&resources[index], root, &answered, self.secrets);
                        calls.spawn(ask(self.engine.clone(), index, request));
                    }
                    Step::Close(index) => {
                        let urn = answered[index]
                            .as_ref()
                            .expect("a component closes after it has answered")
                            .urn
                            .clone();
                        let engine = self.engine.clone();
                        calls.spawn(async move {
                            Outcome::Closed(index, close(engine, urn, prost_types::Struct::default()).await)
                        });
                    }
                }
            }
            let Some(outcome) = calls.join_next().await else {
                break;
            };
            match outcome.expect("a call neither panics nor is aborted") {
                Outcome::Answered(index, Ok(answer)) if answer.result() == RegistrationResult::Success => {
                    answered[index] = Some(Answered {
                        urn: answer.urn,
                        id: answer.id,
                    });
                    schedule.done(Step::Register(index));
                }
                // The engine has said why, or says so of what this one depends on. It goes on with the rest when
                // it was started with `--continue-on-error`, so we do as well.
                Outcome::Answered(index, Ok(answer)) => {
                    if answer.result() == RegistrationResult::Fail {
                        failed.push(index);
                    }
                    schedule.give_up(index);
                }
                Outcome::Answered(index, Err(status)) => {
                    let urn = match resources[index].parent {
                        Some(parent) => answered[parent].as_ref().map(|parent| parent.urn.clone()),
                        None => Some(root.to_owned()),
                    };
                    keep_worst(
                        &mut failure,
                        Failure {
                            error: refused(describe(&resources[index]), status),
                            urn,
                        },
                    );
                }
                Outcome::Closed(index, Ok(())) => schedule.done(Step::Close(index)),
                Outcome::Closed(index, Err(status)) => {
                    let urn = answered[index].as_ref().map(|component| component.urn.clone());
                    let doing = format!("closing {}", describe(&resources[index]));
                    if let Err(worse) = finish_call(Err::<(), _>(status), (doing, urn)) {
                        keep_worst(&mut failure, worse);
                    }
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if schedule.gave_up() > 0 {
            failed.sort_unstable();
            let left_out = schedule.gave_up() - failed.len();
            let failed = failed
                .into_iter()
                .map(|index| describe(&resources[index]))
                .collect();
            return Err(Failure {
                error: Error::Incomplete { failed, left_out },
                urn: Some(root.to_owned()),
            });
        }
        Ok(answered
            .into_iter()
            .map(|answer| answer.expect("the schedule leaves nothing out"))
            .collect())
    }
}

/// The text to which these keys lead.
fn text_at<'a>(mut properties: &'a prost_types::Struct, keys: &[String]) -> Option<&'a str> {
    let (last, before) = keys.split_last()?;
    for key in before {
        match properties.fields.get(key)?.kind.as_ref()? {
            Kind::StructValue(inner) => properties = inner,
            _ => return None,
        }
    }
    match properties.fields.get(last)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

async fn ask(engine: Engine, index: usize, request: RegisterResourceRequest) -> Outcome {
    let answer = engine.monitor.clone().register_resource(request).await;
    Outcome::Answered(index, answer.map(tonic::Response::into_inner))
}

async fn close(engine: Engine, urn: String, outputs: prost_types::Struct) -> Result<(), Status> {
    let request = RegisterResourceOutputsRequest {
        urn,
        outputs: Some(outputs),
    };
    engine
        .monitor
        .clone()
        .register_resource_outputs(request)
        .await
        .map(drop)
}

fn refused(resource: String, status: Status) -> Error {
    Error::of_status(status, |answer| Error::Registration { resource, answer })
}

fn finish_call<T>(answer: Result<T, Status>, (doing, urn): (String, Option<String>)) -> Result<T, Failure> {
    answer.map_err(|status| Failure {
        error: Error::of_status(status, |answer| Error::Call { doing, answer }),
        urn,
    })
}

/// The first error is the one to tell. Only that the engine has gone away is worth less than any reason for it.
fn keep_worst(kept: &mut Option<Failure>, new: Failure) {
    let replace = match kept {
        None => true,
        Some(kept) => matches!(kept.error, Error::Cancelled) && !matches!(new.error, Error::Cancelled),
    };
    if replace {
        *kept = Some(new);
    }
}
