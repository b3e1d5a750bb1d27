//! The controls that a deployment can give evidence for: criteria of SOC 2 and specifications of HIPAA's Security Rule.
//!
//! Ids are exact; topics are our own words, since the texts of the criteria belong to their authors. A rule names controls
//! by the variants of [`Control`], so that no rule can cite one that does not exist, and its topic stands where it is
//! cited. What a manifest can say nothing about is listed in [`OUTSIDE`], with the reason: a report shows what was not
//! judged as plainly as what was. Nothing here says that anybody complies with anything.

/// Whose control it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framework {
    /// The Trust Services Criteria of 2017, with the points of focus of 2022.
    Soc2,
    /// The Security Rule: 45 CFR part 164, subpart C.
    Hipaa,
}

impl Framework {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2",
            Self::Hipaa => "HIPAA",
        }
    }
}

/// What its text demands of those it binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A criterion of SOC 2.
    Criterion,
    /// A standard of HIPAA: what its specifications serve.
    Standard,
    /// A specification that has to be implemented.
    Required,
    /// A specification to implement, or to document why not and what is done instead (164.306(d)(3)).
    Addressable,
}

impl Need {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Criterion => "criterion",
            Self::Standard => "standard",
            Self::Required => "required",
            Self::Addressable => "addressable",
        }
    }
}

macro_rules! controls {
    ($($framework:ident $need:ident $name:ident $id:literal $topic:literal;)*) => {
        /// A control.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Control {
            $(#[doc = concat!($id, ": ", $topic)] $name,)*
        }

        impl Control {
            /// Every control, in the order of its framework.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its exact id, such as `CC6.1` or `164.312(e)(1)`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What it is about, in our own words.
            pub fn topic(self) -> &'static str {
                match self { $(Self::$name => $topic,)* }
            }

            /// Whose it is.
            pub fn framework(self) -> Framework {
                match self { $(Self::$name => Framework::$framework,)* }
            }

            /// What it demands.
            pub fn need(self) -> Need {
                match self { $(Self::$name => Need::$need,)* }
            }
        }
    };
}

controls! {
    Soc2 Criterion DeficienciesCommunicated "CC4.2" "deficiencies are told to those who can repair them";
    Soc2 Criterion AccessArchitecture "CC6.1" "access, segmentation, encryption and keys by design";
    Soc2 Criterion CredentialsIssued "CC6.2" "credentials are issued to those who were authorised";
    Soc2 Criterion LeastPrivilege "CC6.3" "roles, least privilege and separation of duties";
    Soc2 Criterion Boundary "CC6.6" "protection against what comes from outside the boundary";
    Soc2 Criterion DataInMotion "CC6.7" "data is restricted and protected while it moves";
    Soc2 Criterion UnauthorisedSoftware "CC6.8" "software that nobody authorised is prevented or found";
    Soc2 Criterion ConfigurationStandards "CC7.1" "configuration standards, and a watch for what departs from them";
    Soc2 Criterion AnomaliesWatched "CC7.2" "systems are watched for anomalies";
    Soc2 Criterion Recovery "CC7.5" "recovery from incidents";
    Soc2 Criterion ChangeControl "CC8.1" "changes are authorised, tested and traceable";
    Soc2 Criterion Vendors "CC9.2" "risks from vendors and partners";
    Soc2 Criterion Capacity "A1.1" "capacity is known and managed";
    Soc2 Criterion Redundancy "A1.2" "backup, redundancy and protection of the environment";
    Soc2 Criterion RecoveryTested "A1.3" "recovery is tested";
    Soc2 Criterion ConfidentialKept "C1.1" "confidential information is identified and kept";
    Soc2 Criterion Disposed "C1.2" "confidential information is disposed of in time";
    Soc2 Criterion StoredDataProtected "PI1.5" "what is stored stays complete and accurate";

    Hipaa Standard GeneralProtection "164.306(a)(1)" "confidentiality, integrity and availability of health data";
    Hipaa Addressable AddressableDocumented "164.306(d)(3)(ii)(B)" "why an addressable specification is not met, and what is done instead";
    Hipaa Standard MeasuresKeptCurrent "164.306(e)" "measures are reviewed and kept current";
    Hipaa Required RiskAnalysis "164.308(a)(1)(ii)(A)" "risk analysis";
    Hipaa Required RiskManagement "164.308(a)(1)(ii)(B)" "risks are brought down to a reasonable level";
    Hipaa Standard WorkforceSecurity "164.308(a)(3)(i)" "only those who need it have access";
    Hipaa Addressable WorkforceClearance "164.308(a)(3)(ii)(B)" "access fits the person it is given to";
    Hipaa Standard AccessManagement "164.308(a)(4)(i)" "access is authorised";
    Hipaa Addressable AccessAuthorisation "164.308(a)(4)(ii)(B)" "how access is granted to a workload, program or process";
    Hipaa Addressable MaliciousSoftware "164.308(a)(5)(ii)(B)" "protection from malicious software";
    Hipaa Addressable LogInsWatched "164.308(a)(5)(ii)(C)" "log-ins are watched, and what departs from them is reported";
    Hipaa Addressable PasswordManagement "164.308(a)(5)(ii)(D)" "passwords are created, changed and kept safe";
    Hipaa Standard ContingencyPlan "164.308(a)(7)(i)" "a plan for when systems fail";
    Hipaa Required DataBackup "164.308(a)(7)(ii)(A)" "exact copies that can be brought back";
    Hipaa Required DisasterRecovery "164.308(a)(7)(ii)(B)" "lost data can be restored";
    Hipaa Required EmergencyMode "164.308(a)(7)(ii)(C)" "critical processes go on in an emergency";
    Hipaa Addressable PlansTested "164.308(a)(7)(ii)(D)" "plans for failures are tested and revised";
    Hipaa Addressable Criticality "164.308(a)(7)(ii)(E)" "how critical each application and its data are";
    Hipaa Standard FacilityAccess "164.310(a)(1)" "access to the machines themselves is limited";
    Hipaa Required Disposal "164.310(d)(2)(i)" "health data, and what it is stored on, is disposed of";
    Hipaa Addressable BackupBeforeMovement "164.310(d)(2)(iv)" "a copy before equipment moves";
    Hipaa Standard AccessControl "164.312(a)(1)" "access control by technical means";
    Hipaa Required UniqueIdentity "164.312(a)(2)(i)" "everyone has an identity of their own";
    Hipaa Addressable EncryptionAtRest "164.312(a)(2)(iv)" "encryption of stored data";
    Hipaa Standard AuditControls "164.312(b)" "activity is recorded and examined";
    Hipaa Standard Integrity "164.312(c)(1)" "data is not altered or destroyed improperly";
    Hipaa Standard Authentication "164.312(d)" "who asks for access is who they say";
    Hipaa Standard TransmissionSecurity "164.312(e)(1)" "data is guarded on its way over a network";
    Hipaa Addressable TransmissionIntegrity "164.312(e)(2)(i)" "data is not altered on its way unnoticed";
    Hipaa Addressable TransmissionEncryption "164.312(e)(2)(ii)" "data is encrypted on its way";
    Hipaa Required ActionsRecorded "164.316(b)(1)(ii)" "actions and assessments are recorded in writing";
}

impl Control {
    /// The control of this id.
    pub fn named(id: &str) -> Option<Self> {
        let id = id.trim_start_matches("45 CFR ").trim_start_matches("§ ");
        Self::ALL
            .iter()
            .copied()
            .find(|control| control.id().eq_ignore_ascii_case(id))
    }

    /// How it is cited.
    pub fn citation(self) -> String {
        match self.framework() {
            Framework::Soc2 => format!("SOC 2 {}", self.id()),
            Framework::Hipaa => format!("HIPAA {} ({})", self.id(), self.need().word()),
        }
    }
}

/// What this pack gives no evidence for: id, topic, and why not.
pub const OUTSIDE: &[(&str, &str, &str)] = &[
    (
        "CC1, CC2, CC3, CC5, CC9.1",
        "organisation, communication, risk assessment",
        "what people do is not in a manifest",
    ),
    (
        "CC4.1",
        "ongoing evaluation",
        "the dated runs of this pack are the evidence, not one of its rules",
    ),
    (
        "CC7.3, CC7.4",
        "incidents are evaluated and answered",
        "what people do is not in a manifest",
    ),
    (
        "PI1.1 to PI1.4",
        "processing is complete and accurate",
        "a matter of the applications",
    ),
    ("P", "privacy", "a matter of the applications and of contracts"),
    (
        "164.308(a)(1)(ii)(C), (a)(2), (a)(3)(ii)(A), (a)(3)(ii)(C), (a)(5)(i)",
        "sanctions, responsibility, supervision, termination, training",
        "what people do is not in a manifest",
    ),
    (
        "164.308(a)(1)(ii)(D), (a)(6)(ii)",
        "activity is reviewed, incidents are answered",
        "that somebody looks is not in a manifest",
    ),
    (
        "164.308(a)(4)(ii)(C)",
        "access is reviewed and changed",
        "the history of roles is seen in version control, not in a manifest",
    ),
    (
        "164.308(a)(8)",
        "periodic evaluation",
        "the dated runs of this pack are the evidence",
    ),
    (
        "164.308(b), 164.314",
        "contracts",
        "contracts are not in a manifest",
    ),
    (
        "164.310(b), (c), (d)(2)(ii) and (iii)",
        "workstations, re-use of media and where they are",
        "inherited from whoever runs the machines",
    ),
    (
        "164.312(a)(2)(ii)",
        "access in an emergency (required)",
        "the way in for emergencies belongs to the cluster's operator",
    ),
    (
        "164.312(a)(2)(iii)",
        "automatic logoff",
        "the lifetime of sessions is decided by who issues the tokens",
    ),
    (
        "164.312(c)(2)",
        "stored data is authenticated",
        "checksums are in the backups, not in a manifest",
    ),
    (
        "164.316(b)(2)(i)",
        "six years of documentation",
        "how long reports are kept is decided where they are kept",
    ),
];
