//! Names of environments.

use std::fmt;

use crate::error::Error;

/// The name of an environment in ESC.
///
/// ```
/// use phoenix_esc::Environment;
///
/// let environment = Environment {
///     organization: "acme".to_owned(),
///     project: "shop".to_owned(),
///     name: "prod".to_owned(),
///     version: Some("stable".to_owned()),
/// };
/// assert_eq!(environment.to_string(), "acme/shop/prod@stable");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The organization that owns the project.
    pub organization: String,
    /// The project in the organization.
    pub project: String,
    /// The environment's name in the project.
    pub name: String,
    /// A revision number or tag; `None` for the latest revision.
    pub version: Option<String>,
}

impl Environment {
    /// The path below `/api/esc/environments/`. Names that would change the address are an error.
    pub(crate) fn segments(&self) -> Result<Vec<&str>, Error> {
        let mut segments = vec![self.organization.as_str(), &self.project, &self.name];
        if let Some(version) = &self.version {
            segments.extend(["versions", version]);
        }
        if segments.iter().all(|segment| is_segment(segment)) {
            Ok(segments)
        } else {
            Err(Error::Name(self.to_string()))
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.organization, self.project, self.name)?;
        match &self.version {
            Some(version) => write!(formatter, "@{version}"),
            None => Ok(()),
        }
    }
}

/// Whether a string is a single path segment: letters, digits, `-`, `_` and `.`, and not only dots.
pub(crate) fn is_segment(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.bytes().all(|byte| byte == b'.')
}
