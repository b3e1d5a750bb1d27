//! The rules and the controls, compared with each other and with an independent list.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use phoenix_policies::control::{Framework, Need, OUTSIDE};
use phoenix_policies::settings::assume;
use phoenix_policies::{Control, RULES};

/// The ids, names and types, independently transcribed from the criteria and from 45 CFR part 164, subpart C.
const KNOWN: &[(&str, &str, Need)] = &[
    ("CC4.2", "Communication of control deficiencies", Need::Criterion),
    (
        "CC6.1",
        "Logical access, segmentation, encryption and key management",
        Need::Criterion,
    ),
    (
        "CC6.2",
        "Issuance of credentials to authorized users",
        Need::Criterion,
    ),
    ("CC6.3", "Role-based access and least privilege", Need::Criterion),
    (
        "CC6.6",
        "Protection against threats from outside the system boundary",
        Need::Criterion,
    ),
    ("CC6.7", "Protection of data in transit", Need::Criterion),
    (
        "CC6.8",
        "Prevention and detection of unauthorized software",
        Need::Criterion,
    ),
    (
        "CC7.1",
        "Configuration standards and detection of deviations",
        Need::Criterion,
    ),
    ("CC7.2", "Monitoring for anomalies", Need::Criterion),
    ("CC7.5", "Recovery from incidents", Need::Criterion),
    (
        "CC8.1",
        "Authorization, testing and traceability of changes",
        Need::Criterion,
    ),
    ("CC9.2", "Risks of vendors and business partners", Need::Criterion),
    ("A1.1", "Capacity management", Need::Criterion),
    (
        "A1.2",
        "Backup, redundancy and environmental protection",
        Need::Criterion,
    ),
    ("A1.3", "Tests of recovery plans", Need::Criterion),
    (
        "C1.1",
        "Identification and protection of confidential information",
        Need::Criterion,
    ),
    ("C1.2", "Disposal of confidential information", Need::Criterion),
    (
        "PI1.5",
        "Completeness and accuracy of stored data",
        Need::Criterion,
    ),
    ("164.306(a)(1)", "General requirements", Need::Standard),
    (
        "164.306(d)(3)(ii)(B)",
        "Implementation specifications",
        Need::Addressable,
    ),
    ("164.306(e)", "Maintenance", Need::Standard),
    ("164.308(a)(1)(ii)(A)", "Risk analysis", Need::Required),
    ("164.308(a)(1)(ii)(B)", "Risk management", Need::Required),
    ("164.308(a)(3)(i)", "Workforce security", Need::Standard),
    (
        "164.308(a)(3)(ii)(B)",
        "Workforce clearance procedure",
        Need::Addressable,
    ),
    (
        "164.308(a)(4)(i)",
        "Information access management",
        Need::Standard,
    ),
    ("164.308(a)(4)(ii)(B)", "Access authorization", Need::Addressable),
    (
        "164.308(a)(5)(ii)(B)",
        "Protection from malicious software",
        Need::Addressable,
    ),
    ("164.308(a)(5)(ii)(C)", "Log-in monitoring", Need::Addressable),
    ("164.308(a)(5)(ii)(D)", "Password management", Need::Addressable),
    ("164.308(a)(7)(i)", "Contingency plan", Need::Standard),
    ("164.308(a)(7)(ii)(A)", "Data backup plan", Need::Required),
    ("164.308(a)(7)(ii)(B)", "Disaster recovery plan", Need::Required),
    (
        "164.308(a)(7)(ii)(C)",
        "Emergency mode operation plan",
        Need::Required,
    ),
    (
        "164.308(a)(7)(ii)(D)",
        "Testing and revision procedures",
        Need::Addressable,
    ),
    (
        "164.308(a)(7)(ii)(E)",
        "Applications and data criticality analysis",
        Need::Addressable,
    ),
    ("164.310(a)(1)", "Facility access controls", Need::Standard),
    ("164.310(d)(2)(i)", "Disposal", Need::Required),
    ("164.310(d)(2)(iv)", "Data backup and storage", Need::Addressable),
    ("164.312(a)(1)", "Access control", Need::Standard),
    ("164.312(a)(2)(i)", "Unique user identification", Need::Required),
    (
        "164.312(a)(2)(iv)",
        "Encryption and decryption",
        Need::Addressable,
    ),
    ("164.312(b)", "Audit controls", Need::Standard),
    ("164.312(c)(1)", "Integrity", Need::Standard),
    ("164.312(d)", "Person or entity authentication", Need::Standard),
    ("164.312(e)(1)", "Transmission security", Need::Standard),
    ("164.312(e)(2)(i)", "Integrity controls", Need::Addressable),
    ("164.312(e)(2)(ii)", "Encryption", Need::Addressable),
    ("164.316(b)(1)(ii)", "Documentation", Need::Required),
];

#[test]
fn every_control_has_its_official_id_name_and_type() {
    let ids: Vec<_> = Control::ALL.iter().map(|control| control.id()).collect();
    let known: Vec<_> = KNOWN.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, known);
    for (control, (id, title, need)) in Control::ALL.iter().zip(KNOWN) {
        assert_eq!(control.title(), *title, "{id}");
        assert_eq!(control.need(), *need, "{id}");
        assert_eq!(Control::named(id), Some(*control));
    }
}

#[test]
fn every_control_has_evidence_and_none_is_listed_as_outside() {
    for control in Control::ALL {
        let rules = RULES
            .iter()
            .filter(|rule| rule.evidence.contains(control))
            .count();
        assert!(rules > 0, "{} ({}) has no rule", control.id(), control.title());
        let outside = OUTSIDE
            .iter()
            .any(|(ids, ..)| ids.split(", ").any(|id| id == control.id()));
        assert!(
            !outside,
            "{} is listed as outside, although it has rules",
            control.id()
        );
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
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the folders of the rules"
)]
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
fn every_rule_has_a_unique_id_and_complete_texts() {
    let mut names = BTreeSet::new();
    for rule in RULES {
        assert!(names.insert(rule.id), "{} is twice in the table", rule.id);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        // `all` is a reserved key of the engine.
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
        assert_eq!(
            phoenix_policies::rules::find(rule.id).map(|named| named.id),
            Some(rule.id)
        );
    }
    assert!(RULES.len() >= 75, "{}", RULES.len());
}

/// The names that follow a phrase such as `the setting` or `assume.`, without the quotes around them.
fn names_after<'a>(text: &'a str, phrase: &str) -> Vec<&'a str> {
    text.split(phrase)
        .skip(1)
        .filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next())
        .collect()
}

#[test]
fn the_settings_that_rule_texts_name_exist() {
    assert_eq!(names_after("a setting `x.y` or assume.z.", "setting `"), ["x"]);
    let mut found = 0;
    for rule in RULES {
        let sections = [rule.text.what, rule.text.why, rule.text.fix];
        for sentence in sections.into_iter().chain(rule.text.limits()) {
            for name in names_after(sentence, "assume.") {
                found += 1;
                assert!(
                    assume::ALL.iter().any(|setting| setting.name == name),
                    "{}: there is no assumption `{name}`",
                    rule.id
                );
            }
            let names = ["setting `", "option `"].map(|phrase| names_after(sentence, phrase));
            for name in names.into_iter().flatten() {
                found += 1;
                assert!(
                    rule.options.iter().any(|option| option.name == name),
                    "{}: the rule has no setting `{name}`",
                    rule.id
                );
            }
        }
    }
    assert!(found >= 6, "{found} names were found");
}
