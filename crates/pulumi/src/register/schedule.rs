//! What may be asked of the engine next. It only counts: it makes no calls and knows no names.

use std::collections::BTreeSet;

use crate::plan::{Kind, Plan};

/// One thing to ask of the engine, about the resource at this place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Say that a component has no further children.
    Close(usize),
    /// Ask for the resource.
    Register(usize),
}

/// The steps of a plan, handed out as they become possible.
pub(super) struct Schedule<'a> {
    plan: &'a Plan,
    /// For each resource, the ones that wait for it.
    waiting_for: Vec<Vec<usize>>,
    /// For each resource, how many of its prerequisites have not answered.
    prerequisites_left: Vec<usize>,
    /// For each resource, how many of its children are not complete, each with all that stands below it.
    children_left: Vec<usize>,
    /// What may start now. Closing comes first: it is cheap, and the engine can forget the component.
    ready: BTreeSet<Step>,
    given_up: BTreeSet<usize>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut schedule = Self {
            plan,
            waiting_for: vec![Vec::new(); plan.resources.len()],
            prerequisites_left: vec![0; plan.resources.len()],
            children_left: vec![0; plan.resources.len()],
            ready: BTreeSet::new(),
            given_up: BTreeSet::new(),
        };
        for (index, resource) in plan.resources.iter().enumerate() {
            let prerequisites = resource.prerequisites();
            schedule.prerequisites_left[index] = prerequisites.len();
            for &earlier in &prerequisites {
                schedule.waiting_for[earlier].push(index);
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

    /// The next step that may start, if any may.
    pub(super) fn next(&mut self) -> Option<Step> {
        self.ready.pop_first()
    }

    /// Takes a step out of its turn. Nothing may keep it from starting.
    pub(super) fn start(&mut self, step: Step) {
        let could_start = self.ready.remove(&step);
        assert!(
            could_start,
            "{step:?} has to wait for others, or has been handed out"
        );
    }

    /// A step has succeeded.
    pub(super) fn done(&mut self, step: Step) {
        let index = match step {
            Step::Close(index) => {
                self.child_done(index);
                return;
            }
            Step::Register(index) => index,
        };
        for position in 0..self.waiting_for[index].len() {
            let later = self.waiting_for[index][position];
            self.prerequisites_left[later] -= 1;
            if self.prerequisites_left[later] == 0 && !self.given_up.contains(&later) {
                self.ready.insert(Step::Register(later));
            }
        }
        if self.children_left[index] == 0 {
            self.complete(index);
        }
    }

    /// A resource will never be, and so neither will anything that waits for it.
    pub(super) fn give_up(&mut self, index: usize) {
        if self.given_up.insert(index) {
            for later in self.waiting_for[index].clone() {
                self.give_up(later);
            }
        }
    }

    /// How many resources will never be.
    pub(super) fn gave_up(&self) -> usize {
        self.given_up.len()
    }

    /// A resource and everything below it has been registered.
    fn complete(&mut self, index: usize) {
        match self.plan.resources[index].kind {
            Kind::Component => {
                self.ready.insert(Step::Close(index));
            }
            Kind::Custom => self.child_done(index),
        }
    }

    /// Tells the parent, if it is in the plan, that one of its children is complete.
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
    fn the_first_of_the_plan_goes_first() {
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
            "1 became possible and stands before 2"
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
    fn what_waits_for_a_failed_resource_is_given_up_once() {
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
        schedule.give_up(1);
        assert_eq!(schedule.gave_up(), 3);
        assert_eq!(
            schedule.next(),
            Some(Step::Register(4)),
            "it depends on nothing that failed"
        );
        schedule.done(Step::Register(4));
        assert_eq!(
            schedule.next(),
            None,
            "a component with a missing child stays open"
        );
    }
}
