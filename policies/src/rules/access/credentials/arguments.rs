//! Searches the arguments of commands, in a list or in a line of a script.

use super::decision::{Place, Source, by_name};
use super::names::{Name, classify};
use super::{tokens, values};

/// A word of a line, without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub is_quoted: bool,
}

/// The words of a line, as a shell splits it.
pub(super) fn words(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_with(|| Word {
                    text: String::new(),
                    is_quoted: true,
                });
            }
            (Some(open), letter) if open == letter => quote = None,
            (_, letter) => word.get_or_insert_default().text.push(letter),
        }
    }
    words.extend(word);
    // A line that continues on the next one.
    words.retain(|word| word.text != "\\");
    words
}

/// An option of a program that takes a password: the program, the option, whether the value is a user and a password, and
/// whether it can follow without and with a space.
struct Short {
    programs: &'static [&'static str],
    option: &'static str,
    /// The command of the program without which the option means something else.
    command: Option<&'static str>,
    is_login: bool,
    is_joined: bool,
    is_separate: bool,
}

const SHORT: [Short; 8] = [
    Short {
        programs: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlsh",
            "mysqlimport",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
            "7z",
        ],
        option: "-p",
        command: None,
        is_login: false,
        is_joined: true,
        is_separate: false,
    },
    Short {
        programs: &["sqlcmd", "bcp"],
        option: "-P",
        command: None,
        is_login: false,
        is_joined: true,
        is_separate: true,
    },
    Short {
        programs: &["sshpass"],
        option: "-p",
        command: None,
        is_login: false,
        is_joined: true,
        is_separate: true,
    },
    Short {
        programs: &[
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoimport",
            "mongoexport",
            "cqlsh",
        ],
        option: "-p",
        command: None,
        is_login: false,
        is_joined: false,
        is_separate: true,
    },
    Short {
        programs: &[
            "docker", "podman", "buildah", "helm", "skopeo", "crane", "oras", "az",
        ],
        option: "-p",
        command: Some("login"),
        is_login: false,
        is_joined: false,
        is_separate: true,
    },
    Short {
        programs: &["redis-cli", "valkey-cli", "redis-benchmark"],
        option: "-a",
        command: None,
        is_login: false,
        is_joined: false,
        is_separate: true,
    },
    Short {
        programs: &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"],
        option: "-w",
        command: None,
        is_login: false,
        is_joined: true,
        is_separate: true,
    },
    Short {
        programs: &["curl"],
        option: "-u",
        command: None,
        is_login: true,
        is_joined: true,
        is_separate: true,
    },
];

impl Short {
    fn applies_to(&self, program: &str, word: &str, words: &[Word]) -> bool {
        let has_command = |command: &str| words.iter().take(50).any(|word| word.text == command);
        self.programs.contains(&program)
            && word.starts_with(self.option)
            && self.command.is_none_or(has_command)
    }
}

/// What the first credential among the arguments of a command is.
pub(super) fn find(words: &[Word], source: Source) -> Option<&'static str> {
    let is_literal = |value: &str| {
        let is_variable =
            value.starts_with('$') && source != Source::Configuration && !value.contains([' ', ':']);
        !is_variable && !value.starts_with('-') && !values::is_expression(value)
    };
    let mut program = "";
    for (index, word) in words.iter().enumerate() {
        let word = word.text.as_str();
        let next = words.get(index + 1).map_or("", |word| word.text.as_str());
        let Some(option) = word.strip_prefix('-') else {
            let command = word.rsplit('/').next().unwrap_or(word);
            if is_program(command) {
                program = command;
            }
            let value = match (program, word) {
                // `openssl … -passin pass:value`
                ("openssl", _) => word.strip_prefix("pass:"),
                ("rabbitmqctl", "add_user" | "change_password") => {
                    words.get(index + 2).map(|word| word.text.as_str())
                }
                ("vault", "login") => Some(next),
                _ => None,
            };
            if value.is_some_and(|value| is_literal(value) && values::is_literal_password(value)) {
                return by_name("password", value.unwrap_or_default(), Place::Value);
            }
            continue;
        };
        let short = SHORT.iter().find(|short| short.applies_to(program, word, words));
        if let Some(short) = short {
            let joined = &word[short.option.len()..];
            let value = match joined {
                "" if short.is_separate => next,
                joined if short.is_joined => joined.trim_start_matches('='),
                _ => "",
            };
            let name = if short.is_login { "auth" } else { "password" };
            if is_literal(value)
                && let Some(what) = by_name(name, value, Place::Value)
            {
                return Some(what);
            }
        }
        let name = option.trim_start_matches('-');
        // An option with its value in one word is an assignment.
        if next.is_empty() || name.contains('=') || !is_literal(next) {
            continue;
        }
        let is_user = name == "user" && program == "curl";
        let name = if is_user { "auth" } else { name };
        // `-p`, `-k` and other letters have no fixed meaning.
        if name.len() > 2
            && classify(name) != Name::Other
            && let Some(what) = by_name(name, next, Place::Value)
        {
            return Some(what);
        }
    }
    let is_login = |word: &Word| is_literal(&word.text) && tokens::is_login(&word.text);
    let changes_passwords = words.iter().any(|word| word.text.ends_with("chpasswd"));
    (changes_passwords && words.iter().any(is_login)).then_some("a user name and a password")
}

/// Programs with options that the tables name.
fn is_program(command: &str) -> bool {
    ["openssl", "rabbitmqctl", "vault"].contains(&command)
        || SHORT.iter().any(|short| short.programs.contains(&command))
}
