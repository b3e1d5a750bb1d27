//! The reviewed profiles of the environments, compiled into the policy pack: a change of a profile takes effect when the pack
//! is built again, and a stack cannot change it.

use jiff::civil::Date;
use phoenix_manifests::yaml;
use phoenix_policies::{Authority, Settings, Source};

const PROFILES: [(&str, &str); 3] = [
    ("dev", include_str!("../../profiles/dev.yaml")),
    ("staging", include_str!("../../profiles/staging.yaml")),
    ("prod", include_str!("../../profiles/prod.yaml")),
];

/// The settings that every stack of an environment has; the defaults for an environment without a profile.
pub fn settings_of(environment: Option<&str>, today: Date) -> Result<Settings, String> {
    let Some((name, text)) = PROFILES.iter().find(|(name, _)| Some(*name) == environment) else {
        return Ok(Settings::on(today));
    };
    let path = format!("policies/profiles/{name}.yaml");
    let documents = yaml::read(text).map_err(|error| format!("cannot read {path}: {error}"))?;
    let document = match documents.as_slice() {
        [] => return Ok(Settings::on(today)),
        [document] => document,
        _ => {
            return Err(format!(
                "{path} contains several documents: remove the `---` lines"
            ));
        }
    };
    let source = Source::new(&path, Authority::Profile);
    Settings::read_from(&document.value, &source, today).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("{path} is invalid:\n{}", lines.join("\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_valid_and_only_that_of_development_relaxes_rules() {
        let today = Date::constant(2026, 11, 22);
        for (name, _) in PROFILES {
            let settings = settings_of(Some(name), today).unwrap();
            assert_eq!(settings.relaxations().is_empty(), name != "dev", "{name}");
        }
        for other in [None, Some("DEV"), Some("production")] {
            assert!(
                settings_of(other, today).unwrap().relaxations().is_empty(),
                "{other:?}"
            );
        }
    }
}
