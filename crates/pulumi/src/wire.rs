//! Constants of the engine's protocol: sizes, signatures and sentinels.
//!
//! The signatures and sentinels are random identifiers, so that they do not collide with user data.

/// The maximum size of a message: 400 MiB, as in the engine. The default of gRPC libraries, 4 MiB, is too small for a
/// message that contains a whole stack.
pub const MAX_MESSAGE_BYTES: usize = 400 * 1024 * 1024;

/// The key that marks an object as a special value; the value of the key is one of the signatures.
pub const SIGNATURE_KEY: &str = "4dabf18193072939515e22adb298388d";

/// The signature of a secret; its content is in the field `value`.
pub const SECRET_SIGNATURE: &str = "1b47061264138c4ac30d75fd1eb44270";

/// The signature of an output value, with the fields `value` (absent if unknown), `secret` and `dependencies`.
pub const OUTPUT_SIGNATURE: &str = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/// The sentinel of an unknown boolean.
pub const UNKNOWN_BOOL: &str = "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7";

/// The sentinel of an unknown number.
pub const UNKNOWN_NUMBER: &str = "3eeb2bf0-c639-47a8-9e75-3b44932eb421";

/// The sentinel of an unknown string, and of the id of a resource that a preview would create.
pub const UNKNOWN_STRING: &str = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/// The sentinel of an unknown array.
pub const UNKNOWN_ARRAY: &str = "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2";

/// The sentinel of an unknown asset.
pub const UNKNOWN_ASSET: &str = "030794c1-ac77-496b-92df-f27374a8bd58";

/// The sentinel of an unknown archive.
pub const UNKNOWN_ARCHIVE: &str = "e48ece36-62e2-4504-bad9-02848725956a";

/// The sentinel of an unknown object.
pub const UNKNOWN_OBJECT: &str = "dd056dcd-154b-4c76-9bd3-c8f88648b5ff";

/// The type of the root resource of every stack.
pub const ROOT_STACK_TYPE: &str = "pulumi:pulumi:Stack";

/// The exit code of a program that failed and has already logged the reason. The language host adds no message.
pub const EXIT_ALREADY_SHOWN: u8 = 32;
