//! Registers a plan with the engine, concurrently and in dependency order.
//!
//! The plan's preconditions are checked first. A resource is registered as soon as its parent, its provider and its
//! dependencies are; if several are ready, the first one in the plan starts first, which keeps the order of the state as
//! stable as a concurrent run allows.
//!
//! Guarantees: nothing is registered if an input cannot be sent; the end of the program is signaled only if every step
//! succeeded. Only the URN and the id of a registered resource are read, and of a precondition's resource only the
//! properties that it lists.
//!
//! `request` converts a registration to the engine's message; `schedule` decides what can start.

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
use crate::plan::{Expectation, Plan, Precondition, Registration};
use crate::proto::{
    RegisterResourceOutputsRequest, RegisterResourceRequest, RegisterResourceResponse, RegistrationResult,
};
use crate::value::{Value, problems, to_wire};
use request::{Identity, read_request, registration_request, root_request};
use schedule::{Schedule, Step};

/// The default number of concurrent calls. The engine limits its own work with `--parallel`; this number only has to be
/// large enough to keep the engine busy.
pub const DEFAULT_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// The URNs of the registered resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The URN of the stack.
    pub stack_urn: String,
    /// The URNs of the plan's resources, in the order of the plan.
    pub urns: Vec<String>,
}

/// Registers the root stack, the resources of the plan and the stack's outputs, and waits until the engine has finished.
///
/// `secrets` must contain every secret that the plan refers to. All missing secrets are reported together, before
/// anything is registered. An error is logged to the user through the engine before it is returned;
/// [`Error::already_shown`] returns whether that succeeded, and [`Error::exit_code`] is the program's exit code.
///
/// # Panics
///
/// If the plan is invalid: see [`Plan::check`].
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
    match run.run(in_flight).await {
        Ok(registered) => Ok(registered),
        // The engine's messages may quote what it was sent.
        Err(Failure { error, urn }) => Err(engine.show(error.redact(secrets), urn.as_deref()).await),
    }
}

/// Reports every value in the plan that cannot be sent.
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

/// The name of a resource in messages: `kubernetes:apps/v1:Deployment "store"`.
fn describe(resource: &Registration) -> String {
    format!("{} \"{}\"", resource.token, resource.name)
}

/// The registration of one plan.
struct Run<'a> {
    engine: &'a Engine,
    deployment: &'a Deployment,
    plan: &'a Plan,
    secrets: &'a BTreeMap<String, SecretString>,
}

/// An error, and the URN of the resource to log it for.
struct Failure {
    error: Error,
    urn: Option<String>,
}

/// The result of a call.
enum Outcome {
    Registered(usize, Result<RegisterResourceResponse, Status>),
    Closed(usize, Result<(), Status>),
}

impl Run<'_> {
    async fn run(&self, in_flight: NonZeroUsize) -> Result<Registered, Failure> {
        let root = self.root().await?;
        let registered = self.resources(&root, in_flight).await?;
        let outputs = to_wire(&self.plan.outputs, self.secrets).expect("inputs are checked before");
        let doing = |what: &str| (what.to_owned(), Some(root.clone()));
        finish_call(
            close(self.engine.clone(), root.clone(), outputs).await,
            doing("registering the stack's outputs"),
        )?;
        match self.engine.monitor.clone().signal_and_wait_for_shutdown(()).await {
            // Engines before 3.180 do not implement it and wait for the program to exit.
            Err(status) if status.code() == Code::Unimplemented => (),
            answer => finish_call(answer, doing("finishing the last steps")).map(drop)?,
        }
        Ok(Registered {
            stack_urn: root,
            urns: registered.into_iter().map(|registered| registered.urn).collect(),
        })
    }

    /// Registers the root resource of the stack.
    async fn root(&self) -> Result<String, Failure> {
        let request = root_request(self.deployment);
        let what = format!("{} \"{}\"", request.r#type, request.name);
        match self.engine.monitor.clone().register_resource(request).await {
            Ok(answer) => Ok(answer.into_inner().urn),
            Err(status) => Err(Failure {
                error: registration_error(what, status),
                urn: None,
            }),
        }
    }

    /// Registers the provider of a precondition, ahead of the schedule.
    async fn register_provider(
        &self,
        index: usize,
        root: &str,
        registered: &[Option<Identity>],
    ) -> Result<Identity, Failure> {
        let resource = &self.plan.resources[index];
        let failure = |error| Failure {
            error,
            urn: Some(root.to_owned()),
        };
        let request = registration_request(resource, root, registered, self.secrets);
        let answer = match self.engine.monitor.clone().register_resource(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Err(failure(registration_error(describe(resource), status))),
        };
        if answer.result() != RegistrationResult::Success {
            return Err(failure(Error::Incomplete {
                failed: vec![describe(resource)],
                skipped: self.plan.resources.len() - 1,
            }));
        }
        Ok(Identity {
            urn: answer.urn,
            id: answer.id,
        })
    }

    /// Reads the resource of a precondition, and fails if one of the expectations is not met.
    async fn check_precondition(
        &self,
        precondition: &Precondition,
        root: &str,
        provider: &Identity,
    ) -> Result<(), Failure> {
        let request = read_request(precondition, root, provider);
        let error = match self.engine.monitor.clone().read_resource(request).await {
            Err(status) => Error::Unreadable {
                resource: format!("{} \"{}\"", precondition.token, precondition.id),
                answer: Answer::from(status),
                hint: precondition.on_unreadable.clone(),
            },
            Ok(answer) => {
                let properties = answer.into_inner().properties.unwrap_or_default();
                let found = |expectation: &Expectation| text_at(&properties, &expectation.property);
                let is_met =
                    |expectation: &&Expectation| found(expectation) == Some(expectation.value.as_str());
                let Some(unmet) = precondition
                    .expectations
                    .iter()
                    .find(|expectation| !is_met(expectation))
                else {
                    return Ok(());
                };
                Error::Precondition {
                    found: found(unmet).unwrap_or("nothing").to_owned(),
                    message: unmet.on_mismatch.clone(),
                }
            }
        };
        Err(Failure {
            error,
            urn: Some(root.to_owned()),
        })
    }

    /// Registers the resources of the plan. After the first error, no further call starts; running calls are awaited.
    async fn resources(&self, root: &str, in_flight: NonZeroUsize) -> Result<Vec<Identity>, Failure> {
        let resources = &self.plan.resources;
        let mut registered: Vec<Option<Identity>> = vec![None; resources.len()];
        let mut schedule = Schedule::new(self.plan);
        for precondition in &self.plan.preconditions {
            let provider = match &registered[precondition.provider] {
                Some(provider) => provider.clone(),
                None => {
                    self.register_provider(precondition.provider, root, &registered)
                        .await?
                }
            };
            self.check_precondition(precondition, root, &provider).await?;
            if registered[precondition.provider].replace(provider).is_none() {
                let step = Step::Register(precondition.provider);
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
                        let request =
                            registration_request(&resources[index], root, &registered, self.secrets);
                        calls.spawn(register_resource(self.engine.clone(), index, request));
                    }
                    Step::Close(index) => {
                        let urn = registered[index]
                            .as_ref()
                            .expect("a component is closed after it is registered")
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
            match outcome.expect("calls neither panic nor are aborted") {
                Outcome::Registered(index, Ok(answer)) if answer.result() == RegistrationResult::Success => {
                    registered[index] = Some(Identity {
                        urn: answer.urn,
                        id: answer.id,
                    });
                    schedule.done(Step::Register(index));
                }
                // The engine reports the reason itself, for this resource or for the one it depends on. With
                // `--continue-on-error` it continues with the other resources, and so does this loop.
                Outcome::Registered(index, Ok(answer)) => {
                    if answer.result() == RegistrationResult::Fail {
                        failed.push(index);
                    }
                    schedule.skip(index);
                }
                Outcome::Registered(index, Err(status)) => {
                    let urn = match resources[index].parent {
                        Some(parent) => registered[parent].as_ref().map(|parent| parent.urn.clone()),
                        None => Some(root.to_owned()),
                    };
                    keep_most_specific(
                        &mut failure,
                        Failure {
                            error: registration_error(describe(&resources[index]), status),
                            urn,
                        },
                    );
                }
                Outcome::Closed(index, Ok(())) => schedule.done(Step::Close(index)),
                Outcome::Closed(index, Err(status)) => {
                    let urn = registered[index].as_ref().map(|component| component.urn.clone());
                    let doing = format!("closing {}", describe(&resources[index]));
                    if let Err(other) = finish_call(Err::<(), _>(status), (doing, urn)) {
                        keep_most_specific(&mut failure, other);
                    }
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if schedule.skipped() > 0 {
            failed.sort_unstable();
            let skipped = schedule.skipped() - failed.len();
            let failed = failed
                .into_iter()
                .map(|index| describe(&resources[index]))
                .collect();
            return Err(Failure {
                error: Error::Incomplete { failed, skipped },
                urn: Some(root.to_owned()),
            });
        }
        Ok(registered
            .into_iter()
            .map(|answer| answer.expect("the schedule includes every resource"))
            .collect())
    }
}

/// The string at this path, if there is one.
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

async fn register_resource(engine: Engine, index: usize, request: RegisterResourceRequest) -> Outcome {
    let answer = engine.monitor.clone().register_resource(request).await;
    Outcome::Registered(index, answer.map(tonic::Response::into_inner))
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

fn registration_error(resource: String, status: Status) -> Error {
    Error::of_status(status, |answer| Error::Registration { resource, answer })
}

fn finish_call<T>(answer: Result<T, Status>, (doing, urn): (String, Option<String>)) -> Result<T, Failure> {
    answer.map_err(|status| Failure {
        error: Error::of_status(status, |answer| Error::Call { doing, answer }),
        urn,
    })
}

/// Keeps the first error. An error other than [`Error::Cancelled`] replaces a cancellation, because it is more specific.
fn keep_most_specific(kept: &mut Option<Failure>, new: Failure) {
    let replace = match kept {
        None => true,
        Some(kept) => matches!(kept.error, Error::Cancelled) && !matches!(new.error, Error::Cancelled),
    };
    if replace {
        *kept = Some(new);
    }
}
