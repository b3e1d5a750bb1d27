//! The order of registration: which steps can start. This module counts dependencies and makes no calls.

use std::collections::BTreeSet;

use crate::plan::{Kind, Plan};

/// One call to the engine, for the resource at this index of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Register the outputs of a component, which completes it.
    Close(usize),
    /// Register the resource.
    Register(usize),
}

/// The steps of a plan, returned as soon as they can start.
pub(super) struct Schedule<'a> {
    plan: &'a Plan,
    /// For each resource, the resources that depend on it.
    dependents: Vec<Vec<usize>>,
    /// For each resource, the number of prerequisites that are not registered yet.
    prerequisites_left: Vec<usize>,
    /// For each resource, the number of children that are not complete, including all their descendants.
    children_left: Vec<usize>,
    /// The steps that can start now. Closing comes first: it is cheap, and the engine can release the component.
    ready: BTreeSet<Step>,
    skipped: BTreeSet<usize>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut schedule = Self {
            plan,
            dependents: vec![Vec::new(); plan.resources.len()],
            prerequisites_left: vec![0; plan.resources.len()],
            children_left: vec![0; plan.resources.len()],
            ready: BTreeSet::new(),
            skipped: BTreeSet::new(),
        };
        for (index, resource) in plan.resources.iter().enumerate() {
            let prerequisites = resource.prerequisites();
            schedule.prerequisites_left[index] = prerequisites.len();
            for &earlier in &prerequisites {
                schedule.dependents[earlier].push(index);
            }
            if let Some(parent) = resource.parent {
                schedule.children_left[parent] += 1;
            }
            if prerequisites.is_empty() {
                schedule.ready.insert(Step::Register(index));
            }
        }
        schedule
    }

    /// The next step that can start, if there is one.
    pub(super) fn next(&mut self) -> Option<Step> {
        self.ready.pop_first()
    }

    /// Starts a step out of order.
    ///
    /// # Panics
    ///
    /// If the step cannot start yet or was already returned.
    pub(super) fn start(&mut self, step: Step) {
        let could_start = self.ready.remove(&step);
        assert!(could_start, "{step:?} cannot start yet, or was already returned");
    }

    /// Marks a step as successful.
    pub(super) fn done(&mut self, step: Step) {
        let index = match step {
            Step::Close(index) => {
                self.child_done(index);
                return;
            }
            Step::Register(index) => index,
        };
        for position in 0..self.dependents[index].len() {
            let later = self.dependents[index][position];
            self.prerequisites_left[later] -= 1;
            if self.prerequisites_left[later] == 0 && !self.skipped.contains(&later) {
                self.ready.insert(Step::Register(later));
            }
        }
        if self.children_left[index] == 0 {
            self.complete(index);
        }
    }

    /// Skips a resource and everything that depends on it.
    pub(super) fn skip(&mut self, index: usize) {
        if self.skipped.insert(index) {
            for later in self.dependents[index].clone() {
                self.skip(later);
            }
        }
    }

    /// The number of skipped resources.
    pub(super) fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// Marks a resource as complete: it and all its descendants are registered.
    fn complete(&mut self, index: usize) {
        match self.plan.resources[index].kind {
            Kind::Component => {
                self.ready.insert(Step::Close(index));
            }
            Kind::Custom => self.child_done(index),
        }
    }

    /// Marks one child of the parent as complete, if the parent is in the plan.
    fn child_done(&mut self, index: usize) {
        let Some(parent) = self.plan.resources[index].parent else {
            return;
        };
        self.children_left[parent] -= 1;
        if self.children_left[parent] == 0 {
            self.complete(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Registration;

    fn child(parent: usize) -> Registration {
        Registration {
            parent: Some(parent),
            ..Registration::custom("a:b:C", "child")
        }
    }

    #[test]
    fn resources_start_in_the_order_of_the_plan() {
        let plan = Plan {
            resources: vec![
                Registration::custom("a:b:C", "0"),
                child(0),
                Registration::custom("a:b:C", "2"),
            ],
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.next(), Some(Step::Register(0)));
        schedule.done(Step::Register(0));
        assert_eq!(
            schedule.next(),
            Some(Step::Register(1)),
            "1 can start and comes before 2 in the plan"
        );
        assert_eq!(schedule.next(), Some(Step::Register(2)));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_component_closes_after_its_last_child_and_before_its_parent() {
        let inner = Registration {
            parent: Some(0),
            ..Registration::component("a:b:Inner", "inner")
        };
        let plan = Plan {
            resources: vec![
                Registration::component("a:b:Outer", "outer"),
                inner,
                child(1),
                child(1),
            ],
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan);
        let mut seen = Vec::new();
        while let Some(step) = schedule.next() {
            seen.push(step);
            schedule.done(step);
        }
        let expected = [
            Step::Register(0),
            Step::Register(1),
            Step::Register(2),
            Step::Register(3),
            Step::Close(1),
            Step::Close(0),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn dependents_of_a_failed_resource_are_skipped_once() {
        let plan = Plan {
            resources: vec![
                Registration::component("a:b:C", "0"),
                child(0),
                Registration {
                    dependencies: vec![1],
                    ..child(0)
                },
                Registration {
                    dependencies: vec![1, 2],
                    ..child(0)
                },
                child(0),
            ],
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.next(), Some(Step::Register(0)));
        schedule.done(Step::Register(0));
        assert_eq!(schedule.next(), Some(Step::Register(1)));
        schedule.skip(1);
        assert_eq!(schedule.skipped(), 3);
        assert_eq!(
            schedule.next(),
            Some(Step::Register(4)),
            "it does not depend on a failed resource"
        );
        schedule.done(Step::Register(4));
        assert_eq!(
            schedule.next(),
            None,
            "a component with a missing child stays open"
        );
    }
}
