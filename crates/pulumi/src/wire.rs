//! The protocol's fixed words: sizes, signatures and sentinels that both ends have agreed on.
//!
//! They are the engine's, chosen once as random identifiers so that no user's text meets them by chance.

/// The largest message the engine sends or takes: 400 MiB. The default of gRPC libraries, 4 MiB, is too small
/// for a whole stack in one message.
pub const MAX_MESSAGE_BYTES: usize = 400 * 1024 * 1024;

/// An object with this key is not an object but something special; the key's value says what.
pub const SIGNATURE_KEY: &str = "4dabf18193072939515e22adb298388d";

/// Signature of a secret; the content is under `value`.
pub const SECRET_SIGNATURE: &str = "1b47061264138c4ac30d75fd1eb44270";

/// Signature of an output value: `value` (absent while unknown), `secret`, `dependencies`.
pub const OUTPUT_SIGNATURE: &str = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/// Stands for a boolean that is not known yet.
pub const UNKNOWN_BOOL: &str = "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7";

/// Stands for a number that is not known yet.
pub const UNKNOWN_NUMBER: &str = "3eeb2bf0-c639-47a8-9e75-3b44932eb421";

/// Stands for a string that is not known yet; also for the id of a resource that a preview would create.
pub const UNKNOWN_STRING: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/// Stands for an array that is not known yet.
pub const UNKNOWN_ARRAY: &str = "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2";

/// Stands for an asset that is not known yet.
pub const UNKNOWN_ASSET: &str = "030794c1-ac77-496b-92df-f27374a8bd58";

/// Stands for an archive that is not known yet.
pub const UNKNOWN_ARCHIVE: &str = "e48ece36-62e2-4504-bad9-02848725956a";

/// Stands for an object that is not known yet.
pub const UNKNOWN_OBJECT: &str = "dd056dcd-154b-4c76-9bd3-c8f88648b5ff";

/// The type of the resource that every stack has at its root.
pub const ROOT_STACK_TYPE: &str = "pulumi:pulumi:Stack";

/// A program that ends with this exit code has failed and has already logged why: its host says nothing more.
pub const EXIT_ALREADY_SHOWN: u8 = 32;
