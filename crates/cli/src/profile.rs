//! The reviewed profile of an environment, `policies/profiles/<environment>.yaml`: policy settings that every stack of the
//! environment has. Only a profile can relax the evaluation of a stack; the stack itself cannot.
//!
//! An edge: it reads a file. An environment without a file has no relaxations.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use phoenix::config::Environment;
use phoenix_manifests::yaml::Document;
use phoenix_policies::{Authority, Date, Settings, Source};

use crate::checkout::Checkout;
use crate::settings::{read_settings, single_document};

/// The folder of the profiles, relative to the root.
const FOLDER: &str = "policies/profiles";

/// The profile of an environment.
#[derive(Clone, Debug)]
pub struct Profile {
    path: String,
    document: Option<Document>,
}

impl Profile {
    /// Reads the profile of an environment.
    pub fn read(checkout: &Checkout, environment: Environment) -> Result<Self> {
        let path = format!("{FOLDER}/{}.yaml", environment.as_str());
        let reading = || format!("cannot read the profile {path}");
        let text = match fs::read_to_string(checkout.root().join(&path)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(reading),
        };
        let document = single_document(&text).with_context(reading)?;
        Ok(Self { path, document })
    }

    /// Its settings; the defaults if it is empty.
    pub fn settings(&self, today: Date) -> Result<Settings> {
        let Some(document) = &self.document else {
            return Ok(Settings::on(today));
        };
        let source = Source::new(&self.path, Authority::Profile);
        read_settings(document, &source, today)
    }
}
