//! The cloud role of a service account.

use std::fmt;

/// The ARN of an AWS role, as EKS expects it on a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn(String);

impl RoleArn {
    /// Checks an ARN. The error is the rest of a sentence that begins with its key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str =
            "is not the ARN of a role such as arn:aws:iam::123456789012:role/sophia-memory-role";
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else {
            return Err(WRONG);
        };
        // An example ARN is recognized by its account.
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("has no twelve-digit account");
        }
        let name = resource.strip_prefix("role/").ok_or(WRONG)?;
        let legal = (partition == "aws" || partition.starts_with("aws-"))
            && (1..=512).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte));
        legal.then(|| Self(text.to_owned())).ok_or(WRONG)
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_account_and_a_role_make_an_arn() {
        for arn in [
            "arn:aws:iam::123456789012:role/sophia-memory-role",
            "arn:aws-cn:iam::123456789012:role/team/memory",
        ] {
            assert_eq!(RoleArn::parse(arn).unwrap().as_str(), arn);
        }
        for text in [
            "",
            "sophia-memory-role",
            "arn:aws:iam::ACCOUNT:role/sophia-memory-role",
            "arn:aws:iam::123456789012:user/somebody",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:s3:::bucket",
            "arn:gcp:iam::123456789012:role/a",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(RoleArn::parse(text).is_err(), "{text}");
        }
    }
}
