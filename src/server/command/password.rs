//! What a new password must be.

use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::Secret;
use antiphon_protocol::limits::PASSWORD_CHARS_MIN;

/// Passwords that every list of stolen ones begins with.
const COMMON_PASSWORDS: &[&str] = &[
    "password",
    "password1",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyuiop",
    "qwerty123",
    "11111111",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "letmein1",
    "trustno1",
    "abcd1234",
    "passw0rd",
    "88888888",
    "00000000",
    "1q2w3e4r",
    "asdfghjkl",
    "zaq12wsx",
];

/// Whether a password may be taken; `field` names it in the refusal.
pub(super) fn check_new_password(
    password: &Secret,
    username: &str,
    field: &str,
) -> Result<(), ErrorBody> {
    let text = password.0.as_str();
    let ext = format!("invalid_field:{field}");
    if text.chars().count() < PASSWORD_CHARS_MIN {
        let message = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        return Err(ErrorBody::new(400, ext, message));
    }
    let lower = text.to_lowercase();
    if lower.trim().is_empty() || lower == username || COMMON_PASSWORDS.contains(&lower.as_str()) {
        return Err(ErrorBody::new(
            400,
            ext,
            "this password is too easy to guess; take another",
        ));
    }
    Ok(())
}
