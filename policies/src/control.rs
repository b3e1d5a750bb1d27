//! The controls that a deployment can give evidence for: criteria of SOC 2 and specifications of the HIPAA Security Rule.
//!
//! The names of HIPAA's standards and specifications are the official ones. The text of the Trust Services Criteria is
//! copyrighted, so that those have their id and a neutral description. A rule refers to controls by the variants of
//! [`Control`] and therefore cannot cite one that does not exist. [`OUTSIDE`] lists the controls that a manifest gives no
//! evidence for, with the reason. Evidence for a control does not mean compliance with it.

/// The framework of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framework {
    /// The Trust Services Criteria of 2017 with the points of focus of 2022.
    Soc2,
    /// The HIPAA Security Rule: 45 CFR part 164, subpart C.
    Hipaa,
}

impl Framework {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2",
            Self::Hipaa => "HIPAA",
        }
    }
}

/// How binding a control is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A criterion of SOC 2.
    Criterion,
    /// A standard of HIPAA, which is met through its implementation specifications.
    Standard,
    /// A required implementation specification.
    Required,
    /// An addressable implementation specification: implement it, or document why not and implement an alternative
    /// (164.306(d)(3)).
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
    ($($framework:ident $need:ident $name:ident $id:literal $title:literal;)*) => {
        /// A control.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Control {
            $(#[doc = concat!($id, ": ", $title)] $name,)*
        }

        impl Control {
            /// Every control, ordered by framework and id.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The exact id, such as `CC6.1` or `164.312(e)(1)`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The official short name (HIPAA), or a neutral description (SOC 2).
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The framework.
            pub fn framework(self) -> Framework {
                match self { $(Self::$name => Framework::$framework,)* }
            }

            /// How binding it is.
            pub fn need(self) -> Need {
                match self { $(Self::$name => Need::$need,)* }
            }
        }
    };
}

controls! {
    Soc2 Criterion DeficienciesCommunicated "CC4.2" "Communication of control deficiencies";
    Soc2 Criterion AccessArchitecture "CC6.1" "Logical access, segmentation, encryption and key management";
    Soc2 Criterion CredentialsIssued "CC6.2" "Issuance of credentials to authorized users";
    Soc2 Criterion LeastPrivilege "CC6.3" "Role-based access and least privilege";
    Soc2 Criterion Boundary "CC6.6" "Protection against threats from outside the system boundary";
    Soc2 Criterion DataInMotion "CC6.7" "Protection of data in transit";
    Soc2 Criterion UnauthorizedSoftware "CC6.8" "Prevention and detection of unauthorized software";
    Soc2 Criterion ConfigurationStandards "CC7.1" "Configuration standards and detection of deviations";
    Soc2 Criterion AnomaliesWatched "CC7.2" "Monitoring for anomalies";
    Soc2 Criterion Recovery "CC7.5" "Recovery from incidents";
    Soc2 Criterion ChangeControl "CC8.1" "Authorization, testing and traceability of changes";
    Soc2 Criterion Vendors "CC9.2" "Risks of vendors and business partners";
    Soc2 Criterion Capacity "A1.1" "Capacity management";
    Soc2 Criterion Redundancy "A1.2" "Backup, redundancy and environmental protection";
    Soc2 Criterion RecoveryTested "A1.3" "Tests of recovery plans";
    Soc2 Criterion ConfidentialKept "C1.1" "Identification and protection of confidential information";
    Soc2 Criterion Disposed "C1.2" "Disposal of confidential information";
    Soc2 Criterion StoredDataProtected "PI1.5" "Completeness and accuracy of stored data";

    Hipaa Standard GeneralProtection "164.306(a)(1)" "General requirements";
    Hipaa Addressable AddressableDocumented "164.306(d)(3)(ii)(B)" "Implementation specifications";
    Hipaa Standard MeasuresKeptCurrent "164.306(e)" "Maintenance";
    Hipaa Required RiskAnalysis "164.308(a)(1)(ii)(A)" "Risk analysis";
    Hipaa Required RiskManagement "164.308(a)(1)(ii)(B)" "Risk management";
    Hipaa Standard WorkforceSecurity "164.308(a)(3)(i)" "Workforce security";
    Hipaa Addressable WorkforceClearance "164.308(a)(3)(ii)(B)" "Workforce clearance procedure";
    Hipaa Standard AccessManagement "164.308(a)(4)(i)" "Information access management";
    Hipaa Addressable AccessAuthorization "164.308(a)(4)(ii)(B)" "Access authorization";
    Hipaa Addressable MaliciousSoftware "164.308(a)(5)(ii)(B)" "Protection from malicious software";
    Hipaa Addressable LogInsWatched "164.308(a)(5)(ii)(C)" "Log-in monitoring";
    Hipaa Addressable PasswordManagement "164.308(a)(5)(ii)(D)" "Password management";
    Hipaa Standard ContingencyPlan "164.308(a)(7)(i)" "Contingency plan";
    Hipaa Required DataBackup "164.308(a)(7)(ii)(A)" "Data backup plan";
    Hipaa Required DisasterRecovery "164.308(a)(7)(ii)(B)" "Disaster recovery plan";
    Hipaa Required EmergencyMode "164.308(a)(7)(ii)(C)" "Emergency mode operation plan";
    Hipaa Addressable PlansTested "164.308(a)(7)(ii)(D)" "Testing and revision procedures";
    Hipaa Addressable Criticality "164.308(a)(7)(ii)(E)" "Applications and data criticality analysis";
    Hipaa Standard FacilityAccess "164.310(a)(1)" "Facility access controls";
    Hipaa Required Disposal "164.310(d)(2)(i)" "Disposal";
    Hipaa Addressable BackupBeforeMovement "164.310(d)(2)(iv)" "Data backup and storage";
    Hipaa Standard AccessControl "164.312(a)(1)" "Access control";
    Hipaa Required UniqueIdentity "164.312(a)(2)(i)" "Unique user identification";
    Hipaa Addressable EncryptionAtRest "164.312(a)(2)(iv)" "Encryption and decryption";
    Hipaa Standard AuditControls "164.312(b)" "Audit controls";
    Hipaa Standard Integrity "164.312(c)(1)" "Integrity";
    Hipaa Standard Authentication "164.312(d)" "Person or entity authentication";
    Hipaa Standard TransmissionSecurity "164.312(e)(1)" "Transmission security";
    Hipaa Addressable TransmissionIntegrity "164.312(e)(2)(i)" "Integrity controls";
    Hipaa Addressable TransmissionEncryption "164.312(e)(2)(ii)" "Encryption";
    Hipaa Required ActionsRecorded "164.316(b)(1)(ii)" "Documentation";
}

impl Control {
    /// The control with this id.
    pub fn named(id: &str) -> Option<Self> {
        let id = id.trim_start_matches("45 CFR ").trim_start_matches("§ ");
        Self::ALL
            .iter()
            .copied()
            .find(|control| control.id().eq_ignore_ascii_case(id))
    }

    /// The citation, such as `HIPAA 164.312(e)(1) (standard)`.
    pub fn citation(self) -> String {
        match self.framework() {
            Framework::Soc2 => format!("SOC 2 {}", self.id()),
            Framework::Hipaa => format!("HIPAA {} ({})", self.id(), self.need().word()),
        }
    }
}

/// Controls without evidence in this pack: id, name, and the reason.
pub const OUTSIDE: &[(&str, &str, &str)] = &[
    (
        "CC1, CC2, CC3, CC5, CC9.1",
        "Organization, communication, risk assessment",
        "organizational processes are not visible in manifests",
    ),
    (
        "CC4.1",
        "Ongoing evaluation",
        "the dated reports of this pack are the evidence, not one of its rules",
    ),
    (
        "CC7.3, CC7.4",
        "Evaluation of and response to incidents",
        "organizational processes are not visible in manifests",
    ),
    (
        "PI1.1 to PI1.4",
        "Completeness and accuracy of processing",
        "this depends on the applications",
    ),
    (
        "P",
        "Privacy",
        "this depends on the applications and on contracts",
    ),
    (
        "164.308(a)(1)(ii)(C), (a)(2), (a)(3)(ii)(A), (a)(3)(ii)(C), (a)(5)(i)",
        "Sanction policy, assigned security responsibility, authorization and/or supervision, termination procedures, security awareness and training",
        "organizational processes are not visible in manifests",
    ),
    (
        "164.308(a)(1)(ii)(D), (a)(6)(ii)",
        "Information system activity review, response and reporting",
        "manifests do not show that records are reviewed",
    ),
    (
        "164.308(a)(4)(ii)(C)",
        "Access establishment and modification",
        "the history of roles is in version control, not in manifests",
    ),
    (
        "164.308(a)(8)",
        "Evaluation",
        "the dated reports of this pack are the evidence",
    ),
    (
        "164.308(b), 164.314",
        "Business associate contracts, organizational requirements",
        "contracts are not visible in manifests",
    ),
    (
        "164.310(b), (c), (d)(2)(ii) and (iii)",
        "Workstation use, workstation security, media re-use, accountability",
        "inherited from the operator of the machines",
    ),
    (
        "164.312(a)(2)(ii)",
        "Emergency access procedure (required)",
        "emergency access is a procedure of the cluster operator",
    ),
    (
        "164.312(a)(2)(iii)",
        "Automatic logoff",
        "the issuer of the tokens determines the lifetime of sessions",
    ),
    (
        "164.312(c)(2)",
        "Mechanism to authenticate electronic protected health information",
        "checksums are part of the backups, not of manifests",
    ),
    (
        "164.316(b)(2)(i)",
        "Time limit (six years of documentation)",
        "the retention of reports depends on where they are stored",
    ),
];
