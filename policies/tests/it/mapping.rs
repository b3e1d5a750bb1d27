//! The rules and the controls, held against each other and against a list of their own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use phoenix_policies::control::{Framework, Need, OUTSIDE};
use phoenix_policies::{Control, RULES, Rule};

/// The ids and what they demand, written down a second time: from the criteria's list and from 45 CFR part 164, subpart C.
const KNOWN: &[(&str, &str, Need)] = &[
    ("CC4.2", "deficiencies", Need::Criterion),
    ("CC6.1", "access", Need::Criterion),
    ("CC6.2", "credentials", Need::Criterion),
    ("CC6.3", "privilege", Need::Criterion),
    ("CC6.6", "boundary", Need::Criterion),
    ("CC6.7", "moves", Need::Criterion),
    ("CC6.8", "software", Need::Criterion),
    ("CC7.1", "configuration", Need::Criterion),
    ("CC7.2", "anomalies", Need::Criterion),
    ("CC7.5", "recovery", Need::Criterion),
    ("CC8.1", "changes", Need::Criterion),
    ("CC9.2", "vendors", Need::Criterion),
    ("A1.1", "capacity", Need::Criterion),
    ("A1.2", "backup", Need::Criterion),
    ("A1.3", "tested", Need::Criterion),
    ("C1.1", "confidential", Need::Criterion),
    ("C1.2", "disposed", Need::Criterion),
    ("PI1.5", "stored", Need::Criterion),
    ("164.306(a)(1)", "confidentiality", Need::Standard),
    ("164.306(d)(3)(ii)(B)", "addressable", Need::Addressable),
    ("164.306(e)", "current", Need::Standard),
    ("164.308(a)(1)(ii)(A)", "risk analysis", Need::Required),
    ("164.308(a)(1)(ii)(B)", "reasonable", Need::Required),
    ("164.308(a)(3)(i)", "access", Need::Standard),
    ("164.308(a)(3)(ii)(B)", "person", Need::Addressable),
    ("164.308(a)(4)(i)", "authorised", Need::Standard),
    ("164.308(a)(4)(ii)(B)", "granted", Need::Addressable),
    ("164.308(a)(5)(ii)(B)", "malicious", Need::Addressable),
    ("164.308(a)(5)(ii)(C)", "log-ins", Need::Addressable),
    ("164.308(a)(5)(ii)(D)", "passwords", Need::Addressable),
    ("164.308(a)(7)(i)", "plan", Need::Standard),
    ("164.308(a)(7)(ii)(A)", "copies", Need::Required),
    ("164.308(a)(7)(ii)(B)", "restored", Need::Required),
    ("164.308(a)(7)(ii)(C)", "emergency", Need::Required),
    ("164.308(a)(7)(ii)(D)", "tested", Need::Addressable),
    ("164.308(a)(7)(ii)(E)", "critical", Need::Addressable),
    ("164.310(a)(1)", "machines", Need::Standard),
    ("164.310(d)(2)(i)", "disposed", Need::Required),
    ("164.310(d)(2)(iv)", "copy", Need::Addressable),
    ("164.312(a)(1)", "access control", Need::Standard),
    ("164.312(a)(2)(i)", "identity", Need::Required),
    ("164.312(a)(2)(iv)", "stored", Need::Addressable),
    ("164.312(b)", "recorded", Need::Standard),
    ("164.312(c)(1)", "altered", Need::Standard),
    ("164.312(d)", "who", Need::Standard),
    ("164.312(e)(1)", "network", Need::Standard),
    ("164.312(e)(2)(i)", "altered", Need::Addressable),
    ("164.312(e)(2)(ii)", "encrypted", Need::Addressable),
    ("164.316(b)(1)(ii)", "writing", Need::Required),
];

#[test]
fn every_control_has_the_id_the_topic_and_the_need_that_it_is_known_by() {
    let ids: Vec<_> = Control::ALL.iter().map(|control| control.id()).collect();
    let known: Vec<_> = KNOWN.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, known);
    for (control, (id, topic, need)) in Control::ALL.iter().zip(KNOWN) {
        assert!(
            control.topic().contains(topic),
            "{id} is about {topic}, and not: {}",
            control.topic()
        );
        assert_eq!(control.need(), *need, "{id}");
        assert_eq!(Control::named(id), Some(*control));
    }
}

#[test]
fn every_control_has_evidence_and_none_is_called_outside() {
    for control in Control::ALL {
        let rules = RULES
            .iter()
            .filter(|rule| rule.evidence.contains(control))
            .count();
        assert!(rules > 0, "{} ({}) has no rule", control.id(), control.topic());
        let outside = OUTSIDE
            .iter()
            .any(|(ids, ..)| ids.split(", ").any(|id| id == control.id()));
        assert!(!outside, "{} is called outside, and has rules", control.id());
    }
}

#[test]
fn every_rule_gives_evidence_for_both_frameworks_and_names_no_control_twice() {
    for rule in RULES {
        for framework in [Framework::Soc2, Framework::Hipaa] {
            let cites = rule
                .evidence
                .iter()
                .any(|control| control.framework() == framework);
            assert!(cites, "{} cites nothing of {}", rule.id, framework.name());
        }
        let unique: BTreeSet<_> = rule.evidence.iter().collect();
        assert_eq!(unique.len(), rule.evidence.len(), "{}", rule.id);
    }
}

#[test]
fn every_folder_of_texts_has_the_id_of_its_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let folders: BTreeSet<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, RULES.iter().map(|rule| rule.id.to_owned()).collect());
    for rule in RULES {
        let text = |file| fs::read_to_string(root.join(rule.id).join(file)).unwrap();
        let title = format!("# {}\n", rule.text.title);
        assert!(text("rule.md").starts_with(&title), "{}", rule.id);
        assert_eq!(text("good.yaml"), rule.text.good, "{}", rule.id);
        assert_eq!(text("bad.yaml"), rule.text.bad, "{}", rule.id);
    }
}

#[test]
fn every_rule_has_a_name_of_its_own_and_all_its_sentences() {
    let mut names = BTreeSet::new();
    for rule in RULES {
        assert!(names.insert(rule.id), "{} stands twice in the table", rule.id);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        // `all` is a key of the engine's own.
        assert!(rule.id.bytes().all(plain) && rule.id != "all", "{}", rule.id);
        assert!(
            !rule.text.title.ends_with('.'),
            "{}: a title is a heading",
            rule.id
        );
        let sections = [rule.text.what, rule.text.why, rule.text.fix];
        for sentence in sections.into_iter().chain(rule.text.limits()) {
            assert!(
                sentence.ends_with('.') && sentence.len() > 12,
                "{}: {sentence}",
                rule.id
            );
        }
        for option in rule.options {
            assert!(
                option.name != "enforcement" && !option.meaning.is_empty(),
                "{}",
                rule.id
            );
        }
        assert_eq!(Rule::named(rule.id).map(|named| named.id), Some(rule.id));
    }
    assert!(RULES.len() >= 75, "{}", RULES.len());
}
